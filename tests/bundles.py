"""A small bundle to break: real golden slices, artefacts of arbitrary bytes, since only the container is tested."""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from miniseg_edge.architecture import Architecture
from miniseg_edge.bundle.bundle import Bundle, file_records
from miniseg_edge.bundle.golden import npy_from_logits
from miniseg_edge.bundle.manifest import (
    SCHEMA_VERSION,
    Artifact,
    CheckpointRecord,
    GoldenSlice,
    Manifest,
    NetworkRecord,
    ParityRecord,
    ParityVerdict,
    Preprocessing,
    sealed,
)
from miniseg_edge.bundle.recipe import Recipe
from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.bundle.training_record import TRAINING_SCHEMA_VERSION, Selection, Slices, TrainingRecord
from miniseg_edge.parity.comparison import ParityLimits
from miniseg_edge.slices.images import png_from_pixels
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray, Statistics, Window
from miniseg_edge.tensors import GraphInterface

SIDE = 32
GOLDEN = GoldenSlice("ramp", "golden/ramp.png", "golden/ramp.npy")
GOLDEN_PIXELS: ByteArray = np.arange(SIDE * SIDE, dtype=np.uint32).reshape(SIDE, SIDE).astype(np.uint8)
GOLDEN_LOGITS: FloatArray = np.linspace(-8, 8, SIDE * SIDE, dtype=np.float32).reshape(1, SIDE, SIDE)

CONTENTS = {
    "onnx/model.onnx": b"no model, only bytes" * 10,
    "onnx/labels/names.txt": b"lesion\n",
    GOLDEN.image: png_from_pixels(GOLDEN_PIXELS),
    GOLDEN.logit: npy_from_logits(GOLDEN_LOGITS),
    "parity.json": b"{}",
}


def small_manifest() -> Manifest:
    """A sealed manifest that says of `CONTENTS` what is true."""
    return sealed(
        Manifest(
            schema_version=SCHEMA_VERSION,
            digest="",
            origin="",
            created="2024-01-01T00:00:00Z",
            checkpoint=CheckpointRecord("fold1.pth", "c" * 64),
            network=NetworkRecord("miniseg-83k", 3, 2, 82_924, Architecture()),
            preprocessing=Preprocessing(
                255.0, Statistics(0.55, 0.29), "command line", (SIDE, SIDE), "opencv-bilinear", Window(-1250.0, 250.0)
            ),
            interface=GraphInterface(),
            input=GraphInterface().input((SIDE, SIDE)),
            output=GraphInterface().output((SIDE, SIDE), 2),
            artifacts=(Artifact("onnx", "fp32", ("onnx/model.onnx", "onnx/labels/names.txt"), 7, "direct"),),
            golden=(GOLDEN,),
            parity=ParityRecord(
                "parity.json",
                "phantoms",
                (ParityVerdict("onnx", "fp32", True, 1, 1e-5, 2, 0, 1.0, 0.99, ParityLimits(near_tie=0.01)),),
            ),
            tools={"numpy": "2.0"},
            files=file_records(CONTENTS),
        )
    )


TRAINING = TrainingRecord(
    schema_version=TRAINING_SCHEMA_VERSION,
    network="miniseg-83k",
    seed=7,
    recipe=Recipe(epochs=12),
    initial=None,
    window=Window(-1250.0, 250.0),
    separate_channels=False,
    labels=(),
    training=Slices(2, 1, "a" * 64),
    held_out=Slices(1, 1, "b" * 64),
    selection=Selection(12, "last", 0.25, 0.75, 0.625),
    device="cpu",
    duration_s=2.5,
    tools={"torch": "2"},
)
"""What a checkpoint may say about its training."""


def small_bundle(name: str = "small") -> Bundle:
    """A valid bundle in memory."""
    return Bundle(name, small_manifest(), CONTENTS)


def other_bundle(name: str = "small") -> Bundle:
    """Another valid one, to put in the place of the first."""
    return Bundle(name, sealed(replace(small_manifest(), created="2025-06-01T00:00:00Z")), CONTENTS)


def manifest_object() -> dict[str, Any]:
    """The small bundle's manifest as parsed JSON, to be edited."""
    found: dict[str, Any] = json.loads(json_from_record(small_manifest()))
    return found


ORIGIN = ("checkpoint", "network", "preprocessing", "interface")


def resealed(found: dict[str, Any], *, origin: bool = True) -> bytes:
    """An edited manifest with the origin and digest that belong to it, as a forger would write it."""
    if origin and found.keys() >= {*ORIGIN, "origin"}:
        found = {**found, "origin": _sha256([found[name] for name in ORIGIN])}
    rest = {key: value for key, value in found.items() if key != "digest"}
    return json.dumps({**found, "digest": _sha256(rest)}).encode()


def _sha256(value: object) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def files_below(folder: Path) -> set[str]:
    """Every file and link below a folder, hidden ones too, by relative path."""
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_symlink() or not p.is_dir()}


@contextlib.contextmanager
def disk_that_fills_up(limit: int) -> Iterator[None]:
    """Inside, the system refuses to let any file grow beyond `limit` bytes."""
    resource = pytest.importorskip("resource", reason="needs a POSIX system")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
