import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from miniseg_edge.errors import InputError
from miniseg_edge.training.losses import class_weights, segmentation_loss


class TestLoss:
    def test_weights_of_the_published_training_set(self) -> None:
        # Fold 1 of CT100 has 7.36 % lesion and was trained with these weights.
        label = np.zeros((100, 100), np.uint8)
        label.flat[:736] = 1
        assert class_weights([label], 2).tolist() == pytest.approx([1.415911, 6.246919], rel=1e-3)

    @given(counts=st.lists(st.integers(0, 300), min_size=2, max_size=5).filter(any), ignored=st.integers(0, 50))
    def test_rare_classes_weigh_more(self, counts: list[int], ignored: int) -> None:
        values = np.repeat([*range(len(counts)), 255], [*counts, ignored])
        weights = class_weights([values.astype(np.uint8)[None]], len(counts))
        shares = np.exp(1 / weights.double().numpy()) - 1.10
        assert shares == pytest.approx(np.array(counts) / sum(counts), abs=1e-5)

    def test_unusable_labels_are_refused(self) -> None:
        with pytest.raises(InputError, match="not a class"):
            class_weights([np.full((2, 2), 2, np.uint8)], 2)
        with pytest.raises(InputError, match="no pixel"):
            class_weights([np.full((2, 2), 255, np.uint8)], 2)

    def test_heads_and_classes_are_weighted(self) -> None:
        label = torch.tensor([[[0, 1, 255]]])
        weights = torch.tensor([1.0, 3.0])
        logits = torch.tensor([0.0, 0.0, 0.0, 1.0, 2.0, 9.0]).reshape(1, 2, 1, 3)
        main = (1 * math.log(1 + math.exp(1.0)) + 3 * math.log(1 + math.exp(-2.0))) / 4
        flat = math.log(2.0)  # of a head that has no opinion
        heads = (logits, *[torch.zeros(1, 2, 1, 3)] * 3)
        assert float(segmentation_loss(heads, label, weights, 0.4)) == pytest.approx(main + 3 * 0.4 * flat)
        assert float(segmentation_loss(heads[:1], label, weights, 0.4)) == pytest.approx(main)
