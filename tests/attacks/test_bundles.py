"""A bundle as a directory that wants more than to be read: floods, pipes, and files that are swapped in between."""

import os
import threading
from pathlib import Path

import pytest

from miniseg_edge.bundle import open_bundle, write_bundle
from miniseg_edge.errors import BundleError, IntegrityError
from miniseg_edge.files import bytes_from_file
from miniseg_edge.manifest import MANIFEST_NAME, MAX_BUNDLE_BYTES, MAX_FILE_BYTES
from tests.bundles import manifest_object, resealed, small_bundle


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
    with pytest.raises(BundleError, match="lists too much"):
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
