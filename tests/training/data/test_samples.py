import numpy as np
import pytest

from miniseg_edge.errors import InputError, StatisticsError
from miniseg_edge.slices.preprocessing import Statistics
from miniseg_edge.training.data.samples import Sample, normalised, training_statistics


class TestStatistics:
    def test_means_and_deviations_are_averaged_over_slices(self) -> None:
        slices = [np.array([[0, 255]], np.uint8), np.array([[51, 51], [51, 51]], np.uint8)]
        found = training_statistics(slices)
        assert (found.mean, found.std) == pytest.approx(((0.5 + 0.2) / 2, 0.5 / 2))

    def test_nothing_to_learn_from_is_refused(self) -> None:
        with pytest.raises(InputError):
            training_statistics([])
        with pytest.raises(StatisticsError):
            training_statistics([np.full((4, 4), 9, np.uint8)])

    def test_normalised(self) -> None:
        image = normalised(np.array([[0, 255]], np.uint8), Statistics(0.25, 0.5))
        assert image.dtype == np.float32
        assert image.tolist() == [[-0.5, 1.5]]


class TestSample:
    def test_a_label_of_another_size_is_refused(self) -> None:
        with pytest.raises(InputError, match="different size"):
            Sample("one", "one", np.zeros((4, 5), np.uint8), np.zeros((5, 4), np.uint8))

    def test_its_hash_is_of_what_is_learnt_from_it(self) -> None:
        image, label = np.arange(20, dtype=np.uint8).reshape(4, 5), np.zeros((4, 5), np.uint8)
        one = Sample("one", "a", image, label)
        assert one.sha256 == Sample("two", "b", image.copy(), label).sha256
        assert one.sha256 != Sample("one", "a", image + 1, label).sha256
        assert one.sha256 != Sample("one", "a", image, label + 1).sha256
        assert one.sha256 != Sample("one", "a", image.reshape(5, 4), label.reshape(5, 4)).sha256
