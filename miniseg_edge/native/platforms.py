"""Builds libminiseg for every platform: `python -m miniseg_edge.native.platforms FOLDER [--platform NAME]...`.

FOLDER/NAME gets the library and the header, and for Windows the import library; `make platforms` makes the wheels. The
compiler is that of the package `ziglang`: one version makes the same bytes on every machine. The first build takes
minutes per platform, because zig compiles its own C and C++ libraries and caches them.
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from miniseg_edge.console.commands import FAILED, Parser
from miniseg_edge.native.build import SOURCES, BuildError, build, zig
from miniseg_edge.native.platform_table import PLATFORMS, Platform, platform_named


def built(row: Platform, folder: Path) -> Path:
    """Builds a platform's library in a folder, with the header; returns its path. Raises: BuildError."""
    library = build(folder, zig(row.target), machine=row.machine, system=row.system)
    shutil.copyfile(SOURCES / "miniseg.h", folder / "miniseg.h")
    return library


def main(arguments: Sequence[str] | None = None) -> int:
    """Builds the requested platforms, and prints path and size of each library."""
    names = [row.name for row in PLATFORMS]
    parser = Parser(
        prog="python -m miniseg_edge.native.platforms",
        description="libminiseg for other platforms.",
        examples=("python -m miniseg_edge.native.platforms build/platforms",),
    )
    parser.add_argument("folder", type=Path, help="gets a folder for each platform")
    parser.add_argument("--platform", action="append", choices=names, help="one of them; all, if none is named")
    parsed = parser.parse_args(arguments)
    try:
        for name in parsed.platform or names:
            library = built(platform_named(name), parsed.folder / name)
            sys.stdout.write(f"{library}: {library.stat().st_size:,} bytes\n")
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
