import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniseg_edge.bundle.bundle import (
    MAX_MANIFEST_BYTES,
    Bundle,
    check_destination,
    file_records,
    open_bundle,
    write_bundle,
)
from miniseg_edge.bundle.manifest import MANIFEST_NAME
from miniseg_edge.errors import (
    BundleError,
    IncompatibleError,
    IntegrityError,
    OutputError,
    OutputExistsError,
    PathEscapeError,
)
from tests.bundles import (
    CONTENTS,
    disk_that_fills_up,
    files_below,
    manifest_object,
    other_bundle,
    resealed,
    small_bundle,
)
from tests.privileges import permissions_bind

every_file = pytest.mark.parametrize("name", sorted(CONTENTS))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A bundle on disk, alone in its folder, for each test to damage."""
    write_bundle(small_bundle(), tmp_path / "small")
    return tmp_path / "small"


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle on disk that each example repairs after it damaged it."""
    path = tmp_path_factory.mktemp("lasting") / "small"
    write_bundle(small_bundle(), path)
    return path


@contextlib.contextmanager
def flipped(path: Path, position: int, mask: int) -> Iterator[None]:
    """Inside, one byte of the file differs."""
    intact = path.read_bytes()
    damaged = bytearray(intact)
    damaged[position % len(intact)] ^= mask
    path.write_bytes(damaged)
    try:
        yield
    finally:
        path.write_bytes(intact)


class TestOpening:
    def test_what_was_written_is_opened(self, path: Path) -> None:
        assert open_bundle(path) == small_bundle()

    def test_the_path_may_be_a_text(self, path: Path) -> None:
        assert open_bundle(str(path)) == small_bundle()

    def test_the_files_are_those_of_the_bundle_and_the_manifest(self, path: Path) -> None:
        assert files_below(path) == {*CONTENTS, MANIFEST_NAME}

    def test_records_name_size_and_hash(self) -> None:
        record = file_records({"a": b"abc"})["a"]
        assert record.bytes == 3
        assert record.sha256.startswith("ba7816bf")

    def test_nothing_there_is_no_bundle(self, tmp_path: Path) -> None:
        with pytest.raises(BundleError, match="is not a bundle: nothing"):
            open_bundle(tmp_path / "absent")

    def test_a_file_is_no_bundle(self, path: Path) -> None:
        with pytest.raises(BundleError, match="is not a bundle: a file"):
            open_bundle(path / MANIFEST_NAME)

    def test_a_folder_without_a_manifest_is_no_bundle(self, tmp_path: Path) -> None:
        with pytest.raises(BundleError, match="a directory without one"):
            open_bundle(tmp_path)

    def test_a_folder_called_like_the_manifest_is_no_manifest(self, tmp_path: Path) -> None:
        (tmp_path / MANIFEST_NAME).mkdir()
        with pytest.raises(BundleError, match="a directory without one"):
            open_bundle(tmp_path)

    def test_another_schema_is_incompatible(self, path: Path) -> None:
        (path / MANIFEST_NAME).write_bytes(resealed(manifest_object() | {"schema_version": 2}))
        with pytest.raises(IncompatibleError):
            open_bundle(path)

    def test_a_manifest_too_large_to_be_one_is_refused(self, path: Path) -> None:
        with (path / MANIFEST_NAME).open("ab") as file:
            file.truncate(MAX_MANIFEST_BYTES + 1)
        with pytest.raises(BundleError, match="too large"):
            open_bundle(path)


