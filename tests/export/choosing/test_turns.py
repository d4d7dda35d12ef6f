import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.errors import ExportError
from miniseg_edge.export.builders.interface import BuiltArtifact
from miniseg_edge.export.choosing.turns import Candidate, candidate, rounds_of_turns


@pytest.fixture(scope="module")
def written(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> list[Candidate]:
    """Every target of the small bundle, each alone."""
    folder = tmp_path_factory.mktemp("turns")
    artifacts = [a for a in bundle.manifest.artifacts if a.target != "reference"]
    return [
        candidate(
            bundle.manifest, a, BuiltArtifact({f: bundle.contents[f] for f in a.files}, a.nodes, 0), folder / a.target
        )
        for a in artifacts
    ]


def test_each_candidate_has_its_turn_in_every_round(written: list[Candidate]) -> None:
    rounds = list(rounds_of_turns(written, 2))
    assert [set(found) for found in rounds] == [{"onnx", "openvino", "native"}] * 2
    assert all(turn.p50_ms > 0 and turn.processor_ms > 0 for found in rounds for turn in found.values())


def test_what_cannot_be_opened_is_named_with_the_reason(written: list[Candidate], tmp_path: Path) -> None:
    broken = replace(written[0], name="broken", path=tmp_path / "broken")
    shutil.copytree(written[0].path, broken.path)
    (broken.path / "manifest.json").write_text("{}")
    with pytest.raises(ExportError, match=r"(?s)broken could not be measured.*INCOMPATIBLE"):
        next(iter(rounds_of_turns([written[0], broken], 1)))
