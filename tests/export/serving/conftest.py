"""Bundles with both servers' layouts, made by the command, of a small network whose masks hold both classes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from miniseg_edge.architecture import Architecture
from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.export.command import main
from miniseg_edge.phantoms import phantom
from miniseg_edge.slices.preprocessing import Window
from miniseg_edge.training.checkpoint import save_checkpoint
from tests.conftest import STATISTICS, made_once, random_network

SIZE = (48, 64)
WINDOW = Window(-1250.0, 250.0)


@dataclass(frozen=True)
class Served:
    """A bundle on disk, and opened."""

    path: Path
    bundle: Bundle

    def slices(self, count: int) -> list[Any]:
        """As a client has them: grey, or HU that reach beyond the window."""
        grey = [phantom(seed, size=SIZE).image for seed in range(5, 5 + count)]
        if self.bundle.manifest.interface.values == "grey":
            return grey
        return [WINDOW.hu_from_grey(one.astype(np.float32)) + np.where(one == 255, 900, 0) for one in grey]


@pytest.fixture(scope="session", params=["grey", "hu"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A bundle with both layouts, two slices in work at once, each on one thread."""

    def make(path: Path) -> None:
        checkpoint = path.with_suffix(".pth")
        network = random_network(Architecture((4, 4, 8, 4), (1, 0, 1, 0), (0, 0, 1, 0)), 39)
        save_checkpoint(network, STATISTICS, checkpoint)
        arguments = [
            *(str(checkpoint), "--target", "triton", "--target", "ovms", "--graph-input", request.param),
            *("--window", f"{WINDOW.low_hu}", f"{WINDOW.high_hu}", "--input-size", *map(str, SIZE)),
            *("--instances", "2", "--threads", "1", "--max-batch", "4", "--output", str(path)),
        ]
        assert main(arguments) == 0

    path = made_once(tmp_path_factory, f"served-{request.param}", make)
    return Served(path, open_bundle(path))
