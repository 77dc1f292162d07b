"""Orders: sort, topk, kthvalue, unique, and places in sorted sequences."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.dtypes import bool_, int32, int64
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops import return_types
from alight.ops.arguments import normalize_dim, promoted
from alight.ops.cumulative import between
from alight.ops.operation import function, op
from alight.ops.out import write_out
from alight.primitives.arithmetic import constant, where
from alight.primitives.gather import put_along, take_along


def _sorted(x: Tensor, dim: int, descending: bool) -> tuple[Tensor, Tensor]:
    axis = normalize_dim(dim, x.ndim)
    if x.dtype.is_complex:
        fail(RuntimeError, "Sort currently does not support complex dtypes on CPU")
    if x.ndim == 0:
        return p.Reshape(x, shape=()), constant(x, 0, dtype=int64)
    return p.Sort(x, axis=axis, descending=descending)


@op(functions="", out=False, results=return_types.sort)
def _sort(input: Tensor, dim: int, descending: bool) -> tuple[Tensor, Tensor]:
    """Elements in order along `dim`, and where they came from."""
    return _sorted(input, dim, descending)


@function(methods="sort")
def sort(
    input: Any, dim: int = -1, descending: bool = False, stable: bool = False, *, out: Any = None
) -> Any:
    """(values, indices): elements in order along `dim`, and where they came from. Always stable.

    Shapes: any; both results have the input's.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.sort(torch.tensor([3, 1, 2])).indices
    tensor([1, 2, 0])
    """
    made = _sort(input, dim, descending)
    return made if out is None else write_out(out, made)


@op(methods="argsort")
def argsort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> Tensor:
    """The order of elements along `dim`. Always stable.

    Shapes: any, kept.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.argsort(torch.tensor([3, 1, 2]))
    tensor([1, 2, 0])
    """
    return _sorted(input, dim, descending)[1]


@op(methods="msort")
def msort(input: Tensor) -> Tensor:
    """Elements in order along the first dimension.

    Shapes: any, kept.

    >>> import alight as torch
    >>> torch.msort(torch.tensor([3, 1, 2]))
    tensor([1, 2, 3])
    """
    return _sorted(input, 0, False)[0]


@op(methods="topk", results=return_types.topk)
def topk(
    input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> tuple[Tensor, Tensor]:
    """(values, indices) of the k largest (or smallest) elements along `dim`.

    Shapes: any; dimension `dim` becomes k long.
    Errors: RuntimeError for k below 0 or above the extent, and for complex numbers and bools.

    >>> import alight as torch
    >>> torch.topk(torch.tensor([3, 1, 4, 1, 5]), 2).values
    tensor([5, 4])
    """
    axis = normalize_dim(dim, input.ndim)
    if not 0 <= k <= (input.shape[axis] if input.ndim else 1):
        fail(
            RuntimeError,
            "selected index k out of range",
            facts=[f"k is {k}, the input is {list(input.shape)}"],
        )
    if input.dtype.is_complex or input.dtype is bool_:
        kind = (
            " topk does not support complex"
            if input.dtype.is_complex
            else "topk does not support bool"
        )
        fail(RuntimeError, f"{kind} dtypes on CPU")  # the space in front is PyTorch's
    values, places = _sorted(input, dim, largest)
    if input.ndim == 0:
        return values, places
    return between(values, axis, 0, k), between(places, axis, 0, k)


@op(methods="kthvalue", results=return_types.kthvalue, out="same apart")
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """(values, indices) of the k-th smallest element along `dim`, counted from 1.

    Shapes: any; dimension `dim` goes, or keeps extent 1 with keepdim=True.
    Errors: RuntimeError for k below 1 or above the extent, IndexError for an empty dimension.

    >>> import alight as torch
    >>> values, indices = torch.kthvalue(torch.tensor([3, 1, 2]), 2)
    >>> values, indices
    (tensor(2), tensor(2))
    """
    axis = normalize_dim(dim, input.ndim)
    extent = input.shape[axis] if input.ndim else 1
    if input.ndim and extent == 0:
        fail(IndexError, f"kthvalue(): Expected reduction dim {axis} to have non-zero size.")
    if not 1 <= k <= extent:
        fail(RuntimeError, f"kthvalue(): selected number k out of range for dimension {axis}")
    pair = _sorted(input, dim, False)
    if input.ndim == 0:
        return pair
    shape = tuple(1 if i == axis else n for i, n in enumerate(input.shape) if keepdim or i != axis)
    first, second = (p.Reshape(between(one, axis, k - 1, k), shape=shape) for one in pair)
    return first, second


# -- places in sorted sequences ----------------------------------------------------------------------------------------


def _places(sequence: Tensor, values: Tensor, right: bool) -> Tensor:
    """How many elements of `sequence` lie before each of `values`, along the last axis of both.

    Both are sorted together; a value's place among all less its place among the values is the count.
    """
    last, n, m = values.ndim - 1, values.shape[-1], sequence.shape[-1]
    # A stable sort puts equal elements in the order given: values first find only smaller elements before them.
    both = p.Concat(*((sequence, values) if right else (values, sequence)), axis=last)
    order = p.Sort(both, axis=last, descending=False)[1]
    first = m if right else 0
    is_value = p.And(order >= first, order < first + n)
    before = p.CumSum(p.Convert(p.Not(is_value), dtype=int64), axis=last)
    back = put_along(before, order, last, both.shape)  # in the order of `both` again
    return between(back, last, first, first + n)


def _check_sides(right: bool, side: Any) -> bool:
    if side is not None and side not in ("left", "right"):
        fail(
            RuntimeError, f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}"
        )
    if side == "left" and right:
        fail(
            RuntimeError,
            "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True",
        )
    return right or side == "right"


@op(functions="", out=False)
def _searchsorted(
    sequence: Tensor, values: Tensor, sorter: Tensor | None, narrow: bool, right: bool
) -> Tensor:
    shape = values.shape
    if sequence.ndim != 1 and sequence.shape[:-1] != values.shape[:-1]:
        fail(
            RuntimeError,
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries "
            f"tensor and input value tensor must match, but we got boundaries tensor {list(sequence.shape)} and input "
            f"value tensor {list(values.shape)}",
        )
    if sorter is not None:
        sequence = take_along(sequence, p.Convert(sorter, dtype=int64), sequence.ndim - 1)
    if sequence.ndim == 1:
        values = p.Reshape(values, shape=(values.size,))
    if sequence.dtype is not values.dtype:
        from alight.dtypes import promote

        of = promote(sequence.dtype, values.dtype)
        sequence, values = p.Convert(sequence, dtype=of), p.Convert(values, dtype=of)
    found = p.Reshape(_places(sequence, values, right), shape=shape)
    return p.Convert(found, dtype=int32) if narrow else found


@function()
def searchsorted(
    sorted_sequence: Any, input: Any, *, out_int32: bool = False, right: bool = False, side: str | None = None,
    sorter: Any = None, out: Any = None,
) -> Any:  # fmt: skip
    """Where each value would have to go into a sorted sequence: before equal elements, or behind them if `right`.

    Shapes: sorted_sequence (n,) with any input, or (*, n) with input (*, m); the result has the
    input's.
    Errors: RuntimeError for a number with more than one sequence, and where shapes do not fit.

    >>> import alight as torch
    >>> torch.searchsorted(torch.tensor([1, 3, 5]), torch.tensor([3, 6]))
    tensor([1, 3])
    """
    right = _check_sides(right, side)
    if not hasattr(input, "_slot"):
        if sorted_sequence.ndim != 1:
            fail(
                RuntimeError,
                "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we "
                f"got boundaries tensor dim({sorted_sequence.ndim}) and input value's dim(0) numel(1)",
            )
        input = sorted_sequence.new_tensor(input)
    found = _searchsorted(sorted_sequence, input, sorter, out_int32, right)
    return found if out is None else write_out(out, found, "same")


@function()
def bucketize(
    input: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False, out: Any = None
) -> Any:
    """The number of the interval between sorted boundaries that each value falls into.

    Shapes: any input, boundaries (n,); the result has the input's.
    Errors: RuntimeError for boundaries of another rank.

    >>> import alight as torch
    >>> torch.bucketize(torch.tensor([0., 2.5]), torch.tensor([1., 2., 3.]))
    tensor([0, 2])
    """
    if boundaries.ndim != 1:
        fail(RuntimeError, f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right, out=out)


@function()
def isin(
    elements: Any,
    test_elements: Any,
    *,
    assume_unique: bool = False,
    invert: bool = False,
    out: Any = None,
) -> Any:
    """Which elements occur among test_elements.

    Shapes: any two; the result has that of `elements`.
    Errors: TypeError for two numbers.

    >>> import alight as torch
    >>> torch.isin(torch.tensor([1, 2, 3]), torch.tensor([2, 5]))
    tensor([False,  True, False])
    """
    if not hasattr(elements, "_slot") and not hasattr(test_elements, "_slot"):
        got = f"{type(elements).__name__}, {type(test_elements).__name__}"
        fail(
            TypeError,
            f"isin() received an invalid combination of arguments - got ({got}), but expected one of:",
        )
    if not hasattr(elements, "_slot"):
        elements = test_elements.new_tensor(elements)
    if not hasattr(test_elements, "_slot"):
        test_elements = elements.new_tensor(test_elements)
    found = _isin(elements, test_elements, invert)
    return found if out is None else write_out(out, found)


@op(functions="", out=False)
def _isin(elements: Tensor, tests: Tensor, invert: bool) -> Tensor:
    x = p.Reshape(elements, shape=(*elements.shape, 1))
    x, y = promoted(x, p.Reshape(tests, shape=(tests.size,)))
    found = (
        p.Max(p.Equal(x, y), axes=(x.ndim - 1,))
        if tests.size
        else constant(elements, False, elements.shape, bool_)
    )
    return p.Not(found) if invert else found


# -- unique elements ---------------------------------------------------------------------------------------------------


def _runs(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of rows x: where a run of equal rows starts, the number of its run for each row, and the count of runs."""
    n = x.shape[0]
    differs = p.Not(p.Equal(between(x, 0, 1, n), between(x, 0, 0, n - 1)))
    differs = p.Max(differs, axes=tuple(range(1, x.ndim))) if x.ndim > 1 else differs
    starts = p.Concat(constant(x, True, (min(n, 1),), bool_), differs, axis=0)
    run = p.CumSum(p.Convert(starts, dtype=int64), axis=0) - 1
    return starts, run, p.Sum(p.Convert(starts, dtype=int64), axes=(0,))