class TestDamage:
    """Whatever happened to a file, its hash tells, before any parser sees the content."""

    @settings(max_examples=50, deadline=None)
    @given(name=st.sampled_from(sorted(CONTENTS)), position=st.integers(0, 10_000), mask=st.integers(1, 255))
    def test_a_byte_that_changed_breaks_a_file(self, lasting: Path, name: str, position: int, mask: int) -> None:
        with flipped(lasting / name, position, mask), pytest.raises(IntegrityError, match=f"{name} was changed"):
            open_bundle(lasting)

    @settings(max_examples=100, deadline=None)
    @given(position=st.integers(0, 10_000), mask=st.integers(1, 255))
    def test_a_byte_that_changed_in_the_manifest_is_refused_or_was_only_layout(
        self, lasting: Path, position: int, mask: int
    ) -> None:
        with flipped(lasting / MANIFEST_NAME, position, mask), contextlib.suppress(BundleError):
            assert open_bundle(lasting) == small_bundle()

    def test_a_value_edited_by_hand_breaks_the_manifest(self, path: Path) -> None:
        text = (path / MANIFEST_NAME).read_text().replace('"mean": 0.55', '"mean": 0.56')
        (path / MANIFEST_NAME).write_text(text)
        with pytest.raises(IntegrityError, match=r"manifest\.json was changed"):
            open_bundle(path)

    @every_file
    def test_a_truncated_file_is_noticed(self, path: Path, name: str) -> None:
        (path / name).write_bytes(CONTENTS[name][:-1])
        with pytest.raises(IntegrityError, match=f"{len(CONTENTS[name])} bytes, got {len(CONTENTS[name]) - 1} bytes"):
            open_bundle(path)

    @every_file
    def test_an_appended_byte_is_noticed(self, path: Path, name: str) -> None:
        (path / name).write_bytes(CONTENTS[name] + b"\0")
        with pytest.raises(IntegrityError, match=f"{name} was changed"):
            open_bundle(path)

    @every_file
    def test_a_removed_file_is_named(self, path: Path, name: str) -> None:
        (path / name).unlink()
        with pytest.raises(IntegrityError, match=f"added: none; missing: {name}"):
            open_bundle(path)

    @every_file
    def test_a_renamed_file_is_named(self, path: Path, name: str) -> None:
        (path / name).rename(path / "renamed")
        with pytest.raises(IntegrityError, match=f"added: renamed; missing: {name}"):
            open_bundle(path)

    @pytest.mark.parametrize("name", ["added", ".hidden", "onnx/added", "new/folder/added"])
    def test_an_added_file_is_named(self, path: Path, name: str) -> None:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).touch()
        with pytest.raises(IntegrityError, match=f"added: {name}; missing: none"):
            open_bundle(path)

    def test_a_file_that_became_a_folder_is_noticed(self, path: Path) -> None:
        (path / "parity.json").unlink()
        (path / "parity.json").mkdir()
        with pytest.raises(IntegrityError, match=r"missing: parity\.json"):
            open_bundle(path)

    def test_files_of_equal_size_that_changed_places_are_noticed(self, tmp_path: Path) -> None:
        contents = {**CONTENTS, "one": b"1", "two": b"2"}
        found = manifest_object()
        found["files"] |= {n: vars(r) for n, r in file_records({"one": b"2", "two": b"1"}).items()}
        for name, data in {**contents, MANIFEST_NAME: resealed(found)}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(data)
        with pytest.raises(IntegrityError, match="one was changed"):
            open_bundle(tmp_path)


