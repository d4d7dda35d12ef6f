"""Builds libminiseg from its sources: `python -m miniseg_edge.native.build` puts it next to this file.

The installation does the same (setup.py), with only the standard library. The compiler is the one in CXX, the machine's
own if it is good enough, or that of the package `ziglang`. The same compiler makes the same bytes, wherever the sources
are.
"""

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parent / "src"
LIBRARIES = {"linux": "libminiseg.so", "win32": "miniseg.dll", "darwin": "libminiseg.dylib"}
SYSTEM = sys.platform if sys.platform in LIBRARIES else "linux"
LIBRARY = LIBRARIES[SYSTEM]
IMPORT_LIBRARY = "miniseg.lib"
"""What a program for Windows is linked against; it lies beside the DLL."""

# No contraction of a * b + c and no other floating-point liberties: the bits are the contract.
COMMON = (
    *("-std=c++20", "-O3", "-ffp-contract=off", "-fno-fast-math", "-fPIC", "-fvisibility=hidden"),
    *("-Wall", "-Wextra", "-Wconversion", "-Werror"),
)
KERNELS = ("-fno-exceptions", "-fno-rtti")
LINK = {
    "linux": (
        *("-shared", "-pthread", "-Wl,--build-id=none", "-Wl,--gc-sections", "-s"),
        f"-Wl,--version-script={SOURCES / 'exports.map'}",
    ),
    "darwin": ("-dynamiclib", "-Wl,-install_name,@rpath/libminiseg.dylib", "-Wl,-dead_strip", "-Wl,-x", "-Wl,-S"),
    "win32": ("-shared", "-s", f"-Wl,--out-implib,{IMPORT_LIBRARY}"),
}

_PROBE = """
#include <atomic>
#include <concepts>
typedef float Vector __attribute__((vector_size(16)));
template <std::integral Number> Number same(Number n) { return n; }
Vector turned(Vector v) { return v > 0 ? __builtin_shufflevector(v, v, 3, 2, 1, 0) : v; }
void sleep(std::atomic<int>& counter) { counter.wait(same(0)); }
"""
"""Needs g++ 12 or clang++ 12, and their library."""


class BuildError(Exception):
    """There is no compiler, or it failed; the text is the compiler's output."""


@dataclass(frozen=True)
class Compiler:
    """A command that compiles C++.

    Attributes:
        command: with the options that it always needs.
        zig: whether it is zig's clang, which has its own names for processors and brings its own libraries.
        target: zig's name of the target platform; "" for this machine.
    """

    command: tuple[str, ...]
    zig: bool = False
    target: str = ""

    def version(self) -> str:
        """The first line of its version output, and the target platform if that is another."""
        said = _output([*self.command, "--version"]).splitlines()[0]
        return f"{said}; {self.target}" if self.target else said

    def processor(self, name: str) -> str:
        """The option for one of x86's levels."""
        return f"-march={name.replace('-', '_') if self.zig else name}"


def sets(machine: str) -> dict[str, tuple[str, ...]]:
    """The kernels of a kind of processor, and the options for each; `march:` stands for a level."""
    found: dict[str, tuple[str, ...]] = {"plain": ("-DMINISEG_PLAIN",)}
    if machine in {"x86_64", "AMD64"}:
        found["avx2"] = ("march:x86-64-v3",)
        found["avx512"] = ("march:x86-64-v4", "-mprefer-vector-width=512")
    elif machine in {"aarch64", "arm64"}:
        found["neon"] = ()
    elif machine == "wasm32":
        found["simd128"] = ()
    return found


def compiler() -> Compiler:
    """The compiler in CXX, the machine's, or zig's. Raises: BuildError if none is suitable."""
    return _own_compiler() or zig()


def has_compiler() -> bool:
    """Whether the machine has a suitable compiler."""
    return _own_compiler() is not None


def _own_compiler() -> Compiler | None:
    named = os.environ.get("CXX")
    if named:
        return Compiler(tuple(named.split()))
    paths = (shutil.which(name) for name in ("c++", "g++", "clang++"))
    found = (Compiler((path,)) for path in paths if path is not None)
    return next((one for one in found if _compiles(one)), None)


