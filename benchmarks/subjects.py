"""Things that segment a slice in three timed stages: our artefacts through the public API, and the peers.

A peer does for itself what our graph and runtime do for the caller: three equal normalised channels in, argmax out.
"""

import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from miniseg_edge.benchmarks.configuration import ARTIFACT, CUDA_PEERS, Configuration
from miniseg_edge.bundle import open_bundle
from miniseg_edge.dependencies import require
from miniseg_edge.errors import InferenceError, UsageError
from miniseg_edge.manifest import Manifest, Preprocessing
from miniseg_edge.preprocessing import ByteArray, FloatArray, network_input, resized
from miniseg_edge.runtimes.pipeline import in_flight
from miniseg_edge.runtimes.preparation import PreparedSlice
from miniseg_edge.runtimes.registry import AUTO
from miniseg_edge.runtimes.segmenter import Segmenter, load


class Subject(ABC):
    """What the scenarios time."""

    @abstractmethod
    def prepare(self, slice_: ByteArray) -> Any:
        """(H, W) uint8 grey -> whatever `infer` takes."""

    @abstractmethod
    def infer(self, prepared: Any) -> Any:
        """The network itself, transfers included."""

    @abstractmethod
    def finish(self, prepared: Any, output: Any) -> ByteArray:
        """The mask (H, W) uint8 in the slice's size."""

    def segment(self, slice_: ByteArray) -> ByteArray:
        """All three stages."""
        prepared = self.prepare(slice_)
        return self.finish(prepared, self.infer(prepared))

    @abstractmethod
    def segment_many(self, slices: Iterable[ByteArray]) -> Iterator[ByteArray]:
        """Many slices at once, masks in order."""


class ArtifactSubject(Subject):
    """An artefact of a bundle, through the same API that applications use."""

    def __init__(self, segmenter: Segmenter) -> None:
        self.segmenter = segmenter

    def prepare(self, slice_: ByteArray) -> PreparedSlice:
        """As `Subject.prepare`."""
        return self.segmenter.prepare(slice_)

    def infer(self, prepared: PreparedSlice) -> FloatArray | ByteArray:
        """As `Subject.infer`."""
        return self.segmenter.runtime.infer(prepared.network_input)

    def finish(self, prepared: PreparedSlice, output: FloatArray | ByteArray) -> ByteArray:
        """As `Subject.finish`."""
        return self.segmenter.finish(prepared, output).mask

    def segment_many(self, slices: Iterable[ByteArray]) -> Iterator[ByteArray]:
        """As `Subject.segment_many`."""
        return (result.mask for result in self.segmenter.segment_many(slices))


def published_input(slice_: ByteArray, preprocessing: Preprocessing, in_channels: int) -> FloatArray:
    """(H, W) or (H, W, in_channels) uint8 -> (1, in_channels, *size) float32: normalised, then resized."""
    statistics = preprocessing.statistics
    grey = slice_.astype(np.float32) / np.float32(preprocessing.scale)
    image = network_input((grey - np.float32(statistics.mean)) / np.float32(statistics.std), preprocessing.size)
    return np.ascontiguousarray(np.broadcast_to(image, (1, in_channels, *image.shape[2:])))


class PeerSubject(Subject):
    """The published evaluation around somebody else's engine: normalise, resize, three channels; argmax."""

    def __init__(self, preprocessing: Preprocessing, in_channels: int, streams: int) -> None:
        self.preprocessing = preprocessing
        self.in_channels = in_channels
        self.streams = streams

    def prepare(self, slice_: ByteArray) -> tuple[FloatArray, tuple[int, int]]:
        """As `Subject.prepare`."""
        image = published_input(slice_, self.preprocessing, self.in_channels)
        return image, (slice_.shape[0], slice_.shape[1])

    def infer(self, prepared: tuple[FloatArray, tuple[int, int]]) -> FloatArray:
        """As `Subject.infer`."""
        return self.run(prepared[0])

    def finish(self, prepared: tuple[FloatArray, tuple[int, int]], output: FloatArray) -> ByteArray:
        """As `Subject.finish`."""
        maps = [resized(one, prepared[1]) for one in output[0]]
        if len(maps) == 2:  # what a careful user writes; argmax would cost 3 ms
            return np.asarray(maps[1] > maps[0], dtype=np.uint8)
        return np.asarray(np.argmax(maps, axis=0), dtype=np.uint8)

    def segment_many(self, slices: Iterable[ByteArray]) -> Iterator[ByteArray]:
        """With a thread for each stream."""
        return in_flight(self.segment, slices, self.streams)

    @abstractmethod
    def run(self, image: FloatArray) -> FloatArray:
        """Normalised (1, in_channels, H, W) float32 -> logits (1, C, H, W) float32."""


class TorchPeer(PeerSubject):
    """The network in torch, eager mode."""

    def __init__(self, source: Path, threads: int | None) -> None:
        import miniseg_edge.training  # noqa: F401  settles how torch's threads wait

        self.torch: Any = require("torch", "bench")
        bundle = open_bundle(source)
        super().__init__(bundle.manifest.preprocessing, bundle.manifest.network.in_channels, streams=1)
        from miniseg_edge.training.reference import reference_network

        if threads is not None:
            self.torch.set_num_threads(threads)
        weights = require("safetensors.torch", "bench").load(bundle.contents["reference/weights.safetensors"])
        self.network = reference_network(bundle.manifest.network, weights)

    def run(self, image: FloatArray) -> FloatArray:
        """As `PeerSubject.run`."""
        with self.torch.inference_mode():
            return np.asarray(self.network(self.torch.from_numpy(image)).numpy())


