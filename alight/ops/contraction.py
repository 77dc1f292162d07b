"""Sums of products over named or numbered axes: einsum, tensordot, kron, cross, and chains of matrices."""

from __future__ import annotations

import itertools
import string
from collections.abc import Sequence
from typing import Any

from alight import primitives as p
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import normalize_dim, promoted
from alight.ops.operation import function, op
from alight.ops.products import mm
from alight.primitives.linalg import diagonal

Tensors = Any


# -- einsum ------------------------------------------------------------------------------------------------------------


@function()
def einsum(*arguments: Any) -> Any:
    """Sum of products over the letters that the result lacks, as "ij,jk->ik".

    Shapes: as many letters for each operand as it has dimensions; "..." stands for any.
    Errors: ValueError without operands, RuntimeError where extents of one letter differ.

    >>> import alight as torch
    >>> torch.einsum("ij,j->i", torch.ones(2, 3), torch.ones(3))
    tensor([3., 3.])
    """
    operands: Sequence[Any]
    if arguments and isinstance(arguments[0], str):
        equation, operands = arguments[0], arguments[1:]
    else:
        equation, operands = _equation_of(arguments)
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = operands[0]
    if not operands:
        fail(
            ValueError,
            "einsum(): must specify the equation string and at least one operand, or at least one operand and its subscripts list",
        )
    return _einsum(equation, operands)


def _equation_of(arguments: tuple[Any, ...]) -> tuple[str, list[Any]]:
    """The equation of einsum(a, [0, 1], b, [1, 2], [0, 2])."""

    def letters(numbers: Any) -> str:
        return "".join("..." if one is Ellipsis else string.ascii_letters[one] for one in numbers)

    pairs = len(arguments) // 2
    equation = ",".join(letters(arguments[2 * i + 1]) for i in range(pairs))
    if len(arguments) % 2:
        equation += "->" + letters(arguments[-1])
    return equation, [arguments[2 * i] for i in range(pairs)]


@op(functions="", out=False)
def _einsum(equation: Any, operands: Tensors) -> Tensor:
    terms, result = _labels(equation.replace(" ", ""), [x.ndim for x in operands])
    sizes = _sizes(terms, operands)
    pending = [_labelled(x, term, sizes) for x, term in zip(operands, terms, strict=True)]
    value, labels = pending.pop(0)
    while pending:
        wanted = {*result, *(one for _, term in pending[1:] for one in term)}
        value, labels = _contract((value, labels), pending.pop(0), wanted)
    value, labels = _summed(value, labels, set(result))
    return p.Permute(value, order=tuple(labels.index(one) for one in result))


def _labels(equation: str, ranks: list[int]) -> tuple[list[list[str]], list[str]]:
    """Labels of the axes of each operand and of the result; axes of an ellipsis are numbered from the last."""
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        more = "fewer" if len(terms) > len(ranks) else "more"
        fail(
            RuntimeError, f"einsum(): {more} operands were provided than specified in the equation"
        )
    found: list[list[str]] = []
    widest = 0
    for i, (term, rank) in enumerate(zip(terms, ranks, strict=True)):
        before, dots, after = term.partition("...")
        _check_letters(equation, before + after)
        count = rank - len(before) - len(after)
        if count < 0 or (count and not dots):
            more = "is greater than" if dots else "does not match"
            fail(
                RuntimeError,
                f"einsum(): the number of subscripts in the equation ({len(before) + len(after)}) {more} the number "
                f"of dimensions ({rank}) for operand {i}"
                + ("" if dots else " and no ellipsis was given"),
            )
        widest = max(widest, count)
        found.append([*before, *(f"...{count - 1 - j}" for j in range(count)), *after])
    ellipsis = [f"...{widest - 1 - j}" for j in range(widest)]
    if arrow:
        before, dots, after = right.partition("...")
        result = [*before, *(ellipsis if dots else []), *after]
    else:
        letters = [one for term in found for one in term if len(one) == 1]
        result = ellipsis + sorted(one for one in set(letters) if letters.count(one) == 1)
    _check_result(result, found)
    return found, result


def _check_letters(equation: str, letters: str) -> None:
    for one in letters:
        if one not in string.ascii_letters:
            fail(
                RuntimeError,
                f"einsum(): invalid subscript given at index {equation.index(one)} in the equation string, subscripts "
                "must be in [a-zA-Z]",
            )


