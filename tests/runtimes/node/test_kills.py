"""A node that is killed at random moments loses nothing and sends nothing twice; `kills` does it two hundred times."""

from pathlib import Path

import pytest

from tests.runtimes.node.kills import kill_again_and_again
from tests.runtimes.node.orthanc import has_orthanc


@pytest.mark.slow
@pytest.mark.skipif(not has_orthanc(), reason="needs Orthanc of Debian's package orthanc")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # sockets whose other end was killed
def test_five_kills(demo_bundle_path: Path, tmp_path: Path) -> None:
    outcome = kill_again_and_again(demo_bundle_path, tmp_path, kills=5)
    assert outcome.is_good, outcome
    assert outcome.series >= 2
