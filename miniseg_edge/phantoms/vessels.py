"""Vessels of the lungs: along the slice, and through it."""

import math
from collections.abc import Iterator

import numpy as np

from miniseg_edge.phantoms.anatomy import Chest
from miniseg_edge.phantoms.chance import Random
from miniseg_edge.phantoms.frame import Frame
from miniseg_edge.phantoms.painting import cover_of, neighbourhood
from miniseg_edge.phantoms.shapes import Capsule, Ellipse, direction, unit
from miniseg_edge.slices.preprocessing import FloatArray


def vessel_share(random: Random, frame: Frame, chest: Chest, outline: FloatArray) -> FloatArray:
    """(H, W) float32, 0..1: how much of each pixel is vessel."""
    total = np.zeros(frame.size, dtype=np.float32)
    for lung in chest.lungs:
        for branch in (*_tree(random, lung, chest), *_crossings(random, lung)):
            strength = min(1.0, 0.35 + branch.radius / 0.009) * random.between(0.75, 1.0)
            rows, columns = neighbourhood(frame, branch)
            distance = branch.distance(frame.x[rows, columns], frame.y[rows, columns])
            cover = np.float32(strength) * cover_of(distance, max(1.5 * branch.radius, 1.5 * frame.pixel))
            np.maximum(total[rows, columns], cover, out=total[rows, columns])
    return total * cover_of(outline + np.float32(0.02), 0.02)


def _tree(random: Random, lung: Ellipse, chest: Chest) -> Iterator[Capsule]:
    """Vessels along the slice: from the hilum outwards, forking and thinning, out of the slice and back."""
    outwards = 1.0 if lung.x > 0 else -1.0
    hilum = chest.heart.x + outwards * (chest.heart.a * 0.8 + 0.02)
    twigs = []
    for index in range(random.count(4, 7)):
        t = -0.9 + 1.8 * (index + random.between(0.0, 1.0)) / 7
        u, v = direction(t)
        start = (hilum, 0.04 + 0.16 * t + random.between(-0.04, 0.04))
        twigs.append((*start, outwards * u, v, random.between(0.008, 0.017), random.chance(0.6)))
    while twigs:
        x, y, u, v, radius, visible = twigs.pop()
        u, v = unit(u + random.between(-0.45, 0.45), v + random.between(-0.45, 0.45))
        length = random.between(0.025, 0.06)
        end = (x + u * length, y + v * length)
        if radius < 0.0026 or abs(end[0] - lung.x) > lung.a or abs(end[1] - lung.y) > lung.b:
            continue
        if visible:
            yield Capsule(x, y, *end, radius)
        visible = random.chance(0.7 if visible else 0.15)
        if random.chance(0.4):
            turn = random.between(0.5, 1.0) * (1 if random.chance(0.5) else -1)
            side = unit(u - turn * v, v + turn * u)
            twigs.append((*end, *side, radius * random.between(0.5, 0.75), random.chance(0.5)))
        twigs.append((*end, u, v, radius * random.between(0.78, 0.92), visible))


def _crossings(random: Random, lung: Ellipse) -> Iterator[Capsule]:
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
        yield Capsule(x, y, x + u * stretch, y + v * stretch, radius)
