"""Loss layers that ask for a margin between right and wrong: ranking, hinges, triplets."""

from __future__ import annotations

from typing import Any

from alight.nn import functional as F
from alight.nn.loss import _Loss, _WeightedLoss

Tensor = Any


class _MarginLoss(_Loss):
    """Common part of the losses with a margin."""

    margin_default = 0.0

    def __init__(
        self,
        margin: float | None = None,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = self.margin_default if margin is None else margin


class MarginRankingLoss(_MarginLoss):
    """max(0, -target (input1 - input2) + margin).

    input1 should be the larger one where target is 1, the smaller one where it is -1. Three
    tensors of one shape (*) to a scalar, with reduction="none" to (*). RuntimeError for other
    ranks.

    >>> import alight as torch
    >>> loss = torch.nn.MarginRankingLoss(margin=0.5)
    >>> loss(torch.tensor([1., 2.]), torch.tensor([0., 3.]), torch.tensor([1., 1.]))
    tensor(0.7500)
    """

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """functional.margin_ranking_loss."""
        return F.margin_ranking_loss(
            input1, input2, target, margin=self.margin, reduction=self.reduction
        )


class HingeEmbeddingLoss(_MarginLoss):
    """input where target is 1, max(0, margin - input) where it is -1; the input is a distance.

    (*) and (*) to a scalar, with reduction="none" to (*). margin is 1 if none is given.

    >>> import alight as torch
    >>> torch.nn.HingeEmbeddingLoss()(torch.tensor([0.2, 0.3]), torch.tensor([1, -1]))
    tensor(0.4500)
    """

    margin_default = 1.0

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """functional.hinge_embedding_loss."""
        return F.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(_MarginLoss):
    """1 - cos(input1, input2) where target is 1, max(0, cos - margin) where it is -1.

    (n, k), (n, k) and (n,), or (k,), (k,) and (), to a scalar, with reduction="none" to the
    target's shape. RuntimeError for other ranks.

    >>> import alight as torch
    >>> loss = torch.nn.CosineEmbeddingLoss()
    >>> loss(torch.tensor([[1., 0.]]), torch.tensor([[1., 1.]]), torch.tensor([1]))
    tensor(0.2929)
    """

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """functional.cosine_embedding_loss."""
        return F.cosine_embedding_loss(
            input1, input2, target, margin=self.margin, reduction=self.reduction
        )


class SoftMarginLoss(_Loss):
    """log(1 + exp(-target * input)), for targets 1 and -1.

    (*) and (*) to a scalar, with reduction="none" to (*).

    >>> import alight as torch
    >>> torch.nn.SoftMarginLoss()(torch.tensor([0., 2.]), torch.tensor([1., -1.]))
    tensor(1.4100)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """functional.soft_margin_loss."""
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """Binary cross-entropy of scores for every label, averaged over the labels.

    (n, classes) and (n, classes) of 0 and 1, to a scalar, with reduction="none" to (n,);
    `weight` (classes,) weighs the labels.

    >>> import alight as torch
    >>> torch.nn.MultiLabelSoftMarginLoss()(torch.tensor([[0., 2.]]), torch.tensor([[1., 1.]]))
    tensor(0.4100)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """functional.multilabel_soft_margin_loss."""
        return F.multilabel_soft_margin_loss(
            input, target, weight=self.weight, reduction=self.reduction
        )


class MultiMarginLoss(_WeightedLoss):
    """Hinge loss of every wrong class against the right one.

    The sum of max(0, margin - x[right] + x[wrong]) ** p, divided by the classes. (n, classes)
    and classes (n,), or (classes,) and (), to a scalar, with reduction="none" to (n,); `weight`
    (classes,) weighs the right classes. ValueError where p is neither 1 nor 2.

    >>> import alight as torch
    >>> torch.nn.MultiMarginLoss()(torch.tensor([[0.1, 0.2, 0.8]]), torch.tensor([2]))
    tensor(0.2333)
    """

    def __init__(
        self, p: int = 1, margin: float = 1.0, weight: Any = None, size_average: Any = None, reduce: Any = None,
        reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError("only p == 1 and p == 2 supported")
        if weight is not None and weight.dim() != 1:
            raise ValueError(
                f"MultiMarginLoss: expected weight to be None or 1D tensor, got {weight.dim()}D instead"
            )
        self.p, self.margin = p, margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """functional.multi_margin_loss."""
        return F.multi_margin_loss(
            input,
            target,
            p=self.p,
            margin=self.margin,
            weight=self.weight,
            reduction=self.reduction,
        )


class TripletMarginLoss(_Loss):
    """max(0, |anchor - positive| - |anchor - negative| + margin), with p-norms along the last
    dimension.

    Three tensors (n, k) or (k,), to a scalar, with reduction="none" to (n,) or (). `swap` takes
    the distance of positive and negative where it is the smaller one (Balntas et al. 2016).
    ValueError where margin is not positive.

    >>> import alight as torch
    >>> loss = torch.nn.TripletMarginLoss()
    >>> loss(torch.zeros(1, 2), torch.tensor([[3., 4.]]), torch.tensor([[0., 5.5]]))
    tensor(0.5000)
    """

    def __init__(
        self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False, size_average: Any = None,
        reduce: Any = None, reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__(size_average, reduce, reduction)
        if margin <= 0:
            raise ValueError(
                f"TripletMarginLoss: expected margin to be greater than 0, got {margin} instead"
            )
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """functional.triplet_margin_loss."""
        return F.triplet_margin_loss(
            anchor, positive, negative, margin=self.margin, p=self.p, eps=self.eps, swap=self.swap,
            reduction=self.reduction,
        )  # fmt: skip


class TripletMarginWithDistanceLoss(_Loss):
    """TripletMarginLoss with a distance of one's own, a function of two tensors.

    pairwise_distance if none is given. Three tensors (n, *), to a scalar, with reduction="none"
    to the shape that the distance has.

    >>> import alight as torch
    >>> distance = lambda x, y: (x - y).abs().sum(-1)
    >>> loss = torch.nn.TripletMarginWithDistanceLoss(distance_function=distance)
    >>> loss(torch.zeros(1, 2), torch.tensor([[3., 4.]]), torch.tensor([[0., 5.]]))
    tensor(3.)
    """

    def __init__(
        self,
        *,
        distance_function: Any = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.distance_function = (
            F.pairwise_distance if distance_function is None else distance_function
        )
        self.margin, self.swap = margin, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """functional.triplet_margin_with_distance_loss."""
        return F.triplet_margin_with_distance_loss(
            anchor, positive, negative, distance_function=self.distance_function, margin=self.margin, swap=self.swap,
            reduction=self.reduction,
        )  # fmt: skip


class MultiLabelMarginLoss(_Loss):
    """Hinge loss of every wrong class against every right one.

    The sum of max(0, 1 - x[right] + x[wrong]), divided by the classes. (n, classes) and (n,
    classes) of int64, or without n, to a scalar, with reduction="none" to (n,). A row of the
    target names the right classes from the front and ends at the first -1.

    >>> import alight as torch
    >>> loss = torch.nn.MultiLabelMarginLoss()
    >>> loss(torch.tensor([[0.1, 0.2, 0.4, 0.8]]), torch.tensor([[3, 0, -1, 1]]))
    tensor(0.8500)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """functional.multilabel_margin_loss."""
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)
