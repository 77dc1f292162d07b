"""Signs, rounding and bounds, element by element."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.dtypes import bool_, category, finfo, float32, float64, int32, int64
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import as_value, promoted
from alight.ops.operation import function, op, with_vjp
from alight.ops.pointwise import unsupported
from alight.primitives.arithmetic import equal, where, zeros_like

Operand = Any
Scalar = Any

INF = float("inf")


# -- signs -------------------------------------------------------------------------------------------------------------


@op(
    methods="neg __neg__ negative",
    inplace="neg_ negative_",
    functions="neg negative",
    pointwise=True,
)
def neg(input: Tensor) -> Tensor:
    """-input.

    Errors: RuntimeError for bools.

    >>> import alight as torch
    >>> -torch.tensor([1., -2.])
    tensor([-1.,  2.])
    """
    if input.dtype is bool_:
        fail(
            RuntimeError,
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the "
            "`~` or `logical_not()` operator instead.",
            try_="~mask",
        )
    return p.Neg(input)


@function("positive", methods="positive __pos__")
def positive(input: Any) -> Any:
    """input itself.

    Shapes: any, kept.
    Errors: RuntimeError for bools.

    >>> import alight as torch
    >>> torch.positive(torch.tensor([-1, 2]))
    tensor([-1,  2])
    """
    if input.dtype is bool_:
        fail(RuntimeError, "The `+` operator, on a bool tensor is not supported.")
    return input


@op(
    methods="abs absolute __abs__",
    inplace="abs_ absolute_",
    functions="abs absolute",
    pointwise=True,
)
def abs_(input: Tensor) -> Tensor:
    """|input|; a real number for complex input.

    >>> import alight as torch
    >>> torch.abs(torch.tensor([-1, 2]))
    tensor([1, 2])
    """
    return input if input.dtype is bool_ else p.Abs(input)


@op(methods="sign", inplace="sign_", pointwise=True)
def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1.

    Errors: NotImplementedError for complex input.

    >>> import alight as torch
    >>> torch.sign(torch.tensor([-3., 0., 5.]))
    tensor([-1.,  0.,  1.])
    """
    if input.dtype.is_complex:
        fail(
            NotImplementedError,
            "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead.",
        )
    return input if input.dtype is bool_ else p.Sign(input)


@op(methods="sgn", inplace="sgn_", pointwise=True)
def sgn(input: Tensor) -> Tensor:
    """-1, 0 or 1; input / |input| for complex input.

    >>> import alight as torch
    >>> torch.sgn(torch.tensor([3 + 4j]))
    tensor([0.6000+0.8000j])
    """
    return input if input.dtype is bool_ else p.Sign(input)


@op(methods="signbit")
def signbit(input: Tensor) -> Tensor:
    """Where the sign bit is set: negative numbers, and -0.

    Shapes: any; the result has the input's.
    Errors: NotImplementedError for complex input.

    >>> import alight as torch
    >>> torch.signbit(torch.tensor([-1., -0., 2.]))
    tensor([ True,  True, False])
    """
    if category(input.dtype) == 2:
        wide = input if input.dtype is float64 else p.Convert(input, dtype=float32)
        bits = p.Bitcast(wide, dtype=int64 if wide.dtype is float64 else int32)
        return p.Less(bits, zeros_like(bits))
    if input.dtype.is_complex:
        fail(NotImplementedError, "signbit is not implemented for complex tensors.")
    return p.Less(input, zeros_like(input))


@op(methods="copysign", inplace="copysign_", pointwise=True)
def copysign(input: Tensor, other: Operand) -> Tensor:
    """|input| with the sign of other.

    >>> import alight as torch
    >>> torch.copysign(torch.tensor([1., -2.]), -0.0)
    tensor([-1., -2.])
    """
    x, y = promoted(input, other, to_float=True)
    flip = p.Xor(signbit.lowering(x), signbit.lowering(y))
    start = len(x.builder.nodes)
    out = where(flip, -x, x)

    def rule(ct: Tensor, out: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, None]:
        return where(
            equal(x, 0), 0, where(p.Xor(signbit.lowering(x), signbit.lowering(y)), -ct, ct)
        ), None

    return with_vjp(rule, out, start, x, y)


# -- rounding ----------------------------------------------------------------------------------------------------------


