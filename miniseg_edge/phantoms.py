"""Phantoms: drawn chest-CT-like slices with COVID-like lesions, for demonstrations without patients.

A phantom is drawn in Hounsfield units and then seen through a lung window, like a real slice. It teaches
nothing about medicine: a network that does well on phantoms shows that the software works, not that it
diagnoses.

Pixels meet only additions, multiplications, divisions, square roots and comparisons, which IEEE 754 rounds
the same way everywhere; hence a seed gives the same bits on every processor. This is why circles are rational
here instead of made of sines, and why smoothing is NumPy's and not OpenCV's.

Lengths are in half-widths of the image at zoom 1; x points to the patient's left, y to the back.
"""

import argparse
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
import numpy.typing as npt

from miniseg_edge.errors import OutputError, UsageError
from miniseg_edge.files import replace_file
from miniseg_edge.opencv import cv2
from miniseg_edge.preprocessing import ByteArray, FloatArray, Window

MIN_SIDE = 32
"""Smallest height and width of a phantom; below it the lungs have no pixel left for a lesion."""

AIR_HU, FAT_HU, MUSCLE_HU, BONE_HU = -1000.0, -105.0, 45.0, 600.0

_HEALTHY = 1 / 8
_MAX_LESIONS = 5


@dataclass(frozen=True)
class Phantom:
    """A slice and the truth about it.

    Attributes:
        name: "phantom-0007" for seed 7.
        image: (H, W) uint8, grey 0..255, air dark.
        mask: (H, W) uint8, 1 where there is a lesion, otherwise 0; all 0 in about one of eight.
    """

    name: str
    image: ByteArray
    mask: ByteArray


def phantoms(count: int, *, first_seed: int = 0, size: tuple[int, int] = (512, 512)) -> list[Phantom]:
    """Phantoms of the seeds `first_seed`, `first_seed` + 1, ...; see `phantom`."""
    return [phantom(seed, size) for seed in range(first_seed, first_seed + count)]


def phantom(seed: int, size: tuple[int, int] = (512, 512)) -> Phantom:
    """Draws one phantom; the same seed and size give the same bits, always and everywhere.

    Args:
        seed: 0 or more. It fixes the anatomy at every size; only the grain differs from size to size.
        size: (height, width) in pixels.

    Raises:
        UsageError: a negative seed, or a size below 32 x 32.
    """
    if seed < 0 or min(size) < MIN_SIDE:
        raise UsageError(
            "no such phantom", f"a seed from 0 and at least {MIN_SIDE} x {MIN_SIDE} pixels", f"{seed}, {size}"
        )
    form, grain = (_Random(sequence) for sequence in np.random.SeedSequence(seed).spawn(2))
    frame = _frame(form, size)
    chest = _chest(form)
    hu = _body(form, frame, chest)
    lungs = _lungs(form, frame, chest)
    _draw_mediastinum(form, hu, frame, chest)
    mask = _fill_lungs(form, hu, frame, chest, lungs)
    _draw_bones(form, hu, frame, chest)
    return Phantom(f"phantom-{seed:04d}", _scanned(form, grain, hu, frame), mask)


# --- chance ----------------------------------------------------------------------------------------------


class _Random:
    """Random numbers from exact arithmetic only."""

    def __init__(self, sequence: np.random.SeedSequence) -> None:
        self._generator = np.random.Generator(np.random.PCG64(sequence))

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * float(self._generator.random())

    def chance(self, probability: float) -> bool:
        return self.between(0.0, 1.0) < probability

    def count(self, low: int, high: int) -> int:
        """From `low` to `high`, both included."""
        return low + int(self.between(0.0, high - low + 1.0))

    def grid(self, shape: tuple[int, int]) -> FloatArray:
        """(H, W) float32, uniform in -1..1."""
        return self._generator.random(shape, dtype=np.float32) * np.float32(2.0) - np.float32(1.0)


