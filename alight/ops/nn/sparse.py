"""Look-ups by number: embeddings and one-hot codes."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.dtypes import int64
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import scalar_type_name
from alight.ops.nn.normalization import norm
from alight.ops.operation import function, op
from alight.primitives.arithmetic import constant, equal, put_back, where, zeros_like
from alight.primitives.gather import Index, IndexAdd, IndexPut
from alight.record.recorder import thread

# -- embedding ------------------------------------------------------------------------------------------------------------


@op(functions="")
def _embedding(
    input: Tensor, weight: Tensor, padding_idx: int | None, scale_grad_by_freq: bool
) -> Tensor:
    """The rows of weight that input names."""
    if input.dtype.kind not in "ui":
        fail(
            RuntimeError,
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
            f"torch.{scalar_type_name(input.dtype)}Tensor instead (while checking arguments for embedding)",
            try_="input.long()",
        )
    if weight.ndim != 2:
        fail(RuntimeError, "'weight' must be 2-D")
    return Index(weight, p.Convert(input, dtype=int64), axes=(0,))


@_embedding.vjp
def _(
    ct: Tensor,
    out: Tensor,
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None,
    scale_grad_by_freq: bool,
) -> tuple[None, Tensor]:
    ids = p.Convert(input, dtype=int64)
    if padding_idx is not None:
        ct = where(_rows(equal(ids, padding_idx), ct.shape), 0, ct)
    if scale_grad_by_freq:
        ones = constant(ct, 1, ids.shape)
        counts = Index(
            IndexAdd(constant(ct, 0, weight.shape[:1]), ones, ids, axes=(0,)), ids, axes=(0,)
        )
        ct = ct / _rows(counts, ct.shape)
    return None, IndexAdd(zeros_like(weight), ct, ids, axes=(0,))


def _rows(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A value for each row, repeated along the row."""
    return put_back(x, shape, (len(shape) - 1,))


@function(functions="", F="embedding")
def embedding(
    input: Any, weight: Any, padding_idx: int | None = None, max_norm: float | None = None, norm_type: float = 2.0,
    scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Any:  # fmt: skip
    """The rows of `weight` that `input` names: shape (*input, columns).

    The row `padding_idx` gets no gradient. With `max_norm`, rows that are used are first cut to that norm, in place.
    Errors: IndexError "index out of range in self", when the values are computed.
    Differs: gradients are dense also with sparse=True.

    >>> import alight as torch
    >>> torch.nn.functional.embedding(torch.tensor([1, 0]), torch.tensor([[1., 2.], [3., 4.]]))
    tensor([[3., 4.],
            [1., 2.]])
    """
    if padding_idx is not None:
        rows = weight.shape[0]
        if not -rows <= padding_idx < rows:
            fail(AssertionError, "Padding_idx must be within num_embeddings")
        padding_idx %= rows
    if max_norm is not None:
        _limit_norms(input, weight, float(max_norm), float(norm_type))
    return _embedding.function(input, weight, padding_idx, scale_grad_by_freq)


def _limit_norms(input: Any, weight: Any, max_norm: float, norm_type: float) -> None:
    def body(reads: list[Tensor], writes: list[Tensor], scalars: list[Tensor]) -> list[Tensor]:
        (ids,), (w,) = reads, writes
        ids = p.Convert(ids, dtype=int64)
        used = IndexAdd(constant(w, 0, w.shape[:1]), constant(w, 1, ids.shape), ids, axes=(0,)) > 0
        size = norm(w, norm_type, (1,))
        limit = p.Convert(scalars[0], dtype=w.dtype)
        scale = where(p.And(used, size > limit), limit / (size + 1e-7), 1)
        return [w * _rows(scale, w.shape)]

    thread.recorder.compound("embedding norms", norm_type, (input,), (weight,), (max_norm,), body)


@op(functions="")
def _embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor,
    per_sample_weights: Tensor | None,
    mode: str,
    padding_idx: int | None,
) -> Tensor:
    """Sums, means or maxima of rows; bag i begins at offsets[i]."""
    ids, starts = p.Convert(input, dtype=int64), p.Convert(offsets, dtype=int64)
    n, bags = ids.shape[0], starts.shape[0]
    with ids.builder.active():
        place = p.Iota(shape=(n, bags), axis=0, dtype=int64, device=ids.type.device)
    begun = p.Convert(
        p.LessEqual(p.Expand(p.Reshape(starts, shape=(1, bags)), shape=(n, bags)), place),
        dtype=int64,
    )
    bag = p.Sum(begun, axes=(1,)) - 1
    rows = Index(weight, ids, axes=(0,))
    counted = (
        constant(weight, 1, (n,))
        if padding_idx is None
        else where(equal(ids, padding_idx), constant(weight, 0), constant(weight, 1))
    )
    if mode == "max":
        from alight.primitives.gather import ScatterReduce

        lowest = constant(weight, float("-inf"), (bags, weight.shape[1]))
        rows = where(_rows(equal(counted, 0), rows.shape), float("-inf"), rows)
        best = ScatterReduce(lowest, rows, bag, axes=(0,), reduce="amax")
        return where(equal(best, float("-inf")), 0, best)
    rows = rows * _rows(
        counted if per_sample_weights is None else counted * per_sample_weights, rows.shape
    )
    total = IndexAdd(constant(weight, 0, (bags, weight.shape[1])), rows, bag, axes=(0,))
    if mode == "sum":
        return total
    counts = IndexAdd(constant(weight, 0, (bags,)), counted, bag, axes=(0,))
    return total / _rows(where(equal(counts, 0), 1, counts), total.shape)


