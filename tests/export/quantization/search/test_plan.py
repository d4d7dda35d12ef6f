import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.errors import UsageError
from miniseg_edge.export.quantization.search.plan import QuantizationPlan, Trial, plan_from_file

PLAN = QuantizationPlan(
    1, ("fuse-2",), 0, "by hand", "", (Trial(("fuse-2",), 1.0, 0.9, 0.3, (), 1.2, (3.0, 4.0), (6.0, 8.0)),)
)


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json_from_record(PLAN))
    assert plan_from_file(tmp_path / "plan.json") == PLAN


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"schema_version": 2}, "unsupported schema"),
        ({"groups": "fuse-2"}, "groups"),
        ({"more": 1}, "more"),
        ({"trials": [{}]}, "trials"),
    ],
)
def test_what_is_no_plan_is_refused(tmp_path: Path, change: dict[str, object], match: str) -> None:
    (tmp_path / "plan.json").write_text(json.dumps({**asdict(PLAN), **change}))
    with pytest.raises(UsageError, match=match):
        plan_from_file(tmp_path / "plan.json")


def test_no_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        plan_from_file(tmp_path / "none.json")


def test_a_plan_by_hand_needs_no_trials(tmp_path: Path) -> None:
    plain = replace(PLAN, trials=())
    (tmp_path / "plan.json").write_text(json_from_record(plain))
    assert plan_from_file(tmp_path / "plan.json") == plain
