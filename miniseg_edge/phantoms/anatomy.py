"""One chest at one height: what surrounds the lungs."""

from dataclasses import dataclass

import numpy as np

from miniseg_edge.phantoms.chance import Random, fractal, noise
from miniseg_edge.phantoms.frame import Frame
from miniseg_edge.phantoms.painting import AIR_HU, BONE_HU, FAT_HU, MUSCLE_HU, cover_of, paint, stamp
from miniseg_edge.phantoms.shapes import Capsule, Ellipse, both, direction
from miniseg_edge.slices.preprocessing import FloatArray


@dataclass(frozen=True)
class Chest:
    """One patient at one height; `level` is 0 above the heart and 1 at its widest."""

    level: float
    body: Ellipse
    lungs: tuple[Ellipse, Ellipse]
    heart: Ellipse
    spine: Ellipse
    septum: Capsule
    fat: float
    wall: float


def random_chest(random: Random) -> Chest:
    """Some patient, somewhere between the neck and the diaphragm."""
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
    heart = Ellipse(
        0.02 + 0.09 * level + random.between(-0.01, 0.02),
        -0.1 + random.between(-0.03, 0.04),
        0.13 + 0.17 * level + random.between(-0.01, 0.02),
        0.24 + 0.05 * level + random.between(-0.02, 0.02),
        *direction(random.between(0.0, 0.2)),
    )
    middle = random.between(-0.01, 0.01)
    spine = Ellipse(middle, back, random.between(0.1, 0.125), random.between(0.085, 0.105))
    septum = Capsule(0.0, -height, spine.x, back + 0.2, random.between(0.02, 0.05))
    body = Ellipse(0.0, 0.02, apart + width + wall + 1.3 * fat + 0.05, height + wall + fat + 0.05)
    return Chest(level, body, lungs, heart, spine, septum, fat, wall)


def _lung(random: Random, x: float, a: float, b: float) -> Ellipse:
    """A lung leans: its front is nearer to the midline than its back."""
    cos, sin = direction(random.between(0.04, 0.09))
    # The first axis points outwards, so that `Ellipse.point` walks along the ribs.
    return Ellipse(x, random.between(-0.02, 0.02), a, b, *((cos, -sin) if x > 0 else (-cos, -sin)))


def _thorax(frame: Frame, chest: Chest) -> FloatArray:
    """Distance to the rib cage's inside, negative in lungs and mediastinum."""
    left, right = (lung.distance(frame.x, frame.y) for lung in chest.lungs)
    return both(both(left, right, 0.15), chest.heart.distance(frame.x, frame.y), 0.1)


def _torso(frame: Frame, body: Ellipse) -> FloatArray:
    """Distance to a torso's outline, boxier than an ellipse: between the norms of degree 2 and 4."""
    u = (frame.x - np.float32(body.x)) / np.float32(body.a)
    v = (frame.y - np.float32(body.y)) / np.float32(body.b)
    u, v = u * u, v * v
    norm: FloatArray = np.float32(0.45) * np.sqrt(np.sqrt(u * u + v * v)) + np.float32(0.55) * np.sqrt(u + v)
    return (norm - np.float32(1)) * np.float32(body.b)


def draw_body(random: Random, frame: Frame, chest: Chest) -> FloatArray:
    """(H, W) float32 HU: air, table, skin, fat, muscle, and fat between the lungs."""
    hu = np.full(frame.size, AIR_HU, dtype=np.float32)
    if random.chance(0.7):
        _draw_table(random, hu, frame, chest)
    outline = _torso(frame, chest.body) + np.float32(0.008) * noise(random, frame.size, 5)
    paint(hu, cover_of(outline, 1.5 * frame.pixel), MUSCLE_HU - 20)
    fatty = np.float32(FAT_HU) + np.float32(9) * fractal(random, frame.size, 12, 3)
    paint(hu, cover_of(outline + np.float32(0.012), 0.008), fatty)
    wobble = fractal(random, frame.size, 7, 3)
    muscle = both(_thorax(frame, chest) - np.float32(chest.wall), _muscles(random, frame, chest), 0.04)
    muscle = np.maximum(muscle + np.float32(0.012) * wobble, outline + np.float32(0.02))
    strands = np.float32(MUSCLE_HU) + np.float32(12) * fractal(random, frame.size, 16, 3)
    seams = cover_of(np.abs(noise(random, frame.size, 11)) - np.float32(0.1), 0.12)
    paint(strands, np.float32(0.8) * seams, FAT_HU)
    paint(hu, cover_of(muscle, 0.012), strands)
    return hu


def _muscles(random: Random, frame: Frame, chest: Chest) -> FloatArray:
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
            total = np.minimum(total, Ellipse(side * x, y, a * size, b * size).distance(frame.x, frame.y))
    return total


def _draw_table(random: Random, hu: FloatArray, frame: Frame, chest: Chest) -> None:
    """Two arcs of carbon fibre with foam between them, under the back."""
    sag = random.between(0.1, 0.25)
    depth = frame.y - np.float32(chest.body.y + chest.body.b + random.between(0.015, 0.04))
    depth = depth + np.float32(sag) * frame.x * frame.x
    thick = random.between(0.06, 0.12)
    foam = np.abs(depth - np.float32(thick / 2)) - np.float32(thick / 2)
    paint(hu, cover_of(foam, 1.5 * frame.pixel), -930.0)
    paint(hu, cover_of(np.abs(foam) - np.float32(0.004), 1.5 * frame.pixel), random.between(-350.0, 0.0))


