"""`miniseg-serve`: one bundle for hosts in other processes on this machine."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.console import terminal
from miniseg_edge.console.commands import Parser, run
from miniseg_edge.console.logs import LineFormatter
from miniseg_edge.host.dependencies import check_installed
from miniseg_edge.host.files import replace_file
from miniseg_edge.host.processor import usable_cores
from miniseg_edge.runtimes.options import add_opening
from miniseg_edge.runtimes.segmenter.demo_network import DEMO_WARNING, is_demo
from miniseg_edge.runtimes.segmenter.loading import load
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.runtimes.segmenter.within import seconds, within
from miniseg_edge.runtimes.serving.http.address import Address, address_of
from miniseg_edge.runtimes.serving.limits import Limits
from miniseg_edge.runtimes.serving.service import service_of

DEFAULT_PORT = 8600
START_DEADLINE_S = 600.0
_DEFAULTS = Limits()


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns 0 stopped when it was told to, 1 our error, 2 usage."""
    return run(_parser(), arguments, _serve)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="miniseg-serve",
        description="Serves a bundle to other processes on this machine: Open Inference Protocol v2 over HTTP, with "
        "binary tensors; Prometheus' metrics at /metrics. SIGTERM or Ctrl-C stops it when what runs is done.",
        epilog="Exit codes: 0 stopped as it was told to, 1 error, 2 usage. A research model, not a medical device.",
        examples=(
            "miniseg-serve bundle",
            "miniseg-serve bundle --port 0 --port-file port --runtime openvino",
            "miniseg-serve bundle --token-file token --queue 16",
        ),
    )
    parser.add_argument("bundle", type=Path, help="directory from miniseg-export")
    parser.add_argument("--name", help="of the model in paths; default: the bundle's")
    parser.add_argument("--host", default="127.0.0.1", help="loopback (%(default)s)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="%(default)s; 0 chooses a free one")
    parser.add_argument(
        "--port-file", type=Path, metavar="FILE", help="the port is written to it when connections are accepted"
    )
    parser.add_argument("--queue", type=int, default=_DEFAULTS.queue, metavar="N", help="that may wait (%(default)s)")
    parser.add_argument(
        "--deadline", type=float, default=_DEFAULTS.deadline_s, metavar="S", help="of each request (%(default)g)"
    )
    parser.add_argument(
        "--start-deadline", type=seconds, default=START_DEADLINE_S, metavar="S",
        help="for opening the bundle, and again for warming up (%(default)g)",
    )  # fmt: skip
    parser.add_argument(
        "--max-body", type=int, default=_DEFAULTS.max_body_mb, metavar="MIB", help="of a request (%(default)s)"
    )
    add_opening(parser)
    parser.add_argument("--streams", type=int, metavar="N", help="slices worked on at once; default: one for each core")
    parser.add_argument("--verbose", action="store_true", help="log a line for each request, without its content")
    group = parser.add_argument_group("all four are required beyond this machine, and optional on loopback")
    group.add_argument("--allow-remote", action="store_true", help="allow a --host that other machines can reach")
    group.add_argument("--token-file", type=Path, metavar="FILE", help="token that requests must contain, in one line")
    group.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate chain in PEM")
    group.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key in PEM")
    return parser


def _serve(parsed: argparse.Namespace) -> None:
    check_installed(("starlette", "h11", "prometheus_client"), "serve")
    limits = Limits(parsed.queue, parsed.deadline, parsed.max_body)
    address = address_of(
        parsed.host,
        parsed.port,
        allow_remote=parsed.allow_remote,
        token_file=parsed.token_file,
        tls_cert=parsed.tls_cert,
        tls_key=parsed.tls_key,
    )
    streams = usable_cores() if parsed.streams is None else parsed.streams

    def opened() -> Segmenter:
        bundle = open_bundle(parsed.bundle, trust=parsed.trust)
        return load(bundle, parsed.runtime, parsed.device, parsed.threads, streams=streams, precision=parsed.precision)

    with terminal.patience("opening the bundle; for a GPU an engine may be compiled, once for each driver"):
        segmenter = within(parsed.start_deadline, opened, "opening the bundle")
    if is_demo(segmenter.bundle):
        terminal.warn(DEMO_WARNING)
    with segmenter:
        with terminal.patience("warming up"):
            within(parsed.start_deadline, lambda: _warm_up(segmenter, streams), "warming up")
        _log_to_stderr(verbose=parsed.verbose)
        _serve_opened(segmenter, streams, limits, address, parsed)


def _serve_opened(
    segmenter: Segmenter, streams: int, limits: Limits, address: Address, parsed: argparse.Namespace
) -> None:
    from miniseg_edge.runtimes.serving.application import application_of
    from miniseg_edge.runtimes.serving.http.connection import Patience
    from miniseg_edge.runtimes.serving.http.reception import Reception, connections_at_once
    from miniseg_edge.runtimes.serving.server import Server

    service = service_of(segmenter, streams, limits, parsed.name)
    with address.listen() as listening:
        port = listening.getsockname()[1]

        def ready() -> None:
            host = f"[{address.host}]" if ":" in address.host else address.host
            scheme = "http" if address.tls is None else "https"
            terminal.say(f"serving {service.model.name} at {scheme}://{host}:{port}, {segmenter}", "good")
            sys.stdout.flush()
            if parsed.port_file is not None:
                replace_file(parsed.port_file, f"{port}\n".encode())

        application = application_of(service, address.names, address.token)
        maximum = connections_at_once(service.gate.capacity)
        reception = Reception(application, address.tls, Patience(answer_s=limits.deadline_s), maximum)
        service.metrics.watch(reception)
        Server(reception, service.gate, ready).run(listening)
    service.workers.close()
    terminal.say("stopped")


def _warm_up(segmenter: Segmenter, streams: int) -> None:
    """The first slices of an engine take longer; no client should wait for that."""
    manifest = segmenter.bundle.manifest
    channels = manifest.interface.channels
    slice_ = np.zeros((*manifest.preprocessing.size, *([] if channels == 1 else [channels])), np.uint8)
    for _ in segmenter.segment_many([slice_] * (2 * streams)):
        pass


def _log_to_stderr(*, verbose: bool) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("miniseg_edge").setLevel(logging.DEBUG if verbose else logging.INFO)
    # Its warnings are of peers that have gone, one for each piece of an answer; failures reach our own handler.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
