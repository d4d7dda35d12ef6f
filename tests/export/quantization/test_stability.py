"""The command on a small network, with OpenVINO held to an older instruction set."""

import json
from pathlib import Path

import pytest

from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.export.quantization.search import stability
from miniseg_edge.export.quantization.search.plan import QuantizationPlan
from miniseg_edge.export.quantization.search.stability import LIMIT
from miniseg_edge.export.quantization.stability import EXACT, main
from miniseg_edge.phantoms import phantoms
from miniseg_edge.slices.images import write_png


@pytest.fixture
def slices(tmp_path: Path) -> Path:
    for item in phantoms(5, first_seed=300, size=(64, 64)):
        write_png(tmp_path / "slices" / f"{item.name}.png", item.image)
    return tmp_path / "slices"


@pytest.mark.slow
def test_every_subset_is_judged_by_exact_arithmetic_and_by_an_older_processor(
    tiny_checkpoint_path: Path, slices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stability, "SUBSETS", 3)
    plan = tmp_path / "plan.json"
    plan.write_text(json_from_record(QuantizationPlan(1, ("exchange-2",), 0, "by hand", "", ())))
    found = tmp_path / "found.json"
    code = main([
        str(tiny_checkpoint_path), "--calibration", str(slices), "--quantization", str(plan), "--output", str(found),
        "--instruction-set", "SSE41", "--input-size", "64", "64",
    ])  # fmt: skip
    worst = {name: one["worst"] for name, one in json.loads(found.read_text()).items()}
    assert set(worst) == {EXACT, "OpenVINO, SSE41"}
    for dice in worst.values():
        assert len(dice) == 3
        assert all(0 <= value <= 1 for value in dice)
    safe = all(max(dice) - min(dice) < LIMIT for dice in worst.values())
    assert code == (0 if safe else 3)


def test_too_few_slices_are_a_wrong_use(tiny_checkpoint_path: Path, slices: Path, tmp_path: Path) -> None:
    for path in sorted(slices.iterdir())[:2]:
        path.unlink()
    plan = tmp_path / "plan.json"
    plan.write_text(json_from_record(QuantizationPlan(1, ("exchange-2",), 0, "by hand", "", ())))
    assert main([str(tiny_checkpoint_path), "--calibration", str(slices), "--quantization", str(plan)]) == 2
