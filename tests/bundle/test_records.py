import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniseg_edge.bundle.records import MAX_DEPTH, json_from_record, object_from_json, record_from_object
from miniseg_edge.errors import BundleError, CheckpointError

FEW = settings(max_examples=50, deadline=None)


@dataclass(frozen=True)
class Inner:
    name: str
    weight: float

    def __post_init__(self) -> None:
        if self.weight < 0:
            raise ValueError("a weight from 0")


@dataclass(frozen=True)
class Outer:
    count: int
    ratio: float
    on: bool
    size: tuple[int, int]
    names: tuple[str, ...]
    best: Inner
    others: tuple[Inner, ...]
    by_name: Mapping[str, Inner]
    limit: float | None
    spare: Inner | None


small_ints = st.integers(-(10**16), 10**16)
floats = st.floats(allow_nan=False, allow_infinity=False)
inners = st.builds(Inner, st.text(), st.floats(0, 1e300))
outers = st.builds(
    Outer,
    count=small_ints,
    ratio=floats,
    on=st.booleans(),
    size=st.tuples(small_ints, small_ints),
    names=st.lists(st.text()).map(tuple),
    best=inners,
    others=st.lists(inners, max_size=3).map(tuple),
    by_name=st.dictionaries(st.text(), inners, max_size=3),
    limit=st.none() | floats,
    spare=st.none() | inners,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | floats | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(), inside, max_size=3),
    max_leaves=8,
)

EXAMPLE = Outer(3, 0.5, True, (1, 2), ("a", "b"), Inner("best", 1.0), (), {"x": Inner("x", 2.0)}, None, None)


def example() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json_from_record(EXAMPLE))
    return found


def read(data: bytes) -> Outer:
    return record_from_object(Outer, object_from_json(data, "file"), "file")


class TestRoundTrip:
    @FEW
    @given(outers)
    def test_what_was_written_is_read(self, record: Outer) -> None:
        assert read(json_from_record(record).encode()) == record

    @pytest.mark.parametrize("text", ["[" * 40, "]" * 40, '"[{\\"' * 40, "\\", '\\"'])
    def test_brackets_in_texts_are_no_nesting(self, text: str) -> None:
        record = Inner(text, 1.0)
        assert record_from_object(Inner, object_from_json(json_from_record(record).encode(), "file"), "file") == record

    def test_keys_stand_in_the_order_of_the_fields(self) -> None:
        assert list(example()) == list(Outer.__dataclass_fields__)

    def test_a_whole_number_serves_as_a_float(self) -> None:
        found = read(json.dumps(example() | {"ratio": 2}).encode())
        assert type(found.ratio) is float

    @pytest.mark.parametrize("number", [float("nan"), float("inf")])
    def test_what_is_not_finite_is_not_written(self, number: float) -> None:
        with pytest.raises(ValueError, match="JSON"):
            json_from_record(Inner("x", number))


class TestJson:
    def check_refused(self, data: bytes) -> BundleError:
        with pytest.raises(BundleError, match="file is not valid") as caught:
            object_from_json(data, "file")
        return caught.value

    @pytest.mark.parametrize("data", [b"\xff\xfe{}", b'{"a": "\xe4"}', "{}".encode("utf-16"), b"\xef\xbb\xbf{}"])
    def test_another_encoding_than_utf8_is_refused(self, data: bytes) -> None:
        self.check_refused(data)

    @pytest.mark.parametrize("data", [b"", b" ", b"{", b'{"a"}', b"{'a': 1}", b'{"a": 1,}', b'{"a": 1} {}', b"\0"])
    def test_broken_json_is_refused(self, data: bytes) -> None:
        self.check_refused(data)

    @pytest.mark.parametrize("data", [b"[]", b"1", b'"text"', b"null", b"true"])
    def test_anything_but_an_object_is_refused(self, data: bytes) -> None:
        assert self.check_refused(data).expected == "a JSON object"

    @pytest.mark.parametrize("data", [b'{"a": 1, "a": 1}', b'{"b": [{"a": 1, "c": 2, "\\u0061": 3}]}'])
    def test_a_key_that_stands_twice_is_refused(self, data: bytes) -> None:
        assert "twice" in self.check_refused(data).because

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
    def test_numbers_that_json_does_not_know_are_refused(self, number: str) -> None:
        assert number in self.check_refused(f'{{"a": {number}}}'.encode()).because

    @pytest.mark.parametrize("digits", [19, 400, 5000, 200_000])
    def test_a_huge_integer_is_refused(self, digits: int) -> None:
        assert "too many digits" in self.check_refused(b'{"a": ' + b"9" * digits + b"}").because

    @pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 2_000, 100_000])
    @pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a": ', b"}"), (b'["]", ', b"]")])
    def test_deep_nesting_is_refused(self, opening: bytes, closing: bytes, depth: int) -> None:
        data = b'{"a": ' + opening * (depth - 1) + b"1" + closing * (depth - 1) + b"}"
        assert "nested deeper" in self.check_refused(data).because

    def test_the_deepest_allowed_nesting_is_read(self) -> None:
        data = b'{"a": ' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}"
        assert "a" in object_from_json(data, "file")

    def test_the_caller_chooses_the_error(self) -> None:
        with pytest.raises(CheckpointError, match="weights is not valid JSON"):
            object_from_json(b"{", "weights", CheckpointError)

    @FEW
    @given(st.binary())
    def test_arbitrary_bytes_are_read_or_refused(self, data: bytes) -> None:
        self.check_read_or_refused(data)

    @settings(max_examples=200, deadline=None)
    @given(st.text(alphabet='[]{}",:\\ue019.-nulltrfas \n'))
    def test_almost_json_is_read_or_refused(self, text: str) -> None:
        self.check_read_or_refused(text.encode())
        self.check_read_or_refused(f'{{"a": {text}}}'.encode())

    def check_read_or_refused(self, data: bytes) -> None:
        try:
            found = object_from_json(data, "file")
        except BundleError:
            return
        assert isinstance(found, dict)


