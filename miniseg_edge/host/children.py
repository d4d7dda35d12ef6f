"""Python processes that we start: they import what is installed, never what lies in the current folder.

`python -m` puts the current folder first among the folders that modules are imported from, and so does `python -c`: a
file `numpy.py` in it would be run. Python's own `-P` is 3.11's, and `-I` would ignore PYTHONPATH, which is the user's.
"""

import sys

from miniseg_edge.errors import UsageError

_BEGIN = (
    "import sys; "  # built in: nothing is looked for in any folder
    "del sys.path[: sys.path[:1] == ['']]; "  # which is there unless Python was told to be safe
    "import importlib; "
    "sys.argv.pop(0); "
    "sys.exit(importlib.import_module(sys.argv[0]).main())"
)


def python_command(module: str, *arguments: str) -> list[str]:
    """The command that runs `module.main()` in a process of its own, which ends with what that returns.

    The current folder, the environment and whether Python reads it are as here. An entry of PYTHONPATH that is empty or
    relative means the current folder, as for every Python: that is for the user to decide.

    Args:
        module: by its full name; its `main` takes `arguments` from `sys.argv[1:]`.
        arguments: of the command line.

    Raises:
        UsageError: this program is frozen (PyInstaller and its like), so there is no Python to start.
    """
    if getattr(sys, "frozen", False):
        raise UsageError(
            "a frozen app has no Python for processes of its own", "an installed Python", "a frozen app",
            "Of an archive, --distributed in-process needs none; or run the command from a Python installation.",
        )  # fmt: skip
    return [sys.executable, *_flags(), "-c", _BEGIN, module, *arguments]


def _flags() -> list[str]:
    """How far this interpreter was told to ignore its surroundings; the child is no less careful."""
    if sys.flags.isolated:
        return ["-I"]
    return ["-E"] * sys.flags.ignore_environment + ["-s"] * sys.flags.no_user_site
