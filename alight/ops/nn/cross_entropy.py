"""Negative log-likelihood of classes: from logarithms of probabilities, and from scores (cross-entropy).

Classes lie along dimension 1, or 0 of a single example. The logarithms of all classes are never made: only that of
the target is. A target outside the classes raises IndexError when the values are computed.
"""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.dtypes import float32, int64, uint8
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import result_type, scalar_type_name
from alight.ops.nn.loss import reduced, reduction_of
from alight.ops.nn.softmax import shifted
from alight.ops.operation import FUNCTIONAL, function, op
from alight.primitives.arithmetic import broadcast, equal, where
from alight.primitives.gather import Index, take_along


@op(functions="", F="nll_loss")
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-input at the target's class, for `input` of logarithms of probabilities (n, classes, ...).

    Shapes: target (n, ...); the loss is (), or (n, ...) with reduction="none".
    Errors: ValueError where batch sizes differ; IndexError "Target k is out of bounds." when the
    values are computed.

    >>> import alight as torch
    >>> torch.nn.functional.nll_loss(torch.tensor([[-1., -2.]]), torch.tensor([1]))
    tensor(2.)
    """
    reduction = reduction_of(reduction, size_average, reduce)
    _check(input, target, weight)
    axis = min(input.ndim - 1, 1)
    safe, valid = _classes(target, ignore_index)
    return _weighted(-_at(input, safe, axis), safe, valid, weight, reduction)


@op(functions="", F="cross_entropy")
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log(softmax(input)) at the target's class; `target` holds classes, or a probability for each class.

    Shapes: input (n, classes, ...) or (classes,); target (n, ...) or (), or input's for
    probabilities; the loss is (), or (n, ...) with reduction="none".
    Errors: ValueError where batch sizes differ; IndexError "Target k is out of bounds." when the values are computed.

    >>> import alight as torch
    >>> torch.nn.functional.cross_entropy(torch.tensor([[0., 0.]]), torch.tensor([1]))
    tensor(0.6931)
    """
    reduction = reduction_of(reduction, size_average, reduce)
    if not 0 <= label_smoothing <= 1:
        fail(RuntimeError, f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing:g}")
    axis = min(input.ndim - 1, 1)
    soft = input.shape == target.shape and input.ndim > 0
    if soft:
        _check_soft(input, target, weight, ignore_index, axis)
    _check_scores(input, target, axis)
    if not soft:
        _check(input, target, weight)
    of = input.dtype
    x = shifted(p.Convert(input, dtype=_wide(of)), axis)
    log_total = p.Log(p.Sum(p.Exp(x), axes=(axis,)))
    if soft:
        of = result_type(*(one for one in (input, target, weight) if one is not None))
        minus_logs = p.Convert(_minus_logs(x, log_total, axis), dtype=_wide(of))
        loss = _from_probabilities(minus_logs, target, weight, axis, reduction, label_smoothing)
    else:
        loss = _from_classes(
            x, log_total, target, weight, axis, ignore_index, reduction, label_smoothing
        )
    return p.Convert(loss, dtype=of)


def _wide(of: Any) -> Any:
    """The dtype to compute in for results of dtype `of`."""
    return float32 if of.itemsize == 2 else of


# -- checks -------------------------------------------------------------------------------------------------------------


def _check(input: Tensor, target: Tensor, weight: Tensor | None) -> None:
    """PyTorch's errors for scores and classes that do not go together."""
    _check_shapes(input, target)
    if target.dtype not in (int64, uint8):
        fail(
            RuntimeError,
            f"expected target dtype to be Long or Byte, but got {scalar_type_name(target.dtype)}",
            facts=[f"classes are whole numbers; target is {target.dtype!r}"],
            try_="target.long(), or probabilities of the input's shape",
        )
    if weight is not None:
        _check_weight(input, weight)


def _check_shapes(input: Tensor, target: Tensor) -> None:
    if input.ndim == 0:
        fail(ValueError, f"Expected 1 or more dimensions (got {input.ndim})")
    rest = input.shape[:1] + input.shape[2:] if input.ndim > 1 else ()
    if input.ndim > 1 and (not target.ndim or target.shape[0] != input.shape[0]):
        got = target.shape[0] if target.ndim else 1
        fail(
            ValueError,
            f"Expected input batch_size ({input.shape[0]}) to match target batch_size ({got}).",
            facts=[
                f"input is {list(input.shape)}: {input.shape[0]} examples, {input.shape[1]} classes"
            ],
            try_="one class for each example: target of shape " + str(list(rest)),
        )
    if target.shape != rest:
        if input.ndim <= 2:
            fail(
                RuntimeError,
                "0D or 1D target tensor expected, multi-target not supported",
                facts=[f"input is {list(input.shape)}, target is {list(target.shape)}"],
                try_="target.argmax(1) for one-hot rows, or target.float() of the input's shape",
            )
        fail(
            RuntimeError,
            f"size mismatch (got input: {list(input.shape)} , target: {list(target.shape)}"
            if input.ndim == 4
            else f"Expected target size {list(rest)}, got {list(target.shape)}",
            facts=[f"classes lie along dimension 1, so target should be {list(rest)}"],
        )


