"""Distances between rows, the losses that stand on them, and the bilinear form."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import normalize_dim, promoted, scalar_type_name, to_float
from alight.ops.conversion import made_by
from alight.ops.nn.cross_entropy import _at
from alight.ops.nn.loss import reduced, reduction_of
from alight.ops.nn.margin_loss import clamped_low
from alight.ops.nn.normalization import norm
from alight.ops.operation import FUNCTIONAL, LINALG, TORCH, function, op
from alight.primitives.arithmetic import broadcast, constant, equal, kept_shape, where
from alight.primitives.gather import Index, grid, take_along

Scalar = Any


@op(functions="cosine_similarity", F="cosine_similarity")
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between x1 and x2 along `dim`; norms below eps count as eps.

    Shapes: any that broadcast together; `dim` goes.
    Errors: RuntimeError where shapes do not broadcast, IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.cosine_similarity(torch.tensor([[1., 0.]]), torch.tensor([[1., 1.]]))
    tensor([0.7071])
    """
    a, b = promoted(x1, x2)
    if a.ndim == 0:  # one number is a vector of one
        a, b = (p.Reshape(one, shape=(1,)) for one in (a, b))
    return _cosine(a, b, normalize_dim(dim, a.ndim), eps)


def _cosine(a: Tensor, b: Tensor, axis: int, eps: float) -> Tensor:
    def unit(x: Tensor) -> Tensor:
        size = norm(x, 2.0, (axis,))
        return x / broadcast(
            p.Reshape(where(size < eps, eps, size), shape=kept_shape(x.shape, (axis,))), x.shape
        )

    return p.Sum(unit(a) * unit(b), axes=(axis,))


@op(functions="pairwise_distance", F="pairwise_distance")
def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The norm of order p of x1 - x2 + eps along the last dimension.

    Shapes: (*, k) and (*, k) that broadcast; (*), or (*, 1) with keepdim=True.
    Errors: RuntimeError where shapes do not broadcast.

    >>> import alight as torch
    >>> torch.pairwise_distance(torch.tensor([[3., 0.]]), torch.tensor([[0., 4.]]), eps=0.)
    tensor([5.])
    """
    return _distance(x1, x2, p, eps, keepdim)


def _distance(x: Tensor, y: Tensor, order: float, eps: float, keepdim: bool = False) -> Tensor:
    a, b = promoted(x, y)
    found = norm(a - b + eps, float(order), (a.ndim - 1,))
    return p.Reshape(found, shape=(*found.shape, 1)) if keepdim else found


@op(functions="cosine_embedding_loss", F="cosine_embedding_loss")
def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """1 - cos where target is 1, max(0, cos - margin) where it is -1.

    Shapes: inputs (n, k) with target (n,), or (k,) with (); the loss is (), or (n,) with
    reduction="none".
    Errors: RuntimeError for other ranks.

    >>> import alight as torch
    >>> x, y = torch.tensor([[1., 0.], [0., 1.]]), torch.tensor([[1., 0.], [0., -1.]])
    >>> torch.nn.functional.cosine_embedding_loss(x, y, torch.tensor([1, -1]))
    tensor(0.)
    """
    reduction = reduction_of(reduction, size_average, reduce)
    a, b = (to_float(one) for one in promoted(input1, input2))
    if a.ndim != target.ndim + 1:
        fail(
            RuntimeError,
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found inputs with sizes "
            f"{list(input1.shape)} and {list(input2.shape)}.",
        )
    axis = a.ndim - 1
    tiny = 2.220446049250313e-16 if a.dtype.itemsize == 8 else 1e-12

    def squares(x: Tensor) -> Tensor:
        return p.Sum(x * x, axes=(axis,)) + tiny

    cos = p.Sum(a * b, axes=(axis,)) / p.Sqrt(squares(a) * squares(b))
    t = target
    apart = where(equal(t, -1), clamped_low(cos - margin), 0)
    return reduced(apart + where(equal(t, 1), 1 - cos, 0), reduction)


@op(functions="triplet_margin_loss", F="triplet_margin_loss")
def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6,
    swap: bool = False, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, distance(anchor, positive) - distance(anchor, negative) + margin) (Balntas et al. 2016).

    Shapes: (n, k) each, or (k,); the loss is (), or (n,) with reduction="none".
    Errors: RuntimeError where ranks differ.

    >>> import alight as torch
    >>> a, b, c = torch.zeros(1, 2), torch.tensor([[0., 1.]]), torch.tensor([[0., 1.5]])
    >>> torch.nn.functional.triplet_margin_loss(a, b, c)
    tensor(0.5000)
    """
    reduction = reduction_of(reduction, size_average, reduce)
    _check_triplet(anchor.ndim, positive.ndim, negative.ndim, margin)
    near, far = _distance(anchor, positive, p, eps), _distance(anchor, negative, p, eps)
    return reduced(
        clamped_low(near - _swapped(far, positive, negative, p, eps, swap) + margin), reduction
    )


