"""The golden slices through a runtime: with OpenVINO, since nothing in it is an engine's own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.bundle.golden import golden_logits, npy_from_logits
from miniseg_edge.errors import ParityError
from miniseg_edge.export.exporter import export_bundle
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.runtimes.backends.replay import replay
from miniseg_edge.slices.preprocessing import Window


@pytest.fixture(scope="module", params=["grey to logits", pytest.param("hu to masks", marks=pytest.mark.slow)])
def replayable(
    request: pytest.FixtureRequest, tiny_checkpoint_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    values, result = ("grey", "logit") if request.param == "grey to logits" else ("hu", "mask")
    output = tmp_path_factory.mktemp("replay") / "bundle"
    export_bundle(
        ExportRequest(
            tiny_checkpoint_path, output, ("openvino",), size=(32, 32), window=Window(-1250.0, 250.0),
            values=values, result=result,
        )
    )  # fmt: skip
    return open_bundle(output)


def test_a_sound_runtime_passes(replayable: Bundle) -> None:
    with miniseg_edge.load(replayable, "openvino") as segmenter:
        found = replay(segmenter.runtime, replayable)
    assert [s.real_flips for s in found] == [0, 0]


def test_another_lesion_is_refused(replayable: Bundle) -> None:
    golden = replayable.manifest.golden[1]
    inverted = npy_from_logits(np.ascontiguousarray(-golden_logits(replayable, golden, (32, 32))))
    changed = replace(replayable, contents={**replayable.contents, golden.logit: inverted})
    with miniseg_edge.load(changed, "openvino") as segmenter, pytest.raises(ParityError, match="pixels flipped"):
        replay(segmenter.runtime, changed)
