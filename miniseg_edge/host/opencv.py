"""OpenCV, with a helpful error if a system library is missing.

`opencv-python` and `opencv-python-headless` both work: nothing here opens a window.
"""

from miniseg_edge.errors import MissingDependencyError
from miniseg_edge.host.environment import environment_with

try:
    # OpenCV leaves an empty entry in it, which means the current folder to every child of this process.
    with environment_with({}, restored=("LD_LIBRARY_PATH",)):
        import cv2
except ImportError as error:
    raise MissingDependencyError(
        "OpenCV cannot be loaded",
        expected="opencv-python with its system libraries, or opencv-python-headless",
        because=str(error),
        remedy="Without a display: pip uninstall opencv-python && pip install opencv-python-headless; "
        "or on Debian and Ubuntu: apt-get install libgl1 libglib2.0-0.",
    ) from error

__all__ = ["cv2"]
