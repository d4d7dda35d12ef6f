"""All attacks at once: the honest client loses nothing, memory stays bounded, and everything ends idle.

For a minute. `python -m tests.attacks.storm BUNDLE` prints the figures.
"""

from pathlib import Path

import pytest

from tests.attacks.storm import BOUND_MIB, KEPT_MIB, storm


@pytest.mark.slow
def test_a_storm_takes_nothing_from_an_honest_client_and_leaves_nothing_behind(
    demo_bundle_path: Path, tmp_path: Path
) -> None:
    found = storm(demo_bundle_path, tmp_path, 60)
    assert found.failed == []
    assert found.wrong == 0
    assert found.masks_s
    assert found.health_s
    assert found.highest_mib < BOUND_MIB
    assert found.after_mib < KEPT_MIB
    assert (found.inside, found.connections) == (0, 1)
    assert len(found.log) < 20_000
