"""Losses that want scores apart by a margin, or on one side of it, element by element."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import promoted, to_float
from alight.ops.nn.loss import reduced, reduction_of
from alight.ops.operation import op
from alight.primitives.arithmetic import equal, where

Operand = Any


def _positive(x: Tensor) -> Tensor:
    return where(x > 0, x, 0)


@op(functions="margin_ranking_loss", F="margin_ranking_loss")
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -target (input1 - input2) + margin): input1 should rank above input2 where target is 1.

    Shapes: alike; the loss is (), or theirs with reduction="none".
    Errors: RuntimeError for ranks that differ.

    >>> import alight as torch
    >>> x, y = torch.tensor([1., 3.]), torch.tensor([2., 2.])
    >>> torch.nn.functional.margin_ranking_loss(x, y, torch.tensor([1., 1.]))
    tensor(0.5000)
    """
    reduction = reduction_of(reduction, size_average, reduce)
    if not input1.ndim == input2.ndim == target.ndim:
        sizes = (
            f"{n}: torch.Size({list(x.shape)})"
            for n, x in zip(("input1", "input2", "target"), (input1, input2, target), strict=True)
        )
        fail(
            RuntimeError,
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            + ", ".join(sizes)
            + " ",
        )
    x, y, t = (to_float(one) for one in promoted(input1, input2, target))
    return reduced(clamped_low(margin - t * (x - y)), reduction)


def clamped_low(x: Tensor) -> Tensor:
    """max(x, 0), where a gradient flows at 0 as through PyTorch's clamp_min."""
    return where(x < 0, 0, x)


@op(functions="hinge_embedding_loss", F="hinge_embedding_loss")
def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """input where target is 1, max(0, margin - input) where it is -1.

    Shapes: any that broadcast together; the loss is (), or their common shape with
    reduction="none".
    Errors: RuntimeError where shapes do not broadcast.

    >>> import alight as torch
    >>> torch.nn.functional.hinge_embedding_loss(torch.tensor([0.5, 0.2]), torch.tensor([1., -1.]))
    tensor(0.6500)
    """
    reduction = reduction_of(reduction, size_average, reduce)
    x, t = promoted(input, target)
    near = where(equal(t, 1), 0, clamped_low(margin - x))
    return reduced(near + where(equal(t, -1), 0, x), reduction)


@op(functions="", F="soft_margin_loss")
def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-target * input)).

    Shapes: any that broadcast together; the loss is (), or their common shape with
    reduction="none".
    Errors: RuntimeError where shapes do not broadcast.

    >>> import alight as torch
    >>> torch.nn.functional.soft_margin_loss(torch.tensor([0., 2.]), torch.tensor([1., -1.]))
    tensor(1.4100)
    """
    reduction = reduction_of(reduction, size_average, reduce)
    x, t = promoted(input, target)
    return reduced(p.Log1p(p.Exp(-t * x)), reduction)


@op(functions="", F="multilabel_soft_margin_loss")
def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross-entropy of logits for each label, averaged over the labels (the last dimension).

    Shapes: (n, labels) each; the loss is (), or (n,) with reduction="none".
    Errors: RuntimeError where shapes do not broadcast.

    >>> import alight as torch
    >>> torch.nn.functional.multilabel_soft_margin_loss(torch.zeros(1, 2), torch.tensor([[1., 0.]]))
    tensor(0.6931)
    """
    reduction = reduction_of(reduction, size_average, reduce)
    x, t = promoted(input, target)
    softplus = p.Log1p(p.Exp(-p.Abs(x))) + where(x < 0, -x, 0)
    each = (1 - t) * x + softplus
    if weight is not None:
        each, weight = promoted(each, weight)
        each = each * weight
    return reduced(p.Sum(each, axes=(x.ndim - 1,)) / x.shape[-1], reduction)
