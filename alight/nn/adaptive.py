"""Softmax over many classes: frequent ones in a head, rare ones in clusters of smaller layers (Grave et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from alight.errors import fail
from alight.nn import functional as F
from alight.nn.container import ModuleList, Sequential
from alight.nn.linear import Linear
from alight.nn.module import Module
from alight.ops.operation import TORCH

Tensor = Any


class _ASMoutput(NamedTuple):
    """What AdaptiveLogSoftmaxWithLoss gives."""

    output: Any
    loss: Any


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log-probabilities of the targets and their mean negative, over classes sorted by frequency.

    (Grave et al. 2017.) (n, in_features) and classes (n,), or (in_features,) and (), to a pair:
    output (n,) and the scalar loss. Classes below cutoffs[0] have their score in the head;
    those between cutoffs in a cluster, whose layer is div_value times smaller than the one
    before. ValueError where cutoffs are not rising ints from 1 to n_classes - 1, RuntimeError
    for a target outside.

    >>> import alight as torch
    >>> softmax = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs=[5, 10], div_value=2.0)
    >>> softmax(torch.ones(2, 8), torch.tensor([0, 19])).output.shape
    torch.Size([2])
    """

    def __init__(
        self, in_features: int, n_classes: int, cutoffs: Sequence[int], div_value: float = 4.0, head_bias: bool = False,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        places = list(cutoffs)
        if not places:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if (
            places != sorted(places)
            or min(places) <= 0
            or max(places) > n_classes - 1
            or len(set(places)) != len(places)
            or any(int(one) != one for one in places)
        ):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each "
                "value is between 1 and n_classes-1"
            )
        self.in_features, self.n_classes = in_features, n_classes
        self.cutoffs = [*places, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size, self.n_clusters = self.cutoffs[0], len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        place = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **place)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            inner = int(in_features // div_value ** (i + 1))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(
                Sequential(
                    Linear(in_features, inner, bias=False, **place),
                    Linear(inner, size, bias=False, **place),
                )
            )

    def reset_parameters(self) -> None:
        """Draw all layers."""
        self.head.reset_parameters()
        for layers in self.tail:
            for layer in layers:  # type: ignore[attr-defined]
                layer.reset_parameters()

    def _check(self, input: Tensor, target: Tensor) -> None:
        if target.dim() == 1:
            if input.shape[0] != target.shape[0]:
                fail(
                    RuntimeError,
                    "Input and target should have the same size in the batch dimension.",
                )
        elif target.dim() == 0:
            if input.dim() != 1:
                fail(
                    RuntimeError,
                    f"0D target tensor expects 1D input tensors, but found inputs with size {input.shape}",
                )
        else:
            fail(RuntimeError, "0D or 1D target tensor expected, multi-target not supported")
        if target.numel():
            low, high = int(target.min()), int(target.max())
            if low < 0 or high >= self.n_classes:
                fail(
                    RuntimeError,
                    f"Target values should be in [0, {self.n_classes - 1}], but values in range [{low}, {high}] were "
                    "found. ",
                )

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        """(batch, in_features) and classes (batch) to the log-probabilities of the classes, and the loss."""
        self._check(input_, target_)
        single = target_.dim() == 0
        input = input_.unsqueeze(0) if single else input_
        target = target_.unsqueeze(0) if single else target_
        head = F.log_softmax(self.head(input), dim=1)
        inside = target.clamp(max=self.shortlist_size - 1).unsqueeze(1)
        output = head.gather(1, inside).squeeze(1)
        for i in range(self.n_clusters):
            low, high = self.cutoffs[i], self.cutoffs[i + 1]
            local = F.log_softmax(self.tail[i](input), dim=1)
            place = (target - low).clamp(0, high - low - 1).unsqueeze(1)
            score = local.gather(1, place).squeeze(1) + head[:, self.shortlist_size + i]
            output = TORCH["where"]((target >= low) & (target < high), score, output)
        loss = (-output).mean()
        return _ASMoutput(output.squeeze(0) if single else output, loss)

    def _all_log_probs(self, input: Tensor, head: Tensor) -> Tensor:
        parts = [F.log_softmax(head, dim=1)]
        clusters = parts[0][:, self.shortlist_size :]
        parts[0] = parts[0][:, : self.shortlist_size]
        for i, layers in enumerate(self.tail):
            parts.append(F.log_softmax(layers(input), dim=1) + clusters[:, i : i + 1])
        return TORCH["cat"](parts, 1)

    def log_prob(self, input: Tensor) -> Tensor:
        """Log-probabilities of all classes: (n, in_features) to (n, n_classes).

        >>> import alight as torch
        >>> softmax = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs=[5, 10])
        >>> softmax.log_prob(torch.ones(2, 8)).shape
        torch.Size([2, 20])
        """
        return self._all_log_probs(input, self.head(input))

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class of each row: (n, in_features) to (n,).

        >>> import alight as torch
        >>> softmax = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs=[5, 10])
        >>> softmax.predict(torch.ones(2, 8)).shape
        torch.Size([2])
        """
        return self.log_prob(input).argmax(1)


__all__ = ["AdaptiveLogSoftmaxWithLoss"]
