"""Builds libminiseg for WebAssembly: `python -m miniseg_edge.native.wasm FOLDER` writes `miniseg.wasm` there.

The compiler is that of the package `ziglang`. Its C++ library for WebAssembly lacks exceptions, which libminiseg uses
to reject input. The package contains the four source files that implement them, which are compiled here.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from miniseg_edge.native.build import COMMON, SOURCES, BuildError, Compiler, kernel_options, record_of, sets, told, zig

MODULE = "miniseg.wasm"

MACHINE = "wasm32"
TARGET = ("-target", "wasm32-wasi", "-mcpu=generic+simd128+exception_handling")
EXCEPTIONS = "-fwasm-exceptions"

LEFT_OUT = frozenset({"miniseg_profile_run", "miniseg_chain_open", "miniseg_chain_run", "miniseg_chain_close"})
"""Measurement functions, which would need a clock from the host."""

LINK = ("-mexec-model=reactor", "-s", "-Wl,--gc-sections", "-Wl,--export=malloc", "-Wl,--export=free")

_TAG = "  .globl __cpp_exception\n  .tagtype __cpp_exception i32\n__cpp_exception:\n"
"""The type tag of all C++ exceptions, which the compiler expects to be defined."""


def exports() -> tuple[str, ...]:
    """The functions of miniseg.h that the module has."""
    header = (SOURCES / "miniseg.h").read_text(encoding="utf-8")
    declared = re.findall(r"^MINISEG_API [^(;]*?(miniseg_\w+)\(", header, re.MULTILINE)
    return tuple(name for name in declared if name not in LEFT_OUT)


def build_wasm(folder: Path) -> Path:
    """Builds the module in a folder, and returns its path.

    The first build on a machine compiles the C++ library: a minute.

    Raises:
        BuildError: the package `ziglang` is not installed, or its compiler failed.
    """
    chosen = zig()
    with tempfile.TemporaryDirectory() as temporary:
        objects = Path(temporary)
        (objects / "tag.s").write_text(_TAG, encoding="utf-8")
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(_run, [*_library(chosen, objects), *_exceptions(chosen, objects)]))
        inputs = sorted(str(path) for path in objects.glob("*.o"))
        exported = (f"-Wl,--export={name}" for name in exports())
        built = objects / MODULE
        _run([*chosen.command, *TARGET, EXCEPTIONS, "-O3", *LINK, *exported, "-o", str(built), *inputs])
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.move(built, folder / MODULE))


def _library(chosen: Compiler, objects: Path) -> Iterator[list[str]]:
    options = [option for option in COMMON if option != "-fPIC"]
    common = [*chosen.command, *TARGET, EXCEPTIONS, *options, f"-ffile-prefix-map={SOURCES}=miniseg", "-c"]
    kernels = str(SOURCES / "kernels" / "kernels.cpp")
    for name in sets(MACHINE):
        yield [*common, *kernel_options(chosen, name, MACHINE), kernels, "-o", str(objects / f"kernels-{name}.o")]
    record = json.dumps(record_of(chosen, (*TARGET, EXCEPTIONS), MACHINE))  # of plain ASCII: a literal of C, too
    for source in sorted(SOURCES.glob("*.cpp")):
        yield [*common, f"-DMINISEG_BUILD={record}", str(source), "-o", str(objects / f"{source.stem}.o")]


def _exceptions(chosen: Compiler, objects: Path) -> Iterator[list[str]]:
    zig_program = chosen.command[0]
    parts = Path(zig_program).parent / "lib"
    common = [*TARGET, "-O2", "-DNDEBUG", "-w", f"-ffile-prefix-map={parts}=zig", "-c"]
    libraries = [f"-I{parts / name}" for name in ("libcxxabi/include", "libcxx/src", "libunwind/include")]
    parts_of_it = ("_LIBCPP_BUILDING_LIBRARY", "_LIBCXXABI_BUILDING_LIBRARY", "LIBCXX_BUILDING_LIBCXXABI")
    single = [f"-D{name}" for name in (*parts_of_it, "_LIBCXXABI_HAS_NO_THREADS")]
    for name in ("cxa_exception", "cxa_personality"):
        source = str(parts / "libcxxabi" / "src" / f"{name}.cpp")
        words = [zig_program, "c++", *common, EXCEPTIONS, "-std=c++23", *single, *libraries, source]
        yield [*words, "-o", str(objects / f"zig-{name}.o")]
    unwinding = str(parts / "libunwind" / "src" / "Unwind-wasm.c")
    words = [zig_program, "cc", *common, EXCEPTIONS, "-D_LIBUNWIND_HIDE_SYMBOLS", *libraries, unwinding]
    yield [*words, "-o", str(objects / "zig-unwinding.o")]
    yield [zig_program, "cc", *TARGET, "-c", str(objects / "tag.s"), "-o", str(objects / "zig-tag.o")]


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise BuildError(f"{' '.join(command)}\n{done.stderr}")


def main() -> int:
    """Builds the module in the folder that the only argument names."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m miniseg_edge.native.wasm FOLDER\n")
        return 2
    return told(lambda: build_wasm(Path(sys.argv[1])))


if __name__ == "__main__":
    raise SystemExit(main())
