"""Model files in bundles whose hashes are right: what an untrusted bundle can try on the vendors' parsers."""

import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

import miniseg_edge
from miniseg_edge.bundle.bundle import Bundle, write_bundle
from miniseg_edge.bundle.onnx_file import check_self_contained
from miniseg_edge.errors import MiniSegError, NumericError, UnsafeModelError
from tests.attacks.forging import forged

pytestmark = pytest.mark.slow  # real exports of every kind

ONNX, XML, BIN, WEIGHTS = "onnx/model.onnx", "openvino/model.xml", "openvino/model.bin", "reference/weights.safetensors"
SLICE = np.full((64, 64), 100, np.uint8)


def edited(bundle: Bundle) -> onnx.ModelProto:
    return onnx.load_from_string(bundle.contents[ONNX])


def large_initializer(model: onnx.ModelProto) -> onnx.TensorProto:
    """One large enough that ONNX Runtime would map its file instead of folding it away."""
    largest: onnx.TensorProto = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    return largest


def made_external(tensor: onnx.TensorProto, location: str) -> None:
    size = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(size))):
        tensor.external_data.add(key=key, value=value)


@pytest.mark.parametrize("where", ["beside", "above", "absolute"])
@pytest.mark.parametrize("hidden", [False, True], ids=["initializer", "constant"])
def test_a_model_cannot_read_files_of_this_machine(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, hidden: bool
) -> None:
    """Handed bytes, ONNX Runtime looks for such files in the working directory."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    location = {"beside": "secret", "above": "../secret", "absolute": str(tmp_path / "secret")}[where]
    model = edited(bundle)
    tensor = large_initializer(model)
    (tmp_path / "work" / "secret").write_bytes(tensor.raw_data)
    (tmp_path / "secret").write_bytes(tensor.raw_data)
    made_external(tensor, location)
    if hidden:
        constant = onnx.helper.make_node("Constant", [], [tensor.name], value=tensor)
        model.graph.initializer.remove(tensor)
        model.graph.node.insert(0, constant)
    with pytest.raises(UnsafeModelError):
        miniseg_edge.load(forged(bundle, {ONNX: model.SerializeToString()}), "onnxruntime")


def test_our_own_models_refer_to_nothing(bundle: Bundle, odd_bundle: Bundle) -> None:
    for made in (bundle, odd_bundle):
        check_self_contained(made.contents[ONNX])


def test_custom_operators_are_not_opened(bundle: Bundle) -> None:
    model = edited(bundle)
    model.opset_import.append(onnx.helper.make_opsetid("com.evil", 1))
    model.graph.node[0].domain, model.graph.node[0].op_type = "com.evil", "Backdoor"
    with pytest.raises(UnsafeModelError, match="Backdoor"):
        miniseg_edge.load(forged(bundle, {ONNX: model.SerializeToString()}), "onnxruntime")


def test_an_unknown_operator_of_an_ir_is_not_opened(bundle: Bundle) -> None:
    xml = bundle.contents[XML].replace(b'type="Convolution"', b'type="Backdoor"', 1)
    with pytest.raises(UnsafeModelError, match="Backdoor"):
        miniseg_edge.load(forged(bundle, {XML: xml}), "openvino")


@pytest.mark.parametrize("name", [ONNX, XML])
def test_another_format_in_the_models_place_is_not_guessed(bundle: Bundle, name: str) -> None:
    runtime = "onnxruntime" if name == ONNX else "openvino"
    ort_format = b"\x18\x00\x00\x00ORTM" + bytes(64)
    for data in (ort_format, bundle.contents[ONNX if name == XML else XML], b"\x80\x02}q\x00.", b""):
        with pytest.raises(MiniSegError) as caught:
            miniseg_edge.load(forged(bundle, {name: data}), runtime)
        assert caught.value.code in ("INCOMPATIBLE", "UNSAFE_MODEL")


def test_an_ir_whose_weights_are_those_of_another_is_not_opened(bundle: Bundle, odd_bundle: Bundle) -> None:
    cut, foreign = bundle.contents[BIN][: len(bundle.contents[BIN]) // 2], odd_bundle.contents[BIN]
    assert len(foreign) < len(bundle.contents[BIN])
    for weights in (cut, foreign, b""):
        with pytest.raises(UnsafeModelError):
            miniseg_edge.load(forged(bundle, {BIN: weights}), "openvino")


@pytest.mark.parametrize("offset", [2**40, 2**63 - 1])
def test_an_ir_that_points_beyond_its_weights_is_not_opened(bundle: Bundle, offset: int) -> None:
    xml, count = re.subn(rb'offset="\d+"', f'offset="{offset}"'.encode(), bundle.contents[XML], count=1)
    assert count == 1
    with pytest.raises(UnsafeModelError):
        miniseg_edge.load(forged(bundle, {XML: xml}), "openvino")


def test_an_ir_of_another_shape_is_not_opened(bundle: Bundle, odd_bundle: Bundle) -> None:
    files = {XML: odd_bundle.contents[XML], BIN: odd_bundle.contents[BIN]}
    with pytest.raises(UnsafeModelError, match="inputs or outputs"):
        miniseg_edge.load(forged(bundle, files), "openvino")


def with_nan(data: bytes, start: int = 0) -> bytes:
    """Every float from `start` on is NaN."""
    return data[:start] + struct.pack("<f", float("nan")) * ((len(data) - start) // 4) + data[len(data) // 4 * 4 :]


def nan_onnx(bundle: Bundle) -> bytes:
    model = edited(bundle)
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.raw_data) > 64:
            tensor.raw_data = with_nan(tensor.raw_data)
    data: bytes = model.SerializeToString()
    return data


def test_nan_in_weights_gives_no_mask(bundle: Bundle) -> None:
    safetensors = bundle.contents[WEIGHTS]
    header = 8 + struct.unpack("<Q", safetensors[:8])[0]
    hostile = {
        "onnxruntime": {ONNX: nan_onnx(bundle)},
        "torch": {WEIGHTS: with_nan(safetensors, header)},
    }
    for runtime, contents in hostile.items():
        with miniseg_edge.load(forged(bundle, contents), runtime) as segmenter, pytest.raises(NumericError):
            segmenter.segment(SLICE)


def test_nan_in_the_weights_of_an_ir_gives_no_mask(bundle: Bundle) -> None:
    """Constants of its shapes are integers; those of its filters are not."""
    xml, weights = bundle.contents[XML].decode(), bytearray(bundle.contents[BIN])
    for found in re.finditer(r'<data element_type="f32"[^>]*offset="(\d+)"[^>]*size="(\d+)"', xml):
        offset, size = int(found[1]), int(found[2])
        if size > 64:
            weights[offset : offset + size] = with_nan(bytes(size))
    with miniseg_edge.load(forged(bundle, {BIN: bytes(weights)}), "openvino") as segmenter, pytest.raises(NumericError):
        segmenter.segment(SLICE)


_OPEN_ALL = """
import sys, pathlib, numpy, miniseg_edge
from miniseg_edge.errors import MiniSegError

