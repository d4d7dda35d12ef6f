"""OpenVINO IR -> the graph for admission: layers, edges and constants of an .xml and its .bin.

Only what the exporter writes is accepted. A file with declarations, comments, loop bodies, variables or layers of
extensions is refused: OpenVINO's own reader is more lenient and might interpret them differently.
"""

import re
import struct
import xml.parsers.expat
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

from miniseg_edge.admission.call import integers
from miniseg_edge.admission.graph import MAX_NUMBERS, Graph, Node, NotAdmittedError, Port, Shape, Value
from miniseg_edge.errors import IncompatibleError, UnsafeModelError
from miniseg_edge.tensors import ANY

MAX_XML_BYTES = 64 * 2**20
MAX_ELEMENTS = 500_000
"""Our networks have about 30,000."""

_MAX_DEPTH = 16
_BEGIN = re.compile(rb'<\?xml version="1\.0"( encoding="(?i:utf-8)")? ?\?>')
_OPSET = re.compile(r"opset[0-9]{1,2}")
_FREE = ("-1", "?")
_BYTES = {"f32": 4, "f16": 2, "bf16": 2, "f64": 8, "i8": 1, "u8": 1, "i16": 2, "i32": 4, "i64": 8, "boolean": 1}
_FOLLOWED = {"f32": "f", "i32": "i", "i64": "q"}

_CHILDREN = {
    "net": {"layers", "edges", "rt_info"},
    "layers": {"layer"},
    "layer": {"data", "input", "output"},
    "input": {"port"},
    "output": {"port"},
    "port": {"dim"},
    "edges": {"edge"},
}
"""Which elements may contain which.

`rt_info` of the net may contain anything: it describes the file and is not executed.
"""

_ONCE = {"layers", "edges", "data", "input", "output"}


@dataclass
class _Element:
    tag: str
    attributes: Mapping[str, str]
    children: list["_Element"] = field(default_factory=list)
    text: str = ""

    def child(self, tag: str) -> "_Element | None":
        return next((child for child in self.children if child.tag == tag), None)

    def get(self, name: str) -> str:
        if name not in self.attributes:
            raise NotAdmittedError(f"a {self.tag} without {name}")
        return self.attributes[name]


def graph_from_ir(xml_: bytes, weights: bytes) -> Graph:
    """Reads a model.

    Raises:
        IncompatibleError: the file is not an IR.
        UnsafeModelError: the file is more than a plain network, or contradicts itself.
    """
    if _BEGIN.match(xml_) is None:
        raise _no_ir(xml_[:8].hex(" "))
    try:
        return _graph(_parsed(xml_), weights)
    except NotAdmittedError as reason:
        raise UnsafeModelError(
            "the IR is more than a plain network",
            expected="layers of OpenVINO's opsets, weights, one input and one output",
            because=str(reason),
            remedy="Export it again with miniseg-export.",
        ) from reason


def _parsed(xml_: bytes) -> _Element:
    """The file's elements as a tree. Raises: NotAdmittedError, IncompatibleError."""
    if len(xml_) > MAX_XML_BYTES or xml_.count(b"<") > 2 * MAX_ELEMENTS:
        raise NotAdmittedError(f"more than {MAX_XML_BYTES} bytes or {MAX_ELEMENTS} elements")
    if b"<!" in xml_ or xml_.count(b"<?") != 1 or b"\0" in xml_:
        raise NotAdmittedError("a declaration, a comment or an instruction")
    root = _Element("", {})
    open_ = [root]

    def begin(tag: str, attributes: dict[str, str]) -> None:
        parent = open_[-1]
        if len(open_) > _MAX_DEPTH:
            raise NotAdmittedError("elements nested too deep")
        element = _Element(tag, attributes)
        about = any(outer.tag == "rt_info" for outer in open_)
        if parent is not root and not about:
            if tag not in _CHILDREN.get(parent.tag, ()):
                raise NotAdmittedError(f"a {tag[:40]!r} in a {parent.tag}")
            if tag in _ONCE and parent.child(tag) is not None:
                raise NotAdmittedError(f"two {tag} in a {parent.tag}")
        if not about:
            parent.children.append(element)
        open_.append(element)

    def end(_: str) -> None:
        open_.pop()

    def text(found: str) -> None:
        if open_[-1].tag == "dim":
            open_[-1].text += found

    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = begin, end, text
    try:
        parser.Parse(xml_, True)
    except xml.parsers.expat.ExpatError as reason:
        raise _no_ir(f"no XML: {reason}") from reason
    return root.children[0]


def _no_ir(got: str) -> IncompatibleError:
    return IncompatibleError("the openvino artefact is not an IR", expected="an .xml file", got=got)


@dataclass
class _Ports:
    """Values that the layers have produced so far, by layer and port."""

    values: dict[tuple[str, str], str] = field(default_factory=dict)
    stated: dict[str, Shape] = field(default_factory=dict)

    def make(self, layer: str, port: _Element) -> str:
        """A name for the output of a layer's port, and the shape that the file states."""
        key = (layer, port.get("id"))
        if key in self.values:
            raise NotAdmittedError(f"two ports {key[1][:40]!r} of a layer")
        name = self.values[key] = ":".join(key)
        self.stated[name] = tuple(_side(dim.text) for dim in port.children)
        return name


