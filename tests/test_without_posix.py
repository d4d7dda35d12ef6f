"""What Windows lacks: every module is imported without it, and the few that use it are named here."""

import re
import subprocess
import sys

import pytest

from tests.test_architecture import FOLDERS, ROOT, modules, sources

ABSENT = {
    "os": (
        *("fork", "forkpty", "register_at_fork", "memfd_create", "geteuid", "getuid", "getgid", "getpgid", "setsid"),
        *("killpg", "sched_getaffinity", "sched_setaffinity", "pread", "pwrite", "mkfifo", "chown", "fchmod", "fchown"),
        *("nice", "statvfs", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "WNOHANG", "getloadavg", "uname", "sysconf"),
    ),
    "signal": ("SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGSTOP", "SIGCONT", "pthread_sigmask", "alarm"),
    "socket": ("AF_UNIX",),
}
MODULES = ("fcntl", "resource", "pwd", "grp", "termios", "pty")
VENDORS = (
    *("torch", "onnx", "onnxscript", "rich.console", "pydicom", "highdicom", "nibabel", "matplotlib.pyplot", "psutil"),
    *("scipy.ndimage", "starlette.applications", "asyncio", "subprocess", "tempfile", "pyarrow", "fsspec", "h11"),
    *("prometheus_client", "ssl", "http.server", "shutil", "tarfile", "concurrent.futures.process", "cv2"),
)
"""Imported first, with everything: they have their own ways with Windows."""

IMPORTS = """
import importlib, os, signal, socket, sys
vendors, absent, without, names = eval(sys.stdin.read())
for name in vendors:
    try:
        importlib.import_module(name)
    except ImportError:
        pass
for name, parts in absent.items():
    for part in parts:
        if hasattr(sys.modules[name], part):
            delattr(sys.modules[name], part)
sys.modules.update(dict.fromkeys(without))
for name in names:
    importlib.import_module(name)
"""

USE = re.compile(
    r"os\.(?:fork|register_at_fork|memfd_create|sched_getaffinity|sched_setaffinity|geteuid|getuid|killpg|pread|statvfs)\b"
    r"|/proc/\w+|import (?:fcntl|resource|pwd|grp)\b|signal\.SIG(?:KILL|HUP|USR1|USR2|STOP|CONT|BREAK)\b"
)
USED = {
    "miniseg_edge/host/telemetry.py": {"os.register_at_fork"},
    "miniseg_edge/host/silence.py": {"os.register_at_fork"},
    "runtimes/backends/ending.py": {"os.register_at_fork"},
    "runtimes/backends/forks.py": {"os.register_at_fork"},
    "miniseg_edge/host/processor.py": {"os.sched_getaffinity", "/proc/cpuinfo"},
    "runtimes/backends/cuda/gpus.py": {"/proc/driver"},
    "benchmarks/session/worker.py": {"/proc/self"},
    "miniseg_edge/host/files.py": {"import fcntl", "os.getuid"},
    "runtimes/node/memory.py": {"/proc/self"},
    "runtimes/serving/http/reception.py": {"import resource"},
    "miniseg_edge/host/signals.py": {"signal.SIGBREAK"},
}
"""Each asks first whether it is there."""


@pytest.mark.slow
def test_every_module_is_imported_without_posix() -> None:
    names = sorted(name for name in modules() if not name.endswith("__main__"))
    given = repr((VENDORS, ABSENT, MODULES, names))
    done = subprocess.run([sys.executable, "-c", IMPORTS], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_few_modules_know_an_operating_system() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): set(USE.findall(path.read_text(encoding="utf-8")))
        for path in sources(*FOLDERS)
    }
    assert {name: uses for name, uses in found.items() if uses} == USED
