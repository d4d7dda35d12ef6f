"""A Ray cluster of several nodes on this machine, each with its own raylet and workers, that come and go as told.

The nodes belong to a process of their own: `python -m tests.runtimes.archive.cluster` obeys its standard input, and
ends them with it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from miniseg_edge.runtimes.archive.engines.ray_session import _MODEST, MIN_STORE_BYTES

ROOT = Path(__file__).parents[3]
HEALTH = {"health_check_period_ms": 1000, "health_check_timeout_ms": 5000, "health_check_initial_delay_ms": 5000}
"""So that a node that is gone is missed within seconds."""

DRAINED_WITHIN_S = 2.0


class RayCluster:
    """A cluster; its driver's node has no processors. Ends with its context.

    Attributes:
        environment: variables that a driver needs.
        address: for the driver.
        nodes: numbers of the nodes that are there.
    """

    def __init__(self, token: str) -> None:
        self._folder = tempfile.mkdtemp(prefix="mc-", dir="/tmp")
        self.environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, "RAY_TMPDIR": self._folder}
        self.environment["RAY_USAGE_STATS_ENABLED"] = "0"
        with (Path(self._folder) / "log").open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                cwd=ROOT, env=os.environ | self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                text=True,
            )  # fmt: skip
        self.nodes: list[int] = []
        try:
            self.address = self._answer()
        except AssertionError:
            self.close()
            raise

    def __enter__(self) -> "RayCluster":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends all that belongs to it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(120)
        _, left = psutil.wait_procs([one for one in psutil.process_iter() if self._is_ours(one)], timeout=20)
        for process in left:
            process.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def hold(self, count: int) -> None:
        """Adds nodes until there are so many."""
        while len(self.nodes) < count:
            self.add()

    def add(self, gpus: int = 0) -> int:
        """Adds a node of one processor; its number. Ray only counts its GPUs, so there need not be any."""
        self.nodes.append(int(self._told(f"add {gpus}")))
        return self.nodes[-1]

    def drain(self, node: int) -> None:
        """Has Ray drain a node, and ends it as a machine that is shut down."""
        self.nodes.remove(node)
        self._told(f"drain {node}")

    def kill(self, node: int) -> None:
        """Ends a node like a power cut."""
        self.nodes.remove(node)
        self._told(f"kill {node}")

    def _told(self, order: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            if line.startswith("answer "):
                return line.removeprefix("answer ").strip()
        raise AssertionError((Path(self._folder) / "log").read_text())

    def _is_ours(self, process: psutil.Process) -> bool:
        """Workers too: they have other names than their commands, and our environment."""
        try:
            return process.environ().get("RAY_TMPDIR") == self._folder
        except psutil.Error:
            return False


def main() -> None:
    """Obeys: "add GPUS", "drain N", "kill N"."""
    from ray.cluster_utils import Cluster

    common: dict[str, Any] = {"object_store_memory": MIN_STORE_BYTES, "include_log_monitor": False}
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": _MODEST | HEALTH}
    cluster = Cluster(initialize_head=True, head_node_args=common | head)
    nodes: list[Any] = []
    _say(cluster.address)
    for line in sys.stdin:
        order, _, number = line.strip().partition(" ")
        if order == "add":
            nodes.append(cluster.add_node(num_cpus=1, num_gpus=int(number), **common))
        else:
            node = nodes[int(number)]
            if order == "drain":
                _drain(cluster.address, node.node_id)
            cluster.remove_node(node, allow_graceful=order == "drain")
        _say(str(len(nodes) - 1))
    cluster.shutdown()


def _drain(address: str, node_id: str) -> None:
    """As an autoscaler does before it takes a machine away."""
    import ray
    from ray.core.generated import autoscaler_pb2

    generated: Any = autoscaler_pb2
    raylet: Any = ray._raylet
    deadline_ms = int((time.time() + DRAINED_WITHIN_S) * 1000)
    reason = generated.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
    is_accepted, why = raylet.GcsClient(address=address).drain_node(node_id, reason, "a test", deadline_ms)
    assert is_accepted, why
    time.sleep(DRAINED_WITHIN_S)


def _say(text: str) -> None:
    sys.stdout.write(f"\nanswer {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
