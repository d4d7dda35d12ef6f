"""`export` from Python: what only a caller in Python can get wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from miniseg_edge.errors import UsageError
from miniseg_edge.export import export
from miniseg_edge.slices.preprocessing import Statistics, Window


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"targets": "native"}, r"""targets is not a list of names; expected such as \["native"\], got 'native'"""),
        ({"targets": None}, "targets is not a list of names.*got None"),
        ({"targets": [Path("native")]}, "targets is not a list of names"),
        ({"targets": []}, r"targets is not a list of names.*got \[\]"),
        ({"precisions": "fp32"}, "precisions is not a list of names.*got 'fp32'"),
        ({"window": 1500}, r"window is not a pair of numbers; expected \(low, high\) in HU, got 1500"),
        ({"window": (-1250, 0, 250)}, "window is not a pair of numbers"),
        ({"window": "ab"}, "window is not a pair of numbers"),
        ({"size": 512}, r"size is not a pair of numbers; expected \(height, width\) in pixels, got 512"),
        ({"size": (512.5, 512)}, "size is not a pair of numbers"),
        ({"mean": "0.6", "std": 0.3}, "normalisation is not a pair of numbers; expected mean and std"),
    ],
)
def test_arguments_of_another_kind_are_usage_errors(tmp_path: Path, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        export(tmp_path / "no.pth", tmp_path / "out", **wrong)


def test_lists_and_numbers_of_numpy_are_as_good_as_others(tiny_checkpoint_path: Path, tmp_path: Path) -> None:
    alike: dict[str, Any] = {"targets": ["native"], "window": np.array([-1250, 250], np.float32), "size": [32, 32]}
    alike |= {"mean": np.float32(0.5), "std": np.float32(0.25)}
    bundle = export(tiny_checkpoint_path, tmp_path / "out", **alike).bundle
    assert bundle is not None
    assert bundle.manifest.preprocessing.size == (32, 32)
    assert bundle.manifest.preprocessing.window == Window(-1250.0, 250.0)
    assert bundle.manifest.preprocessing.statistics == Statistics(0.5, 0.25)
