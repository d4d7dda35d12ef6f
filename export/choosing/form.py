"""`--tune`: times the forms of the graph on this machine, each in a separate process, in alternating rounds."""

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from miniseg_edge.bundle.manifest import Artifact, FormTiming, Manifest
from miniseg_edge.console import terminal
from miniseg_edge.export.artifacts import built_artifact
from miniseg_edge.export.build import Build
from miniseg_edge.export.choosing.contest import Contest, contest
from miniseg_edge.export.choosing.turns import Candidate, candidate, latencies, measured, processor_times
from miniseg_edge.export.graph.deployment_graph import DeploymentGraph
from miniseg_edge.export.graph.forms import FORMS, Form
from miniseg_edge.export.targets import target_named


def tuned_form(graph: DeploymentGraph, manifest: Manifest, build: Build) -> tuple[Form, tuple[FormTiming, ...]]:
    """The fastest of `FORMS` here, or the target's default if none is faster by more than noise; and the timings.

    Raises:
        ExportError: a form could not be built or run.
    """
    own = target_named(build.target).form(build.precision)
    forms = {form.name: form for form in (own, *(form for form in FORMS if form != own))}
    with tempfile.TemporaryDirectory(prefix="miniseg-tune-") as folder:
        candidates = [
            _candidate(graph, manifest, build, form, Path(folder) / name)
            for name, form in terminal.track(tuple(forms.items()), f"building {len(forms)} forms for {build.target}")
        ]
        found = measured(candidates, f"{len(forms)} forms", lambda rounds: contest(latencies(rounds)).undecided)
    taken, processor = latencies(found), processor_times(found)
    judged = contest(taken)
    _show(build, judged, taken)
    return forms[judged.winner], tuple(FormTiming(name, taken[name], processor[name]) for name in taken)


def _show(build: Build, judged: Contest, taken: Mapping[str, Sequence[float]]) -> None:
    rows = [(name, f"{statistics.median(taken[name]):.2f}", str(one)) for name, one in judged.speeds.items()]
    terminal.table(f"Forms for {build} on this machine", ("form", "p50 ms", f"speed over {rows[0][0]}"), rows)
    if judged.nothing_wins:
        terminal.say(f"no form is faster than {judged.winner} by more than noise: it stays", "good")


def _candidate(graph: DeploymentGraph, manifest: Manifest, build: Build, form: Form, path: Path) -> Candidate:
    built = built_artifact(graph, manifest, build, form)
    return candidate(manifest, Artifact(build.target, build.precision, (), built.nodes, form.name), built, path)
