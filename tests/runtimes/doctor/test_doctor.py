import json

import pytest

from miniseg_edge import __version__
from miniseg_edge.host.extras import extras
from miniseg_edge.runtimes.backends.registry import registry
from miniseg_edge.runtimes.doctor.command import main


def test_the_answer_names_every_runtime(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "--quiet"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    found = json.loads(shown.out)
    assert found["version"] == __version__
    assert [one["name"] for one in found["runtimes"]] == [entry.name for entry in registry()]
    assert all(bool(one["devices"]) != bool(one["problem"]) for one in found["runtimes"])
    native = next(one for one in found["runtimes"] if one["name"] == "native")
    assert native["devices"] == ["cpu"]
    assert "plain" in found["instruction_sets"]
    assert all(one["packages"] for one in found["decoders"]), "the extra dicom is installed here"


def test_people_are_told_how_to_get_what_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert "Runtimes, in the order in which `auto` takes them" in shown
    for extra in extras():
        if extra.missing and extra.name not in ("dev", "fuzz"):
            assert f'pip install "miniseg-edge[{extra.name}]"' in shown


def test_extras_that_hold_others_lack_what_these_lack() -> None:
    found = {extra.name: extra for extra in extras()}
    assert {"onnxruntime", "openvino", "export", "dicom", "serve", "node"} <= found.keys()
    assert found["dicom"].missing == ()
    assert set(found["bench"].missing) | set(found["export"].missing) <= set(found["peers"].missing)
