import onnx
import pytest
from onnx import helper

from miniseg_edge.export.graph.node_names import named_after_blocks


def node(operator: str, *scopes: str) -> onnx.NodeProto:
    found = helper.make_node(operator, ["x"], ["y"], name="node_17")
    namespace = "/".join(["", *scopes, "conv2d"])
    found.metadata_props.add(key="namespace", value=namespace.replace("/", ": some.Class/"))
    return found


@pytest.mark.parametrize(
    ("scopes", "name"),
    [
        (("first", "first.conv"), "first.conv/Conv"),
        (("enter2", "enter2.down", "enter2.down.body"), "down2.body/Conv"),
        (("enter3", "enter3.long", "enter3.long.conv"), "long3.conv/Conv"),
        (("enter3", "enter3.entries"), "exchange3/Conv"),
        (("stage2", "stage2.main.0", "stage2.main.0.branches.3"), "level2.0.branches.3/Conv"),
        (("stage3", "stage3.long.11"), "level3_long.11/Conv"),
        (("stage3", "stage3.entries.2"), "level3.2.entries/Conv"),
        (("network", "network.up1_bn1"), "network.up1_bn1/Conv"),
        ((), "Conv"),
    ],
)
def test_nodes_tell_their_block(scopes: tuple[str, ...], name: str) -> None:
    model = helper.make_model(helper.make_graph([node("Conv", *scopes)], "graph", [], []))
    named_after_blocks(model)
    assert model.graph.node[0].name == name


def test_names_are_unique_and_nodes_without_metadata_have_one() -> None:
    nodes = [node("Add", "stage1"), node("Add", "stage1"), node("Add", "stage1"), helper.make_node("Pad", ["x"], ["y"])]
    model = helper.make_model(helper.make_graph(nodes, "graph", [], []))
    named_after_blocks(model)
    assert [n.name for n in model.graph.node] == ["stage1/Add", "stage1/Add_1", "stage1/Add_2", "Pad"]