def _check_result(result: list[str], terms: list[list[str]]) -> None:
    for one in result:
        if result.count(one) > 1:
            fail(
                RuntimeError,
                f"einsum(): output subscript {one} appears more than once in the output",
            )
        if not any(one in term for term in terms):
            fail(
                RuntimeError,
                f"einsum(): output subscript {one} does not appear in the equation for any input operand",
            )


def _sizes(terms: list[list[str]], operands: Any) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for i, (term, x) in enumerate(zip(terms, operands, strict=True)):
        for label, size in zip(term, x.shape, strict=True):
            seen = sizes.get(label, 1)
            if size != seen and 1 not in (size, seen):
                fail(
                    RuntimeError,
                    f"einsum(): subscript {label} has size {size} for operand {i} which does not broadcast with "
                    f"previously seen size {seen}",
                    facts=[f"{label} stands for extents of {seen} and of {size}"],
                    try_="one letter for each extent, equal letters for equal extents",
                )
            sizes[label] = size if seen == 1 else seen
    return sizes


def _labelled(x: Tensor, term: list[str], sizes: dict[str, int]) -> tuple[Tensor, list[str]]:
    """An operand with diagonals taken for repeated labels, and without the axes that broadcast."""
    narrow = [i for i, label in enumerate(term) if x.shape[i] == 1 and sizes[label] != 1]
    x = p.Reshape(x, shape=tuple(size for i, size in enumerate(x.shape) if i not in narrow))
    labels = [label for i, label in enumerate(term) if i not in narrow]
    for label in set(labels):
        while labels.count(label) > 1:
            i = labels.index(label)
            j = labels.index(label, i + 1)
            others = [k for k in range(x.ndim) if k not in (i, j)]
            x = diagonal(p.Permute(x, order=(*others, i, j)))
            labels = [*(labels[k] for k in others), label]
    return x, labels


def _summed(x: Tensor, labels: list[str], wanted: set[str]) -> tuple[Tensor, list[str]]:
    axes = tuple(i for i, label in enumerate(labels) if label not in wanted)
    return p.Sum(x, axes=axes), [label for label in labels if label in wanted]


def _contract(
    first: tuple[Tensor, list[str]], second: tuple[Tensor, list[str]], wanted: set[str]
) -> tuple[Tensor, list[str]]:
    """Two operands to one: shared labels are batch axes if still wanted, else summed over."""
    (x, a), (y, b) = first, second
    x, a = _summed(x, a, wanted | set(b))
    y, b = _summed(y, b, wanted | set(a))
    shared = [label for label in a if label in b]
    batch = [label for label in shared if label in wanted]
    over = [label for label in shared if label not in wanted]
    made = p.DotGeneral(
        x, y,
        batch=(tuple(a.index(one) for one in batch), tuple(b.index(one) for one in batch)),
        contract=(tuple(a.index(one) for one in over), tuple(b.index(one) for one in over)),
    )  # fmt: skip
    return made, [
        *batch,
        *(one for one in a if one not in shared),
        *(one for one in b if one not in shared),
    ]


# -- products over numbered axes ---------------------------------------------------------------------------------------


@function()
def tensordot(a: Any, b: Any, dims: Any = 2, out: Any = None) -> Any:
    """Sum of products over the last `dims` dimensions of a and the first of b, or over pairs of lists.

    Shapes: any; the paired dimensions agree in extent, and the others follow one another in the
    result.
    Errors: RuntimeError where paired extents differ, or for more pairs than there are dimensions.

    >>> import alight as torch
    >>> torch.tensordot(torch.ones(2, 3), torch.ones(3, 4), dims=1).shape
    torch.Size([2, 4])
    """
    if hasattr(dims, "tolist"):
        dims = dims.tolist()
    if isinstance(dims, (list, tuple)) and len(dims) == 2 and not isinstance(dims[0], int):
        of_a, of_b = tuple(dims[0]), tuple(dims[1])
    elif isinstance(dims, (list, tuple)) and len(dims) == 2:
        of_a, of_b = (dims[0],), (dims[1],)
    else:
        count = dims if isinstance(dims, int) else dims[0]
        if count < 0:
            fail(RuntimeError, f"tensordot expects dims >= 0, but got dims={count}")
        if count > min(a.ndim, b.ndim):
            fail(
                RuntimeError,
                f"tensordot expects dims < ndim_a or ndim_b, but got dims={count}",
            )
        of_a, of_b = tuple(range(-count, 0)), tuple(range(count))
    from alight.ops.out import write_out

    made = _tensordot(a, b, of_a, of_b)
    return made if out is None else write_out(out, made)


