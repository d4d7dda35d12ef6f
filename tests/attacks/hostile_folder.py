"""A current folder full of traps: each leaves a mark when it is taken, and the system says which were opened."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = (
    *(
        "python",
        "python3",
        "sh",
        "bash",
        "git",
        "gcc",
        "cc",
        "c++",
        "g++",
        "clang",
        "nvcc",
        "ninja",
        "cmake",
        "ldconfig",
    ),
    *(
        "benchmark_app",
        "ovc",
        "uname",
        "lscpu",
        "nproc",
        "ps",
        "free",
        "hostname",
        "nvidia-smi",
        "lspci",
        "file",
        "which",
    ),
    *("latex", "dvipng", "ffmpeg", "openssl", "ray", "uv", "pip", "conda"),
)
CONFIGURATIONS = {
    "matplotlibrc": "figure.facecolor: ff0000\nbackend: module://hostile_backend\nno_such_key: hostile\n",
    ".env": "HOSTILE=1\n",
    ".netrc": "machine localhost login hostile password hostile\n",
    "pip.conf": "[global]\nindex-url = http://hostile.invalid\n",
    "setup.cfg": "[metadata]\nname = hostile\n",
    "pyproject.toml": "[project]\nname = 'hostile'\nversion = '0'\n",
    "tox.ini": "[pytest]\naddopts = --hostile\n",
    "uv.toml": "hostile = 1\n",
    ".numba_config.yaml": "hostile: 1\n",
    "plugins.xml": "<ie><plugins><plugin name='CPU' location='./hostile.so'/></plugins></ie>\n",
    "openssl.cnf": "hostile = 1\n",
    "pyvenv.cfg": "home = .\n",
    "python311._pth": ".\n",
    "hostile.pth": "import hostile\n",
}
LIBRARIES = (
    *("libopenvino.so", "libopenvino_intel_cpu_plugin.so", "libonnxruntime.so", "libtbb.so.12", "libgomp.so.1"),
    "libminiseg.so",
)
STRACE = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=open,openat,openat2,execve", "-e", "signal=none"]


@dataclass(frozen=True)
class HostileFolder:
    """The folder, the file that its traps write their names to, and where the system's calls are written to."""

    path: Path
    marks: Path
    calls: Path

    def watched(self, *command: str) -> list[str]:
        """A command to be run there, watched by strace where that is at hand."""
        self.marks.unlink(missing_ok=True)
        self.calls.unlink(missing_ok=True)
        return [*STRACE, "-o", str(self.calls), *command] if can_watch() else list(command)

    def run(self, *command: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a command there."""
        words = self.watched(*command)
        return subprocess.run(words, cwd=self.path, env=environment, capture_output=True, text=True, check=False)

    def check(self) -> None:
        """Nothing in the folder was run, or as much as looked at."""
        assert self.taken == []
        assert self.opened == []

    @property
    def taken(self) -> list[str]:
        """What was run of the folder's traps."""
        return sorted(set(self.marks.read_text().split())) if self.marks.exists() else []

    @property
    def opened(self) -> list[str]:
        """Calls that opened or ran something in the folder, or looked which modules it holds."""
        if not self.calls.exists():
            return []
        calls = self.calls.read_text(errors="replace").splitlines()
        return [call for call in calls if " = -1 " not in call and self._is_here(call)]

    def _is_here(self, call: str) -> bool:
        found = re.search(r'\w+\((?:AT_FDCWD, )?"([^"]*)"', call)
        return found is not None and (self.path / found[1]).is_relative_to(self.path)


def can_watch() -> bool:
    """Whether strace is here and may trace."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run([*STRACE, "-o", "/dev/null", "true"], capture_output=True, check=False).returncode == 0


def hostile_folder(parent: Path) -> HostileFolder:
    """Traps under the name of every module that is installed here, of half a package, of programs and of settings."""
    folder, marks = parent / "hostile", parent / "marks"
    folder.mkdir()
    trap = f"with open({str(marks)!r}, 'a') as marks:\n    marks.write(__name__ + '\\n')\n"
    installed = {name.partition(".")[0] for name in importlib.metadata.packages_distributions()}
    special = {"sitecustomize", "usercustomize", "hostile_backend", "__main__", "readline", "hostile", "conftest"}
    for name in {*sys.stdlib_module_names, *installed, *special}:
        if name.isidentifier():
            (folder / f"{name}.py").write_text(trap)
    for name in ("miniseg_edge", "export", "runtimes", "benchmarks", "numpy", "encodings"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(trap)
    for name in PROGRAMS:
        (folder / name).write_text(f"#!/bin/sh\necho {name} >>{marks}\n")
        (folder / name).chmod(0o755)
    for name, text in CONFIGURATIONS.items():
        (folder / name).write_text(text)
    for name in LIBRARIES:
        (folder / name).write_bytes(b"no library")
    return HostileFolder(folder, marks, parent / "calls")
