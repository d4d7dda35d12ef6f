"""Caches the kernels that TensorRT for RTX compiles for a GPU at first use, for the next start.

The cache is in the user's cache folder, in one folder per engine. It cannot be in the bundle, which is signed and often
read-only, and whose digest would change.
"""

import os
import re
import sys
from pathlib import Path
from typing import Any

from miniseg_edge.bundle.manifest import MAX_FILE_BYTES
from miniseg_edge.console.logs import logger_of
from miniseg_edge.errors import MiniSegError
from miniseg_edge.host.files import bytes_from_file, replace_file, sha256_of
from miniseg_edge.runtimes.backends.cuda.gpus import Gpu

_log = logger_of(__name__)

FOLDER_VARIABLE = "MINISEG_EDGE_CACHE"
"""Environment variable for another folder than the user's own."""


def cache_folder(engine_sha256: str) -> Path:
    """The folder for an engine's files on this machine."""
    named = os.environ.get(FOLDER_VARIABLE)
    return (Path(named) if named else _users_cache() / "miniseg-edge") / engine_sha256


def _users_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


class KernelCache:
    """The vendor's runtime cache and its file, one for each engine, version, GPU and driver.

    If the file is missing, unreadable or from another environment, the kernels are compiled again: the vendor checks it
    before using it. Anyone who can write to the folder can run code as its user, as with any program's cache; the
    folder is created for its user only.
    """

    def __init__(self, folder: Path, engine_sha256: str, version: str, gpu: Gpu) -> None:
        driver = f"{gpu.driver}-{gpu.driver_version}" if gpu.driver_version else gpu.driver
        parts = (gpu.name, driver, version, engine_sha256[:16])
        self.path = folder / ("_".join(re.sub(r"[^A-Za-z0-9.]+", "-", part) for part in parts) + ".kernels")
        self._cache: Any = None
        self._kept = ""

    def attach(self, config: Any) -> None:
        """Fills a new cache from the file and passes it to the vendor's runtime configuration."""
        cache = config.create_runtime_cache()
        try:
            stored = bytes_from_file(self.path, MAX_FILE_BYTES, MiniSegError) if self.path.exists() else b""
        except MiniSegError as error:
            _log.warning("compiled kernels cannot be read: %s", error)
            stored = b""
        if stored and cache.deserialize(stored):
            self._kept = sha256_of(stored)
        else:
            _log.info("compiling kernels for this GPU, once for each driver")
        config.set_runtime_cache(cache)
        self._cache = cache

    def keep(self) -> None:
        """Writes the file if something was compiled since; a read-only folder costs time, not masks."""
        found = self._cache.serialize()
        data = b"" if found is None else bytes(found)
        if not data or sha256_of(data) == self._kept:
            return
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(self.path, data)
            self._kept = sha256_of(data)
        except (MiniSegError, OSError) as error:
            _log.warning("compiled kernels cannot be kept: %s", error)

    def detach(self) -> None:
        """Releases the vendor's cache."""
        self._cache = None
