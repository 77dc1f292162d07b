"""PyTorch's functions and methods: one function each, filed by the sections of PyTorch's own documentation.

The body of a public operation is its lowering to primitives; it runs only when a path is new, so it is written for
the reader. `alight.ops.operation` makes the calling side of it.
"""

from alight.ops import (
    axes,
    bitwise,
    comparison,
    complex_numbers,
    contraction,
    conversion,
    creation,
    cumulative,
    decompositions,
    functions,
    gather,
    indexing,
    joining,
    linalg,
    masks,
    matmul,
    memory,
    norms,
    order_statistics,
    parts,
    pointwise,
    products,
    random,
    random_fills,
    ranges,
    rearrange,
    reduction,
    return_types,
    rounding,
    shape,
    sorting,
    statistics,
    strided,
    writing,
)
from alight.ops.attach import attach
from alight.ops.operation import FFT, FUNCTIONAL, LINALG, METHODS, TORCH

attach()

__all__ = ["FFT", "FUNCTIONAL", "LINALG", "METHODS", "TORCH"]
