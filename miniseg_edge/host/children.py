"""Python subprocesses that import what is installed, never what is in the current folder.

`python -m` and `python -c` put the current folder first on the module search path: a file `numpy.py` in it would be
run. Python's own `-P` needs 3.11, and `-I` would ignore PYTHONPATH, which belongs to the user.
"""

import sys

from miniseg_edge.errors import UsageError

_BEGIN = (
    "import sys; "  # built-in modules, which are not searched for
    "del sys.path[: sys.path[:1] == ['']]; "  # which is present unless Python runs in safe mode
    "import importlib; "
    "sys.argv.pop(0); "
    "sys.exit(importlib.import_module(sys.argv[0]).main())"
)


def python_command(module: str, *arguments: str) -> list[str]:
    """The command that runs `module.main()` in a new process, which exits with its return value.

    The current folder, the environment and whether Python reads it are inherited. An empty or relative entry of
    PYTHONPATH means the current folder, as in every Python: that is the user's decision.

    Args:
        module: by its full name; its `main` takes `arguments` from `sys.argv[1:]`.
        arguments: of the command line.

    Raises:
        UsageError: this program is frozen (by PyInstaller or similar), so there is no Python to start.
    """
    if getattr(sys, "frozen", False):
        raise UsageError(
            "a frozen application cannot start Python processes", expected="an installed Python", got="a frozen app",
            remedy="Use --distributed in-process, or run the command from a Python installation.",
        )  # fmt: skip
    return [sys.executable, *_flags(), "-c", _BEGIN, module, *arguments]


def _flags() -> list[str]:
    """The isolation options of this interpreter, which the child inherits."""
    if sys.flags.isolated:
        return ["-I"]
    return ["-E"] * sys.flags.ignore_environment + ["-s"] * sys.flags.no_user_site
