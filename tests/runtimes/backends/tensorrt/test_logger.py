"""The vendor's words, from TensorRT for RTX itself."""

import logging

import pytest

from miniseg_edge.errors import DeviceMemoryError, InferenceError
from miniseg_edge.runtimes.backends.tensorrt.logger import VendorLog
from miniseg_edge.runtimes.backends.tensorrt.vendors import TENSORRT_RTX

pytest.importorskip("tensorrt_rtx_bindings")


@pytest.fixture
def log() -> VendorLog:
    return VendorLog(TENSORRT_RTX.module())


def test_what_the_vendor_complains_of_is_kept_once_and_logged(log: VendorLog, caplog: pytest.LogCaptureFixture) -> None:
    trt = TENSORRT_RTX.module()
    builder = trt.Builder(log.handle)
    with caplog.at_level(logging.ERROR, "miniseg_edge"):
        assert builder.build_serialized_network(builder.create_network(0), builder.create_builder_config()) is None
    assert "at least one output" in log.errors()
    assert log.errors() == ""
    assert "at least one output" in caplog.text


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Error Code 2: OutOfMemory (Requested size was 9 bytes.)", DeviceMemoryError),
        ("CUDA error: out of memory", DeviceMemoryError),
        ("an illegal memory access was encountered", InferenceError),
        ("Engine plan file is not compatible", InferenceError),
    ],
)
def test_memory_that_was_not_there_is_an_error_of_its_own(log: VendorLog, said: str, kind: type[Exception]) -> None:
    log.handle.log(TENSORRT_RTX.module().ILogger.Severity.ERROR, said)
    found = log.failure("it failed", "it works")
    assert type(found) is kind
    assert said in str(found)


def test_no_word_is_said_to_be_none(log: VendorLog) -> None:
    assert "no reason given" in str(log.failure("it failed", "it works"))
