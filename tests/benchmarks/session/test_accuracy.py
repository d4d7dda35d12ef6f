import numpy as np

from miniseg_edge.benchmarks.session.accuracy import accuracy


def test_counts_what_differs_and_only_that() -> None:
    reference = [np.eye(4, dtype=np.uint8), np.zeros((4, 4), np.uint8)]
    masks = [reference[0].copy(), reference[1].copy()]
    masks[0][0, 0] = 0
    found = accuracy(["a", "b"], masks, reference, None, 2)
    assert [s.changed_pixels for s in found.slices] == [1, 0]
    assert (found.changed_pixels, found.mean_iou) == (1, None)
    assert found.dice_worst == 2 * 3 / 7
    assert found.dice_mean == (1 + 6 / 7) / 2


def test_labels_give_the_mean_iou() -> None:
    mask = np.array([[1, 1], [0, 0]], np.uint8)
    label = np.array([[1, 0], [0, 0]], np.uint8)
    found = accuracy(["a"], [mask], [mask], [label], 2)
    assert found.mean_iou == (1 / 2 + 2 / 3) / 2
