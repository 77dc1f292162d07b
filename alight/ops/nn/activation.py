"""Activations: element-wise functions of neural networks, each with a gradient that reads little.

Float16 and bfloat16 are computed in float32 and rounded once, as PyTorch does. Where a gradient may be written with
the result or with the input, the one that is kept anyway is read.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from typing import Any

from alight import primitives as p
from alight.dtypes import category, finfo, float32, float64
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import normalize_dim, scalar_type_name, to_float
from alight.ops.conversion import made_by
from alight.ops.operation import FUNCTIONAL, TORCH, function, op
from alight.primitives.arithmetic import sum_to, where

Scalar = Any


def in_single(formula: Callable[..., Tensor], first: Tensor, *others: Any) -> Tensor:
    """formula(first, *others) in the dtype of `first`; halves go through float32, numbers take that dtype."""
    of = float32 if first.dtype.itemsize == 2 else first.dtype
    values = [
        p.Convert(one, dtype=of) if isinstance(one, Tensor) else one for one in (first, *others)
    ]
    return p.Convert(formula(*values), dtype=first.dtype)


def require_float(x: Tensor, kernel: str) -> None:
    """PyTorch's error for integers; `kernel` is the name that it gives."""
    if category(x.dtype) != 2:
        fail(
            NotImplementedError,
            f"\"{kernel}\" not implemented for '{scalar_type_name(x.dtype)}'",
            facts=[f"the input is {x.dtype!r}; a floating-point one is wanted"],
            try_="input.float()",
        )


