"""Geometry as clinics write it: rounded or a little shifted is read; a gap, a shift, a turn is refused by name."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniseg_edge.errors import GeometryError, GeometryGapError, NoGeometryError
from miniseg_edge.studies.stacking import Stack, stacked
from miniseg_edge.studies.volume import Plane

PIXEL_MM = 0.7
Places = npt.NDArray[np.float64]


def places(count: int, spacing: float = 2.0, tilt_degrees: float = 0.0) -> Places:
    found = np.zeros((count, 3))
    found[:, 2] = np.arange(count) * spacing
    found[:, 1] = found[:, 2] * math.tan(math.radians(tilt_degrees))
    return found - 100.0


def stack_of(
    at: Places,
    thickness: float | None = None,
    *,
    row: Sequence[float] = (1, 0, 0),
    column: Sequence[float] = (0, 1, 0),
    longest_part: bool = False,
) -> Stack:
    planes = [
        Plane(
            (float(p[0]), float(p[1]), float(p[2])), (row[0], row[1], row[2]), (column[0], column[1], column[2]),
            (PIXEL_MM, PIXEL_MM), thickness,
        )
        for p in at
    ]  # fmt: skip
    return stacked(planes, lambda a, b: False, longest_part=longest_part)


@given(
    count=st.integers(2, 200),
    spacing=st.floats(0.5, 10),
    start=st.floats(-500, 500),
)
def test_positions_rounded_to_a_tenth_are_even(count: int, spacing: float, start: float) -> None:
    at = places(count, spacing) + np.array([0, 0, start])
    rounded = at.round(1)
    shuffled = np.random.default_rng(count).permutation(count)
    stack = stack_of(rounded[shuffled])
    assert [int(shuffled[i]) for i in stack.order] == list(range(count))
    assert stack.geometry.slice_spacing_mm == pytest.approx(spacing, abs=0.1 / (count - 1) + 1e-9)
    assert stack.geometry.tilt_degrees == 0


@pytest.mark.parametrize("off", [0.03, 0.05, 0.09])
@pytest.mark.parametrize("which", [1, 4, 9])
def test_a_few_hundredths_along_the_normal_are_remarked(off: float, which: int) -> None:
    at = places(10)
    at[which, 2] += off
    stack = stack_of(at)
    assert any("along the normal" in remark for remark in stack.remarks)
    assert stack.geometry.slice_spacing_mm == pytest.approx(2, abs=0.02)


@pytest.mark.parametrize("shift", [(0.06, 0), (0.1, 0.1), (-0.17, 0)])
@pytest.mark.parametrize("which", [[3], [5, 6, 7, 8, 9], [9]])
def test_less_than_a_quarter_of_a_pixel_sideways_is_remarked_and_is_no_tilt(
    shift: tuple[float, float], which: list[int]
) -> None:
    at = places(10)
    at[which, :2] += shift
    stack = stack_of(at)
    assert [remark.rpartition(" ")[2] for remark in stack.remarks] == ["sideways"]
    assert stack.geometry.tilt_degrees == 0


@pytest.mark.parametrize(("which", "missing"), [(5, 5), (1, 1), (8, 8)])
@pytest.mark.parametrize("spacing", [0.5, 0.625, 1.0, 5.0])
@pytest.mark.parametrize("tilt", [0.0, 20.0])
def test_a_missing_slice_is_a_gap_whatever_the_spacing(which: int, missing: int, spacing: float, tilt: float) -> None:
    at = np.delete(places(10, spacing, tilt), missing, axis=0)
    with pytest.raises(GeometryGapError) as caught:
        stack_of(at.round(3))
    expected, got = caught.value.expected.split(" mm")[0], caught.value.got.split(" mm")[0]
    assert expected != got
    assert float(got) == pytest.approx(2 * spacing, abs=0.01)
    assert "--part" in caught.value.remedy


def test_the_message_has_numbers_that_differ() -> None:
    at = places(6)
    at[3:, 2] += 0.502
    with pytest.raises(GeometryGapError, match=r"expected 2\.00 mm.*got 2\.50 mm"):
        stack_of(at)
    at = places(40, 0.1)
    at[20:, 2] += 0.0601
    with pytest.raises(GeometryGapError) as caught:
        stack_of(at)
    assert caught.value.expected.split(" mm")[0] != caught.value.got.split(" mm")[0]


@pytest.mark.parametrize("shift", [0.2, 1.0, 50.0])
@pytest.mark.parametrize("which", [[2], [4, 5, 6, 7, 8, 9]])
def test_a_shift_sideways_is_called_so(shift: float, which: list[int]) -> None:
    at = places(10)
    at[which, 0] += shift
    with pytest.raises(GeometryError, match=r"shifted sideways.*at most 0\.175 mm, a quarter of a pixel") as caught:
        stack_of(at)
    assert caught.value.code == "GEOMETRY"


@pytest.mark.parametrize("degrees", [0.3, 5.0, 60.0])
def test_slices_turned_against_each_other_are_called_so(degrees: float) -> None:
    first = Plane((0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1), None)
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    planes = [first, Plane((0, 0, 2), (c, s, 0), (-s, c, 0), (1, 1), None)]
    with pytest.raises(GeometryError, match=rf"not parallel.*{degrees:.2f} degrees"):
        stacked(planes, lambda a, b: False)


@pytest.mark.parametrize("scale", [0.9999, 1.004, 0.993])
def test_directions_that_are_nearly_unit_vectors_are_normalised(scale: float) -> None:
    stack = stack_of(places(10), row=(scale, 0, 0), column=(0, scale, 0))
    assert stack.geometry.slice_spacing_mm == pytest.approx(2, abs=1e-12)
    np.testing.assert_array_equal(stack.geometry.normal, [0, 0, 1])
    row, column = (0.866, 0.5, 0), (-0.5, 0.866, 0)  # three decimals, as some converters write
    assert np.linalg.norm(stack_of(places(4), row=row, column=column).geometry.row_direction) == pytest.approx(1)


@pytest.mark.parametrize("row", [(1, 0, 0.1), (0.9, 0, 0), (float("nan"), 0, 0), (0, 0, 0), (0.6, 0.8, 0)])
def test_directions_that_are_none_are_refused(row: Sequence[float]) -> None:
    with pytest.raises(GeometryError, match="right angle"):
        stack_of(places(4), row=row, column=(0, 0.9, 0.1) if row[0] == 1 else (0, 1, 0))


@pytest.mark.parametrize("degrees", [3.0, 14.0, 30.0])
def test_a_tilted_gantry_keeps_its_spacing_along_the_normal(degrees: float) -> None:
    stack = stack_of(places(12, 4.0, degrees).round(2))
    assert stack.geometry.tilt_degrees == pytest.approx(degrees, abs=0.2)
    assert stack.geometry.slice_spacing_mm == pytest.approx(4.0, abs=1e-6)
    assert any(remark.startswith("tilted gantry") for remark in stack.remarks)


@pytest.mark.parametrize(("low", "high", "kept"), [(8, 14, range(7, 21)), (14, 8, range(14)), (5, 5, range(5))])
@pytest.mark.parametrize("tilt", [0.0, 18.5])
def test_the_longest_even_part_is_taken_if_asked_for(low: int, high: int, kept: range, tilt: float) -> None:
    near, far = places(low, 4.0, tilt), places(high, 7.0, tilt)
    at = np.concatenate([near, far + (near[-1] - far[0]) + (far[1] - far[0])])
    with pytest.raises(GeometryGapError):
        stack_of(at)
    stack = stack_of(at, longest_part=True)
    longest = max(low, high + 1)  # the step to the first far slice is as far as those after it
    assert len(stack.order) == longest
    assert list(stack.order) == list(range(len(at)))[stack.order[0] : stack.order[0] + longest]
    assert any(f"{longest} of {low + high} slices" in remark for remark in stack.remarks)


@pytest.mark.parametrize(
    ("thickness", "remarked"), [(2.0, False), (1.5, False), (5.0, False), (1.0, True), (0.0, False)]
)
def test_slices_that_lie_far_apart_for_their_thickness_are_remarked(thickness: float, remarked: bool) -> None:
    assert [("was not seen" in remark) for remark in stack_of(places(5), thickness).remarks] == [True] * remarked
    assert stack_of(places(1), 1.0).remarks == ()


def test_an_even_stack_has_no_shorter_part() -> None:
    assert stack_of(places(9), longest_part=True) == stack_of(places(9))


def test_a_single_slice_needs_a_thickness() -> None:
    with pytest.raises(NoGeometryError):
        stack_of(places(1))
