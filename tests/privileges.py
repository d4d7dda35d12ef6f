"""Gives up root's exemptions: temporarily, so that permissions apply to a test, or permanently, so that limits do.

`python -m tests.privileges COMMAND ...` becomes a command whose threads a limit counts.
"""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_VERSION = 0x20080522
_FILES = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: to pass over the permissions of files."""

_KEEP_CAPABILITIES, _AMBIENT, _RAISE = 8, 47, 2
"""Of prctl: PR_SET_KEEPCAPS, PR_CAP_AMBIENT and PR_CAP_AMBIENT_RAISE."""

_OWN_ID = 61_000
"""A user id of no other process: the system counts the threads of a user, in all processes together."""


@contextmanager
def permissions_bind() -> Iterator[None]:
    """Inside, the permissions of files bind this thread, also for root; skips the test where they cannot."""
    if not hasattr(os, "geteuid"):
        pytest.skip("needs POSIX permissions")
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("permissions do not bind root, and only Linux lets it give that up")
    effective, permitted, inherited = _capabilities()
    _set_capabilities(effective & ~_FILES, permitted, inherited)
    try:
        yield
    finally:
        _set_capabilities(effective, permitted, inherited)


def limits_bind(command: list[str]) -> list[str]:
    """The command, as a user whom RLIMIT_NPROC binds; skips the test if threads are not limited."""
    if sys.platform != "linux":
        pytest.skip("only Linux limits the threads of a user")
    return [sys.executable, "-m", "tests.privileges", *command] if os.geteuid() == 0 else command


def _become(command: list[str]) -> None:
    """Another user, who may read and write what root may, but has no privilege besides; then the command."""
    user = _OWN_ID + os.getpid() % 4000
    _checked(_libc().prctl(_KEEP_CAPABILITIES, 1, 0, 0, 0))
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    _set_capabilities(_FILES, _FILES, _FILES)
    for capability in (1, 2):
        _checked(_libc().prctl(_AMBIENT, _RAISE, capability, 0, 0))
    os.execv(command[0], command)


def _capabilities() -> tuple[int, int, int]:
    """Effective, permitted and inherited ones of this thread, the first 32."""
    found = (ctypes.c_uint32 * 6)()
    _checked(_libc().capget((ctypes.c_uint32 * 2)(_VERSION, 0), found))
    return found[0], found[1], found[2]


def _set_capabilities(effective: int, permitted: int, inherited: int) -> None:
    """The others, from the 33rd on, stay as they are for root, and are given up with it."""
    values = (ctypes.c_uint32 * 6)()
    _checked(_libc().capget((ctypes.c_uint32 * 2)(_VERSION, 0), values))
    values[0], values[1], values[2] = effective, permitted, inherited
    if os.geteuid() != 0:
        values[3] = values[4] = values[5] = 0
    _checked(_libc().capset((ctypes.c_uint32 * 2)(_VERSION, 0), values))


def _checked(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


if __name__ == "__main__":
    _become(sys.argv[1:])