@op(functions="", out=False)
def _tensordot(a: Tensor, b: Tensor, of_a: Any, of_b: Any) -> Tensor:
    if len(of_a) != len(of_b):
        fail(RuntimeError, "both dimension lists should have same length")
    if a.dtype is not b.dtype:
        fail(RuntimeError, "both inputs should have same dtype")
    first = tuple(normalize_dim(one, a.ndim) for one in of_a)
    second = tuple(normalize_dim(one, b.ndim) for one in of_b)
    for axis, (i, j) in enumerate(zip(first, second, strict=True)):
        if a.shape[i] == b.shape[j]:
            continue
        if a.shape[i] == 1:
            b = p.Reshape(
                p.Sum(b, axes=(j,)), shape=tuple(1 if k == j else n for k, n in enumerate(b.shape))
            )
        elif b.shape[j] == 1:
            a = p.Reshape(
                p.Sum(a, axes=(i,)), shape=tuple(1 if k == i else n for k, n in enumerate(a.shape))
            )
        else:
            fail(
                RuntimeError,
                f"contracted dimensions need to match, but first has size {a.shape[i]} in dim {of_a[axis]} and second has size "
                f"{b.shape[j]} in dim {of_b[axis]}",
            )
    return p.DotGeneral(a, b, batch=((), ()), contract=(first, second))


@op(methods="kron")
def kron(input: Tensor, other: Tensor) -> Tensor:
    """Kronecker product: other scaled by each element of input.

    Shapes: any; the extents of the result are products of those of both.

    >>> import alight as torch
    >>> torch.kron(torch.tensor([1., 2.]), torch.tensor([3., 4.]))
    tensor([3., 4., 6., 8.])
    """
    rank = max(input.ndim, other.ndim)
    a = (1,) * (rank - input.ndim) + input.shape
    b = (1,) * (rank - other.ndim) + other.shape
    x = p.Reshape(input, shape=tuple(one for size in a for one in (size, 1)))
    y = p.Reshape(other, shape=tuple(one for size in b for one in (1, size)))
    x, y = promoted(x, y)
    return p.Reshape(x * y, shape=tuple(m * n for m, n in zip(a, b, strict=True)))


@op(methods="cross")
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """Cross products along `dim` (the first of extent 3 if not given).

    Shapes: any two that broadcast together, with extent 3 along `dim`.
    Errors: RuntimeError where no dimension has extent 3.

    >>> import alight as torch
    >>> torch.cross(torch.tensor([1., 0., 0.]), torch.tensor([0., 1., 0.]), dim=0)
    tensor([0., 0., 1.])
    """
    if dim is None:
        for i, extent in enumerate(input.shape):
            if extent == 3:
                dim = i
                break
        else:
            fail(RuntimeError, "no dimension of size 3 in input")
    return _cross(input, other, dim)


@op(linalg="cross", functions="")
def _linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """Cross products along `dim`.

    Shapes: any two that broadcast together, with extent 3 along `dim`.
    Errors: RuntimeError where `dim` has another extent.

    >>> import alight as torch
    >>> torch.linalg.cross(torch.tensor([1., 0., 0.]), torch.tensor([0., 1., 0.]))
    tensor([0., 0., 1.])
    """
    return _cross(input, other, dim)


