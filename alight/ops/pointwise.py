"""Element-wise arithmetic and functions: `torch.add` to `torch.where`."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.dtypes import bool_, category, float32, float64
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import as_value, default_dtype, promoted, result_type, to_float
from alight.ops.operation import op
from alight.primitives.arithmetic import constant, equal, where as select, zeros_like

Operand = Any
Scalar = Any


@op(methods="add __add__ __radd__", inplace="add_ __iadd__", pointwise=True)
def add(input: Tensor, other: Operand, *, alpha: Scalar = 1) -> Tensor:
    """input + alpha * other, broadcast.

    >>> import alight as torch
    >>> torch.add(torch.tensor([1, 2]), 10)
    tensor([11, 12])
    """
    x, y = promoted(input, scaled(other, alpha, input))
    return p.Add(x, y)


def scaled(other: Any, alpha: Any, like: Tensor) -> Any:
    """alpha * other, without a step where alpha is 1."""
    if isinstance(alpha, int):  # the default, known when the path is recorded
        return other
    a, b = promoted(as_value(other, like), alpha)
    return p.Mul(a, b)


@op(methods="sub __sub__ subtract", inplace="sub_ __isub__ subtract_", functions="sub subtract", pointwise=True)
def sub(input: Tensor, other: Operand, *, alpha: Scalar = 1) -> Tensor:
    """input - alpha * other, broadcast.

    >>> import alight as torch
    >>> torch.tensor([3., 4.]) - 1
    tensor([2., 3.])
    """
    x, y = promoted(input, scaled(other, alpha, input))
    return _difference(x, y)


def _difference(x: Tensor, y: Tensor) -> Tensor:
    if x.dtype is bool_:
        fail(
            RuntimeError,
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` "
            "operator instead.",
        )
    return p.Sub(x, y)


@op(methods="rsub __rsub__", functions="rsub", pointwise=True)
def rsub(input: Tensor, other: Operand, *, alpha: Scalar = 1) -> Tensor:
    """other - alpha * input."""
    x, y = promoted(other, scaled(input, alpha, input))
    return _difference(x, y)


@op(methods="mul __mul__ __rmul__ multiply", inplace="mul_ __imul__ multiply_", functions="mul multiply", pointwise=True)
def mul(input: Tensor, other: Operand) -> Tensor:
    """input * other, broadcast.

    >>> import alight as torch
    >>> torch.tensor([1., 2.]) * torch.tensor([[2.], [3.]])
    tensor([[2., 4.],
            [3., 6.]])
    """
    return p.Mul(*promoted(input, other))


@op(
    methods="div __truediv__ true_divide divide", inplace="div_ __itruediv__ divide_",
    functions="div true_divide divide", pointwise=True,
)  # fmt: skip
def div(input: Tensor, other: Operand, *, rounding_mode: Any = None) -> Tensor:
    """input / other; whole numbers give floating point unless rounding_mode is "trunc" or "floor".

    >>> import alight as torch
    >>> torch.tensor([1, 2]) / 2
    tensor([0.5000, 1.0000])
    """
    if rounding_mode is None:
        return p.Div(*promoted(input, other, to_float=True))
    if rounding_mode == "floor":
        return p.FloorDiv(*promoted(input, other))
    if rounding_mode == "trunc":
        x, y = promoted(input, other)
        if category(x.dtype) == 2:
            return p.Trunc(p.Div(x, y))
        return p.Div(p.Sub(x, p.Fmod(x, y)), y) if category(x.dtype) == 2 else _truncated(x, y)
    fail(
        RuntimeError,
        f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'",
    )


def _truncated(x: Tensor, y: Tensor) -> Tensor:
    return p.FloorDiv(p.Sub(x, p.Fmod(x, y)), y)  # the difference is a multiple of y


@op(methods="__rtruediv__", functions="", pointwise=True)
def _rdiv(input: Tensor, other: Operand) -> Tensor:
    """other / input."""
    return p.Div(*promoted(other, input, to_float=True))


@op(methods="pow __pow__", inplace="pow_ __ipow__", pointwise=True)
def pow(input: Operand, exponent: Operand) -> Tensor:
    """input to the power exponent.

    >>> import alight as torch
    >>> torch.tensor([1., 2., 3.]) ** 2
    tensor([1., 4., 9.])
    """
    return p.Pow(*promoted(input, exponent))


@op(methods="__rpow__", functions="", pointwise=True)
def _rpow(input: Tensor, other: Operand) -> Tensor:
    """other to the power input."""
    return p.Pow(*promoted(other, input))


@op(methods="neg __neg__ negative", inplace="neg_", functions="neg negative", pointwise=True)
def neg(input: Tensor) -> Tensor:
    """-input.

    >>> import alight as torch
    >>> -torch.tensor([1., -2.])
    tensor([-1.,  2.])
    """
    if input.dtype is bool_:
        fail(
            RuntimeError,
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the "
            "`~` or `logical_not()` operator instead.",
        )
    return p.Neg(input)


@op(methods="exp", inplace="exp_", pointwise=True)
def exp(input: Tensor) -> Tensor:
    """Natural exponential, element by element.

    >>> import alight as torch
    >>> torch.exp(torch.tensor([0., 1.]))
    tensor([1.0000, 2.7183])
    """
    return p.Exp(to_float(input))


@op(methods="relu", inplace="relu_", F="relu", functions="relu", pointwise=True)
def relu(input: Tensor) -> Tensor:
    """The larger of input and 0.

    >>> import alight as torch
    >>> torch.relu(torch.tensor([-1., 2.]))
    tensor([0., 2.])
    """
    return p.Maximum(input, zeros_like(input))


@relu.vjp
def _(ct: Tensor, out: Tensor, input: Tensor) -> Tensor:
    return select(zeros_like(out) < out, ct, 0)  # PyTorch's choice at 0 is 0; out is what it keeps


@op(methods="sigmoid", inplace="sigmoid_", F="sigmoid", functions="sigmoid expit", pointwise=True)
def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-input))."""
    x = to_float(input)
    return 1 / (p.Exp(-x) + 1)