def _noise(random: _Random, size: tuple[int, int], cells: int) -> FloatArray:
    """Smooth noise (H, W) of mean 0 and deviation about 1: a random lattice under a cubic B-spline.

    `cells` lattice cells span the longer side, so that the features are as large at every image size.
    """
    lattice = random.grid((cells + 3, cells + 3))
    for axis, side in enumerate(size):
        position = (np.arange(side, dtype=np.float32) + np.float32(0.5)) * np.float32(cells / max(size))
        index = position.astype(np.int64)
        weights = _spline_weights(position - index.astype(np.float32))
        taps = (lattice.take(index + k, axis) * np.expand_dims(w, 1 - axis) for k, w in enumerate(weights))
        lattice = reduce(np.add, taps)
    return lattice * np.float32(3.6)  # the spline leaves 0.48 of the variance per axis, of 1/3


def _spline_weights(t: FloatArray) -> tuple[FloatArray, ...]:
    """Weights of the four lattice points around `t` in 0..1: the uniform cubic B-spline."""
    s = np.float32(1) - t
    return _far(s), _near(t), _near(s), _far(t)


def _far(t: FloatArray) -> FloatArray:
    return t * t * t / np.float32(6)


def _near(t: FloatArray) -> FloatArray:
    return t * t * (t / np.float32(2) - np.float32(1)) + np.float32(2 / 3)


def _fractal(random: _Random, size: tuple[int, int], cells: int, octaves: int) -> FloatArray:
    """Noise on several scales, each twice as fine and 0.6 times as strong as the last; deviation about 1."""
    total = _noise(random, size, cells)
    variance, strength = 1.0, 1.0
    for octave in range(1, octaves):
        strength *= 0.6
        variance += strength * strength
        total += np.float32(strength) * _noise(random, size, cells << octave)
    return total / np.float32(math.sqrt(variance))


# --- geometry --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Frame:
    """Where each pixel lies in the patient, `x` and `y` (H, W) float32, and the way back to pixels."""

    x: FloatArray
    y: FloatArray
    size: tuple[int, int]
    cos: float
    sin: float
    shift: tuple[float, float]
    pixel: float

    def around(self, x: float, y: float, radius: float) -> tuple[slice, slice]:
        """Rows and columns that hold everything within `radius` of (x, y)."""
        column = (self.cos * x - self.sin * y + self.shift[0]) / self.pixel + self.size[1] / 2
        row = (self.sin * x + self.cos * y + self.shift[1]) / self.pixel + self.size[0] / 2
        reach = radius / self.pixel + 2
        return _span(row, reach, self.size[0]), _span(column, reach, self.size[1])


def _span(centre: float, reach: float, side: int) -> slice:
    return slice(min(max(int(centre - reach), 0), side), min(max(int(centre + reach + 1), 0), side))


def _frame(random: _Random, size: tuple[int, int]) -> _Frame:
    pixel = 2.0 / min(size) / random.between(1.0, 1.22)
    cos, sin = _direction(random.between(-0.035, 0.035))
    shift = (random.between(-0.05, 0.05), random.between(-0.06, 0.03))
    u = _from_centre(size[1]) * np.float32(pixel) - np.float32(shift[0])
    v = _from_centre(size[0]) * np.float32(pixel) - np.float32(shift[1])
    x = u[None, :] * np.float32(cos) + v[:, None] * np.float32(sin)
    y = v[:, None] * np.float32(cos) - u[None, :] * np.float32(sin)
    return _Frame(x, y, size, cos, sin, shift, pixel)


def _from_centre(side: int) -> FloatArray:
    """Distances of the pixels' centres from the image's, in pixels: (side,) float32."""
    return np.arange(side, dtype=np.float32) + np.float32(0.5 - side / 2)


def _direction(t: float) -> tuple[float, float]:
    """A point of the unit circle, rational in `t`: -1 is (0, -1), 0 is (1, 0), 1 is (0, 1)."""
    return (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)


def _unit(x: float, y: float) -> tuple[float, float]:
    length = math.sqrt(x * x + y * y) or 1.0
    return x / length, y / length


