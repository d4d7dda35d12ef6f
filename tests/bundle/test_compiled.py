"""What the manifest says of compiled artefacts: the open parts are kept and hashed, elsewhere nothing unknown is."""

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.compiled import ARTEFACT, Compiled, Requirements
from miniseg_edge.bundle.manifest import Manifest, manifest_from_json, sealed
from miniseg_edge.bundle.records import json_from_record, record_from_object
from miniseg_edge.errors import BundleError

NUMBERS = st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False)
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)
PLAIN = Compiled("later", "9.9", is_code=False, judged_on=ARTEFACT, sources=(), requires=Requirements())


def with_compiled(bundle: Bundle, compiled: Compiled) -> Manifest:
    first, *others = bundle.manifest.artifacts
    return sealed(replace(bundle.manifest, artifacts=(replace(first, compiled=compiled), *others)))


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), ANYTHING, max_size=4))
def test_open_parts_are_kept_as_they_are(details: dict[str, object]) -> None:
    compiled = replace(PLAIN, details=details)
    assert record_from_object(Compiled, json.loads(json_from_record(compiled)), "compiled") == compiled


def test_what_only_a_later_version_knows_is_kept_and_hashed(bundle: Bundle) -> None:
    compiled = replace(PLAIN, options={"mystery": [1, {"deep": 0.5}]})
    manifest = with_compiled(bundle, compiled)
    text = json_from_record(manifest)
    assert manifest_from_json(text.encode()).artifacts[0].compiled == compiled
    with pytest.raises(BundleError, match="changed"):
        manifest_from_json(text.replace('"deep": 0.5', '"deep": 0.6').encode())


def test_elsewhere_what_is_unknown_is_refused() -> None:
    known = asdict(PLAIN)
    with pytest.raises(BundleError, match="wrong fields"):
        record_from_object(Compiled, json.loads(json.dumps({**known, "mystery": 1})), "compiled")
    requires = {**known["requires"], "mystery": 1}
    with pytest.raises(BundleError, match="wrong fields"):
        record_from_object(Compiled, json.loads(json.dumps({**known, "requires": requires})), "compiled")


def test_a_number_that_json_cannot_hold_is_refused() -> None:
    text = json.dumps(asdict(PLAIN)).replace('"options": {}', '"options": {"much": [1e999]}')
    with pytest.raises(BundleError, match="not finite"):
        record_from_object(Compiled, json.loads(text), "compiled")


def test_it_is_judged_on_itself_or_its_source() -> None:
    with pytest.raises(ValueError, match="judged on"):
        replace(PLAIN, judged_on="luck")
    wrong = json.loads(json.dumps({**asdict(PLAIN), "judged_on": "luck"}))
    with pytest.raises(BundleError, match="judged on"):
        record_from_object(Compiled, wrong, "compiled")


def test_its_sources_are_files_of_the_bundle(bundle: Bundle) -> None:
    manifest = with_compiled(bundle, replace(PLAIN, sources=("elsewhere/model.onnx",)))
    with pytest.raises(BundleError, match="does not list"):
        manifest_from_json(json_from_record(manifest).encode())
