"""`python -m tests.fuzz TARGET --runs N`: fuzzes a parser; a finding is a file `crash-*` and an exit code above 0.

It starts from `tests/fuzz/corpus/TARGET`, and adds to it only with `--keep`.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

CORPUS = Path(__file__).with_name("corpus")
NAMES = ("manifest", "signature", "image", "png", "checkpoint", "dicom", "nifti", "result")

TIMEOUT_S, MEMORY_MIB, MAX_BYTES = 10, 2048, 65536
"""Limits of one execution: longer, or more resident memory, is a finding; and the longest input that is tried."""


def main() -> None:
    """Entry point; ends the process."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=NAMES)
    parser.add_argument("--runs", type=int, default=1_000_000, help="executions, default %(default)s")
    parser.add_argument("--seconds", type=int, default=0, help="at most; default: as long as the runs take")
    parser.add_argument("--seed", type=int, default=0, help="of the fuzzer's dice; default: another each time")
    parser.add_argument("--findings", type=Path, default=Path(), metavar="DIR", help="where they go, default: here")
    parser.add_argument("--keep", action="store_true", help="add inputs that reach new code to the corpus")
    parsed = parser.parse_args()
    import atheris  # the tests read the names above where there is none

    with atheris.instrument_imports(include=["miniseg_edge", "pydicom.filereader", "pydicom.dataset"]):
        from tests.fuzz import targets

    target, corpus = targets.TARGETS[parsed.target], CORPUS / parsed.target
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
