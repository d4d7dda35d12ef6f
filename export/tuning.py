"""`--tune`: the forms of the graph, measured on this machine, each in processes of its own, in turns."""

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from miniseg_edge import terminal
from miniseg_edge.bundle import Bundle, file_records, write_bundle
from miniseg_edge.errors import ExportError
from miniseg_edge.export.artifacts import artifact_files
from miniseg_edge.export.deployment_graph import DeploymentGraph
from miniseg_edge.export.forms import FORMS, Form
from miniseg_edge.golden import npy_from_logits
from miniseg_edge.images import png_from_pixels
from miniseg_edge.manifest import Artifact, FormTiming, GoldenSlice, Manifest, sealed
from miniseg_edge.runtimes.registry import REGISTRY

ROUNDS = 5
SECONDS = 1.5

_TURN = """
import sys, time, numpy, miniseg_edge
bundle, runtime, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
with miniseg_edge.load(bundle, runtime, "cpu") as segmenter:
    manifest = segmenter.bundle.manifest
    shape = (1, manifest.interface.channels, *manifest.preprocessing.size)
    grey = numpy.random.default_rng(0).random(shape, numpy.float32) * 255
    taken, start = [], time.perf_counter()
    while time.perf_counter() - start < 2 * seconds:
        before = time.perf_counter()
        segmenter.runtime.infer(grey)
        if before - start > seconds:  # the first half is the warm-up
            taken.append(time.perf_counter() - before)
print(1e3 * float(numpy.median(taken)))
"""


def tuned_form(
    graph: DeploymentGraph, manifest: Manifest, target: str, precision: str
) -> tuple[Form, tuple[FormTiming, ...]]:
    """The fastest of `FORMS` here by the median of its turns' medians, and what was measured of each.

    Raises:
        ExportError: a form could not be built or run.
    """
    runtime = next(entry.name for entry in REGISTRY if entry.target == target)
    with tempfile.TemporaryDirectory(prefix="miniseg-tune-") as folder:
        for form in terminal.track(FORMS, f"building {len(FORMS)} forms for {target}"):
            _write_candidate(graph, manifest, (target, precision), form, Path(folder) / form.name)
        found: dict[str, list[float]] = {form.name: [] for form in FORMS}
        turns = [form.name for _ in range(ROUNDS) for form in FORMS]
        for name in terminal.track(turns, f"measuring them, {ROUNDS} rounds"):
            found[name].append(_turn_ms(Path(folder) / name, runtime))
    timings = tuple(FormTiming(name, tuple(taken)) for name, taken in found.items())
    rows = [(t.form, f"{np.median(t.p50_ms):.2f}", f"{min(t.p50_ms):.2f}..{max(t.p50_ms):.2f}") for t in timings]
    terminal.table(f"Forms for {target} {precision} on this machine", ("form", "p50 ms", "turns"), rows)
    return min(FORMS, key=lambda form: float(np.median(found[form.name]))), timings


def _write_candidate(graph: DeploymentGraph, manifest: Manifest, what: tuple[str, str], form: Form, path: Path) -> None:
    """A bundle with this one artefact; its golden slice is a placeholder, because nobody judges its masks."""
    built, size = artifact_files(graph, manifest, what, form), manifest.preprocessing.size
    golden = {
        "golden.png": png_from_pixels(np.zeros(size, np.uint8)),
        "golden.npy": npy_from_logits(np.zeros((1, *size), np.float32)),
        manifest.parity.report: b"{}",
    }
    contents = {**built.files, **golden}
    candidate = replace(
        manifest,
        artifacts=(Artifact(*what, tuple(built.files), built.nodes, form.name),),
        golden=(GoldenSlice("placeholder", "golden.png", "golden.npy"),),
        files=file_records(contents),
    )
    write_bundle(Bundle(path.name, sealed(candidate), contents), path)


def _turn_ms(bundle: Path, runtime: str) -> float:
    command = [sys.executable, "-c", _TURN, str(bundle), runtime, str(SECONDS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own script
    if done.returncode != 0:
        raise ExportError(f"the form {bundle.name} could not be measured", "a latency", done.stderr.strip()[-300:])
    return float(done.stdout)