def _cross(x: Tensor, y: Tensor, dim: int) -> Tensor:
    if x.ndim != y.ndim:
        fail(RuntimeError, "linalg.cross: inputs must have the same number of dimensions.")
    axis = normalize_dim(dim, x.ndim)
    if x.shape[axis] != 3 or y.shape[axis] != 3:
        fail(
            RuntimeError,
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {x.shape[axis]} and {y.shape[axis]}",
        )
    x, y = promoted(x, y)

    def turned(v: Tensor, by: int) -> Tensor:  # element i becomes element i + by
        def part(start: int, stop: int) -> Tensor:
            starts, stops = [0] * v.ndim, list(v.shape)
            starts[axis], stops[axis] = start, stop
            return p.Slice(v, starts=tuple(starts), stops=tuple(stops), steps=(1,) * v.ndim)

        return p.Concat(part(by, 3), part(0, by), axis=axis)

    return turned(x, 1) * turned(y, 2) - turned(x, 2) * turned(y, 1)


# -- chains ------------------------------------------------------------------------------------------------------------


def _best_cuts(extents: list[int]) -> dict[tuple[int, int], int]:
    """Where to cut each part of a chain of matrices (dynamic programming; Cormen et al., chapter 15.2)."""
    count = len(extents) - 1
    cost = {(i, i): 0 for i in range(count)}
    cut: dict[tuple[int, int], int] = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            options = [
                (cost[i, k] + cost[k + 1, j] + extents[i] * extents[k + 1] * extents[j + 1], k)
                for k in range(i, j)
            ]
            cost[i, j], cut[i, j] = min(options)
    return cut


@op(linalg="multi_dot")
def multi_dot(tensors: Tensors) -> Tensor:
    """Product of a chain of matrices in the cheapest order; the first and the last may be vectors.

    Shapes: (n, k), (k, l), ..., (y, m) give (n, m).
    Errors: RuntimeError for fewer than two tensors, other ranks, and shapes or dtypes that do not
    fit together.

    >>> import alight as torch
    >>> torch.linalg.multi_dot([torch.ones(2, 3), torch.ones(3, 4), torch.ones(4)])
    tensor([12., 12.])
    """
    if len(tensors) < 2:
        fail(RuntimeError, f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    chain = list(tensors)
    for i in (0, len(chain) - 1):
        if chain[i].ndim not in (1, 2):
            fail(
                RuntimeError,
                f"multi_dot(): the {'last' if i else 'first'} tensor must be 1D or 2D but got {chain[i].ndim}D",
            )
    for i, one in enumerate(chain[1:-1], 1):
        if one.ndim != 2:
            fail(RuntimeError, f"multi_dot(): tensor {i} must be 2D but got {one.ndim}D")
    row, column = chain[0].ndim == 1, chain[-1].ndim == 1
    if row:
        chain[0] = p.Reshape(chain[0], shape=(1, chain[0].size))
    if column:
        chain[-1] = p.Reshape(chain[-1], shape=(chain[-1].size, 1))
    for i, (x, y) in enumerate(itertools.pairwise(chain)):
        if x.dtype is not y.dtype:
            fail(
                RuntimeError,
                f"multi_dot(): all tensors must have be the same dtype but tensor 0 is {x.dtype.name} and tensor {i + 1} {y.dtype.name}",
            )
        if x.shape[1] != y.shape[0]:
            fail(
                RuntimeError,
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(tensors[i].shape)} and "
                f"{list(tensors[i + 1].shape)} cannot be multiplied",
            )
    cut = _best_cuts([chain[0].shape[0], *(one.shape[1] for one in chain)])

    def part(i: int, j: int) -> Tensor:
        if i == j:
            return chain[i]
        k = cut[i, j]
        return mm.lowering(part(i, k), part(k + 1, j))

    made = part(0, len(chain) - 1)
    shape = made.shape[1 if row else 0 : 1 if column else 2]
    return p.Reshape(made, shape=shape)


@function()
def chain_matmul(*matrices: Any) -> Any:
    """Product of matrices in the cheapest order: the older name of linalg.multi_dot.

    Shapes: (n, k), (k, l), ..., (y, m) give (n, m).
    Errors: RuntimeError where shapes do not fit together.

    >>> import alight as torch
    >>> torch.chain_matmul(torch.ones(2, 3), torch.ones(3, 1))
    tensor([[3.],
            [3.]])
    """
    given = matrices[0] if len(matrices) == 1 and not hasattr(matrices[0], "_slot") else matrices
    return given[0] if len(given) == 1 else multi_dot(given)


__all__ = ["chain_matmul", "cross", "einsum", "kron", "multi_dot", "tensordot"]
