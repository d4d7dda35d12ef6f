from itertools import pairwise

import pytest

from miniseg_edge.bundle.recipe import Pass, Recipe
from miniseg_edge.errors import UsageError


class TestFigures:
    def test_the_default_is_the_published_recipe(self) -> None:
        recipe = Recipe()
        assert [(recipe.side_px(one), one.max_crop_px) for one in recipe.passes] == [
            (768, 50),
            (640, 50),
            (384, 16),
            (512, 16),
        ]
        assert recipe.epoch_iterations(49) == 4 * 9  # the last, partial batch is dropped

    def test_the_rate_decays_to_the_power_of_nine_tenths(self) -> None:
        rates = [Recipe().learning_rate_at(iteration, 100) for iteration in range(100)]
        assert rates[0] == 1e-3
        assert rates[50] == pytest.approx(1e-3 * 0.5**0.9)
        assert all(later < earlier for earlier, later in pairwise(rates))
        assert rates[-1] > 0

    @pytest.mark.parametrize("figures", [{"epochs": 0}, {"batch_size": 0}, {"passes": ()}])
    def test_a_recipe_that_trains_nothing_is_refused(self, figures: dict[str, int]) -> None:
        with pytest.raises(UsageError):
            Recipe(**figures)  # type: ignore[arg-type]

    @pytest.mark.parametrize("crop", [-1, 32])
    def test_a_crop_that_leaves_nothing_is_refused(self, crop: int) -> None:
        with pytest.raises(UsageError):
            Recipe(size=64, passes=(Pass(1.0, crop),))
