"""The kernels of this machine's instruction sets, in a library of their own: the package's library exports none."""

import ctypes
import os
import platform
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock

from miniseg_edge.native.binding import instruction_sets
from miniseg_edge.native.build import COMMON, SOURCES, BuildError, compiler, kernel_options
from tests.native.kernels.table import Set


def build(folder: Path, names: list[str]) -> Path:
    """kernels.cpp as the package has it, and parts.cpp in the same way."""
    try:
        chosen, machine = compiler(), platform.machine()
    except BuildError as error:
        pytest.skip(str(error))
    common = [*chosen.command, *COMMON, f"-I{SOURCES}"]
    commands, objects = [], []
    for name in names:
        for source in (SOURCES / "kernels" / "kernels.cpp", Path(__file__).with_name("parts.cpp")):
            objects.append(str(folder / f"{source.stem}-{name}.o"))
            own = [*kernel_options(chosen, name, machine), f"-DMINISEG_PARTS=parts_{name}"]
            commands.append([*common, *own, "-c", str(source), "-o", objects[-1]])
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda command: subprocess.run(command, check=True), commands))
    library = folder / "kernels.so"
    subprocess.run([*chosen.command, "-shared", "-o", str(library), *objects], check=True)
    return library


@pytest.fixture(scope="session")
def sets(built_library: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Set]:
    """One for each instruction set that this machine has; plain C is the first."""
    names = [one.name.lower() for one in instruction_sets()]
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "kernels"  # workers share it
    with FileLock(folder.with_suffix(".lock")):
        folder.mkdir(exist_ok=True)
        library = folder / "kernels.so"
        if not library.exists():
            build(folder, names)
    found = ctypes.CDLL(str(library))
    return [Set(name, found) for name in names]
