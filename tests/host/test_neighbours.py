import numpy as np
import pytest

from miniseg_edge.host.neighbours import CHANNELS, with_neighbours
from miniseg_edge.slices.preprocessing import FloatArray


@pytest.mark.parametrize("count", [1, 2, 5, 100])
def test_each_slice_stands_between_its_neighbours_and_is_read_once(count: int) -> None:
    slices = [np.full((2, 3), index, np.float32) for index in range(count)]
    asked = []

    def read(index: int) -> FloatArray:
        asked.append(index)
        return slices[index]

    between = with_neighbours(read, count)
    for index in range(count):
        found = between(index)
        assert found.shape == (2, 3, CHANNELS)
        assert found[0, 0].tolist() == [max(0, index - 1), index, min(count - 1, index + 1)]
    assert asked == list(range(count))
