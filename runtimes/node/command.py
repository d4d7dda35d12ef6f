"""`miniseg-node`: a DICOM node that answers CT series with their segmentation."""

import argparse
import ipaddress
import logging
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.console import terminal
from miniseg_edge.console.commands import Parser, run
from miniseg_edge.console.logs import LineFormatter, logger_of
from miniseg_edge.errors import UsageError
from miniseg_edge.host.dependencies import check_installed
from miniseg_edge.host.files import bytes_from_file, replace_file
from miniseg_edge.runtimes.node.associations.peers import (
    Accepted,
    ArchiveNode,
    ArchiveUrl,
    Destination,
    accepted,
    addresses_of,
    ae_title,
    destination,
)
from miniseg_edge.runtimes.node.associations.tls import incoming_tls, outgoing_tls
from miniseg_edge.runtimes.node.drawing import Drawing
from miniseg_edge.runtimes.node.keeping.series_folder import SeriesFolder
from miniseg_edge.runtimes.node.keeping.spool import Spool
from miniseg_edge.runtimes.node.keeping.status import show_status
from miniseg_edge.runtimes.node.limits import NodeLimits
from miniseg_edge.runtimes.node.node import Node, Settings
from miniseg_edge.runtimes.node.rules import CT_ALONE, rules_from_file
from miniseg_edge.runtimes.node.sending.archive import Archive
from miniseg_edge.runtimes.node.sending.c_store import CStoreArchive
from miniseg_edge.runtimes.node.sending.confirmations import Confirmations
from miniseg_edge.runtimes.node.sending.sender import COMMITMENTS, Patience
from miniseg_edge.runtimes.node.sending.stow import StowArchive
from miniseg_edge.runtimes.options import add_opening
from miniseg_edge.runtimes.segmenter.demo_network import DEMO_WARNING, is_demo
from miniseg_edge.runtimes.segmenter.loading import load
from miniseg_edge.runtimes.segmenter.window import check_window
from miniseg_edge.runtimes.segmenter.within import seconds
from miniseg_edge.runtimes.serving.http.address import check_private
from miniseg_edge.runtimes.study.formats import DICOM_SC, DICOM_SEG, DICOM_SR, with_brought
from miniseg_edge.studies.seg.dicom_seg import RANGE, SEG_FRAMES

_logger = logger_of(__name__)

