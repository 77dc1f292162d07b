"""Element-wise arithmetic: sums, products, quotients and powers, with the operators of tensors.

In: tensors and numbers. Out: their common shape, in the dtype that `result_type` gives. Signs, rounding and bounds are
in rounding.py, functions of one variable in functions.py, comparisons and choices in comparison.py, bits in bitwise.py.
"""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.dtypes import bool_, category, complex128, float64, int64
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import (
    as_value,
    broadcast_all,
    check_devices,
    promoted,
    result_type,
    scalar_type_name,
    to_float,
)  # fmt: skip
from alight.ops.operation import function, op

Operand = Any
Scalar = Any

INF = float("inf")


def unsupported(kernel: str, x: Tensor) -> None:
    """PyTorch's error for a dtype that a function does not take."""
    name = scalar_type_name(x.dtype)
    fail(NotImplementedError, f"\"{kernel}\" not implemented for '{name}'", try_=".float() first")


# -- sums and products -------------------------------------------------------------------------------------------------


@op(methods="add __add__ __radd__", inplace="add_ __iadd__", pointwise=True)
def add(input: Operand, other: Operand, *, alpha: Scalar = 1) -> Tensor:
    """input + alpha * other, broadcast.

    >>> import alight as torch
    >>> torch.add(torch.tensor([1, 2]), 10)
    tensor([11, 12])
    """
    return p.Add(*_scaled_pair(input, other, alpha))


def _scaled_pair(x: Any, y: Any, alpha: Any) -> tuple[Tensor, Tensor]:
    """x and alpha * y in their common dtype and shape."""
    if alpha.__class__ is int:  # the default, known when the path is recorded
        first, second = promoted(x, y)
        return first, second
    of = result_type(x, y)
    kind = bool if isinstance(alpha, bool) else alpha.number
    if kind is bool and of is not bool_:
        fail(RuntimeError, "Boolean alpha only supported for Boolean results.")
    if kind is float and category(of) < 2:
        fail(
            RuntimeError,
            "For integral input tensors, argument alpha must not be a floating point number.",
        )
    if kind is complex and category(of) < 3:
        fail(
            RuntimeError,
            "For non-complex input tensors, argument alpha must not be a complex number.",
        )
    like = x if isinstance(x, Tensor) else y
    check_devices((x, y))
    first, second, factor = broadcast_all(*(as_value(one, like, of) for one in (x, y, alpha)))
    return first, p.Mul(factor, second)


@op(
    methods="sub __sub__ subtract",
    inplace="sub_ __isub__ subtract_",
    functions="sub subtract",
    pointwise=True,
)
def sub(input: Operand, other: Operand, *, alpha: Scalar = 1) -> Tensor:
    """input - alpha * other, broadcast.

    >>> import alight as torch
    >>> torch.tensor([3., 4.]) - 1
    tensor([2., 3.])
    """
    _check_difference(input, other)
    return p.Sub(*_scaled_pair(input, other, alpha))


