"""Bills of materials: valid by the standard's own schema, and true."""

import importlib.metadata
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.manifest import sealed
from miniseg_edge.bundle.sbom import sbom_from_bundle, sbom_from_installation
from miniseg_edge.host.files import sha256_of
from miniseg_edge.native.binding import PATH, build_record
from miniseg_edge.runtimes.verification.command import main as verify
from tests.bundles import other_bundle, small_bundle


def check_valid(document: str) -> dict[str, Any]:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(document) is None
    found: dict[str, Any] = json.loads(document)
    return found


def test_a_bundles_names_the_model_its_files_and_where_it_comes_from(bundle: Bundle) -> None:
    found, manifest = check_valid(sbom_from_bundle(bundle)), bundle.manifest
    model = found["metadata"]["component"]
    assert (model["type"], model["version"]) == ("machine-learning-model", manifest.digest)
    (ancestor,) = model["pedigree"]["ancestors"]
    assert ancestor["hashes"] == [{"alg": "SHA-256", "content": manifest.checkpoint.sha256}]
    assert {c["name"]: c["hashes"][0]["content"] for c in found["components"]} == {
        name: record.sha256 for name, record in manifest.files.items()
    }
    tools = {c["name"]: c["version"] for c in found["metadata"]["tools"]["components"]}
    assert tools["onnxruntime"] == manifest.tools["onnxruntime"]
    parts = {c["name"]: c["properties"][0]["value"] for c in found["components"] if "properties" in c}
    assert parts["openvino/model.bin"] == "openvino fp32"


def test_the_same_bundle_gives_the_same_document_and_another_another() -> None:
    assert sbom_from_bundle(small_bundle()) == sbom_from_bundle(small_bundle())
    first, second = (json.loads(sbom_from_bundle(one)) for one in (small_bundle(), other_bundle()))
    assert first["serialNumber"] != second["serialNumber"]


def test_names_that_want_to_be_more_stay_names() -> None:
    manifest = replace(small_bundle().manifest, tools={'","evil":"': "1+cpu", "python": "3.11.0"})
    found = check_valid(sbom_from_bundle(replace(small_bundle(), manifest=sealed(manifest))))
    assert [c["name"] for c in found["metadata"]["tools"]["components"]] == ['","evil":"', "CPython"]


def test_the_installations_names_what_is_installed() -> None:
    found = check_valid(sbom_from_installation())
    components = {c["name"].lower().replace("_", "-"): c for c in found["components"]}
    for name in ("numpy", "onnxruntime", "openvino", "torch", "model-signing", "cryptography"):
        assert components[name]["version"] == importlib.metadata.version(name)
    assert found["metadata"]["component"]["name"] == "miniseg-edge"
    library = components[PATH.name]
    assert library["hashes"][0]["content"] == sha256_of(PATH.read_bytes())
    assert library["properties"][0]["value"] == build_record()
    references = {c["bom-ref"] for c in [*found["components"], found["metadata"]["component"]]}
    assert {d["ref"] for d in found["dependencies"]} == references
    assert all(set(d["dependsOn"]) <= references for d in found["dependencies"])


def test_it_runs_as_a_module_and_is_filed_with_a_verification(bundle_path: Path, tmp_path: Path) -> None:
    printed = (
        "import sys; from miniseg_edge.bundle.sbom import sbom_from_installation as sbom; sys.stdout.write(sbom())"
    )
    ways = (
        [sys.executable, "-m", "miniseg_edge.bundle.sbom"],
        [sys.executable, "-c", printed],
    )  # both without pytest's own path
    one, other = (subprocess.run(way, capture_output=True, text=True, check=True).stdout for way in ways)
    assert one == other
    assert verify([str(bundle_path), "--record", str(tmp_path)]) == 0
    check_valid((tmp_path / "sbom.cdx.json").read_text())
