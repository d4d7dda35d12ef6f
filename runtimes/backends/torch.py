"""Torch: the FP32 reference that parity is judged against. Not for deployment."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.manifest import REFERENCE_TARGET
from miniseg_edge.errors import BundleError
from miniseg_edge.host.dependencies import require
from miniseg_edge.runtimes.backends.interface import Runtime
from miniseg_edge.slices.preprocessing import FloatArray
from miniseg_edge.tensors import HU, LOGIT, TensorSpec


def torch_package() -> Any:
    """Torch, configured for how its threads wait. Raises: MissingDependencyError."""
    import miniseg_edge.training  # noqa: F401  how torch's threads wait is settled before its import

    return require("torch", "torch")


def trained_network(bundle: Bundle) -> Any:
    """The network of a bundle as trained, an `nn.Module` in eval mode on the CPU, from the reference's weights.

    Raises:
        MissingDependencyError: torch or safetensors is not installed.
        BundleError: there are no reference weights, or they belong to another network.
        IncompatibleError: the network is not registered here.
    """
    torch_package()
    load = require("safetensors.torch", "torch").load
    from miniseg_edge.training.networks.reference import reference_network

    artifact = bundle.manifest.artifact(REFERENCE_TARGET)
    if artifact is None:
        raise BundleError(f"{bundle.name} has no reference", expected="the weights as trained", got="none")
    return reference_network(bundle.manifest.network, load(bundle.contents[artifact.files[0]]))


class TorchReference(Runtime):
    """The network exactly as trained, in eager mode, from the checkpoint's own weights; nothing is rewritten."""

    name = "torch"
    bound_library = "torch"  # its OpenMP waits for the threads of the parent

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        """`cpu`, and `cuda:0`, ... if torch finds them."""
        return ("cpu", *(f"cuda:{i}" for i in range(torch_package().cuda.device_count())))

    @property
    def version(self) -> str:
        """The package's version."""
        return str(torch_package().__version__)

    def _open(self, bundle: Bundle, files: list[bytes]) -> None:
        if self.threads is not None:
            torch_package().set_num_threads(self.threads)  # torch has only one number for the whole process
        self._network = trained_network(bundle).to(self.device)
        self._preprocessing = bundle.manifest.preprocessing
        self._interface = bundle.manifest.interface
        self._in_channels = bundle.manifest.network.in_channels

    def _output_of(self, bundle: Bundle) -> TensorSpec:
        """Logit maps, whatever the artefacts return: masks alone cannot distinguish a near-tie from a flip."""
        manifest = bundle.manifest
        interface = replace(manifest.interface, result=LOGIT)
        return interface.output(manifest.preprocessing.size, manifest.network.classes)

    def _infer(self, values: FloatArray) -> FloatArray:
        torch = torch_package()
        with torch.inference_mode(), self._exact(torch):
            image = torch.from_numpy(self._normalised(values)).to(self.device)
            if self._interface.channels == 1:
                image = image.expand(-1, self._in_channels, -1, -1)
            logits = self._network(image)
            over_background = logits[:, 1:] - logits[:, :1]
        return np.array(over_background.cpu().numpy())

    def _exact(self, torch: Any) -> AbstractContextManager[None]:
        """Real FP32 on a GPU: by default cuDNN rounds convolution inputs to 10 bits."""
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
