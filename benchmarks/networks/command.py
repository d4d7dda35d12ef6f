"""`miniseg-bench networks`: its options, its work, and its three files."""

import argparse
from dataclasses import replace
from pathlib import Path

from miniseg_edge.benchmarks.outputs import outputs_in
from miniseg_edge.benchmarks.subcommand import (
    Subcommand,
    add_output,
    add_runtimes,
    add_schedule,
    add_slices,
    schedule_of,
)
from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.console import terminal
from miniseg_edge.host.dependencies import check_installed
from miniseg_edge.host.files import replace_file

_FILES = ("networks.json", "networks.png", "networks.html")


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoints", nargs="*", type=Path, metavar="CHECKPOINT", help="trained; also judged on --input with --labels"
    )
    add_output(parser, ", ".join(_FILES))
    parser.add_argument(
        "--network",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME",
        help="registered networks with random weights, to measure speed; default, without checkpoints: all",
    )
    parser.add_argument(
        "--input-size", type=int, nargs=2, default=(512, 512), metavar=("H", "W"), help="of the networks (512 512)"
    )
    add_runtimes(parser)
    add_schedule(parser)
    add_slices(parser)


def _work(parsed: argparse.Namespace) -> None:
    """Raises: MissingDependencyError, OutputExistsError, before any work; and as `compare_networks`."""
    schedule = schedule_of(parsed)
    check_installed(("psutil", "matplotlib", "torch", "onnx", "onnxscript", "safetensors"), "compare")
    outputs = outputs_in(parsed.output, _FILES, overwrite=parsed.overwrite)
    from miniseg_edge.benchmarks.networks.comparison import MIN_SAMPLES, NetworksRequest, compare_networks
    from miniseg_edge.benchmarks.networks.page import html_from_networks, show_networks
    from miniseg_edge.benchmarks.networks.plot import png_from_networks

    request = NetworksRequest(
        checkpoints=tuple(parsed.checkpoints),
        networks=tuple(dict.fromkeys(parsed.network)),
        runtimes=tuple(dict.fromkeys(parsed.runtime)),
        size=(parsed.input_size[0], parsed.input_size[1]),
        slices=parsed.input,
        labels=parsed.labels,
        schedule=replace(schedule, min_samples=MIN_SAMPLES),
        threads=parsed.threads,
    )
    report = compare_networks(request)
    show_networks(report)
    terminal.answer(report)
    picture = png_from_networks(report)
    contents = (json_from_record(report).encode(), picture, html_from_networks(report, picture).encode())
    for path, content in zip(outputs, contents, strict=True):
        replace_file(path, content)
    terminal.say(", ".join(map(str, outputs)), "good")


NETWORKS = Subcommand(
    "networks",
    "MiniSeg beside other networks, each exported, judged and measured alike.",
    _add_options,
    _work,
    examples=("miniseg-bench networks --network miniseg-83k monai-unet --output networks",),
)
