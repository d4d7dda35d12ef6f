"""The conclusions in a few sentences."""

from collections.abc import Sequence

from miniseg_edge.benchmarks.html.words import bold, dice_in_words, draws_another_lesion, interval_in_words, many
from miniseg_edge.benchmarks.plots import entries
from miniseg_edge.benchmarks.ratios import ratio_between
from miniseg_edge.benchmarks.report import Report, Result
from miniseg_edge.benchmarks.statistics import CONFIDENCE


def verdict_section(report: Report) -> str:
    """The conclusions in a few sentences."""
    if not report.results:
        return '<p class="verdict bad">None of our artefacts could be measured; the failures below say why.</p>'
    ranked = [entry.result for entry in entries(report) if not entry.peer]
    best = ranked[0]
    said = [_fastest(best, alone=len(ranked) == 1), _against_baseline(report, best), _masks_in_words(best)]
    if draws_another_lesion(best):
        said.append(_best_right_one(report, ranked))
    said.append(_faster_peers(report, best))
    said.append(report.busy_remark)
    kind = "verdict bad" if draws_another_lesion(best) else "verdict"
    return f'<p class="{kind}">{" ".join(part for part in said if part)}</p>'


def _fastest(best: Result, *, alone: bool) -> str:
    subject = "The artefact measured is" if alone else "The fastest of our artefacts is"
    if best.p50_ms is None:
        return f"{subject} {bold(best.name)}, with {best.throughput_slices_per_s:.1f} slices a second."
    return f"{subject} {bold(best.name)}: half of all slices take less than {best.p50_ms:.2f} ms."


def _against_baseline(report: Report, best: Result) -> str:
    if best.name == report.baseline:
        return "It is itself the baseline that the others are compared with."
    if best.ratio_to_baseline is None:
        return "There is no single-stream latency, so it is not compared with a baseline."
    baseline = f"the baseline, {bold(report.baseline)}"
    found = ratio_between(report, best.name, report.baseline)
    if found is None:
        return f"It is {best.ratio_to_baseline:.2f} times as fast as {baseline}; no interval was computed."
    interval = f"{CONFIDENCE:.0%} interval {interval_in_words(found)}"
    if found.within_noise:
        return f"Its speed is within noise of {baseline}: {found.ratio:.2f} times, {interval}."
    if found.ratio > 1:
        return f"It is {found.ratio:.2f} times as fast as {baseline} ({interval})."
    return f"It is slower than {baseline}: {found.ratio:.2f} times its speed ({interval})."


def _masks_in_words(result: Result) -> str:
    """Whether the reference's masks are reproduced."""
    count, changed = many(len(result.slices), "slice"), many(result.changed_pixels, "pixel")
    if draws_another_lesion(result):
        return (
            '<span class="bad-word">&#10007; It segments another lesion</span> than the reference: Dice falls to '
            f"{dice_in_words(result.dice_worst)} in the worst of {count}, {changed} differ."
        )
    if result.changed_pixels:
        return (
            f"It draws the reference&rsquo;s masks but for {changed} in {count} "
            f"(worst Dice {dice_in_words(result.dice_worst)})."
        )
    return f"It draws the reference&rsquo;s masks exactly, in all of {count}."


def _best_right_one(report: Report, ranked: Sequence[Result]) -> str:
    right = next((result for result in ranked if not draws_another_lesion(result)), None)
    if right is None:
        return "None of our artefacts draws the reference&rsquo;s masks."
    speed = f"{right.throughput_slices_per_s:.1f} slices a second" if right.p50_ms is None else f"{right.p50_ms:.2f} ms"
    return f"The fastest with its masks is {bold(right.name)} ({speed}). " + _against_baseline(report, right)


def _faster_peers(report: Report, best: Result) -> str:
    """Peers that are faster beyond noise, which an honest report must name."""
    if best.p50_ms is None:
        return ""
    faster = []
    for peer in report.peers:
        found = ratio_between(report, peer.name, best.name)
        if found is not None and found.low > 1.0:
            wrong = ", but it segments another lesion" if draws_another_lesion(peer) else ""
            faster.append(f"{bold(peer.name)}, {found.ratio:.2f} times as fast{wrong}")
    return f"Faster still among the peers: {'; '.join(faster)}." if faster else ""
