from hypothesis import given
from hypothesis import strategies as st

from miniseg_edge.measuring.turns import rounds_of


@given(st.lists(st.integers(), unique=True, max_size=6), st.integers(0, 13))
def test_each_has_one_turn_a_round_and_as_many_first_turns_as_any_other(things: list[int], count: int) -> None:
    rounds = rounds_of(things, count)
    assert len(rounds) == count
    assert all(sorted(order) == sorted(things) for order in rounds)
    first = [sum(order[0] == thing for order in rounds) for thing in things]
    assert max(first, default=0) - min(first, default=0) <= 1
