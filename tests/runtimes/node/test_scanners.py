"""Scanners that stop, dribble, lie and flood are answered in DICOM's words, and do not disturb the honest one."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import MRImageStorage

import miniseg_edge
from tests.runtimes.node.pacs import Pacs, pacs
from tests.runtimes.node.process import Running, associated, running, sent, wait_until
from tests.runtimes.node.scanner import Seg, wanted, write_phantoms

pytestmark = pytest.mark.slow


@dataclass
class Site:
    """A node, its archive, and a place for series."""

    node: Running
    pacs: Pacs
    bundle: Path
    folder: Path
    series: int = 0

    def write(self, count: int = 3, **more: Any) -> Path:
        """A series that was not sent yet."""
        self.series += 1
        folder = self.folder / f"series-{self.series}"
        write_phantoms(folder, count, 10 * self.series, **more)
        return folder

    def segs_of(self, series: Path) -> list[Any]:
        """What the archive has of a series."""
        uid = str(pydicom.dcmread(next(series.iterdir())).SeriesInstanceUID)
        return [one for one in self.pacs.objects if str(one.ReferencedSeriesSequence[0].SeriesInstanceUID) == uid]

    def check_answered(self, series: Path) -> None:
        """One result, equal to `miniseg-segment`'s."""
        wait_until(lambda: bool(self.segs_of(series)), self.node.said)
        (found,) = self.segs_of(series)
        with miniseg_edge.load(self.bundle, threads=1) as segmenter:
            assert Seg(str(found.SOPInstanceUID), found.pixel_array).is_like(wanted(segmenter, series))

    def check_honest(self) -> None:
        """A scanner that does as it should is served."""
        series = self.write()
        assert sent(self.node.port, sorted(series.iterdir())) == [0, 0, 0]
        self.check_answered(series)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, demo_bundle_path: Path) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    limits = ("--max-object", "1", "--max-associations", "3", "--max-images", "8", "--wait", "2", "--late", "60")
    with pacs() as archive, running(demo_bundle_path, folder / "node", "--send", archive.node, *limits) as node:
        yield Site(node, archive, demo_bundle_path, folder)


def connected(site: Site) -> socket.socket:
    found = socket.create_connection(("127.0.0.1", site.node.port))
    found.settimeout(60)
    return found


def ends(connection: socket.socket) -> bytes:
    """All that the node says until it closes."""
    found = b""
    try:
        while piece := connection.recv(4096):
            found += piece
    except ConnectionResetError:
        pass
    return found


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0" * 100,
        bytes((1, 0, 0xFF, 0xFF, 0xFF, 0xFF)),
        bytes((4, 0, 0, 0, 0, 9)) + b"x" * 9,
    ],
)
def test_garbage_ends_its_connection_alone(site: Site, data: bytes) -> None:
    with connected(site) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        ends(connection)
    site.check_honest()


def test_a_pdu_that_is_too_long_is_aborted_before_it_is_read(site: Site) -> None:
    series = site.write()
    association = associated(site.node.port, series.iterdir())
    assert association.is_established
    association.dul.socket.socket.sendall(struct.pack(">BBL", 4, 0, 2**31))
    wait_until(lambda: association.is_aborted, site.node.said)
    assert "a PDU is too long" in site.node.said()
    site.check_honest()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the library forgets its socket
def test_an_object_that_is_too_long_is_aborted(site: Site) -> None:
    series = site.write(1)
    (path,) = series.iterdir()
    made = pydicom.dcmread(path)
    made.Rows, made.Columns = 1024, 1024
    made.PixelData = b"\0" * (2 * 1024 * 1024)
    made.save_as(path)
    association = associated(site.node.port, [path])
    assert association.send_c_store(made).get("Status") is None
    wait_until(lambda: "an object is too long" in site.node.said(), site.node.said)
    wait_until(lambda: not list((site.node.spool / "incoming").iterdir()), site.node.said)
    site.check_honest()


def test_what_is_no_image_is_refused_with_its_status(site: Site) -> None:
    series = site.write(1)
    (path,) = series.iterdir()
    without_pixels, cut, without_series = (pydicom.dcmread(path) for _ in range(3))
    del without_pixels.PixelData
    cut.PixelData = cut.PixelData[:100]
    without_series.SeriesInstanceUID = ""
    association = associated(site.node.port, [path])
    statuses = [association.send_c_store(made).Status for made in (without_pixels, cut, without_series)]
    association.release()
    assert statuses == [0xA900, 0xC000, 0xC000]
    assert sent(site.node.port, [path]) == [0]


def test_an_object_of_another_identity_than_announced_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    series = site.write(1)
    (path,) = series.iterdir()
    association = associated(site.node.port, [path])
    send = association.dimse.send_msg

    def lie(request: Any, context: int) -> None:
        request.AffectedSOPInstanceUID = "1.2.3"
        send(request, context)

    monkeypatch.setattr(association.dimse, "send_msg", lie)
    assert association.send_c_store(pydicom.dcmread(path)).Status == 0xA900
    association.release()


def test_a_duplicate_is_one_image_and_another_content_is_refused(site: Site) -> None:
    series = site.write(2)
    first, second = sorted(series.iterdir())
    changed = pydicom.dcmread(first)
    changed.InstanceNumber = 77
    association = associated(site.node.port, [first])
    same = [association.send_c_store(pydicom.dcmread(first)).Status for _ in range(2)]
    other = association.send_c_store(changed).Status
    association.release()
    assert (same, other) == ([0, 0], 0x0111)
    assert sent(site.node.port, [second]) == [0]
    site.check_answered(series)


