"""Results on their way: archives that are down, refuse, or do not confirm; TLS; DICOMweb; what stays in the spool."""

import io
import json
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    MRImageStorage,
)

import miniseg_edge
from miniseg_edge.runtimes.node.command import main
from tests.ports import free_port
from tests.runtimes.node.certificates import certificate
from tests.runtimes.node.orthanc import PLUGIN, has_orthanc, orthanc_in
from tests.runtimes.node.pacs import STORED, pacs
from tests.runtimes.node.process import Running, associated, running, sent, wait_until
from tests.runtimes.node.scanner import Seg, seg_of, wanted, write_phantoms
from tests.studies.raw_headers import dciodvfy_errors
from tests.studies.series import stored_slice

pytestmark = pytest.mark.slow

HTJ2K = Path(__file__).with_name("htj2k")


def series_in(folder: Path, count: int = 3, base: int = 0, **elements: Any) -> list[Path]:
    write_phantoms(folder, count, base, **elements)
    return sorted(folder.iterdir())


def check_seg(found: Any, bundle: Path, study: Path) -> None:
    with miniseg_edge.load(bundle, threads=1) as segmenter:
        assert Seg(str(found.SOPInstanceUID), found.pixel_array).is_like(wanted(segmenter, study))


def files_in(spool: Path, name: str) -> list[Path]:
    return [path for path in (spool / name).rglob("*") if path.is_file()]


def reason(node: Running) -> str:
    (found,) = (node.spool / "dead").glob("*/reason.json")
    return str(json.loads(found.read_text())["code"])


def test_an_archive_that_is_down_gets_the_result_when_it_is_back(demo_bundle_path: Path, tmp_path: Path) -> None:
    """The node is stopped and started meanwhile."""
    port = free_port()
    words = ("--send", f"PACS@127.0.0.1:{port}", "--send-pause", "0.2", "--late", "1")
    with running(demo_bundle_path, tmp_path / "node", *words) as node:
        assert sent(node.port, series_in(tmp_path / "one")) == [0, 0, 0]
        wait_until(lambda: "SEND: PACS cannot be reached" in node.said(), node.said)
        assert node.stop() == 0
    with running(demo_bundle_path, tmp_path / "node", *words) as node, pacs(port=port) as archive:
        node.wait_for(1)
        check_seg(archive.objects[0], demo_bundle_path, tmp_path / "one")
        wait_until(lambda: not any((node.spool / "series").iterdir()), node.said)
        assert len(archive.objects) == 1
        # What stays names no patient: hashes, and UIDs of our own.
        left = b"".join(path.read_bytes() for path in node.spool.rglob("*") if path.is_file())
    uid = str(pydicom.dcmread(tmp_path / "one" / "0000").SOPInstanceUID)
    assert not any(word in left for word in (b"SECRET", uid.encode()))


def test_an_archive_whose_name_is_not_known_is_one_that_cannot_be_reached(
    demo_bundle_path: Path, tmp_path: Path
) -> None:
    """It counts as a try, and is not taken for a fault of the spool's disk."""
    words = ("--send", "PACS@pacs.invalid:104", "--send-pause", "0.1", "--send-tries", "2")
    with running(demo_bundle_path, tmp_path / "node", *words) as node:
        assert sent(node.port, series_in(tmp_path / "one")) == [0, 0, 0]
        wait_until(lambda: "SEND: PACS cannot be reached" in node.said(), node.said)
        node.wait_for(1, "failed", "SEND")
        assert reason(node) == "SEND"
        assert "OUTPUT" not in node.said()
        assert "(this machine only; --host and --accept let scanners in)" in node.said()


def test_a_refused_result_is_a_dead_letter_that_can_be_tried_again(demo_bundle_path: Path, tmp_path: Path) -> None:
    with pacs() as archive:
        archive.statuses = [0xC000]
        with running(demo_bundle_path, tmp_path / "node", "--send", archive.node) as node:
            assert sent(node.port, series_in(tmp_path / "one")) == [0, 0, 0]
            node.wait_for(1, "failed", "SEND_REFUSED")
            assert reason(node) == "SEND_REFUSED"
            assert main(["--status", "--spool", str(node.spool)]) == 0
            assert node.stop() == 0
        with running(demo_bundle_path, tmp_path / "node", "--send", archive.node, "--retry-dead") as node:
            node.wait_for(1)
            assert files_in(node.spool, "dead") == []
        check_seg(archive.objects[0], demo_bundle_path, tmp_path / "one")


