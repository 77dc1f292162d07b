"""Clipping of gradients by norm or by value, and their total norm."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from alight import primitives as p
from alight.autograd.modes import no_grad
from alight.errors import fail
from alight.ir.program import Value
from alight.ops.norms import p_norm
from alight.ops.operation import TORCH, op
from alight.primitives.arithmetic import where
from alight.record.recorder import thread
from alight.tensor import Tensor

Tensors = Any


@op(functions="")
def _total_norm(tensors: Tensors, norm_type: float) -> Value:
    """The norm of the norms of all tensors."""
    device, of = tensors[0].type.device, tensors[0].dtype
    norms = []
    for x in tensors:
        if x.type.device != device:
            fail(
                RuntimeError,
                f"Expected all tensors on one device, but got {device} and {x.type.device}",
            )
        norms.append(p.Reshape(p_norm(x, norm_type, tuple(range(x.ndim))), shape=(1,)))
        of = of if of.itemsize >= x.dtype.itemsize else x.dtype
    together = p.Concat(*(p.Convert(one, dtype=of) for one in norms), axis=0)
    return p_norm(together, norm_type, (0,))


def _list(parameters: Any) -> list[Any]:
    return [parameters] if isinstance(parameters, Tensor) else list(parameters)


def _gradients(parameters: list[Any]) -> list[Any]:
    return [one.grad for one in parameters if one.grad is not None]


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors as if they were one vector; a scalar.

    norm_type is the norm's order, inf for the largest absolute value. RuntimeError, with
    error_if_nonfinite, where it is inf or nan.

    >>> import alight as torch
    >>> torch.nn.utils.get_total_norm([torch.tensor([3.]), torch.tensor([4.])])
    tensor(5.)
    """
    given = _list(tensors)
    if not given:
        return TORCH["tensor"](0.0)
    total: Tensor = _total_norm.function(tuple(given), float(norm_type))
    if error_if_nonfinite and not bool(TORCH["isfinite"](total)):
        fail(
            RuntimeError,
            f"The total norm of order {float(norm_type)} for gradients from `parameters` is non-finite, so it cannot be "
            "clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`",
        )
    return total


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """Scale the gradients of `parameters` in place by max_norm / total_norm where that is below 1.

    >>> import alight as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> (4 * x).sum().backward()
    >>> torch.nn.utils.clip_grads_with_norm_(x, max_norm=1.0, total_norm=torch.tensor(4.))
    >>> x.grad
    tensor([1.0000, 1.0000])
    """
    gradients = _gradients(_list(parameters))
    if not gradients:
        return

    def body(reads: list[Value], writes: list[Value], scalars: list[Value]) -> list[Value]:
        (total,), (limit,) = reads, scalars
        share = p.Convert(limit, dtype=total.dtype) / (total + 1e-6)
        share = where(share > 1, 1, share)
        return [one * p.Convert(share, dtype=one.dtype) for one in writes]

    thread.recorder.compound(
        "clip_grad_norm_", None, (total_norm,), gradients, (float(max_norm),), body
    )


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients of `parameters` in place so that their norm, as one vector, is at most
    max_norm.

    Gives the norm before; call it between backward() and step(). RuntimeError, with
    error_if_nonfinite, where it is inf or nan.

    >>> import alight as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> (torch.tensor([3., 4.]) * x).sum().backward()
    >>> torch.nn.utils.clip_grad_norm_([x], max_norm=1.0)
    tensor(5.)
    >>> x.grad
    tensor([0.6000, 0.8000])
    """
    given = _list(parameters)
    with no_grad():
        total = get_total_norm(_gradients(given), norm_type, error_if_nonfinite)
        clip_grads_with_norm_(given, max_norm, total)
    return total


def clip_grad_norm(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Older name of clip_grad_norm_; warns.

    >>> import warnings
    >>> import alight as torch
    >>> x = torch.ones(1, requires_grad=True)
    >>> (2 * x).backward()
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.nn.utils.clip_grad_norm(x, 1.0)
    tensor(2.)
    """
    warnings.warn(
        "torch.nn.utils.clip_grad_norm is now deprecated in favor of torch.nn.utils.clip_grad_norm_.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite)


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Limit every element of the gradients of `parameters` to [-clip_value, clip_value], in place.

    >>> import alight as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> (torch.tensor([0.5, -4.]) * x).sum().backward()
    >>> torch.nn.utils.clip_grad_value_([x], 1.0)
    >>> x.grad
    tensor([ 0.5000, -1.0000])
    """
    limit = float(clip_value)
    with no_grad():
        for gradient in _gradients(_list(parameters)):
            gradient.clamp_(-limit, limit)


__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
]
