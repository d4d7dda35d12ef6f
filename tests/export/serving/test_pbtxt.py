import pytest
from google.protobuf import text_format

from miniseg_edge.export.serving.pbtxt import Word, pbtxt
from tests.export.serving.schema import SCHEMA, config_from_pbtxt


def test_what_is_written_is_what_the_schema_reads() -> None:
    text = pbtxt(
        {
            "name": 'quotes " and \\ back',
            "max_batch_size": 8,
            "input": [
                {"name": "one", "data_type": Word("TYPE_FP32"), "dims": [1, -1]},
                {"name": "two", "data_type": Word("TYPE_UINT8"), "dims": [3]},
            ],
            "dynamic_batching": {"preserve_ordering": True, "default_queue_policy": {}},
            "parameters": [{"key": "a", "value": {"string_value": "1"}}, {"key": "b", "value": {"string_value": ""}}],
        }
    )
    wanted = SCHEMA.ModelConfig(name='quotes " and \\ back', max_batch_size=8)
    wanted.input.add(name="one", data_type=SCHEMA.TYPE_FP32, dims=[1, -1])
    wanted.input.add(name="two", data_type=SCHEMA.TYPE_UINT8, dims=[3])
    wanted.dynamic_batching.preserve_ordering = True
    wanted.dynamic_batching.default_queue_policy.SetInParent()
    wanted.parameters["a"].string_value, wanted.parameters["b"].string_value = "1", ""
    assert config_from_pbtxt(text.encode()) == wanted


def test_the_schema_refuses_what_it_does_not_know() -> None:
    """Else the tests of the configurations would show nothing."""
    for wrong in ({"max_batch": 8}, {"max_batch_size": "8"}, {"input": {"data_type": Word("TYPE_FLOAT")}}):
        with pytest.raises(text_format.ParseError):
            config_from_pbtxt(pbtxt(wrong).encode())


@pytest.mark.parametrize("text", ["näher", "line\nbreak", "\0"])
def test_what_would_need_other_escapes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        pbtxt({"name": text})
