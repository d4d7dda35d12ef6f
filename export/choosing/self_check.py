"""`python -m miniseg_edge.export.choosing.self_check BUNDLE`: does a choice by speed find planted differences?

Each trial measures one artefact three times: unchanged, again unchanged, and with 5 % added to its latency. The correct
result: the first one stays, its equal is not faster by more than noise, and the slower one is found slower.
"""

from collections.abc import Sequence
from pathlib import Path

from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.console import terminal
from miniseg_edge.console.commands import Parser, run
from miniseg_edge.errors import ParityError
from miniseg_edge.export.choosing.contest import Contest, contest
from miniseg_edge.export.choosing.turns import Candidate, latencies, measured
from miniseg_edge.runtimes.backends.registry import choose

SLOWER = 0.05
PLAIN, AGAIN, SLOW = "as it is", "again", "slower"


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns 0 right in all trials, 3 not, 1 our error, 2 usage."""
    parser = Parser(
        prog="python -m miniseg_edge.export.choosing.self_check",
        description=__doc__.splitlines()[0],
        examples=("python -m miniseg_edge.export.choosing.self_check bundle",),
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    parser.add_argument("--trials", type=int, default=20, metavar="N", help="default: %(default)s")
    return run(parser, arguments, lambda parsed: _check(parsed.bundle, parsed.trials))


def _check(path: Path, trials: int) -> None:
    runtime = choose(open_bundle(path)).entry.name
    planted = [Candidate(name, path, runtime) for name in (PLAIN, AGAIN)]
    planted.append(Candidate(SLOW, path, runtime, SLOWER))
    found = [_trial(planted) for _ in range(trials)]
    rows = [
        (str(i), str(rounds), *(str(one.speeds[name]) for name in (AGAIN, SLOW)), "right" if _right(one) else "WRONG")
        for i, (one, rounds) in enumerate(found, 1)
    ]
    wrong = [i for i, (one, _) in enumerate(found) if not _right(one)]
    terminal.table("Planted: 1.00 and 0.95", ("trial", "rounds", AGAIN, SLOW, ""), rows, wrong)
    if wrong:
        raise ParityError(
            "timings on this machine are not reliable enough to choose by speed",
            expected="the planted differences",
            got=f"{len(wrong)} wrong",
        )
    terminal.say(f"right in {trials} of {trials} trials", "good")


def _trial(planted: Sequence[Candidate]) -> tuple[Contest, int]:
    rounds = measured(
        planted, "the planted differences", lambda rounds: contest(latencies(rounds)).speeds[SLOW].within_noise
    )
    return contest(latencies(rounds)), len(rounds)


def _right(found: Contest) -> bool:
    return found.winner == PLAIN and not found.speeds[SLOW].within_noise


if __name__ == "__main__":
    raise SystemExit(main())
