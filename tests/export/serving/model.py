"""A backend of a real Triton server that is written in Python, in the place of those that no package brings.

Copied there by `triton_server.py`; run by the server's own Python, never imported by the tests.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.extend(os.environ["MINISEG_ENGINES"].split(os.pathsep))  # behind the server's own numpy

import backends  # type: ignore[import-not-found]
import triton_python_backend_utils as server  # type: ignore[import-not-found]


class TritonPythonModel:
    """One instance of a model."""

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        self.input, self.output = config["input"][0]["name"], config["output"][0]["name"]
        self.model = backends.opened(Path(args["model_repository"], args["model_version"]), config)

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self._answer(server.get_input_tensor_by_name(request, self.input).as_numpy()) for request in requests]

    def _answer(self, values: Any) -> Any:
        return server.InferenceResponse([server.Tensor(self.output, self.model(values))])
