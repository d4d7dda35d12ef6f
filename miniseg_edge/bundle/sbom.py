"""Bills of materials in CycloneDX 1.6: the components of a bundle, and of this installation.

`python -m miniseg_edge.bundle.sbom` prints the installation's; `miniseg-verify --record DIR` writes a bundle's.
"""

import importlib.metadata
import json
import re
import sys
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.manifest import Artifact
from miniseg_edge.host.files import sha256_of
from miniseg_edge.native.binding import PATH, build_record
from miniseg_edge.plurals import number_of

PACKAGE = "miniseg-edge"

_NAMESPACE = uuid.UUID("6f1f3f0e-6a63-5d0b-9c34-0d4f6d3b7b11")
_REQUIREMENT = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")

Component = dict[str, Any]


def sbom_from_bundle(bundle: Bundle) -> str:
    """A bundle's: the model, its files with their hashes, the checkpoint it comes from, and the tools that made it."""
    manifest = bundle.manifest
    checkpoint: Component = {
        "type": "machine-learning-model",
        "bom-ref": f"checkpoint:{manifest.checkpoint.sha256}",
        "name": manifest.checkpoint.name,
        "hashes": _sha256(manifest.checkpoint.sha256),
    }
    model: Component = {
        "type": "machine-learning-model",
        "bom-ref": f"bundle:{manifest.digest}",
        "name": bundle.name,
        "version": manifest.digest,
        "pedigree": {"ancestors": [checkpoint]},
        "modelCard": {
            "modelParameters": {
                "task": "semantic segmentation of COVID-19 lesions in chest CT",
                "architectureFamily": "MiniSeg" if manifest.network.architecture is not None else "other",
                "modelArchitecture": manifest.network.name,
                "inputs": [{"format": f"{manifest.input.name} {manifest.input}"}],
                "outputs": [{"format": f"{manifest.output.name} {manifest.output}"}],
            },
            "quantitativeAnalysis": {"performanceMetrics": list(_metrics(bundle))},
            "considerations": {"technicalLimitations": ["A research model, not a medical device."]},
        },
    }
    tools = [_package(name, version) for name, version in sorted(manifest.tools.items())]
    files = [_file(name, bundle, manifest.artifacts) for name in sorted(manifest.files)]
    described = {"timestamp": manifest.created, "tools": {"components": tools}, "component": model}
    return _document(manifest.digest, described, files, {model["bom-ref"]: [file["bom-ref"] for file in files]})


def sbom_from_installation() -> str:
    """This installation's: the package and every installed distribution that it may use, extras included."""
    found: dict[str, importlib.metadata.Distribution] = {}
    needs: dict[str, list[str]] = {}
    waiting = [PACKAGE]
    while waiting:
        name = _normal(waiting.pop())
        if name in found:
            continue
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        lines = found[name].requires or ()
        needs[name] = sorted({_normal(match[0]) for line in lines if (match := _REQUIREMENT.match(line))})
        waiting += needs[name]
    packages = {name: _distribution(found[name]) for name in sorted(found)}
    refs = {name: package["bom-ref"] for name, package in packages.items()}
    depends = {refs[name]: [refs[need] for need in needs[name] if need in refs and need != name] for name in refs}
    own = packages.pop(PACKAGE)
    components = list(packages.values())
    if PATH.exists():
        components.append(library := _native_library(own["version"]))
        depends[own["bom-ref"]].append(library["bom-ref"])
        depends[library["bom-ref"]] = []
    everything = json.dumps(sorted(depends))
    return _document(everything, {"component": {**own, "type": "application"}}, components, depends)


def _document(
    identity: str, metadata: Mapping[str, Any], components: list[Component], depends: Mapping[str, list[str]]
) -> str:
    """The whole document. The same content gives the same serial number, so that a document can be reproduced."""
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, identity)}",
        "version": 1,
        "metadata": metadata,
        "components": components,
        "dependencies": [{"ref": ref, "dependsOn": needed} for ref, needed in sorted(depends.items())],
    }
    return json.dumps(document, indent=2) + "\n"


def _file(name: str, bundle: Bundle, artifacts: tuple[Artifact, ...]) -> Component:
    record = bundle.manifest.files[name]
    part_of = next((f"{a.target} {a.precision}" for a in artifacts if name in a.files), "")
    found: Component = {"type": "file", "bom-ref": f"file:{name}", "name": name, "hashes": _sha256(record.sha256)}
    if part_of:
        found["properties"] = [{"name": f"{PACKAGE}:artefact", "value": part_of}]
    return found


def _metrics(bundle: Bundle) -> Iterator[dict[str, str]]:
    """What parity found at export."""
    for verdict in bundle.manifest.parity.verdicts:
        slice_ = f"{verdict.target} {verdict.precision} against FP32, {number_of(verdict.slices, 'slice')}"
        yield {"type": "mean Dice", "value": f"{verdict.dice_mean:.4f}", "slice": slice_}
        yield {"type": "worst Dice", "value": f"{verdict.dice_worst:.4f}", "slice": slice_}


def _package(name: str, version: str) -> Component:
    if name == "python":
        return {"type": "platform", "bom-ref": f"python@{version}", "name": "CPython", "version": version}
    purl = f"pkg:pypi/{_normal(name)}@{version.replace('+', '%2B')}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _distribution(found: importlib.metadata.Distribution) -> Component:
    package = _package(found.metadata["Name"], found.version)
    if "License-Expression" in found.metadata:
        package["licenses"] = [{"expression": found.metadata["License-Expression"]}]
    return package


def _native_library(version: str) -> Component:
    """The installed libminiseg, with the compiler and the flags that made it."""
    digest = sha256_of(PATH.read_bytes())
    return {
        "type": "library",
        "bom-ref": f"libminiseg@{digest}",
        "name": PATH.name,
        "version": version,
        "hashes": _sha256(digest),
        "properties": [{"name": f"{PACKAGE}:build", "value": build_record()}],
    }


def _sha256(digest: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": digest}]


def _normal(name: str) -> str:
    """A distribution's name as package URLs have it."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.stdout.write(sbom_from_installation())