def _graph(net: _Element, weights: bytes) -> Graph:
    layers, edges = net.child("layers"), net.child("edges")
    if net.tag != "net" or net.get("version") not in ("10", "11") or layers is None or edges is None:
        raise NotAdmittedError("another kind or version of file")
    sources: dict[tuple[str, str], tuple[str, str]] = {}
    for edge in edges.children:
        target = (edge.get("to-layer"), edge.get("to-port"))
        if target in sources:
            raise NotAdmittedError("two edges to a port")
        sources[target] = (edge.get("from-layer"), edge.get("from-port"))
    ports, seen = _Ports(), set[str]()
    constants: dict[str, Value] = {}
    nodes: list[Node] = []
    inputs: list[Port] = []
    outputs: list[str] = []
    for layer in layers.children:
        if (id_ := layer.get("id")) in seen:
            raise NotAdmittedError("two layers with one id")
        seen.add(id_)
        read = _read(layer, sources, ports)
        made = [(port, ports.make(id_, port)) for port in _ports_of(layer, "output")]
        type_ = layer.get("type")
        if (type_ == "Result" and made) or (type_ in ("Parameter", "Const") and read):
            raise NotAdmittedError(f"a {type_} with ports that it does not have")
        match type_:
            case "Parameter":
                inputs.append(_parameter(layer, made))
            case "Const":
                constants[_only(made)[1]] = _constant(layer, weights)
            case "Result":
                outputs += read
            case _:
                nodes.append(_node(layer, read, tuple(name for _, name in made)))
    if len(inputs) != 1 or len(outputs) != 1 or sources:
        raise NotAdmittedError("not one input and one output, or an edge to nowhere")
    output = outputs[0]
    names = _names(layers, ports, output)
    return Graph(inputs[0], Port(names, output, ports.stated[output]), constants, tuple(nodes), ports.stated)


def _ports_of(layer: _Element, side: str) -> list[_Element]:
    found = layer.child(side)
    return [] if found is None else found.children


def _read(layer: _Element, sources: dict[tuple[str, str], tuple[str, str]], ports: _Ports) -> tuple[str, ...]:
    """The values at a layer's inputs, produced by earlier layers."""
    read = []
    for port in _ports_of(layer, "input"):
        source = sources.pop((layer.get("id"), port.get("id")), None)
        if source not in ports.values:
            raise NotAdmittedError("an input that no layer before it makes")
        read.append(ports.values[source])
        if tuple(_side(dim.text) for dim in port.children) != ports.stated[read[-1]]:
            raise NotAdmittedError("an input of another shape than what is given to it")
    return tuple(read)


def _node(layer: _Element, read: tuple[str, ...], made: tuple[str, ...]) -> Node:
    version, data = layer.get("version"), layer.child("data")
    operator = f"{version}.{layer.get('type')}"
    if _OPSET.fullmatch(version) is None or not made:
        raise NotAdmittedError(f"a layer {operator[:80]!r}")
    return Node(operator, layer.attributes.get("name", ""), read, made, {} if data is None else dict(data.attributes))


def _parameter(layer: _Element, made: list[tuple[_Element, str]]) -> Port:
    data, (port, value) = layer.child("data"), _only(made)
    if data is None:
        raise NotAdmittedError("an input without a shape")
    return Port(port.attributes.get("names", ""), value, tuple(_side(side) for side in _split(data.get("shape"))))


def _constant(layer: _Element, weights: bytes) -> Value:
    """Elements that lie completely within the .bin."""
    data = layer.child("data")
    if data is None:
        raise NotAdmittedError("a constant without data")
    shape, type_ = integers(data.get("shape")), data.get("element_type")
    offset, size = (integers(f"{data.get(name)},0")[0] for name in ("offset", "size"))
    if type_ not in _BYTES or min(shape, default=0) < 0:
        raise NotAdmittedError(f"a constant of type {type_[:40]!r} and shape {str(shape)[:80]}")
    count = prod(shape)
    if size != count * _BYTES[type_] or not 0 <= offset <= len(weights) - size:
        raise NotAdmittedError(f"a constant of shape {str(shape)[:80]} in {size} bytes at {offset} of {len(weights)}")
    numbers = None
    if count <= MAX_NUMBERS and type_ in _FOLLOWED:
        numbers = struct.unpack_from(f"<{count}{_FOLLOWED[type_]}", weights, offset)
    return Value(shape, numbers, constant=True)


def _only(found: list[tuple[_Element, str]]) -> tuple[_Element, str]:
    if len(found) != 1:
        raise NotAdmittedError("not one port where there is one")
    return found[0]


def _names(layers: _Element, ports: _Ports, value: str) -> str:
    """The name that applications use for the value."""
    for layer in layers.children:
        for port in _ports_of(layer, "output"):
            if ports.values.get((layer.get("id"), port.get("id"))) == value:
                return port.attributes.get("names", "")
    return ""


def _split(text: str) -> list[str]:
    return text.split(",") if text.strip() else []


def _side(text: str) -> int:
    side = text.strip()
    if side in _FREE:
        return ANY
    if not (side.isascii() and side.isdigit() and len(side) <= 10):
        raise NotAdmittedError(f"a side {side[:40]!r}")
    return int(side)