class TestRecord:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("count", True),
            ("count", 1.0),
            ("count", "1"),
            ("count", None),
            ("ratio", "0.5"),
            ("ratio", False),
            ("on", 1),
            ("on", "true"),
            ("size", 1),
            ("size", "ab"),
            ("size", {"0": 1, "1": 2}),
            ("names", None),
            ("names", ["a", 1]),
            ("best", None),
            ("best", ["best", 1.0]),
            ("others", {}),
            ("others", [None]),
            ("by_name", []),
            ("by_name", {"x": 1}),
            ("limit", "none"),
            ("spare", []),
        ],
    )
    def test_a_wrong_type_is_refused_where_it_stands(self, field: str, value: object) -> None:
        with pytest.raises(BundleError, match=rf"file\.{field}.* has a wrong type"):
            record_from_object(Outer, example() | {field: value}, "file")

    @pytest.mark.parametrize("size", [[], [1], [1, 2, 3]])
    def test_a_tuple_of_another_length_is_refused(self, size: list[int]) -> None:
        with pytest.raises(BundleError, match="expected 2 items"):
            record_from_object(Outer, example() | {"size": size}, "file")

    @pytest.mark.parametrize("field", list(example()))
    def test_a_missing_field_is_named(self, field: str) -> None:
        found = example()
        del found[field]
        with pytest.raises(BundleError, match=f"missing: {field}; unknown: none"):
            record_from_object(Outer, found, "file")

    def test_an_unknown_field_is_named(self) -> None:
        with pytest.raises(BundleError, match="missing: none; unknown: extra"):
            record_from_object(Outer, example() | {"extra": 1}, "file")

    def test_a_fault_deep_inside_is_located(self) -> None:
        found = example() | {"others": [{"name": "a", "weight": 1.0}, {"name": "b", "weight": "heavy"}]}
        with pytest.raises(BundleError, match=r"file\.others\[1\]\.weight has a wrong type; expected float, got str"):
            record_from_object(Outer, found, "file")

    def test_a_float_too_large_for_the_machine_is_refused(self) -> None:
        data = json.dumps(example()).replace('"ratio": 0.5', '"ratio": 1e999').encode()
        with pytest.raises(BundleError, match=r"file\.ratio is not finite"):
            read(data)

    def test_what_the_record_itself_refuses_is_refused(self) -> None:
        with pytest.raises(BundleError, match=r"file\.best is invalid; expected a weight from 0"):
            record_from_object(Outer, example() | {"best": {"name": "x", "weight": -1.0}}, "file")

    @pytest.mark.parametrize("value", [None, 1, "text", [], [1]])
    def test_anything_but_an_object_is_refused(self, value: object) -> None:
        with pytest.raises(BundleError, match="expected an object"):
            record_from_object(Outer, value, "file")

    def test_the_caller_chooses_the_error(self) -> None:
        with pytest.raises(CheckpointError):
            record_from_object(Outer, None, "weights", CheckpointError)

    @FEW
    @given(st.sampled_from(list(example())), json_values)
    def test_any_value_anywhere_is_read_or_refused(self, field: str, value: object) -> None:
        try:
            found = record_from_object(Outer, example() | {field: value}, "file")
        except BundleError:
            return
        assert isinstance(found, Outer)
