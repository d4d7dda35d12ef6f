"""Real disks, full and read-only: a typed error, every file whole, and the work resumes when there is room."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from miniseg_edge.bundle.bundle import open_bundle, write_bundle
from miniseg_edge.errors import OutputError
from miniseg_edge.host.files import replace_file
from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.segment_command import main
from miniseg_edge.slices.images import slice_from_file, write_png
from tests.bundles import files_below, other_bundle, small_bundle


@contextmanager
def disk(folder: Path, size: str) -> Iterator[Path]:
    """A small file system of its own, in memory."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def remounted(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def fill(folder: Path) -> None:
    for index in range(40):
        write_bundle(other_bundle(), folder / f"more{index}")


def test_a_full_disk_leaves_the_old_bundle_and_file(tmp_path: Path) -> None:
    with disk(tmp_path / "disk", "64k") as folder:
        write_bundle(small_bundle(), folder / "small")
        replace_file(folder / "file", b"old")
        with pytest.raises(OutputError, match="No space"):
            fill(folder)
        with pytest.raises(OutputError, match="No space"):
            replace_file(folder / "file", bytes(2**20))
        with pytest.raises(OutputError, match="No space"):
            write_bundle(other_bundle(), folder / "small", overwrite=True)
        assert open_bundle(folder / "small") == small_bundle()
        assert (folder / "file").read_bytes() == b"old"
        assert not [name for name in files_below(folder) if "partial" in name]


def test_a_read_only_disk_is_a_typed_error(tmp_path: Path) -> None:
    with disk(tmp_path / "disk", "1m") as folder:
        write_bundle(small_bundle(), folder / "small")
        remounted(folder, "ro")
        writes: tuple[Callable[[], None], ...] = (
            lambda: write_bundle(other_bundle(), folder / "small", overwrite=True),
            lambda: write_bundle(other_bundle(), folder / "new"),
            lambda: replace_file(folder / "file", b""),
        )
        for write in writes:
            with pytest.raises(OutputError, match="Read-only"):
                write()
        assert open_bundle(folder / "small") == small_bundle()


def test_masks_on_a_disk_that_fills_up_are_whole_and_the_others_follow(demo_bundle_path: Path, tmp_path: Path) -> None:
    count = 12
    for seed in range(count):
        write_png(tmp_path / "slices" / f"{seed}.png", phantom(seed, size=(64, 64)).image)
    with disk(tmp_path / "disk", "48k") as folder:
        words = [str(demo_bundle_path), str(tmp_path / "slices"), "--output", str(folder)]
        assert main(words) == 1
        found = files_below(folder)
        assert 0 < len(found) < 2 * count
        for name in found:
            assert slice_from_file(folder / name, channels=3).shape == (64, 64, 3)
        remounted(folder, "size=4m")
        assert main([*words, "--resume"]) == 0
        assert len(files_below(folder)) == 2 * count
