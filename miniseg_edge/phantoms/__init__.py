"""Phantoms: drawn chest-CT-like slices with COVID-like lesions, for demonstrations without patients.

A phantom is drawn in Hounsfield units and then seen through a lung window, like a real slice. It teaches
nothing about medicine: a network that does well on phantoms shows that the software works, not that it
diagnoses.

The arithmetic of pixels is limited to additions, multiplications, divisions, square roots and comparisons, which IEEE
754 rounds the same way everywhere. So a seed gives the same bits on every processor. This is why circles are rational
functions instead of sines, and why smoothing uses NumPy and not OpenCV.

Lengths are in half-widths of the image at zoom 1; x points to the patient's left, y to the back.
"""

from miniseg_edge.phantoms.command import main, write_phantoms
from miniseg_edge.phantoms.phantom import MIN_SIDE, Phantom, phantom, phantoms

__all__ = ["MIN_SIDE", "Phantom", "main", "phantom", "phantoms", "write_phantoms"]