def _check_triplet(anchor: int, positive: int, negative: int, margin: float) -> None:
    """PyTorch's errors for a margin or for ranks that cannot be."""
    if margin <= 0:
        fail(ValueError, f"margin must be greater than 0, got {margin}")
    if not anchor == positive == negative:
        fail(
            RuntimeError,
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {anchor}D, positive {positive}D, and negative {negative}D inputs",
        )


def _swapped(
    far: Tensor, positive: Tensor, negative: Tensor, order: float, eps: float, swap: bool
) -> Tensor:
    return p.Minimum(far, _distance(positive, negative, order, eps)) if swap else far


@function(functions="", F="triplet_margin_with_distance_loss")
def triplet_margin_with_distance_loss(
    anchor: Any, positive: Any, negative: Any, *, distance_function: Any = None, margin: float = 1.0, swap: bool = False,
    reduction: str = "mean",
) -> Any:  # fmt: skip
    """triplet_margin_loss with a distance of one's own.

    Shapes: any that the distance takes; the loss is (), or the distances' with reduction="none".
    Errors: ValueError for a margin that is not above 0.

    >>> import alight as torch
    >>> a, b, c = torch.zeros(1, 2), torch.tensor([[0., 1.]]), torch.tensor([[0., 1.5]])
    >>> distance = lambda x, y: (x - y).abs().sum(-1)
    >>> torch.nn.functional.triplet_margin_with_distance_loss(a, b, c, distance_function=distance)
    tensor(0.5000)
    """
    reduction = reduction_of(reduction, None, None)
    _check_triplet(anchor.dim(), positive.dim(), negative.dim(), margin)
    distance = FUNCTIONAL["pairwise_distance"] if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    each = (near - far + margin).clamp_min(0)
    return each.mean() if reduction == "mean" else each.sum() if reduction == "sum" else each