def zig(target: str = "") -> Compiler:
    """The compiler of the package `ziglang`, for this machine or a target.

    Raises: BuildError if it is not installed.
    """
    found = importlib.util.find_spec("ziglang")
    if found is None or not found.submodule_search_locations:
        raise BuildError("no C++ compiler: install g++ 12 or clang++ 12 or newer, or `pip install ziglang`")
    binary = Path(found.submodule_search_locations[0]) / ("zig.exe" if sys.platform == "win32" else "zig")
    return Compiler((str(binary), "c++", *(("-target", target) if target else ())), zig=True, target=target)


def build(
    folder: Path,
    chosen: Compiler | None = None,
    extra: Sequence[str] = (),
    machine: str = platform.machine(),
    system: str = SYSTEM,
) -> Path:
    """Builds the library in a folder, and returns its path. Windows' import library is put next to it.

    Args:
        folder: the destination; its content is replaced.
        chosen: the compiler; None: `compiler()`.
        extra: further options, such as those of sanitizers.
        machine: the target processor, when cross-compiling.
        system: the target system, a key of LIBRARIES.

    Raises:
        BuildError: there is no compiler, or it failed.
    """
    chosen = chosen or compiler()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        objects = compiled(Path(temporary), chosen, extra, machine)
        own = () if chosen.zig else ("-static-libstdc++", "-static-libgcc")
        link = [option for option in LINK[system] if not (extra and option == "-s")]
        inputs = [*(path.name for path in objects)]
        if system == "win32":  # WaitOnAddress, in either file
            inputs.append("-lapi-ms-win-core-synch-l1-2-0" if chosen.zig else "-lsynchronization")
        library = LIBRARIES[system]
        _output([*chosen.command, *COMMON, *extra, *link, *own, "-o", library, *inputs], Path(temporary))
        for name in (library, *([IMPORT_LIBRARY] if system == "win32" else [])):
            shutil.move(Path(temporary) / name, folder / name)
    return folder / library


def compiled(
    folder: Path, chosen: Compiler, extra: Sequence[str] = (), machine: str = platform.machine()
) -> list[Path]:
    """The library's object files, for static linking. Raises: BuildError if the compiler failed."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_output, _steps(chosen, folder, extra, machine)))
    return sorted(folder.glob("*.o"))


def _steps(chosen: Compiler, objects: Path, extra: Sequence[str], machine: str) -> Iterable[list[str]]:
    common = [*chosen.command, *COMMON, f"-ffile-prefix-map={SOURCES}=miniseg", *extra, "-c"]
    kernels = str(SOURCES / "kernels" / "kernels.cpp")
    for name in sets(machine):
        yield [*common, *kernel_options(chosen, name, machine), kernels, "-o", str(objects / f"kernels-{name}.o")]
    record = _quoted(record_of(chosen, extra, machine))
    for source in sorted(SOURCES.glob("*.cpp")):
        yield [*common, f"-DMINISEG_BUILD={record}", str(source), "-o", str(objects / f"{source.stem}.o")]


def kernel_options(chosen: Compiler, name: str, machine: str = platform.machine()) -> list[str]:
    """Compiler options for the kernels of one set, in addition to COMMON."""
    own = [chosen.processor(option[6:]) if option.startswith("march:") else option for option in sets(machine)[name]]
    return [*KERNELS, *own, f"-DMINISEG_KERNELS=kernels_{name}"]


def record_of(chosen: Compiler, extra: Sequence[str] = (), machine: str = platform.machine()) -> str:
    """The library's build description: nothing that identifies this machine."""
    kinds = "; ".join(" ".join([f"{name}:", *options]) for name, options in sets(machine).items())
    return f"{chosen.version()}; {' '.join([*COMMON, *extra])}; {kinds}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _compiles(chosen: Compiler) -> bool:
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary) / "probe.cpp"
        source.write_text(_PROBE, encoding="utf-8")
        try:
            _output([*chosen.command, "-std=c++20", "-c", str(source), "-o", str(source.with_suffix(".o"))])
        except BuildError:
            return False
    return True


def _output(command: Sequence[str], folder: Path | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        raise BuildError(f"{' '.join(command)}\n{getattr(error, 'stderr', '') or error}") from None
    return done.stdout


def main() -> int:
    """Builds the library next to this file."""
    return told(lambda: build(Path(__file__).parent))


def told(builds: Callable[[], Path]) -> int:
    """Prints where the result is, or why the build failed; returns the exit code."""
    try:
        path = builds()
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
