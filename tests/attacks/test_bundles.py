"""A bundle as a directory that wants more than to be read: floods, pipes, and files that are swapped in between."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from miniseg_edge.bundle import bundle as bundle_module
from miniseg_edge.bundle.bundle import MAX_ENTRIES, MAX_NESTING, open_bundle, write_bundle
from miniseg_edge.bundle.manifest import MANIFEST_NAME, MAX_BUNDLE_BYTES, MAX_FILE_BYTES
from miniseg_edge.bundle.signature import SIGNATURE_NAME, signer_from_key
from miniseg_edge.errors import BundleError, IntegrityError, SignatureError
from miniseg_edge.host.files import bytes_from_file
from tests.bundles import manifest_object, resealed, small_bundle
from tests.keys import make_keys
from tests.privileges import permissions_bind


def test_sparse_files_that_add_up_to_more_than_memory_are_refused_unread(tmp_path: Path) -> None:
    """Holes cost the attacker nothing; read, they would cost 2 GiB and a byte."""
    write_bundle(small_bundle(), tmp_path / "small")
    found = manifest_object()
    count = MAX_BUNDLE_BYTES // MAX_FILE_BYTES + 1
    for index in range(count):
        found["files"][f"hole{index}"] = {"sha256": "0" * 64, "bytes": MAX_FILE_BYTES}
        with (tmp_path / "small" / f"hole{index}").open("wb") as file:
            file.truncate(MAX_FILE_BYTES)
    (tmp_path / "small" / MANIFEST_NAME).write_bytes(resealed(found))
    with pytest.raises(BundleError, match="lists too many bytes"):
        open_bundle(tmp_path / "small")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_put_in_a_files_place_after_the_look_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"model")
    looked = Path.is_file

    def looked_and_swapped(self: Path) -> bool:
        found = looked(self)
        self.unlink()
        os.mkfifo(self)
        return found

    monkeypatch.setattr(Path, "is_file", looked_and_swapped)
    outcome: list[BaseException] = []

    def read() -> None:
        try:
            bytes_from_file(path, 100, IntegrityError)
        except IntegrityError as error:
            outcome.append(error)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(timeout=20)
    assert not reader.is_alive(), "it waits for somebody to write into the pipe"
    assert "put in its place" in str(outcome[0])


@pytest.mark.parametrize("path", ["a" * 5000, "a/" * 3000, "nul\0"], ids=["name", "path", "nul"])
def test_a_path_that_no_system_has_is_no_bundle(path: str) -> None:
    with pytest.raises(BundleError, match="not a bundle"):
        open_bundle(path)


@contextmanager
def nested(folder: Path, depth: int) -> Iterator[None]:
    """Folders within each other, deeper than any path can name; gone afterwards, as pytest could not remove them."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    try:
        yield
    finally:
        for _ in range(depth):
            above = os.open("..", os.O_RDONLY, dir_fd=here)
            os.close(here)
            os.rmdir("d", dir_fd=above)
            here = above
        os.close(here)


@pytest.mark.skipif(os.mkdir not in os.supports_dir_fd, reason="needs a POSIX system")
def test_folders_without_end_are_refused(tmp_path: Path) -> None:
    write_bundle(small_bundle(), tmp_path / "small")
    with (
        nested(tmp_path / "small" / "onnx", 3000),
        pytest.raises(IntegrityError, match=f"{MAX_NESTING} deep"),
    ):
        open_bundle(tmp_path / "small")


def test_a_flood_of_names_is_refused(tmp_path: Path) -> None:
    write_bundle(small_bundle(), tmp_path / "small")
    for index in range(MAX_ENTRIES + 1):
        (tmp_path / "small" / "onnx" / f"{index}").touch()
    with pytest.raises(IntegrityError, match="too large"):
        open_bundle(tmp_path / "small")


@pytest.mark.parametrize("name", ["more", "onnx/more", "onnx/labels/more/deep", ".git"])
@pytest.mark.parametrize("trusted", [False, True])
def test_an_empty_folder_is_no_part_of_a_bundle(tmp_path: Path, name: str, trusted: bool) -> None:
    keys = make_keys(tmp_path)
    write_bundle(small_bundle(), tmp_path / "small", signer=signer_from_key(keys.private) if trusted else None)
    (tmp_path / "small" / name).mkdir(parents=True)
    with pytest.raises(IntegrityError, match="empty folder"):
        open_bundle(tmp_path / "small", trust=keys.public if trusted else None)


def test_a_folder_that_cannot_be_read_hides_nothing(tmp_path: Path) -> None:
    write_bundle(small_bundle(), tmp_path / "small")
    hidden = tmp_path / "small" / "hidden"
    hidden.mkdir()
    (hidden / "file").touch()
    hidden.chmod(0)
    try:
        with permissions_bind(), pytest.raises(IntegrityError, match="cannot be read"):
            open_bundle(tmp_path / "small")
    finally:
        hidden.chmod(0o700)


def test_a_file_that_nobody_signed_is_refused_before_any_other_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hole of 1.9 GB costs nothing to add, and seconds to hash."""
    keys = make_keys(tmp_path)
    write_bundle(small_bundle(), tmp_path / "small", signer=signer_from_key(keys.private))
    with (tmp_path / "small" / "onnx" / "added").open("wb") as file:
        file.truncate(1_900_000_000)
    read: list[str] = []

    def noted(path: Path, limit: int, error: type[BundleError]) -> bytes:
        read.append(path.name)
        return bytes_from_file(path, limit, error)

    monkeypatch.setattr(bundle_module, "bytes_from_file", noted)
    with pytest.raises(SignatureError, match="onnx/added"):
        open_bundle(tmp_path / "small", trust=keys.public)
    assert read == [SIGNATURE_NAME]