def test_more_images_than_a_series_may_have_are_refused(site: Site) -> None:
    series = site.write(9, announce=False)
    assert sent(site.node.port, sorted(series.iterdir())) == [0] * 8 + [0xA700]


def test_more_associations_than_may_be_are_rejected(site: Site) -> None:
    wait_until(lambda: site.node.metric("miniseg_node_associations") == 0, site.node.said)
    open_ones = [associated(site.node.port) for _ in range(3)]
    assert all(one.is_established for one in open_ones)
    assert associated(site.node.port).is_rejected
    for one in open_ones:
        one.release()
    wait_until(lambda: site.node.metric("miniseg_node_associations") == 0, site.node.said)
    site.check_honest()


def test_another_called_title_is_rejected(site: Site) -> None:
    assert associated(site.node.port, called="SOMEBODY").is_rejected


def test_objects_that_are_no_ct_are_not_negotiated(site: Site) -> None:
    series = site.write(1)
    (path,) = series.iterdir()
    made = pydicom.dcmread(path)
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = MRImageStorage
    made.save_as(path)
    association = associated(site.node.port, [path])
    assert [str(one.abstract_syntax) for one in association.accepted_contexts] == ["1.2.840.10008.1.1"]
    association.release()


def test_one_series_on_two_associations_is_answered_once(site: Site) -> None:
    series = site.write(6)
    paths = sorted(series.iterdir())
    senders = [threading.Thread(target=sent, args=(site.node.port, part)) for part in (paths[:4], paths[2:])]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    site.check_answered(series)


def test_a_scanner_that_stops_is_answered_and_its_late_slices_replace_the_answer(site: Site) -> None:
    series = site.write(5, announce=False)
    early, late = sorted(series.iterdir())[:3], sorted(series.iterdir())[3:]
    association = associated(site.node.port, early)
    assert all(association.send_c_store(pydicom.dcmread(path)).Status == 0 for path in early)
    association.abort()
    wait_until(lambda: len(site.segs_of(series)) == 1, site.node.said)
    assert sent(site.node.port, late) == [0, 0]
    wait_until(lambda: len(site.segs_of(series)) == 2, site.node.said)
    first, second = site.segs_of(series)
    with miniseg_edge.load(site.bundle, threads=1) as segmenter:
        assert Seg(str(second.SOPInstanceUID), second.pixel_array).is_like(wanted(segmenter, series))
    assert "RelatedSeriesSequence" not in first
    (related,) = second.RelatedSeriesSequence
    assert related.SeriesInstanceUID == first.SeriesInstanceUID != second.SeriesInstanceUID
    assert str(first.SOPInstanceUID) in second.ImageComments
    wait_until(lambda: "replaces 1 objects" in site.node.said(), site.node.said)


def dribble(listening: socket.socket, port: int, before: int, pause_s: float) -> None:
    """A slow line to the node: in the middle of an object it passes eight bytes on, one by one."""
    with listening.accept()[0] as near, socket.create_connection(("127.0.0.1", port)) as far:

        def back() -> None:
            while data := far.recv(4096):
                near.sendall(data)

        answers = threading.Thread(target=back)
        answers.start()
        passed = 0
        while data := near.recv(512):
            if passed < before <= passed + len(data):
                for byte in range(8):
                    far.sendall(data[byte : byte + 1])
                    time.sleep(pause_s / 8)
                data = data[8:]
            far.sendall(data)
            passed += len(data)
        far.shutdown(socket.SHUT_WR)
        answers.join()


def test_a_series_is_not_complete_while_an_object_is_on_its_way(site: Site) -> None:
    """The pause within the last object is longer than the silence that ends a series."""
    series = site.write(3, announce=False)
    sizes = [path.stat().st_size for path in sorted(series.iterdir())]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        before = sizes[0] + sizes[1] + sizes[2] // 2
        line = threading.Thread(target=dribble, args=(listening, site.node.port, before, 5.0))
        line.start()
        assert sent(listening.getsockname()[1], sorted(series.iterdir())) == [0, 0, 0]
        line.join()
    site.check_answered(series)


def test_a_connection_that_stops_within_a_pdu_is_dropped(demo_bundle_path: Path, tmp_path: Path) -> None:
    with (
        pacs() as archive,
        running(demo_bundle_path, tmp_path, "--send", archive.node, "--pdu-within", "1") as node,
    ):
        association = associated(node.port)
        association.dul.socket.socket.sendall(bytes((4, 0, 0, 0, 0, 200)) + b"half")
        wait_until(lambda: association.is_aborted, node.said)
        assert "a PDU takes too long" in node.said()


def test_a_full_spool_and_too_many_series_are_out_of_resources(demo_bundle_path: Path, tmp_path: Path) -> None:
    write_phantoms(tmp_path / "one", 2, 0)
    write_phantoms(tmp_path / "two", 1, 5)
    large = tmp_path / "large"
    write_phantoms(large, 1, 9)
    (path,) = large.iterdir()
    made = pydicom.dcmread(path)
    made.Rows = made.Columns = 1024
    made.PixelData = b"\0" * (2 * 1024 * 1024)
    made.save_as(path)
    words = ("--max-series", "1", "--max-spool", "1", "--wait", "60")
    with pacs() as archive, running(demo_bundle_path, tmp_path / "node", "--send", archive.node, *words) as node:
        first, last = sorted((tmp_path / "one").iterdir())
        assert sent(node.port, [first]) == [0]
        assert sent(node.port, (tmp_path / "two").iterdir()) == [0xA700]
        assert sent(node.port, [path]) == [0xA700]
        assert sent(node.port, [last]) == [0]
        node.wait_for(1)
