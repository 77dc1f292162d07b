"""Sums whose rounding does not grow with their length.

NumPy adds in pairs along the axis whose elements lie closest; along any other axis it makes one long chain of additions.
Such a chain is cut here: places a fixed distance apart are added up first, which leaves an axis CHAIN times shorter.

    sum of (6400, 3) over axis 0:   (64, 100, 3) -> (100, 3) -> (3,)
"""

from __future__ import annotations

from math import prod

import numpy as np

from alight.backends.interpreter.arrays import Array
from alight.backends.interpreter.kernels import Kernel

CHAIN = 64  # additions in a row, at most
Axes = tuple[int, ...]


def summed(shape: tuple[int, ...], axes: Axes, target: np.dtype) -> Kernel:
    """The sum over `axes` of arrays of a shape; in `target`, where that is not the array's own dtype."""
    if prod(shape[i] for i in axes) <= CHAIN or target.kind not in "fc":
        return lambda x: np.add.reduce(x, axes, target)
    longest: dict[tuple[int, ...], int | None] = {}  # by the array's strides

    def run(x: Array) -> Array:
        if x.dtype != target:
            return np.add.reduce(x, axes, target)
        if x.strides not in longest:
            longest[x.strides] = _longest_chain(x, axes)
        axis = longest[x.strides]
        return np.add.reduce(x, axes) if axis is None else _cut(x, axes, axis)

    return run


def _longest_chain(x: Array, axes: Axes) -> int | None:
    """The longest axis that is added up in a chain; None where all chains together are short."""
    chained = set(axes)
    before = None  # the axis walked just inside
    for axis in sorted(range(x.ndim), key=lambda i: abs(x.strides[i])):
        if x.shape[axis] == 1:
            chained.discard(axis)
            continue
        one_walk = before is None or x.strides[axis] == x.strides[before] * x.shape[before]
        if axis not in chained or not one_walk:
            break
        chained.discard(axis)
        before = axis
    if prod(x.shape[axis] for axis in chained) <= CHAIN:
        return None
    return max(chained, key=lambda axis: x.shape[axis])


def _cut(x: Array, axes: Axes, axis: int) -> Array:
    """The sum, with one axis made shorter first."""
    while True:
        shape, size = x.shape, x.shape[axis]
        left = -(-size // CHAIN)
        chain = size // left
        lead = (slice(None),) * axis
        whole = x[(*lead, slice(0, chain * left))]
        part = np.add.reduce(whole.reshape(*shape[:axis], chain, left, *shape[axis + 1 :]), axis)
        if size > chain * left:
            part[(*lead, slice(0, size - chain * left))] += x[(*lead, slice(chain * left, size))]
        following = _longest_chain(part, axes)
        if following is None:
            return np.add.reduce(part, axes)
        x, axis = part, following


__all__ = ["CHAIN", "summed"]
