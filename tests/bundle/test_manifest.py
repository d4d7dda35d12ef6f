import json
import posixpath
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import PureWindowsPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniseg_edge.architecture import Architecture
from miniseg_edge.bundle.manifest import (
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_NETWORK_SIDE,
    REFERENCE_TARGET,
    Artifact,
    CheckpointRecord,
    Manifest,
    NetworkRecord,
    ParityRecord,
    PrecisionChoice,
    check_name,
    manifest_from_json,
    sealed,
)
from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.errors import BundleError, IncompatibleError, IntegrityError, PathEscapeError
from miniseg_edge.parity.comparison import ParityLimits
from miniseg_edge.slices.preprocessing import Statistics, Window
from tests.bundles import GOLDEN, manifest_object, resealed, small_manifest

Path = tuple[str | int, ...]


def leaves(value: object, path: Path = ()) -> Iterator[Path]:
    """Where in a JSON document its texts, numbers, booleans and nulls stand."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, (*path, key))
    else:
        yield path


LEAVES = list(leaves(manifest_object()))
CHANGES: dict[str, object] = {
    "schema_version": 2,
    "created": "now",
    "checkpoint": CheckpointRecord("fold2.pth", "c" * 64),
    "network": NetworkRecord("custom", 3, 2, 82_924, Architecture()),
    "preprocessing": replace(small_manifest().preprocessing, statistics=Statistics(0.55, 0.290001)),
    "interface": replace(small_manifest().interface, result="mask"),
    "input": replace(small_manifest().input, name="image"),
    "output": replace(small_manifest().output, meaning="none"),
    "artifacts": (),
    "golden": (GOLDEN, GOLDEN),
    "parity": ParityRecord("parity.json", "phantoms", ()),
    "tools": {},
    "files": {},
    "choices": (PrecisionChoice("onnx", "fp32", "alone", "a machine", ()),),
}


def edited(path: Path, change: Callable[[Any], object]) -> dict[str, Any]:
    """The small manifest as JSON with one value changed."""
    found = manifest_object()
    place: Any = found
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = change(place[path[-1]])
    return found


def other(value: object) -> object:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return f"{value}x" if value is not None else 1.0


def check_refused(found: dict[str, Any], match: str) -> None:
    with pytest.raises(BundleError, match=match):
        manifest_from_json(resealed(found))


class TestSeal:
    def test_a_manifest_is_read_as_it_was_written(self) -> None:
        assert manifest_from_json(json_from_record(small_manifest()).encode()) == small_manifest()

    def test_layout_is_no_content(self) -> None:
        shuffled = dict(reversed(manifest_object().items()))
        assert manifest_from_json(json.dumps(shuffled, indent=None).encode()) == small_manifest()

    def test_sealing_again_changes_nothing(self) -> None:
        assert sealed(small_manifest()) == small_manifest()

    def test_whole_numbers_where_fractions_belong_are_sealed_as_they_are_read(self) -> None:
        preprocessing = replace(small_manifest().preprocessing, window=Window(-1250, 250), statistics=Statistics(0, 1))
        written = sealed(replace(small_manifest(), preprocessing=preprocessing))
        assert manifest_from_json(json_from_record(written).encode()) == written

    @pytest.mark.parametrize("field", CHANGES)
    def test_the_digest_changes_with_every_field(self, field: str) -> None:
        changed: dict[str, Any] = {field: CHANGES[field]}
        assert sealed(replace(small_manifest(), **changed)).digest != small_manifest().digest

    def test_no_field_was_forgotten_above(self) -> None:
        assert {*CHANGES, "digest", "origin"} == {field.name for field in fields(Manifest)}

    @pytest.mark.parametrize("path", [p for p in LEAVES if p != ("schema_version",)], ids=str)
    def test_any_value_edited_by_hand_breaks_the_seal(self, path: Path) -> None:
        with pytest.raises(IntegrityError, match="changed after the export"):
            manifest_from_json(json.dumps(edited(path, other)).encode())

    @pytest.mark.parametrize("digest", [None, "", 7, [], "0" * 64])
    def test_without_its_digest_it_is_refused(self, digest: object) -> None:
        with pytest.raises(IntegrityError):
            manifest_from_json(json.dumps(manifest_object() | {"digest": digest}).encode())

    @pytest.mark.parametrize("version", [0, 2, "1", None, [], 10**9])
    def test_another_schema_is_incompatible_and_both_are_named(self, version: object) -> None:
        with pytest.raises(IncompatibleError, match=r"expected schema_version 1, got ") as caught:
            manifest_from_json(resealed(manifest_object() | {"schema_version": version}))
        assert caught.value.got == repr(version)

    def test_a_manifest_without_a_schema_is_incompatible(self) -> None:
        found = manifest_object()
        del found["schema_version"]
        with pytest.raises(IncompatibleError):
            manifest_from_json(resealed(found))

    @pytest.mark.parametrize("version", [True, 1.0])
    def test_a_schema_that_only_equals_ours_is_refused(self, version: object) -> None:
        check_refused(manifest_object() | {"schema_version": version}, "schema_version has a wrong type")

    @pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b'{"schema_version": 1, "schema_version": 1}'])
    def test_what_is_no_json_object_is_refused(self, data: bytes) -> None:
        with pytest.raises(BundleError, match=r"manifest\.json is not valid"):
            manifest_from_json(data)


class TestNames:
    @pytest.mark.parametrize(
        "name",
        [
            "",
            ".",
            "..",
            "../model.onnx",
            "onnx/../../model.onnx",
            "onnx/..",
            "./model.onnx",
            "/etc/passwd",
            "//server/share",
            "onnx//model.onnx",
            "onnx/",
            "onnx\\model.onnx",
            "..\\model.onnx",
            "C:/model.onnx",
            "C:model.onnx",
            "onnx/model.onnx:stream",
            "model\0.onnx",
            "onnx/CON.png",
            "nul",
            "aux .bin/model.onnx",
            "model.onnx.",
            "onnx /model.onnx",
            "n" * 201,
        ],
    )
    def test_a_name_that_could_leave_the_bundle_is_an_escape(self, name: str) -> None:
        found = manifest_object()
        found["files"][name] = {"sha256": "0" * 64, "bytes": 0}
        with pytest.raises(PathEscapeError, match="outside the bundle"):
            manifest_from_json(resealed(found))

    def test_names_that_are_one_file_elsewhere_are_refused(self) -> None:
        found = manifest_object()
        name = next(iter(found["files"]))
        found["files"][name.upper()] = found["files"][name]
        with pytest.raises(PathEscapeError, match="the same on Windows and macOS"):
            manifest_from_json(resealed(found))

    def test_names_are_looked_at_before_the_seal(self) -> None:
        found = manifest_object() | {"digest": "", "files": {"../x": {}}}
        with pytest.raises(PathEscapeError):
            manifest_from_json(json.dumps(found).encode())

    @pytest.mark.parametrize("name", ["model.onnx", "a/b/c.bin", ".hidden", "..dots", "Läsion 1.png", "n" * 200])
    def test_a_plain_relative_name_is_accepted(self, name: str) -> None:
        check_name(name)

    @settings(max_examples=200, deadline=None)
    @given(st.text(alphabet="a./\\:C \0") | st.text())
    def test_whatever_is_accepted_stays_inside_on_every_system(self, name: str) -> None:
        try:
            check_name(name)
        except PathEscapeError:
            return
        assert posixpath.normpath(f"/bundle/{name}") == f"/bundle/{name}"
        on_windows = PureWindowsPath("D:/bundle") / name
        assert on_windows.parts == ("D:\\", "bundle", *name.split("/"))


class TestSense:
    @pytest.mark.parametrize("field", [field.name for field in fields(Manifest) if field.name != "schema_version"])
    def test_a_missing_field_is_refused(self, field: str) -> None:
        found = manifest_object()
        del found[field]
        with pytest.raises(BundleError):
            manifest_from_json(resealed(found) if field != "digest" else json.dumps(found).encode())

    def test_an_unknown_field_is_refused(self) -> None:
        check_refused(manifest_object() | {"signature": "x"}, "unknown: signature")

    @pytest.mark.parametrize(
        "path",
        [("artifacts", 0, "files", 0), ("golden", 0, "image"), ("golden", 0, "logit"), ("parity", "report")],
        ids=str,
    )
    def test_a_file_that_is_not_listed_is_refused(self, path: Path) -> None:
        check_refused(edited(path, lambda _: "absent.bin"), r"does not list; got absent\.bin")

    def test_an_artefact_without_files_is_refused(self) -> None:
        check_refused(edited(("artifacts", 0, "files"), lambda _: []), "files")

    def test_a_bundle_without_golden_slices_is_refused(self) -> None:
        check_refused(manifest_object() | {"golden": []}, "no golden slices")

    @pytest.mark.parametrize("size", [-1, MAX_FILE_BYTES + 1])
    def test_an_absurd_file_size_is_refused(self, size: int) -> None:
        check_refused(edited(("files", "parity.json", "bytes"), lambda _: size), "lists too many bytes")

    def test_too_many_files_are_refused(self) -> None:
        many = {f"{i}.bin": {"sha256": "0" * 64, "bytes": 0} for i in range(MAX_FILES)}
        check_refused(edited(("files",), lambda files: files | many), "lists too many bytes")

    @pytest.mark.parametrize("tensor", ["input", "output"])
    @pytest.mark.parametrize("shape", [[1, 1, 32, 33], [1, 2, 32, 32], [32, 32], []])
    def test_shapes_that_contradict_the_size_or_the_classes_are_refused(self, tensor: str, shape: list[int]) -> None:
        check_refused(edited((tensor, "shape"), lambda _: shape), "contradicts itself")

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (("preprocessing", "statistics", "mean"), 140.0),
            (("preprocessing", "statistics", "std"), 0.0),
            (("preprocessing", "window", "low_hu"), 250.0),
            (("preprocessing", "scale"), 1.0),
            (("preprocessing", "resize"), "nearest"),
            (("preprocessing", "size"), [0, 32]),
            (("preprocessing", "size"), [32, MAX_NETWORK_SIDE + 1]),
            (("network", "classes"), 1),
            (("network", "classes"), 3),
            (("network", "in_channels"), 10**9),
            (("network", "architecture", "classes"), 1),
            (("network", "architecture", "channels"), [8, 24, 32, 10**9]),
        ],
        ids=str,
    )
    def test_figures_that_make_no_sense_are_refused(self, path: Path, value: object) -> None:
        check_refused(edited(path, lambda _: value), r"^BUNDLE: manifest\.json")

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (("interface", "values"), "hounsfield"),
            (("interface", "values"), "hu"),
            (("interface", "result"), "mask"),
            (("interface", "channels"), 2),
            (("interface", "channels"), 3),
            (("interface", "dynamic_batch"), True),
            (("interface", "dynamic_size"), True),
            (("input", "dtype"), "float64"),
            (("output", "name"), "mask"),
        ],
        ids=str,
    )
    def test_interface_and_specs_agree(self, path: Path, value: object) -> None:
        found = edited(path, lambda _: value)
        found["preprocessing"]["window"] = None
        check_refused(found, "contradicts itself|is invalid")

    def test_an_origin_of_something_else_is_refused(self) -> None:
        with pytest.raises(BundleError, match="origin"):
            manifest_from_json(resealed(edited(("origin",), lambda _: "0" * 64), origin=False))

    def test_a_bundle_without_a_window_is_read(self) -> None:
        found = edited(("preprocessing", "window"), lambda _: None)
        assert manifest_from_json(resealed(found)).preprocessing.window is None

    @settings(max_examples=100, deadline=None)
    @given(
        st.sampled_from(LEAVES),
        st.none()
        | st.booleans()
        | st.integers(-(10**17), 10**17)
        | st.floats()
        | st.text()
        | st.just([])
        | st.just({}),
    )
    def test_a_forged_manifest_is_read_or_refused(self, path: Path, value: object) -> None:
        try:
            found = manifest_from_json(resealed(edited(path, lambda _: value)))
        except BundleError:
            return
        assert isinstance(found, Manifest)


class TestLookup:
    def test_an_artefact_is_found_by_its_target(self) -> None:
        artifact = small_manifest().artifact("onnx")
        assert isinstance(artifact, Artifact)
        assert artifact.target == "onnx"

    def test_a_target_that_was_not_built_is_none(self) -> None:
        assert small_manifest().artifact("openvino") is None

    def test_a_target_keeps_the_limits_of_its_export(self) -> None:
        assert small_manifest().limits(small_manifest().artifacts[0]) == ParityLimits(near_tie=0.01)

    def test_the_reference_has_the_default_limits(self) -> None:
        reference = Artifact(REFERENCE_TARGET, "fp32", (), 0, "as trained")
        assert small_manifest().limits(reference) == ParityLimits()

    def test_fp32_goes_before_other_precisions(self) -> None:
        exact = small_manifest().artifacts[0]
        fast = replace(exact, precision="bf16")
        both = replace(small_manifest(), artifacts=(fast, exact))
        assert both.artifact("onnx") == exact
        assert both.artifact("onnx", "bf16") == fast
        assert both.artifact("onnx", "int8") is None

    def test_golden_slices_are_held_to_what_was_reached_at_export(self) -> None:
        (artifact,), verdict = small_manifest().artifacts, small_manifest().parity.verdicts[0]
        limits = ParityLimits(max_real_flips=None, min_dice_mean=0.98, min_dice_worst=0.95, tiny_lesion=100)
        for golden_dice, wanted in (
            (0.99, limits),
            (0.9, replace(limits, min_dice_mean=0.89, min_dice_worst=0.89, tiny_lesion=0)),
        ):
            parity = ParityRecord("parity.json", "slices", (replace(verdict, limits=limits, golden_dice=golden_dice),))
            assert replace(small_manifest(), parity=parity).limits(artifact) == wanted