def test_out_of_resources_is_tried_again_and_then_given_up(demo_bundle_path: Path, tmp_path: Path) -> None:
    words = ("--send-pause", "0.1", "--send-tries", "3")
    with pacs() as archive, running(demo_bundle_path, tmp_path / "node", "--send", archive.node, *words) as node:
        archive.statuses = [0xA700, 0xA700]
        assert sent(node.port, series_in(tmp_path / "one")) == [0, 0, 0]
        node.wait_for(1)
        archive.statuses = [0xA700] * 3
        assert sent(node.port, series_in(tmp_path / "two", base=5)) == [0, 0, 0]
        node.wait_for(1, "failed", "SEND")
        assert reason(node) == "SEND"
        assert len(archive.objects) == 1


def test_an_archive_that_takes_no_segmentations_is_told_apart(demo_bundle_path: Path, tmp_path: Path) -> None:
    with (
        pacs(classes=STORED[1:]) as archive,
        running(demo_bundle_path, tmp_path / "node", "--send", archive.node) as node,
    ):
        assert sent(node.port, series_in(tmp_path / "one")) == [0, 0, 0]
        node.wait_for(1, "failed", "SEND_REFUSED")


def test_confirmations_that_never_come(demo_bundle_path: Path, tmp_path: Path) -> None:
    words = ("--confirm-within", "0.5")
    with pacs(commits=True) as archive:
        with running(demo_bundle_path, tmp_path / "a", "--send", archive.node, *words) as node:
            assert sent(node.port, series_in(tmp_path / "one")) == [0, 0, 0]
            node.wait_for(1)
            assert "does not confirm" in node.said()
        assert len(archive.asked) == 3
        (asked,) = archive.asked[0].ReferencedSOPSequence
        assert asked.ReferencedSOPInstanceUID == archive.objects[0].SOPInstanceUID
        with running(
            demo_bundle_path, tmp_path / "b", "--send", archive.node, *words, "--commitment", "required"
        ) as node:
            assert sent(node.port, sorted((tmp_path / "one").iterdir())) == [0, 0, 0]
            node.wait_for(1, "failed", "NOT_COMMITTED")


def test_report_and_captures_go_with_the_seg(demo_bundle_path: Path, tmp_path: Path) -> None:
    words = ("--format", "dicom-sr", "--format", "dicom-sc")
    with pacs() as archive, running(demo_bundle_path, tmp_path / "node", "--send", archive.node, *words) as node:
        paths = series_in(tmp_path / "one", 4, announce=False)
        assert sent(node.port, paths[:3]) == [0, 0, 0]
        node.wait_for(1)
        first = list(archive.objects)
        assert sent(node.port, paths[3:]) == [0]
        node.wait_for(2)
        later = archive.objects[len(first) :]
    assert [str(one.SOPClassUID) for one in first][:2] == list(STORED[:2])
    assert {str(one.SOPClassUID) for one in first} == set(STORED)
    (report,) = (one for one in later if str(one.SOPClassUID) == STORED[1])
    (study,) = report.PredecessorDocumentsSequence
    (replaced,) = study.ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert replaced.ReferencedSOPInstanceUID == first[1].SOPInstanceUID
    for number, one in enumerate(later[:3]):  # SEG, report and a capture, each with what it replaces
        one.save_as(tmp_path / f"{number}.dcm", enforce_file_format=True)
        assert dciodvfy_errors(tmp_path / f"{number}.dcm") == []


def test_late_slices_without_the_others_wait_for_the_whole_series(demo_bundle_path: Path, tmp_path: Path) -> None:
    with (
        pacs() as archive,
        running(demo_bundle_path, tmp_path / "node", "--send", archive.node, "--late", "0.2") as node,
    ):
        paths = series_in(tmp_path / "one", 4, announce=False)
        assert sent(node.port, paths[:3]) == [0, 0, 0]
        node.wait_for(1)
        wait_until(lambda: not any((node.spool / "series").iterdir()), node.said)
        assert sent(node.port, paths[3:]) == [0]
        node.wait_for(1, "failed", "LATE_SLICES")
        assert reason(node) == "LATE_SLICES"
        assert sent(node.port, paths) == [0, 0, 0, 0]
        node.wait_for(2)
        check_seg(archive.objects[1], demo_bundle_path, tmp_path / "one")
        assert str(archive.objects[0].SOPInstanceUID) in archive.objects[1].ImageComments


def test_a_series_that_cannot_be_segmented_is_a_dead_letter_with_its_reason(
    demo_bundle_path: Path, tmp_path: Path
) -> None:
    with pacs() as archive, running(demo_bundle_path, tmp_path / "node", "--send", archive.node) as node:
        paths = series_in(tmp_path / "one", 5, announce=False)
        assert sent(node.port, [*paths[:2], *paths[3:]]) == [0] * 4
        node.wait_for(1, "failed", "GEOMETRY_GAP")
        assert archive.objects == []
        assert sent(node.port, [paths[2]]) == [0]  # the missing slice makes it whole
        node.wait_for(1)
        check_seg(archive.objects[0], demo_bundle_path, tmp_path / "one")


