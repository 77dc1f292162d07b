"""Comparisons, logic, and choices between elements: `torch.eq` to `torch.where`."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.dtypes import bool_, category, uint8
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
from alight.primitives.arithmetic import constant, equal

Operand = Any

INF = float("inf")


# -- comparisons -------------------------------------------------------------------------------------------------------


def _compared(primitive: Any, x: Any, y: Any, name: str, turned: bool = False) -> Tensor:
    """`primitive` of two operands in their common dtype; of the second and the first if `turned`."""
    pair = promoted(x, y)
    if pair[0].dtype.is_complex and primitive is not p.Equal:
        fail(
            NotImplementedError,
            f"\"{name}_cpu\" not implemented for '{scalar_type_name(pair[0].dtype)}'",
        )
    return primitive(*reversed(pair)) if turned else primitive(*pair)


@op(methods="eq __eq__", inplace="eq_", pointwise=True)
def eq(input: Tensor, other: Operand) -> Tensor:
    """Where input equals other, as bool.

    >>> import alight as torch
    >>> torch.tensor([1, 2]) == 2
    tensor([False,  True])
    """
    return _compared(p.Equal, input, other, "compare_eq")


@op(
    methods="ne __ne__ not_equal",
    inplace="ne_ not_equal_",
    functions="ne not_equal",
    pointwise=True,
)
def ne(input: Tensor, other: Operand) -> Tensor:
    """Where input differs from other, as bool.

    >>> import alight as torch
    >>> torch.ne(torch.tensor([1, 2, 3]), 2)
    tensor([ True, False,  True])
    """
    return p.Not(_compared(p.Equal, input, other, "compare_ne"))


@op(methods="lt __lt__ less", inplace="lt_ less_", functions="lt less", pointwise=True)
def lt(input: Tensor, other: Operand) -> Tensor:
    """Where input < other, as bool.

    >>> import alight as torch
    >>> torch.lt(torch.tensor([1, 2, 3]), 2)
    tensor([ True, False, False])
    """
    return _compared(p.Less, input, other, "compare_lt")


@op(
    methods="le __le__ less_equal",
    inplace="le_ less_equal_",
    functions="le less_equal",
    pointwise=True,
)
def le(input: Tensor, other: Operand) -> Tensor:
    """Where input <= other, as bool.

    >>> import alight as torch
    >>> torch.le(torch.tensor([1, 2, 3]), 2)
    tensor([ True,  True, False])
    """
    return _compared(p.LessEqual, input, other, "compare_le")


@op(methods="gt __gt__ greater", inplace="gt_ greater_", functions="gt greater", pointwise=True)
def gt(input: Tensor, other: Operand) -> Tensor:
    """Where input > other, as bool.

    >>> import alight as torch
    >>> torch.gt(torch.tensor([1, 2, 3]), 2)
    tensor([False, False,  True])
    """
    return _compared(p.Less, input, other, "compare_lt", turned=True)


@op(
    methods="ge __ge__ greater_equal",
    inplace="ge_ greater_equal_",
    functions="ge greater_equal",
    pointwise=True,
)
def ge(input: Tensor, other: Operand) -> Tensor:
    """Where input >= other, as bool.

    >>> import alight as torch
    >>> torch.ge(torch.tensor([1, 2, 3]), 2)
    tensor([False,  True,  True])
    """
    return _compared(p.LessEqual, input, other, "compare_le", turned=True)


# -- special numbers ---------------------------------------------------------------------------------------------------


def _nowhere(x: Tensor) -> Tensor:
    return constant(x, False, x.shape, bool_)


@op(methods="isnan", pointwise=True)
def isnan(input: Tensor) -> Tensor:
    """Where input is not a number.

    >>> import alight as torch
    >>> torch.isnan(torch.tensor([1., float("nan")]))
    tensor([False,  True])
    """
    return p.IsNan(input) if category(input.dtype) >= 2 else _nowhere(input)


@op(methods="isinf", pointwise=True)
def isinf(input: Tensor) -> Tensor:
    """Where input is infinite.

    >>> import alight as torch
    >>> torch.isinf(torch.tensor([1., float('-inf'), float('nan')]))
    tensor([False,  True, False])
    """
    if input.dtype.is_complex:
        return p.Or(isinf.lowering(p.Real(input)), isinf.lowering(p.Imag(input)))
    return equal(p.Abs(input), INF) if category(input.dtype) == 2 else _nowhere(input)


@op(methods="isposinf", pointwise=True)
def isposinf(input: Tensor) -> Tensor:
    """Where input is positive infinity.

    Errors: RuntimeError for complex input.

    >>> import alight as torch
    >>> torch.isposinf(torch.tensor([1., float('inf'), float('-inf')]))
    tensor([False,  True, False])
    """
    if input.dtype.is_complex:
        fail(RuntimeError, "isposinf does not support complex inputs.")
    return equal(input, INF) if category(input.dtype) == 2 else _nowhere(input)


@op(methods="isneginf", pointwise=True)
def isneginf(input: Tensor) -> Tensor:
    """Where input is negative infinity.

    Errors: RuntimeError for complex input.

    >>> import alight as torch
    >>> torch.isneginf(torch.tensor([1., float('inf'), float('-inf')]))
    tensor([False, False,  True])
    """
    if input.dtype.is_complex:
        fail(RuntimeError, "isneginf does not support complex inputs.")
    return equal(input, -INF) if category(input.dtype) == 2 else _nowhere(input)


@op(methods="isfinite", pointwise=True)
def isfinite(input: Tensor) -> Tensor:
    """Where input is neither infinite nor NaN.

    >>> import alight as torch
    >>> torch.isfinite(torch.tensor([1., float('inf'), float('nan')]))
    tensor([ True, False, False])
    """
    if input.dtype.is_complex:
        return p.And(isfinite.lowering(p.Real(input)), isfinite.lowering(p.Imag(input)))
    if category(input.dtype) < 2:
        return p.Not(_nowhere(input))
    return p.Less(p.Abs(input), constant(input, INF, input.shape))


@op(methods="isreal")
def isreal(input: Tensor) -> Tensor:
    """Where the imaginary part is zero.

    Shapes: any; the result has the input's.

    >>> import alight as torch
    >>> torch.isreal(torch.tensor([1 + 0j, 2j]))
    tensor([ True, False])
    """
    return equal(p.Imag(input), 0) if input.dtype.is_complex else p.Not(_nowhere(input))


# -- equal up to rounding ------------------------------------------------------------------------------------------------


@op(methods="isclose")
def isclose(
    input: Tensor, other: Tensor, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Where |input - other| <= atol + rtol * |other|.

    Shapes: any that broadcast together.
    Errors: RuntimeError where the dtypes differ or a tolerance is negative, TypeError for one that
    is no number.

    >>> import alight as torch
    >>> torch.isclose(torch.tensor([1., 2.]), torch.tensor([1., 2.1]))
    tensor([ True, False])
    """
    if input.dtype is not other.dtype:
        fail(
            RuntimeError,
            f"{scalar_type_name(input.dtype)} did not match {scalar_type_name(other.dtype)}",
        )
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not isinstance(value, (int, float)):
            fail(
                TypeError, f"isclose(): argument '{name}' must be float, not {type(value).__name__}"
            )
        if value < 0:
            fail(RuntimeError, f"{name} must be greater than or equal to zero, but got {value:g}")
    x, y = broadcast_all(input, other)
    same = p.Equal(x, y)
    if equal_nan and category(x.dtype) >= 2:
        same = p.Or(same, p.And(p.IsNan(x), p.IsNan(y)))
    x, y = to_float(x), to_float(y)
    size, gap = p.Abs(y), p.Abs(x - y)
    near = p.LessEqual(gap, size * float(rtol) + float(atol))
    return p.Or(same, p.And(near, isfinite.lowering(gap)))


