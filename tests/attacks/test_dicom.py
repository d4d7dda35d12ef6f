"""Headers with flipped bytes: whatever comes, it is a volume or an error of ours."""

import contextlib
import random
from pathlib import Path

from miniseg_edge.errors import MiniSegError
from miniseg_edge.studies import open_study
from tests.studies.series import write_enhanced, write_series


def test_flipped_bytes_give_a_volume_or_a_typed_error(tmp_path: Path) -> None:
    sources = [write_series(tmp_path / "classic", 1) / "900", write_enhanced(tmp_path / "enhanced")]
    chance, refused = random.Random(1), 0
    for attempt in range(200):
        data = bytearray(sources[attempt % 2].read_bytes())
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(132, 1500)] = chance.randrange(256)
        path = tmp_path / "broken" / "slice"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        with contextlib.suppress(MiniSegError):  # pydicom's warnings, which quote values, would be errors here
            refused += 1
            open_study(path).volume()
            refused -= 1
    assert 0 < refused < 200
