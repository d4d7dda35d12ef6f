"""The lesion's area by slice, as a clickable chart; the SVG is built from numbers only."""

from collections.abc import Sequence

_HEIGHT = 100.0


def chart(ours: Sequence[float], theirs: Sequence[float] = ()) -> str:
    """Areas in mm2, a bar for each slice; those of a second result as a line."""
    top = max(*ours, *theirs, 1e-9)
    bars = "".join(
        f'<rect x="{index}" y="{_HEIGHT - height:.2f}" width="1" height="{height:.2f}"/>'
        for index, area in enumerate(ours)
        if (height := area / top * _HEIGHT)
    )
    points = " ".join(f"{index + 0.5},{_HEIGHT - area / top * _HEIGHT:.2f}" for index, area in enumerate(theirs))
    line = f'<polyline points="{points}"/>' if theirs else ""
    largest = max(*ours, *theirs, 0.0)
    return (
        f'<div class="chart"><span class="top">{largest:.0f} mm&sup2;</span>'
        f'<svg id="chart" viewBox="0 0 {len(ours)} {_HEIGHT:g}" preserveAspectRatio="none" role="img" '
        f'aria-label="lesion area by slice, at most {largest:.0f} mm2">{bars}{line}'
        f'<line id="here" x1="0.5" x2="0.5" y1="0" y2="{_HEIGHT:g}"/></svg>'
        f'<span class="first">slice 0, feet</span><span class="last">{len(ours) - 1}, head</span></div>'
    )
