"""Makes a virtual environment with one extra of this package: `python .setup/environment.py VENV EXTRA`.

It says what comes before it comes, and shows how far it is. Of the standard library alone: nothing is installed yet.
"""

import os
import platform
import re
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import TextIO

OLDEST = (3, 11)
ANNOUNCED = {
    "demo": "This downloads about 420 MB (torch 190, OpenVINO 60, OpenCV 60) and takes 1.4 GB in {venv}, of which "
    "torch is 0.75 GB.\nAfter the downloads it takes about five minutes on two cores: half to install, half to run.",
    "dev": "This installs all that the tests use: about 1 GB of downloads, 3.0 GB in {venv}, some minutes.",
}
"""Measured in fresh environments on Linux; `python -m tests.extra_sizes` has the sizes of all extras."""

TORCH_ON_CPU = "https://download.pytorch.org/whl/cpu"
"""PyTorch's own index of builds without CUDA, which PyPI has for Linux only with 2.5 GB of NVIDIA's libraries."""

_PLAIN = {"demo": ["--no-compile"]}
"""The demo imports a small part of what is installed: Python compiles that part when it is needed."""

_PATIENCE_S = 4


def main() -> int:
    """Returns pip's exit code."""
    venv, extra = Path(sys.argv[1]), sys.argv[2]
    if sys.version_info < OLDEST:
        return _fail(f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed: make PYTHON=python3.11 ...")
    _say(ANNOUNCED[extra].format(venv=venv))
    if not (venv / "pyvenv.cfg").exists():
        _say(f"Creating {venv}")
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    python = venv / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    code = _install(
        [
            *pip,
            "install",
            "--constraint",
            "constraints.txt",
            *_index(),
            *_PLAIN.get(extra, ()),
            "--editable",
            f".[{extra}]",
        ]
    )
    return code or _mend_opencv(str(python), pip)


def _index() -> list[str]:
    """Where pip also looks for torch; nothing where PyPI's build is without CUDA, or the index is not reached."""
    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "aarch64"):
        return []
    address = os.environ.get("TORCH_INDEX", TORCH_ON_CPU)
    if not address:
        return []
    try:
        urllib.request.urlopen(f"{address}/torch/", timeout=_PATIENCE_S).close()
    except OSError:
        _say("PyTorch's index of CPU builds is not reached: pip takes the torch that its own indexes have.")
        return []
    return ["--extra-index-url", address]


def _install(command: list[str]) -> int:
    """Runs pip, and shows one line that says how far it is; all of its output if it fails."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        progress, said = Progress(sys.stderr), []
        assert process.stdout is not None
        with progress:
            for line in process.stdout:
                said.append(line)
                progress.read(line)
    if process.returncode:
        sys.stderr.write("".join(said[-40:]))
    return process.returncode


class Progress:
    """How far pip is, in one line that a terminal sees change; elsewhere in a line for each larger step.

    Args:
        stream: where it is shown.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._start = stream, time.monotonic()
        self._packages, self._now = 0, "starting"
        self._ended = threading.Event()
        self._ticking = threading.Thread(target=self._tick, daemon=True)

    def read(self, line: str) -> None:
        """Takes a line of pip's output."""
        if (collecting := re.match(r"(?:Collecting|Processing) (?:.*/)?([^\s/-]+)", line)) is not None:
            self._packages += 1
            self._now = f"{collecting[1].split('==')[0]}"
        elif (found := re.match(r"\s+(?:Downloading|Using cached) .*?([\w.]+)-([\w.+]+)-.*\((.*)\)", line)) is not None:
            self._now = f"{found[1]} {found[2]}, {found[3]}"
            if not self._stream.isatty() and "MB" in found[3] and float(found[3].split()[0]) > 10:
                self._show()
        elif line.startswith(("Building", "Installing")):
            what = "compiling our library" if line.startswith("Building") else f"unpacking {self._packages} packages"
            self._now = what
            if not self._stream.isatty():
                self._show()

    def __enter__(self) -> None:
        if self._stream.isatty():
            self._ticking.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._stream.isatty():
            self._ticking.join()
            self._stream.write("\r\x1b[K")
        self._now = f"{self._packages} packages installed"
        self._show()

    def _tick(self) -> None:
        while not self._ended.wait(0.5):
            self._stream.write(f"\r\x1b[K{self._text()[:78]}")
            self._stream.flush()

    def _show(self) -> None:
        self._stream.write(f"{self._text()}\n")
        self._stream.flush()

    def _text(self) -> str:
        return f"  {time.monotonic() - self._start:4.0f} s  {self._packages:3} packages  {self._now}"


def _mend_opencv(python: str, pip: list[str]) -> int:
    """opencv-python needs the system's libGL; where that is missing, the headless build does the same work."""
    check = [python, "-c", "import cv2"]
    if subprocess.run(check, stderr=subprocess.DEVNULL, check=False).returncode == 0:
        return 0
    _say("opencv-python lacks a system library here; opencv-python-headless takes its place.")
    for words in (["uninstall", "--yes", "opencv-python"],
                  ["install", "--constraint", "constraints.txt", "opencv-python-headless"]):  # fmt: skip
        if code := subprocess.run([*pip, *words[:1], "--quiet", *words[1:]], check=False).returncode:
            return code
    return subprocess.run(check, check=False).returncode


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _fail(text: str) -> int:
    _say(text)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
