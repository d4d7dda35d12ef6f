import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from miniseg_edge.training.data.augmentation import augmented, resized_label


class TestAugmentation:
    @settings(deadline=None)
    @given(
        height=st.integers(20, 60),
        width=st.integers(20, 60),
        crop=st.integers(0, 9),
        seed=st.integers(0, 2**32),
    )
    def test_slice_and_label_stay_together(self, height: int, width: int, crop: int, seed: int) -> None:
        rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
        image = rows / height + columns / width - 1
        label = np.where(image > 0, 2, 255).astype(np.uint8)
        image2, label2 = augmented(image, label, crop, np.random.default_rng(seed))
        assert (image2.shape, label2.shape) == (image.shape, label.shape)
        assert image2.dtype == np.float32
        assert label2.dtype == np.uint8
        assert set(np.unique(label2)) <= {2, 255}
        unclear = np.abs(image2) < 1.5 / height + 1.5 / width
        assert np.array_equal(label2[~unclear] == 2, image2[~unclear] > 0)

    def test_half_of_the_slices_are_flipped_and_half_cropped(self) -> None:
        image = np.arange(400, dtype=np.float32).reshape(20, 20)
        generator = np.random.default_rng(0)
        results = [augmented(image, np.zeros((20, 20), np.uint8), 5, generator)[0] for _ in range(400)]
        flipped = sum(float(one[0, 0]) > float(one[-1, 0]) for one in results)
        whole = sum(np.array_equal(one, image) or np.array_equal(one, image[::-1]) for one in results)
        assert 160 < flipped < 240
        assert 160 < whole < 240

    def test_no_label_is_invented(self) -> None:
        label = np.array([[0, 255], [2, 1]], np.uint8)
        assert set(np.unique(resized_label(label, (7, 5)))) == {0, 1, 2, 255}
