"""A bundle with BF16 on a CPU without it: a typed error that says what to do, whatever else the bundle holds.

Where this CPU has BF16, OpenVINO is told to leave out what came after AVX2.
"""

import json
import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from miniseg_edge.bundle.bundle import Bundle, file_records, write_bundle
from miniseg_edge.bundle.manifest import REFERENCE_TARGET, sealed
from miniseg_edge.runtimes.backends.openvino import has_bf16

LOADED = """
import json, sys, numpy, miniseg_edge

bundle, *ways = sys.argv[1:]
told = []
for way in ways:
    try:
        with miniseg_edge.load(bundle, **json.loads(way)) as segmenter:
            result = segmenter.segment(numpy.full((64, 64), 100, numpy.uint8))
        told.append(f"{result.runtime} {result.precision}")
    except miniseg_edge.MiniSegError as error:
        told.append(str(error))
print(json.dumps(told))
"""

ANY: dict[str, Any] = {}
NAMED = {"runtime": "openvino"}
DECLARED = {"runtime": ["openvino", "onnxruntime"]}
PRECISE = {"precision": "bf16"}


pytestmark = pytest.mark.skipif(
    has_bf16() and platform.machine().lower() not in ("x86_64", "amd64"), reason="BF16 cannot be taken from this CPU"
)


def with_bf16(bundle: Bundle, folder: Path, *others: str) -> Path:
    """The bundle's IR as if it were one for BF16, with the reference and these targets' artefacts."""
    artifacts = tuple(
        replace(artifact, precision="bf16") if artifact.target == "openvino" else artifact
        for artifact in bundle.manifest.artifacts
        if artifact.target in ("openvino", REFERENCE_TARGET, *others)
    )
    kept = {name for artifact in artifacts for name in artifact.files}
    golden = {name for one in bundle.manifest.golden for name in (one.image, one.logit)}
    contents = {name: data for name, data in bundle.contents.items() if name in {*kept, *golden, "parity.json"}}
    manifest = sealed(replace(bundle.manifest, artifacts=artifacts, files=file_records(contents)))
    write_bundle(Bundle("bf16", manifest, contents), folder / "bf16")
    return folder / "bf16"


def loaded(path: Path, *ways: dict[str, Any], isa: str = "AVX2") -> list[str]:
    """What ran, or the error, for each way to load the bundle on a CPU without BF16."""
    command = [sys.executable, "-c", LOADED, str(path), *map(json.dumps, ways)]
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": isa}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    told: list[str] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("isa", ["AVX2", "AVX512_CORE"])  # the second computes as if it had BF16 if it is let
def test_a_bundle_with_nothing_else_is_refused(bundle: Bundle, tmp_path: Path, isa: str) -> None:
    either, named, precise = loaded(with_bf16(bundle, tmp_path), ANY, NAMED, PRECISE, isa=isa)
    assert named.startswith("INCOMPATIBLE: this CPU cannot run the artefact's precision")
    assert "export again with --precision fp32" in named
    for told in (either, precise):
        assert told.startswith("RUNTIME_UNAVAILABLE: no runtime can serve this bundle here")
        assert "openvino: this CPU has no BF16 (AVX-512 BF16 or AMX); fp32" in told


def test_another_artefact_is_taken_where_that_was_declared_or_left_open(bundle: Bundle, tmp_path: Path) -> None:
    path = with_bf16(bundle, tmp_path, "onnx")
    either, named, declared, precise = loaded(path, ANY, NAMED, DECLARED, PRECISE)
    assert either == declared == "onnxruntime fp32"
    assert named.startswith("INCOMPATIBLE")
    assert precise.startswith("RUNTIME_UNAVAILABLE")


def test_it_is_not_verified_here_and_that_is_said(bundle: Bundle, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("miniseg-verify")), str(with_bf16(bundle, tmp_path, "onnx"))]
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "not checked: openvino bf16: INCOMPATIBLE" in done.stderr