DEFAULT_PORT = 11112
PACKAGES = ("pynetdicom", "pydicom", "highdicom", "dicomweb_client", "prometheus_client")
_LIMITS, _PATIENCE = NodeLimits(), Patience()
_MAX_TOKEN_FILE = 4096


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns 0 stopped when it was told to, 1 our error, 2 usage."""
    return run(_parser(), arguments, lambda parsed: show_status(parsed.spool) if parsed.status else _run(parsed))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="miniseg-node",
        description="A DICOM node: takes CT series by C-STORE, segments each when it is complete, and sends the "
        "DICOM SEG back. SIGTERM or Ctrl-C stops it; what it had acknowledged is done by the next start.",
        epilog="Exit codes: 0 stopped as it was told to, 1 error, 2 usage. A research model, not a medical device.",
        answers=True,
        examples=(
            "miniseg-node bundle --aet MINISEG --send PACS@pacs.example:104",
            "miniseg-node bundle --host 0.0.0.0 --accept SCANNER@192.0.2.7 --send https://pacs.example/dicom-web/studies",
            "miniseg-node --status",
        ),
    )
    parser.add_argument("bundle", type=Path, nargs="?", help="directory from miniseg-export")
    parser.add_argument("--aet", metavar="TITLE", default="MINISEG", help="our AE title (%(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on: loopback (%(default)s)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="%(default)s; 0 chooses a free one")
    parser.add_argument(
        "--port-file", type=Path, metavar="FILE", help="the port is written to it when connections are accepted"
    )
    parser.add_argument(
        "--send", action="append", default=[], metavar="PACS", help="TITLE@HOST:PORT, or a STOW-RS URL; repeatable"
    )
    parser.add_argument("--spool", type=Path, default=Path("miniseg-spool"), metavar="DIR", help="(%(default)s)")
    parser.add_argument(
        "--wait",
        type=seconds,
        default=10.0,
        metavar="S",
        help="idle time after which a series is complete (%(default)g)",
    )
    parser.add_argument(
        "--late", type=seconds, default=600.0, metavar="S",
        help="how long images are kept after the answer, for late slices (%(default)g)",
    )  # fmt: skip
    parser.add_argument("--keep", action="store_true", help="keep images and results in the spool permanently")
    parser.add_argument("--rules", type=Path, metavar="FILE", help="TOML: which series are accepted; default: every CT")
    parser.add_argument(
        "--format", action="append", choices=(DICOM_SEG, DICOM_SR, DICOM_SC),
        help="of results; repeatable; default: dicom-seg",
    )  # fmt: skip
    parser.add_argument("--seg-frames", choices=SEG_FRAMES, default=RANGE, help="as of miniseg-segment (%(default)s)")
    parser.add_argument("--part", action="store_true", help="use the longest evenly spaced part of an uneven series")
    parser.add_argument("--status", action="store_true", help="show the content of --spool and exit")
    parser.add_argument("--retry-dead", action="store_true", help="at the start, retry dead letters")
    parser.add_argument(
        "--metrics-port", type=int, metavar="PORT", help="Prometheus' metrics on loopback; 0: a free one"
    )
    _add_who(parser)
    _add_limits(parser)
    add_opening(parser)
    return parser


def _add_who(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("who may send, and secrets")
    group.add_argument(
        "--accept", action="append", default=[], metavar="PEER",
        help="calling TITLE, TITLE@ADDRESS or TITLE@NETWORK/BITS; repeatable; needed beyond loopback, with addresses",
    )  # fmt: skip
    group.add_argument("--tls-cert", type=Path, metavar="FILE", help="our certificate chain in PEM")
    group.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key in PEM")
    group.add_argument(
        "--tls-peers",
        type=Path,
        metavar="FILE",
        help="PEM with the certificates that sign those of scanners and archives",
    )
    group.add_argument("--send-tls", action="store_true", help="C-STORE to archives over TLS")
    group.add_argument("--send-token", type=Path, metavar="FILE", help="bearer token for STOW-RS, in one line")


def _add_limits(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("limits")
    for name, default, what in (
        ("associations", _LIMITS.associations, "at once"),
        ("pdu", _LIMITS.pdu_bytes, "bytes of the longest PDU"),
        ("object", _LIMITS.object_mb, "MiB of the longest object"),
        ("spool", _LIMITS.spool_mb, "MiB of the spool"),
        ("series", _LIMITS.series, "that may be in work or wait"),
        ("images", _LIMITS.images, "in one series"),
        ("memory", _LIMITS.memory_mb, "MiB of the process"),
    ):
        group.add_argument(f"--max-{name}", type=int, default=default, metavar="N", help=f"{what} (%(default)s)")
    group.add_argument(
        "--pdu-within", type=seconds, default=_LIMITS.pdu_s, metavar="S", help="one PDU, and an answer (%(default)g)"
    )
    group.add_argument("--min-free", type=int, default=_LIMITS.free_mb, metavar="MIB", help="on the disk (%(default)s)")
    group.add_argument("--workers", type=int, default=_LIMITS.workers, metavar="N", help="series at once (%(default)s)")
    group.add_argument("--send-tries", type=int, default=_PATIENCE.tries, metavar="N", help="then dead (%(default)s)")
    group.add_argument(
        "--send-pause", type=seconds, default=_PATIENCE.first_s, metavar="S",
        help="after the first failure, then doubled (%(default)g)",
    )  # fmt: skip
    group.add_argument(
        "--commitment", choices=COMMITMENTS, default=_PATIENCE.commitment, help="storage commitment (%(default)s)"
    )
    group.add_argument(
        "--confirm-within", type=seconds, default=_PATIENCE.confirm_s, metavar="S",
        help="until a confirmation is requested again (%(default)g)",
    )  # fmt: skip


def _run(parsed: argparse.Namespace) -> None:
    if parsed.bundle is None or not parsed.send:
        given = "a bundle alone" if parsed.bundle else "an archive alone" if parsed.send else "neither"
        raise UsageError("a node needs a bundle and an archive", expected="BUNDLE --send PACS@HOST:PORT", got=given)
    check_installed(PACKAGES, "node")
    targets = [destination(text) for text in parsed.send]
    settings = _settings(parsed, targets)
    spool = Spool(parsed.spool)
    _log_to_stderr()
    with spool.locked():
        if parsed.retry_dead:
            _retry_dead(spool)
        bundle = open_bundle(parsed.bundle, trust=parsed.trust)
        check_window(bundle)
        with terminal.patience("opening the bundle; for a GPU an engine may be compiled, once for each driver"):
            segmenter = load(bundle, parsed.runtime, parsed.device, parsed.threads, precision=parsed.precision)
        if is_demo(bundle):
            terminal.warn(DEMO_WARNING)
        with segmenter:
            node = Node(settings, spool, segmenter, Confirmations())
            archives = _archives(parsed, targets, node)

            def ready(port: int, metrics_port: int | None) -> None:
                metrics = "" if metrics_port is None else f", metrics at http://127.0.0.1:{metrics_port}/metrics"
                where = f"{settings.host}:{port}{_reach(settings.host)}"
                terminal.say(f"{settings.title} takes series at {where}, {segmenter}{metrics}", "good")
                sys.stdout.flush()
                if parsed.port_file is not None:
                    replace_file(parsed.port_file, f"{port}\n{metrics_port or ''}\n".encode())

            node.run(archives, ready)
    terminal.say("stopped")


def _settings(parsed: argparse.Namespace, targets: Sequence[Destination]) -> Settings:
    if not 0 <= parsed.port <= 65535 or not 0 <= (parsed.metrics_port or 0) <= 65535:
        raise UsageError(
            "the port is invalid", expected="0..65535, 0 for a free one", got=f"{parsed.port}, {parsed.metrics_port}"
        )
    if parsed.send_tries < 1:
        raise UsageError("--send-tries is invalid", expected="1 or more", got=str(parsed.send_tries))
    limits = NodeLimits(
        associations=parsed.max_associations, pdu_bytes=parsed.max_pdu, object_mb=parsed.max_object,
        spool_mb=parsed.max_spool, free_mb=parsed.min_free, series=parsed.max_series, images=parsed.max_images,
        memory_mb=parsed.max_memory, pdu_s=parsed.pdu_within, workers=parsed.workers,
    )  # fmt: skip
    return Settings(
        title=ae_title(parsed.aet),
        host=_host(parsed.host, [accepted(text) for text in parsed.accept]),
        port=parsed.port,
        tls=_tls(parsed),
        peers=_peers(parsed, targets),
        wait_s=parsed.wait,
        late_s=parsed.late,
        keep=parsed.keep,
        metrics_port=parsed.metrics_port,
        rules=CT_ALONE if parsed.rules is None else rules_from_file(parsed.rules),
        limits=limits,
        drawing=Drawing(
            with_brought(parsed.format or (DICOM_SEG,)), parsed.seg_frames, parsed.part, limits.memory_mb
        ),
        patience=Patience(
            tries=parsed.send_tries, first_s=parsed.send_pause, commitment=parsed.commitment,
            confirm_s=parsed.confirm_within,
        ),
    )  # fmt: skip


def _host(text: str, peers: Sequence[Accepted]) -> str:
    """Raises: UsageError if other machines could reach it without a list of allowed peers."""
    try:
        found = ipaddress.ip_address("127.0.0.1" if text == "localhost" else text)
    except ValueError:
        raise UsageError("the host is invalid", expected="localhost or an IP address", got=text[:200]) from None
    open_to = [peer.title for peer in peers if peer.network is None]
    if not found.is_loopback and (open_to or not peers):
        raise UsageError(
            "other machines could reach this address",
            expected="--accept TITLE@ADDRESS for each scanner",
            got=f"--accept {open_to[0]} without an address" if open_to else f"{found} without --accept",
        )
    return str(found)


def _reach(host: str) -> str:
    """What to add to the address of a node that only this machine can reach."""
    return " (this machine only; --host and --accept let scanners in)" if ipaddress.ip_address(host).is_loopback else ""


def _peers(parsed: argparse.Namespace, targets: Sequence[Destination]) -> tuple[Accepted, ...]:
    """Scanners, and archives, which call back to confirm; empty if no scanner is named."""
    scanners = tuple(accepted(text) for text in parsed.accept)
    if not scanners:
        return ()
    return (*scanners, *(peer for one in targets if isinstance(one, ArchiveNode) for peer in addresses_of(one)))


def _tls(parsed: argparse.Namespace) -> Any:
    given = [parsed.tls_cert, parsed.tls_key]
    if (given[0] is None) != (given[1] is None):
        raise UsageError("TLS needs a certificate and a key", expected="--tls-cert and --tls-key", got="one of them")
    if given[0] is None:
        return None
    if parsed.tls_peers is None:
        raise UsageError("--tls-cert needs --tls-peers", expected="--tls-peers FILE", got="none")
    return incoming_tls(given[0], given[1], parsed.tls_peers)


def _archives(parsed: argparse.Namespace, targets: Sequence[Destination], node: Node) -> list[Archive]:
    tls = outgoing_tls(parsed.tls_cert, parsed.tls_key, parsed.tls_peers) if parsed.send_tls else None
    found: list[Archive] = []
    for one in targets:
        if isinstance(one, ArchiveUrl):
            found.append(_by_stow(parsed, one))
        else:
            found.append(CStoreArchive(one, ae_title(parsed.aet), tls, node.report))
    if len({archive.key for archive in found}) < len(found):
        raise UsageError("an archive is named twice", expected="each --send once", got="a repeated one")
    return found


def _by_stow(parsed: argparse.Namespace, archive: ArchiveUrl) -> StowArchive:
    token = None
    secure = archive.url.startswith("https://")
    if parsed.send_token is not None:
        if not secure:
            raise UsageError("the token would be sent unencrypted", expected="https://", got=archive.name)
        check_private(parsed.send_token)
        token = bytes_from_file(parsed.send_token, _MAX_TOKEN_FILE, UsageError).decode("ascii", "replace").strip()
    tls = outgoing_tls(parsed.tls_cert, parsed.tls_key, parsed.tls_peers) if secure else None
    return StowArchive(archive, token, tls)


def _retry_dead(spool: Spool) -> None:
    for key in spool.dead_keys():
        with spool.lock_of(key):
            if spool.revive(key):
                folder = SeriesFolder(spool.series / key)
                folder.take_back_reason()
                if rounds := folder.rounds():
                    rounds[-1].reopen()


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("miniseg_edge").setLevel(logging.INFO)
    threading.excepthook = _say_what_ended


def _say_what_ended(ended: threading.ExceptHookArgs) -> None:
    """Logs one line instead of a traceback, in which a library may quote the patient."""
    _logger.error("a thread ended: %s", ended.exc_type.__name__)
