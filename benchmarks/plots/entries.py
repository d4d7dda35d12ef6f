"""What is shown, in which order and colour."""

from dataclasses import dataclass

from miniseg_edge.benchmarks.plots.colours import OUR_COLOURS, PEER_GREYS
from miniseg_edge.benchmarks.report import Report, Result
from miniseg_edge.benchmarks.tables import DIFFERENT_LESION


@dataclass(frozen=True)
class Entry:
    """A configuration with its appearance throughout the report: ours coloured, peers grey."""

    result: Result
    colour: str
    peer: bool

    @property
    def wrong(self) -> bool:
        """Whether its lesion differs from the reference's."""
        return self.result.dice_worst < DIFFERENT_LESION

    @property
    def label(self) -> str:
        """The name, with a cross if its lesion differs: colour alone is not enough."""
        return f"\u2717 {self.result.name}" if self.wrong else self.result.name


def entries(report: Report) -> tuple[Entry, ...]:
    """Results and peers, fastest first: by p50, or by throughput if there is none."""
    ours = [Entry(r, OUR_COLOURS[i % len(OUR_COLOURS)], False) for i, r in enumerate(report.results)]
    peers = [Entry(r, PEER_GREYS[i % len(PEER_GREYS)], True) for i, r in enumerate(report.peers)]
    return tuple(sorted(ours + peers, key=lambda entry: _slowness(entry.result)))


def _slowness(result: Result) -> tuple[bool, float]:
    if result.p50_ms is None:
        return True, -result.throughput_slices_per_s
    return False, result.p50_ms
