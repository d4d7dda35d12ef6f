"""Every Python example of the documents is run, as it stands, in a folder that holds what it names."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import miniseg_edge
from miniseg_edge.bundle.bundle import open_bundle, write_bundle
from miniseg_edge.bundle.signature import signer_from_key
from miniseg_edge.host.dependencies import installed
from miniseg_edge.phantoms import phantom
from miniseg_edge.training.demo import CHECKPOINT
from miniseg_edge.training.networks.registry import register_network
from tests.conftest import has_gpu
from tests.documents import DOCUMENTS, Block, blocks
from tests.keys import make_keys
from tests.studies.series import put, write_series

LIMIT_S = 120.0
SLOW = {"docs/archive.md", "docs/export.md", "docs/serve.md"}
"""They start processes, or export."""

NOT_HERE = {"docs/gpu.md": "needs an NVIDIA GPU and onnxruntime-gpu"}
EXTRAS = {"docs/archive.md": "pyarrow", "docs/serve.md": "tritonclient", "docs/model-servers.md": "tritonclient"}
EXTRAS |= {"SECURITY.md": "model_signing", "docs/api.md": "pydicom"}

REPLACED = {  # a busy machine takes its time
    "docs/api.md": [("deadline_s=0.5", "deadline_s=60")],
    "docs/serve.md": [("timeout=500_000", "timeout=60_000_000")],
}
"""Nothing else of an example is changed, but the port of the service that the test has started."""


@dataclass
class Workplace:
    """The current folder of a document's examples, and what their names stand for."""

    folder: Path
    bundle: Path
    stack: ExitStack
    names: dict[str, Any] = field(default_factory=dict)
    replaced: list[tuple[str, str]] = field(default_factory=list)

    def run(self, block: Block) -> None:
        """Runs an example after those before it."""
        text = block.text
        for old, new in self.replaced:
            text = text.replace(old, new)
        self.names |= self.given()
        exec(compile("\n" * block.line + text, block.document, "exec"), self.names)

    def given(self) -> dict[str, Any]:
        """The names that the examples assume, created for each example: an example may have closed its Segmenter."""
        segmenter = self.stack.enter_context(miniseg_edge.load(self.bundle))
        slice_hu = np.linspace(-1250, 250, 512 * 512).reshape(512, 512).astype(np.int16)
        return {
            "miniseg_edge": miniseg_edge,
            "np": np,
            "segmenter": segmenter,
            "slice_": phantom(5, size=(64, 64)).image,
            "slice_hu": slice_hu,
            "volume": np.stack([slice_hu] * 3),
            "scanner": iter([slice_hu] * 3),
            "show": lambda job: job.result(),
            "mask_of": lambda slice_: segmenter.segment(slice_.astype(np.float32)).mask,
        }


@pytest.fixture
def workplace(demo_bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workplace]:
    shutil.copytree(demo_bundle_path, tmp_path / "bundle")
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        yield Workplace(tmp_path, tmp_path / "bundle", stack)


def studies(place: Workplace) -> None:
    write_series(place.folder / "folder", 3)
    write_series(place.folder / "archive" / "series", 3)


def series_to_choose_from(place: Workplace) -> None:
    for number in (2, 3):
        uid = f"1.2.3.{number}"
        write_series(place.folder / "study" / str(number), 3, put(SeriesNumber=number, SeriesInstanceUID=uid))


def signed(place: Workplace) -> None:
    keys = make_keys(place.folder)
    write_bundle(open_bundle(place.bundle), place.folder / "lung", signer=signer_from_key(keys.private))


def checkpoint(place: Workplace) -> None:
    shutil.copyfile(CHECKPOINT, place.folder / "lung.pth")


def trained(place: Workplace) -> None:
    """The example before, as the package that it is part of would register it; and its weights."""
    build = place.names["build"]
    register_network("lung-network", build)
    torch.save(build(3, 2).state_dict(), "trained.pth")


def service(place: Workplace) -> None:
    port = place.folder / "port"
    command = [str(Path(sys.executable).with_name("miniseg-serve")), "bundle", "--port", "0", "--port-file", str(port)]
    process = place.stack.enter_context(subprocess.Popen(command))
    place.stack.callback(process.terminate)
    limit = time.monotonic() + LIMIT_S
    while not port.exists() and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.05)
    place.replaced.append(("127.0.0.1:8600", f"127.0.0.1:{port.read_text().strip()}"))


PREPARED: dict[tuple[str, int], Callable[[Workplace], None]] = {
    ("docs/api.md", 2): studies,
    ("docs/archive.md", 0): studies,
    ("docs/export.md", 0): checkpoint,
    ("docs/networks.md", 1): trained,
    ("docs/serve.md", 0): service,
    ("docs/studies.md", 0): series_to_choose_from,
    ("SECURITY.md", 0): signed,
}
"""What must be there before an example: the document, and which of its examples."""

WITH_EXAMPLES = [document for document in DOCUMENTS if blocks(document, "python")]


@pytest.mark.parametrize(
    "document", [pytest.param(one, marks=pytest.mark.slow if one in SLOW else []) for one in WITH_EXAMPLES]
)
def test_the_examples_work(document: str, workplace: Workplace) -> None:
    if document in NOT_HERE and not (has_gpu() and installed("onnxruntime") and installed("cuda")):
        pytest.skip(NOT_HERE[document])
    if not installed(EXTRAS.get(document, "numpy")):
        pytest.skip(f"needs {EXTRAS[document]}")
    workplace.replaced += REPLACED.get(document, [])
    for index, block in enumerate(blocks(document, "python")):
        if (prepare := PREPARED.get((document, index))) is not None:
            prepare(workplace)
        workplace.run(block)
    check = CHECKED.get(document)
    assert check is None or check(workplace.names), f"the examples of {document} do not do what they say"


CHECKED: dict[str, Callable[[dict[str, Any]], bool]] = {
    "README.md": lambda names: names["result"].mask.shape == (512, 512),
    "docs/api.md": lambda names: names["job"].result().mask.shape == (64, 64) and names["result"].mask.ndim == 3,
    "docs/archive.md": lambda names: names["report"].done == len(names["rows_in"]("results")) == 1,
    "docs/export.md": lambda names: names["result"].bundle.manifest.artifact("native") is not None,
    "docs/serve.md": lambda names: names["mask"].shape == (1, 512, 512),
    "docs/tutorial.md": lambda names: names["result"].mask.shape == (512, 512),
    "docs/studies.md": lambda names: len(names["study"]) == 3 and names["data"][128:132] == b"DICM",
    "docs/networks.md": lambda names: Path("lung-network.pth").is_file(),
    "SECURITY.md": lambda names: names["segmenter"].bundle.name == "lung",
}


def test_nothing_is_listed_that_is_not_there() -> None:
    listed = {*SLOW, *NOT_HERE, *EXTRAS, *REPLACED, *CHECKED, *(document for document, _ in PREPARED)}
    assert listed <= set(WITH_EXAMPLES)
    for document, index in PREPARED:
        assert index < len(blocks(document, "python"))
    for document, pairs in REPLACED.items():
        assert all(any(old in block.text for block in blocks(document, "python")) for old, _ in pairs)