def _check_weight(input: Tensor, weight: Tensor) -> None:
    classes = input.shape[min(input.ndim - 1, 1)]
    if weight.dtype is not input.dtype:
        wanted, found = scalar_type_name(input.dtype), scalar_type_name(weight.dtype)
        fail(
            RuntimeError,
            f"expected scalar type {wanted} but found {found}",
            facts=[f"input is {input.dtype!r}, weight is {weight.dtype!r}"],
            try_=f"weight.to({input.dtype!r})",
        )
    if weight.shape != (classes,):
        fail(
            RuntimeError,
            f"weight tensor should be defined either for all {classes} classes or no classes but got weight tensor of "
            f"shape: {list(weight.shape)}",
        )


def _check_scores(input: Tensor, target: Tensor, axis: int) -> None:
    if input.dtype.is_floating_point or input.ndim == 0:
        return
    last = "lastdim_" if axis == input.ndim - 1 else ""
    exchanged = target.dtype.is_floating_point
    fail(
        NotImplementedError,
        f"\"log_softmax_{last}kernel_impl\" not implemented for '{scalar_type_name(input.dtype)}'",
        facts=[
            f"input is {input.dtype!r}, target {target.dtype!r}; scores come first, then classes"
        ],
        try_="the two in the other order" if exchanged else "input.float()",
    )


def _check_soft(
    input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, axis: int
) -> None:
    if not target.dtype.is_floating_point:
        fail(
            RuntimeError,
            f"Expected floating point type for target with class probabilities, got {scalar_type_name(target.dtype)}",
            facts=["target has the input's shape, so it should hold a probability for each class"],
            try_="target.float(), or one class for each example",
        )
    if ignore_index >= 0:
        fail(RuntimeError, "ignore_index is not supported for floating point target")
    if weight is not None and weight.shape != (input.shape[axis],):
        fail(
            RuntimeError,
            f"cross_entropy: weight tensor should be defined either for all {input.shape[axis]} classes or no classes "
            f"but got weight tensor of shape: {list(weight.shape)}",
        )


# -- formulas -----------------------------------------------------------------------------------------------------------


def _classes(target: Tensor, ignore_index: int) -> tuple[Tensor, Tensor]:
    """The classes with 0 in place of ignored ones, and where a class counts."""
    ids = p.Convert(target, dtype=int64)
    ignored = equal(ids, ignore_index)
    return where(ignored, 0, ids), p.Not(ignored)


def _at(x: Tensor, ids: Tensor, axis: int) -> Tensor:
    """The element of x at each id along `axis`."""
    spot = (*ids.shape[:axis], 1, *ids.shape[axis:])
    return p.Reshape(take_along(x, p.Reshape(ids, shape=spot), axis), shape=ids.shape)


def _weighted(
    each: Tensor, safe: Tensor, valid: Tensor, weight: Tensor | None, reduction: str
) -> Tensor:
    """The losses of the classes that count, weighted and reduced."""
    if weight is not None:
        each = each * Index(p.Convert(weight, dtype=each.dtype), safe, axes=(0,))
    each = where(valid, each, 0)
    if reduction != "mean":
        return reduced(each, reduction)
    return reduced(each, "sum") / _total_weight(safe, valid, weight, each)


def _total_weight(safe: Tensor, valid: Tensor, weight: Tensor | None, like: Tensor) -> Tensor:
    counts = p.Convert(valid, dtype=like.dtype)
    if weight is not None:
        counts = counts * Index(p.Convert(weight, dtype=like.dtype), safe, axes=(0,))
    return reduced(counts, "sum")