class TestEscape:
    """A bundle holds plain files; whatever could lead out of it is refused before it is followed."""

    @pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "onnx/../../outside", "..\\outside", "C:/outside"])
    def test_a_name_that_leaves_the_bundle_is_refused(self, path: Path, name: str) -> None:
        (path.parent / "outside").write_bytes(b"secret")
        found = manifest_object()
        found["files"][name] = vars(file_records({name: b"secret"})[name])
        (path / MANIFEST_NAME).write_bytes(resealed(found))
        with pytest.raises(PathEscapeError):
            open_bundle(path)

    def test_a_link_out_of_the_bundle_is_refused(self, path: Path) -> None:
        (path / "parity.json").rename(path.parent / "outside")
        (path / "parity.json").symlink_to(path.parent / "outside")
        with pytest.raises(PathEscapeError, match=r"got parity\.json"):
            open_bundle(path)

    def test_a_link_within_the_bundle_is_refused(self, path: Path) -> None:
        (path / "again").symlink_to("parity.json")
        with pytest.raises(PathEscapeError, match="got again"):
            open_bundle(path)

    def test_a_link_to_nothing_is_refused(self, path: Path) -> None:
        (path / "dangling").symlink_to("absent")
        with pytest.raises(PathEscapeError, match="got dangling"):
            open_bundle(path)

    def test_a_linked_folder_is_refused(self, path: Path) -> None:
        (path / "onnx").rename(path.parent / "outside")
        (path / "onnx").symlink_to(path.parent / "outside", target_is_directory=True)
        with pytest.raises(PathEscapeError, match="got onnx"):
            open_bundle(path)

    def test_a_linked_manifest_is_refused(self, path: Path) -> None:
        (path / MANIFEST_NAME).rename(path.parent / "outside")
        (path / MANIFEST_NAME).symlink_to(path.parent / "outside")
        with pytest.raises(PathEscapeError):
            open_bundle(path)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
    @pytest.mark.parametrize("name", ["parity.json", MANIFEST_NAME, "pipe"])
    def test_a_pipe_is_refused_instead_of_waited_for(self, path: Path, name: str) -> None:
        (path / name).unlink(missing_ok=True)
        os.mkfifo(path / name)
        with pytest.raises(IntegrityError, match="special file"):
            open_bundle(path)


