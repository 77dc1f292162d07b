"""Softmax and its logarithm along one dimension; both gradients read the result alone.

exp(x - max) is at most 1, so nothing overflows. Halves are computed in float32.
"""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.errors import warn
from alight.ir.program import Value as Tensor
from alight.ops.arguments import normalize_dim
from alight.ops.nn.activation import in_single, require_float
from alight.ops.operation import op
from alight.primitives.arithmetic import put_back


def implicit_dim(name: str, ndim: int) -> int:
    """The dimension that PyTorch takes where none is given, with its warning."""
    warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
    )
    return 0 if ndim in (0, 1, 3) else 1


def shifted(x: Tensor, axis: int) -> Tensor:
    """x minus its maximum along `axis`. No gradient flows through the maximum: it cancels in what follows."""
    return x - put_back(p.Detach(p.Max(x, axes=(axis,))), x.shape, (axis,))


def total(x: Tensor, axis: int) -> Tensor:
    """The sum along `axis`, repeated."""
    return put_back(p.Sum(x, axes=(axis,)), x.shape, (axis,))


def _prepared(input: Tensor, dim: int | None, dtype: Any, name: str) -> tuple[Tensor, int]:
    x = input if dtype is None else p.Convert(input, dtype=dtype)
    axis = normalize_dim(implicit_dim(name, x.ndim) if dim is None else dim, x.ndim)
    last = "lastdim_" if axis == x.ndim - 1 else ""
    require_float(x, f"{name}_{last}kernel_impl")
    return x, axis


@op(functions="softmax", methods="softmax", F="softmax")
def softmax(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """exp(input) divided by its sum along `dim`; converted to `dtype` first, if given.

    Shapes: any, kept.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.softmax(torch.tensor([0., 0.]), 0)
    tensor([0.5000, 0.5000])
    """
    x, axis = _prepared(input, dim, dtype, "softmax")
    return _softmax(x, axis)


def _softmax(x: Tensor, axis: int) -> Tensor:
    if x.ndim == 0 or x.size == 0:
        return p.Exp(x - x)

    def formula(x: Tensor) -> Tensor:
        e = p.Exp(shifted(x, axis))
        return e / total(e, axis)

    return in_single(formula, x)


@softmax.vjp
def _(ct: Tensor, out: Tensor, input: Tensor, dim: int | None, dtype: Any) -> Tensor:
    grad = _softmax_gradient(ct, out, _axis(out, dim))
    return p.Convert(grad, dtype=input.dtype)


def _axis(out: Tensor, dim: int | None) -> int:
    return normalize_dim((0 if out.ndim in (0, 1, 3) else 1) if dim is None else dim, out.ndim)


def _softmax_gradient(ct: Tensor, out: Tensor, axis: int) -> Tensor:
    if out.ndim == 0:
        return ct * 0

    def formula(g: Tensor, y: Tensor) -> Tensor:
        share = g * y
        return share - y * total(share, axis)

    return in_single(formula, ct, out)


@op(functions="log_softmax", methods="log_softmax", F="log_softmax")
def log_softmax(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """log(softmax(input)) along `dim`, without loss of precision.

    Shapes: any, kept.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.log_softmax(torch.tensor([0., 0.]), 0)
    tensor([-0.6931, -0.6931])
    """
    x, axis = _prepared(input, dim, dtype, "log_softmax")
    if x.ndim == 0 or x.size == 0:
        return x - x

    def formula(x: Tensor) -> Tensor:
        x = shifted(x, axis)
        sums = p.Log(p.Sum(p.Exp(x), axes=(axis,)))
        return x - put_back(sums, x.shape, (axis,))

    return in_single(formula, x)


@log_softmax.vjp
def _(ct: Tensor, out: Tensor, input: Tensor, dim: int | None, dtype: Any) -> Tensor:
    axis = _axis(out, dim)
    if out.ndim == 0:
        return ct * 0
    grad = in_single(lambda g, y: g - p.Exp(y) * total(g, axis), ct, out)
    return p.Convert(grad, dtype=input.dtype)


@op(functions="", F="softmin")
def softmin(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """softmax(-input).

    Shapes: any, kept.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.nn.functional.softmin(torch.tensor([0., 0.]), 0)
    tensor([0.5000, 0.5000])
    """
    x, axis = _prepared(input, dim, dtype, "softmax")
    return _softmax(-x, axis)


@softmin.vjp
def _(ct: Tensor, out: Tensor, input: Tensor, dim: int | None, dtype: Any) -> Tensor:
    return p.Convert(-_softmax_gradient(ct, out, _axis(out, dim)), dtype=input.dtype)
