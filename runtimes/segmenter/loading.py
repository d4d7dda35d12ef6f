"""From a bundle to a Segmenter: which runtime, device and artefact, and what is passed over on the way."""

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
        runtime: "auto", or a name from the registry; `str(segmenter)` says what was chosen and why. Several names are a
            declared fallback: the first that opens is taken, and each result's `passed_over` says why not those before.
        device: "auto", "cpu", "cuda:0", ...
        threads: of the runtime; None leaves the vendor's default.
        streams: slices in flight at once. None is fastest for both: one for `segment`, and a second engine with as
            many as the host's cores for many slices, opened when it is first needed. A number is one engine for both;
            1 is smallest.
        precision: "auto" takes FP32 where the bundle has it; "bf16", ... is taken or refused.
        trust: path of a public key, whose owner must have signed the bundle; see `open_bundle`.
        deadline_s: for opening an engine, in seconds; None waits for as long as that takes. A vendor that hangs cannot
            be interrupted: after the deadline its thread is left behind, with its memory, and keeps no process alive.
            Of several names the next is tried. The second engine has as long, whenever it is first needed.

    Raises:
        BundleError and its subclasses: see `open_bundle`.
        UsageError, RuntimeUnavailableError, MissingDependencyError: see `choose`.
        UnsafeModelError, IncompatibleError: the artefact is not admitted; see docs/bundle.md.
        DeadlineError: an engine was not opened in `deadline_s`.
        InferenceError: the vendor cannot open the artefact; HostLimitError: no memory or no threads for it.
        ForkedError: in a process that was forked while an engine was in use; with torch or a GPU, in one that was
            forked after their first use.
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