def logistic(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x))."""
    return p.Sigmoid(x)


def clamped(x: Tensor, low: Any, high: Any) -> Tensor:
    """x limited to [low, high]; NaN stays."""
    return where(x < low, low, where(x > high, high, x))


# -- rectifiers --------------------------------------------------------------------------------------------------------


@op(functions="", F="leaky_relu", inplace="leaky_relu_", pointwise=True)
def leaky_relu(input: Tensor, negative_slope: Scalar = 0.01) -> Tensor:
    """input where it is positive, else negative_slope * input.

    >>> import alight as torch
    >>> torch.nn.functional.leaky_relu(torch.tensor([-2., 3.]), 0.5)
    tensor([-1.,  3.])
    """
    require_float(input, "leaky_relu_cpu")
    return in_single(lambda x, slope: where(x > 0, x, x * slope), input, negative_slope)


@leaky_relu.vjp
def _(ct: Tensor, out: Tensor, input: Tensor, negative_slope: Any) -> Tensor:
    return in_single(lambda g, x, slope: where(x > 0, g, g * slope), ct, input, negative_slope)


@op(functions="", F="elu", inplace="elu_", pointwise=True)
def elu(input: Tensor, alpha: Scalar = 1.0) -> Tensor:
    """input where it is positive, else alpha * (exp(input) - 1).

    >>> import alight as torch
    >>> torch.nn.functional.elu(torch.tensor([-1., 2.]))
    tensor([-0.6321,  2.0000])
    """
    require_float(input, "elu_cpu")
    return in_single(lambda x, a: where(x > 0, x, p.Expm1(x) * a), input, alpha)


@elu.vjp
def _(ct: Tensor, out: Tensor, input: Tensor, alpha: Any) -> Tensor:
    return in_single(lambda g, x, a: where(x > 0, g, g * (p.Exp(x) * a)), ct, input, alpha)


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


@op(functions="selu", F="selu", inplace="selu_", pointwise=True)
def selu(input: Tensor) -> Tensor:
    """Scaled exponential linear unit of Klambauer et al. (2017).

    >>> import alight as torch
    >>> torch.selu(torch.tensor([-1., 1.]))
    tensor([-1.1113,  1.0507])
    """
    require_float(input, "elu_cpu")
    low = SELU_ALPHA * SELU_SCALE
    return in_single(lambda x: where(x > 0, x * SELU_SCALE, p.Expm1(x) * low), input)


@selu.vjp
def _(ct: Tensor, out: Tensor, input: Tensor) -> Tensor:
    low = SELU_ALPHA * SELU_SCALE
    return in_single(lambda g, x: where(x > 0, g * SELU_SCALE, g * (p.Exp(x) * low)), ct, input)


@op(functions="celu", F="celu", inplace="celu_", pointwise=True)
def celu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """input where it is positive, else alpha * (exp(input / alpha) - 1).

    Errors: RuntimeError for alpha 0.

    >>> import alight as torch
    >>> torch.celu(torch.tensor([-1., 2.]), 0.5)
    tensor([-0.4323,  2.0000])
    """
    if alpha == 0:
        fail(RuntimeError, "ZeroDivisionError: alpha cannot be 0 for CELU", try_="relu(input)")
    require_float(input, "elu_cpu")
    return in_single(lambda x: where(x > 0, x, p.Expm1(x / alpha) * alpha), input)


@celu.vjp
def _(ct: Tensor, out: Tensor, input: Tensor, alpha: Any) -> Tensor:
    return in_single(lambda g, x: where(x > 0, g, g * p.Exp(x / alpha)), ct, input)


@op(functions="prelu", methods="prelu", F="prelu")
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """input where it is positive, else weight * input; one weight, or one for each channel (dimension 1).

    Shapes: any input; weight () or (channels,).
    Errors: RuntimeError for dtypes that differ, a weight of another rank or length, and more than
    one weight for a 0-d input.

    >>> import alight as torch
    >>> torch.prelu(torch.tensor([-2., 3.]), torch.tensor([0.5]))
    tensor([-1.,  3.])
    """
    if input.dtype is not weight.dtype:
        fail(
            RuntimeError,
            f"prelu: Type promoting not supported. Got {scalar_type_name(input.dtype)} and "
            f"{scalar_type_name(weight.dtype)}",
        )
    if weight.ndim > 1:
        fail(
            RuntimeError,
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}",
        )
    if weight.size != 1 and input.ndim == 0:
        fail(RuntimeError, "Not allow zero-dim input tensor.")
    slope = _channel_weight(input, weight)
    return where(input > 0, input, input * slope)


def _channel_weight(input: Tensor, weight: Tensor) -> Tensor:
    if weight.size == 1:
        return p.Reshape(weight, shape=(1,) * input.ndim)
    channels = input.shape[1] if input.ndim > 1 else 1
    if channels != weight.size:
        fail(
            RuntimeError,
            f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {weight.size} and "
            f"channel size = {channels}.",
        )
    return p.Reshape(weight, shape=(1, channels) + (1,) * (input.ndim - 2))


@prelu.vjp
def _(ct: Tensor, out: Tensor, input: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    slope = _channel_weight(input, weight)
    positive = input > 0
    in_weight = sum_to(where(positive, 0, ct * input), slope.shape)
    return where(positive, ct, ct * slope), p.Reshape(in_weight, shape=weight.shape)


@op(functions="threshold", F="threshold", inplace="threshold_", pointwise=True)
def threshold(input: Tensor, threshold: Scalar, value: Scalar) -> Tensor:
    """input where it is above threshold, else value.

    >>> import alight as torch
    >>> torch.nn.functional.threshold(torch.tensor([0.5, 2.]), 1., -1.)
    tensor([-1.,  2.])
    """
    t, v = p.Convert(threshold, dtype=input.dtype), p.Convert(value, dtype=input.dtype)
    return where(input <= t, v, input)


@threshold.vjp
def _(ct: Tensor, out: Tensor, input: Tensor, threshold: Tensor, value: Tensor) -> Tensor:
    return where(input <= p.Convert(threshold, dtype=input.dtype), 0, ct)


@op(functions="", F="hardtanh", inplace="hardtanh_", pointwise=True)
def hardtanh(input: Tensor, min_val: Scalar = -1.0, max_val: Scalar = 1.0) -> Tensor:
    """input limited to [min_val, max_val].

    >>> import alight as torch
    >>> torch.nn.functional.hardtanh(torch.tensor([-2., 0.5]))
    tensor([-1.0000,  0.5000])
    """
    return in_single(clamped, input, min_val, max_val)


@function(functions="", F="hardtanh")
def _checked_hardtanh(
    input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Any:
    """hardtanh, whose bounds are checked at the call: numbers are inputs of the step.

    Shapes: any, kept.
    Errors: ValueError where min_val is above max_val.

    >>> import alight as torch
    >>> torch.nn.functional.hardtanh(torch.tensor([-2., 0.5]))
    tensor([-1.0000,  0.5000])
    """
    if min_val > max_val:
        fail(
            ValueError,
            "min_val cannot be greater than max_val",
            facts=[f"min_val is {min_val}, max_val is {max_val}"],
        )
    if inplace:
        return FUNCTIONAL["hardtanh_"](input, min_val, max_val)
    return hardtanh.function(input, min_val, max_val)


@hardtanh.vjp
def _(ct: Tensor, out: Tensor, input: Tensor, min_val: Any, max_val: Any) -> Tensor:
    return _between(ct, input, min_val, max_val)


def _between(ct: Tensor, x: Tensor, low: Any, high: Any) -> Tensor:
    """ct where x lies inside, else 0."""
    return in_single(lambda g, x, a, b: where(p.And(*_inside(x, a, b)), g, 0), ct, x, low, high)


def _inside(x: Tensor, low: Any, high: Any) -> tuple[Tensor, Tensor]:
    return x > low, x < high


@op(functions="", F="relu6", inplace="relu6_", pointwise=True)
def relu6(input: Tensor) -> Tensor:
    """input limited to [0, 6].

    >>> import alight as torch
    >>> torch.nn.functional.relu6(torch.tensor([-2., 8.]))
    tensor([0., 6.])
    """
    return in_single(lambda x: clamped(x, 0, 6), input)


@relu6.vjp
def _(ct: Tensor, out: Tensor, input: Tensor) -> Tensor:
    return _between(ct, input, 0, 6)


@op(functions="", F="hardsigmoid", inplace="hardsigmoid_", pointwise=True)
def hardsigmoid(input: Tensor) -> Tensor:
    """input / 6 + 1/2, limited to [0, 1].

    >>> import alight as torch
    >>> torch.nn.functional.hardsigmoid(torch.tensor([-4., 0.]))
    tensor([0.0000, 0.5000])
    """
    require_float(input, "hardsigmoid_cpu")
    return in_single(lambda x: clamped(x + 3, 0, 6) / 6, input)


@hardsigmoid.vjp
def _(ct: Tensor, out: Tensor, input: Tensor) -> Tensor:
    return in_single(lambda g, x: where(p.And(*_inside(x, -3, 3)), g / 6, 0), ct, input)


@op(functions="", F="hardswish", inplace="hardswish_", pointwise=True)
def hardswish(input: Tensor) -> Tensor:
    """input * hardsigmoid(input).

    >>> import alight as torch
    >>> torch.nn.functional.hardswish(torch.tensor([-4., 3.]))
    tensor([-0., 3.])
    """
    require_float(input, "hardswish_cpu")
    return in_single(lambda x: x * clamped(x + 3, 0, 6) / 6, input)


@hardswish.vjp
def _(ct: Tensor, out: Tensor, input: Tensor) -> Tensor:
    def formula(g: Tensor, x: Tensor) -> Tensor:
        return where(x <= -3, 0, where(x < 3, g * (x / 3 + 0.5), g))

    return in_single(formula, ct, input)


@op(
    functions="hardshrink",
    methods="hardshrink",
    F="hardshrink",
    pointwise=True,
    functional_out=True,
)
def hardshrink(input: Tensor, lambd: Scalar = 0.5) -> Tensor:
    """input where its absolute value is above lambd, else 0.

    >>> import alight as torch
    >>> torch.hardshrink(torch.tensor([0.4, -2.]))
    tensor([ 0., -2.])
    """
    require_float(input, "hardshrink_cpu")
    return in_single(lambda x, limit: where(p.Abs(x) <= limit, 0, x), input, lambd)


@hardshrink.vjp
def _(ct: Tensor, out: Tensor, input: Tensor, lambd: Any) -> Tensor:
    return in_single(lambda g, x, limit: where(p.Abs(x) <= limit, 0, g), ct, input, lambd)


@op(functions="", pointwise=True)
def softshrink(input: Tensor, lambd: Scalar = 0.5) -> Tensor:
    """input moved towards 0 by lambd, 0 where it would cross.

    >>> import alight as torch
    >>> torch.nn.functional.softshrink(torch.tensor([0.4, -2.]))
    tensor([ 0.0000, -1.5000])
    """
    require_float(input, "softshrink_cpu")

    def formula(x: Tensor, limit: Any) -> Tensor:
        return where(x > limit, x - limit, where(x < -limit, x + limit, x * 0))

    return in_single(formula, input, lambd)


@function(functions="", F="softshrink")
def _checked_softshrink(input: Any, lambd: float = 0.5, *, out: Any = None) -> Any:
    """softshrink, whose limit is checked at the call: numbers are inputs of the step.

    Shapes: any, kept.
    Errors: RuntimeError for a negative lambd.

    >>> import alight as torch
    >>> torch.nn.functional.softshrink(torch.tensor([-1., 0.25, 1.]))
    tensor([-0.5000,  0.0000,  0.5000])
    """
    if lambd < 0:
        fail(
            RuntimeError,
            f"lambda must be in range [0, {finfo(input.dtype).max:g}] for input dtype {scalar_type_name(input.dtype)}, "
            f"but found {lambd:g}",
        )
    return softshrink.function(input, lambd, out=out)


@softshrink.vjp
def _(ct: Tensor, out: Tensor, input: Tensor, lambd: Any) -> Tensor:
    return in_single(lambda g, x, limit: where(p.Abs(x) <= limit, 0, g), ct, input, lambd)


# -- smooth ones ---------------------------------------------------------------------------------------------------------


@op(functions="", F="gelu", pointwise=True, functional_out=True)
def gelu(input: Tensor, *, approximate: str = "none") -> Tensor:
    """input times the normal distribution function of input (Hendrycks and Gimpel 2016), or its tanh approximation.

    Errors: RuntimeError for another `approximate`, NotImplementedError for whole numbers.

    >>> import alight as torch
    >>> torch.nn.functional.gelu(torch.tensor([-1., 1.]))
    tensor([-0.1587,  0.8413])
    """
    require_float(input, "GeluKernelImpl")
    if approximate == "none":
        return in_single(lambda x: x * 0.5 * (p.Erf(x * sqrt(0.5)) + 1), input)
    if approximate == "tanh":
        return in_single(lambda x: x * 0.5 * (p.Tanh(_gelu_inner(x)) + 1), input)
    fail(RuntimeError, "approximate argument must be either none or tanh.")


def _gelu_inner(x: Tensor) -> Tensor:
    return (x + x * x * x * 0.044715) * sqrt(2 / pi)


@gelu.vjp
def _(ct: Tensor, out: Tensor, input: Tensor, approximate: str) -> Tensor:
    def exact(g: Tensor, x: Tensor) -> Tensor:
        density = p.Exp(x * x * -0.5) * (1 / sqrt(2 * pi))
        return g * ((p.Erf(x * sqrt(0.5)) + 1) * 0.5 + x * density)

    def approximated(g: Tensor, x: Tensor) -> Tensor:
        t = p.Tanh(_gelu_inner(x))
        slope = (x * x * (3 * 0.044715) + 1) * sqrt(2 / pi)
        return g * ((t + 1) * 0.5 + x * 0.5 * (1 - t * t) * slope)

    return in_single(exact if approximate == "none" else approximated, ct, input)


@op(functions="", F="silu", inplace="silu_", pointwise=True)
def silu(input: Tensor) -> Tensor:
    """input * sigmoid(input).

    >>> import alight as torch
    >>> torch.nn.functional.silu(torch.tensor([0., 1.]))
    tensor([0.0000, 0.7311])
    """
    if not input.dtype.is_complex:
        require_float(input, "silu_cpu")
    return in_single(lambda x: x / (p.Exp(-x) + 1), input)


@silu.vjp
def _(ct: Tensor, out: Tensor, input: Tensor) -> Tensor:
    def formula(g: Tensor, x: Tensor) -> Tensor:
        s = logistic(x)
        slope = s * (x * (1 - s) + 1)
        return g * (p.Conj(slope) if x.dtype.is_complex else slope)

    return in_single(formula, ct, input)


@op(functions="", F="mish", inplace="mish_", pointwise=True)
def mish(input: Tensor) -> Tensor:
    """input * tanh(softplus(input)).

    >>> import alight as torch
    >>> torch.nn.functional.mish(torch.tensor([0., 1.]))
    tensor([0.0000, 0.8651])
    """
    require_float(input, "mish_cpu")
    return in_single(lambda x: x * p.Tanh(p.Log1p(p.Exp(x))), input)


@mish.vjp
def _(ct: Tensor, out: Tensor, input: Tensor) -> Tensor:
    def formula(g: Tensor, x: Tensor) -> Tensor:
        t = p.Tanh(p.Log1p(p.Exp(x)))
        return g * (t + x * (1 - t * t) * logistic(x))

    return in_single(formula, ct, input)


@op(functions="", F="softplus", pointwise=True, functional_out=True)
def softplus(input: Tensor, beta: Scalar = 1, threshold: Scalar = 20) -> Tensor:
    """log(1 + exp(beta * input)) / beta; input itself where beta * input is above threshold.

    >>> import alight as torch
    >>> torch.nn.functional.softplus(torch.tensor([0., 30.]))
    tensor([ 0.6931, 30.0000])
    """
    require_float(input, "softplus_cpu")

    def formula(x: Tensor, b: Any, limit: Any) -> Tensor:
        z = x * b
        return where(z > limit, x, p.Log1p(p.Exp(z)) / b)

    return in_single(formula, input, beta, threshold)


@softplus.vjp
def _(ct: Tensor, out: Tensor, input: Tensor, beta: Any, threshold: Any) -> Tensor:
    def formula(g: Tensor, x: Tensor, b: Any, limit: Any) -> Tensor:
        z = x * b
        return where(z > limit, g, g * logistic(z))

    return in_single(formula, ct, input, beta, threshold)


@op(functions="", F="softsign", pointwise=True)
def softsign(input: Tensor) -> Tensor:
    """input / (1 + |input|).

    >>> import alight as torch
    >>> torch.nn.functional.softsign(torch.tensor([-1., 3.]))
    tensor([-0.5000,  0.7500])
    """
    x = to_float(input)
    return x / (p.Abs(x) + 1)


@softsign.vjp
def _(ct: Tensor, out: Tensor, input: Tensor) -> Tensor:
    low = p.Abs(input) + 1
    return ct / (low * low)


@op(functions="", F="tanhshrink", pointwise=True)
def tanhshrink(input: Tensor) -> Tensor:
    """input - tanh(input).

    >>> import alight as torch
    >>> torch.nn.functional.tanhshrink(torch.tensor([0., 1.]))
    tensor([0.0000, 0.2384])
    """
    x = to_float(input)
    return x - p.Tanh(x)


@op(functions="", F="logsigmoid", pointwise=True, functional_out=True)
def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(input)), without overflow.

    >>> import alight as torch
    >>> torch.nn.functional.logsigmoid(torch.tensor([0., -100.]))
    tensor([  -0.6931, -100.0000])
    """
    require_float(input, "log_sigmoid_cpu")
    return in_single(lambda x: where(x < 0, x, 0) - p.Log1p(p.Exp(-p.Abs(x))), input)


