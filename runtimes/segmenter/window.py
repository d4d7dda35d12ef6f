"""Whether a bundle takes Hounsfield units, which commands for DICOM and NIfTI check before any work."""

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.errors import UsageError


def check_window(bundle: Bundle) -> None:
    """Raises: UsageError: it was exported without one."""
    if bundle.manifest.preprocessing.window is None:
        raise UsageError(
            "this bundle does not accept HU",
            expected="one with a window",
            got="none",
            remedy="Export again with --window LOW HIGH.",
        )
