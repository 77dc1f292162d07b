"""Loss layers: functional losses with their settings; those with a margin stand in margin_loss."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from math import prod
from typing import Any

from alight.nn import functional as F
from alight.nn.linear import Linear
from alight.nn.module import Module
from alight.ops.nn.loss import reduction_of

Tensor = Any


class _Loss(Module):
    """Common part of the losses: the reduction."""

    def __init__(
        self, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
    ) -> None:
        super().__init__()
        older = size_average is not None or reduce is not None
        self.reduction = reduction_of(reduction, size_average, reduce) if older else reduction


class _WeightedLoss(_Loss):
    """Common part of the losses with weights."""

    def __init__(
        self,
        weight: Any = None,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class MSELoss(_Loss):
    """The squared difference of input and target, (input - target) ** 2.

    (*) and (*) to a scalar, with reduction="none" to (*); "sum" adds instead of taking the
    mean. A target of another shape is broadcast, with a warning; RuntimeError where it cannot
    be.

    >>> import alight as torch
    >>> torch.nn.MSELoss()(torch.tensor([1., 2.]), torch.tensor([1., 4.]))
    tensor(2.)
    >>> torch.nn.MSELoss(reduction="none")(torch.tensor([1., 2.]), torch.tensor([1., 4.]))
    tensor([0., 4.])
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """functional.mse_loss."""
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """The absolute difference of input and target, |input - target|.

    (*) and (*) to a scalar, with reduction="none" to (*).

    >>> import alight as torch
    >>> torch.nn.L1Loss()(torch.tensor([1., 2.]), torch.tensor([1., 4.]))
    tensor(1.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """functional.l1_loss."""
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """Squares near 0, absolute differences from beta on (Girshick 2015).

    With d = |input - target|: d ** 2 / (2 beta) where d < beta, else d - beta / 2. (*) and (*)
    to a scalar, with reduction="none" to (*). RuntimeError where beta is negative.

    >>> import alight as torch
    >>> torch.nn.SmoothL1Loss(reduction="none")(torch.tensor([0.5, 3.]), torch.zeros(2))
    tensor([0.1250, 2.5000])
    """

    def __init__(
        self,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """functional.smooth_l1_loss."""
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """Squares near 0, absolute differences from delta on (Huber 1964).

    With d = |input - target|: d ** 2 / 2 where d < delta, else delta (d - delta / 2). (*) and
    (*) to a scalar, with reduction="none" to (*). TypeError where delta is no number,
    RuntimeError where it is not positive.

    >>> import alight as torch
    >>> torch.nn.HuberLoss(reduction="none", delta=2.0)(torch.tensor([1., 3.]), torch.zeros(2))
    tensor([0.5000, 4.0000])
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        if not isinstance(delta, (int, float)):
            raise TypeError(f"delta must be a float or int, got: {type(delta)}")
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """functional.huber_loss."""
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class CrossEntropyLoss(_WeightedLoss):
    """-log(softmax(input)) at the target's class: the loss of a classifier's scores.

    Scores (n, classes), (classes,) or (n, classes, *) and classes (n,), () or (n, *) as int64,
    to a scalar, with reduction="none" to the target's shape; the target may also hold
    probabilities, of the input's shape. `weight` (classes,) weighs the classes, a target of
    ignore_index counts for nothing, label_smoothing mixes the target with equal shares.
    RuntimeError for a target of another dtype, ValueError for another batch size, IndexError
    for a class that is not there.

    >>> import alight as torch
    >>> scores = torch.tensor([[2., 0.], [0., 2.]])
    >>> torch.nn.CrossEntropyLoss()(scores, torch.tensor([0, 1]))
    tensor(0.1269)
    >>> torch.nn.CrossEntropyLoss(reduction="none")(scores, torch.tensor([0, 0]))
    tensor([0.1269, 2.1269])
    """

    def __init__(
        self, weight: Any = None, size_average: Any = None, ignore_index: int = -100, reduce: Any = None,
        reduction: str = "mean", label_smoothing: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """functional.cross_entropy."""
        return F.cross_entropy(
            input,
            target,
            self.weight,
            None,
            self.ignore_index,
            None,
            self.reduction,
            self.label_smoothing,
        )


class NLLLoss(_WeightedLoss):
    """-input at the target's class, for logarithms of probabilities as LogSoftmax gives them.

    (n, classes), (classes,) or (n, classes, *) and classes (n,), () or (n, *), to a scalar,
    with reduction="none" to the target's shape. `weight` and `ignore_index` are those of
    CrossEntropyLoss, and so are the errors.

    >>> import alight as torch
    >>> torch.nn.NLLLoss()(torch.tensor([[-0.5, -1.0]]), torch.tensor([1]))
    tensor(1.)
    """

    def __init__(
        self, weight: Any = None, size_average: Any = None, ignore_index: int = -100, reduce: Any = None,
        reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """functional.nll_loss."""
        return F.nll_loss(input, target, self.weight, None, self.ignore_index, None, self.reduction)


class BCELoss(_WeightedLoss):
    """Binary cross-entropy of probabilities: -target log(input) - (1 - target) log(1 - input).

    (*) and (*) to a scalar, with reduction="none" to (*); logarithms are at least -100.
    RuntimeError where the input is not between 0 and 1, ValueError where the shapes differ. For
    scores take BCEWithLogitsLoss.

    >>> import alight as torch
    >>> torch.nn.BCELoss()(torch.tensor([0.5, 0.9]), torch.tensor([1., 1.]))
    tensor(0.3993)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """functional.binary_cross_entropy."""
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Binary cross-entropy of sigmoid(input), computed without overflow.

    (*) and (*) to a scalar, with reduction="none" to (*). `weight` multiplies the losses,
    `pos_weight` those of the target 1. ValueError where the shapes differ.

    >>> import alight as torch
    >>> torch.nn.BCEWithLogitsLoss()(torch.tensor([0., 2.]), torch.tensor([1., 1.]))
    tensor(0.4100)
    """

    def __init__(
        self,
        weight: Any = None,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
        pos_weight: Any = None,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """functional.binary_cross_entropy_with_logits."""
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )


class KLDivLoss(_Loss):
    """Kullback-Leibler divergence of `target` from exp(input): target (log(target) - input).

    (*) and (*) to a scalar, with reduction="none" to (*); input holds logarithms, target
    probabilities, or logarithms with log_target. reduction="batchmean" divides the sum by the
    batch, which is the divergence; "mean" divides by the elements and warns.

    >>> import alight as torch
    >>> loss = torch.nn.KLDivLoss(reduction="batchmean")
    >>> loss(torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.25, 0.75]]))
    tensor(0.1308)
    """

    def __init__(
        self,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """functional.kl_div."""
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class PoissonNLLLoss(_Loss):
    """Negative log-likelihood of counts under Poisson distributions, without its constant.

    exp(input) - target * input, or with log_input=False input - target * log(input + eps). (*)
    and (*) to a scalar, with reduction="none" to (*). `full` adds Stirling's approximation of
    log(target!).

    >>> import alight as torch
    >>> torch.nn.PoissonNLLLoss()(torch.tensor([0., 1.]), torch.tensor([1., 2.]))
    tensor(0.8591)
    """

    def __init__(
        self, log_input: bool = True, full: bool = False, size_average: Any = None, eps: float = 1e-8, reduce: Any = None,
        reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__(size_average, reduce, reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        """functional.poisson_nll_loss."""
        return F.poisson_nll_loss(
            log_input, target, self.log_input, self.full, eps=self.eps, reduction=self.reduction
        )


class GaussianNLLLoss(_Loss):
    """Negative log-likelihood under normal distributions: (log(var) + (input - target) ** 2 / var)
    / 2.

    Means (n, *), targets (n, *) and variances (n, *), (n, *, 1) or one number, to a scalar,
    with reduction="none" to (n, *) (Nix and Weigend 1994). `full` adds log(2 pi) / 2.
    ValueError for variances of other shapes.

    >>> import alight as torch
    >>> torch.nn.GaussianNLLLoss()(torch.zeros(2), torch.tensor([0., 2.]), torch.ones(2))
    tensor(1.)
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(None, None, reduction)
        self.full, self.eps = full, eps

    def forward(self, input: Tensor, target: Tensor, var: Tensor) -> Tensor:
        """functional.gaussian_nll_loss."""
        return F.gaussian_nll_loss(
            input, target, var, full=self.full, eps=self.eps, reduction=self.reduction
        )


class CTCLoss(_Loss):
    """Minus the log-probability of a label sequence over all its alignments with the input.

    (Graves et al. 2006.) log_probs (time, n, classes) or (time, classes), targets (n, longest)
    or all in one row, and the lengths of both (n,), to a scalar, with reduction="none" to (n,);
    "mean" divides by the target lengths first. `blank` is the class of no label; zero_infinity
    makes impossible alignments count for nothing.

    >>> import alight as torch
    >>> torch.nn.CTCLoss()(torch.full((3, 1, 2), 0.5).log(), torch.tensor([[1]]), [3], [1])
    tensor(0.2877)
    """

    def __init__(
        self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
    ) -> None:
        super().__init__(reduction=reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def forward(
        self, log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any
    ) -> Tensor:
        """functional.ctc_loss."""
        return F.ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )  # fmt: skip


class NLLLoss2d(NLLLoss):
    """NLLLoss of images, under its older name; warns.

    (n, classes, height, width) and classes (n, height, width) to a scalar.

    >>> import warnings
    >>> import alight as torch
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.nn.NLLLoss2d()(torch.full((1, 2, 1, 1), -0.5), torch.tensor([[[1]]]))
    tensor(0.5000)
    """

    def __init__(
        self, weight: Any = None, size_average: Any = None, ignore_index: int = -100, reduce: Any = None,
        reduction: str = "mean",
    ) -> None:  # fmt: skip
        warnings.warn(
            "NLLLoss2d has been deprecated. Please use NLLLoss instead as a drop-in replacement and see "
            "https://pytorch.org/docs/main/nn.html#torch.nn.NLLLoss for more details.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__(weight, size_average, ignore_index, reduce, reduction)


@dataclass(frozen=True)
class LinearCrossEntropyOptions:
    """How PyTorch cuts the logits of LinearCrossEntropyLoss into pieces; alight needs no such
    choice.

    >>> import alight as torch
    >>> torch.nn.LinearCrossEntropyOptions().chunking_method
    'auto'
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: Any = None


class LinearCrossEntropyLoss(Module):
    """Cross-entropy behind a linear layer of its own.

    (n, in_features) and classes (n,) to a scalar, with reduction="none" to (n,). Parameters:
    linear.weight (num_classes, in_features), and linear.bias (num_classes,) with bias=True.
    RuntimeError where `weight` is not (num_classes,) or label_smoothing not between 0 and 1.

    >>> import alight as torch
    >>> loss = torch.nn.LinearCrossEntropyLoss(3, 5)
    >>> loss(torch.ones(2, 3), torch.tensor([0, 4])).shape
    torch.Size([])
    """

    def __init__(
        self, in_features: int, num_classes: int, *, out_features: tuple[int, ...] = (), bias: bool = False,
        device: Any = None, dtype: Any = None, reduction: str = "mean", weight: Any = None,
        ignore_index: int | None = None, label_smoothing: float = 0.0,
        options: LinearCrossEntropyOptions | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.in_features, self.num_classes = in_features, num_classes
        self.out_features = tuple(out_features)
        self.reduction, self.ignore_index = reduction, ignore_index
        self.label_smoothing, self.options = label_smoothing, options
        if weight is not None and tuple(weight.shape) != (num_classes,):
            raise RuntimeError(
                f"expected weight shape to be ({num_classes},), got {tuple(weight.shape)}"
            )
        if not 0 <= label_smoothing <= 1:
            raise RuntimeError(
                f"expected label_smoothing to be in range [0, 1], got {label_smoothing}"
            )
        self.register_buffer("weight", weight)
        self.bias = bias
        rows = num_classes * prod(self.out_features)
        self.linear = Linear(in_features, rows, bias=bias, device=device, dtype=dtype)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """functional.linear_cross_entropy."""
        shape = (self.num_classes, *self.out_features)
        weight, bias = self.linear.weight, self.linear.bias
        if self.out_features:
            weight = weight.reshape(*shape, self.in_features)
            bias = None if bias is None else bias.reshape(shape)
        return F.linear_cross_entropy(
            input, weight, target, linear_bias=bias, weight=self.weight, reduction=self.reduction,
            ignore_index=self.ignore_index, label_smoothing=self.label_smoothing, options=self.options,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Sizes and settings."""
        names = "in_features num_classes out_features bias reduction ignore_index label_smoothing options"
        return ", ".join(f"{name}={getattr(self, name)}" for name in names.split())
