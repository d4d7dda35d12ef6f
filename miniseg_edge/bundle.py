"""The bundle: a directory with model files and a manifest, verified before anything in it is parsed."""

import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from miniseg_edge.errors import BundleError, IntegrityError, OutputError, OutputExistsError, PathEscapeError
from miniseg_edge.files import bytes_from_file, sha256_of
from miniseg_edge.manifest import MANIFEST_NAME, FileRecord, Manifest, check_name, manifest_from_json
from miniseg_edge.records import json_from_record

MAX_MANIFEST_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Bundle:
    """A verified bundle, held in memory: what was hashed is what is parsed.

    Attributes:
        name: the directory's name, or what the exporter calls it before it is written.
        manifest: its description.
        contents: every file but the manifest, by relative path.

    Thread-safety: immutable.
    """

    name: str
    manifest: Manifest
    contents: Mapping[str, bytes]


def file_records(contents: Mapping[str, bytes]) -> dict[str, FileRecord]:
    """The manifest's `files` for these contents."""
    return {name: FileRecord(sha256_of(data), len(data)) for name, data in sorted(contents.items())}


def open_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Reads and verifies a bundle.

    Every file is read once; its hash is checked before any parser sees it.

    Raises:
        BundleError: no bundle there, or a manifest that makes no sense.
        IncompatibleError: another schema version.
        PathEscapeError: a path or a link that leaves the bundle.
        IntegrityError: a file changed, was added, or is missing.
    """
    root = Path(path)
    if not root.is_dir():
        raise BundleError(
            f"{root} is no bundle", "a directory with manifest.json", "a file" if root.exists() else "nothing"
        )
    present = _files_below(root)
    if MANIFEST_NAME not in present:
        raise BundleError(f"{root} is no bundle", "a directory with manifest.json", "a directory without one")
    manifest = manifest_from_json(bytes_from_file(root / MANIFEST_NAME, MAX_MANIFEST_BYTES, BundleError))
    _check_complete(present - {MANIFEST_NAME}, set(manifest.files))
    contents = {name: _verified(root, name, record) for name, record in manifest.files.items()}
    return Bundle(root.name, manifest, contents)


def _files_below(root: Path) -> set[str]:
    found = set()
    for folder, folders, files in os.walk(root, followlinks=False):
        for name in (*folders, *files):
            path = Path(folder) / name
            mode = path.lstat().st_mode
            relative = path.relative_to(root).as_posix()
            if stat.S_ISLNK(mode):
                raise PathEscapeError("the bundle holds a link", "plain files", relative, "Copy it with its content.")
            if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
                raise IntegrityError("the bundle holds a special file", "plain files", relative)
        found |= {(Path(folder) / name).relative_to(root).as_posix() for name in files}
    return found


def _check_complete(present: set[str], listed: set[str]) -> None:
    added, missing = sorted(present - listed), sorted(listed - present)
    if added or missing:
        raise IntegrityError(
            "the bundle's files are not those that its manifest lists",
            f"{len(listed)} files",
            f"added: {', '.join(added) or 'none'}; missing: {', '.join(missing) or 'none'}",
            "Copy the bundle again from where it was made.",
        )


def _verified(root: Path, name: str, record: FileRecord) -> bytes:
    size = (root / name).stat().st_size
    if size != record.bytes:
        raise IntegrityError(f"{name} was changed", f"{record.bytes} bytes", f"{size} bytes", "Copy the bundle again.")
    data = bytes_from_file(root / name, record.bytes, IntegrityError)
    if (digest := sha256_of(data)) != record.sha256:
        raise IntegrityError(f"{name} was changed", f"SHA-256 {record.sha256}", digest, "Copy the bundle again.")
    return data


def check_destination(path: Path, *, overwrite: bool) -> None:
    """Refuses a destination that must not be replaced; call it before the work and again before the writing.

    Raises:
        OutputExistsError: something is there and `overwrite` is off, or it is no bundle.
    """
    if not path.exists() and not path.is_symlink():
        return
    if not overwrite:
        raise OutputExistsError(f"{path} exists", "a new directory", "", "Choose another --output or add --overwrite.")
    if not path.is_dir() or path.is_symlink() or not (path / MANIFEST_NAME).is_file():
        raise OutputExistsError(
            f"{path} is no bundle",
            "a bundle to overwrite, or nothing",
            "",
            "Remove it yourself or choose another --output.",
        )


def write_bundle(bundle: Bundle, path: Path, *, overwrite: bool = False) -> None:
    """Writes a bundle atomically: a temporary sibling directory, then a rename.

    Raises:
        PathEscapeError: a content's name leaves the bundle.
        OutputExistsError: see `check_destination`.
        OutputError: disk full, read-only, no permission; nothing half-written stays.
    """
    for name in bundle.contents:
        check_name(name)
    path = path.absolute()  # "." has no name and no parent
    check_destination(path, overwrite=overwrite)
    partial = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
        partial.chmod(0o755)
        manifest = json_from_record(bundle.manifest).encode()
        for name, data in {**bundle.contents, MANIFEST_NAME: manifest}.items():
            _write_synced(partial / name, data)
        check_destination(path, overwrite=overwrite)
        _move_into_place(partial, path)
    except OSError as reason:
        raise OutputError(
            f"{path} cannot be written", "a writable folder with free space", reason.strerror or str(reason)
        ) from reason
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def _write_synced(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _move_into_place(partial: Path, path: Path) -> None:
    if not path.exists():
        partial.rename(path)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent)) / path.name
    try:
        path.rename(old)
        partial.rename(path)
    finally:
        if not path.exists():  # whatever came between, an interruption too
            old.rename(path)
        shutil.rmtree(old.parent, ignore_errors=True)
