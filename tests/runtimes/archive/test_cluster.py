"""A real Ray cluster, whose nodes are added, drained and killed during a run: each series once, same bits."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from miniseg_edge.errors import InferenceError, UsageError
from miniseg_edge.runtimes.archive import Crew, segment_archive
from miniseg_edge.runtimes.archive.engines import ray_session
from miniseg_edge.runtimes.archive.engines.ray_session import RaySetting
from miniseg_edge.runtimes.archive.finding import find
from miniseg_edge.runtimes.archive.table import rows_in
from tests.runtimes.archive.archives import SERIES, of_series, results_in, write_archive
from tests.runtimes.archive.cluster import RayCluster
from tests.studies.series import write_series

pytestmark = pytest.mark.slow

MANY = 18


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """A cluster, and the environment that a driver of it has."""
    with pytest.MonkeyPatch.context() as patch, RayCluster(ray_session._token()) as found:
        for name, value in found.environment.items():
            patch.setenv(name, value)
        yield found


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Series that take so long that nodes can go in the middle of them."""
    root = tmp_path_factory.mktemp("many")
    for number in range(MANY):
        write_series(root / f"{number:02d}", 50 + 5 * (number % 5), of_series(number))
    return root


@pytest.fixture(scope="module")
def alone(many: Path, demo_bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of one process."""
    output = tmp_path_factory.mktemp("alone") / "out"
    segment_archive(demo_bundle_path, many, output, executor="in-process")
    return output


def assert_same(output: Path, expected: Path) -> None:
    rows, wanted = rows_in(output), rows_in(expected)
    assert Counter(row.key for row in rows) == Counter(row.key for row in wanted)
    assert {row.result for row in rows} == {row.result for row in wanted}
    assert results_in(output) == results_in(expected)
    assert not (output / ".scratch").exists()


def once_each(steps: dict[int, Callable[[], object]]) -> Callable[[str, int, int], None]:
    """Progress that takes a step as soon as so many series are segmented."""
    left = dict(sorted(steps.items()))

    def progress(what: str, done: int, of: int) -> None:
        while what == "segmenting" and left and done >= next(iter(left)):
            left.pop(next(iter(left)))()

    return progress


def test_nodes_come_and_go_while_series_are_segmented(
    cluster: RayCluster,
    many: Path,
    alone: Path,
    demo_bundle_path: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Of four nodes one is killed and one is drained, and two are added; a worker gets two series at a time."""
    cluster.hold(4)
    drained, killed = cluster.nodes[:2]
    progress = once_each(
        {3: cluster.add, 6: lambda: cluster.kill(killed), 10: cluster.add, 14: lambda: cluster.drain(drained)}
    )
    setting = RaySetting(cluster.address, at_once=2)
    report = segment_archive(
        demo_bundle_path, many, tmp_path / "out", executor="ray", workers=6, ray=setting, progress=progress
    )
    assert (report.series, report.done) == (MANY, MANY)
    assert_same(tmp_path / "out", alone)
    assert capfd.readouterr().out == "", "Ray says nothing among a command's own lines"


def test_a_node_is_killed_while_series_are_found(
    cluster: RayCluster, demo_bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.hold(4)
    monkeypatch.setattr(find, "RECORDS_A_TASK", 1)
    archive = write_archive(tmp_path / "in")
    segment_archive(demo_bundle_path, archive, tmp_path / "alone", executor="in-process")
    killed = list[int]()

    def progress(what: str, done: int, of: int) -> None:
        if what == "finding" and done and not killed:
            killed.append(cluster.nodes[0])
            cluster.kill(killed[0])

    setting = RaySetting(cluster.address)
    report = segment_archive(
        demo_bundle_path, archive, tmp_path / "out", executor="ray", workers=3, ray=setting, progress=progress
    )
    assert killed
    assert report.series == SERIES
    assert_same(tmp_path / "out", tmp_path / "alone")


def test_a_node_that_comes_does_what_one_that_does_not_return_has_left(
    cluster: RayCluster, many: Path, alone: Path, demo_bundle_path: Path, tmp_path: Path
) -> None:
    """The run begins with one node and more workers than it has room for; in the end there is only another one."""
    cluster.hold(1)
    for node in cluster.nodes[1:]:
        cluster.kill(node)
    (first,) = cluster.nodes

    def change() -> None:
        cluster.add()
        cluster.kill(first)

    setting, progress = RaySetting(cluster.address), once_each({4: change})
    segment_archive(demo_bundle_path, many, tmp_path / "out", executor="ray", workers=3, ray=setting, progress=progress)
    assert_same(tmp_path / "out", alone)
    assert len({row["worker"] for row in committed(tmp_path / "out")}) >= 2


def test_a_crew_whose_last_node_is_gone_does_not_hold_up_the_others(
    cluster: RayCluster, many: Path, demo_bundle_path: Path, tmp_path: Path
) -> None:
    """The only machine with a GPU is gone: its series goes to the workers that are left."""
    cluster.hold(1)
    with_gpu = cluster.add(gpus=1)
    crews = Crew(1, "openvino", "cpu"), Crew(1, "onnxruntime", "cpu", gpus=1.0)
    progress = once_each({6: lambda: cluster.kill(with_gpu)})
    setting = RaySetting(cluster.address)
    report = segment_archive(
        demo_bundle_path, many, tmp_path / "out", executor="ray", crews=crews, ray=setting, progress=progress
    )
    rows = rows_in(tmp_path / "out")
    assert len({row.key for row in rows}) == len(rows) == report.done == MANY


def test_what_no_cluster_answers_at_and_what_it_has_no_room_for_is_refused(
    cluster: RayCluster, demo_bundle_path: Path, tmp_path: Path
) -> None:
    write_series(tmp_path / "in", 3, of_series(1))
    cluster.hold(1)
    told = (demo_bundle_path, tmp_path / "in")
    with pytest.raises(InferenceError, match="cannot be reached"):
        segment_archive(*told, tmp_path / "one", executor="ray", workers=1, ray=RaySetting("127.0.0.1:1"))
    crews = [Crew(1, "openvino", "cpu", gpus=8.0)]
    with pytest.raises(UsageError, match="no GPU for a worker"):
        segment_archive(*told, tmp_path / "two", executor="ray", crews=crews, ray=RaySetting(cluster.address))


def committed(output: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted(output.glob("series/*/row.json"))]
