import os
import stat
import tracemalloc
from pathlib import Path
from typing import cast

import pytest

from miniseg_edge.errors import BundleError, OutputError
from miniseg_edge.host.files import bytes_from_file, replace_file, sha256_of
from tests.bundles import disk_that_fills_up, files_below
from tests.privileges import permissions_bind


def test_the_hash_is_sha256_in_hex() -> None:
    assert sha256_of(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


class TestReading:
    def test_a_file_of_exactly_the_limit_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"12345")
        assert bytes_from_file(tmp_path / "file", 5, BundleError) == b"12345"

    def test_an_empty_file_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        assert bytes_from_file(tmp_path / "file", 0, BundleError) == b""

    def test_a_larger_file_is_refused_with_both_sizes(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"123456")
        with pytest.raises(BundleError, match="at most 5 bytes, got 6 bytes"):
            bytes_from_file(tmp_path / "file", 5, BundleError)

    def test_a_huge_file_is_refused_before_it_is_read(self, tmp_path: Path) -> None:
        with (tmp_path / "file").open("wb") as file:
            file.truncate(2**34)
        tracemalloc.start()
        with pytest.raises(BundleError, match=f"got {2**34} bytes"):
            bytes_from_file(tmp_path / "file", 2**26, BundleError)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2**20

    def test_a_high_limit_costs_a_small_file_no_memory(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"12345")
        tracemalloc.start()
        bytes_from_file(tmp_path / "file", 2**28, BundleError)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2**20

    def test_a_missing_file_gets_the_error_asked_for(self, tmp_path: Path) -> None:
        with pytest.raises(BundleError, match="got nothing there"):
            bytes_from_file(tmp_path / "file", 5, BundleError)

    def test_a_folder_is_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(BundleError, match="got a folder"):
            bytes_from_file(tmp_path, 5, BundleError)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
    def test_a_pipe_is_refused_instead_of_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(BundleError, match="is not a file"):
            bytes_from_file(tmp_path / "pipe", 5, BundleError)

    def test_a_file_that_may_not_be_read_gets_the_error_asked_for(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch(mode=0)
        with permissions_bind(), pytest.raises(BundleError, match=r"cannot be read.*Permission denied"):
            bytes_from_file(tmp_path / "file", 5, BundleError)


class TestWriting:
    def test_the_content_is_written(self, tmp_path: Path) -> None:
        replace_file(tmp_path / "file", b"new")
        assert (tmp_path / "file").read_bytes() == b"new"

    def test_the_folders_above_are_made(self, tmp_path: Path) -> None:
        replace_file(tmp_path / "a" / "b" / "file", b"new")
        assert (tmp_path / "a" / "b" / "file").read_bytes() == b"new"

    def test_old_content_is_replaced_and_nothing_else_stays(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"old and longer")
        replace_file(tmp_path / "file", b"new")
        assert (tmp_path / "file").read_bytes() == b"new"
        assert files_below(tmp_path) == {"file"}

    def test_the_file_may_be_read_by_those_who_may_read_any_new_file(self, tmp_path: Path) -> None:
        (tmp_path / "plain").touch()
        replace_file(tmp_path / "file", b"new")
        assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)

    def test_a_full_disk_leaves_the_old_content_and_nothing_else(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"old")
        with disk_that_fills_up(1000), pytest.raises(OutputError, match="free space"):
            replace_file(tmp_path / "file", b"x" * 100_000)
        assert (tmp_path / "file").read_bytes() == b"old"
        assert files_below(tmp_path) == {"file"}

    def test_a_folder_of_that_name_stays_and_nothing_else(self, tmp_path: Path) -> None:
        (tmp_path / "name").mkdir()
        (tmp_path / "name" / "file").write_bytes(b"old")
        with pytest.raises(OutputError):
            replace_file(tmp_path / "name", b"new")
        assert files_below(tmp_path) == {"name/file"}

    def test_a_file_where_a_folder_is_needed_stays(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"old")
        with pytest.raises(OutputError):
            replace_file(tmp_path / "file" / "below", b"new")
        assert (tmp_path / "file").read_bytes() == b"old"

    def test_an_impossible_name_leaves_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError):
            replace_file(tmp_path / ("n" * 300), b"new")
        assert files_below(tmp_path) == set()

    def test_a_failure_of_another_kind_leaves_the_old_content_and_nothing_else(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"old")
        with pytest.raises(TypeError):
            replace_file(tmp_path / "file", cast("bytes", "text"))
        assert (tmp_path / "file").read_bytes() == b"old"
        assert files_below(tmp_path) == {"file"}

    def test_a_read_only_folder_keeps_the_old_content(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"old")
        tmp_path.chmod(0o500)
        try:
            with permissions_bind(), pytest.raises(OutputError, match=r"Permission denied.*a writable folder"):
                replace_file(tmp_path / "file", b"new")
        finally:
            tmp_path.chmod(0o700)
        assert (tmp_path / "file").read_bytes() == b"old"
        assert files_below(tmp_path) == {"file"}
