"""Contraction: products summed over shared axes. Matrix products of every kind are this one primitive."""

from __future__ import annotations

from alight.dtypes import NUMERIC, dtype
from alight.errors import internal
from alight.ir.primitive import CONTRACTION, Primitive
from alight.ir.program import Value
from alight.ir.types import Shape, Type
from alight.primitives.elementwise import Conj
from alight.primitives.movement import Permute

Axes = tuple[int, ...]
AxisPairs = tuple[Axes, Axes]  # axes of x, and the axes of y that they go with


def free_axes(ndim: int, *used: Axes) -> Axes:
    """Axes of a value of rank `ndim` that are in none of `used`."""
    return tuple(i for i in range(ndim) if not any(i in axes for axes in used))


class DotGeneral(Primitive):
    """Sum of x * y over the `contract` axes, for each index of the `batch` axes.

    The result's axes are: batch, free axes of x, free axes of y.
    """

    kind, statics, accepts = CONTRACTION, ("batch", "contract"), NUMERIC

    def infer(x: Type, y: Type, *, batch: AxisPairs, contract: AxisPairs) -> tuple[Shape, dtype]:
        for i, j in (*zip(*batch, strict=True), *zip(*contract, strict=True)):
            if x.shape[i] != y.shape[j]:
                internal(f"axis {i} of {x} does not meet axis {j} of {y}")
        if x.dtype is not y.dtype:
            internal(f"contraction of {x} with {y}")
        return (
            tuple(x.shape[i] for i in batch[0])
            + tuple(x.shape[i] for i in free_axes(x.ndim, batch[0], contract[0]))
            + tuple(y.shape[j] for j in free_axes(y.ndim, batch[1], contract[1]))
        ), x.dtype

    def transpose(
        ct: Value, x: Value, y: Value, *, batch: AxisPairs, contract: AxisPairs
    ) -> tuple[Value, Value]:
        if x.dtype.is_complex:  # PyTorch's convention: the gradient conjugates the other factor
            xc, yc = Conj(x), Conj(y)
        else:
            xc, yc = x, y
        x_free = free_axes(x.ndim, batch[0], contract[0])
        y_free = free_axes(y.ndim, batch[1], contract[1])
        lead, middle = len(batch[0]), len(batch[0]) + len(x_free)
        ct_batch = tuple(range(lead))
        # For x: sum ct * y over y's free axes; the result has axes batch, x's free, then y's contracted in y's order.
        to_x = DotGeneral(
            ct, yc, batch=(ct_batch, batch[1]), contract=(tuple(range(middle, ct.ndim)), y_free)
        )
        y_order = sorted(range(len(contract[1])), key=lambda k: contract[1][k])
        axes_x = (*batch[0], *x_free, *(contract[0][k] for k in y_order))
        to_y = DotGeneral(
            ct, xc, batch=(ct_batch, batch[0]), contract=(tuple(range(lead, middle)), x_free)
        )
        x_order = sorted(range(len(contract[0])), key=lambda k: contract[0][k])
        axes_y = (*batch[1], *y_free, *(contract[1][k] for k in x_order))
        return _to_order(to_x, axes_x), _to_order(to_y, axes_y)


def _to_order(value: Value, axes: Axes) -> Value:
    """Axis k of `value` is axis axes[k] of the result."""
    return Permute(value, order=tuple(axes.index(i) for i in range(len(axes))))
