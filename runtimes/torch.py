"""Torch: the FP32 reference that parity is judged against. Not for deployment."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from miniseg_edge.bundle import Bundle
from miniseg_edge.dependencies import require
from miniseg_edge.preprocessing import FloatArray
from miniseg_edge.runtimes.interface import Runtime
from miniseg_edge.tensors import HU, LOGIT, TensorSpec


def _torch() -> Any:
    import miniseg_edge.training  # noqa: F401  how torch's threads wait is settled before its import

    return require("torch", "torch")


class TorchReference(Runtime):
    """The network exactly as trained, in eager mode, from the checkpoint's own weights; nothing is rewritten."""

    name = "torch"

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        """`cpu`, and `cuda:0`, ... where torch finds them."""
        return ("cpu", *(f"cuda:{i}" for i in range(_torch().cuda.device_count())))

    @property
    def version(self) -> str:
        """The package's version."""
        return str(_torch().__version__)

    def _open(self, bundle: Bundle, files: list[bytes]) -> None:
        torch = _torch()
        weights = require("safetensors.torch", "torch").load(files[0])
        from miniseg_edge.training.reference import reference_network

        if self.threads is not None:
            torch.set_num_threads(self.threads)  # torch knows only one number for the whole process
        self._network = reference_network(bundle.manifest.network, weights).to(self.device)
        self._preprocessing = bundle.manifest.preprocessing
        self._interface = bundle.manifest.interface
        self._in_channels = bundle.manifest.network.in_channels

    def _output_of(self, bundle: Bundle) -> TensorSpec:
        """Logit maps, whatever the artefacts give: masks alone cannot tell a near-tie from a flip."""
        manifest = bundle.manifest
        interface = replace(manifest.interface, result=LOGIT)
        return interface.output(manifest.preprocessing.size, manifest.network.classes)

    def _infer(self, values: FloatArray) -> FloatArray:
        torch = _torch()
        with torch.inference_mode(), self._exact(torch):
            image = torch.from_numpy(self._normalised(values)).to(self.device)
            if self._interface.channels == 1:
                image = image.expand(-1, self._in_channels, -1, -1)
            logits = self._network(image)
            over_background = logits[:, 1:] - logits[:, :1]
        return np.array(over_background.cpu().numpy())

    def _exact(self, torch: Any) -> AbstractContextManager[None]:
        """On a GPU, FP32 as it is written: cuDNN rounds what convolutions read to 10 bits where nothing is said."""
        if self.device == "cpu":
            return nullcontext()
        exact: AbstractContextManager[None] = torch.backends.cudnn.flags(
            enabled=True, deterministic=True, allow_tf32=False
        )
        return exact

    def _normalised(self, values: FloatArray) -> FloatArray:
        """As the published evaluation does, on float32."""
        window, statistics = self._preprocessing.window, self._preprocessing.statistics
        grey = window.grey_from_hu(values) if window is not None and self._interface.values == HU else values
        scaled = grey / np.float32(self._preprocessing.scale)
        return np.asarray((scaled - np.float32(statistics.mean)) / np.float32(statistics.std), dtype=np.float32)