@dataclass(frozen=True)
class _Ellipse:
    """Centre, half axes, and the direction of the first axis."""

    x: float
    y: float
    a: float
    b: float
    cos: float = 1.0
    sin: float = 0.0

    def norm(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """0 in the centre, 1 on the outline."""
        dx, dy = x - np.float32(self.x), y - np.float32(self.y)
        u = (dx * np.float32(self.cos) + dy * np.float32(self.sin)) / np.float32(self.a)
        v = (dy * np.float32(self.cos) - dx * np.float32(self.sin)) / np.float32(self.b)
        return np.sqrt(u * u + v * v)

    def distance(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Roughly the distance to the outline, negative inside."""
        return (self.norm(x, y) - np.float32(1)) * np.float32(min(self.a, self.b))

    def point(self, t: float, scale: float = 1.0) -> tuple[float, float]:
        """The outline's point in the direction `t` of `_direction`, in the half-plane of the first axis."""
        u, v = _direction(t)
        u, v = u * self.a * scale, v * self.b * scale
        return self.x + u * self.cos - v * self.sin, self.y + u * self.sin + v * self.cos


@dataclass(frozen=True)
class _Capsule:
    """A thick line from (x0, y0) to (x1, y1)."""

    x0: float
    y0: float
    x1: float
    y1: float
    radius: float

    def distance(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Distance to the surface, negative inside."""
        dx, dy = self.x1 - self.x0, self.y1 - self.y0
        length2 = dx * dx + dy * dy or 1.0
        px, py = x - np.float32(self.x0), y - np.float32(self.y0)
        along = np.clip((px * np.float32(dx) + py * np.float32(dy)) / np.float32(length2), 0, 1)
        px, py = px - along * np.float32(dx), py - along * np.float32(dy)
        length: FloatArray = np.sqrt(px * px + py * py)
        return length - np.float32(self.radius)


def _both(a: FloatArray, b: FloatArray, softness: float) -> FloatArray:
    """Union of two shapes given by their distances, with the crease rounded over `softness`."""
    overlap: FloatArray = np.maximum(np.float32(softness) - np.abs(a - b), 0)
    union: FloatArray = np.minimum(a, b)
    return union - overlap * overlap / np.float32(4 * softness)


def _cover(distance: FloatArray, softness: float) -> FloatArray:
    """1 inside, 0 outside, 1/2 on the outline, over an edge as wide as `softness`."""
    t: FloatArray = np.clip(np.float32(0.5) - distance / np.float32(softness), 0, 1)
    return t * t * (np.float32(3) - np.float32(2) * t)


def _paint(hu: FloatArray, cover: FloatArray, value: float | FloatArray) -> None:
    """Mixes `value` into `hu` in place."""
    hu += cover * (value - hu)


def _stamp(hu: FloatArray, frame: _Frame, shape: _Ellipse | _Capsule, value: float, softness: float = 0.0) -> None:
    """Paints a small shape in place, in its own neighbourhood only."""
    rows, columns = _neighbourhood(frame, shape)
    distance = shape.distance(frame.x[rows, columns], frame.y[rows, columns])
    _paint(hu[rows, columns], _cover(distance, max(softness, 1.5 * frame.pixel)), value)


def _neighbourhood(frame: _Frame, shape: _Ellipse | _Capsule) -> tuple[slice, slice]:
    if isinstance(shape, _Ellipse):
        return frame.around(shape.x, shape.y, 1.3 * max(shape.a, shape.b))
    reach = (abs(shape.x1 - shape.x0) + abs(shape.y1 - shape.y0)) / 2 + 1.3 * shape.radius
    return frame.around((shape.x0 + shape.x1) / 2, (shape.y0 + shape.y1) / 2, reach)


# --- anatomy ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Chest:
    """One patient at one height; `level` is 0 above the heart and 1 at its widest."""

    level: float
    body: _Ellipse
    lungs: tuple[_Ellipse, _Ellipse]
    heart: _Ellipse
    spine: _Ellipse
    septum: _Capsule
    fat: float
    wall: float


def _chest(random: _Random) -> _Chest:
    level = random.between(0.0, 1.0)
    height = random.between(0.44, 0.54)
    width = random.between(0.25, 0.31)
    back = height * random.between(0.7, 0.8)
    wall, fat = random.between(0.055, 0.085), random.between(0.03, 0.1)
    apart = width + random.between(0.07, 0.11)
    lungs = (
        _lung(random, -apart, width * random.between(1.0, 1.07), height),
        _lung(random, apart, width * random.between(0.95, 1.02), height * random.between(0.96, 1.02)),
    )
    heart = _Ellipse(
        0.02 + 0.09 * level + random.between(-0.01, 0.02),
        -0.1 + random.between(-0.03, 0.04),
        0.13 + 0.17 * level + random.between(-0.01, 0.02),
        0.24 + 0.05 * level + random.between(-0.02, 0.02),
        *_direction(random.between(0.0, 0.2)),
    )
    middle = random.between(-0.01, 0.01)
    spine = _Ellipse(middle, back, random.between(0.1, 0.125), random.between(0.085, 0.105))
    septum = _Capsule(0.0, -height, spine.x, back + 0.2, random.between(0.02, 0.05))
    body = _Ellipse(0.0, 0.02, apart + width + wall + 1.3 * fat + 0.05, height + wall + fat + 0.05)
    return _Chest(level, body, lungs, heart, spine, septum, fat, wall)


def _lung(random: _Random, x: float, a: float, b: float) -> _Ellipse:
    """A lung leans: its front is nearer to the midline than its back."""
    cos, sin = _direction(random.between(0.04, 0.09))
    # The first axis points outwards, so that `_Ellipse.point` walks along the ribs.
    return _Ellipse(x, random.between(-0.02, 0.02), a, b, *((cos, -sin) if x > 0 else (-cos, -sin)))


def _thorax(frame: _Frame, chest: _Chest) -> FloatArray:
    """Distance to the rib cage's inside, negative in lungs and mediastinum."""
    left, right = (lung.distance(frame.x, frame.y) for lung in chest.lungs)
    return _both(_both(left, right, 0.15), chest.heart.distance(frame.x, frame.y), 0.1)


def _torso(frame: _Frame, body: _Ellipse) -> FloatArray:
    """Distance to a torso's outline, boxier than an ellipse: between the norms of degree 2 and 4."""
    u = (frame.x - np.float32(body.x)) / np.float32(body.a)
    v = (frame.y - np.float32(body.y)) / np.float32(body.b)
    u, v = u * u, v * v
    norm: FloatArray = np.float32(0.45) * np.sqrt(np.sqrt(u * u + v * v)) + np.float32(0.55) * np.sqrt(u + v)
    return (norm - np.float32(1)) * np.float32(body.b)


def _body(random: _Random, frame: _Frame, chest: _Chest) -> FloatArray:
    """(H, W) float32 HU: air, table, skin, fat, muscle, and fat between the lungs."""
    hu = np.full(frame.size, AIR_HU, dtype=np.float32)
    if random.chance(0.7):
        _draw_table(random, hu, frame, chest)
    outline = _torso(frame, chest.body) + np.float32(0.008) * _noise(random, frame.size, 5)
    _paint(hu, _cover(outline, 1.5 * frame.pixel), MUSCLE_HU - 20)
    fatty = np.float32(FAT_HU) + np.float32(9) * _fractal(random, frame.size, 12, 3)
    _paint(hu, _cover(outline + np.float32(0.012), 0.008), fatty)
    wobble = _fractal(random, frame.size, 7, 3)
    muscle = _both(_thorax(frame, chest) - np.float32(chest.wall), _muscles(random, frame, chest), 0.04)
    muscle = np.maximum(muscle + np.float32(0.012) * wobble, outline + np.float32(0.02))
    strands = np.float32(MUSCLE_HU) + np.float32(12) * _fractal(random, frame.size, 16, 3)
    seams = _cover(np.abs(_noise(random, frame.size, 11)) - np.float32(0.1), 0.12)
    _paint(strands, np.float32(0.8) * seams, FAT_HU)
    _paint(hu, _cover(muscle, 0.012), strands)
    return hu


def _muscles(random: _Random, frame: _Frame, chest: _Chest) -> FloatArray:
    """Distance to the muscles that lie on the rib cage: back, chest and flanks."""
    reach = chest.lungs[1].x + chest.lungs[1].a
    top, back = chest.lungs[1].y - chest.lungs[1].b, chest.spine.y
    total = np.full(frame.size, 9.0, dtype=np.float32)
    for side in (-1.0, 1.0):
        for x, y, a, b in (
            (0.14, back + 0.12, 0.13, 0.075),
            (0.36, top + 0.02, 0.24, 0.06),
            (0.62 * reach, back + 0.06, 0.2, 0.06),
        ):
            size = random.between(0.9, 1.15)
            total = np.minimum(total, _Ellipse(side * x, y, a * size, b * size).distance(frame.x, frame.y))
    return total


def _draw_table(random: _Random, hu: FloatArray, frame: _Frame, chest: _Chest) -> None:
    """Two arcs of carbon fibre with foam between them, under the back."""
    sag = random.between(0.1, 0.25)
    depth = frame.y - np.float32(chest.body.y + chest.body.b + random.between(0.015, 0.04))
    depth = depth + np.float32(sag) * frame.x * frame.x
    thick = random.between(0.06, 0.12)
    foam = np.abs(depth - np.float32(thick / 2)) - np.float32(thick / 2)
    _paint(hu, _cover(foam, 1.5 * frame.pixel), -930.0)
    _paint(hu, _cover(np.abs(foam) - np.float32(0.004), 1.5 * frame.pixel), random.between(-350.0, 0.0))


def _lungs(random: _Random, frame: _Frame, chest: _Chest) -> FloatArray:
    """Distance to the outline of both lungs, negative inside: ellipses, less what lies between them."""
    left, right = (lung.distance(frame.x, frame.y) for lung in chest.lungs)
    spine = _Ellipse(chest.spine.x, chest.spine.y + 0.02, chest.spine.a + 0.035, chest.spine.b + 0.045)
    between = _both(chest.heart.distance(frame.x, frame.y), chest.septum.distance(frame.x, frame.y), 0.12)
    between = _both(between, spine.distance(frame.x, frame.y), 0.1)
    between += np.float32(0.007) * _noise(random, frame.size, 14)
    outside = np.minimum(left, right) + np.float32(0.004) * _noise(random, frame.size, 10)
    return -_both(-outside, between, 0.05)


def _draw_mediastinum(random: _Random, hu: FloatArray, frame: _Frame, chest: _Chest) -> None:
    """Heart or great vessels, aorta, gullet, windpipe or bronchi."""
    heart = chest.heart
    blood = MUSCLE_HU + random.between(-5.0, 60.0)
    wobble = np.float32(0.012) * _noise(random, frame.size, 12)
    inside = heart.distance(frame.x, frame.y) + np.float32(0.02) + wobble
    _paint(hu, _cover(inside, 0.015), np.float32(blood) + np.float32(8) * _noise(random, frame.size, 10))
    arch = random.between(0.045, 0.06)
    _stamp(hu, frame, _Ellipse(chest.spine.x + 0.1, chest.spine.y - 0.13, arch, arch), blood, 0.01)
    _stamp(hu, frame, _Ellipse(chest.spine.x + 0.01, chest.spine.y - 0.14, 0.03, 0.02), MUSCLE_HU, 0.01)
    height = heart.y + heart.b * random.between(0.5, 0.7)
    if chest.level < 0.4:
        _draw_airway(hu, frame, random.between(-0.01, 0.02), height, random.between(0.036, 0.048))
    elif chest.level < 0.75:
        for side in (-1.0, 1.0):
            _draw_airway(hu, frame, side * random.between(0.06, 0.09), height, random.between(0.024, 0.034))


def _draw_airway(hu: FloatArray, frame: _Frame, x: float, y: float, radius: float) -> None:
    _stamp(hu, frame, _Ellipse(x, y, radius * 1.25, radius * 1.3), MUSCLE_HU)
    _stamp(hu, frame, _Ellipse(x, y, radius, radius * 1.08), AIR_HU)


def _draw_bones(random: _Random, hu: FloatArray, frame: _Frame, chest: _Chest) -> None:
    """Ribs, breastbone, vertebra: dense shells around marrow."""
    for lung in chest.lungs:
        count = random.count(5, 7)
        for index in range(count):
            t = -0.88 + 1.7 * (index + random.between(0.25, 0.75)) / count
            half = random.between(0.02, 0.035) + 0.05 * random.between(0.0, 1.0)
            _draw_bone(hu, frame, _rib(random, lung, t, half), random.between(120.0, 260.0))
    top = min(lung.y - lung.b for lung in chest.lungs)
    breastbone = _Ellipse(0.0, top + 0.005, random.between(0.07, 0.1), random.between(0.026, 0.034))
    _draw_bone(hu, frame, breastbone, 220.0)
    _draw_vertebra(random, hu, frame, chest.spine)


def _draw_vertebra(random: _Random, hu: FloatArray, frame: _Frame, body: _Ellipse) -> None:
    """Its body, and behind it the canal amid the transverse processes, the arch and the spinous one."""
    x, behind = body.x, body.y + body.b + 0.035
    for side in (-1.0, 1.0):
        tip = x + side * random.between(0.15, 0.19)
        _draw_bone(hu, frame, _Capsule(x + side * 0.07, behind - 0.03, tip, behind + 0.02, 0.02), 250.0)
        _draw_bone(hu, frame, _Capsule(x + side * 0.06, behind, x, behind + 0.05, 0.016), 300.0)
    _draw_bone(hu, frame, _Capsule(x, behind + 0.05, x, behind + random.between(0.08, 0.13), 0.014), 300.0)
    _draw_bone(hu, frame, body, 180.0)
    _stamp(hu, frame, _Ellipse(x, behind, 0.045, 0.034), 30.0, 0.01)


def _rib(random: _Random, lung: _Ellipse, t: float, half: float) -> _Capsule:
    """A rib cut at a slant, along the wall: from one point beside the lung to another."""
    scale = 1.0 + 0.034 / lung.a
    start, end = lung.point(t - 1.3 * half, scale), lung.point(t + 1.3 * half, scale)
    return _Capsule(*start, *end, random.between(0.017, 0.024))


def _draw_bone(hu: FloatArray, frame: _Frame, shape: _Ellipse | _Capsule, marrow: float) -> None:
    _stamp(hu, frame, shape, BONE_HU)
    shell = 0.009
    core = (
        _Capsule(shape.x0, shape.y0, shape.x1, shape.y1, shape.radius - shell)
        if isinstance(shape, _Capsule)
        else _Ellipse(shape.x, shape.y, shape.a - shell, shape.b - shell)
    )
    _stamp(hu, frame, core, marrow, 0.008)


# --- lungs -----------------------------------------------------------------------------------------------


def _fill_lungs(random: _Random, hu: FloatArray, frame: _Frame, chest: _Chest, outline: FloatArray) -> ByteArray:
    """Paints the lungs with their vessels and lesions; returns the lesions' mask."""
    air = random.between(-890.0, -835.0)
    gravity = random.between(20.0, 70.0)
    tissue = np.float32(air) + np.float32(gravity) * frame.y
    tissue += np.float32(11) * _fractal(random, frame.size, 6, 2)
    tissue += np.float32(16) * _fractal(random, frame.size, 48, 3)
    mask = _draw_lesions(random, tissue, frame, chest, outline)
    vessels = _vessels(random, frame, chest, outline)
    np.maximum(tissue, tissue + vessels * (np.float32(MUSCLE_HU + 15) - tissue), out=tissue)
    _paint(hu, _cover(outline, 0.008), tissue)
    return mask


def _vessels(random: _Random, frame: _Frame, chest: _Chest, outline: FloatArray) -> FloatArray:
    """(H, W) float32, 0..1: how much of each pixel is vessel."""
    total = np.zeros(frame.size, dtype=np.float32)
    for lung in chest.lungs:
        for branch in (*_tree(random, lung, chest), *_crossings(random, lung)):
            strength = min(1.0, 0.35 + branch.radius / 0.009) * random.between(0.75, 1.0)
            rows, columns = _neighbourhood(frame, branch)
            distance = branch.distance(frame.x[rows, columns], frame.y[rows, columns])
            cover = np.float32(strength) * _cover(distance, max(1.5 * branch.radius, 1.5 * frame.pixel))
            np.maximum(total[rows, columns], cover, out=total[rows, columns])
    return total * _cover(outline + np.float32(0.02), 0.02)


def _tree(random: _Random, lung: _Ellipse, chest: _Chest) -> Iterator[_Capsule]:
    """Vessels along the slice: from the hilum outwards, forking and thinning, out of the slice and back."""
    outwards = 1.0 if lung.x > 0 else -1.0
    hilum = chest.heart.x + outwards * (chest.heart.a * 0.8 + 0.02)
    twigs = []
    for index in range(random.count(4, 7)):
        t = -0.9 + 1.8 * (index + random.between(0.0, 1.0)) / 7
        u, v = _direction(t)
        start = (hilum, 0.04 + 0.16 * t + random.between(-0.04, 0.04))
        twigs.append((*start, outwards * u, v, random.between(0.008, 0.017), random.chance(0.6)))
    while twigs:
        x, y, u, v, radius, visible = twigs.pop()
        u, v = _unit(u + random.between(-0.45, 0.45), v + random.between(-0.45, 0.45))
        length = random.between(0.025, 0.06)
        end = (x + u * length, y + v * length)
        if radius < 0.0026 or abs(end[0] - lung.x) > lung.a or abs(end[1] - lung.y) > lung.b:
            continue
        if visible:
            yield _Capsule(x, y, *end, radius)
        visible = random.chance(0.7 if visible else 0.15)
        if random.chance(0.4):
            turn = random.between(0.5, 1.0) * (1 if random.chance(0.5) else -1)
            side = _unit(u - turn * v, v + turn * u)
            twigs.append((*end, *side, radius * random.between(0.5, 0.75), random.chance(0.5)))
        twigs.append((*end, u, v, radius * random.between(0.78, 0.92), visible))


def _crossings(random: _Random, lung: _Ellipse) -> Iterator[_Capsule]:
    """Vessels that cross the slice, seen as spots; thinner towards the pleura."""
    for _ in range(random.count(60, 110)):
        t, depth = random.between(-1.0, 1.0), math.sqrt(random.between(0.0, 0.92))
        x, y = lung.point(t, depth)
        if random.chance(0.45):
            x = 2 * lung.x - x
        thin = random.between(0.0, 1.0)
        radius = 0.003 + 0.012 * thin * thin * thin * (1.1 - depth)
        u, v = random.between(-1.0, 1.0), random.between(-1.0, 1.0)
        stretch = random.between(0.0, 2.5) * radius
        yield _Capsule(x, y, x + u * stretch, y + v * stretch, radius)


@dataclass(frozen=True)
class _Lesion:
    """One patch: its ellipse before the outline is roughened, its density and its edge."""

    ellipse: _Ellipse
    density_hu: float
    softness: float
    paving_hu: float


def _draw_lesions(random: _Random, tissue: FloatArray, frame: _Frame, chest: _Chest, outline: FloatArray) -> ByteArray:
    """Paints the lesions into the lung tissue in place; returns their mask (H, W) uint8 of 0 and 1."""
    mask = np.zeros(frame.size, dtype=np.uint8)
    roughness = np.clip(np.float32(0.33) * _fractal(random, frame.size, 11, 4), -0.8, 0.8)
    texture = np.float32(0.97) + np.float32(0.2) * _fractal(random, frame.size, 22, 4)
    paving = _cover(np.abs(_noise(random, frame.size, 64)) - np.float32(0.12), 0.3)
    lungs = outline < -0.003
    places = _places(frame, chest, outline < -max(0.012, 1.5 * frame.pixel))
    count = 0 if random.chance(_HEALTHY) else random.count(1, _MAX_LESIONS)
    for _ in range(count):
        lesion = _lesion(random, frame, chest, places)
        here = frame.around(lesion.ellipse.x, lesion.ellipse.y, 1.85 * lesion.ellipse.a)
        rough = lesion.ellipse.norm(frame.x[here], frame.y[here]) - 1 + roughness[here]
        cover = _cover(rough, lesion.softness) * texture[here]
        density = np.float32(lesion.density_hu) + np.float32(lesion.paving_hu) * paving[here]
        patch = tissue[here] + cover * (density - tissue[here])
        np.maximum(tissue[here], patch, out=tissue[here])
        mask[here] |= (rough < 0) & lungs[here]
    return mask


def _places(frame: _Frame, chest: _Chest, lungs: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """(H, W) weight of each pixel as a lesion's centre, 0 outside `lungs`: near the ribs, rather at the back."""
    left, right = (lung.distance(frame.x, frame.y) for lung in chest.lungs)
    ribs = np.minimum(left, right) / np.float32(0.05)
    weight = np.float32(1) / (np.float32(1) + ribs * ribs) + np.float32(0.04)
    weight *= np.clip(np.float32(0.7) + frame.y, 0.2, 1.2)
    # Whole numbers, because only they add up to the same sum in every order.
    return np.where(lungs, weight * 10_000 + 1, 0).astype(np.int64)


def _drawn(random: _Random, weights: npt.NDArray[np.int64]) -> int:
    """An index, by weight."""
    total = np.cumsum(weights)
    return int(np.searchsorted(total, int(total[-1] * random.between(0.0, 1.0)), side="right"))


def _lesion(random: _Random, frame: _Frame, chest: _Chest, places: npt.NDArray[np.int64]) -> _Lesion:
    """A patch of ground glass or, one in five, a dense consolidation; large ones lie along the pleura."""
    # First the row, then the column: pixel by pixel, a finer grid would move the lesion sideways.
    row = _drawn(random, places.sum(axis=1))
    column = _drawn(random, places[row])
    x, y = float(frame.x[row, column]), float(frame.y[row, column])
    lung = chest.lungs[0] if x < chest.heart.x else chest.lungs[1]
    u, v = _unit((x - lung.x) / (lung.a * lung.a), (y - lung.y) / (lung.b * lung.b))
    wide = random.between(0.0, 1.0)
    radius = 0.02 + 0.27 * wide * wide
    slim = random.between(0.45, 0.95)
    ellipse = _Ellipse(x, y, radius, radius * slim, -v, u)
    softness = max(random.between(0.3, 0.7), 2.0 * frame.pixel / (radius * slim))
    if random.chance(0.2):
        return _Lesion(ellipse, random.between(-280.0, -60.0), softness, 0.0)
    paving = random.between(80.0, 200.0) if random.chance(0.4) else 0.0
    return _Lesion(ellipse, random.between(-640.0, -400.0), softness, paving)


# --- scanner ---------------------------------------------------------------------------------------------


def _scanned(form: _Random, grain: _Random, hu: FloatArray, frame: _Frame) -> ByteArray:
    """(H, W) HU -> (H, W) uint8 grey: blur, noise, the round field of view, the lung window."""
    deviation_hu = form.between(14.0, 42.0)
    window = Window(form.between(-1200.0, -1080.0), form.between(150.0, 350.0))
    hu = _blurred(hu)
    hu += np.float32(deviation_hu) * _grain(grain, frame.size)
    if form.chance(0.4):
        v, u = _from_centre(frame.size[0])[:, None], _from_centre(frame.size[1])[None, :]
        hu = np.where(u * u + v * v > np.float32(min(frame.size) ** 2 / 4), window.low_hu, hu)
    return np.rint(window.grey_from_hu(hu)).astype(np.uint8)


def _grain(random: _Random, size: tuple[int, int]) -> FloatArray:
    """Noise of deviation about 1 from pixel to pixel, slightly correlated like a reconstruction's."""
    white = random.grid(size) + random.grid(size) + random.grid(size)
    return _blurred(white) * np.float32(8 / 3)  # the blur leaves (3 / 8)^2 of the variance, which was 1


def _blurred(image: FloatArray) -> FloatArray:
    """Binomial blur (1 2 1) / 4 along both axes; edges are repeated."""
    for axis in (0, 1):
        index = np.arange(image.shape[axis])
        before, after = image.take(index - 1, axis, mode="clip"), image.take(index + 1, axis, mode="clip")
        image = (before + after + image + image) * np.float32(0.25)
    return image


# --- command ---------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """`python -m miniseg_edge.phantoms DIR`: writes DIR/images/NAME.png and DIR/masks/NAME.png (0 or 255)."""
    parser = argparse.ArgumentParser(
        prog="python -m miniseg_edge.phantoms", description="Draws chest-CT-like slices with lesions."
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="gets images/NAME.png and masks/NAME.png")
    parser.add_argument("--count", metavar="N", type=int, default=16, help="how many (default: 16)")
    parser.add_argument("--first-seed", metavar="S", type=int, default=0, help="the first one's (default: 0)")
    options = parser.parse_args(arguments)
    write_phantoms(options.folder, range(options.first_seed, options.first_seed + options.count))


def write_phantoms(folder: Path, seeds: Iterable[int]) -> None:
    """Writes images/NAME.png and masks/NAME.png (0 or 255) for each seed. Raises: OutputError."""
    for seed in seeds:
        drawn = phantom(seed)
        replace_file(folder / "images" / f"{drawn.name}.png", _png(drawn.image))
        replace_file(folder / "masks" / f"{drawn.name}.png", _png(drawn.mask * 255))


def _png(image: ByteArray) -> bytes:
    encoded, data = cv2.imencode(".png", image)
    if not encoded:
        raise OutputError("a phantom cannot be encoded", "OpenCV with PNG support")
    return bytes(data)


if __name__ == "__main__":
    main()
