"""What attacks on models have in common."""

import pytest


@pytest.fixture
def no_vendor_opens_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes so far fails the test in place of taking the machine's memory."""
    import onnxruntime
    import openvino

    def reached(*_: object, **__: object) -> None:
        pytest.fail("the model reached the vendor")

    monkeypatch.setattr(onnxruntime, "InferenceSession", reached)
    monkeypatch.setattr(openvino.Core, "read_model", reached)