@sigmoid.vjp
def _(ct: Tensor, out: Tensor, input: Tensor) -> Tensor:
    return ct * out * (1 - out)


@op(methods="tanh", inplace="tanh_", F="tanh", functions="tanh", pointwise=True)
def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent."""
    return p.Tanh(to_float(input))


def _comparison(primitive: Any, x: Any, y: Any) -> Tensor:
    return primitive(*promoted(x, y))


@op(methods="eq __eq__", inplace="eq_")
def eq(input: Tensor, other: Operand) -> Tensor:
    """Where input equals other, as bool."""
    return _comparison(p.Equal, input, other)


@op(methods="ne __ne__ not_equal", inplace="ne_", functions="ne not_equal")
def ne(input: Tensor, other: Operand) -> Tensor:
    """Where input differs from other, as bool."""
    return p.Not(_comparison(p.Equal, input, other))


@op(methods="lt __lt__ less", inplace="lt_", functions="lt less")
def lt(input: Tensor, other: Operand) -> Tensor:
    """Where input < other, as bool."""
    return _comparison(p.Less, input, other)


@op(methods="le __le__ less_equal", inplace="le_", functions="le less_equal")
def le(input: Tensor, other: Operand) -> Tensor:
    """Where input <= other, as bool."""
    return _comparison(p.LessEqual, input, other)


@op(methods="gt __gt__ greater", inplace="gt_", functions="gt greater")
def gt(input: Tensor, other: Operand) -> Tensor:
    """Where input > other, as bool."""
    return _comparison(p.Less, other, input)


@op(methods="ge __ge__ greater_equal", inplace="ge_", functions="ge greater_equal")
def ge(input: Tensor, other: Operand) -> Tensor:
    """Where input >= other, as bool."""
    return _comparison(p.LessEqual, other, input)


__all__ = ["constant", "default_dtype", "equal", "float32", "float64", "result_type"]