@function(functions="", F="embedding_bag")
def embedding_bag(
    input: Any, weight: Any, offsets: Any = None, max_norm: float | None = None, norm_type: float = 2.0,
    scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False, per_sample_weights: Any = None,
    include_last_offset: bool = False, padding_idx: int | None = None,
) -> Any:  # fmt: skip
    """Sums, means or maxima of bags of embedding rows, without the rows themselves.

    `input` is (bags, size), or 1-d with `offsets` that say where each bag begins.

    Errors: ValueError for another mode, for offsets with a 2-d input or none with a 1-d one;
    NotImplementedError for per_sample_weights in another mode than "sum".

    >>> import alight as torch
    >>> table = torch.tensor([[1., 2.], [3., 4.]])
    >>> torch.nn.functional.embedding_bag(torch.tensor([[0, 1]]), table)
    tensor([[2., 3.]])
    """
    if mode not in ("sum", "mean", "max"):
        fail(ValueError, "mode has to be one of sum, mean or max", facts=[f"mode is {mode!r}"])
    if per_sample_weights is not None and mode != "sum":
        fail(
            NotImplementedError,
            f"embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' (got "
            f"mode='{mode}'). Please open a feature request on GitHub.",
        )
    from alight.ops.operation import TORCH

    if input.dim() == 2:
        if offsets is not None:
            fail(
                ValueError,
                f"if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length sequences. However, found offsets of type {type(offsets)}",
            )
        bags, size = input.shape
        offsets = TORCH["arange"](0, bags * size, size) if bags else TORCH["zeros"](0, dtype=int64)
        input = input.reshape(-1)
        per_sample_weights = None if per_sample_weights is None else per_sample_weights.reshape(-1)
    elif offsets is None:
        fail(ValueError, "offsets has to be a 1D Tensor but got None")
    if include_last_offset:
        offsets = offsets[:-1]
    if max_norm is not None:
        _limit_norms(input, weight, float(max_norm), float(norm_type))
    if padding_idx is not None:
        padding_idx %= weight.shape[0]
    return _embedding_bag.function(input, weight, offsets, per_sample_weights, mode, padding_idx)


# -- one-hot --------------------------------------------------------------------------------------------------------------


@op(functions="")
def _one_hot(input: Tensor, num_classes: int) -> Tensor:
    """Rows with a 1 at each class."""
    ids = p.Reshape(input, shape=(input.size,))
    with ids.builder.active():
        rows = p.Iota(shape=ids.shape, axis=0, dtype=int64, device=ids.type.device)
    zeros = constant(ids, 0, (input.size, num_classes))
    hot = IndexPut(zeros, constant(ids, 1, ids.shape), rows, ids, axes=(0, 1))
    return p.Reshape(hot, shape=(*input.shape, num_classes))


@function(functions="", F="one_hot")
def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """Rows of zeros with a 1 at each class; as many columns as the largest class asks for, unless given.

    Shapes: any; (*tensor, num_classes).
    Errors: RuntimeError for a dtype but int64, for a class that is too large or negative, and for
    an empty tensor without num_classes.

    >>> import alight as torch
    >>> torch.nn.functional.one_hot(torch.tensor([0, 2]), 3)
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if tensor.dtype is not int64:
        fail(
            RuntimeError,
            "one_hot is only applicable to index tensor of type LongTensor.",
            facts=[f"the tensor is {tensor.dtype!r}"],
            try_="tensor.long()",
        )
    if num_classes == -1:
        if not tensor.numel():
            fail(RuntimeError, "Can not infer total number of classes from empty tensor.")
        if tensor.min() < 0:
            fail(RuntimeError, "Class values must be non-negative.")
        num_classes = int(tensor.max().item()) + 1
    if num_classes < 1:
        fail(
            RuntimeError,
            "Class values must be smaller than num_classes.",
            facts=[f"num_classes is {num_classes}"],
        )
    return _one_hot.function(tensor, num_classes)
