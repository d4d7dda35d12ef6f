"""Names ONNX nodes after their block in the trained network.

The exporter numbers nodes (`node_conv2d_14`) and keeps the path of modules each came from in the node's metadata, as
`scope: class/scope: class/../operator: aten name`. A node becomes `<block>/<operator>`, with a number where a block
has several: `level2.0.body.fuse/Conv`.
"""

import re
from collections import Counter

import onnx

_KEY = "namespace"
_BLOCKS = (
    (re.compile(r"^enter(\d)\.down\b"), r"down\1"),
    (re.compile(r"^enter(\d)\.long\b"), r"long\1"),
    (re.compile(r"^enter(\d)\.entries\b"), r"exchange\1"),
    (re.compile(r"^stage(\d)\.main\.(\d+)"), r"level\1.\2"),
    (re.compile(r"^stage(\d)\.long\.(\d+)"), r"level\1_long.\2"),
    (re.compile(r"^stage(\d)\.entries\.(\d+)"), r"level\1.\2.entries"),
)
"""Modules of the rewritten graph -> the checkpoint's names of their blocks; others keep their names."""


def named_after_blocks(model: onnx.ModelProto) -> None:
    """Renames the nodes of a freshly exported model, in place; values and weights keep their names.

    Nodes without the exporter's metadata are named after their operator only. Names are unique.
    """
    seen: Counter[str] = Counter()
    for node in model.graph.node:
        name = "/".join(part for part in (_block(node), node.op_type) if part)
        seen[name] += 1
        node.name = name if seen[name] == 1 else f"{name}_{seen[name] - 1}"


def _block(node: onnx.NodeProto) -> str:
    namespace = next((prop.value for prop in node.metadata_props if prop.key == _KEY), "")
    scopes = [part.split(":")[0].strip() for part in namespace.split("/")]
    path = scopes[-2] if len(scopes) > 1 else ""
    for pattern, block in _BLOCKS:
        path = pattern.sub(block, path)
    return path
