from pathlib import Path

import pytest

from miniseg_edge.export.choosing.turns import Turn
from miniseg_edge.export.quantization.search.journal import Journal, Verdict

GOOD = Verdict(0.99, 0.97, 0.5, ())
BAD = Verdict(0.5, 0.1, 3.0, ("mean Dice 0.5",))


def test_what_was_kept_is_known_to_the_next_run(tmp_path: Path) -> None:
    first = Journal.at(tmp_path / "search.json", "this search")
    first.keep_verdict(("a", "b"), GOOD)
    first.keep_verdict(("a",), BAD)
    first.keep_round((Turn(20.0, 40.0), Turn(15.5, 31.0)))
    second = Journal.at(tmp_path / "search.json", "this search")
    assert second.verdict(("a", "b")) == GOOD
    assert second.verdict(("a",)) == BAD
    assert second.verdict(("b",)) is None
    assert second.rounds == ((Turn(20.0, 40.0), Turn(15.5, 31.0)),)


def test_another_search_begins_anew(tmp_path: Path) -> None:
    Journal.at(tmp_path / "search.json", "this search").keep_verdict(("a",), GOOD)
    assert Journal.at(tmp_path / "search.json", "another").verdict(("a",)) is None


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"fingerprint": 3, "entries": [], "rounds": []}'])
def test_a_broken_journal_begins_anew_and_says_so(
    tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "search.json").write_text(content)
    assert Journal.at(tmp_path / "search.json", "this search").rounds == ()
    assert "starts over" in capsys.readouterr().err


def test_a_search_that_is_done_leaves_nothing(tmp_path: Path) -> None:
    journal = Journal.at(tmp_path / "search.json", "this search")
    journal.keep_round((Turn(1.0, 1.0),))
    journal.close()
    journal.close()
    assert not list(tmp_path.iterdir())
