"""Ray during an archive run: local by default, without dashboard and telemetry, cleaned up afterwards."""

import functools
import gc
import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miniseg_edge.errors import InferenceError, UsageError
from miniseg_edge.host.dependencies import require
from miniseg_edge.host.environment import environment_with
from miniseg_edge.runtimes.archive.work import Crew

MAX_FOLDER_LETTERS = 36
"""Ray's sockets have paths some 70 letters longer than its folder; the system limits a socket's path to 107."""

MIN_STORE_BYTES = 80 * 2**20
"""Ray's minimum. The workers read the series; only their names and rows pass through its store."""

STARTS = 3
"""Attempts to start Ray: it allows itself 30 seconds, which are too few on a busy machine."""

REACHED_WITHIN_S = 30.0
"""Time for a cluster's head to accept a connection."""

_MODEST = {
    **{"enable_worker_prestart": False, "prestart_worker_first_driver": False, "enable_metrics_collection": False},
    "worker_register_timeout_seconds": 300,  # a busy machine takes its time
    **{"num_server_call_thread": 1, "gcs_server_rpc_server_thread_num": 1, "gcs_server_rpc_client_thread_num": 1},
}
"""Settings for one machine's work: no idle processes, no metrics, few threads."""


@dataclass(frozen=True)
class RaySetting:
    """Where Ray runs.

    Attributes:
        address: of a cluster; None starts Ray here for the duration of the run. It listens on this machine's ports, and
            only accepts connections with the token that it is started with.
        folder: for Ray's files if it starts here; None uses a temporary folder, which is removed.
        store_bytes: size of its object store if it starts here.
        at_once: series that a worker gets at a time; None decides by the number of workers and of series.
    """

    address: str | None = None
    folder: Path | None = None
    store_bytes: int = MIN_STORE_BYTES
    at_once: int | None = None

    def __post_init__(self) -> None:
        if self.folder is not None and len(os.fsencode(self.folder.absolute())) > MAX_FOLDER_LETTERS:
            raise UsageError(
                "the path of Ray's folder is too long",
                expected=f"at most {MAX_FOLDER_LETTERS} letters",
                got=str(self.folder),
                remedy="Ray creates sockets in it, and the system limits the length of their paths.",
            )


@contextmanager
def ray_session(setting: RaySetting, crews: Sequence[Crew]) -> Iterator[Any]:
    """A connection to Ray: to the host application's, which is left running, or to one that ends with this context.

    Raises:
        InferenceError: Ray does not start, or is not there; MissingDependencyError.
    """
    with ExitStack() as stack:
        stack.enter_context(_environment_kept())
        ray: Any = require("ray", "scale")
        stack.enter_context(_unlogged())
        if not ray.is_initialized():
            _begin(ray, setting, crews, stack)
        yield ray


def _begin(ray: Any, setting: RaySetting, crews: Sequence[Crew], stack: ExitStack) -> None:
    shared: dict[str, Any] = {
        "job_config": _job_config(ray),
        "configure_logging": False,
        "log_to_driver": False,
        "logging_level": logging.ERROR,
    }
    stack.enter_context(_signals_kept())
    stack.enter_context(_unprinted(ray))
    if setting.address is not None:
        _check_reachable(setting.address)
        options: dict[str, Any] = {"address": setting.address}
    else:
        folder = stack.enter_context(_folder(setting.folder))
        stack.enter_context(_environment())
        options = {
            "address": "local",
            "num_cpus": sum(crew.workers for crew in crews),
            "num_gpus": sum(crew.workers * crew.gpus for crew in crews),
            "include_dashboard": False,
            "object_store_memory": setting.store_bytes,
            "_temp_dir": str(folder),
            "_node_ip_address": "127.0.0.1",
            "_system_config": _MODEST,
        }
    stack.callback(ray.shutdown)
    for left in reversed(range(STARTS)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # Ray leaves late starters to its own reaper
            try:
                ray.init(**options, **shared)
            except Exception as error:
                if not left:
                    wanted = "a machine, or an address, where it runs"
                    raise InferenceError("Ray cannot be started", expected=wanted, because=str(error)) from error
            else:
                return
            gc.collect()


def _check_reachable(address: str) -> None:
    """Ray itself tries for a quarter of an hour. Raises: InferenceError."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():  # another of Ray's forms of addresses
        return
    try:
        socket.create_connection((host, int(port)), REACHED_WITHIN_S).close()
    except (OSError, OverflowError) as error:
        raise InferenceError(
            "Ray cannot be reached", expected="a cluster that runs", got=address, because=type(error).__name__
        ) from error


def _job_config(ray: Any) -> Any:
    """Ray would have its workers import modules from the driver's current folder before all others."""
    found = ray.job_config.JobConfig()
    found._py_driver_sys_path = _NoFolders()
    return found


class _NoFolders(list[str]):
    def extend(self, folders: Iterable[str]) -> None:
        """Takes none."""


def check_room(ray: Any, crews: Sequence[Crew]) -> None:
    """Refuses a cluster without room for a worker of each crew, before a run: in it nodes may go, and come.

    Raises: UsageError.
    """
    there = ray.cluster_resources()
    for name, wanted in (("CPU", 1.0), ("GPU", max(crew.gpus for crew in crews))):
        if there.get(name, 0) < wanted:
            raise UsageError(
                f"Ray has no {name} for a worker",
                expected=f"{wanted:g}",
                got=f"{there.get(name, 0):g}",
                remedy="Add a node to the cluster, or ask for other workers.",
            )


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given.absolute()
        return
    found = Path(tempfile.mkdtemp(prefix="ms-"))
    if len(os.fsencode(found)) > MAX_FOLDER_LETTERS:
        found.rmdir()
        found = Path(tempfile.mkdtemp(prefix="ms-", dir="/tmp"))  # the one that is short
    try:
        yield found
    finally:
        shutil.rmtree(found, ignore_errors=True)


@contextmanager
def _environment_kept() -> Iterator[None]:
    """Ray leaves its own variables, such as its debugger's, in the host's environment."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def _environment() -> Iterator[None]:
    """Ray reads its configuration when it starts, and passes it to its processes."""
    wanted = {
        **{"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"},
        # Only holders of the token can run code in our workers; if it is not set, Ray stores its own in the user's
        # home.
        "RAY_AUTH_TOKEN": os.environ.get("RAY_AUTH_TOKEN") or _token(),
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }
    with environment_with(wanted, restored=("RAY_AUTH_MODE",)):
        yield


@functools.cache
def _token() -> str:
    """One per process: Ray reads it once."""
    return secrets.token_hex(32)


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray replaces the host's signal handlers by its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _unlogged() -> Iterator[None]:
    """Ray writes much to standard error, including errors from which it recovers; other errors are raised."""
    logger = logging.getLogger("ray")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _unprinted(ray: Any) -> Iterator[None]:
    """Ray prints on standard output what happens to nodes, whatever its loggers do; it has no setting for that."""
    worker = ray._private.worker
    before = getattr(worker, "_worker_logs_enabled", True)
    worker._worker_logs_enabled = False
    try:
        yield
    finally:
        worker._worker_logs_enabled = before
