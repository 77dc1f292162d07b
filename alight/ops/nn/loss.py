"""Losses that compare element by element: squares, absolute values, likelihoods. Margins are in margin_loss.py.

Each is one step: difference, penalty and reduction together. `reduction` is "mean", "sum" or "none"; the older
`size_average` and `reduce` still decide it where they are given.
"""

from __future__ import annotations

from math import log, pi
from typing import Any

from alight import primitives as p
from alight.dtypes import bool_, category
from alight.errors import fail, warn
from alight.ir.program import Value as Tensor
from alight.ops.arguments import (
    broadcast_all,
    broadcast_error,
    promoted,
    scalar_type_name,
    to_float,
)
from alight.ops.nn.activation import in_single, logistic
from alight.ops.operation import op
from alight.primitives.arithmetic import broadcast, broadcast_shape, equal, sum_to, where

Operand = Any
NO_BOOLS = (
    "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use the `~` "
    "or `logical_not()` operator instead."
)


def reduction_of(reduction: str, size_average: bool | None, reduce: bool | None) -> str:
    """The reduction that the arguments mean; PyTorch's ValueError for one that does not exist."""
    if size_average is not None or reduce is not None:
        average, reduce = size_average is None or size_average, reduce is None or reduce
        if average and reduce:
            return "mean"
        return "sum" if reduce else "none"
    if reduction not in ("mean", "sum", "none"):
        fail(
            ValueError,
            f"{reduction} is not a valid value for reduction",
            try_='"mean", "sum" or "none"',
        )
    return reduction


def reduced(x: Tensor, reduction: str) -> Tensor:
    """Mean, sum, or all elements."""
    if reduction == "none":
        return x
    everything = p.Sum(x, axes=tuple(range(x.ndim)))
    if reduction == "sum":
        return everything
    return everything / x.size if x.size else everything / 0.0


def spread(ct: Tensor, shape: tuple[int, ...], reduction: str) -> Tensor:
    """The transpose of `reduced`: the cotangent of each element, of `shape` or 0-d."""
    size = 1
    for extent in shape:
        size *= extent
    return ct / size if reduction == "mean" and size else ct


