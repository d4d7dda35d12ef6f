"""The files of `make platforms`: what they export and need, the oldest system they ask for, and the wheels around them.

This is all that is known of macOS: nothing here runs its programs.
"""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import lief
import pytest

from miniseg_edge.native.build import IMPORT_LIBRARY, LIBRARIES, SOURCES
from miniseg_edge.native.platform_table import PLATFORMS, Platform
from tests.wheels import ROOT

FOLDER = Path(os.environ.get("MINISEG_EDGE_PLATFORMS", "absent"))

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="needs `make platforms`, which runs this test")

OLDEST_GLIBC, OLDEST_MACOS = (2, 17), [11, 0, 0]
DECLARED = set(re.findall(r"MINISEG_API [^;(]*?(miniseg_\w+)\(", (SOURCES / "miniseg.h").read_text(encoding="utf-8")))

ROWS = pytest.mark.parametrize("row", PLATFORMS, ids=lambda row: row.name)


def rows(system: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", [row for row in PLATFORMS if row.system == system], ids=lambda row: row.name)


def library(row: Platform) -> Path:
    return FOLDER / row.name / LIBRARIES[row.system]


def wheel(row: Platform) -> Path:
    (path,) = (FOLDER / "wheels").glob(f"*-py3-none-{row.wheel}.whl")
    return path


def read(row: Platform) -> Any:
    """lief's reader: it gives None for what it cannot read, which no test gets past."""
    parse: Any = {"linux": lief.ELF.parse, "win32": lief.PE.parse, "darwin": lief.MachO.parse}[row.system]
    return parse(str(library(row)))


def exported(row: Platform) -> set[str]:
    """Each reader is kept while its parts are looked at: lief's parts do not keep it."""
    if row.system == "win32":
        dll = read(row)
        return {str(entry.name) for entry in dll.get_export().entries}
    if row.system == "darwin":
        universal = read(row)
        dylib = universal.at(0)
        return {str(symbol.name).removeprefix("_") for symbol in dylib.exported_symbols}
    shared = read(row)
    return {str(symbol.name) for symbol in shared.exported_symbols}


@ROWS
def test_a_library_exports_the_header_alone(row: Platform) -> None:
    """On macOS C++'s own allocators and the linker's names as well, which zig's linker does not hide."""
    found = exported(row)
    more = {name for name in found if name.startswith(("_Zn", "_Zd")) or name in {"__dso_handle", "_mh_dylib_header"}}
    assert found - more == DECLARED
    assert not more or row.system == "darwin"


@ROWS
def test_nothing_names_the_machine_that_built_it(row: Platform) -> None:
    assert str(ROOT).encode() not in library(row).read_bytes()


@ROWS
def test_a_wheel_holds_the_library_of_its_platform(row: Platform) -> None:
    """The same bytes, though it was compiled again elsewhere."""
    with zipfile.ZipFile(wheel(row)) as files:
        held = {name for name in files.namelist() if name.endswith((".so", ".dll", ".dylib", ".lib"))}
        assert f"miniseg_edge/native/{library(row).name}" in held
        beside = {f"miniseg_edge/native/{IMPORT_LIBRARY}"} if row.system == "win32" else set()
        assert held == {f"miniseg_edge/native/{library(row).name}"} | beside
        assert files.read(f"miniseg_edge/native/{library(row).name}") == library(row).read_bytes()


@rows("linux")
def test_linux_of_long_ago(row: Platform) -> None:
    """glibc: no function of a later version; musl: nothing but its own C library."""
    binary = read(row)
    asked = {version.name for need in binary.symbols_version_requirement for version in need.get_auxiliary_symbols()}
    if "musl" in row.target:
        assert (asked, list(binary.libraries)) == (set(), ["libc.so"])
        return
    versions = {tuple(map(int, name.removeprefix("GLIBC_").split("."))) for name in asked}
    assert versions
    assert max(versions) <= OLDEST_GLIBC


@rows("linux")
def test_the_tag_of_a_wheel_for_linux(row: Platform) -> None:
    """glibc's alone: auditwheel judges musl's only where musl is the system's library."""
    if "musl" in row.target:
        pytest.skip("auditwheel needs a system with musl")
    said = subprocess.run(
        [sys.executable, "-m", "auditwheel", "show", str(wheel(row))], capture_output=True, text=True, check=True
    )
    found = re.search(r'consistent\s+with\s+the\s+following\s+platform\s+tag:\s+"(\w+)"', said.stdout)
    assert found, said.stdout
    assert row.wheel in {found[1], found[1].replace("manylinux_2_17", "manylinux2014")}


@rows("win32")
def test_windows_needs_its_own_files_alone(row: Platform) -> None:
    dll = read(row)
    needed = {one.name.lower() for one in dll.imports}
    assert needed
    assert not {name for name in needed if not name.startswith(("kernel32", "ntdll", "api-ms-win-"))}
    assert (FOLDER / row.name / IMPORT_LIBRARY).stat().st_size > 0


@rows("darwin")
def test_macos(row: Platform) -> None:
    universal = read(row)
    binary = universal.at(0)
    assert binary.build_version.minos == OLDEST_MACOS
    assert [one.name for one in binary.libraries] == ["@rpath/libminiseg.dylib", "/usr/lib/libSystem.B.dylib"]
    assert binary.header.cpu_type.name == {"aarch64": "ARM64", "x86_64": "X86_64"}[row.machine]
