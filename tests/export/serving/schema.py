"""Triton's published protobuf schema, as its client package ships it; it needs protobuf, not the gRPC client."""

import importlib.util
from pathlib import Path
from typing import Any

from google.protobuf import text_format


def _schema() -> Any:
    client = importlib.util.find_spec("tritonclient")
    assert client is not None
    assert client.submodule_search_locations
    path = Path(client.submodule_search_locations[0]) / "grpc" / "model_config_pb2.py"
    spec = importlib.util.spec_from_file_location("model_config_pb2", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCHEMA = _schema()


def config_from_pbtxt(text: bytes) -> Any:
    """A `ModelConfig`. Raises: text_format.ParseError: a field that the schema does not have, or of another type."""
    return text_format.Parse(text.decode(), SCHEMA.ModelConfig())


def parameters(config: Any) -> dict[str, str]:
    return {key: value.string_value for key, value in config.parameters.items()}
