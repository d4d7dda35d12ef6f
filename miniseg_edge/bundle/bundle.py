"""The bundle: a directory with model files and a manifest, verified before anything in it is parsed."""

import contextlib
import itertools
import os
import shutil
import stat
import tempfile
from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from miniseg_edge.bundle.manifest import (
    MANIFEST_NAME,
    MAX_BUNDLE_BYTES,
    MAX_FILES,
    REFERENCE_TARGET,
    FileRecord,
    Manifest,
    check_name,
    manifest_from_json,
)
from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.bundle.signature import MAX_SIGNATURE_BYTES, SIGNATURE_NAME, Files, Signer, check_signature
from miniseg_edge.errors import (
    BundleError,
    IntegrityError,
    OutputError,
    OutputExistsError,
    PathEscapeError,
    SignatureError,
)
from miniseg_edge.host.files import bytes_from_file, exchange, make_folder, sha256_of, sync_folder
from miniseg_edge.host.limits import host_limits
from miniseg_edge.printable import printable

MAX_MANIFEST_BYTES = 4 * 2**20
MAX_ENTRIES = 4 * MAX_FILES
"""Files and folders that are inspected; a folder with more is not a bundle."""

MAX_NESTING = 32
"""Maximum nesting of folders. A name in a manifest may have 200 characters; ours are five levels deep."""


@dataclass(frozen=True, repr=False)
class Bundle:
    """A verified bundle, held in memory: the bytes that were hashed are the bytes that are parsed.

    Attributes:
        name: the directory's name, or the exporter's name for it before it is written.
        manifest: its description.
        contents: every file except the manifest, by relative path.
        trusted: whether its signature was checked with a trusted key, or it was made by this process.

    Thread-safety: immutable.
    """

    name: str
    manifest: Manifest
    contents: Mapping[str, bytes]
    trusted: bool = field(default=False, compare=False)

    def __repr__(self) -> str:
        """Name and artefacts, in one line; the contents are megabytes."""
        built = [f"{a.target} {a.precision}" for a in self.manifest.artifacts if a.target != REFERENCE_TARGET]
        return f"<Bundle {printable(self.name)}: {', '.join(built) or 'no artefacts'}>"


def file_records(contents: Mapping[str, bytes]) -> dict[str, FileRecord]:
    """The manifest's `files` for these contents."""
    return {name: FileRecord(sha256_of(data), len(data)) for name, data in sorted(contents.items())}


@host_limits()
def open_bundle(path: str | os.PathLike[str], *, trust: str | os.PathLike[str] | None = None) -> Bundle:
    """Reads and verifies a bundle.

    Every file is read once. Its hash is checked before any parser sees it, and so is the signature if `trust` is given.

    Args:
        path: of the directory.
        trust: path of a public key in PEM. The bundle must be signed with its private key and unchanged. Without
            `trust` signatures are ignored, and anyone who can replace the bundle can replace what is run.

    Raises:
        BundleError: there is no bundle, or its manifest is invalid.
        IncompatibleError: the schema version is not supported.
        PathEscapeError: a path or a link leaves the bundle; with `trust`, a hard link too.
        IntegrityError: a file was changed or added, is missing, or cannot be read; or a folder is empty.
        SignatureError: with `trust`, the bundle is unsigned, signed with another key, or was changed after signing.
        MissingDependencyError: `trust` needs the extra `sign`.
        HostMemoryError: the bundle does not fit into memory.
    """
    root = Path(path)
    present, folders = _below(root)
    if MANIFEST_NAME not in present:
        raise BundleError(
            f"{root} is not a bundle", expected="a directory with manifest.json", got="a directory without one"
        )
    signed = {} if trust is None else _signed_contents(root, present, trust)

    def read(name: str, limit: int, error: type[BundleError]) -> bytes:
        return signed[name] if signed else bytes_from_file(root / name, limit, error)

    manifest = manifest_from_json(read(MANIFEST_NAME, MAX_MANIFEST_BYTES, BundleError))
    _check_complete(set(present) - {MANIFEST_NAME, SIGNATURE_NAME}, set(manifest.files))
    _check_folders(folders, present)
    contents = {}
    for name, record in manifest.files.items():
        _check_size(name, record, present[name])
        contents[name] = _verified(name, record, read(name, record.bytes, IntegrityError))
    return Bundle(root.name, manifest, contents, trusted=trust is not None)


