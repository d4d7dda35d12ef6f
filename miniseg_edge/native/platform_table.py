"""The platforms that libminiseg can be cross-compiled for, one row each.

It imports nothing of the package, because setup.py reads it too.
"""

from dataclasses import dataclass

X86_64, AARCH64 = "x86_64", "aarch64"


@dataclass(frozen=True)
class Platform:
    """A platform.

    Attributes:
        name: the value of `--platform`.
        system: "linux", "win32" or "darwin", as `build.LIBRARIES` has them.
        machine: its processor.
        target: zig's name, with the oldest supported glibc or macOS.
        wheel: its platform tag in a wheel's name.
        run_by: the program that runs its binaries on Linux on x86-64; None if there is none.
    """

    name: str
    system: str
    machine: str
    target: str
    wheel: str
    run_by: tuple[str, ...] | None


# aarch64's C library comes with Debian's libc6-arm64-cross; programs of musl are linked statically, and need none.
_ARM_GLIBC = ("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu")

PLATFORMS = (
    Platform("linux-x86_64", "linux", X86_64, "x86_64-linux-gnu.2.17", "manylinux2014_x86_64", ()),
    Platform("linux-aarch64", "linux", AARCH64, "aarch64-linux-gnu.2.17", "manylinux2014_aarch64", _ARM_GLIBC),
    Platform("musl-x86_64", "linux", X86_64, "x86_64-linux-musl", "musllinux_1_2_x86_64", ()),
    Platform("musl-aarch64", "linux", AARCH64, "aarch64-linux-musl", "musllinux_1_2_aarch64", ("qemu-aarch64",)),
    Platform("windows-x86_64", "win32", X86_64, "x86_64-windows-gnu", "win_amd64", ("/usr/lib/wine/wine64",)),
    Platform("macos-arm64", "darwin", AARCH64, "aarch64-macos.11.0", "macosx_11_0_arm64", None),
    Platform("macos-x86_64", "darwin", X86_64, "x86_64-macos.11.0", "macosx_11_0_x86_64", None),
)


def platform_named(name: str) -> Platform:
    """A row. Raises: KeyError if there is none."""
    return {row.name: row for row in PLATFORMS}[name]