def _packed(rows: Tensor, run: Tensor) -> tuple[Tensor, Tensor]:
    """Row k is the first row of run k, and the length of that run; the rest is filler."""
    n = rows.shape[0]
    length = p.IndexAdd(constant(run, 0, (n,)), constant(run, 1, (n,)), run, axes=(0,))
    first = p.CumSum(length, axis=0) - length
    first = where(first > n - 1, n - 1, first)
    return p.Index(rows, first, axes=(0,)), length


@op(functions="", out=False)
def _unique_rows(rows: Tensor, consecutive: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Distinct rows (sorted unless `consecutive`) in front, the run of each row, run lengths, and how many runs."""
    if consecutive:
        ordered, order = rows, None
    else:
        order = _lexical_order(rows)
        ordered = p.Index(rows, order, axes=(0,))
    _, run, count = _runs(ordered)
    distinct, lengths = _packed(ordered, run)
    inverse = run if order is None else put_along(run, order, 0, run.shape)
    return distinct, inverse, lengths, count


def _lexical_order(rows: Tensor) -> Tensor:
    """The order of rows by their first column, then the second, ...: stable sorts from the last column on."""
    n = rows.shape[0]
    order = p.Iota(shape=(n,), axis=0, dtype=int64, device=rows.type.device)
    columns = rows.size // n
    flat = p.Reshape(rows, shape=(n, columns))
    for column in reversed(range(columns)):
        key = p.Index(p.Reshape(between(flat, 1, column, column + 1), shape=(n,)), order, axes=(0,))
        order = p.Index(order, p.Sort(key, axis=0, descending=False)[1], axes=(0,))
    return order


def _unique(input: Any, dim: int | None, consecutive: bool, inverse: bool, counts: bool) -> Any:
    if dim is None:
        rows = input.reshape(-1)
    else:
        rows = input.movedim(dim, 0)
    if rows.numel() == 0:
        found, where_, lengths, count = (
            rows,
            rows.new_zeros(rows.shape[0], dtype=int64),
            rows.new_zeros(0, dtype=int64),
            0,
        )
    else:
        found, where_, lengths, number = _unique_rows(rows.detach(), consecutive)
        count = number.item()
    found = found[:count]
    results = [found if dim is None else found.movedim(0, dim).contiguous()]
    if inverse:
        results.append(where_.reshape(input.shape) if dim is None else where_)
    if counts:
        results.append(lengths[:count])
    return results[0] if len(results) == 1 else tuple(results)


@function(methods="unique")
def unique(
    input: Any,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct elements in order (or distinct parts along `dim`); needs the values, so the work runs now.

    Shapes: (k,) for k distinct elements, or the input's with `dim` k long.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.unique(torch.tensor([3, 1, 3]))
    tensor([1, 3])
    """
    return _unique(input, dim, False, return_inverse, return_counts)


@function(methods="unique_consecutive")
def unique_consecutive(
    input: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The elements without those that repeat the one before.

    Shapes: (k,) for k runs, or the input's with `dim` k long.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.unique_consecutive(torch.tensor([1, 1, 2, 1]))
    tensor([1, 2, 1])
    """
    return _unique(input, dim, True, return_inverse, return_counts)


__all__ = [name for name in dir() if name[0] != "_"]