@op(methods="floor", inplace="floor_", pointwise=True)
def floor(input: Tensor) -> Tensor:
    """The largest whole number not above input.

    >>> import alight as torch
    >>> torch.floor(torch.tensor([-1.5, 1.5]))
    tensor([-2.,  1.])
    """
    return p.Floor(_real("floor", input))


@op(methods="ceil", inplace="ceil_", pointwise=True)
def ceil(input: Tensor) -> Tensor:
    """The smallest whole number not below input.

    >>> import alight as torch
    >>> torch.ceil(torch.tensor([1.2, -1.2]))
    tensor([ 2., -1.])
    """
    return p.Ceil(_real("ceil", input))


@op(methods="trunc fix", inplace="trunc_ fix_", functions="trunc fix", pointwise=True)
def trunc(input: Tensor) -> Tensor:
    """input without its fraction.

    >>> import alight as torch
    >>> torch.trunc(torch.tensor([1.7, -1.7]))
    tensor([ 1., -1.])
    """
    return p.Trunc(_real("trunc", input))


def _real(name: str, x: Tensor) -> Tensor:
    if x.dtype.is_complex:
        fail(NotImplementedError, f"{name} is not supported for complex inputs")
    if x.dtype is bool_:
        unsupported(f"{name}_vml_cpu", x)
    return x


@op(methods="round", inplace="round_", pointwise=True)
def round_(input: Tensor, *, decimals: int = 0) -> Tensor:
    """The nearest number with so many decimals, halves to even.

    >>> import alight as torch
    >>> torch.round(torch.tensor([0.5, 1.5, 1.234]), decimals=0)
    tensor([0., 2., 1.])
    """
    x = input
    if x.dtype.is_complex or (decimals and category(x.dtype) < 2):
        unsupported("round_vml_cpu", x)
    if decimals == 0:
        return p.Round(x)
    scale = 10.0 ** (decimals if decimals > 0 else -decimals)
    return p.Round(x * scale) / scale if decimals > 0 else p.Round(x / scale) * scale


@op(methods="frac", inplace="frac_", pointwise=True)
def frac(input: Tensor) -> Tensor:
    """The fraction of input, with its sign.

    >>> import alight as torch
    >>> torch.frac(torch.tensor([1.5, -1.25]))
    tensor([ 0.5000, -0.2500])
    """
    if category(input.dtype) != 2:
        unsupported("frac_cpu", input)
    return input - p.Trunc(input)


# -- bounds ------------------------------------------------------------------------------------------------------------


@op(methods="clamp clip", inplace="clamp_ clip_", functions="clamp clip", pointwise=True)
def clamp(input: Tensor, min: Operand | None = None, max: Operand | None = None) -> Tensor:
    """input, but not below min and not above max; max wins where they cross.

    Errors: RuntimeError without either bound and where shapes do not broadcast, NotImplementedError for
    complex input.

    >>> import alight as torch
    >>> torch.clamp(torch.tensor([-1., 0.5, 2.]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    bounds = [bound for bound in (min, max) if bound is not None]
    if not bounds:
        fail(RuntimeError, "torch.clamp: At least one of 'min' or 'max' must not be None")
    x, *rest = promoted(input, *bounds)
    if x.dtype.is_complex:
        fail(NotImplementedError, "clamp is not supported for complex types")
    if min is not None:
        x = _bounded(p.Maximum, x, rest.pop(0))
    return x if max is None else _bounded(p.Minimum, x, rest.pop(0))


def _bounded(primitive: Any, x: Tensor, bound: Tensor) -> Tensor:
    """The larger or smaller of the two; at a tie the gradient is that of x alone, as in PyTorch's clamp."""

    def rule(ct: Tensor, out: Tensor, x: Tensor, bound: Tensor) -> tuple[Tensor, Tensor]:
        outside = x < bound if primitive is p.Maximum else bound < x
        return where(outside, 0, ct), where(outside, ct, 0)

    start = len(x.builder.nodes)
    return with_vjp(rule, primitive(x, bound), start, x, bound)


@op(methods="clamp_min", inplace="clamp_min_", pointwise=True)
def clamp_min(input: Tensor, min: Operand) -> Tensor:
    """input, but not below min.

    >>> import alight as torch
    >>> torch.clamp_min(torch.tensor([-1, 2]), 0)
    tensor([0, 2])
    """
    return _bounded(p.Maximum, *promoted(input, min))


