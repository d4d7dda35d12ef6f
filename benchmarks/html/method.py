"""Failures, method, machine."""

from collections.abc import Sequence

from miniseg_edge.benchmarks.html.words import bold, count_in_words, many
from miniseg_edge.benchmarks.report import Method, Report
from miniseg_edge.pages.pieces import row, section, table_of, td, th
from miniseg_edge.printable import in_html

_SCENARIOS = {
    "single-stream": "one slice after another, each as soon as the last is done; MLPerf Inference reports its p90",
    "offline": "all slices at once, as many in flight as is fastest; throughput is what counts",
    "burst": "a CT volume that arrives at once: time to its first mask and to its last",
}


def failures_section(report: Report) -> str:
    """What could not be measured, and why."""
    if not report.failures:
        return section("Failures", "<p>Nothing failed: every configuration was measured.</p>", "page")
    rows = [row([th(bold(found.name)), td(in_html(found.reason), "words")]) for found in report.failures]
    return section("Failures", table_of(["not measured", "why"], rows, words=(1,)), "page")


def method_section(report: Report) -> str:
    """How it was measured."""
    method = report.method
    facts = [
        *((in_html(name), in_html(_SCENARIOS.get(name, ""))) for name in method.scenarios),
        ("turns", _turns_in_words(method)),
        (
            "threads",
            "each runtime&rsquo;s own choice" if method.threads is None else f"{method.threads} for each runtime",
        ),
        ("accuracy", f"against {in_html(report.reference)}"),
        ("samples", "every sample counts; the warm-up comes before them and is in no figure"),
        ("slices", f"{len(method.slices)} of {in_html(method.slice_size)} pixels"),
    ]
    names = "".join(f"<li>{in_html(name)}</li>" for name in method.slices)
    return section("Method", _facts(facts) + f'<ul class="names">{names}</ul>')


def _turns_in_words(method: Method) -> str:
    return (
        f"each configuration in a process of its own, {method.duration_s:g} s for each scenario and at least "
        f"{count_in_words(method.min_samples)} samples, in {method.rounds} rounds in turn with the others; "
        "the others sleep meanwhile"
    )


def machine_section(report: Report) -> str:
    """Where, and with which versions."""
    machine = report.machine
    facts = [
        ("name", in_html(machine.name)),
        ("processor", f"{in_html(machine.processor)}, {many(machine.cores, 'core')}"),
        ("memory", f"{machine.memory_gb:.1f} GB"),
        ("system", in_html(machine.system)),
        *((in_html(name), in_html(version)) for name, version in machine.versions.items()),
    ]
    return section("Machine and versions", _facts(facts), "whole")


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<dt>{name}</dt><dd>{value}</dd>' for name, value in facts)}</dl>"
