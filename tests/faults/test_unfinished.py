"""A runtime that fails in the midst of a volume: finished masks are kept and marked, and work resumes there."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.errors import InferenceError
from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.backends.native import Native
from miniseg_edge.runtimes.segment_command import main
from miniseg_edge.runtimes.study.segment_study import segmented_study
from miniseg_edge.runtimes.study.unfinished import KEPT
from miniseg_edge.slices.images import write_png
from miniseg_edge.studies import open_study
from tests.bundles import files_below
from tests.studies.series import write_series

SLICES, GOOD = 6, 4


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From now on the real runtime serves `GOOD` calls, and then its driver is gone."""
    infer = Native._infer

    def start() -> None:
        calls = 0

        def served(self: Native, values: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > GOOD:
                raise RuntimeError("the driver is gone")
            return infer(self, values)

        monkeypatch.setattr(Native, "_infer", served)

    return start


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_series(tmp_path / "series", SLICES)


def run(bundle: Path, source: Path, output: Path, *words: str) -> int:
    return main([str(bundle), str(source), "--output", str(output), "--threads", "1", *words])


def test_the_api_hands_over_the_slices_before(demo_bundle_path: Path, failing: Callable[[], None]) -> None:
    volume = np.stack([phantom(seed, size=(64, 64)).image for seed in range(SLICES)])
    with miniseg_edge.load(demo_bundle_path, threads=1) as segmenter:
        whole = segmenter.segment_volume(volume)
        failing()
        with pytest.raises(InferenceError, match="the driver is gone") as caught:
            segmenter.segment_volume(volume)
        partial = caught.value.partial
        np.testing.assert_array_equal(partial.mask, whole.mask[:GOOD])
        assert (partial.runtime, partial.bundle_digest) == (whole.runtime, whole.bundle_digest)
        failing()  # as before: it serves a few calls
        rest = segmenter.segment_volume(volume[len(partial.mask) :])
    np.testing.assert_array_equal(np.concatenate([partial.mask, rest.mask]), whole.mask)


def test_a_study_goes_on_where_it_failed(
    demo_bundle_path: Path, study: Path, tmp_path: Path, failing: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(demo_bundle_path, study, tmp_path / "whole") == 0
    failing()
    assert run(demo_bundle_path, study, tmp_path / "out") == 1
    shown = capsys.readouterr().err
    assert "INFERENCE" in shown
    assert f"{GOOD} of {SLICES} slices are kept" in shown
    assert files_below(tmp_path / "out") == {KEPT}, "nothing that could be taken for a result"
    failing()
    assert run(demo_bundle_path, study, tmp_path / "out", "--resume") == 0
    assert files_below(tmp_path / "out") == files_below(tmp_path / "whole")
    for name in files_below(tmp_path / "whole"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_reading_again_is_progress_too(demo_bundle_path: Path, study: Path, failing: Callable[[], None]) -> None:
    opened, told = open_study(study), []
    with miniseg_edge.load(demo_bundle_path, threads=1) as segmenter:
        failing()
        with pytest.raises(InferenceError) as caught:
            segmented_study(opened, segmenter, lambda done, of: None)
        failing()
        segmented_study(opened, segmenter, lambda done, of: told.append((done, of)), caught.value.partial)
    assert told == [(done, SLICES) for done in range(1, SLICES + 1)]


@pytest.mark.slow
def test_what_was_kept_is_not_mixed_with_anything_else(
    demo_bundle_path: Path, bundle_path: Path, study: Path, tmp_path: Path, failing: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "out"
    assert run(demo_bundle_path, study, out, "--resume") == 2
    failing()
    assert run(demo_bundle_path, study, out) == 1
    assert run(bundle_path, study, out, "--resume") == 2
    assert "made with other settings" in capsys.readouterr().err
    whole = (out / KEPT).read_bytes()
    line, masks = gzip.decompress(whole).split(b"\n", 1)
    changed = line + b"\n" + bytes([masks[0] ^ 1]) + masks[1:]
    longer, bomb = line + b"\n" + masks + masks[:1], line + b"\n" + bytes(2**20)
    for hostile in (*map(gzip.compress, (changed, longer, bomb, line, b"", b"{}\n" + masks)), whole[:20], b"masks"):
        (out / KEPT).write_bytes(hostile)
        assert run(demo_bundle_path, study, out, "--resume") == 1
        assert "INTEGRITY" in capsys.readouterr().err
    record = json.loads(line)
    record["input_sha256"][1] = "0" * 64
    (out / KEPT).write_bytes(gzip.compress(json.dumps(record).encode() + b"\n" + masks))
    assert run(demo_bundle_path, study, out, "--resume") == 1
    assert "not the slice that was segmented" in capsys.readouterr().err


def test_a_folder_of_slices_goes_on_where_it_failed(
    demo_bundle_path: Path, bundle_path: Path, tmp_path: Path, failing: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for seed in range(SLICES):
        write_png(tmp_path / "slices" / f"{seed}.png", phantom(seed, size=(64, 64)).image)
    assert run(demo_bundle_path, tmp_path / "slices", tmp_path / "whole") == 0
    failing()
    assert run(demo_bundle_path, tmp_path / "slices", tmp_path / "out") == 1
    assert len(files_below(tmp_path / "out")) == 2 * GOOD
    (tmp_path / "out" / "1_overlay.png").unlink()  # as a kill between the two would leave it
    failing()
    assert run(demo_bundle_path, tmp_path / "slices", tmp_path / "out", "--resume") == 0
    assert f"{GOOD - 1} slices segmented earlier" in capsys.readouterr().out
    for name in files_below(tmp_path / "whole"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert run(bundle_path, tmp_path / "slices", tmp_path / "out", "--resume") == 1
    assert "OUTPUT_EXISTS" in capsys.readouterr().err