@op(methods="clamp_max", inplace="clamp_max_", pointwise=True)
def clamp_max(input: Tensor, max: Operand) -> Tensor:
    """input, but not above max.

    >>> import alight as torch
    >>> torch.clamp_max(torch.tensor([-1, 2]), 0)
    tensor([-1,  0])
    """
    return _bounded(p.Minimum, *promoted(input, max))


def _ordered_pair(name: str, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    pair = promoted(x, y)
    if pair[0].dtype.is_complex:
        fail(RuntimeError, f"{name} not implemented for complex tensors.")
    return pair


@op(methods="maximum", pointwise=True)
def maximum(input: Tensor, other: Tensor) -> Tensor:
    """The larger of the two, NaN if either is; equal elements share the gradient.

    >>> import alight as torch
    >>> torch.maximum(torch.tensor([1, 5]), torch.tensor([3, 4]))
    tensor([3, 5])
    """
    return p.Maximum(*_ordered_pair("maximum", input, other))


@op(methods="minimum", pointwise=True)
def minimum(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of the two, NaN if either is; equal elements share the gradient.

    >>> import alight as torch
    >>> torch.minimum(torch.tensor([1, 5]), torch.tensor([3, 2]))
    tensor([1, 2])
    """
    return p.Minimum(*_ordered_pair("minimum", input, other))


@op(methods="fmax", pointwise=True)
def fmax(input: Tensor, other: Tensor) -> Tensor:
    """The larger of the two; a number where the other is NaN.

    >>> import alight as torch
    >>> torch.fmax(torch.tensor([1., float('nan')]), torch.tensor([3., 2.]))
    tensor([3., 2.])
    """
    x, y = _ordered_pair("fmax", input, other)
    first = p.LessEqual(y, x)
    return p.Select(p.Or(first, p.IsNan(y)) if category(x.dtype) == 2 else first, x, y)


@op(methods="fmin", pointwise=True)
def fmin(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of the two; a number where the other is NaN.

    >>> import alight as torch
    >>> torch.fmin(torch.tensor([1., float('nan')]), torch.tensor([3., 2.]))
    tensor([1., 2.])
    """
    x, y = _ordered_pair("fmin", input, other)
    first = p.LessEqual(x, y)
    return p.Select(p.Or(first, p.IsNan(y)) if category(x.dtype) == 2 else first, x, y)


@op(methods="nan_to_num", inplace="nan_to_num_", pointwise=True)
def nan_to_num(
    input: Tensor,
    nan: Scalar | None = None,
    posinf: Scalar | None = None,
    neginf: Scalar | None = None,
) -> Tensor:
    """input with NaN replaced by nan (0), and infinities by posinf and neginf (the dtype's limits).

    >>> import alight as torch
    >>> torch.nan_to_num(torch.tensor([float("nan"), 1.]))
    tensor([0., 1.])
    """
    if category(input.dtype) < 2:
        return input
    if input.dtype.is_complex:
        parts = (
            nan_to_num.lowering(part, nan, posinf, neginf)
            for part in (p.Real(input), p.Imag(input))
        )
        return p.Complex(*parts)

    def number(given: Any, default: float) -> Any:
        return default if given is None else as_value(given, input, input.dtype)

    largest = finfo(input.dtype).max
    x = where(equal(input, INF), number(posinf, largest), input)
    x = where(equal(input, -INF), number(neginf, -largest), x)
    return where(p.IsNan(input), number(nan, 0.0), x)


@op(methods="heaviside", inplace="heaviside_", pointwise=True)
def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below zero, 1 above, and values at zero.

    Errors: RuntimeError for complex input, for dtypes that differ, and where shapes do not
    broadcast.

    >>> import alight as torch
    >>> torch.heaviside(torch.tensor([-1., 0., 2.]), torch.tensor(0.5))
    tensor([0.0000, 0.5000, 1.0000])
    """
    if input.dtype.is_complex or values.dtype.is_complex:
        fail(RuntimeError, "heaviside is not yet implemented for complex tensors.")
    if input.dtype is not values.dtype:
        fail(RuntimeError, "heaviside is not yet implemented for tensors with different dtypes.")
    x, at_zero = promoted(input, values)
    zero = zeros_like(x)
    return p.Select(p.Equal(x, zero), at_zero, p.Convert(p.Less(zero, x), dtype=x.dtype))


__all__ = [name for name in dir() if name[0] != "_"]
