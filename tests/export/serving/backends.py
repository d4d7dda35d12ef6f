"""What Triton's backends for ONNX Runtime and OpenVINO do with a model's folder and configuration, in Python.

Written from the backends' documentation and behaviour, with the vendors' own engines: it shows that the configuration
and the model agree. It is also copied into a real server in the place of the backends, which no package brings; there
it stands beside `model.py` and imports nothing of this project.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

TYPES = {"TYPE_FP32": np.float32, "TYPE_UINT8": np.uint8}
Model = Callable[[Any], Any]


def opened(folder: Path, config: Mapping[str, Any]) -> Model:
    """Takes (N, ...) and gives (N, ...), as the configuration says. Raises: ValueError: the model is another one."""
    return {"onnxruntime": _onnxruntime, "openvino": _openvino}[config["backend"]](folder, config)


def _onnxruntime(folder: Path, config: Mapping[str, Any]) -> Model:
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(_parameters(config).get("intra_op_thread_count", 0))
    session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
    for said, found in ((config["input"], session.get_inputs()), (config["output"], session.get_outputs())):
        types = {"TYPE_FP32": "tensor(float)", "TYPE_UINT8": "tensor(uint8)"}
        wanted = [(one["name"], types[one["data_type"]], _dims(one)) for one in said]
        batches, sides = [one.shape[0] for one in found], [[_side(s) for s in one.shape[1:]] for one in found]
        if wanted != [(one.name, one.type, dims) for one, dims in zip(found, sides, strict=True)]:
            raise ValueError(f"the model is another one: {found}")
        if int(config["max_batch_size"]) > 0 and any(isinstance(batch, int) for batch in batches):
            raise ValueError("the backend batches only what has a free batch")
    (taken,), (given,) = config["input"], config["output"]
    return lambda values: session.run([given["name"]], {taken["name"]: values})[0]


def _openvino(folder: Path, config: Mapping[str, Any]) -> Model:
    import openvino

    core = openvino.Core()
    model = core.read_model(folder / "model.xml")
    batch, names = int(config["max_batch_size"]), _parameters(config)
    steps = openvino.preprocess.PrePostProcessor(model)
    for one in config["input"]:
        tensor = steps.input(one["name"]).tensor()
        tensor.set_element_type(openvino.Type(TYPES[one["data_type"]]))
        tensor.set_layout(openvino.Layout("N..."))
    for one in config["output"]:
        steps.output(one["name"]).tensor().set_element_type(openvino.Type(TYPES[one["data_type"]]))
    model = steps.build()
    openvino.set_batch(model, batch)
    for said, found in ((config["input"], model.inputs), (config["output"], model.outputs)):
        for one in said:
            (port,) = [port for port in found if one["name"] in port.names]
            if [_length(side) for side in port.partial_shape] != [batch, *_dims(one)]:
                raise ValueError(f"the model is another one: {port}")
    known = ("NUM_STREAMS", "INFERENCE_NUM_THREADS", "PERFORMANCE_HINT")
    # The backend itself cannot ask for FP32, which a CPU without BF16 computes in anyway.
    hint = {"INFERENCE_PRECISION_HINT": "bf16" if "HINT_BF16" in names else "f32"}
    compiled = core.compile_model(model, "CPU", {**hint, **{key: names[key] for key in known if key in names}})

    def run(values: Any) -> Any:
        if len(values) != batch:
            raise ValueError(f"a batch of {batch}, not {len(values)}: the backend refuses others")
        return compiled.create_infer_request().infer({0: values})[0].copy()

    return run


def _parameters(config: Mapping[str, Any]) -> dict[str, str]:
    return {key: value["string_value"] for key, value in config["parameters"].items()}


def _dims(tensor: Mapping[str, Any]) -> list[int]:
    return [int(side) for side in tensor["dims"]]


def _side(side: object) -> int:
    return side if isinstance(side, int) else -1


def _length(side: Any) -> int:
    return -1 if side.is_dynamic else side.get_length()