@function(methods="allclose")
def allclose(
    input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether isclose holds everywhere.

    Shapes: any that broadcast together.
    Errors: RuntimeError where the dtypes differ or a tolerance is negative.

    >>> import alight as torch
    >>> torch.allclose(torch.tensor([1.]), torch.tensor([1. + 1e-7]))
    True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan).all().item())


@function("equal", methods="equal")
def equal_tensors(input: Any, other: Any) -> bool:
    """Whether two tensors have the same shape and the same elements.

    Errors: TypeError for what is no tensor.

    >>> import alight as torch
    >>> torch.equal(torch.tensor([1, 2]), torch.tensor([1, 2]))
    True
    """
    for name, given in (("input", input), ("other", other)):
        if not hasattr(given, "_slot"):
            fail(
                TypeError, f"equal(): argument '{name}' must be Tensor, not {type(given).__name__}"
            )
    return input.shape == other.shape and bool((input == other).all().item())


# -- logic -------------------------------------------------------------------------------------------------------------


def _truths(*values: Tensor) -> tuple[Tensor, ...]:
    check_devices(values)
    return broadcast_all(*(p.Convert(value, dtype=bool_) for value in values))


@op(methods="logical_and", inplace="logical_and_", pointwise=True)
def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """Where both are non-zero.

    >>> import alight as torch
    >>> torch.logical_and(torch.tensor([0, 2]), torch.tensor([1, 3]))
    tensor([False,  True])
    """
    return p.And(*_truths(input, other))


