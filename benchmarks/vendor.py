"""OpenVINO's own benchmark_app on our artefact: what our runtime costs over the vendor's bare loop."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from miniseg_edge.errors import InferenceError
from miniseg_edge.runtimes.openvino import PRECISION_HINTS


def benchmark_app_command(model: Path, precision: str, threads: int | None, seconds: float, folder: Path) -> list[str]:
    """Synchronous, one request, the precision of the artefact: the same work as our single-stream."""
    command = [
        str(Path(sys.executable).with_name("benchmark_app")), "-m", str(model), "-d", "CPU", "-hint", "none",
        "-api", "sync", "-nireq", "1", "-nstreams", "1", "-infer_precision", PRECISION_HINTS[precision],
        "-t", str(max(1, round(seconds))), "-report_type", "no_counters", "-report_folder", str(folder), "-json_stats",
    ]  # fmt: skip
    return [*command, "-nthreads", str(threads)] if threads is not None else command


def benchmark_app_median_ms(model: Path, precision: str, threads: int | None, seconds: float) -> float:
    """One turn of benchmark_app: its median latency in milliseconds.

    Raises:
        InferenceError: it is not installed, failed, or reports nothing.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = benchmark_app_command(model, precision, threads, seconds, Path(folder))
        try:
            subprocess.run(command, check=True, capture_output=True)  # noqa: S603  the vendor's own tool
            report = json.loads((Path(folder) / "benchmark_report.json").read_text())
            return float(report["execution_results"]["latency (ms)"])
        except (OSError, subprocess.CalledProcessError, KeyError, ValueError) as error:
            raise InferenceError("benchmark_app gave no figure", "a median latency", str(error)[:300]) from error