def test_rules_refuse_and_ignore(demo_bundle_path: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(
        'otherwise = "refuse"\nother_classes = "ignore"\n[[rule]]\nbody_part = "HEAD"\nthen = "ignore"\n'
        '[[rule]]\nkernel = "LUNG"\nthen = "take"\n'
    )
    words = ("--rules", str(rules))
    with pacs() as archive, running(demo_bundle_path, tmp_path / "node", "--send", archive.node, *words) as node:
        assert sent(node.port, series_in(tmp_path / "head", 1, BodyPartExamined="HEAD")) == [0]
        assert sent(node.port, series_in(tmp_path / "bone", 1, ConvolutionKernel="BONE")) == [0x0124]
        report = series_in(tmp_path / "report", 1)
        made = pydicom.dcmread(report[0])
        made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = MRImageStorage
        made.save_as(report[0])
        assert sent(node.port, report) == [0]
        assert files_in(node.spool, "series") == []
        assert sent(node.port, series_in(tmp_path / "lung", ConvolutionKernel="LUNG")) == [0, 0, 0]
        node.wait_for(1)
        assert len(archive.objects) == 1


def test_only_listed_peers_may_send(demo_bundle_path: Path, tmp_path: Path) -> None:
    words = ("--accept", "CT1@127.0.0.1", "--accept", "CT2@192.0.2.1")
    with pacs() as archive, running(demo_bundle_path, tmp_path / "node", "--send", archive.node, *words) as node:
        assert [associated(node.port, title=title).is_rejected for title in ("CT2", "CT3", "ct1")] == [True] * 3
        association = associated(node.port, title="CT1")
        assert association.is_established
        association.release()
        assert node.metric('miniseg_node_rejected_total{reason="calling AE title"}') == 3


def test_two_nodes_do_not_share_a_spool(demo_bundle_path: Path, tmp_path: Path) -> None:
    with pacs() as archive, running(demo_bundle_path, tmp_path / "node", "--send", archive.node) as node:
        assert main([str(demo_bundle_path), "--send", archive.node, "--spool", str(node.spool), "--port", "0"]) == 1
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.txt").touch()
    assert main([str(demo_bundle_path), "--send", "P@127.0.0.1:9", "--spool", str(tmp_path / "foreign")]) == 1
    assert [path.name for path in (tmp_path / "foreign").iterdir()] == ["thesis.txt"]


def test_tls_on_both_sides(demo_bundle_path: Path, tmp_path: Path) -> None:
    ours, theirs = certificate(tmp_path / "ours"), certificate(tmp_path / "theirs")
    peers = tmp_path / "peers.pem"
    peers.write_text(ours.cert.read_text() + theirs.cert.read_text())
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(theirs.cert, theirs.key)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(ours.cert)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(ours.cert)
    words = ("--tls-cert", str(ours.cert), "--tls-key", str(ours.key), "--tls-peers", str(peers), "--send-tls")
    with (
        pacs(ssl_context=server) as archive,
        running(demo_bundle_path, tmp_path / "node", "--send", archive.node, *words) as node,
    ):
        assert not associated(node.port).is_established
        assert not associated(node.port, tls_args=(client, "127.0.0.1")).is_established  # without a certificate
        with socket.create_connection(("127.0.0.1", node.port)):  # one that never shakes hands delays no other
            client.load_cert_chain(theirs.cert, theirs.key)
            paths = series_in(tmp_path / "one")
            association = associated(node.port, paths, tls_args=(client, "127.0.0.1"))
            assert [association.send_c_store(pydicom.dcmread(path)).Status for path in paths] == [0, 0, 0]
            association.release()
        node.wait_for(1)
        check_seg(archive.objects[0], demo_bundle_path, tmp_path / "one")


@pytest.mark.skipif(not has_orthanc() or not PLUGIN.exists(), reason="needs Debian's package orthanc-dicomweb")
def test_results_go_by_stow(demo_bundle_path: Path, tmp_path: Path) -> None:
    with (
        orthanc_in(tmp_path / "orthanc") as orthanc,
        running(demo_bundle_path, tmp_path / "node", "--send", orthanc.url, "--send-pause", "0.2") as node,
    ):
        orthanc.stop()
        paths = series_in(tmp_path / "one")
        assert sent(node.port, paths) == [0, 0, 0]
        wait_until(lambda: "cannot be reached" in node.said(), node.said)
        orthanc.start()
        node.wait_for(1)
        (file,) = orthanc.files(Modality="SEG")
    with miniseg_edge.load(demo_bundle_path, threads=1) as segmenter:
        assert seg_of(file).is_like(wanted(segmenter, tmp_path / "one"))
    assert pydicom.dcmread(io.BytesIO(file)).PatientID == "SECRET-ID"


def test_images_come_in_many_transfer_syntaxes(demo_bundle_path: Path, tmp_path: Path) -> None:
    """In one series: what dcmtk makes and `dcmsend` sends as it is, and what pynetdicom sends."""
    paths = series_in(tmp_path / "one", 8)
    for path, syntax in zip(paths[5:], (ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, None), strict=True):
        made = pydicom.dcmread(path)
        if syntax is None:
            made.compress(JPEG2000Lossless, generate_instance_uid=False)
        else:
            made.file_meta.TransferSyntaxUID = syntax
        made.save_as(path, enforce_file_format=True)
    (tmp_path / "dcmtk").mkdir()
    for path, words in zip(
        paths, (["dcmcjpeg", "+e1"], ["dcmcrle"], ["dcmcjpls", "+el"], ["dcmconv", "+tb"], ["cp"]), strict=False
    ):
        done = subprocess.run(
            [*words, str(path), str(tmp_path / "dcmtk" / path.name)], capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
    words = ["--wait", "30"]  # the number is announced; a busy machine may pause between the two senders
    with pacs() as archive, running(demo_bundle_path, tmp_path / "node", "--send", archive.node, *words) as node:
        words = ["dcmsend", "-aec", "MINISEG", "--decompress-never", "127.0.0.1", str(node.port), "+sd"]
        done = subprocess.run([*words, str(tmp_path / "dcmtk")], capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert sent(node.port, paths[5:]) == [0, 0, 0]
        node.wait_for(1)
        check_seg(archive.objects[0], demo_bundle_path, tmp_path / "one")


def test_eight_bits_of_baseline_jpeg_come_as_they_are(demo_bundle_path: Path, tmp_path: Path) -> None:
    paths = series_in(tmp_path / "one")
    for path in paths:
        made = pydicom.dcmread(path)
        grey = np.asarray((made.pixel_array - 24) // 7, np.uint8)
        made.PixelData = encapsulate([cv2.imencode(".jpg", grey)[1].tobytes()])
        made["PixelData"].VR = "OB"
        made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
        made.RescaleSlope, made.RescaleIntercept = 7, 24 + made.RescaleIntercept
        made.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
        made.save_as(path, enforce_file_format=True)
    with pacs() as archive, running(demo_bundle_path, tmp_path / "node", "--send", archive.node) as node:
        assert sent(node.port, paths) == [0, 0, 0]
        node.wait_for(1)
        check_seg(archive.objects[0], demo_bundle_path, tmp_path / "one")


def test_high_throughput_jpeg_2000_comes_as_it_is(demo_bundle_path: Path, tmp_path: Path) -> None:
    """The codestreams are slices 0 to 2 of `stored_slice`, lossless, by OpenJPH: no encoder is among our packages."""
    paths = series_in(tmp_path / "one")
    for index, path in enumerate(paths):
        made, wanted_pixels = pydicom.dcmread(path), stored_slice(index)
        made.Rows, made.Columns = wanted_pixels.shape
        made.PixelData = encapsulate([(HTJ2K / f"{index}.j2c").read_bytes()])
        made["PixelData"].VR = "OB"
        made.PixelRepresentation = 0
        made.file_meta.TransferSyntaxUID = HTJ2KLossless
        made.save_as(path, enforce_file_format=True)
        assert np.array_equal(pydicom.dcmread(path).pixel_array, wanted_pixels)
    with pacs() as archive, running(demo_bundle_path, tmp_path / "node", "--send", archive.node) as node:
        assert sent(node.port, paths) == [0, 0, 0]
        node.wait_for(1)
        check_seg(archive.objects[0], demo_bundle_path, tmp_path / "one")


def test_a_retried_dead_letter_of_late_slices_is_still_one(demo_bundle_path: Path, tmp_path: Path) -> None:
    with pacs() as archive:
        words = ("--send", archive.node, "--late", "0.2")
        with running(demo_bundle_path, tmp_path / "node", *words) as node:
            paths = series_in(tmp_path / "one", 4, announce=False)
            assert sent(node.port, paths[:3]) == [0, 0, 0]
            node.wait_for(1)
            wait_until(lambda: not any((node.spool / "series").iterdir()), node.said)
            assert sent(node.port, paths[3:]) == [0]
            node.wait_for(1, "failed", "LATE_SLICES")
            assert node.stop() == 0
        with running(demo_bundle_path, tmp_path / "node", *words, "--retry-dead") as node:
            node.wait_for(1, "failed", "LATE_SLICES")
            assert len(archive.objects) == 1
