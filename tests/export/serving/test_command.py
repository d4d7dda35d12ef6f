"""What `miniseg-export` refuses to serve."""

from pathlib import Path

import pytest

from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.errors import UsageError
from miniseg_edge.export.command import main
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.export.serving.options import Serving
from tests.bundles import files_below

SMALL = ("--input-size", "32", "32")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--target", "ovms", "--target", "onnx"), "ovms serves none of the targets; expected one of openvino"),
        (("--target", "triton", "--target", "trt-rtx"), "triton serves none of the targets"),
        (("--target", "triton", "--precision", "int8", "--calibration", "here"), "INT8 cannot be served"),
        (("--target", "triton", "--graph-input", "hu"), "a graph that takes HU needs a window"),
        (("--target", "triton", "--instances", "0"), "numbers from 1 on, got --instances 0"),
        (("--target", "onnx", "--max-batch", "4"), "need a server target; expected --target triton or --target ovms"),
        (("--target", "ovms", "--precision", "fp16"), "no target can be built in fp16"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_a_usage_error(
    arguments: tuple[str, ...],
    said: str,
    tiny_checkpoint_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "bundle"
    assert main([str(tiny_checkpoint_path), *arguments, "--output", str(output), *SMALL]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not output.exists()


def test_a_server_wants_any_number_of_slices(tmp_path: Path) -> None:
    """The command says so by itself; somebody who calls the export says it."""
    with pytest.raises(UsageError, match="any number of slices"):
        ExportRequest(tmp_path / "a.pth", tmp_path / "b", ("onnx",), serving=Serving(("triton",)))


def test_what_is_there_is_not_replaced(
    tiny_checkpoint_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "another.txt").write_text("model")
    arguments = [str(tiny_checkpoint_path), "--target", "triton", "--output", str(tmp_path / "models"), *SMALL]
    assert main(arguments) == 1
    assert main([*arguments, "--overwrite"]) == 1, "no bundle is never replaced"
    assert capsys.readouterr().err.count("OUTPUT_EXISTS") == 2
    assert files_below(tmp_path / "models") == {"another.txt"}


@pytest.mark.slow
def test_what_fails_parity_is_not_served(
    tiny_checkpoint_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "bundle"
    arguments = [str(tiny_checkpoint_path), "--target", "triton", "--target", "onnx", "--output", str(output), *SMALL]
    assert main([*arguments, "--min-dice-worst", "1.1"]) == 3
    assert "PARITY" in capsys.readouterr().err
    assert files_below(tmp_path) == {"bundle.parity.json"}
    assert main(arguments) == 0
    found = {name for name in open_bundle(output).contents if name.startswith(("triton/", "ovms/"))}
    assert found == {"triton/miniseg-onnx/config.pbtxt", "triton/miniseg-onnx/1/model.onnx"}
