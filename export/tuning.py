"""`--tune`: the forms of the graph, measured on this machine, each in a process of its own, in turns."""

import tempfile
from pathlib import Path

import numpy as np

from miniseg_edge import terminal
from miniseg_edge.export.artifacts import artifact_files
from miniseg_edge.export.deployment_graph import DeploymentGraph
from miniseg_edge.export.forms import FORMS, Form
from miniseg_edge.export.turns import Candidate, candidate, measured
from miniseg_edge.manifest import Artifact, FormTiming, Manifest

ROUNDS = 11


def tuned_form(
    graph: DeploymentGraph, manifest: Manifest, target: str, precision: str
) -> tuple[Form, tuple[FormTiming, ...]]:
    """The fastest of `FORMS` here by the median of its turns' medians, and what was measured of each.

    Raises:
        ExportError: a form could not be built or run.
    """
    with tempfile.TemporaryDirectory(prefix="miniseg-tune-") as folder:
        candidates = [
            _candidate(graph, manifest, (target, precision), form, Path(folder) / form.name)
            for form in terminal.track(FORMS, f"building {len(FORMS)} forms for {target}")
        ]
        found = measured(candidates, ROUNDS, f"{len(FORMS)} forms")
    timings = tuple(FormTiming(name, taken) for name, taken in found.items())
    rows = [(t.form, f"{np.median(t.p50_ms):.2f}", f"{min(t.p50_ms):.2f}..{max(t.p50_ms):.2f}") for t in timings]
    terminal.table(f"Forms for {target} {precision} on this machine", ("form", "p50 ms", "turns"), rows)
    return min(FORMS, key=lambda form: float(np.median(found[form.name]))), timings


def _candidate(graph: DeploymentGraph, manifest: Manifest, what: tuple[str, str], form: Form, path: Path) -> Candidate:
    built = artifact_files(graph, manifest, what, form)
    return candidate(manifest, Artifact(*what, (), built.nodes, form.name), built, path)
