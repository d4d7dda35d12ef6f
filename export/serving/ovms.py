"""OpenVINO Model Server's layout: `config.json`, and a folder with numbered versions for each model."""

import json
from collections.abc import Sequence

from miniseg_edge.bundle.manifest import Artifact
from miniseg_edge.export.serving.models import model_name
from miniseg_edge.export.serving.options import OVMS, Serving
from miniseg_edge.runtimes.backends.openvino import PRECISION_HINTS


def ovms_config(artifacts: Sequence[Artifact], serving: Serving) -> tuple[str, bytes]:
    """Path and content of the configuration of all models."""
    models = [{"config": _model(artifact, serving)} for artifact in artifacts]
    return f"{OVMS}/config.json", (json.dumps({"model_config_list": models}, indent=2) + "\n").encode()


def _model(artifact: Artifact, serving: Serving) -> dict[str, object]:
    """A batch fixed at one slice: a free one makes OpenVINO slow, and a larger one gains nothing on a CPU."""
    plugin = {
        "INFERENCE_PRECISION_HINT": PRECISION_HINTS[artifact.precision],  # otherwise a CPU with BF16 would use it
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": f"{serving.instances}",
    }
    if serving.threads is not None:  # of all streams together
        plugin["INFERENCE_NUM_THREADS"] = f"{serving.threads * serving.instances}"
    return {
        "name": model_name(artifact),
        "base_path": model_name(artifact),
        "batch_size": 1,
        "nireq": serving.instances,
        "target_device": "CPU",
        "plugin_config": plugin,
    }
