"""The library as a guest: no call that runs takes memory, and none can open a file, print, or read the environment."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from miniseg_edge.architecture import PRESETS
from miniseg_edge.native.binding import PATH
from miniseg_edge.native.build import SOURCES
from tests.native.plans import case

OPENING = {"open", "context open", "chain open"}
RUNNING = {"describe", "run", "run for a mask", "run of another size", "run volume", "chain run", "cancel"}

FORBIDDEN = {
    *(
        "open",
        "open64",
        "openat",
        "openat64",
        "fopen",
        "fopen64",
        "creat",
        "read",
        "fread",
        "opendir",
        "unlink",
        "rename",
    ),
    *("printf", "vprintf", "puts", "putchar", "fprintf", "vfprintf", "write", "stdout", "perror", "syslog"),
    *("getenv", "secure_getenv", "setenv", "putenv", "environ", "__environ"),
    *(
        "socket",
        "connect",
        "bind",
        "send",
        "sendto",
        "recv",
        "getaddrinfo",
        "system",
        "popen",
        "fork",
        "vfork",
        "execve",
    ),
    *(
        "signal",
        "sigaction",
        "raise",
        "kill",
        "exit",
        "_exit",
        "setlocale",
        "srand",
        "sched_setaffinity",
        "setpriority",
    ),
    *("pthread_setaffinity_np", "fesetenv", "fesetround", "chdir", "umask", "dlopen", "atexit"),
}
"""Of the C library, or what stands behind them. Its `fputs` and `fwrite` are those of the C++ library's last words."""

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of Linux and glibc")


@linux
@pytest.mark.parametrize("threads", [1, 3])
def test_no_call_that_runs_takes_memory(tmp_path: Path, threads: int) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    program, plan = tmp_path / "guest", tmp_path / "plan"
    plan.write_bytes(case(PRESETS["miniseg-83k"]).plan)
    source, exported = str(Path(__file__).with_name("guest.c")), "-rdynamic"
    words = ["gcc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{SOURCES}", source, str(PATH), exported]
    subprocess.run([*words, f"-Wl,-rpath,{PATH.parent}", "-o", str(program)], check=True)
    done = subprocess.run([program, plan, "130", "97", str(threads)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    taken = {name: int(times) for name, times in (line.split(": ") for line in done.stdout.splitlines())}
    assert {name for name, times in taken.items() if times} == OPENING  # the count counts
    assert {name for name, times in taken.items() if not times} == RUNNING


@linux
def test_it_imports_nothing_that_reaches_outside() -> None:
    """What is not imported cannot be called, in any function and on any path."""
    if shutil.which("nm") is None:
        pytest.skip("needs nm of binutils")
    told = subprocess.run(["nm", "-D", "--undefined-only", str(PATH)], capture_output=True, text=True, check=True)
    imported = {line.split()[-1].split("@")[0] for line in told.stdout.splitlines()}
    assert {"malloc", "pthread_create"} <= imported
    assert imported & FORBIDDEN == set()


@linux
def test_it_exports_the_header_alone() -> None:
    if shutil.which("nm") is None:
        pytest.skip("needs nm of binutils")
    told = subprocess.run(["nm", "-D", "--defined-only", str(PATH)], capture_output=True, text=True, check=True)
    exported = {line.split()[-1].split("@")[0] for line in told.stdout.splitlines()}
    header = (SOURCES / "miniseg.h").read_text(encoding="utf-8")
    declared = set(re.findall(r"MINISEG_API [^;(]*?(miniseg_\w+)\(", header))
    assert exported == declared
    assert len(declared) > 12
