"""What TensorRT for RTX compiled for a GPU at the first use, kept for the next start.

It lies in the user's cache folder, in one folder for each engine. A bundle is sealed and often read-only, and its
digest changes with anything in it; kernels are the engine's.
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
"""Names another folder than the user's own."""


def cache_folder(engine_sha256: str) -> Path:
    """Where what belongs to an engine is kept on this machine."""
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

    A file that is missing, unreadable or another environment's costs the time to compile again, and nothing else: the
    vendor checks it before it takes anything from it. Whoever can write to the folder can run code as its user, as
    with any program's cache; the folder is made for its user alone.
    """

    def __init__(self, folder: Path, engine_sha256: str, version: str, gpu: Gpu) -> None:
        driver = f"{gpu.driver}-{gpu.driver_version}" if gpu.driver_version else gpu.driver
        parts = (gpu.name, driver, version, engine_sha256[:16])
        self.path = folder / ("_".join(re.sub(r"[^A-Za-z0-9.]+", "-", part) for part in parts) + ".kernels")
        self._cache: Any = None
        self._kept = ""

    def attach(self, config: Any) -> None:
        """Fills a fresh cache from the file and gives it to the vendor's runtime configuration."""
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
        """Writes the file if something was compiled since; a folder that cannot be written costs time, not masks."""
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
        """Lets go of the vendor's cache."""
        self._cache = None