def _check_difference(x: Any, y: Any) -> None:
    bools = [
        isinstance(one, bool) or (isinstance(one, Tensor) and one.dtype is bool_) for one in (x, y)
    ]
    if all(bools):
        fail(
            RuntimeError,
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` "
            "operator instead.",
            try_="a ^ b, or a.float() - b.float()",
        )
    if any(bools):
        fail(
            RuntimeError,
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, "
            "use the `~` or `logical_not()` operator instead.",
            try_="~mask, or 1 - mask.float()",
        )


@op(methods="rsub __rsub__", functions="rsub", pointwise=True)
def rsub(input: Tensor, other: Operand, *, alpha: Scalar = 1) -> Tensor:
    """other - alpha * input.

    >>> import alight as torch
    >>> torch.rsub(torch.tensor([1, 2]), 10)
    tensor([9, 8])
    """
    _check_difference(other, input)
    return p.Sub(*_scaled_pair(other, input, alpha))


@op(
    methods="mul __mul__ __rmul__ multiply",
    inplace="mul_ __imul__ multiply_",
    functions="mul multiply",
    pointwise=True,
)
def mul(input: Operand, other: Operand) -> Tensor:
    """input * other, broadcast.

    >>> import alight as torch
    >>> torch.tensor([1., 2.]) * torch.tensor([[2.], [3.]])
    tensor([[2., 4.],
            [3., 6.]])
    """
    return p.Mul(*promoted(input, other))


@op(methods="addcmul", inplace="addcmul_", pointwise=True)
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Scalar = 1) -> Tensor:
    """input + value * tensor1 * tensor2.

    >>> import alight as torch
    >>> torch.addcmul(torch.tensor([1.]), torch.tensor([2.]), torch.tensor([3.]), value=0.5)
    tensor([4.])
    """
    x, a, b = promoted(input, tensor1, tensor2)
    return x + _times(a * b, value)


@op(methods="addcdiv", inplace="addcdiv_", pointwise=True)
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Scalar = 1) -> Tensor:
    """input + value * tensor1 / tensor2.

    Errors: RuntimeError for whole numbers alone, and where shapes do not broadcast.

    >>> import alight as torch
    >>> torch.addcdiv(torch.tensor([1.]), torch.tensor([2.]), torch.tensor([4.]))
    tensor([1.5000])
    """
    if category(tensor1.dtype) < 2 and category(tensor2.dtype) < 2:
        fail(
            RuntimeError,
            "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a true "
            "division of tensor1 and tensor2. The historic addcdiv behavior can be implemented as (input + value * "
            "torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer inputs and as (input + value * tensor1 / "
            "tensor2) for float inputs. The future addcdiv behavior is just the latter implementation: (input + value "
            "* tensor1 / tensor2), for all dtypes.",
        )
    x, a, b = promoted(input, tensor1, tensor2)
    return x + _times(a / b, value)


def _times(x: Tensor, factor: Any) -> Tensor:
    """factor * x in the dtype of x, without a step where the factor is the default 1."""
    if not isinstance(factor, Tensor):
        return x if factor == 1 else x * factor
    if category(x.dtype) < 2 and factor.dtype.is_floating_point:
        fail(
            RuntimeError,
            "value cannot be converted to type int64_t without overflow"
            if x.dtype is int64
            else "For integral input tensors, argument value must not be a floating point number.",
        )
    return x * p.Convert(factor, dtype=x.dtype)


@op(methods="lerp", inplace="lerp_", pointwise=True)
def lerp(input: Tensor, end: Tensor, weight: Operand) -> Tensor:
    """input + weight * (end - input).

    Errors: RuntimeError where dtypes differ or shapes do not broadcast.

    >>> import alight as torch
    >>> torch.lerp(torch.tensor([1., 2.]), torch.tensor([3., 4.]), 0.5)
    tensor([2., 3.])
    """
    for name, other in (("end", end), ("weight", weight)):
        is_tensor = isinstance(other, Tensor) and getattr(other, "number", None) is None
        if is_tensor and other.dtype is not input.dtype:
            fail(
                RuntimeError,
                f"expected dtype {_C_NAMES.get(input.dtype.name, input.dtype.name)} for `{name}` but got dtype "
                f"{_C_NAMES.get(other.dtype.name, other.dtype.name)}",
            )
    start, stop, w = promoted(input, end, weight)
    if category(start.dtype) < 2:
        unsupported("lerp_kernel_scalar", start)
    return start + w * (stop - start)


_C_NAMES = {
    "float32": "float",
    "float64": "double",
    "int64": "long int",
    "int32": "int",
    "float16": "c10::Half",
}


# -- quotients ---------------------------------------------------------------------------------------------------------


@op(
    methods="div __truediv__ true_divide divide", inplace="div_ __itruediv__ divide_ true_divide_",
    functions="div true_divide divide", pointwise=True,
)  # fmt: skip
def div(input: Operand, other: Operand, *, rounding_mode: Any = None) -> Tensor:
    """input / other; whole numbers give floating point unless rounding_mode is "trunc" or "floor".

    Errors: RuntimeError for another rounding_mode, and where shapes do not broadcast.

    >>> import alight as torch
    >>> torch.tensor([1, 2]) / 2
    tensor([0.5000, 1.0000])
    """
    if rounding_mode is None:
        return p.Div(*promoted(input, other, to_float=True))
    if rounding_mode not in ("trunc", "floor"):
        fail(
            RuntimeError,
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'",
        )
    x, y = promoted(input, other)
    if x.dtype is bool_ or x.dtype.is_complex:
        unsupported(f"div_{rounding_mode}", x)
    if rounding_mode == "floor":
        return p.FloorDiv(x, y)
    if category(x.dtype) == 2:
        return p.Trunc(p.Div(x, y))
    return p.FloorDiv(p.Sub(x, p.Fmod(x, y)), y)  # the difference is a multiple of y


@op(methods="__rtruediv__ __rdiv__", functions="", pointwise=True)
def _rdiv(input: Tensor, other: Operand) -> Tensor:
    """other / input."""
    return p.Div(*promoted(other, input, to_float=True))


@op(methods="floor_divide __floordiv__", inplace="floor_divide_ __ifloordiv__", pointwise=True)
def floor_divide(input: Operand, other: Operand) -> Tensor:
    """The largest whole number not above input / other.

    >>> import alight as torch
    >>> torch.tensor([7, -7]) // 2
    tensor([ 3, -4])
    """
    return p.FloorDiv(*_real_pair("floor_divide", input, other))


@op(methods="__rfloordiv__", functions="", pointwise=True)
def _rfloordiv(input: Tensor, other: Operand) -> Tensor:
    """other // input."""
    return p.FloorDiv(*_real_pair("floor_divide", other, input))


@op(methods="remainder __mod__", inplace="remainder_ __imod__", pointwise=True)
def remainder(input: Operand, other: Operand) -> Tensor:
    """input - floor(input / other) * other: the sign is that of other, as in Python.

    >>> import alight as torch
    >>> torch.tensor([-3., 3.]) % 2
    tensor([1., 1.])
    """
    return p.Remainder(*_real_pair("remainder_cpu", input, other))


@op(methods="__rmod__", functions="", pointwise=True)
def _rmod(input: Tensor, other: Operand) -> Tensor:
    """other % input."""
    return p.Remainder(*_real_pair("remainder_cpu", other, input))


@op(methods="fmod", inplace="fmod_", pointwise=True)
def fmod(input: Tensor, other: Operand) -> Tensor:
    """input - trunc(input / other) * other: the sign is that of input, as in C.

    >>> import alight as torch
    >>> torch.fmod(torch.tensor([-3., 3.]), 2)
    tensor([-1.,  1.])
    """
    return p.Fmod(*_real_pair("fmod_cpu", input, other))


def _real_pair(kernel: str, x: Any, y: Any) -> tuple[Tensor, ...]:
    pair = promoted(x, y)
    if pair[0].dtype is bool_ or pair[0].dtype.is_complex:
        unsupported(kernel, pair[0])
    return pair


@op(methods="reciprocal", inplace="reciprocal_", pointwise=True)
def reciprocal(input: Tensor) -> Tensor:
    """1 / input.

    >>> import alight as torch
    >>> torch.reciprocal(torch.tensor([2., 4.]))
    tensor([0.5000, 0.2500])
    """
    return 1 / to_float(input)


# -- powers ------------------------------------------------------------------------------------------------------------

# An exponent in this range (or half of one) is written in the program, so that x ** 2 is a product; others are inputs.
_LARGEST_KNOWN_EXPONENT = 16


def _is_known(exponent: Any) -> bool:
    if exponent.__class__ is int:
        return -_LARGEST_KNOWN_EXPONENT <= exponent <= _LARGEST_KNOWN_EXPONENT
    if exponent.__class__ is float:
        return exponent in (2.0, 0.5, -0.5, -1.0, 3.0, 1.0, 0.0, -2.0)
    return False


@function(methods="pow __pow__")
def pow(input: Any, exponent: Any, *, out: Any = None) -> Any:
    """input to the power exponent; one of them may be a number.

    Shapes: any that broadcast together; the result has their common shape.
    Errors: RuntimeError for whole numbers to a negative power, and where shapes do not broadcast.

    >>> import alight as torch
    >>> torch.tensor([1., 2., 3.]) ** 2
    tensor([1., 4., 9.])
    """
    if _is_known(exponent) and hasattr(input, "_slot"):
        return _pow_known.function(input, exponent, out=out)
    return _pow.function(input, exponent, out=out)


@function(methods="pow_ __ipow__", functions="")
def pow_(input: Any, exponent: Any) -> Any:
    """input to the power exponent, in place.

    Shapes: any; the exponent broadcasts to the tensor's.
    Errors: RuntimeError where it does not, and for a leaf that requires gradients.

    >>> import alight as torch
    >>> torch.tensor([2., 3.]).pow_(2)
    tensor([4., 9.])
    """
    return input._pow_known_(exponent) if _is_known(exponent) else input._pow_(exponent)


@op(functions="", inplace="_pow_known_", pointwise=True)
def _pow_known(input: Tensor, exponent: Any) -> Tensor:
    """input to a power that is part of the program."""
    of = result_type(input, exponent)
    x = p.Convert(input, dtype=of)
    if category(of) < 2 and exponent < 0:
        fail(
            RuntimeError,
            "Integers to negative integer powers are not allowed.",
            try_="x.double() ** exponent",
        )
    return _power(x, exponent)


def _power(x: Tensor, exponent: Any) -> Tensor:
    """x to a small known power by products, to others by Pow."""
    if abs(exponent) == 0.5:
        root = p.Sqrt(x)
        return root if exponent > 0 else 1 / root
    if exponent == 1:
        return x
    if abs(exponent) in (1, 2, 3, 4):
        size = abs(exponent)
        square_ = x if size == 1 else x * x
        power = square_ * x if size == 3 else square_ * square_ if size == 4 else square_
        return power if exponent > 0 else 1 / power
    return p.Pow(*broadcast_all(x, as_value(exponent, x, x.dtype)))


@_pow_known.vjp
def _(ct: Tensor, out: Tensor, input: Tensor, exponent: Any) -> tuple[Tensor]:
    if exponent in (0, 1):
        grad = ct * exponent
    else:
        slope = _power(p.Convert(input, dtype=out.dtype), exponent - 1) * exponent
        grad = ct * (p.Conj(slope) if slope.dtype.is_complex else slope)
    return (p.Convert(grad, dtype=input.dtype),)


@op(functions="", inplace="_pow_", pointwise=True)
def _pow(input: Operand, exponent: Operand) -> Tensor:
    """input to the power exponent."""
    x, y = promoted(input, exponent)
    if x.dtype is bool_:
        unsupported("pow", x)
    return p.Pow(x, y)


@op(methods="__rpow__", functions="", pointwise=True)
def _rpow(input: Tensor, other: Operand) -> Tensor:
    """other to the power input."""
    return p.Pow(*promoted(other, input))


@op(methods="float_power")
def float_power(input: Operand, exponent: Operand) -> Tensor:
    """input to the power exponent, computed in float64 (complex128 for complex operands).

    Shapes: any that broadcast together.
    Errors: RuntimeError where shapes do not broadcast.

    >>> import alight as torch
    >>> torch.float_power(torch.tensor([2]), -1)
    tensor([0.5000], dtype=torch.float64)
    """
    of = complex128 if result_type(input, exponent).is_complex else float64
    like = input if isinstance(input, Tensor) else exponent
    return p.Pow(*broadcast_all(as_value(input, like, of), as_value(exponent, like, of)))


@function(methods="float_power_")
def float_power_(input: Any, exponent: Any) -> Any:
    """input to the power exponent, in place; input must be float64 or complex128.

    Shapes: any; the exponent broadcasts to the tensor's.
    Errors: RuntimeError for a tensor of another dtype.

    >>> import alight as torch
    >>> torch.tensor([2., 3.], dtype=torch.float64).float_power_(2)
    tensor([4., 9.], dtype=torch.float64)
    """
    power = getattr(exponent, "dtype", None)
    is_complex = (
        input.dtype.is_complex
        or isinstance(exponent, complex)
        or (power is not None and power.is_complex)
    )
    of = complex128 if is_complex else float64
    if input.dtype is not of:
        fail(
            RuntimeError,
            f"the base given to float_power_ has dtype {scalar_type_name(input.dtype)} but the operation's result requires "
            f"dtype {scalar_type_name(of)}",
            try_="the form that makes a new tensor: float_power",
        )
    return input.pow_(exponent)


@op(methods="square", inplace="square_", pointwise=True)
def square(input: Tensor) -> Tensor:
    """input * input.

    >>> import alight as torch
    >>> torch.square(torch.tensor([-2., 3.]))
    tensor([4., 9.])
    """
    x = p.Convert(input, dtype=int64) if input.dtype is bool_ else input
    return x * x


@op(methods="ldexp", inplace="ldexp_", pointwise=True)
def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """input * 2 ** other.

    >>> import alight as torch
    >>> torch.ldexp(torch.tensor([1., 3.]), torch.tensor([2, 0]))
    tensor([4., 3.])
    """
    exponent = to_float(other)
    x, scale = promoted(
        input, p.Pow(*broadcast_all(as_value(2, exponent, exponent.dtype), exponent))
    )
    return x * scale


__all__ = [name for name in dir() if name[0] != "_"]
