import onnx
import pytest
from onnx import TensorProto, helper

from miniseg_edge.export.quantization.groups import group_of, groups_of, wide_groups


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("first.down.conv/Conv", "first"),
        ("level1.0.entries.conv/Conv", "stage-1"),
        ("level1.1.conv/Conv", "stage-1"),
        ("exchange3.convolutions.1/Conv", "exchange-3"),
        ("level4.2.entries.convolutions.0/Conv", "entries-4"),
        ("down2.body.attention.conv/Conv", "gates-2"),
        ("level2.0.body.attention/Conv", "gates-2"),
        ("level3.7.body.fuse/Conv", "fuse-3"),
        ("up4/Conv", "decoder"),
        ("up2.skip/Conv", "decoder"),
        ("pred1/Conv", "decoder"),
        ("level2.0.body.branches.0/Conv", None),
        ("level2_long.0.conv/Conv", None),
        ("down2.body.spread/Conv", None),
        ("enlarge.doubled/Conv", None),
        ("up1.enlarge/Conv", None),
    ],
)
def test_a_convolution_belongs_where_its_name_says(name: str, group: str | None) -> None:
    assert group_of(name) == group


def convolutions(**shapes: tuple[int, int, int]) -> onnx.ModelProto:
    """Some by name, "_" for the dot: channels given, channels read by each, groups."""
    nodes, weights = [], []
    for name, (given, read, groups) in shapes.items():
        weights.append(helper.make_tensor(name, TensorProto.FLOAT, (given, read, 1, 1), [0.0] * given * read))
        block = name.replace("_", ".")
        nodes.append(helper.make_node("Conv", [f"x{name}", name], [f"y{name}"], f"{block}/Conv", group=groups))
    return helper.make_model(helper.make_graph(nodes, "convolutions", [], [], weights))


def test_a_group_is_wide_if_each_of_its_convolutions_is() -> None:
    model = convolutions(
        level2_0_fuse=(24, 16, 1), level2_1_fuse=(16, 24, 1), level2_0_entries=(24, 24, 1), level2_1_entries=(8, 24, 1),
        level3_0_fuse=(24, 15, 1), level3_0_branches=(32, 1, 32),
    )  # fmt: skip
    groups = groups_of(model)
    assert set(groups) == {"fuse-2", "entries-2", "fuse-3"}
    assert wide_groups(model, groups) == ("fuse-2",)


def test_what_is_left_alone_is_in_no_group() -> None:
    model = convolutions(up4=(16, 16, 1), pred1=(1, 16, 1))
    assert groups_of(model) == {"decoder": ("up4/Conv", "pred1/Conv")}
    assert groups_of(model, ("pred1/", "first/")) == {"decoder": ("up4/Conv",)}
    assert groups_of(model, ("pred1/", "up")) == {}
