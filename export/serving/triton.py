"""A model repository for Triton Inference Server: a folder for each artefact, with its `config.pbtxt`."""

from miniseg_edge.bundle.manifest import Artifact, Manifest
from miniseg_edge.export.serving.models import model_name, served_as
from miniseg_edge.export.serving.options import TRITON, Serving
from miniseg_edge.export.serving.pbtxt import Value, Word, pbtxt
from miniseg_edge.tensors import TensorSpec

_TYPES = {"float32": Word("TYPE_FP32"), "uint8": Word("TYPE_UINT8")}


def triton_config(manifest: Manifest, artifact: Artifact, serving: Serving) -> tuple[str, bytes]:
    """Path and content of an artefact's `config.pbtxt`; Triton must support it."""
    served = served_as(TRITON, artifact)
    assert served is not None  # noqa: S101  the caller has looked
    config: dict[str, Value] = {
        "name": model_name(artifact),
        "backend": served.backend,
        "max_batch_size": _max_batch(artifact, serving),
        "input": _tensor(manifest.input),
        "output": _tensor(manifest.output),
        "dynamic_batching": {
            "default_queue_policy": {
                "timeout_action": Word("REJECT"),
                "allow_timeout_override": True,
                "max_queue_size": serving.max_queue,
            }
        },
        # Where its parity was judged: without the kind, Triton uses a GPU if it finds one.
        "instance_group": {"count": serving.instances, "kind": Word("KIND_GPU" if served.on_gpu else "KIND_CPU")},
        "parameters": [
            {"key": key, "value": {"string_value": value}}
            for key, value in {**_parameters(artifact, serving), "miniseg_origin": manifest.origin}.items()
        ],
        "model_warmup": _warmup(manifest),
    }
    return f"{TRITON}/{model_name(artifact)}/config.pbtxt", pbtxt(config).encode()


def _max_batch(artifact: Artifact, serving: Serving) -> int:
    """OpenVINO's backend fixes the batch at this number, and fills up smaller ones or refuses them.

    So it gets one slice per request, and several requests at once: batches gain nothing on a CPU.
    """
    if artifact.target == "openvino":
        return 1
    shapes = artifact.compiled.shapes if artifact.compiled is not None else None
    return serving.max_batch if shapes is None else min(serving.max_batch, shapes.maximum[0])


def _tensor(spec: TensorSpec) -> dict[str, Value]:
    """Without the batch, which Triton prepends; -1 for a free side."""
    return {"name": spec.name, "data_type": _TYPES[spec.dtype], "dims": list(spec.shape[1:])}


def _parameters(artifact: Artifact, serving: Serving) -> dict[str, str]:
    threads = serving.threads
    if artifact.target == "onnx":
        return {} if threads is None else {"intra_op_thread_count": f"{threads}"}
    if artifact.target != "openvino":
        return {}
    found = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": f"{serving.instances}"}
    if threads is not None:  # of all streams together
        found["INFERENCE_NUM_THREADS"] = f"{threads * serving.instances}"
    if artifact.precision == "bf16":
        found["HINT_BF16"] = "YES"
    return found


def _warmup(manifest: Manifest) -> dict[str, Value]:
    """One slice before the model is ready, so that the first client does not wait for first-use initialisation."""
    dims = [manifest.input.shape[1], *manifest.preprocessing.size]
    empty: Value = {"data_type": _TYPES[manifest.input.dtype], "dims": dims, "zero_data": True}
    return {"name": "one slice", "batch_size": 1, "inputs": {"key": manifest.input.name, "value": empty}}
