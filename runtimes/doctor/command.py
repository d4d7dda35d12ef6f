"""`miniseg-doctor`: which runtimes, devices and decoders this machine has, and how to get what is missing."""

from collections.abc import Sequence

from miniseg_edge.console import terminal
from miniseg_edge.console.commands import Parser, run
from miniseg_edge.console.voice import answering
from miniseg_edge.runtimes.doctor.examination import Examination, RuntimeState, examination


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns 0 this machine can segment, 1 it cannot, or our error, 2 usage."""
    parser = Parser(
        prog="miniseg-doctor",
        description="Shows which runtimes, devices, instruction sets and decoders this machine has, and how to get "
        "what is missing. It needs no bundle.",
        epilog="Exit codes: 0 a runtime can segment here, 1 none can, or an error, 2 usage.",
        answers=True,
        examples=("miniseg-doctor", "miniseg-doctor --json > doctor.json"),
    )
    return run(parser, arguments, lambda parsed: _examine())


def _examine() -> bool:
    with terminal.patience("looking at every runtime"):
        found = examination()
    terminal.answer(found)
    with answering():
        _show(found)
    return found.can_segment


def _show(found: Examination) -> None:
    for name, value in (
        ("miniseg-edge", f"{found.version}, Python {found.python}"),
        ("system", found.system),
        ("processor", f"{found.processor}, cores for this process: {found.cores}"),
        ("instruction sets", ", ".join(found.instruction_sets) or "unknown: the native library cannot be loaded"),
    ):
        terminal.hanging(f"{name:18}", value)
    terminal.say("")
    terminal.say("Runtimes, in the order in which `auto` takes them", "title")
    for one in found.runtimes:
        terminal.hanging(f"  {one.name:18}", _runtime(one))
    terminal.say("")
    terminal.say("Compressed DICOM files", "title")
    for decoder in found.decoders:
        text = ", ".join(decoder.packages) or 'not decoded here: pip install "miniseg-edge[dicom]"'
        terminal.hanging(f"  {decoder.name:27}", text)
    terminal.say("")
    terminal.say("Extras, each of them optional", "title")
    whole = [extra.name for extra in found.extras if not extra.missing]
    terminal.hanging("  installed: ", ", ".join(whole) or "none")
    for extra in found.extras:
        if extra.missing:
            text = f'{", ".join(extra.missing)}: pip install "miniseg-edge[{extra.name}]"'
            terminal.hanging(f"  {extra.name:18}lacks ", text)
    terminal.say("")
    terminal.say("Packages", "title")
    terminal.hanging("  ", ", ".join(f"{name} {version}" for name, version in found.packages.items()))


def _runtime(one: RuntimeState) -> str:
    if not one.devices:
        return f"cannot run: {one.problem}"
    return ", ".join(one.devices) + (", for parity alone" if one.reference else "")


if __name__ == "__main__":
    raise SystemExit(main())
