"""`python -m tests.attacks.storm BUNDLE`: every attack on a service at once, beside an honest client; prints figures.

The service asks for TLS and a token. Untrusted peers send chunks without end, keep silent, leave handshakes open, drip
headers and read nothing; peers with the token send the largest requests, wrong ones and JSON, stop in the middle, and
never read.
"""

import argparse
import contextlib
import http.client
import math
import multiprocessing
import os
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

import miniseg_edge
from miniseg_edge.benchmarks.serve.load_test import repeated
from miniseg_edge.host.processor import usable_cores
from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.serving.http.reception import WAITING
from miniseg_edge.runtimes.serving.limits import Limits
from tests.attacks.peers import connected, head
from tests.attacks.test_serve_memory import written_out
from tests.runtimes.serving.process import Running, body_of, reply_on, running, wait_until
from tests.runtimes.serving.test_limits import TOKEN, remote_words

MIB = 2**20
LIMITS, STREAMS = Limits(), usable_cores()
PLACES = STREAMS + LIMITS.queue
BOUND_MIB = PLACES * LIMITS.max_body_mb + (STREAMS + 1) * 128 + (PLACES + WAITING) * 0.5
"""As docs/serve.md has it."""

KEPT_MIB = 64
"""That may stay above what the service held when it was idle first."""

BEARER = {"Authorization": f"Bearer {TOKEN}"}
HOLD_S = 2.0


@dataclass
class Found:
    """What was seen during a storm.

    Attributes:
        masks_s, health_s: of each answer, from connecting or asking to its last byte.
        health_at_work_s: the same without the time in which the service's event loop waited for a processor.
        loop_s: in which the service's event loop ran, and in which it waited for a processor; NaN but on Linux.
        failed: of the honest client and of health, statuses and errors that should not have been.
        wrong: masks that are not the Segmenter's.
        idle_mib, highest_mib, after_mib: memory before, the most above that, and what stayed above it.
        connections, inside: that are left afterwards; one connection is the question itself.
        log: bytes that the service logged.
    """

    masks_s: list[float] = field(default_factory=list)
    health_s: list[float] = field(default_factory=list)
    health_at_work_s: list[float] = field(default_factory=list)
    loop_s: tuple[float, float] = (math.nan, math.nan)
    failed: list[str] = field(default_factory=list)
    wrong: int = 0
    idle_mib: float = 0.0
    highest_mib: float = 0.0
    after_mib: float = 0.0
    connections: float = 0.0
    inside: float = 0.0
    log: str = ""


@dataclass(frozen=True)
class Aim:
    """The service, as an attacker's process knows it."""

    port: int
    model: str
    authority: str

    def service(self) -> Running:
        """To say something to it; the process is somebody else's."""
        tls = ssl.create_default_context(cafile=self.authority)
        return Running(None, self.port, self.model, tls, BEARER)  # type: ignore[arg-type]


def silence(service: Running, said: bytes = b"", count: int = 300) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            peer = stack.enter_context(connected(service))
            peer.sendall(said)
        time.sleep(HOLD_S)


def handshakes(service: Running) -> None:
    silence(service, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 270)


def spoken(service: Running, said: bytes, then: bytes = b"", times: int = 0, hold_s: float = HOLD_S) -> None:
    """Over TLS, without reading anything."""
    assert service.tls is not None
    with service.tls.wrap_socket(connected(service), server_hostname="127.0.0.1") as peer:
        peer.sendall(said)
        for _ in range(times):
            peer.sendall(then)
        time.sleep(hold_s)


def chunks(service: Running) -> None:
    spoken(service, head(service, "Content-Length: 5", "Transfer-Encoding: chunked"), b"10000\r\n" + bytes(2**16), 256)


def drip(service: Running) -> None:
    for _ in range(20):
        spoken(service, head(service, "X: y")[:-2], hold_s=0.1)


def long_headers(service: Running) -> None:
    spoken(service, head(service, "X: " + "y" * 60_000, method="GET", path="/v2"), hold_s=0.1)


def unread_health(service: Running) -> None:
    spoken(service, head(service, method="GET", path="/v2/health/live") * 2000)


def lines_of(body: bytes, headers: dict[str, str]) -> list[str]:
    return [f"{name}: {value}" for name, value in {**BEARER, **headers, "Content-Length": str(len(body))}.items()]


LARGE = np.zeros((7, 2048, 2048), np.uint8)


def unread_masks(service: Running) -> None:
    body, headers = body_of(LARGE)
    spoken(service, head(service, *lines_of(body, headers)) + body, hold_s=2 * LIMITS.deadline_s)


def half_bodies(service: Running) -> None:
    body, headers = body_of(LARGE)
    spoken(service, head(service, *lines_of(body, headers)) + body[:-1], hold_s=LIMITS.deadline_s)


def large(service: Running) -> None:
    service.infer(LARGE)


def wrong(service: Running) -> None:
    body, headers = body_of(LARGE)
    service.ask("POST", service.infer_path, body[:-1], headers)


def json_of_the_maximum(service: Running) -> None:
    service.ask("POST", service.infer_path, written_out("UINT8", "7"))


ATTACKS: tuple[Callable[[Running], None], ...] = (
    *(silence, handshakes, chunks, chunks, drip, long_headers, unread_health),
    *(unread_masks, unread_masks, half_bodies, half_bodies, large, large, wrong, json_of_the_maximum),
)


