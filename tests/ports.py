"""Ports of loopback for servers that are told their port."""

import itertools
import os
import socket

# Systems give outgoing connections ports from 32,768 on (Linux) or from 49,152 on, so no connection takes one of these
# between the question whether it is free and the server's start. Each process of a test run has a part of its own.
_FIRST, _PART, _PARTS = 10_000, 1_300, 17
_part = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _PARTS
_next = itertools.cycle(range(_FIRST + _part * _PART, _FIRST + (_part + 1) * _PART))


def free_port() -> int:
    """One that is not in use, and that this process was not given a moment ago."""
    for port in itertools.islice(_next, _PART):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("no port is free")
