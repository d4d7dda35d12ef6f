"""Detects values that are not HU: given anything else, a network silently returns an empty mask.

Headers cannot say it: a windowed volume, a missing intercept and a label map are valid files. HU have a shape that
other values lack: air at -1000, lung from -950 to -500, fat at -100, muscle and blood from 0 to 100, little bone, and
hardly anything between lung and fat. So values are counted slice by slice (`value_counts`) and judged by bands
(`value_bands`): a volume by the sum of its slices, a single slice more mildly, because it may be a crop without air.

The rules, in their order:

1. One value, two values, or a few small whole numbers are not CT: constant, a mask, a label map.
2. Padding is set aside, so that it is evidence of nothing: what lies below -1248 within 64 HU, and the fullest bin from
   -1248 to -600. Scanners and readers write -1000, -1024, -1500, -2000 and -3024 there.
3. Air and tissue at an offset of 880 or more are HU + that offset: an intercept is missing.
4. With air or lung (0.5 % of the rest), soft tissue must lie where it belongs: no CT has more bone than soft tissue,
   more between lung and tissue than soft tissue, or a tenth of its values below air.
5. Without air, values are windowed if none is below 0 or if a tenth of them ends in a wall, and scaled if much lies at
   -600..-200. A volume of soft tissue alone, or a slice of it, is doubtful.

What is refused differs from HU by a factor of about two or by some 500 HU. Smaller errors pass, and so does a slope
below 0. A crop of brain and skull, without any air, may be taken for HU + 1024.

The thresholds were set on 30 slices of a chest, 28 of a head, single slices of chest, head and shoulders (padded at
-1500, -2000 and -3024, compressed with losses), 60 chest slices through a window, and phantoms of 32 x 32 to 512 x 512:
as they are, zoomed until no outside air is left, small in a large field of view, clipped to windows of HU, padded,
blurred, with contrast and metal. None is refused, and most limits are a factor of two away: between lung and tissue
lies at most 0.36 of the soft tissue in CT (limit 1.25; 1.05 in a phantom of 32 x 32), bone is at most 0.22 of it in a
head (limit 1), muscle and blood are at least 0.31 of it (limit 0.05; 0.14 in phantoms), air is at least 0.011 in a
chest slice (limit 0.005). The same data scaled, shifted, windowed and labelled are refused or doubtful. Of 80,000
affine images of phantoms with slopes of 0.02..50, those that passed had slopes of 0.46..2.4, soft tissue at -200..1250
and air at -1650..-350. `tests/slices/test_hu_values.py` repeats this with fewer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from miniseg_edge.errors import HuValuesError
from miniseg_edge.slices.value_bands import BLOOD_END_HU, DENSE_HU, LUNG_END_HU, TISSUE_HU, Bands
from miniseg_edge.slices.value_counts import BIN_HU, MAX_FEW, ValueCounts


class Likeness(Enum):
    """The verdict on values: not HU is refused, doubtful is remarked on."""

    HU = "HU"
    DOUBTFUL = "doubtful"
    NOT_HU = "not HU"


@dataclass(frozen=True)
class Verdict:
    """What values look like.

    Attributes:
        likeness: whether they are HU.
        looks_like: what they look like instead, or what is doubtful; "" for HU.
        remedy: how to proceed; "" unless they are not HU.
    """

    likeness: Likeness
    looks_like: str = ""
    remedy: str = ""


_AIR_OR_PADDING_HU = -900.0
_MUSCLE_HU = 16
_LEAST_VALUES = 256
"""Fewer values say little about their origin, unless only few of them differ."""

_LEAST_LUNG = 0.05
"""Of what lies inside the body: 0.22 in a chest, 0.05 in the slices at its lower end, 0.02 in a head."""

_NAMED_SLICES = 8

_ORIGINAL = "Hand over the CT itself."
_GREY = "Grey values go through segment(), or as PNG; --rescale SLOPE INTERCEPT (rescale=) undoes a known window."
_RESCALE = "Say what turns them into HU: --rescale SLOPE INTERCEPT, or rescale=(slope, intercept)."
_ADD_1024 = "Add it: --rescale 1 -1024, or rescale=(1, -1024)."
_EITHER = "Add the intercept: --rescale 1 -1024, or rescale=(1, -1024); grey values go through segment(), or as PNG."
_INSIST = "--assume-hu, or assume_hu=True, accepts them as HU."


def judged(counts: ValueCounts) -> Verdict:
    """What the values of a slice, or of a volume together, look like."""
    bands = Bands(counts)
    verdict = None if counts.few is None else _by_few_values(counts, counts.few)
    verdict = verdict or _by_bands(counts, bands)
    if bands.total < _LEAST_VALUES and counts.few is None and verdict.likeness is Likeness.NOT_HU:
        return _doubtful(f"{verdict.looks_like}, of {bands.total} values alone")
    return verdict


def checked(counts: ValueCounts, *, assume_hu: bool = False) -> tuple[str, ...]:
    """Remarks about the values.

    Args:
        counts: of a slice, or of a volume.
        assume_hu: whether the caller insists that the values are HU.

    Raises:
        HuValuesError: the values are not HU, and `assume_hu` is off.
    """
    verdict = judged(counts)
    if verdict.likeness is Likeness.HU:
        return ()
    if assume_hu:
        return (f"taken as HU on the caller's word, although the values look like this: {verdict.looks_like}",)
    if verdict.likeness is Likeness.DOUBTFUL:
        return (f"the values may not be HU: {verdict.looks_like}",)
    raise HuValuesError(
        "the values are not HU", expected="air near -1000 and soft tissue near 0", got=verdict.looks_like,
        remedy=f"{verdict.remedy} {_INSIST}",
    )  # fmt: skip


def is_odd(counts: ValueCounts) -> bool:
    """Whether a slice by itself is not HU, other than by being constant, which padding may be."""
    return counts.low < counts.high and judged(counts).likeness is Likeness.NOT_HU


def odd_remarks(odd: Sequence[int]) -> tuple[str, ...]:
    """A remark about slices that are not HU in a volume that is, by their indices: nothing is found in them."""
    if not odd:
        return ()
    few = ", ".join(map(str, odd[:_NAMED_SLICES]))
    more = ", ..." if len(odd) > _NAMED_SLICES else ""
    return (f"values of single slices do not look like HU, so that lesions in them may be missed: slice {few}{more}",)


def lung_remarks(counts: ValueCounts) -> tuple[str, ...]:
    """A remark if a volume contains no lungs: most likely a head or an abdomen."""
    if counts.lung >= _LEAST_LUNG * counts.inside and counts.lung:
        return ()
    return ("no lung-like air (-950..-500 HU) inside the body: is this a chest?",)


def _doubtful(looks_like: str) -> Verdict:
    return Verdict(Likeness.DOUBTFUL, looks_like)


def _not_hu(looks_like: str, remedy: str) -> Verdict:
    return Verdict(Likeness.NOT_HU, looks_like, remedy)


def _by_few_values(counts: ValueCounts, few: frozenset[float]) -> Verdict | None:
    """Rule 1; None for few values that may be HU, as a phantom's."""
    tissue = [value for value in few if value > _AIR_OR_PADDING_HU]
    labels = bool(tissue) and counts.whole and min(tissue) >= -1 and max(tissue) <= 255
    if counts.slices == 1 and not tissue:
        return _doubtful(f"air or padding alone, {counts.low:g}")
    if len(few) == 1:
        return _not_hu(f"one value, {counts.low:g}", _ORIGINAL)
    if len(few) == 2:
        return _not_hu(f"two values, {counts.low:g} and {counts.high:g}: a mask", _ORIGINAL)
    if labels and (min(tissue) <= 1 or (max(tissue) < 64 and len(tissue) <= MAX_FEW // 2)):
        return _not_hu(f"a label map: {len(tissue)} values, {min(tissue):g}..{max(tissue):g}", _ORIGINAL)
    return None


def _by_bands(counts: ValueCounts, bands: Bands) -> Verdict:
    """Rules 2 to 5."""
    if bands.light < 0.005 * bands.total and bands.deep < 0.1:
        if counts.slices > 1 and bands.two_groups() > 0.8:
            return _not_hu(f"two groups of values below -600, {_range(counts)}: a slope is missing", _RESCALE)
        return _doubtful(f"air alone, {_range(counts)}")
    offset = bands.offset() if bands.air < 0.1 else None
    if offset is not None and offset <= 1160:
        return _not_hu("HU + 1024: the intercept -1024 is missing", _ADD_1024)
    if offset is not None:
        return _not_hu(f"HU + about {offset}: an intercept is missing", _RESCALE)
    return _first(_with_air(counts, bands) if bands.air >= 0.005 else _without_air(counts, bands))


Rules = tuple[tuple[bool, Verdict], ...]
"""Each says whether it applies, and what follows; the first that does counts."""


def _first(rules: Rules) -> Verdict:
    return next(verdict for applies, verdict in rules if applies)


def _with_air(counts: ValueCounts, bands: Bands) -> Rules:
    """Rule 4."""
    between, tissue = bands.share(LUNG_END_HU, TISSUE_HU), bands.share(TISSUE_HU, DENSE_HU)
    dense, soft = bands.share(DENSE_HU), bands.share(TISSUE_HU, BLOOD_END_HU)
    muscle = bands.share(_MUSCLE_HU, BLOOD_END_HU)
    deep, air, got = bands.deep, bands.air, _range(counts)
    far_below = deep > 0.1 and (deep > 2 * air or tissue < 0.05)
    far_above = (dense >= 0.05 and dense > 2.5 * tissue) or (dense >= 0.1 and dense > 1.2 * tissue)
    no_air = between >= 0.3 and between > 10 * air
    little = between > 1.25 * tissue or no_air or (bands.padded and tissue < 0.1)
    return (
        (far_below, _scaled(counts, "much lies below air")),
        (far_above, _scaled(counts, "there is more bone than soft tissue")),
        (between >= 0.15 and between > 10 * tissue, _scaled(counts, "soft tissue lies below -200")),
        (no_air and between > 30 * air and counts.slices > 1, _scaled(counts, "air lies above -600")),
        (deep > 0.1 and deep > air, _doubtful(f"much lies below air, {got}")),
        (dense > tissue or soft < 0.12 * (tissue + dense), _doubtful(f"soft tissue is denser than 300, {got}")),
        (air < 0.05 and dense > 0.4 * tissue, _doubtful(f"much bone and little air, {got}")),
        (little, _doubtful(f"little soft tissue near 0, {got}")),
        (muscle < 0.05 * tissue, _doubtful(f"soft tissue lies below 0, {got}")),
        (True, Verdict(Likeness.HU)),
    )


def _without_air(counts: ValueCounts, bands: Bands) -> Rules:
    """Rule 5."""
    single, air, got = counts.slices == 1, bands.air, _range(counts)
    lowest, low, high, highest = (bands.quantile(share) for share in (0.005, 0.05, 0.95, 0.995))
    narrow, eight_bits = highest - lowest <= 2 * BIN_HU, counts.low >= -128 and counts.high <= 127
    tissue, muscle = bands.share(TISSUE_HU, BLOOD_END_HU), bands.share(_MUSCLE_HU, BLOOD_END_HU)
    between, wall = bands.share(LUNG_END_HU, TISSUE_HU), bands.share(lowest, lowest + BIN_HU)
    # Compression with losses leaves a few values just below 0.
    zero = counts.low >= 0 or counts.low <= _AIR_OR_PADDING_HU or counts.high <= 255 + BIN_HU
    no_negative = bands.share(LUNG_END_HU, -BIN_HU) < 0.001 and air < 0.001 and zero
    within = lowest >= TISSUE_HU and highest < BLOOD_END_HU and high - low <= 160 and muscle >= 0.6
    soft = single and (narrow or (within and bands.two_groups() < 0.8))
    softish = not eight_bits and tissue >= 0.6 and muscle >= 0.2 and bands.share(DENSE_HU) <= 0.3
    return (
        (bands.deep > 0.1, _scaled(counts, "much lies below air")),
        (narrow and not (single and counts.whole), _grey(counts)),
        (soft, _doubtful(f"soft tissue without air, {got}")),
        (no_negative, _grey(counts)),
        (wall >= 0.1, _not_hu(f"a window that hides the lungs, {got}", _GREY)),
        (single and between >= 0.3 and air >= 0.001, _doubtful(f"hardly any air, {got}")),
        (between >= (0.3 if single else 0.15), _scaled(counts, "air lies above -600")),
        (single and (tissue >= 0.4 or air >= 0.001), _doubtful(f"no air, {got}")),
        (not single and softish, _doubtful(f"soft tissue without air, {got}")),
        (True, _scaled(counts, "there is no air")),
    )


def _scaled(counts: ValueCounts, why: str) -> Verdict:
    return _not_hu(f"scaled or shifted values, {_range(counts)}: {why}", _RESCALE)


def _grey(counts: ValueCounts) -> Verdict:
    """Names the scale that the values are on."""
    low = 0.0 if counts.low <= _AIR_OR_PADDING_HU else counts.low
    top = next((top for top in (1, 255, 4095, 65535) if counts.high <= top), None)
    if low < 0:
        named = "-1..1: normalised values" if low >= -1 and top == 1 else "HU / 1000, or normalised values"
    elif top == 4095:
        return _not_hu(f"0..4095: HU + 1024 without its intercept, or windowed grey values, {_range(counts)}", _EITHER)
    else:
        named = "no value below 0" if top is None else f"0..{top}: windowed grey values"
    return _not_hu(f"{named}, {_range(counts)}", _GREY)


def _range(counts: ValueCounts) -> str:
    return f"{counts.low:g}..{counts.high:g}"
