"""The published checkpoint on CT100: the masks of torch, pixel for pixel."""

import json
from pathlib import Path

import cv2
import numpy as np
import torch

from miniseg_edge.export.graph.deployment_graph import Feeding, graph_from_checkpoint
from miniseg_edge.export.graph.plan_from_graph import plan_from_graph
from miniseg_edge.native.binding import Model, instruction_sets
from miniseg_edge.slices.preprocessing import Statistics
from miniseg_edge.training.checkpoint import checkpoint_from_file

NEAR_TIE = 1e-4
"""Logits within this of 0 may fall to either side."""


def test_masks_are_those_of_torch(shared: Path) -> None:
    folder = shared / "data" / "ct100"
    fold = json.loads((folder / "fold1.json").read_text(encoding="utf-8"))
    checkpoint = checkpoint_from_file(folder / "MiniSeg_CrossVal1.pth")
    graph = graph_from_checkpoint(checkpoint, Feeding(Statistics(fold["mean"], fold["std"])))
    plan = plan_from_graph(graph).data
    for name in fold["test"]:
        slice_ = cv2.imread(str(folder / "images" / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
        assert slice_ is not None
        with torch.no_grad():
            expected = graph(torch.from_numpy(slice_.astype(np.float32))[None, None])[0, 0].numpy()
        found = set()
        for set_ in instruction_sets()[1:] or instruction_sets():  # plain is slow, and tested on small slices
            with Model(plan, set_) as model, model.context(slice_.shape, 2) as context:
                logits = context.logits(slice_)[0]
            clear = np.abs(expected) > NEAR_TIE
            assert np.array_equal((logits > 0)[clear], (expected > 0)[clear]), name
            assert float(np.abs(logits - expected).max()) < NEAR_TIE
            found.add(logits.tobytes())
        assert len(found) == 1
