"""Both kinds of outputs do the same; and their URLs are shown without what is secret in them."""

import pickle
import stat
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from miniseg_edge.errors import IntegrityError, OutputError, UsageError
from miniseg_edge.runtimes.archive.storage import retrying
from miniseg_edge.runtimes.archive.storage.folder_output import FolderOutput
from miniseg_edge.runtimes.archive.storage.output import Output, output_at
from miniseg_edge.runtimes.archive.storage.url_output import UrlOutput
from miniseg_edge.runtimes.archive.storage.urls import shown_url


@pytest.fixture(params=["folder", "memory"])
def output(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Output]:
    if request.param == "folder":
        yield output_at(tmp_path / "out")
        return
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    name = uuid.uuid4().hex
    yield output_at(f"memory://{name}/out")
    memory = fsspec.filesystem("memory")
    if memory.exists(f"/{name}"):
        memory.rm(f"/{name}", recursive=True)


def test_files(output: Output) -> None:
    assert (output.names(""), output.read("a/b"), output.has("a/b")) == ([], None, False)
    output.write("a/b", b"12345")
    output.write("a/c", b"", durable=False)
    output.write("a/.d", b"")
    assert output.names("a") == [".d", "b", "c"]
    assert output.names("") == ["a"]
    assert output.read("a/b", 5) == b"12345"
    assert output.piece("a/b", 1, 3) == b"23"
    with pytest.raises(IntegrityError, match="too large"):
        output.read("a/b", 4)
    output.write("a/b", b"6")
    assert (output.read("a/b"), output.read("a/.d"), output.has("a")) == (b"6", b"", False)
    output.remove("a/b")
    output.remove("a/b")
    assert not output.has("a/b")
    output.clear("a")
    output.clear("a")
    assert output.names("a") == []


def test_what_is_done_is_listed_by_its_marker(output: Output) -> None:
    for key in ("00a", "00b", "01a", "10a"):
        output.write(f"series/{key}/mask", b"")
        if key != "00b":
            output.write(f"series/{key}/row.json", b"")
    found = output.holders("series", "0", "row.json")
    assert [key for key in output.names("series") if key in found] == ["00a", "01a"]
    assert "00a" not in output.holders("absent", "", "row.json")


def test_results_are_there_after_all_of_them_are_made(output: Output, tmp_path: Path) -> None:
    with output.results("series/00", tmp_path / "scratch") as folder:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "mask").write_bytes(b"mask")
        (folder / "part").mkdir()
        (folder / "part" / "0").write_bytes(b"0")
    assert (output.read("series/00/mask"), output.read("series/00/part/0")) == (b"mask", b"0")
    with output.local("series/00/mask", tmp_path / "scratch") as path:
        assert path.read_bytes() == b"mask"
    assert list((tmp_path / "scratch").glob("*")) == []


def test_an_answer_for_each_in_order(output: Output) -> None:
    assert list(output.mapped(lambda number: number * 2, range(20))) == list(range(0, 40, 2))


def test_another_process_has_the_same(output: Output) -> None:
    output.write("a", b"1")
    again: Output = pickle.loads(pickle.dumps(output))
    assert again.read("a") == b"1"
    assert again.scratch() == output.scratch()


@pytest.mark.skipif(sys.platform == "win32", reason="its locks do not hold within a process")
def test_two_runs_of_this_machine_do_not_work_on_one_output(output: Output) -> None:
    with output.locked(), pytest.raises(OutputError, match="in use"), output_at(output.label()).locked():
        pytest.fail("two runs")
    with output.locked():
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="a user's temporary folder is its own there")
def test_copies_go_where_no_other_user_can_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = UrlOutput("memory://x").scratch().parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.rmdir()
    folder.symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(OutputError, match="belongs to another user"):
        UrlOutput("memory://x").scratch()


def test_which_text_is_which_output(tmp_path: Path) -> None:
    assert output_at((tmp_path / "a").as_uri()) == FolderOutput(tmp_path / "a") == output_at(tmp_path / "a")
    assert output_at("a::b").folder == Path("a::b").absolute()
    with pytest.raises(UsageError, match="chain"):
        output_at("simplecache::s3://bucket/out")


def test_a_storage_that_cannot_be_used_is_an_error_that_quotes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_WAIT_S", 0.0)
    unknown, silent = UrlOutput("nothing://SECRET:SECRET@x"), UrlOutput("http://SECRET:SECRET@127.0.0.1:9/out?SECRET")
    for use in (lambda: unknown.write("a", b""), lambda: unknown.names("a"), lambda: silent.write("a", b"")):
        with pytest.raises(OutputError) as raised:
            use()
        assert "SECRET" not in str(raised.value)
        assert raised.value.__suppress_context__


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://bucket/a@b/c", "s3://bucket/a@b/c"),
        ("https://user:SECRET@host/a?X-Amz-Signature=SECRET", "https://host/a"),
        ("ftp://user:SEC@RET@host/a", "ftp://host/a"),
        ("zip://in.zip::https://user:SECRET@host/a.zip?sig=SECRET", "zip://in.zip::https://host/a.zip"),
        ("memory://\x1b", r"memory://\x1b"),
    ],
)
def test_urls_are_shown_without_credentials(url: str, shown: str) -> None:
    assert shown_url(url) == shown