def attack(aim: Aim, seconds: float) -> None:
    """A process of its own: a thread for each attack, again and again, as if on other machines' processors."""
    os.nice(10)
    limit = time.monotonic() + seconds

    def again(one: Callable[[Running], None]) -> None:
        service = aim.service()
        while time.monotonic() < limit:
            with contextlib.suppress(OSError, http.client.HTTPException):
                one(service)
            time.sleep(0.05)

    for one in ATTACKS:
        threading.Thread(target=again, args=(one,), daemon=True).start()
    time.sleep(max(0.0, limit - time.monotonic()))


def scheduled(process: int) -> tuple[float, float]:
    """Seconds in which a process's first thread ran, and in which it waited to run; NaN if they are not counted."""
    path = Path(f"/proc/{process}/task/{process}/schedstat")
    if not path.exists():
        return math.nan, math.nan
    ran_ns, waited_ns, _ = map(int, path.read_text().split())
    return ran_ns / 1e9, waited_ns / 1e9


def storm(bundle: Path, folder: Path, seconds: float) -> Found:
    """Attacks a service of its own for so long."""
    slices = np.stack([phantom(seed, (512, 512)).image for seed in range(8)])
    with miniseg_edge.load(bundle, threads=1, streams=1) as segmenter:
        wanted = [segmenter.segment(slice_).mask for slice_ in slices]
    words = [word for some in remote_words(folder).values() for word in some]
    found = Found()
    with running(bundle, folder, "--streams", str(STREAMS), *words) as service:
        aim = Aim(service.port, service.model, str(folder / "server.pem"))
        service.tls, service.headers = ssl.create_default_context(cafile=aim.authority), BEARER
        for slice_ in slices:
            service.infer(slice_[None])
        process = psutil.Process(service.process.pid)
        found.idle_mib = process.memory_info().rss / MIB

        def look() -> None:
            found.highest_mib = max(found.highest_mib, process.memory_info().rss / MIB - found.idle_mib)
            time.sleep(0.02)

        def health() -> None:
            _, waited_s = scheduled(process.pid)
            start = time.perf_counter()
            try:
                status = service.ask("GET", "/v2/health/live").status
            except OSError as error:
                found.failed.append(f"health: {error}")
                return
            found.health_s.append(time.perf_counter() - start)
            found.health_at_work_s.append(found.health_s[-1] - (scheduled(process.pid)[1] - waited_s))
            if status != 200:
                found.failed.append(f"health: {status}")
            time.sleep(0.1)

        connection = service.connection()

        def honest() -> None:
            index = len(found.masks_s) % len(slices)
            body, headers = body_of(slices[index][None], called=str(index))
            start = time.perf_counter()
            try:
                connection.request("POST", service.infer_path, body, {**headers, **BEARER})
                reply = reply_on(connection)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                found.failed.append(f"masks: {error!r}")
                return
            found.masks_s.append(time.perf_counter() - start)
            if reply.status != 200:
                found.failed.append(f"masks: {reply.status}")
            elif reply.head["id"] != str(index) or not np.array_equal(reply.mask[0], wanted[index]):
                found.wrong += 1

        before = scheduled(process.pid)
        attackers = multiprocessing.get_context("spawn").Process(target=attack, args=(aim, seconds), daemon=True)
        attackers.start()
        try:
            with repeated(look, 0), repeated(health, 0), repeated(honest, 0):
                attackers.join(seconds + 60)
        finally:
            attackers.kill()
            attackers.join()
            connection.close()
        after = scheduled(process.pid)
        found.loop_s = after[0] - before[0], after[1] - before[1]
        wait_until(lambda: service.metric("miniseg_requests_inside") == 0, "nobody is inside")
        wait_until(lambda: service.metric("miniseg_connections") == 1, "all connections are closed")
        found.inside, found.connections = (
            service.metric("miniseg_requests_inside"),
            service.metric("miniseg_connections"),
        )

        def given_back() -> bool:
            found.after_mib = process.memory_info().rss / MIB - found.idle_mib
            return found.after_mib < KEPT_MIB

        wait_until(given_back, "memory is given back")
        code, _, found.log = service.stopped()
        if code != 0:
            found.failed.append(f"exit code {code}")
    return found


def text_of(found: Found) -> str:
    """The figures, a line each."""

    def figures(seconds: list[float]) -> str:
        p50, p99 = np.percentile(seconds, [50, 99])
        return f"{len(seconds)}, p50 {p50:.3f} s, p99 {p99:.3f} s, worst {max(seconds):.3f} s"

    lines = (
        f"masks of the honest client: {figures(found.masks_s)} (deadline {LIMITS.deadline_s:g} s), {found.wrong} wrong",
        f"health: {figures(found.health_s)}",
        f"health without the event loop's wait for a processor: {figures(found.health_at_work_s)}",
        f"event loop: {found.loop_s[0]:.1f} s at work, {found.loop_s[1]:.1f} s with work but without a processor",
        f"failed: {', '.join(found.failed) or 'nothing'}",
        f"memory: {found.idle_mib:.0f} MiB idle, {found.highest_mib:.0f} above that (bound {BOUND_MIB:.0f}), "
        f"{found.after_mib:.0f} afterwards",
        f"afterwards: {found.inside:g} requests inside, {found.connections:g} connection, which asked",
        f"log: {len(found.log)} bytes",
    )
    return "\n".join(lines)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.storm", description=__doc__)
    parser.add_argument("bundle", type=Path, help="directory from miniseg-export or miniseg-demo")
    parser.add_argument("--seconds", type=float, default=60.0, help="default %(default)g")
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(text_of(storm(parsed.bundle, Path(folder), parsed.seconds)) + "\n")


if __name__ == "__main__":
    main()