class OnnxPeer(PeerSubject):
    """An ONNX file in ONNX Runtime with its default options, but for the number of threads."""

    provider = "CPUExecutionProvider"

    def __init__(self, source: Path, manifest: Manifest, threads: int | None, streams: int) -> None:
        super().__init__(manifest.preprocessing, manifest.network.in_channels, streams)
        ort: Any = require("onnxruntime", "onnxruntime")
        options = ort.SessionOptions()
        options.log_severity_level = 3
        if threads is not None or streams > 1:
            options.intra_op_num_threads = max(1, (threads or os.cpu_count() or 1) // streams)
        self.session = ort.InferenceSession(str(source), options, providers=[self.provider])
        if self.session.get_providers()[0] != self.provider:
            raise InferenceError("onnxruntime took another provider", self.provider, str(self.session.get_providers()))
        self.input = self.session.get_inputs()[0].name

    def run(self, image: FloatArray) -> FloatArray:
        """As `PeerSubject.run`."""
        return np.asarray(self.session.run(None, {self.input: image})[0])


class OpenVinoPeer(PeerSubject):
    """An IR in OpenVINO; FP32 is held to FP32, as a fair comparison of FP32 wants."""

    def __init__(self, source: Path, manifest: Manifest, threads: int | None, streams: int) -> None:
        super().__init__(manifest.preprocessing, manifest.network.in_channels, streams)
        core = require("openvino", "openvino").Core()
        hint = "LATENCY" if streams == 1 else "THROUGHPUT"
        config: dict[str, Any] = {"PERFORMANCE_HINT": hint, "NUM_STREAMS": streams, "INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:
            config["INFERENCE_NUM_THREADS"] = threads
        self.compiled = core.compile_model(str(source), "CPU", config)
        self.requests = threading.local()

    def run(self, image: FloatArray) -> FloatArray:
        """As `PeerSubject.run`."""
        request = getattr(self.requests, "request", None)
        if request is None:
            request = self.requests.request = self.compiled.create_infer_request()
        return np.asarray(request.infer({0: image}, share_inputs=True)[0])


class Slowed(Subject):
    """A subject with a planted fault of known size: the instrument must show exactly that."""

    def __init__(self, subject: Subject, delay_ms: float, leak_kb: int) -> None:
        self.subject = subject
        self.delay_s = delay_ms / 1e3
        self.leak_kb = leak_kb
        self.leaked: list[bytearray] = []

    def prepare(self, slice_: ByteArray) -> Any:
        """As `Subject.prepare`."""
        return self.subject.prepare(slice_)

    def infer(self, prepared: Any) -> Any:
        """As `Subject.infer`."""
        output = self.subject.infer(prepared)
        if self.delay_s:
            end = time.perf_counter() + self.delay_s
            while time.perf_counter() < end:  # a sleep would be longer than it says
                pass
        if self.leak_kb:
            self.leaked.append(bytearray(b"x" * (1024 * self.leak_kb)))
        return output

    def finish(self, prepared: Any, output: Any) -> ByteArray:
        """As `Subject.finish`."""
        return self.subject.finish(prepared, output)

    def segment_many(self, slices: Iterable[ByteArray]) -> Iterator[ByteArray]:
        """As `Subject.segment_many`."""
        return map(self.segment, slices)


def opened(configuration: Configuration, bundle: Path, streams: int = 1) -> Subject:
    """The subject of a configuration, in this process.

    Args:
        configuration: what to open.
        bundle: whose preprocessing the peers use.
        streams: slices in flight at once, for artefacts.

    Raises:
        UsageError: an unknown kind.
        Whatever the runtime raises.
    """
    subject = _plain(configuration, bundle, streams)
    if configuration.delay_ms or configuration.leak_kb:
        return Slowed(subject, configuration.delay_ms, configuration.leak_kb)
    return subject


def _plain(configuration: Configuration, bundle: Path, streams: int) -> Subject:
    source, threads = Path(configuration.source), configuration.threads
    if configuration.kind == ARTIFACT:
        return ArtifactSubject(
            load(source, configuration.runtime, AUTO, threads, streams=streams, precision=configuration.precision)
        )
    if configuration.kind == "torch-eager":
        return TorchPeer(source, threads)
    if configuration.kind in CUDA_PEERS:
        from miniseg_edge.benchmarks.cuda_subjects import opened_on_gpu

        return opened_on_gpu(configuration, bundle, streams)
    manifest = open_bundle(bundle).manifest
    if configuration.runtime == "onnxruntime":
        return OnnxPeer(source, manifest, threads, streams)
    if configuration.runtime == "openvino":
        return OpenVinoPeer(source, manifest, threads, streams)
    raise UsageError("an unknown kind of configuration", "an artefact or a peer", configuration.kind)