@op(methods="logical_or", inplace="logical_or_", pointwise=True)
def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """Where at least one is non-zero.

    >>> import alight as torch
    >>> torch.logical_or(torch.tensor([True, False]), torch.tensor([False, False]))
    tensor([ True, False])
    """
    return p.Or(*_truths(input, other))


@op(methods="logical_xor", inplace="logical_xor_", pointwise=True)
def logical_xor(input: Tensor, other: Tensor) -> Tensor:
    """Where exactly one is non-zero.

    >>> import alight as torch
    >>> torch.logical_xor(torch.tensor([True, False]), torch.tensor([True, True]))
    tensor([False,  True])
    """
    return p.Xor(*_truths(input, other))


@op(methods="logical_not", inplace="logical_not_", pointwise=True)
def logical_not(input: Tensor) -> Tensor:
    """Where input is zero.

    >>> import alight as torch
    >>> torch.logical_not(torch.tensor([0, 1, 2]))
    tensor([ True, False, False])
    """
    return p.Not(*_truths(input))


# -- choices -----------------------------------------------------------------------------------------------------------


@op(functions="", pointwise=True)
def _where(condition: Tensor, input: Operand, other: Operand) -> Tensor:
    """input where the condition holds, else other."""
    if condition.dtype is uint8:
        condition = p.Convert(condition, dtype=bool_)
    if condition.dtype is not bool_:
        fail(
            RuntimeError,
            "where expected condition to be a boolean tensor, but got a tensor with dtype "
            f"{scalar_type_name(condition.dtype)}",
            try_="condition != 0",
        )
    of = result_type(input, other)
    check_devices((condition, input, other))
    return p.Select(
        *broadcast_all(condition, as_value(input, condition, of), as_value(other, condition, of))
    )


@function()
def where(condition: Any, input: Any = None, other: Any = None, *, out: Any = None) -> Any:
    """input where the condition holds, else other; with the condition alone, the places where it holds.

    Shapes: any three that broadcast together; with the condition alone, a tuple of vectors.
    Errors: RuntimeError where shapes do not broadcast.

    >>> import alight as torch
    >>> torch.where(torch.tensor([True, False]), torch.tensor([1, 2]), 0)
    tensor([1, 0])
    """
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    return _where.function(condition, input, other, out=out)


@function("", methods="where")
def _where_method(input: Any, condition: Any, other: Any) -> Any:
    """input where the condition holds, else other.

    Shapes: any that broadcast together.
    Errors: RuntimeError where shapes do not broadcast.

    >>> import alight as torch
    >>> torch.tensor([1, 2]).where(torch.tensor([True, False]), torch.tensor(0))
    tensor([1, 0])
    """
    return _where.function(condition, input, other)


__all__ = [name for name in dir() if name[0] != "_"]
