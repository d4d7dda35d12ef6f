"""What is in the layouts, and that it is part of the bundle. Artefacts are arbitrary bytes; no server is needed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from miniseg_edge.bundle.bundle import Bundle, open_bundle, write_bundle
from miniseg_edge.bundle.compiled import ShapeRange
from miniseg_edge.bundle.manifest import Artifact, sealed
from miniseg_edge.errors import IntegrityError, UsageError
from miniseg_edge.export.serving.layouts import with_fresh_copies, with_layouts
from miniseg_edge.export.serving.options import LAYOUTS, Serving
from miniseg_edge.tensors import GraphInterface
from tests.bundles import CONTENTS, SIDE, small_manifest
from tests.export.serving.schema import SCHEMA, config_from_pbtxt, parameters
from tests.runtimes.backends.tensorrt.test_admission import AHEAD, HERE

INTERFACE = GraphInterface("hu", "mask", dynamic_batch=True)
MANY = ShapeRange((1, 1, SIDE, SIDE), (4, 1, SIDE, SIDE), (6, 1, SIDE, SIDE))
ARTIFACTS = (
    Artifact("onnx", "fp32", ("onnx/model.onnx",), 7, "blocked"),
    Artifact("openvino", "fp32", ("openvino/model.xml", "openvino/model.bin"), 7, "packed"),
    Artifact("openvino", "bf16", ("openvino-bf16/model.xml", "openvino-bf16/model.bin"), 7, "packed-rows"),
    Artifact("trt", "fp16", ("trt-fp16/model.engine", "trt-fp16/model.onnx"), 7, "direct",
             compiled=replace(HERE, shapes=MANY, onnx="trt-fp16/model.onnx").compiled()),
    Artifact("trt-rtx", "fp16", ("trt-rtx-fp16/model.engine", "trt-rtx-fp16/model.onnx"), 7, "direct",
             compiled=replace(AHEAD, shapes=MANY, onnx="trt-rtx-fp16/model.onnx").compiled()),
)  # fmt: skip
FILES = {name: f"bytes of {name}".encode() for artifact in ARTIFACTS for name in artifact.files}


def bundle(*artifacts: Artifact) -> Bundle:
    manifest = replace(
        small_manifest(),
        interface=INTERFACE,
        input=INTERFACE.input((SIDE, SIDE)),
        output=INTERFACE.output((SIDE, SIDE), 2),
        artifacts=artifacts,
    )
    files = {name: FILES[name] for artifact in artifacts for name in artifact.files}
    return Bundle("served", sealed(manifest), {**CONTENTS, **files})


def layouts(serving: Serving, *artifacts: Artifact) -> dict[str, bytes]:
    """The layouts' files, by path in the bundle."""
    found = with_layouts(bundle(*(artifacts or ARTIFACTS)), serving)
    return {name: data for name, data in found.contents.items() if name.split("/")[0] in LAYOUTS}


def triton(name: str, **options: Any) -> Any:
    return config_from_pbtxt(layouts(Serving(("triton",), **options))[f"triton/{name}/config.pbtxt"])


def ovms(**options: Any) -> list[dict[str, Any]]:
    models = json.loads(layouts(Serving(("ovms",), **options))["ovms/config.json"])["model_config_list"]
    return [model["config"] for model in models]


def test_a_model_for_each_artefact_that_the_server_takes() -> None:
    found = layouts(Serving(LAYOUTS))
    assert set(found) == {
        "triton/miniseg-onnx/config.pbtxt",
        "triton/miniseg-onnx/1/model.onnx",
        *(
            f"triton/miniseg-openvino{p}/{n}"
            for p in ("", "-bf16")
            for n in ("config.pbtxt", "1/model.xml", "1/model.bin")
        ),
        "triton/miniseg-trt-fp16/config.pbtxt",
        "triton/miniseg-trt-fp16/1/model.plan",
        "ovms/config.json",
        *(f"ovms/miniseg-openvino{p}/1/model.{n}" for p in ("", "-bf16") for n in ("xml", "bin")),
    }
    assert found["triton/miniseg-onnx/1/model.onnx"] == FILES["onnx/model.onnx"]
    assert found["triton/miniseg-trt-fp16/1/model.plan"] == FILES["trt-fp16/model.engine"]
    for name in ("model.xml", "model.bin"):
        assert found[f"triton/miniseg-openvino-bf16/1/{name}"] == FILES[f"openvino-bf16/{name}"]
        assert found[f"ovms/miniseg-openvino/1/{name}"] == FILES[f"openvino/{name}"]


def test_what_is_not_in_the_bundle_is_not_served() -> None:
    """An artefact that failed parity is not."""
    assert set(layouts(Serving(LAYOUTS), ARTIFACTS[0])) == {
        "triton/miniseg-onnx/config.pbtxt",
        "triton/miniseg-onnx/1/model.onnx",
    }


def test_the_layouts_are_files_of_the_bundle(tmp_path: Path) -> None:
    found = with_layouts(bundle(*ARTIFACTS[:2]), Serving(LAYOUTS))
    write_bundle(replace(found, manifest=sealed(found.manifest)), tmp_path / "served")
    again = open_bundle(tmp_path / "served")
    assert again.contents == found.contents
    copy = "triton/miniseg-openvino/1/model.bin"
    assert again.manifest.files[copy] == again.manifest.files["openvino/model.bin"]
    (tmp_path / "served" / copy).write_bytes(FILES["openvino/model.bin"][::-1])
    with pytest.raises(IntegrityError, match=copy):
        open_bundle(tmp_path / "served")