class TestWriting:
    def test_the_folders_above_are_made(self, tmp_path: Path) -> None:
        write_bundle(small_bundle(), tmp_path / "a" / "b" / "small")
        assert open_bundle(tmp_path / "a" / "b" / "small") == small_bundle()

    def test_nothing_but_the_bundle_appears(self, path: Path) -> None:
        assert [p.name for p in path.parent.iterdir()] == ["small"]

    def test_a_bundle_is_not_overwritten_unasked(self, path: Path) -> None:
        with pytest.raises(OutputExistsError, match="--overwrite"):
            write_bundle(other_bundle(), path)
        assert open_bundle(path) == small_bundle()

    def test_a_bundle_is_overwritten_when_told(self, path: Path) -> None:
        (path / "stale").touch()
        write_bundle(other_bundle(), path, overwrite=True)
        assert open_bundle(path) == other_bundle()
        assert [p.name for p in path.parent.iterdir()] == ["small"]

    def test_overwriting_where_nothing_is_writes(self, tmp_path: Path) -> None:
        write_bundle(small_bundle(), tmp_path / "small", overwrite=True)
        assert open_bundle(tmp_path / "small") == small_bundle()

    def test_a_folder_that_is_no_bundle_is_never_overwritten(self, tmp_path: Path) -> None:
        (tmp_path / "thesis").mkdir()
        (tmp_path / "thesis" / "chapter1").write_bytes(b"years of work")
        with pytest.raises(OutputExistsError, match="is not a bundle"):
            write_bundle(small_bundle(), tmp_path / "thesis", overwrite=True)
        assert files_below(tmp_path) == {"thesis/chapter1"}

    def test_an_empty_folder_is_never_overwritten(self, tmp_path: Path) -> None:
        with pytest.raises(OutputExistsError, match="is not a bundle"):
            write_bundle(small_bundle(), tmp_path, overwrite=True)

    def test_a_file_is_never_overwritten(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"old")
        with pytest.raises(OutputExistsError, match="is not a bundle"):
            write_bundle(small_bundle(), tmp_path / "file", overwrite=True)
        assert (tmp_path / "file").read_bytes() == b"old"

    def test_a_link_is_never_overwritten(self, path: Path) -> None:
        (path.parent / "link").symlink_to(path, target_is_directory=True)
        with pytest.raises(OutputExistsError, match="is not a bundle"):
            write_bundle(other_bundle(), path.parent / "link", overwrite=True)
        assert open_bundle(path) == small_bundle()

    def test_a_link_to_nothing_counts_as_something(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("absent")
        with pytest.raises(OutputExistsError):
            check_destination(tmp_path / "link", overwrite=False)


def impossible(contents: dict[str, bytes]) -> Bundle:
    """A bundle that no disk takes."""
    bundle = other_bundle()
    return replace(bundle, contents={**bundle.contents, **contents})


UNWRITABLE = [
    pytest.param(impossible({"ä" * 150: b""}), id="a name too long"),
    pytest.param(impossible({"onnx/model.onnx/below": b""}), id="a file below a file"),
]


class TestFailingToWrite:
    """Either the whole bundle is there or what was there before, and nothing beside it."""

    @pytest.mark.parametrize("bundle", UNWRITABLE)
    def test_nothing_half_written_stays(self, tmp_path: Path, bundle: Bundle) -> None:
        with pytest.raises(OutputError, match="cannot be written"):
            write_bundle(bundle, tmp_path / "small")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("bundle", UNWRITABLE)
    def test_the_old_bundle_stays(self, path: Path, bundle: Bundle) -> None:
        with pytest.raises(OutputError, match="cannot be written"):
            write_bundle(bundle, path, overwrite=True)
        assert open_bundle(path) == small_bundle()
        assert [p.name for p in path.parent.iterdir()] == ["small"]

    def test_a_full_disk_leaves_the_old_bundle(self, path: Path) -> None:
        with disk_that_fills_up(1000), pytest.raises(OutputError, match="free space"):
            write_bundle(other_bundle(), path, overwrite=True)
        assert open_bundle(path) == small_bundle()
        assert [p.name for p in path.parent.iterdir()] == ["small"]

    def test_a_file_where_a_folder_is_needed_stays(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"old")
        with pytest.raises(OutputError, match="cannot be written"):
            write_bundle(small_bundle(), tmp_path / "file" / "small")
        assert (tmp_path / "file").read_bytes() == b"old"

    @pytest.mark.parametrize("name", ["../outside", "onnx/../../outside", "..\\outside"])
    def test_a_name_that_leaves_the_bundle_is_not_written(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(PathEscapeError):
            write_bundle(impossible({name: b""}), tmp_path / "deep" / "small")
        assert files_below(tmp_path) == set()

    def test_an_absolute_name_is_not_written(self, tmp_path: Path) -> None:
        with pytest.raises(PathEscapeError):
            write_bundle(impossible({(tmp_path / "outside").as_posix(): b""}), tmp_path / "small")
        assert files_below(tmp_path) == set()

    def test_the_working_directory_itself_is_replaced_whole_or_stays(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(path)
        with contextlib.suppress(OutputError):
            write_bundle(other_bundle(), Path(), overwrite=True)
        assert open_bundle(path) in (small_bundle(), other_bundle())
        assert [p.name for p in path.parent.iterdir()] == ["small"]
        assert sorted(p.name for p in path.iterdir()) == ["golden", "manifest.json", "onnx", "parity.json"]

    def test_a_read_only_bundle_is_replaced_whole_and_nothing_stays_of_it(self, path: Path) -> None:
        for folder in (path / "golden", path):
            folder.chmod(0o500)
        with permissions_bind():
            write_bundle(other_bundle(), path, overwrite=True)
        assert open_bundle(path) == other_bundle()
        assert [p.name for p in path.parent.iterdir()] == ["small"]

    def test_a_bundle_in_a_folder_that_may_not_be_written_stays(self, path: Path) -> None:
        path.parent.chmod(0o500)
        try:
            with permissions_bind(), pytest.raises(OutputError, match="Permission denied"):
                write_bundle(other_bundle(), path, overwrite=True)
        finally:
            path.parent.chmod(0o700)
        assert open_bundle(path) == small_bundle()
        assert [p.name for p in path.parent.iterdir()] == ["small"]


def test_a_copy_of_a_bundle_is_the_same_bundle(path: Path, tmp_path: Path) -> None:
    shutil.copytree(path, tmp_path / "copy" / "small")
    assert open_bundle(tmp_path / "copy" / "small") == small_bundle()


def test_a_bundle_is_shown_in_one_line_without_its_contents() -> None:
    assert repr(small_bundle()) == "<Bundle small: onnx fp32>"
    assert repr(replace(small_bundle(), name="two\nlines")) == r"<Bundle two\nlines: onnx fp32>"