@logsigmoid.vjp
def _(ct: Tensor, out: Tensor, input: Tensor) -> Tensor:
    return in_single(lambda g, x: g * logistic(-x), ct, input)


@op(functions="", F="glu")
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half of `dim` times the sigmoid of the second half.

    Shapes: any; `dim` becomes half as long.
    Errors: RuntimeError for a 0-d tensor and an odd extent, IndexError for a dimension out of
    range.

    >>> import alight as torch
    >>> torch.nn.functional.glu(torch.tensor([2., 0.]))
    tensor([1.])
    """
    if input.ndim == 0:
        fail(RuntimeError, "glu does not support scalars because halving size must be even")
    axis = normalize_dim(dim, input.ndim)
    size = input.shape[axis]
    if size % 2:
        fail(RuntimeError, f"Halving dimension must be even, but dimension {axis} is size {size}")
    a, b = _halves(input, axis)
    return in_single(lambda x, y: x * logistic(y), a, b)


def _halves(x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    starts, stops = [0] * x.ndim, list(x.shape)
    middle = x.shape[axis] // 2
    starts[axis] = stops[axis] = middle
    steps = (1,) * x.ndim
    first = p.Slice(x, starts=(0,) * x.ndim, stops=tuple(stops), steps=steps)
    return first, p.Slice(x, starts=tuple(starts), stops=x.shape, steps=steps)


@op(functions="")
def _rrelu(input: Tensor, slope: Tensor) -> Tensor:
    """input where it is positive, else slope * input."""
    return where(input > 0, input, input * slope)


@function(functions="rrelu", F="rrelu")
def rrelu(
    input: Any,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Any:
    """leaky_relu with a slope drawn for each element while training, with the mean slope otherwise.

    Shapes: any, kept.
    Errors: RuntimeError where lower is above upper.

    >>> import alight as torch
    >>> torch.nn.functional.rrelu(torch.tensor([-1., 2.]), 0.5, 0.5)
    tensor([-0.5000,  2.0000])
    """
    if lower > upper:
        fail(RuntimeError, "Lower bound should be less than or equal to the upper bound")
    if not training:
        result = FUNCTIONAL["leaky_relu"](input, (lower + upper) / 2, inplace)
        return result if inplace else made_by("RreluWithNoiseBackward0", result)
    falls = input.detach() <= 0  # as in PyTorch, only these draw a number
    slope = input.detach().new_ones(input.shape)
    drawn = TORCH["empty"](int(falls.sum()), dtype=float64).uniform_(lower, upper)
    slope[falls] = drawn.to(slope.dtype)
    result = _rrelu.function(input, slope)
    return input.copy_(result) if inplace else result


@function(functions="rrelu_", F="rrelu_")
def rrelu_(
    input: Any, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
) -> Any:
    """rrelu that writes into its input.

    Shapes: any, kept.
    Errors: RuntimeError where lower is above upper.

    >>> import alight as torch
    >>> torch.rrelu_(torch.tensor([-1., 2.]), 0.5, 0.5)
    tensor([-0.5000,  2.0000])
    """
    return rrelu(input, lower, upper, training, True)


@function(functions="", F="gumbel_softmax")
def gumbel_softmax(
    logits: Any, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Any:
    """softmax of logits with Gumbel noise (Jang et al. 2017); with `hard`, one-hot with the gradient of the soft one.

    Shapes: any, kept.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.nn.functional.gumbel_softmax(torch.zeros(3), hard=True).sum()
    tensor(1.)
    """
    noise = -logits.detach().new_empty(logits.shape).exponential_().log()
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True)[1]
    one = logits.detach().new_zeros(logits.shape).scatter_(dim, index, 1.0)
    return one - soft.detach() + soft
