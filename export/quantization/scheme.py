"""Requirements on the integers: CPUs and tensor cores need different ones for the same network."""

from dataclasses import dataclass

from miniseg_edge.export.tensorrt.kept import KEPT_IN_FP32


@dataclass(frozen=True)
class Scheme:
    """The requirements of a kind of processor.

    Attributes:
        symmetric: activations are int8 around a zero point of 0, otherwise uint8 with individual zero points.
        largest: absolute value of a weight's integer.
        left_alone: name prefixes of convolutions that are never quantized.
        plan: path of its plan in the bundle.
        searched: whether speed on this machine chooses among sets of groups; otherwise a rule does.
    """

    symmetric: bool
    largest: int
    left_alone: tuple[str, ...]
    plan: str
    searched: bool


CPUS = Scheme(symmetric=False, largest=63, left_alone=(), plan="quantization/plan.json", searched=True)
"""Half of int8's range. CPUs without VNNI add pairs of products in 16 bits: 2 * 255 * 63 = 32,130 fits, and with the
full range (2 * 255 * 127 = 64,770) sums saturate and the mask is destroyed without an error."""

TENSOR_CORES = Scheme(
    symmetric=True, largest=127, left_alone=KEPT_IN_FP32, plan="quantization/plan-trt.json", searched=False
)
"""They add in 32 bits. TensorRT has no zero point; what FP16 keeps in FP32, INT8 keeps there as well."""
