"""A machine with GPUs and TensorRT, for as long as a `with` block."""

import importlib.machinery
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import mock

import pytest

from miniseg_edge.runtimes.backends.cuda import primary
from miniseg_edge.runtimes.backends.tensorrt import logger
from tests.rehearsal.cuda import FakeCuda, FakeGpu
from tests.rehearsal.tensorrt import FakeTensorRt


@dataclass(frozen=True)
class Rehearsal:
    """What the code under test finds there."""

    cuda: FakeCuda
    tensorrt: FakeTensorRt


@contextmanager
def rehearsed(*gpus: FakeGpu, version: str = "11.4.0.106") -> Iterator[Rehearsal]:
    """The machine; what our code keeps for as long as a process lives is forgotten before and after."""
    cuda = FakeCuda(gpus or (FakeGpu(),))
    tensorrt = FakeTensorRt(cuda, version)
    module = tensorrt.module()
    module.__spec__ = importlib.machinery.ModuleSpec("tensorrt", None)
    with (
        pytest.MonkeyPatch.context() as patch,
        mock.patch.dict(primary._retained, clear=True),
        mock.patch.dict(logger._logs, clear=True),
    ):
        for name, one in {**cuda.modules(), "tensorrt": module}.items():
            patch.setitem(sys.modules, name, one)  # and no other: what is imported meanwhile stays
        yield Rehearsal(cuda, tensorrt)