opened = refused = 0
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    for runtime in sys.argv[2:]:
        try:
            with miniseg_edge.load(path, runtime, threads=1) as segmenter:
                segmenter.segment(numpy.full((64, 64), 100, numpy.uint8))
            opened += 1
        except MiniSegError:
            refused += 1
print(opened, refused)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "runtime"), [(ONNX, "onnxruntime"), (XML, "openvino"), (BIN, "openvino"), (WEIGHTS, "torch")]
)
def test_cut_and_flipped_models_give_a_mask_or_a_typed_error(
    bundle: Bundle, tmp_path: Path, name: str, runtime: str
) -> None:
    """In a process of its own: a vendor's parser that falls over would take this one with it."""
    data, chance = bundle.contents[name], np.random.default_rng(7)
    for index in range(16):
        hostile = bytearray(data)
        if index % 4 == 0:
            del hostile[int(chance.integers(len(data))) :]
        for _ in range(int(chance.integers(1, 9))):
            if hostile:
                hostile[int(chance.integers(len(hostile)))] ^= int(chance.integers(1, 256))
        write_bundle(forged(bundle, {name: bytes(hostile)}), tmp_path / f"{index:02}")
    command = [sys.executable, "-c", _OPEN_ALL, str(tmp_path), runtime]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    opened, refused = map(int, done.stdout.splitlines()[-1].split())  # vendors talk too
    assert opened + refused == 16
    assert refused >= 4
