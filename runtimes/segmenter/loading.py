"""From a bundle to a Segmenter: chooses runtime, device and artefact, and records rejected alternatives."""

import os
from collections.abc import Sequence
from dataclasses import replace

from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.console.logs import logger_of
from miniseg_edge.errors import (
    DeadlineError,
    ForkedError,
    HostLimitError,
    IncompatibleError,
    InferenceError,
    MissingDependencyError,
    RuntimeUnavailableError,
    UnsafeModelError,
    UsageError,
)
from miniseg_edge.host.limits import host_limits
from miniseg_edge.runtimes.backends.forks import check_fork, in_vendor
from miniseg_edge.runtimes.backends.registry import AUTO, Choice, choose, entry_named
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.runtimes.segmenter.within import MAX_DEADLINE_S, within

_log = logger_of(__name__)

MAX_THREADS = 1024


@host_limits()
def load(
    bundle: str | os.PathLike[str] | Bundle,
    runtime: str | Sequence[str] = AUTO,
    device: str = AUTO,
    threads: int | None = None,
    *,
    streams: int | None = None,
    precision: str = AUTO,
    trust: str | os.PathLike[str] | None = None,
    deadline_s: float | None = None,
) -> Segmenter:
    """Opens a bundle for segmentation.

    Args:
        bundle: a directory, verified before anything in it is parsed, or an opened `Bundle`.
        runtime: "auto", or a name from the registry; `str(segmenter)` explains the choice. Several names are a declared
            fallback: the first that opens is used, and each result's `passed_over` says why the earlier ones were not.
        device: "auto", "cpu", "cuda:0", ...
        threads: of the runtime; None uses the vendor's default.
        streams: number of concurrent slices. None is fastest for both uses: one engine for `segment`, and a second one
            with as many streams as cores for many slices, opened when it is first needed. A number is one engine for
            both; 1 needs least memory.
        precision: "auto" uses FP32 if the bundle has it; "bf16", ... is used or refused.
        trust: path of a public key with which the bundle must be signed; see `open_bundle`.
        deadline_s: for opening an engine, in seconds; None waits indefinitely. A vendor that hangs cannot be
            interrupted: after the deadline its thread is abandoned with its memory, and does not keep the process
            alive. Of several names the next is tried. The second engine has the same deadline when it is first needed.

    Raises:
        BundleError and its subclasses: see `open_bundle`.
        UsageError, RuntimeUnavailableError, MissingDependencyError: see `choose`.
        UnsafeModelError, IncompatibleError: the artefact is not admitted; see docs/bundle.md.
        DeadlineError: an engine was not opened within `deadline_s`.
        InferenceError: the vendor cannot open the artefact. HostLimitError: there is no memory or no thread for it.
        ForkedError: the process was forked while an engine was in use; with torch or a GPU, after their first use.
    """
    for name, value in (("threads", threads), ("streams", streams)):
        if value is not None and (type(value) is not int or not 1 <= value <= MAX_THREADS):
            raise UsageError(f"{name} has a wrong value", expected=f"1..{MAX_THREADS}", got=repr(value))
    if deadline_s is not None and not (type(deadline_s) in (int, float) and 0 < deadline_s <= MAX_DEADLINE_S):
        raise UsageError(
            "the deadline is invalid",
            expected=f"None, or seconds above 0, at most {MAX_DEADLINE_S:g}",
            got=repr(deadline_s),
        )
    if isinstance(bundle, Bundle) and trust is not None:
        raise UsageError(
            "the signature of an opened bundle cannot be checked",
            expected="trust= where it is opened",
            got="trust= with a Bundle",
        )
    opened = bundle if isinstance(bundle, Bundle) else open_bundle(bundle, trust=trust)
    check_fork()
    if isinstance(runtime, str):
        choice = _chosen(opened, runtime, device, precision, deadline_s)
        return Segmenter(opened, choice, threads, streams, deadline_s)
    for name in runtime:
        entry_named(name)
    passed_over: list[str] = []
    for name in runtime:
        try:
            choice = _chosen(opened, name, device, precision, deadline_s)
            return Segmenter(opened, replace(choice, passed_over=tuple(passed_over)), threads, streams, deadline_s)
        except (
            RuntimeUnavailableError,
            MissingDependencyError,
            IncompatibleError,
            UnsafeModelError,
            InferenceError,
            ForkedError,
            HostLimitError,
            DeadlineError,
        ) as error:
            _log.warning("%s is passed over: %s", name, error)
            passed_over.append(f"{name}: {error}")
    raise RuntimeUnavailableError(
        "no declared runtime can serve this bundle",
        expected=", ".join(runtime) or "names",
        because="; ".join(passed_over),
    )


def _chosen(bundle: Bundle, runtime: str, device: str, precision: str, deadline_s: float | None) -> Choice:
    def chosen() -> Choice:
        with in_vendor():  # which asks the vendors for their devices
            return choose(bundle, runtime, device, precision)

    return within(deadline_s, chosen, "looking for devices")