def lungs_outline(random: Random, frame: Frame, chest: Chest) -> FloatArray:
    """Distance to the outline of both lungs, negative inside: ellipses, less what lies between them."""
    left, right = (lung.distance(frame.x, frame.y) for lung in chest.lungs)
    spine = Ellipse(chest.spine.x, chest.spine.y + 0.02, chest.spine.a + 0.035, chest.spine.b + 0.045)
    between = both(chest.heart.distance(frame.x, frame.y), chest.septum.distance(frame.x, frame.y), 0.12)
    between = both(between, spine.distance(frame.x, frame.y), 0.1)
    between += np.float32(0.007) * noise(random, frame.size, 14)
    outside = np.minimum(left, right) + np.float32(0.004) * noise(random, frame.size, 10)
    return -both(-outside, between, 0.05)


def draw_mediastinum(random: Random, hu: FloatArray, frame: Frame, chest: Chest) -> None:
    """Heart or great vessels, aorta, gullet, windpipe or bronchi."""
    heart = chest.heart
    blood = MUSCLE_HU + random.between(-5.0, 60.0)
    wobble = np.float32(0.012) * noise(random, frame.size, 12)
    inside = heart.distance(frame.x, frame.y) + np.float32(0.02) + wobble
    paint(hu, cover_of(inside, 0.015), np.float32(blood) + np.float32(8) * noise(random, frame.size, 10))
    arch = random.between(0.045, 0.06)
    stamp(hu, frame, Ellipse(chest.spine.x + 0.1, chest.spine.y - 0.13, arch, arch), blood, 0.01)
    stamp(hu, frame, Ellipse(chest.spine.x + 0.01, chest.spine.y - 0.14, 0.03, 0.02), MUSCLE_HU, 0.01)
    height = heart.y + heart.b * random.between(0.5, 0.7)
    if chest.level < 0.4:
        _draw_airway(hu, frame, random.between(-0.01, 0.02), height, random.between(0.036, 0.048))
    elif chest.level < 0.75:
        for side in (-1.0, 1.0):
            _draw_airway(hu, frame, side * random.between(0.06, 0.09), height, random.between(0.024, 0.034))


def _draw_airway(hu: FloatArray, frame: Frame, x: float, y: float, radius: float) -> None:
    stamp(hu, frame, Ellipse(x, y, radius * 1.25, radius * 1.3), MUSCLE_HU)
    stamp(hu, frame, Ellipse(x, y, radius, radius * 1.08), AIR_HU)


def draw_bones(random: Random, hu: FloatArray, frame: Frame, chest: Chest) -> None:
    """Ribs, breastbone, vertebra: dense shells around marrow."""
    for lung in chest.lungs:
        count = random.count(5, 7)
        for index in range(count):
            t = -0.88 + 1.7 * (index + random.between(0.25, 0.75)) / count
            half = random.between(0.02, 0.035) + 0.05 * random.between(0.0, 1.0)
            _draw_bone(hu, frame, _rib(random, lung, t, half), random.between(120.0, 260.0))
    top = min(lung.y - lung.b for lung in chest.lungs)
    breastbone = Ellipse(0.0, top + 0.005, random.between(0.07, 0.1), random.between(0.026, 0.034))
    _draw_bone(hu, frame, breastbone, 220.0)
    _draw_vertebra(random, hu, frame, chest.spine)


def _draw_vertebra(random: Random, hu: FloatArray, frame: Frame, body: Ellipse) -> None:
    """Its body, and behind it the canal amid the transverse processes, the arch and the spinous one."""
    x, behind = body.x, body.y + body.b + 0.035
    for side in (-1.0, 1.0):
        tip = x + side * random.between(0.15, 0.19)
        _draw_bone(hu, frame, Capsule(x + side * 0.07, behind - 0.03, tip, behind + 0.02, 0.02), 250.0)
        _draw_bone(hu, frame, Capsule(x + side * 0.06, behind, x, behind + 0.05, 0.016), 300.0)
    _draw_bone(hu, frame, Capsule(x, behind + 0.05, x, behind + random.between(0.08, 0.13), 0.014), 300.0)
    _draw_bone(hu, frame, body, 180.0)
    stamp(hu, frame, Ellipse(x, behind, 0.045, 0.034), 30.0, 0.01)


def _rib(random: Random, lung: Ellipse, t: float, half: float) -> Capsule:
    """A rib cut at a slant, along the wall: from one point beside the lung to another."""
    scale = 1.0 + 0.034 / lung.a
    start, end = lung.point(t - 1.3 * half, scale), lung.point(t + 1.3 * half, scale)
    return Capsule(*start, *end, random.between(0.017, 0.024))


def _draw_bone(hu: FloatArray, frame: Frame, shape: Ellipse | Capsule, marrow: float) -> None:
    stamp(hu, frame, shape, BONE_HU)
    shell = 0.009
    core = (
        Capsule(shape.x0, shape.y0, shape.x1, shape.y1, shape.radius - shell)
        if isinstance(shape, Capsule)
        else Ellipse(shape.x, shape.y, shape.a - shell, shape.b - shell)
    )
    stamp(hu, frame, core, marrow, 0.008)