def _signed_contents(root: Path, present: Mapping[str, os.stat_result], trust: str | os.PathLike[str]) -> Files:
    """Every file except the signature, as signed with the trusted key."""
    if SIGNATURE_NAME not in present:
        raise SignatureError(
            f"{root} is not signed", expected=f"a file {SIGNATURE_NAME} by the owner of the trusted key", got="none",
            remedy="Have it signed (miniseg-export --sign KEY), or open it without a trusted key.",
        )  # fmt: skip
    if linked := sorted(name for name, status in present.items() if status.st_nlink > 1):
        raise PathEscapeError(
            "a file of the bundle is hard-linked from elsewhere", expected="files of its "
            "own", got=", ".join(linked)[:200],
            remedy="Copy it with its content.",
        )  # fmt: skip
    if len(present) > MAX_FILES or sum(status.st_size for status in present.values()) > MAX_BUNDLE_BYTES:
        raise IntegrityError("the bundle is too large", expected=f"at most {MAX_FILES} files, {MAX_BUNDLE_BYTES} bytes")
    signed: dict[str, bytes] = {}
    names = set(present) - {SIGNATURE_NAME}

    def read(listed: frozenset[str]) -> Files:
        _check_complete(names, listed, "its signature", SignatureError)
        for name in sorted(names):
            signed[name] = bytes_from_file(root / name, present[name].st_size, IntegrityError)
        return signed

    signature = bytes_from_file(root / SIGNATURE_NAME, MAX_SIGNATURE_BYTES, SignatureError)
    check_signature(signature, read, trust)
    return signed


def _below(root: Path) -> tuple[dict[str, os.stat_result], set[str]]:
    """The files and the folders below a bundle's, by relative path, without following links.

    Raises:
        BundleError: the folder does not exist.
        PathEscapeError, IntegrityError: a link, a special file, an unreadable folder, too many files, or too deep.
    """
    files: dict[str, os.stat_result] = {}
    folders: set[str] = set()
    unread = [""]
    while unread:
        folder = unread.pop()
        for name, status in _entries(root, folder):
            if stat.S_ISLNK(status.st_mode):
                raise PathEscapeError(
                    "the bundle contains a link", expected="plain files", got=name, remedy="Copy it with its content."
                )
            if stat.S_ISDIR(status.st_mode):
                folders.add(name)
                unread.append(name)
            elif stat.S_ISREG(status.st_mode):
                files[name] = status
            else:
                raise IntegrityError("the bundle contains a special file", expected="plain files", got=name)
            if len(files) + len(folders) > MAX_ENTRIES or name.count("/") > MAX_NESTING:
                wanted = f"at most {MAX_ENTRIES} files and folders, {MAX_NESTING} deep"
                raise IntegrityError("the bundle is too large", expected=wanted, got="more")
    return files, folders


def _entries(root: Path, folder: str) -> list[tuple[str, os.stat_result]]:
    """The contents of a folder in the bundle, by path relative to the bundle. Raises: BundleError, IntegrityError."""
    try:
        with os.scandir(root / folder) as found:
            entries = itertools.islice(found, MAX_ENTRIES + 1)
            return [
                (f"{folder}/{entry.name}" if folder else entry.name, entry.stat(follow_symlinks=False))
                for entry in entries
            ]
    except (OSError, ValueError) as reason:  # the latter for a path with a NUL
        said = str(getattr(reason, "strerror", None) or reason)
        if folder:
            raise IntegrityError(
                "a folder of the bundle cannot be read", expected="a readable folder", because=said
            ) from reason
        if isinstance(reason, FileNotFoundError | NotADirectoryError):
            said = "nothing" if isinstance(reason, FileNotFoundError) else "a file"
        raise BundleError(
            f"{str(root)[:200]} is not a bundle", expected="a directory with manifest.json", because=said
        ) from reason


def _check_folders(folders: set[str], files: Collection[str]) -> None:
    """Refuses empty folders: no list of files mentions them, so they would go unnoticed."""
    needed = {parent.as_posix() for name in files for parent in PurePosixPath(name).parents}
    if empty := sorted(folders - needed):
        raise IntegrityError(
            "the bundle contains an empty folder", expected="folders of its files", got=", ".join(empty)[:200],
            remedy="Copy the bundle again from where it was made.",
        )  # fmt: skip


