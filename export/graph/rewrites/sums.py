"""Sums in a fixed order, so that weights have the same bits on every machine.

einsum, matmul and sum() add in an order that depends on the processor's instruction set; additions of whole tensors,
one after another, do not. Square roots are NumPy's, which IEEE 754 defines to the last bit.
"""

from collections.abc import Iterable
from functools import reduce

import numpy as np
import torch
from torch import Tensor


def in_order(terms: Iterable[Tensor]) -> Tensor:
    """t_1 + t_2 + .., from the first on, of at least one tensor; shapes as for `+`."""
    return reduce(torch.add, terms)


def square_root(values: Tensor) -> Tensor:
    """Of float64 values, detached."""
    return torch.from_numpy(np.sqrt(values.detach().cpu().numpy()))
