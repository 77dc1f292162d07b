"""Dual numbers: tensors that carry a tangent, for derivatives in the direction of the computation.

Tangents are found when somebody unpacks a result, by reverse mode applied twice to what was recorded since `make_dual`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from alight.autograd import grad
from alight.errors import fail
from alight.offered import listing
from alight.ops.operation import TORCH
from alight.tensor import Tensor

_levels: list[
    list[tuple[Tensor, Tensor, Tensor]]
] = []  # (dual, primal, tangent) of each open level


class UnpackedDualTensor(NamedTuple):
    """A tensor's value and its tangent, None where it has none.

    Shapes: the tangent has the primal's.

    >>> import alight as torch
    >>> with torch.autograd.forward_ad.dual_level():
    ...     torch.autograd.forward_ad.unpack_dual(torch.ones(1)).tangent is None
    True
    """

    primal: Any
    tangent: Any


class dual_level:  # noqa: N801
    """A block in which dual tensors live.

    >>> import alight as torch
    >>> forward_ad = torch.autograd.forward_ad
    >>> with forward_ad.dual_level():
    ...     x = forward_ad.make_dual(torch.tensor(3.), torch.tensor(1.))
    ...     forward_ad.unpack_dual(x * x).tangent
    tensor(6.)
    """

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *error: object) -> None:
        exit_dual_level()


def enter_dual_level() -> int:
    """Open a level; its number.

    >>> import alight as torch
    >>> level = torch.autograd.forward_ad.enter_dual_level()
    >>> torch.autograd.forward_ad.exit_dual_level()
    """
    _levels.append([])
    return len(_levels) - 1


def exit_dual_level(*, level: int | None = None) -> None:
    """Close the innermost level: its tangents are gone.

    >>> import alight as torch
    >>> _ = torch.autograd.forward_ad.enter_dual_level()
    >>> torch.autograd.forward_ad.exit_dual_level()
    """
    _levels.pop()


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A tensor with the value of one tensor and another one as its tangent.

    Shapes: the tangent has the tensor's.
    Errors: RuntimeError outside a level and for a tangent of another shape, ValueError for whole
    numbers.

    >>> import alight as torch
    >>> fwd = torch.autograd.forward_ad
    >>> with fwd.dual_level():
    ...     fwd.unpack_dual(fwd.make_dual(torch.ones(1), torch.ones(1)) * 3).tangent
    tensor([3.])
    """
    if not _levels:
        fail(
            RuntimeError,
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first.",
        )
    if tensor.shape != tangent.shape:
        fail(
            RuntimeError,
            "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
            f"supported. Tensor is of size {list(tensor.shape)} while the given forward gradient is of size "
            f"{list(tangent.shape)}.",
        )
    if not tensor.dtype.is_differentiable:
        fail(
            ValueError, f"Expected primal to be floating point or complex, but got: {tensor.dtype}"
        )
    dual = tensor.view_as(tensor) if tensor.requires_grad else tensor.detach().requires_grad_()
    _levels[-1].append((dual, tensor, tangent))
    return dual


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The value of a tensor and its tangent.

    >>> import alight as torch
    >>> fwd = torch.autograd.forward_ad
    >>> with fwd.dual_level():
    ...     fwd.unpack_dual(fwd.make_dual(torch.ones(1), torch.ones(1)) * 3).tangent
    tensor([3.])
    """
    if not _levels:
        return UnpackedDualTensor(tensor, None)
    for dual, primal, tangent in _levels[-1]:
        if dual is tensor:
            return UnpackedDualTensor(primal, tangent)
    if not tensor.requires_grad:
        return UnpackedDualTensor(tensor, None)
    duals = [one[0] for one in _levels[-1]]
    v = TORCH["zeros_like"](tensor.detach()).requires_grad_()
    pulled = grad(tensor, duals, v, create_graph=True, allow_unused=True)
    pairs = [
        (ct, tangent)
        for ct, (_, _, tangent) in zip(pulled, _levels[-1], strict=True)
        if ct is not None and ct.requires_grad
    ]
    if not pairs:
        return UnpackedDualTensor(tensor.detach(), None)
    found = grad([ct for ct, _ in pairs], v, [tangent for _, tangent in pairs], allow_unused=True)
    return UnpackedDualTensor(tensor.detach(), found[0])


__dir__ = listing(globals())
