import json
from pathlib import Path

import pytest

from miniseg_edge.bundle.bundle import open_bundle, write_bundle
from miniseg_edge.bundle.sign_command import main
from miniseg_edge.bundle.signature import SIGNATURE_NAME
from tests.bundles import small_bundle
from tests.keys import Keys, make_keys


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return make_keys(tmp_path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_bundle(small_bundle(), tmp_path / "bundle")
    return tmp_path / "bundle"


def test_a_finished_bundle_is_signed(path: Path, keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    assert main([str(path), "--key", str(keys.private), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["digest"] == open_bundle(path, trust=keys.public).manifest.digest
    assert {file: file.read_bytes() for file in before} == before, "nothing else is changed"


def test_a_signature_is_replaced_only_if_asked_for(path: Path, keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    command = [str(path), "--key", str(keys.private)]
    assert main(command) == 0
    assert main(command) == 1
    assert "OUTPUT_EXISTS" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 0


def test_what_is_no_bundle_is_not_signed(path: Path, keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    (path / "added").write_bytes(b"")
    assert main([str(path), "--key", str(keys.private)]) == 1
    assert "INTEGRITY" in capsys.readouterr().err
    assert not (path / SIGNATURE_NAME).exists()
