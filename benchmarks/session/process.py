"""A process for one configuration: the parent's side of `worker`."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from miniseg_edge.benchmarks.subjects.configuration import Configuration
from miniseg_edge.errors import InferenceError
from miniseg_edge.measuring.process import MeasuringProcess


class WorkerProcess(MeasuringProcess):
    """Answers the commands of `worker.Worker`.

    Attributes:
        load_ms: of opening the configuration, its packages' imports included.
        first_inference_ms: of the first slice.
        cold_start_s: from the start of the process to the first mask.
    """

    def __init__(self, configuration: Configuration, bundle: Path, slices: Sequence[Path], streams: int = 1) -> None:
        """Starts the process and opens the configuration in it.

        Raises:
            InferenceError: it cannot be opened; with the worker's reason.
        """
        start = time.perf_counter()
        super().__init__("miniseg_edge.benchmarks.session.worker", configuration.name)
        try:
            opening = self.ask(
                "open",
                configuration=asdict(configuration),
                bundle=str(bundle),
                slices=[str(path) for path in slices],
                streams=streams,
            )
        except InferenceError:
            self.close()
            raise
        self.cold_start_s = time.perf_counter() - start
        self.load_ms, self.first_inference_ms = float(opening["load_ms"]), float(opening["first_inference_ms"])