def _check_complete(
    present: Set[str], listed: Set[str], lister: str = "its manifest", error: type[BundleError] = IntegrityError
) -> None:
    """Refuses added and missing files. Raises: `error`."""
    added, missing = sorted(present - listed), sorted(listed - present)
    if added or missing:
        raise error(
            f"the bundle's files are not those that {lister} lists",
            expected=f"{len(listed)} files",
            got=f"added: {', '.join(added)[:200] or 'none'}; missing: {', '.join(missing)[:200] or 'none'}",
            remedy="Copy the bundle again from where it was made.",
        )


def _check_size(name: str, record: FileRecord, status: os.stat_result) -> None:
    if status.st_size != record.bytes:
        got = f"{status.st_size} bytes"
        raise IntegrityError(
            f"{name} was changed", expected=f"{record.bytes} bytes", got=got, remedy="Copy the bundle again."
        )


def _verified(name: str, record: FileRecord, data: bytes) -> bytes:
    if (digest := sha256_of(data)) != record.sha256:
        raise IntegrityError(
            f"{name} was changed", expected=f"SHA-256 {record.sha256}", got=digest, remedy="Copy the bundle again."
        )
    return data


def check_destination(path: Path, *, overwrite: bool) -> None:
    """Refuses a destination that must not be replaced. Call it before the work and again before writing.

    Raises:
        OutputExistsError: the destination exists and `overwrite` is off, or it is not a bundle.
    """
    if not path.exists() and not path.is_symlink():
        return
    if not overwrite:
        raise OutputExistsError(
            f"{path} exists", expected="a new directory", remedy="Choose another --output or add --overwrite."
        )
    if not path.is_dir() or path.is_symlink() or not (path / MANIFEST_NAME).is_file():
        raise OutputExistsError(
            f"{path} is not a bundle",
            expected="a bundle to overwrite, or nothing",
            remedy="Remove it yourself or choose another --output.",
        )


def write_bundle(bundle: Bundle, path: Path, *, overwrite: bool = False, signer: Signer | None = None) -> None:
    """Writes a bundle atomically: a temporary sibling directory, then a rename. It is signed if there is a signer.

    A process that is killed leaves the old bundle or the new one, and perhaps the temporary sibling. If the system
    cannot swap two names (Windows), a kill during an overwrite may leave the old bundle under a temporary name.

    Raises:
        PathEscapeError: the name of a file leaves the bundle.
        OutputExistsError: see `check_destination`.
        OutputError: disk full, read-only or no permission. Nothing half-written remains.
    """
    for name in bundle.contents:
        check_name(name)
    path = path.absolute()  # "." has no name and no parent
    check_destination(path, overwrite=overwrite)
    files = {**bundle.contents, MANIFEST_NAME: json_from_record(bundle.manifest).encode()}
    if signer is not None:
        files[SIGNATURE_NAME] = signer.sign(path.name, files)
    partial = None
    try:
        make_folder(path.parent)
        partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
        partial.chmod(0o755)
        for name, data in files.items():
            _write_synced(partial / name, data)
        sync_folder(partial)
        check_destination(path, overwrite=overwrite)
        _move_into_place(partial, path)
        sync_folder(path.parent)
    except OSError as reason:
        raise OutputError(
            f"{path} cannot be written",
            expected="a writable folder with free space",
            because=reason.strerror or str(reason),
        ) from reason
    finally:
        if partial is not None:
            _remove(partial)


def _write_synced(path: Path, data: bytes) -> None:
    make_folder(path.parent)
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def _move_into_place(partial: Path, path: Path) -> None:
    if not path.exists():
        partial.rename(path)
        return
    if exchange(partial, path):  # the old bundle is now where the new one was, and is removed with it
        return
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent)) / path.name
    try:
        path.rename(old)
        partial.rename(path)
    finally:
        if not path.exists():  # also after an interruption
            old.rename(path)
        _remove(old.parent)


def _remove(folder: Path) -> None:
    """Removes as much as possible: a folder that was made read-only belongs to the old bundle too."""
    for below, _, _ in os.walk(folder):
        with contextlib.suppress(OSError):
            Path(below).chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
