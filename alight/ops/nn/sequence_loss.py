"""The loss of connectionist temporal classification (Graves et al. 2006): a sum over all alignments, in one scan.

A target of S labels becomes 2 S + 1 states: a blank before, between and after the labels. Probabilities of the states
go forward in time as logarithms.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

from alight import primitives as p
from alight.dtypes import int64
from alight.errors import fail
from alight.ir.program import Builder, Program
from alight.ir.program import Value as Tensor
from alight.ir.types import Type
from alight.ops.nn.loss import reduction_of
from alight.ops.operation import TORCH, function, op
from alight.primitives.arithmetic import broadcast, constant, equal, where
from alight.primitives.gather import take_along


def _log_sum(terms: Sequence[Tensor]) -> Tensor:
    """log of the sum of exponentials; -inf, without a gradient, where all terms are."""
    top = terms[0]
    for term in terms[1:]:
        top = p.Maximum(top, term)
    top = p.Detach(where(equal(top, -inf), 0, top))
    total = p.Exp(terms[0] - top)
    for term in terms[1:]:
        total = total + p.Exp(term - top)
    none = equal(total, 0)
    return where(none, -inf, p.Log(where(none, 1, total)) + top)


def _shifted(x: Tensor, by: int) -> Tensor:
    """Each row moved to the right, -inf coming in from the left."""
    n, width = x.shape
    by = min(by, width)
    kept = p.Slice(x, starts=(0, 0), stops=(n, width - by), steps=(1, 1))
    return p.Pad(kept, constant(x, -inf), low=(0, by), high=(0, 0))


def _forward_step(states: Tensor, scores: Tensor, skips: Tensor) -> Program:
    """Log-probabilities of the states after one more time step; rows that have ended stay as they are."""
    builder = Builder()
    alpha, skip = builder.input(states.type), builder.input(skips.type)
    score = builder.input(states.type)
    running = builder.input(Type(states.shape, skips.dtype, states.type.device))
    with builder.active():
        jumped = where(skip, _shifted(alpha, 2), -inf)
        new = _log_sum([alpha, _shifted(alpha, 1), jumped]) + score
        return builder.finish([where(running, new, alpha)])


@op(functions="")
def _ctc_loss(
    log_probs: Tensor, labels: Tensor, input_lengths: Tensor, target_lengths: Tensor, blank: int
) -> Tensor:
    """The loss of each sequence, from (time, batch, classes) and labels (batch, longest)."""
    time, n, _ = log_probs.shape
    longest = labels.shape[1]
    states = _states(labels, blank)
    width = 2 * longest + 1
    wide = p.Expand(p.Reshape(states, shape=(1, n, width)), shape=(time, n, width))
    scores = take_along(log_probs, wide, 2)
    skips = _skips(states, blank)
    lengths = p.Convert(input_lengths, dtype=int64)
    steps = _iota(lengths, (time, n), 0)
    running = p.Less(steps, broadcast(lengths, (time, n)))
    first = _iota(lengths, (n, width), 1) < 2
    start = where(first, _row(scores, 0), -inf)
    shown = p.Expand(p.Reshape(running, shape=(time, n, 1)), shape=(time, n, width))
    rest = _rows(scores, 1), _rows(shown, 1)
    (alpha,) = p.Scan(
        start,
        skips,
        *rest,
        body=_forward_step(start, scores, skips),
        length=time - 1,
        carry_count=1,
        constant_count=1,
        reverse=False,
    )
    ends = p.Convert(target_lengths, dtype=int64) * 2
    last = take_along(alpha, p.Reshape(ends, shape=(n, 1)), 1)
    before = take_along(alpha, p.Reshape(where(ends > 0, ends - 1, 0), shape=(n, 1)), 1)
    before = where(p.Reshape(ends > 0, shape=(n, 1)), before, -inf)
    loss = -p.Reshape(_log_sum([last, before]), shape=(n,))
    # PyTorch's gradient is the one behind a log-softmax, whose own part exp(log_probs) it adds here.
    spread = p.Exp(where(p.Reshape(running, shape=(time, n, 1)), log_probs, -inf))
    mass = p.Sum(spread, axes=(0, 2))
    return loss + (mass - p.Detach(mass))


def _iota(like: Tensor, shape: tuple[int, ...], axis: int) -> Tensor:
    with like.builder.active():
        return p.Iota(shape=shape, axis=axis, dtype=int64, device=like.type.device)


def _row(x: Tensor, t: int) -> Tensor:
    part = p.Slice(x, starts=(t, 0, 0), stops=(t + 1, *x.shape[1:]), steps=(1, 1, 1))
    return p.Reshape(part, shape=x.shape[1:])


def _rows(x: Tensor, start: int) -> Tensor:
    return p.Slice(x, starts=(start, 0, 0), stops=x.shape, steps=(1, 1, 1))


def _states(labels: Tensor, blank: int) -> Tensor:
    """The labels with blanks around each."""
    n, longest = labels.shape
    blanks = constant(labels, blank, (n, longest, 1))
    pairs = p.Concat(blanks, p.Reshape(labels, shape=(n, longest, 1)), axis=2)
    last = constant(labels, blank, (n, 1))
    return p.Concat(p.Reshape(pairs, shape=(n, 2 * longest)), last, axis=1)


def _skips(states: Tensor, blank: int) -> Tensor:
    """Where a state may be reached from two before: a label that differs from the label before."""
    n, width = states.shape
    two = min(2, width)
    kept = p.Slice(states, starts=(0, 0), stops=(n, width - two), steps=(1, 1))
    before = p.Pad(kept, constant(states, blank), low=(0, two), high=(0, 0))
    return p.And(~equal(states, blank), ~equal(states, before))


def _lengths(given: Any, like: Any) -> tuple[Any, list[int]]:
    """Lengths as a tensor and as numbers."""
    if hasattr(given, "_slot"):
        return given, [int(one) for one in given.reshape(-1).tolist()]
    numbers = [int(one) for one in given]
    return TORCH["tensor"](numbers, dtype=int64, device=like.device), numbers


def _check(log_probs: Any, targets: Any, inputs: list[int], sizes: list[int], blank: int) -> None:
    time, n, classes = log_probs.shape
    if not 0 <= blank < classes:
        fail(RuntimeError, "blank must be in label range")
    if len(inputs) != n:
        fail(RuntimeError, "input_lengths must be of size batch_size")
    if len(sizes) != n:
        fail(RuntimeError, "target_lengths must be of size batch_size")
    for i, length in enumerate(inputs):
        if length < 0:
            fail(
                RuntimeError,
                f"Expected input_lengths to have value at least 0, but got value {length}",
            )
        if length > time:
            fail(
                RuntimeError,
                f"Expected input_lengths to have value at most {time}, but got value {length} (while checking "
                "arguments for ctc_loss_cpu)",
                facts=[f"log_probs has {time} time steps, sequence {i} asks for {length}"],
            )
    for length in sizes:
        if length < 0:
            fail(
                RuntimeError,
                f"Expected target_lengths to have value at least 0, but got value {length}",
            )
    if targets.dim() == 2 and max(sizes, default=0) > targets.shape[1]:
        fail(
            RuntimeError,
            f"Expected tensor to have size at least {max(sizes)} at dimension 1, but got size {targets.shape[1]} for "
            "argument #2 'targets' (while checking arguments for ctc_loss_cpu)",
        )


@function(functions="ctc_loss", F="ctc_loss")
def ctc_loss(
    log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any, blank: int = 0, reduction: str = "mean",
    zero_infinity: bool = False,
) -> Any:  # fmt: skip
    """Minus the log-probability of the targets, over all alignments with the input.

    Shapes: log_probs (time, batch, classes) of logarithms, or (time, classes); targets (batch, longest), or all
    targets one behind the other. reduction="mean" divides each loss by its target's length first.
    Errors: RuntimeError where shapes, lengths or the blank do not fit.

    >>> import alight as torch
    >>> scores = torch.full((3, 1, 2), 0.5).log()
    >>> torch.nn.functional.ctc_loss(scores, torch.tensor([[1]]), [3], [1])
    tensor(0.2877)
    """
    reduction = {0: "none", 1: "mean", 2: "sum"}.get(reduction, reduction)  # type: ignore[call-overload]
    reduction = reduction_of(reduction, None, None)
    single = log_probs.dim() == 2
    if single:
        log_probs = log_probs.unsqueeze(1)
    input_lengths, inputs = _lengths(input_lengths, log_probs)
    target_lengths, sizes = _lengths(target_lengths, log_probs)
    if single and targets.dim() == 1 and len(sizes) == 1:
        targets = targets.unsqueeze(0)
    _check(log_probs, targets, inputs, sizes, blank)
    if targets.dim() == 1:
        targets = _padded_targets(targets, sizes)
    loss = _ctc_loss.function(
        log_probs,
        targets.to(int64),
        input_lengths.reshape(-1),
        target_lengths.reshape(-1),
        int(blank),
    )
    if zero_infinity:
        loss = TORCH["where"](loss == inf, TORCH["zeros_like"](loss), loss)
    if reduction == "mean":
        return (loss / target_lengths.reshape(-1).clamp(min=1).to(loss.dtype)).mean()
    if reduction == "sum":
        return loss.sum()
    return loss.squeeze(0) if single else loss


def _padded_targets(targets: Any, sizes: list[int]) -> Any:
    """Targets one behind the other as rows."""
    from alight.nn.utils.rnn import pad_sequence

    if sum(sizes) != targets.shape[0]:
        fail(
            RuntimeError,
            f"Expected tensor to have size at least {sum(sizes)} at dimension 0, but got size {targets.shape[0]} for "
            "argument #2 'targets' (while checking arguments for ctc_loss_cpu)",
        )
    rows = pad_sequence(list(targets.split(sizes)), batch_first=True)
    return rows


__all__ = ["ctc_loss"]