@pytest.mark.parametrize(
    ("name", "backend", "batch", "kind"),
    [
        ("miniseg-onnx", "onnxruntime", 8, SCHEMA.ModelInstanceGroup.KIND_CPU),
        ("miniseg-openvino", "openvino", 1, SCHEMA.ModelInstanceGroup.KIND_CPU),
        ("miniseg-trt-fp16", "tensorrt", 6, SCHEMA.ModelInstanceGroup.KIND_GPU),
    ],
)
def test_tritons_configuration(name: str, backend: str, batch: int, kind: int) -> None:
    """Six slices are the most that the engine was built for."""
    config = triton(name)
    assert (config.name, config.backend, config.max_batch_size) == (name, backend, batch)
    (taken,), (given,) = config.input, config.output
    assert (taken.name, taken.data_type, list(taken.dims)) == ("slice", SCHEMA.TYPE_FP32, [1, SIDE, SIDE])
    assert (given.name, given.data_type, list(given.dims)) == ("mask", SCHEMA.TYPE_UINT8, [1, SIDE, SIDE])
    policy = config.dynamic_batching.default_queue_policy
    assert (policy.max_queue_size, policy.allow_timeout_override, policy.timeout_action) == (64, True, policy.REJECT)
    (group,) = config.instance_group
    assert (group.count, group.kind) == (1, kind)
    (warmup,) = config.model_warmup
    assert warmup.batch_size == 1
    assert list(warmup.inputs["slice"].dims) == [1, SIDE, SIDE]
    assert parameters(config)["miniseg_origin"] == bundle(*ARTIFACTS).manifest.origin


def test_options_reach_triton() -> None:
    options = {"instances": 3, "threads": 2, "max_batch": 4, "max_queue": 5}
    config = triton("miniseg-onnx", **options)
    assert (config.max_batch_size, config.instance_group[0].count) == (4, 3)
    assert config.dynamic_batching.default_queue_policy.max_queue_size == 5
    assert parameters(config)["intra_op_thread_count"] == "2"
    config = triton("miniseg-openvino-bf16", **options)
    assert parameters(config) == {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "3",
        "INFERENCE_NUM_THREADS": "6",
        "HINT_BF16": "YES",
        "miniseg_origin": parameters(config)["miniseg_origin"],
    }
    assert triton("miniseg-trt-fp16", **options).max_batch_size == 4


def test_free_sides_are_free_for_clients() -> None:
    free = replace(INTERFACE, dynamic_size=True)
    given = bundle(ARTIFACTS[0])
    manifest = replace(given.manifest, input=free.input((SIDE, SIDE)), output=free.output((SIDE, SIDE), 2))
    found = with_layouts(replace(given, manifest=manifest), Serving(("triton",)))
    config = config_from_pbtxt(found.contents["triton/miniseg-onnx/config.pbtxt"])
    assert list(config.input[0].dims) == list(config.output[0].dims) == [1, -1, -1]
    assert list(config.model_warmup[0].inputs["slice"].dims) == [1, SIDE, SIDE]


def test_openvino_model_servers_configuration() -> None:
    fp32, bf16 = ovms(instances=3, threads=2)
    assert fp32 == {
        "name": "miniseg-openvino",
        "base_path": "miniseg-openvino",
        "batch_size": 1,
        "nireq": 3,
        "target_device": "CPU",
        "plugin_config": {
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "3",
            "INFERENCE_NUM_THREADS": "6",
        },
    }
    assert bf16["plugin_config"]["INFERENCE_PRECISION_HINT"] == "bf16"


def test_tritons_openvino_in_fp32_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    layouts(Serving(("triton",)), ARTIFACTS[0], ARTIFACTS[2])
    assert capsys.readouterr().err == ""
    layouts(Serving(("triton",)), ARTIFACTS[1])
    assert "cannot be held to FP32" in " ".join(capsys.readouterr().err.split())


def test_a_rebuilt_engine_replaces_the_servers_copy() -> None:
    served = with_layouts(bundle(*ARTIFACTS), Serving(("triton",)))
    rebuilt = {**served.contents, "trt-fp16/model.engine": b"rebuilt"}
    assert with_fresh_copies(rebuilt, ARTIFACTS[3])["triton/miniseg-trt-fp16/1/model.plan"] == b"rebuilt"
    assert set(with_fresh_copies(rebuilt, ARTIFACTS[3])) == set(served.contents)
    unserved = bundle(*ARTIFACTS).contents
    assert with_fresh_copies(unserved, ARTIFACTS[3]) == unserved


def test_without_a_server_nothing_changes() -> None:
    given = bundle(*ARTIFACTS)
    assert with_layouts(given, None) is given


@pytest.mark.parametrize(
    "options", [{"instances": 0}, {"threads": 0}, {"max_batch": -1}, {"max_queue": 0}, {"layouts": ()},
                {"layouts": ("seldon",)}, {"layouts": ("triton", "triton")}],
)  # fmt: skip
def test_settings_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Serving(**{"layouts": ("triton",), **options})
