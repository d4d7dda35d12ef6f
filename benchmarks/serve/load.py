"""Load on a service: as fast as it answers, for its capacity, or on a schedule regardless of its answers.

Scheduled arrivals do not wait for answers, and a request's latency counts from when it was due, so that a stalled
service is charged for the requests that arrive meanwhile.
"""

import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np

from miniseg_edge.benchmarks.serve.client import Call, Connection, Sample, timed
from miniseg_edge.benchmarks.serve.process import Served
from miniseg_edge.benchmarks.traffic import Known

CONNECTIONS = 8
"""Concurrent requests of each client."""

Shares = Sequence[Sequence[Known]]
"""Each client's own slices."""


def closed_loop(served: Served, shares: Shares, seconds: float) -> list[Sample]:
    """Each client sends a request, waits for the answer and sends the next."""
    start = time.perf_counter()

    def client(number: int) -> list[Sample]:
        found: list[Sample] = []
        with closing(Connection(served.port, served.model)) as connection:
            while (now := time.perf_counter()) < start + seconds:
                found.append(timed(connection, shares, Call(number, len(found), now), start))
        return found

    with ThreadPoolExecutor(len(shares)) as pool:
        return [sample for found in pool.map(client, range(len(shares))) for sample in found]


def open_loop(served: Served, shares: Shares, per_s: float, seconds: float, seed: int) -> list[Sample]:
    """Requests of all clients together arrive at random times (Poisson), on average `per_s` per second."""
    random = np.random.default_rng(seed)
    count = max(1, round(per_s * seconds))
    due_s = np.cumsum(random.exponential(1 / per_s, count))
    clients = random.integers(0, len(shares), count)
    calls: list[queue.SimpleQueue[Call | None]] = [queue.SimpleQueue() for _ in shares]
    found: queue.SimpleQueue[Sample] = queue.SimpleQueue()
    start = time.perf_counter()

    def caller(client: int) -> None:
        with closing(Connection(served.port, served.model)) as connection:
            while (call := calls[client].get()) is not None:
                found.put(timed(connection, shares, call, start))

    threads = [
        threading.Thread(target=caller, args=(client,)) for client in range(len(shares)) for _ in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for number, (due, client) in enumerate(zip(due_s, clients, strict=True)):
        time.sleep(max(0.0, start + due - time.perf_counter()))
        calls[client].put(Call(int(client), number, start + float(due)))
    for _ in range(CONNECTIONS):
        for waiting in calls:
            waiting.put(None)
    for thread in threads:
        thread.join()
    return sorted((found.get() for _ in range(found.qsize())), key=lambda sample: sample.due_s)
