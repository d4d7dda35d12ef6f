"""What lies beside a series is left out with its reason; what may belong to it and cannot be read is an error."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import (
    EncapsulatedPDFStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    RawDataStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
    XRayRadiationDoseSRStorage,
    generate_uid,
)

from miniseg_edge.errors import InputError, MiniSegError, UnsupportedFormatError
from miniseg_edge.slices.images import png_from_pixels
from miniseg_edge.studies import open_study
from miniseg_edge.studies.other_files import known_as
from tests.privileges import permissions_bind
from tests.studies.raw_headers import raw_file, raw_series
from tests.studies.series import both, drop, header, put, write_series

Spoil = Callable[[Path], object]

SPOILT: dict[str, Spoil] = {
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(20_000)),
    "cut in the preamble": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "cut after the word DICM": lambda path: path.write_bytes(path.read_bytes()[:132]),
    "cut in group 2": lambda path: path.write_bytes(path.read_bytes()[:200]),
    "cut in the header": lambda path: path.write_bytes(path.read_bytes()[:600]),
    "cut before the pixels": lambda path: path.write_bytes(path.read_bytes()[: -64 * 48 * 2 - 12]),
    "another program's answer": lambda path: path.write_bytes(b"\0\1\2garbage" * 300),
    "overwritten start": lambda path: path.write_bytes(bytes(500) + path.read_bytes()[500:]),
}


@pytest.mark.parametrize("fault", SPOILT)
@pytest.mark.parametrize("name", ["000", "000.dcm", "IM000.IMA", "1.2.840.113619.2.55.3"])
def test_a_series_never_shrinks_without_a_word(tmp_path: Path, fault: str, name: str) -> None:
    folder = write_series(tmp_path, 5)
    lost = (folder / "900").rename(folder / name)  # the first slice: no gap tells of it
    SPOILT[fault](lost)
    with pytest.raises(UnsupportedFormatError, match=rf"may belong to the series cannot be read.*{name}"):
        open_study(folder)


@pytest.mark.parametrize("name", ["slice{}.CT", "IM{:04}", "{}.img", "1.3.6.{}.x"])
@pytest.mark.parametrize("content", [b"", bytes(20_000), b"<html>401</html>", b"\x1f\x8b" + bytes(300), b"PK\x03\x04"])
def test_a_file_that_is_named_like_the_slices_is_never_left_out(tmp_path: Path, name: str, content: bytes) -> None:
    folder = write_series(tmp_path, 5)
    for index, path in enumerate(sorted(folder.iterdir())):
        path.rename(folder / name.format(index))
    (folder / name.format(4)).write_bytes(content)  # the first slice: no gap tells of it
    with pytest.raises(UnsupportedFormatError, match=r"may belong to the series cannot be read"):
        open_study(folder)


@pytest.mark.parametrize("suffix", [".part", ".crdownload", ".filepart", ".tmp"])
def test_a_download_that_was_broken_off_is_a_slice(tmp_path: Path, suffix: str) -> None:
    folder = write_series(tmp_path, 4)
    (folder / f"904.dcm{suffix}").write_bytes(b"")
    with pytest.raises(UnsupportedFormatError, match=rf"904\.dcm{suffix}"):
        open_study(folder)


PIXEL_ELEMENTS = (
    "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored",
    "PixelRepresentation",
)  # fmt: skip


@pytest.mark.parametrize("keyword", PIXEL_ELEMENTS)
@pytest.mark.parametrize("fault", [None, b""])
def test_a_slice_without_an_element_of_its_pixels_is_an_error_that_names_both(
    tmp_path: Path, keyword: str, fault: bytes | None
) -> None:
    folder = write_series(tmp_path, 5)
    (folder / "900").write_bytes(raw_file(header(0), {keyword: fault}))
    with pytest.raises(UnsupportedFormatError, match=rf"got 900: no valid {keyword}\."):
        open_study(folder)


@pytest.mark.parametrize(("keyword", "value"), [("Rows", b"\0\0"), ("Rows", b"\x40\0\x40\0"), ("Columns", b"\x40")])
def test_a_slice_of_a_senseless_size_is_an_error_that_names_it(tmp_path: Path, keyword: str, value: bytes) -> None:
    folder = write_series(tmp_path, 5)
    (folder / "900").write_bytes(raw_file(header(0), {keyword: value}))
    with pytest.raises(UnsupportedFormatError, match=rf"got 900: no valid {keyword}\."):
        open_study(folder)


def test_a_scout_needs_no_pixels_that_can_be_read(tmp_path: Path) -> None:
    folder = write_series(tmp_path, 4)
    (folder / "scout").write_bytes(
        raw_file(header(7), {"BitsStored": None, "ImageType": b"ORIGINAL\\PRIMARY\\LOCALIZER "})
    )
    assert open_study(folder).remarks == ("left out: 1 x localizer",)


def test_words_of_the_header_may_be_in_lower_case(tmp_path: Path) -> None:
    study = open_study(raw_series(tmp_path, {"Modality": b"ct", "PhotometricInterpretation": b"monochrome1 "}, 3))
    assert study.volume().remarks == ("MONOCHROME1: HU are as stored, only their display is inverted",)


@pytest.mark.parametrize("end", range(140, 1100, 48))
def test_a_header_cut_anywhere_is_an_error(tmp_path: Path, end: int) -> None:
    folder = write_series(tmp_path, 3)
    whole = (folder / "900").read_bytes()
    (folder / "900").write_bytes(whole[: min(end, len(whole) - 64 * 48 * 2)])
    with pytest.raises(MiniSegError) as caught:
        open_study(folder).volume()
    assert caught.value.code == "UNSUPPORTED_FORMAT"
    assert "900" in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_several_are_counted_and_named(tmp_path: Path) -> None:
    folder = write_series(tmp_path, 12)
    for path in sorted(folder.iterdir())[:10]:
        path.write_bytes(b"")
    with pytest.raises(UnsupportedFormatError, match=r"10 files that may belong.*and 2 more"):
        open_study(folder)


def test_a_file_without_modality_is_read_if_its_class_says_ct_and_an_error_otherwise(tmp_path: Path) -> None:
    assert len(open_study(write_series(tmp_path / "ct", 3, drop("Modality")))) == 3
    nameless = write_series(tmp_path / "none", 3, both(drop("Modality"), put(SOPClassUID="1.2.3.4")))
    with pytest.raises(UnsupportedFormatError, match="no Modality"):
        open_study(nameless)


def test_what_cannot_be_opened_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "series", 4)
    (folder / "900").chmod(0)
    with permissions_bind(), pytest.raises(UnsupportedFormatError, match=r"900: Permission denied"):
        open_study(folder)
    (folder / "900").chmod(0o600)
    (folder / "below").mkdir()
    (folder / "below").chmod(0)
    try:
        with permissions_bind(), pytest.raises(InputError, match="the folder below cannot be listed"):
            open_study(folder)
    finally:
        (folder / "below").chmod(0o700)


def test_a_link_to_nothing_is_an_error_and_a_link_to_a_folder_is_remarked(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "series", 4)
    try:
        (folder / "other").symlink_to(tmp_path, target_is_directory=True)
    except OSError:
        pytest.skip("this system has no links for us")
    assert open_study(folder).remarks == ("links to folders that were not followed: 1",)
    (folder / "904").symlink_to(tmp_path / "gone")
    with pytest.raises(UnsupportedFormatError, match="904 is not a file: a link to nothing"):
        open_study(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_the_folder_keeps_nobody_waiting(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "series", 4)
    os.mkfifo(folder / "904")
    with pytest.raises(UnsupportedFormatError, match="904"):
        open_study(folder)


def made(edit: Callable[[Any], object], pixels: bool = True) -> Spoil:
    """Writes another DICOM object of the same patient at the path."""

    def write(path: Path) -> None:
        one = header(7)
        one.SeriesInstanceUID = generate_uid()
        edit(one)
        if not pixels:
            del one.PixelData, one.Rows, one.Columns
        one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID
        one.save_as(path, enforce_file_format=True)

    return write


def of_class(uid: str, modality: str) -> Callable[[Any], object]:
    def edit(one: Any) -> None:
        one.SOPClassUID, one.Modality = uid, modality
        if uid == SecondaryCaptureImageStorage:
            del one.ImagePositionPatient, one.ImageOrientationPatient

    return edit


def as_colour(one: Any) -> None:
    one.SamplesPerPixel, one.PhotometricInterpretation, one.PlanarConfiguration = 3, "RGB", 0
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 8, 8, 7, 0
    one.PixelData = bytes(3 * one.Rows * one.Columns)


BESIDE: dict[str, tuple[Spoil, str]] = {
    "scout": (made(lambda one: setattr(one, "ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"])), "localizer"),
    "topogram": (made(lambda one: setattr(one, "ImageType", ["ORIGINAL", "PRIMARY", "TOPOGRAM"])), "localizer"),
    "capture": (made(of_class(SecondaryCaptureImageStorage, "CT")), "secondary capture"),
    "dose": (made(of_class(XRayRadiationDoseSRStorage, "SR"), pixels=False), "report"),
    "key": (made(of_class(KeyObjectSelectionDocumentStorage, "KO"), pixels=False), "key object selection"),
    "state": (made(of_class(GrayscaleSoftcopyPresentationStateStorage, "PR"), pixels=False), "presentation state"),
    "pdf": (made(of_class(EncapsulatedPDFStorage, "DOC"), pixels=False), "document"),
    "raw": (made(of_class(RawDataStorage, "CT"), pixels=False), "raw data"),
    "seg": (made(of_class(SegmentationStorage, "SEG")), "segmentation"),
    "mr": (made(of_class("1.2.840.10008.5.1.4.1.1.4", "MR")), "image of modality MR"),
    "colour": (made(as_colour), "colour picture"),
    "README.txt": (lambda path: path.write_text("read me"), "document"),
    "LICENSE": (lambda path: path.write_text("a licence"), "document"),
    "preview.png": (lambda path: path.write_bytes(png_from_pixels(np.zeros((4, 4), np.uint8))), "picture"),
    "picture": (lambda path: path.write_bytes(png_from_pixels(np.zeros((4, 4), np.uint8))), "picture"),
    "viewer.exe": (lambda path: path.write_bytes(b"MZ" + bytes(300)), "program"),
    "viewer": (lambda path: path.write_bytes(b"\x7fELF" + bytes(300)), "program"),
    "Thumbs.db": (lambda path: path.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(300)), "system file"),
    ".DS_Store": (lambda path: path.write_bytes(b"\0\0\0\1Bud1" + bytes(300)), "system file"),
    "copy.zip": (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(300)), "archive"),
    "settings.dat": (lambda path: path.write_bytes(bytes(range(256)) * 3), "file of another kind"),
}


@pytest.mark.parametrize("name", BESIDE)
def test_what_is_rightly_left_out_is_counted_with_its_reason(tmp_path: Path, name: str) -> None:
    folder = write_series(tmp_path, 4)
    write, reason = BESIDE[name]
    write(folder / name)
    study = open_study(folder)
    assert len(study) == 4
    assert study.remarks == (f"left out: 1 x {reason}",)


def test_reasons_are_counted_one_by_one(tmp_path: Path) -> None:
    folder = write_series(tmp_path, 4)
    for name in ("scout", "capture", "README.txt", "LICENSE"):
        BESIDE[name][0](folder / name)
    assert open_study(folder).remarks == (
        "left out: 2 x document", "left out: 1 x localizer", "left out: 1 x secondary capture",
    )  # fmt: skip


def test_a_colour_sheet_in_the_series_itself_is_left_out(tmp_path: Path) -> None:
    folder = write_series(tmp_path, 4)
    sheet = header(9)
    as_colour(sheet)
    sheet.save_as(folder / "sheet", enforce_file_format=True)
    study = open_study(folder)
    assert (len(study), study.remarks) == (4, ("left out: 1 x colour picture",))


def test_a_reconstruction_that_is_stored_as_a_capture_is_read(tmp_path: Path) -> None:
    folder = write_series(tmp_path, 4, put(SOPClassUID=SecondaryCaptureImageStorage))
    assert len(open_study(folder)) == 4


@pytest.mark.parametrize("padding", ["SECRET-ID\0", "SECRET-ID ", "SECRET-ID\0\0"])
def test_an_identifier_that_is_padded_is_the_same_patients(tmp_path: Path, padding: str) -> None:
    def edit(index: int, one: Any) -> None:
        if index == 1:
            one.PatientID = padding

    assert len(open_study(write_series(tmp_path, 3, edit))) == 3


def test_an_empty_identifier_is_as_good_as_a_missing_one(tmp_path: Path) -> None:
    def edit(index: int, one: Any) -> None:
        if index == 1:
            one.PatientID = ""

    assert len(open_study(write_series(tmp_path, 3, edit))) == 3


def test_names_and_contents_tell_what_a_file_is() -> None:
    assert known_as("series/IM0001", b"\0\1\2") is None
    assert known_as("series/IM0001", b"") is None
    assert known_as("slice.dcm", b"<html>not found</html>") is None
    assert known_as("download", b"<html>not found</html>") == "document"
    assert known_as("x.7", b"\0\1\2") is None
    assert known_as("slice.dcm.bz2", b"BZh9") is None
    assert known_as("slice.dcm.gz", b"") is None
    assert known_as("notes.gz", b"\x1f\x8b") == "archive"
    assert known_as("notes", "Grüße".encode("latin-1")) == "document"
