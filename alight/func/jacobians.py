"""jacrev, jacfwd, hessian: whole matrices of derivatives, a product with a unit vector for each row or column at once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from alight.func.gradients import _chosen, _tensors, jvp, vjp
from alight.func.trees import flatten, unflatten
from alight.func.vectorize import vmap
from alight.ops.operation import TORCH
from alight.tensor import Tensor


def _restricted(
    func: Callable[..., Any], args: tuple[Any, ...], chosen: Sequence[int], kwargs: dict[str, Any]
) -> Callable[..., Any]:
    """The function of the chosen arguments alone."""

    def of_chosen(*given: Any) -> Any:
        whole = list(args)
        for i, one in zip(chosen, given, strict=True):
            whole[i] = one
        return func(*whole, **kwargs)

    return of_chosen


def _basis(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Unit vectors of all elements of several tensors: for each tensor (total, *shape)."""
    total = sum(one.numel() for one in tensors)
    found, at = [], 0
    for one in tensors:
        n = one.numel()
        rows = TORCH["eye"](n, dtype=one.dtype, device=one.device)
        above = TORCH["zeros"]((at, n), dtype=one.dtype, device=one.device)
        below = TORCH["zeros"]((total - at - n, n), dtype=one.dtype, device=one.device)
        found.append(TORCH["cat"]([above, rows, below]).reshape(total, *one.shape))
        at += n
    return found


def jacrev(
    func: Callable[..., Any], argnums: Any = 0, *, has_aux: bool = False, chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:  # fmt: skip
    """A function that gives the Jacobian of `func` by reverse mode: one row for each element of the result.

    The result has the structure of the output, in each place that of the argument, of shape output + input.

    >>> import alight as torch
    >>> torch.func.jacrev(lambda x: x ** 2)(torch.tensor([1., 2.]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        chosen = _chosen(argnums, args)
        primals = tuple(args[i] for i in chosen)
        result = vjp(_restricted(func, args, chosen, kwargs), *primals, has_aux=has_aux)
        output, pull = result[:2]
        outs, out_tree = flatten(output)
        leaves, tree = flatten(primals)
        rows = vmap(lambda *cts: pull(unflatten(cts, out_tree)), chunk_size=chunk_size)(
            *_basis(outs)
        )
        jacobian = _cut_rows(
            flatten(rows)[0], outs, out_tree, leaves, tree, isinstance(argnums, int)
        )
        return (jacobian, result[2]) if has_aux else jacobian

    return functools.wraps(func)(wrapped) if hasattr(func, "__name__") else wrapped


def _cut_rows(
    rows: Sequence[Tensor],
    outs: Sequence[Tensor],
    out_tree: Any,
    leaves: Sequence[Tensor],
    tree: Any,
    single: bool,
) -> Any:
    """Rows for all outputs together, as one block for each output and input."""
    result, at = [], 0
    for out in outs:
        blocks = [
            row.narrow(0, at, out.numel()).reshape(*out.shape, *leaf.shape)
            for row, leaf in zip(rows, leaves, strict=True)
        ]
        at += out.numel()
        by_input = unflatten(blocks, tree)
        result.append(by_input[0] if single else by_input)
    return unflatten(result, out_tree)


def jacfwd(
    func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable[..., Any]:
    """A function that gives the Jacobian of `func` by forward mode: one column for each element of the argument.

    >>> import alight as torch
    >>> torch.func.jacfwd(torch.sin)(torch.zeros(2))
    tensor([[1., 0.],
            [0., 1.]])
    """

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        chosen = _chosen(argnums, args)
        primals = tuple(args[i] for i in chosen)
        leaves, tree = flatten(primals)
        _tensors(leaves)
        restricted = _restricted(func, args, chosen, kwargs)

        def push(*tangents: Any) -> Any:
            moved = jvp(restricted, primals, unflatten(tangents, tree), has_aux=has_aux)
            return (moved[1], moved[2]) if has_aux else moved[1]

        columns: Any = vmap(push, randomness=randomness)(*_basis(leaves))
        aux = None
        if has_aux:
            columns, aux = columns
            aux = unflatten([one[0] for one in flatten(aux)[0]], flatten(aux)[1])
        outs, out_tree = flatten(columns)
        jacobian = _cut_columns(outs, out_tree, leaves, tree, isinstance(argnums, int))
        return (jacobian, aux) if has_aux else jacobian

    return functools.wraps(func)(wrapped) if hasattr(func, "__name__") else wrapped


def _cut_columns(
    columns: Sequence[Tensor], out_tree: Any, leaves: Sequence[Tensor], tree: Any, single: bool
) -> Any:
    result = []
    for column in columns:
        shape, at, blocks = column.shape[1:], 0, []
        for leaf in leaves:
            part = column.narrow(0, at, leaf.numel())
            blocks.append(part.movedim(0, -1).reshape(*shape, *leaf.shape))
            at += leaf.numel()
        by_input = unflatten(blocks, tree)
        result.append(by_input[0] if single else by_input)
    return unflatten(result, out_tree)


def hessian(func: Callable[..., Any], argnums: Any = 0) -> Callable[..., Any]:
    """A function that gives the matrix of second derivatives of `func`: forward over reverse.

    >>> import alight as torch
    >>> torch.func.hessian(lambda x: (x ** 3).sum())(torch.tensor([1., 2.]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


__all__ = ["hessian", "jacfwd", "jacrev"]
