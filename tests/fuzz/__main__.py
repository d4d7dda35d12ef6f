"""`python -m tests.fuzz TARGET... --runs N`: fuzzes parsers; a finding is a file `crash-*` and an exit code above 0.

Each starts from `tests/fuzz/corpus/TARGET`, and adds to it only with `--keep`. Instrumenting what is imported takes
longer than a short run, so several targets share it: each is a fork's child, because a fuzzer ends its process.
"""

import argparse
import multiprocessing
import shutil
import sys
import tempfile
from pathlib import Path

CORPUS = Path(__file__).with_name("corpus")
NAMES = (
    *("manifest", "signature", "image", "png", "checkpoint", "dicom", "study", "seg", "nifti", "result", "http"),
    *("onnx", "ir", "plan"),
)

TIMEOUT_S, MEMORY_MIB, MAX_BYTES = 10, 2048, 65536
"""Limits of one execution: longer, or more resident memory, is a finding; and the longest input that is tried."""


def main() -> None:
    """Entry point; ends the process."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="+", choices=NAMES, metavar="TARGET", help=", ".join(NAMES))
    parser.add_argument("--runs", type=int, default=1_000_000, help="executions of each, default %(default)s")
    parser.add_argument("--seconds", type=int, default=0, help="at most, for each; default: as long as the runs take")
    parser.add_argument("--seed", type=int, default=0, help="of the fuzzer's dice; default: another each time")
    parser.add_argument("--findings", type=Path, default=Path(), metavar="DIR", help="where they go, default: here")
    parser.add_argument("--keep", action="store_true", help="add inputs that reach new code to the corpus")
    parsed = parser.parse_args()
    import atheris  # the tests read the names above where there is none

    with atheris.instrument_imports(
        include=["miniseg_edge", "h11", "pydicom.filereader", "pydicom.dataset", "pydicom.sequence"]
    ):
        from tests.fuzz import targets  # noqa: F401 - instrumented here, used in the children

    forks = multiprocessing.get_context("fork")
    failed = 0
    for name in parsed.targets:
        child = forks.Process(target=_fuzz, args=(name, parsed))
        child.start()
        child.join()
        failed += child.exitcode != 0
    sys.exit(min(failed, 1))


def _fuzz(name: str, parsed: argparse.Namespace) -> None:
    """Fuzzes one target; ends the process."""
    import atheris

    from tests.fuzz import targets

    target, corpus = targets.TARGETS[name], CORPUS / name
    if not parsed.keep:  # the fuzzer writes into the first folder that it is told of
        corpus = Path(shutil.copytree(corpus, tempfile.mkdtemp(prefix="miniseg-corpus-"), dirs_exist_ok=True))
    options = [
        f"-runs={parsed.runs}",
        f"-max_total_time={parsed.seconds}",
        f"-seed={parsed.seed}",
        f"-timeout={TIMEOUT_S}",
        f"-rss_limit_mb={MEMORY_MIB}",
        f"-max_len={MAX_BYTES}",
        f"-artifact_prefix={parsed.findings.resolve()}/",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], lambda data: targets.one_input(target, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
