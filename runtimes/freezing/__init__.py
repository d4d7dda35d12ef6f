"""For PyInstaller, which finds this by its entry point: what an app that imports this package needs.

Runtimes, libminiseg and the recorded versions are looked up by name at run time, so PyInstaller cannot see them.
"""

from pathlib import Path


def hook_dirs() -> list[str]:
    """Folders of hooks (entry point group `pyinstaller40`)."""
    return [str(Path(__file__).parent)]
