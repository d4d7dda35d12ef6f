"""The power goes: what a disk has been given by then is looked at, without what the system still meant to write.

A file system lies in a file. A copy of that file, taken while it is mounted, is what a disk holds after a power cut.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from miniseg_edge.bundle.bundle import open_bundle, write_bundle
from miniseg_edge.host.files import replace_file
from tests.bundles import files_below, other_bundle, small_bundle


@contextmanager
def mounted(image: Path, folder: Path) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    if subprocess.run(["mount", "-o", "loop", str(image), str(folder)], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system that lies in a file")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """An ext4 file system of its own."""
    make = shutil.which("mke2fs", path="/usr/sbin:/sbin:/usr/bin")
    if make is None:
        pytest.skip("needs mke2fs")
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(16 * 2**20)
    subprocess.run([make, "-q", "-t", "ext4", str(image)], check=True)
    with mounted(image, tmp_path / "disk") as folder:
        yield folder


@contextmanager
def after_a_power_cut(disk: Path) -> Iterator[Path]:
    """What the disk holds now."""
    copy = disk.with_name("copy")
    shutil.copy(disk.with_name("image"), copy)
    with mounted(copy, disk.with_name("after")) as folder:
        yield folder


def test_what_is_not_synced_is_lost(disk: Path) -> None:
    """So that the tests below show something."""
    (disk / "written").write_bytes(b"new")
    with after_a_power_cut(disk) as found:
        assert not (found / "written").exists()


def test_a_file_that_was_replaced_stays_replaced(disk: Path) -> None:
    for content in (b"a" * 5000, b"b" * 5000):
        replace_file(disk / "some" / "folders" / "file", content)
        with after_a_power_cut(disk) as found:
            assert (found / "some" / "folders" / "file").read_bytes() == content
            assert files_below(found) == {"some/folders/file"}


def test_a_bundle_that_was_written_or_replaced_stays(disk: Path) -> None:
    for bundle in (small_bundle("one"), other_bundle("one")):
        write_bundle(bundle, disk / "bundles" / "one", overwrite=True)
        with after_a_power_cut(disk) as found:
            assert open_bundle(found / "bundles" / "one") == bundle