def _pair(input: Tensor, target: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Both under one shape and dtype, with PyTorch's warning where shapes differ."""
    if input.shape != target.shape:
        warn(
            f"Using a target size (torch.Size({list(target.shape)})) that is different to the input size "
            f"(torch.Size({list(input.shape)})). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
        )
    x, y = promoted(input, target)
    return x, y


def _weights(weight: Tensor, like: Tensor) -> Tensor:
    """Weights of any dtype, as `like` has shape and dtype."""
    return broadcast(p.Convert(weight, dtype=like.dtype), like.shape)


def _weighted(
    input: Tensor, target: Tensor, weight: Tensor, name: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Input, target and weights under one shape and dtype; the weights are as many as the inputs."""
    if weight.shape != input.shape:
        fail(
            ValueError,
            "Weights and input must have the same size.",
            facts=[f"weight is {list(weight.shape)}, input is {list(input.shape)}"],
        )
    _pair(input, target, name)
    x, y, w = promoted(input, target, weight)
    return x, y, w


# -- squares and absolute values --------------------------------------------------------------------------------------


@op(functions="", F="mse_loss")
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Squared difference.

    Shapes: any that broadcast together; the loss is (), or their common shape with
    reduction="none".
    Errors: RuntimeError where shapes do not broadcast, ValueError for another reduction.

    >>> import alight as torch
    >>> torch.nn.functional.mse_loss(torch.tensor([1., 2.]), torch.tensor([1., 4.]))
    tensor(2.)
    """
    reduction = reduction_of(reduction, size_average, reduce)
    if weight is None:
        x, y = _pair(input, target, "mse_loss")
        return in_single(lambda x, y: reduced((x - y) * (x - y), reduction), x, y)
    x, y, w = _weighted(input, target, weight, "mse_loss")
    square = w * (x - y) * (x - y)
    if reduction == "mean":
        return reduced(square, "sum") / reduced(w, "sum")
    return reduced(square, reduction)


@mse_loss.vjp
def _(
    ct: Tensor, out: Tensor, input: Tensor, target: Tensor, size_average: Any, reduce: Any, reduction: str,
    weight: Tensor | None = None,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    reduction = reduction_of(reduction, size_average, reduce)
    weights_gradient = None
    if weight is None:
        x, y = promoted(input, target)
        ct = spread(ct, x.shape, reduction)
        grad = (x - y) * (ct * 2)
    else:
        x, y, w = promoted(input, target, weight)
        share = ct / reduced(w, "sum") if reduction == "mean" else ct
        grad = (x - y) * w * (share * 2)
        excess = (x - y) * (x - y) - (out if reduction == "mean" else 0)
        if weight.dtype.is_differentiable:
            weights_gradient = _back(excess * share, weight)
    back = _back(grad, input), _back(-grad, target)
    return back if weight is None else (*back, weights_gradient)


def _back(grad: Tensor, x: Tensor) -> Tensor:
    """A gradient under a common shape and dtype as one of `x`."""
    return p.Convert(sum_to(grad, x.shape), dtype=x.dtype)


@op(functions="", F="l1_loss")
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Absolute difference.

    Shapes: any that broadcast together; the loss is (), or their common shape with
    reduction="none".
    Errors: RuntimeError where shapes do not broadcast, ValueError for another reduction.

    >>> import alight as torch
    >>> torch.nn.functional.l1_loss(torch.tensor([1., 2.]), torch.tensor([1., 4.]))
    tensor(1.)
    """
    reduction = reduction_of(reduction, size_average, reduce)
    if weight is None:
        x, y = _pair(input, target, "l1_loss")
        return reduced(p.Abs(x - y), reduction)
    x, y, w = _weighted(input, target, weight, "l1_loss")
    each = w * p.Abs(x - y)
    return (
        reduced(each, "sum") / reduced(w, "sum")
        if reduction == "mean"
        else reduced(each, reduction)
    )


@op(functions="", F="smooth_l1_loss")
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """d^2 / (2 beta) where the difference d is below beta, else |d| - beta / 2.

    Shapes: any that broadcast together; the loss is (), or their common shape with
    reduction="none".
    Errors: RuntimeError for a negative beta, and where shapes do not broadcast.

    >>> import alight as torch
    >>> torch.nn.functional.smooth_l1_loss(torch.tensor([1., 2.]), torch.tensor([1.5, 4.]))
    tensor(0.8125)
    """
    reduction = reduction_of(reduction, size_average, reduce)
    if beta < 0:
        fail(RuntimeError, "smooth_l1_loss does not support negative values for beta.")
    x, y = _pair(input, target, "smooth_l1_loss")

    def formula(x: Tensor, y: Tensor) -> Tensor:
        far = p.Abs(x - y)
        if beta == 0:
            return reduced(far, reduction)
        return reduced(where(far < beta, far * far * 0.5 / beta, far - 0.5 * beta), reduction)

    return in_single(formula, x, y)


@smooth_l1_loss.vjp
def _(
    ct: Tensor, out: Tensor, input: Tensor, target: Tensor, size_average: Any, reduce: Any, reduction: str, beta: float
) -> tuple[Tensor, Tensor]:  # fmt: skip
    x, y = promoted(input, target)
    ct = spread(ct, x.shape, reduction_of(reduction, size_average, reduce))

    def formula(g: Tensor, x: Tensor, y: Tensor) -> Tensor:
        d = x - y
        return g * (where(p.Abs(d) < beta, d / beta, p.Sign(d)) if beta else p.Sign(d))

    grad = in_single(formula, ct, x, y)
    return _back(grad, input), _back(-grad, target)


@op(functions="", F="huber_loss")
def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """d^2 / 2 where the difference d is at most delta, else delta (|d| - delta / 2).

    Shapes: any that broadcast together; the loss is (), or their common shape with
    reduction="none".
    Errors: RuntimeError for a delta that is not above 0, and where shapes do not broadcast.

    >>> import alight as torch
    >>> torch.nn.functional.huber_loss(torch.tensor([1., 2.]), torch.tensor([1.5, 4.]))
    tensor(0.8125)
    """
    reduction = reduction_of(reduction, None, None)
    if delta <= 0:
        fail(RuntimeError, "huber_loss does not support non-positive values for delta.")
    if weight is None:
        x, y = _pair(input, target, "huber_loss")
        weights: list[Tensor] = []
    else:
        x, y, *weights = _weighted(input, target, weight, "huber_loss")

    def formula(x: Tensor, y: Tensor, *w: Tensor) -> Tensor:
        far = p.Abs(x - y)
        near = p.Minimum(far, broadcast(_like(far, delta), far.shape))
        each = near * (far - near * 0.5)
        return reduced(each * w[0] if w else each, reduction)

    return in_single(formula, x, y, *weights)


def _like(x: Tensor, number: float) -> Tensor:
    from alight.primitives.arithmetic import constant

    return constant(x, number)


# -- likelihoods ----------------------------------------------------------------------------------------------------------


@op(functions="", F="binary_cross_entropy")
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(target log(input) + (1 - target) log(1 - input)) for probabilities `input`; logarithms stop at -100.

    Shapes: input and target alike; the loss is (), or theirs with reduction="none".
    Errors: RuntimeError for an input outside [0, 1], when its value is needed.

    >>> import alight as torch
    >>> torch.nn.functional.binary_cross_entropy(torch.tensor([0.5]), torch.tensor([1.]))
    tensor(0.6931)
    """
    reduction = reduction_of(reduction, size_average, reduce)
    if input.shape != target.shape:
        fail(
            ValueError,
            f"Using a target size (torch.Size({list(target.shape)})) that is different to the input size "
            f"(torch.Size({list(input.shape)})) is deprecated. Please ensure they have the same size.",
            try_="target.reshape(input.shape)",
        )
    if input.dtype is not target.dtype:
        fail(
            RuntimeError,
            f"Found dtype {scalar_type_name(target.dtype)} but expected {scalar_type_name(input.dtype)}",
            facts=[f"target is {target.dtype!r}, input is {input.dtype!r}"],
            try_=f"target.to({input.dtype!r})",
        )
    x, t = p.Within(input, low=0.0, high=1.0), target
    logs = [where(value < -100, -100, value) for value in (p.Log(x), p.Log1p(-x))]
    each = (t - 1) * logs[1] - t * logs[0]
    return reduced(each if weight is None else each * _weights(weight, each), reduction)


@binary_cross_entropy.vjp
def _(
    ct: Tensor, out: Tensor, input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None,
    reduce: Any = None, reduction: str = "mean",
) -> tuple[Tensor, ...]:  # fmt: skip
    x, t = promoted(input, target)
    g = spread(ct, x.shape, reduction_of(reduction, size_average, reduce))
    if weight is not None:
        g = g * _weights(weight, x)
    scale = x * (1 - x)
    in_input = g * (x - t) / where(scale < 1e-12, 1e-12, scale)
    return _back(in_input, input), _back(g * (p.Log1p(-x) - p.Log(x)), target)


@op(functions="binary_cross_entropy_with_logits", F="binary_cross_entropy_with_logits")
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """binary_cross_entropy(sigmoid(input), target), without overflow.

    Shapes: input and target alike; weight and pos_weight broadcast; the loss is (), or theirs with
    reduction="none".
    Errors: ValueError for shapes that differ, RuntimeError for whole numbers.

    >>> import alight as torch
    >>> torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor([0.]), torch.tensor([1.]))
    tensor(0.6931)
    """
    reduction = reduction_of(reduction, size_average, reduce)
    if input.shape != target.shape:
        fail(
            ValueError,
            f"Target size (torch.Size({list(target.shape)})) must be the same as input size "
            f"(torch.Size({list(input.shape)}))",
            try_="target.reshape(input.shape)",
        )
    if target.dtype is bool_:
        fail(
            RuntimeError,
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` "
            "operator instead.",
            facts=["target is torch.bool"],
            try_="target.float()",
        )
    if category(target.dtype) < category(input.dtype):
        fail(
            RuntimeError,
            f"result type {scalar_type_name(input.dtype)} can't be cast to the desired output type "
            f"{scalar_type_name(target.dtype)}",
            facts=[f"target is {target.dtype!r}"],
            try_="target.float()",
        )
    x, t = promoted(input, target)

    def formula(x: Tensor, t: Tensor, *extra: Tensor) -> Tensor:
        # log(1 + exp(-x)) = log(1 + exp(-|x|)) + max(-x, 0)
        softplus = p.Log1p(p.Exp(-p.Abs(x))) + where(x < 0, -x, 0)
        if pos_weight is not None:
            softplus = softplus * ((extra[-1] - 1) * t + 1)
        each = (1 - t) * x + softplus
        return reduced(each if weight is None else each * extra[0], reduction)

    if pos_weight is not None and pos_weight.dtype is bool_:
        fail(RuntimeError, NO_BOOLS, try_="pos_weight.float()")
    given = [one for one in (weight, pos_weight) if one is not None]
    extra = [broadcast_all(p.Convert(one, dtype=x.dtype), x)[0] for one in given]
    return in_single(formula, x, t, *extra)


@binary_cross_entropy_with_logits.vjp
def _(
    ct: Tensor, out: Tensor, input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None,
    reduce: Any = None, reduction: str = "mean", pos_weight: Tensor | None = None,
) -> tuple[Tensor, ...]:  # fmt: skip
    x, t = promoted(input, target)
    g = spread(ct, x.shape, reduction_of(reduction, size_average, reduce))
    if weight is not None:
        g = g * _weights(weight, x)
    s = logistic(x)
    if pos_weight is None:
        return _back(g * (s - t), input), _back(g * -x, target)
    more = p.Convert(pos_weight, dtype=x.dtype) - 1
    positive = more * t + 1
    in_input = g * ((1 - t) - positive * (1 - s))
    softplus = p.Log1p(p.Exp(-p.Abs(x))) + where(x < 0, -x, 0)
    return _back(in_input, input), _back(g * (more * softplus - x), target)


@op(functions="kl_div", F="kl_div")
def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """Kullback-Leibler divergence target (log(target) - input), for logarithms of probabilities `input`.

    reduction="batchmean" divides the sum by the first extent: the divergence as mathematics has it.

    Shapes: any that broadcast together; the loss is (), or their common shape with
    reduction="none".
    Errors: RuntimeError where shapes do not broadcast, ValueError for another reduction.

    >>> import alight as torch
    >>> torch.nn.functional.kl_div(torch.zeros(2), torch.ones(2), reduction="sum")
    tensor(0.)
    """
    if reduction == "mean" and size_average is None and reduce is None:
        warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
            "'mean' will be changed to behave the same as 'batchmean' in the next major release.",
        )
    batch_mean = reduction == "batchmean"
    reduction = "sum" if batch_mean else reduction_of(reduction, size_average, reduce)
    t, x = promoted(target, input)
    if log_target:
        each = p.Exp(t) * (t - x)
    else:
        none = equal(t, 0)
        each = where(none, t * 0, t * p.Log(where(none, 1, t))) - t * x
    result = reduced(each, reduction)
    return result / input.shape[0] if batch_mean and input.ndim else result


def _broadcast_backwards(input: Tensor, target: Tensor) -> None:
    """PyTorch's error where input and target do not broadcast; it names the target first."""
    if broadcast_shape(input.shape, target.shape) is None:
        broadcast_error([target.shape, input.shape])


@op(functions="poisson_nll_loss", F="poisson_nll_loss")
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood of counts `target` under a Poisson distribution of (logarithmic) rate `input`.

    Shapes: any that broadcast together; the loss is (), or their common shape with
    reduction="none".
    Errors: ValueError for another reduction.

    >>> import alight as torch
    >>> torch.nn.functional.poisson_nll_loss(torch.tensor([0., 1.]), torch.tensor([1., 2.]))
    tensor(0.8591)
    """
    reduction = reduction_of(reduction, size_average, reduce)
    _broadcast_backwards(input, target)
    x, t = promoted(input, target)
    x, t = to_float(x), to_float(t)
    each = p.Exp(x) - t * x if log_input else x - t * p.Log(x + eps)
    if full:  # Stirling's formula for log(target!)
        safe = where(t > 1, t, 1)
        each = each + where(t > 1, safe * p.Log(safe) - safe + 0.5 * p.Log(2 * pi * safe), 0)
    return reduced(each, reduction)


@op(functions="", F="gaussian_nll_loss")
def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Operand,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood of `target` under normal distributions of mean `input` and variance `var`.

    Shapes: input and target alike; var broadcasts, and may lack the last dimension; the loss is (),
    or theirs with reduction="none".
    Errors: ValueError for another reduction or a shape of var that does not fit.
    Differs: negative variances give a wrong value, where PyTorch raises ValueError.

    >>> import alight as torch
    >>> x, one = torch.tensor([0.]), torch.tensor([1.])
    >>> torch.nn.functional.gaussian_nll_loss(x, one, one)
    tensor(0.5000)
    """
    if reduction not in ("none", "mean", "sum"):
        fail(ValueError, f"{reduction} is not valid", try_='"mean", "sum" or "none"')
    if getattr(var, "number", None) is not None:
        var = broadcast(p.Convert(var, dtype=input.dtype), input.shape)
    if var.shape != input.shape:
        differ = [(m, n) for m, n in zip(input.shape, var.shape, strict=False) if m != n]
        if var.shape == input.shape[:-1]:
            var = p.Reshape(var, shape=(*var.shape, 1))
        elif var.ndim != input.ndim or sum(n for _, n in differ) != 1:
            fail(ValueError, "var is of incorrect size")
    low = p.Detach(where(var < eps, eps - var, var * 0))  # the clamp lets gradients through
    x, t, v = promoted(input, target, var + low)
    each = (p.Log(v) + (x - t) * (x - t) / v) * 0.5
    return reduced(each + 0.5 * log(2 * pi) if full else each, reduction)
