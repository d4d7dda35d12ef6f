"""The chain of dense convolutions: it computes what it says, on every set of kernels and number of threads alike."""

import threading

import numpy as np
import numpy.typing as npt
import pytest
import torch

from miniseg_edge.native.binding import instruction_sets
from miniseg_edge.native.chain import Chain
from miniseg_edge.native.structures import Code, NativeError

RANDOM = np.random.default_rng(4)


def weights_of(channels: int) -> npt.NDArray[np.float32]:
    return RANDOM.standard_normal((channels, channels, 3, 3), np.float32) / np.float32(3 * channels**0.5)


def convolved(
    values: npt.NDArray[np.float32], weights: npt.NDArray[np.float32], layers: int
) -> npt.NDArray[np.float64]:
    found = torch.from_numpy(values).double()[None]
    for _ in range(layers):
        found = torch.nn.functional.conv2d(found, torch.from_numpy(weights).double(), padding=1)
    result: npt.NDArray[np.float64] = found[0].numpy()
    return result


@pytest.mark.parametrize(("channels", "size", "layers"), [(1, (1, 1), 1), (5, (7, 33), 3), (24, (40, 65), 2)])
def test_it_is_a_convolution(channels: int, size: tuple[int, int], layers: int) -> None:
    weights, values = weights_of(channels), RANDOM.standard_normal((channels, *size), np.float32)
    found = {}
    for set_ in instruction_sets():
        for threads in (1, 3):
            chain = Chain(weights, size, layers, threads, set_)
            found[set_, threads] = chain.run(values)
            np.testing.assert_array_equal(chain.run(values), found[set_, threads])  # again, on maps that were used
            chain.close()
            chain.close()
    first, *others = found.values()
    np.testing.assert_allclose(first, convolved(values, weights, layers), atol=1e-5)
    assert all(other.tobytes() == first.tobytes() for other in others)


@pytest.mark.parametrize(
    ("size", "layers", "threads"), [((0, 4), 1, 1), ((4, 4097), 1, 1), ((4, 4), 0, 1), ((4, 4), 65, 1), ((4, 4), 1, 65)]
)
def test_arguments(size: tuple[int, int], layers: int, threads: int) -> None:
    with pytest.raises(NativeError) as caught:
        Chain(weights_of(2), size, layers, threads)
    assert caught.value.code == Code.ARGUMENT


def test_a_map_of_another_shape() -> None:
    with pytest.raises(ValueError, match="a map of shape"):
        Chain(weights_of(2), (4, 4), 1).run(np.zeros((2, 4, 5), np.float32))


def test_one_call_at_a_time() -> None:
    chain = Chain(weights_of(64), (256, 256), 8)
    values = RANDOM.standard_normal((64, 256, 256), np.float32)
    expected = chain.run(values)
    answers: list[object] = []
    together = threading.Barrier(4)

    def run() -> None:
        together.wait()
        try:
            answers.append(chain.run(values).tobytes() == expected.tobytes())
        except NativeError as error:
            answers.append(error.code)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) <= {True, Code.BUSY}
    assert True in answers
    np.testing.assert_array_equal(chain.run(values), expected)