@op(functions="", F="multi_margin_loss")
def multi_margin_loss(
    input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0, weight: Tensor | None = None,
    size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Sum over wrong classes of max(0, margin - input[target] + input[class]) ** p, over the number of classes.

    Shapes: input (n, classes) or (classes,), target (n,) or (); the loss is (), or (n,) with
    reduction="none".
    Errors: ValueError for p but 1 and 2, RuntimeError for shapes that do not fit.

    >>> import alight as torch
    >>> torch.nn.functional.multi_margin_loss(torch.tensor([[0.1, 0.2, 0.7]]), torch.tensor([2]))
    tensor(0.3000)
    """
    if p not in (1, 2):
        fail(ValueError, "only p == 1 and p == 2 supported")
    reduction = reduction_of(reduction, size_average, reduce)
    input, target = _checked_margin(input, target, weight)
    if weight is not None and weight.dtype is not input.dtype:
        fail(
            RuntimeError,
            f"expected scalar type {scalar_type_name(input.dtype)} but found {scalar_type_name(weight.dtype)}",
            facts=[f"weight is {weight.dtype!r}"],
            try_=f"weight.to({input.dtype!r})",
        )
    return _multi_margin(input, target, p, margin, weight, reduction)


def _checked_margin(input: Tensor, target: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
    """A vector, or rows, and the class of each; PyTorch's errors for anything else."""
    if input.ndim > 2 or (input.ndim and input.shape[-1] == 0):
        _empty_rows(input)
    classes = input.shape[-1] if input.ndim else 1
    if input.ndim < 2 and target.ndim < 2 and target.size == 1:
        input, target = p.Reshape(input, shape=(classes,)), p.Reshape(target, shape=())
    elif target.shape != input.shape[:1] or input.ndim < 2:
        fail(
            RuntimeError,
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples (batch "
            f"size). Expected target size [{input.shape[0] if input.ndim > 1 else 1}], but got {list(target.shape)}. "
            f"Input has shape {list(input.shape)}.",
        )
    if weight is not None and weight.ndim != 1:
        fail(ValueError, "weight must be one-dimensional")
    if weight is not None and weight.shape != (classes,):
        fail(
            RuntimeError,
            f"inconsistent weight size, expected {classes} but got {list(weight.shape)}",
        )
    if target.dtype.name != "int64":
        fail(RuntimeError, f"expected scalar type Long but found {scalar_type_name(target.dtype)}")
    return input, target


def _empty_rows(input: Tensor) -> None:
    fail(
        RuntimeError,
        "Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
        f"{list(input.shape)}",
    )


def _multi_margin(
    input: Tensor, target: Tensor, power: int, margin: float, weight: Tensor | None, reduction: str
) -> Tensor:
    axis = input.ndim - 1
    right = _at(input, target, axis)
    each = clamped_low(margin - p.Reshape(right, shape=(*right.shape, 1)) + input)
    if power == 2:
        each = each * each
    if weight is not None:
        own = Index(weight, target, axes=(0,))
        each = each * p.Reshape(own, shape=(*own.shape, 1))
    wrong = p.Not(
        equal(grid(input_places(input), axis)[axis], p.Reshape(target, shape=(*target.shape, 1)))
    )
    return reduced(p.Sum(where(wrong, each, 0), axes=(axis,)) / input.shape[axis], reduction)


@op(functions="", F="multilabel_margin_loss")
def multilabel_margin_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Sum over right and wrong classes of max(0, 1 - (input[right] - input[wrong])), over the number of classes.

    Each row of `target` begins with the right classes; -1 ends them.

    Shapes: both (n, classes) or (classes,); the loss is (), or (n,) with reduction="none".
    Errors: RuntimeError for shapes that differ.

    >>> import alight as torch
    >>> scores, labels = torch.tensor([[0.1, 0.2, 0.4, 0.8]]), torch.tensor([[3, 0, -1, 1]])
    >>> torch.nn.functional.multilabel_margin_loss(scores, labels)
    tensor(0.8500)
    """
    reduction = reduction_of(reduction, size_average, reduce)
    if input.ndim > 2 or (input.ndim and input.shape[-1] == 0):
        _empty_rows(input)
    if input.shape != target.shape:
        fail(
            RuntimeError,
            f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}",
        )
    classes = input.shape[-1] if input.ndim else 1
    rows = input.shape[0] if input.ndim == 2 else 1
    x, t = (p.Reshape(one, shape=(rows, classes)) for one in (input, target))
    valid = p.CumProd(p.Convert(t >= 0, dtype=input.dtype), axis=1)
    safe = where(t < 0, 0, t)
    shape = (rows, classes, classes)  # row, place in the target, class
    hit = equal(
        p.Expand(p.Reshape(safe, shape=(rows, classes, 1)), shape=shape), _last_axis(x, shape)
    )
    named = p.Reshape(valid, shape=(rows, classes, 1))
    right = p.Max(where(hit, p.Expand(named, shape=shape), 0), axes=(1,))
    own = p.Reshape(take_along(x, safe, 1), shape=(rows, classes, 1))
    each = clamped_low(1 - own + p.Reshape(x, shape=(rows, 1, classes)))
    counted = named * p.Reshape(1 - right, shape=(rows, 1, classes))
    loss = p.Sum(each * counted, axes=(1, 2)) / classes
    return reduced(loss if input.ndim == 2 else p.Reshape(loss, shape=()), reduction)


def _last_axis(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    from alight.dtypes import int64

    with like.builder.active():
        return p.Iota(shape=shape, axis=len(shape) - 1, dtype=int64, device=like.type.device)


@function(functions="pdist", F="pdist")
def pdist(input: Any, p: float = 2) -> Any:
    """The p-norm distances between all pairs of different rows: (0, 1), (0, 2), ..., (1, 2), ...

    Shapes: (n, k) gives (n * (n - 1) / 2,).
    Errors: RuntimeError for other ranks, for whole numbers, and for negative p.

    >>> import alight as torch
    >>> torch.pdist(torch.tensor([[0., 0.], [3., 4.], [0., 1.]]))
    tensor([5.0000, 1.0000, 4.2426])
    """
    if input.dim() != 2:
        fail(
            RuntimeError,
            f"pdist only supports 2D tensors, got: {input.dim()}D",
        )
    if not input.is_floating_point():
        fail(RuntimeError, "pdist only supports floating-point dtypes")
    if p < 0:
        fail(RuntimeError, "pdist only supports non-negative p values")
    n = input.shape[0]
    pairs = TORCH["triu_indices"](n, n, 1, device=input.device)
    difference = input.index_select(0, pairs[0]) - input.index_select(0, pairs[1])
    return made_by("PdistBackward0", LINALG["vector_norm"](difference, float(p), 1))


def input_places(x: Tensor) -> Tensor:
    """The place of each element along the last axis."""
    from alight.dtypes import int64

    with x.builder.active():
        return p.Iota(shape=x.shape, axis=x.ndim - 1, dtype=int64, device=x.type.device)


@op(functions="bilinear", F="bilinear")
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input1 A input2 + bias, with one matrix A for each output: weight (out, in1, in2).

    Shapes: input1 (*, in1), input2 (*, in2), bias (out,); the result is (*, out).
    Errors: RuntimeError where shapes do not fit.

    >>> import alight as torch
    >>> torch.nn.functional.bilinear(torch.ones(1, 2), torch.ones(1, 3), torch.ones(1, 2, 3))
    tensor([[6.]])
    """
    if input1.ndim != input2.ndim:
        ranks = f"{input1.ndim} and {input2.ndim}"
        fail(RuntimeError, f"bilinear(): input dimensions do not match: got {ranks}")
    for i, (one, other) in enumerate(zip(input1.shape[:-1], input2.shape[:-1], strict=True)):
        if one != other:
            sizes = f"got {one} and {other}"
            fail(
                RuntimeError, f"bilinear(): input batch dimensions do not match at dim {i}: {sizes}"
            )
    for n, x in ((1, input1), (2, input2)):
        if x.shape[-1] != weight.shape[n]:
            fail(
                RuntimeError,
                f"bilinear(): input{n} size does not match weight size: got {x.shape[-1]} but expected {weight.shape[n]}",
            )
    lead = input1.ndim - 1
    half = p.DotGeneral(input1, weight, batch=((), ()), contract=((lead,), (1,)))  # (..., out, in2)
    axes = tuple(range(lead))
    out = p.DotGeneral(half, input2, batch=(axes, axes), contract=((lead + 1,), (lead,)))
    return out if bias is None else out + bias


__all__ = ["Any", "constant"]
