"""Broadcasting and the operators of `Value`, so that formulas read as mathematics.

`x * 2 + y` emits Mul, Add and what broadcasting needs. A Python number takes the other operand's dtype.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from alight.dtypes import dtype as Dtype
from alight.errors import internal
from alight.ir.program import Value
from alight.ir.types import Shape
from alight.primitives import elementwise as e
from alight.primitives.create import Full
from alight.primitives.movement import Expand, Reshape
from alight.primitives.reduction import Sum

Number = bool | int | float | complex


def constant(like: Value, number: Number, shape: Shape = (), dtype: Dtype | None = None) -> Value:
    """`number` as a value of the dtype (unless given), device and program of `like`."""
    with like.builder.active():
        return Full(shape=shape, value=number, dtype=dtype or like.dtype, device=like.type.device)


def zeros_like(x: Value) -> Value:
    """Zeros of the type of `x`."""
    return constant(x, 0, x.shape)


def fresh(x: Value) -> Value:
    """`x` as a value of its own: what is written in place, or cloned, must not be taken for the old one."""
    return Reshape(Reshape(x, shape=(*x.shape, 1)), shape=x.shape)


def broadcast_shape(*shapes: Shape) -> Shape | None:
    """The common shape under NumPy's rule, or None where there is none.

    >>> broadcast_shape((3, 1), (4,))
    (3, 4)
    """
    rank = max(map(len, shapes))
    result = []
    for sizes in zip(*[(1,) * (rank - len(shape)) + shape for shape in shapes], strict=True):
        others = {size for size in sizes if size != 1}
        if len(others) > 1:
            return None
        result.append(others.pop() if others else 1)
    return tuple(result)


def broadcast(x: Value, shape: Shape) -> Value:
    """`x` with axes of extent 1 added in front and grown as `shape` says."""
    if x.shape == shape:
        return x
    return Expand(Reshape(x, shape=(1,) * (len(shape) - x.ndim) + x.shape), shape=shape)


def align(*values: Value) -> tuple[Value, ...]:
    """All values broadcast to their common shape."""
    shape = broadcast_shape(*(value.shape for value in values))
    if shape is None:
        internal(f"shapes {[value.shape for value in values]} do not broadcast")
    return tuple(broadcast(value, shape) for value in values)


def sum_to(x: Value, shape: Shape) -> Value:
    """The transpose of `broadcast`: sum over the axes that broadcasting to `x.shape` added or grew."""
    if x.shape == shape:
        return x
    lead = x.ndim - len(shape)
    grown = [i + lead for i, size in enumerate(shape) if size == 1 and x.shape[i + lead] != 1]
    return Reshape(Sum(x, axes=(*range(lead), *grown)), shape=shape)


def kept_shape(shape: Shape, axes: Iterable[int]) -> Shape:
    """`shape` with extent 1 at `axes`: what a reduction with keepdim leaves."""
    axes = set(axes)
    return tuple(1 if i in axes else size for i, size in enumerate(shape))


def put_back(x: Value, shape: Shape, axes: Iterable[int]) -> Value:
    """Undo a reduction of a value of `shape` over `axes`: the axes come back, every element repeated."""
    return Expand(Reshape(x, shape=kept_shape(shape, axes)), shape=shape)


def _operator(primitive: Any) -> tuple[Any, Any]:
    def forward(self: Value, other: Value | Number) -> Value:
        if not isinstance(other, Value):
            other = constant(self, other)
        return primitive(*align(self, other))

    def reflected(self: Value, other: Number) -> Value:
        return primitive(*align(constant(self, other), self))

    return forward, reflected


def equal(x: Value, y: Value | Number) -> Value:
    """Element-wise `x == y`, as bool (the `==` of values compares handles)."""
    return _operator(e.Equal)[0](x, y)


def where(condition: Value, x: Value | Number, y: Value | Number) -> Value:
    """`x` where `condition`, else `y`; all three broadcast, a number takes the other branch's dtype."""
    if not isinstance(x, Value):
        assert isinstance(y, Value)
        x = constant(y, x)
    if not isinstance(y, Value):
        y = constant(x, y)
    return e.Select(*align(condition, x, y))


def _attach() -> None:
    pairs = {
        "add": e.Add, "sub": e.Sub, "mul": e.Mul, "truediv": e.Div, "floordiv": e.FloorDiv, "mod": e.Remainder,
        "pow": e.Pow, "and": e.And, "or": e.Or, "xor": e.Xor, "lshift": e.ShiftLeft, "rshift": e.ShiftRight,
    }  # fmt: skip
    for name, primitive in pairs.items():
        forward, reflected = _operator(primitive)
        setattr(Value, f"__{name}__", forward)
        setattr(Value, f"__r{name}__", reflected)
    less, greater = _operator(e.Less)
    less_equal, greater_equal = _operator(e.LessEqual)
    Value.__lt__, Value.__le__ = less, less_equal  # type: ignore[method-assign]
    Value.__gt__ = lambda x, y: less(y, x) if isinstance(y, Value) else greater(x, y)  # type: ignore[method-assign]
    Value.__ge__ = lambda x, y: less_equal(y, x) if isinstance(y, Value) else greater_equal(x, y)  # type: ignore[method-assign]
    Value.__neg__ = lambda x: e.Neg(x)  # type: ignore[method-assign]
    Value.__invert__ = lambda x: e.Not(x)  # type: ignore[method-assign]


_attach()
