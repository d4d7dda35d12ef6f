"""`miniseg-bench --compare-networks`: its options, its work, and the three files that come out."""

import argparse

from miniseg_edge import terminal
from miniseg_edge.benchmarks.outputs import outputs_in
from miniseg_edge.dependencies import check_installed
from miniseg_edge.errors import UsageError
from miniseg_edge.files import replace_file
from miniseg_edge.records import json_from_record

_DEFAULT_SIZE = (512, 512)
_NOT_FOR_NETWORKS = ("peers", "profile", "self_check", "calibration")


def add_networks_options(parser: argparse.ArgumentParser) -> None:
    """The options that only `--compare-networks` has."""
    group = parser.add_argument_group("comparing networks")
    group.add_argument(
        "--compare-networks",
        action="store_true",
        help="instead: MiniSeg beside other networks, each exported, judged and measured alike; checkpoints are judged "
        "on --input with --labels too; gets networks.json, networks.html and networks.png",
    )
    group.add_argument(
        "--network",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME",
        help="registered networks with random weights, for their speed; default, without checkpoints: all",
    )
    group.add_argument(
        "--input-size",
        type=int,
        nargs=2,
        metavar=("H", "W"),
        help=f"of the networks, default {_DEFAULT_SIZE[0]} {_DEFAULT_SIZE[1]}",
    )


def refuse_networks_options(parsed: argparse.Namespace) -> None:
    """Of a run that measures a bundle. Raises: UsageError."""
    if parsed.network or parsed.input_size is not None:
        raise UsageError("options of --compare-networks", "--compare-networks beside them", "a bundle")


def compare_networks_command(parsed: argparse.Namespace) -> None:
    """The whole command, from what was parsed to the reports.

    Raises:
        UsageError: options that do not go together, no output.
        MissingDependencyError, OutputExistsError: before any work.
        And as `compare_networks`.
    """
    if parsed.output is None or not (parsed.duration > 0 and 2 <= parsed.rounds <= 1000):
        wanted = "--output DIR, --duration above 0 and --rounds of 2 or more"
        raise UsageError("no such comparison", wanted, "")
    if refused := [name for name in _NOT_FOR_NETWORKS if getattr(parsed, name)]:
        raise UsageError("no options of --compare-networks", "a BUNDLE for them", ", ".join(refused))
    check_installed(("psutil", "matplotlib", "torch", "onnx", "onnxscript", "safetensors"), "compare")
    outputs = outputs_in(parsed.output, ("networks.json", "networks.png", "networks.html"), overwrite=parsed.overwrite)
    from miniseg_edge.benchmarks.networks import NetworksRequest, compare_networks
    from miniseg_edge.benchmarks.networks_page import html_from_networks, show_networks
    from miniseg_edge.benchmarks.networks_plot import png_from_networks

    request = NetworksRequest(
        checkpoints=tuple(parsed.bundle),
        networks=tuple(dict.fromkeys(parsed.network)),
        runtimes=tuple(dict.fromkeys(parsed.runtime)),
        size=_DEFAULT_SIZE if parsed.input_size is None else (parsed.input_size[0], parsed.input_size[1]),
        slices=parsed.input,
        labels=parsed.labels,
        scenarios=tuple(dict.fromkeys(parsed.scenario or ["single-stream"])),
        threads=parsed.threads,
        duration_s=parsed.duration,
        rounds=parsed.rounds,
    )
    report = compare_networks(request)
    show_networks(report)
    picture = png_from_networks(report)
    contents = (json_from_record(report).encode(), picture, html_from_networks(report, picture).encode())
    for path, content in zip(outputs, contents, strict=True):
        replace_file(path, content)
    terminal.say(", ".join(map(str, outputs)), "good")