def _from_classes(
    x: Tensor, log_total: Tensor, target: Tensor, weight: Tensor | None, axis: int, ignore_index: int, reduction: str,
    smoothing: float,
) -> Tensor:  # fmt: skip
    safe, valid = _classes(target, ignore_index)
    loss = _weighted(log_total - _at(x, safe, axis), safe, valid, weight, reduction)
    if not smoothing:
        return loss
    classes = x.shape[axis]
    if weight is None:
        spread = log_total * classes - p.Sum(x, axes=(axis,))
    else:
        spread = p.Sum(_minus_logs(x, log_total, axis) * _per_class(weight, x, axis), axes=(axis,))
    spread = where(valid, spread, 0)
    if reduction == "mean":
        spread = reduced(spread, "sum") / _total_weight(safe, valid, weight, x)
    else:
        spread = reduced(spread, reduction)
    return loss * (1 - smoothing) + spread * (smoothing / classes)


def _from_probabilities(
    minus_logs: Tensor,
    target: Tensor,
    weight: Tensor | None,
    axis: int,
    reduction: str,
    smoothing: float,
) -> Tensor:
    t, classes = p.Convert(target, dtype=minus_logs.dtype), minus_logs.shape[axis]
    if smoothing:
        t = t * (1 - smoothing) + smoothing / classes
    if weight is not None:
        t = t * _per_class(weight, minus_logs, axis)
    each = p.Sum(minus_logs * t, axes=(axis,))
    if reduction != "mean":
        return reduced(each, reduction)
    return reduced(each, "sum") / (t.size // max(classes, 1))


def _minus_logs(x: Tensor, log_total: Tensor, axis: int) -> Tensor:
    """-log(softmax) of all classes."""
    kept = (*log_total.shape[:axis], 1, *log_total.shape[axis:])
    return p.Reshape(log_total, shape=kept) - x


def _per_class(weight: Tensor, x: Tensor, axis: int) -> Tensor:
    shape = tuple(x.shape[axis] if i == axis else 1 for i in range(x.ndim))
    return broadcast(p.Reshape(p.Convert(weight, dtype=x.dtype), shape=shape), x.shape)


# -- with the last linear layer ---------------------------------------------------------------------------------------------


@function(functions="", F="linear_cross_entropy")
def linear_cross_entropy(
    input: Any, linear_weight: Any, target: Any, *, linear_bias: Any = None, weight: Any = None, reduction: str = "mean",
    ignore_index: int | None = None, label_smoothing: float = 0.0, options: Any = None,
) -> Any:  # fmt: skip
    """cross_entropy of input @ linear_weight.T + linear_bias.

    Shapes: input (n, in) or (in); linear_weight (classes, in) or (classes, d1, ..., in); target (n, d1, ...).
    Differs: `options` ask for nothing here, the logits are one step of the program.
    Errors: ValueError where batch sizes differ; IndexError "Target k is out of bounds." when the
    values are computed.

    >>> import alight as torch
    >>> x, weight = torch.ones(2, 3), torch.ones(4, 3)
    >>> torch.nn.functional.linear_cross_entropy(x, weight, torch.tensor([0, 1]))
    tensor(1.3863)
    """
    _check_linear(input, linear_weight, linear_bias, target, ignore_index)
    classes, *inner, size = linear_weight.shape
    logits = FUNCTIONAL["linear"](input, linear_weight.reshape(-1, size))
    if inner:
        logits = logits.reshape(*input.shape[:-1], classes, *inner)
    if linear_bias is not None:
        logits = logits + linear_bias
    if ignore_index is None:
        ignore_index = -100
    return cross_entropy(
        logits, target, weight, None, ignore_index, None, reduction, label_smoothing
    )


def _check_linear(input: Any, weight: Any, bias: Any, target: Any, ignore_index: Any) -> None:
    """PyTorch's errors for shapes that do not go together."""
    if input.dim() not in (1, 2):
        fail(RuntimeError, f"expected input with dimensionality 1 or 2, got {input.dim()}")
    if weight.dim() < 2:
        fail(
            RuntimeError,
            f"expected linear_weight with dimensionality at least 2, got {weight.dim()}",
        )
    if input.shape[-1] != weight.shape[-1]:
        fail(
            RuntimeError,
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{input.shape[-1]} and {weight.shape[-1]}, respectively",
        )
    if weight.dim() > 2 and input.dim() == 1:
        fail(
            RuntimeError,
            f"K-dimensional loss defined by linear_weight shape {tuple(weight.shape)} requires batched input, "
            f"(N, {weight.shape[-1]}), got unbatched input with shape {tuple(input.shape)}",
        )
    if bias is not None and bias.shape != weight.shape[:-1]:
        fail(
            RuntimeError,
            f"expected linear_bias shape {tuple(weight.shape[:-1])}, got {tuple(bias.shape)}",
        )
    if ignore_index is not None and target.is_floating_point():
        fail(RuntimeError, "ignore_index cannot be specified when target contains probabilities")
