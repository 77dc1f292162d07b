"""`Variable`: what tensors with gradients were once wrapped in."""

from __future__ import annotations

from typing import Any

from alight.offered import listing
from alight.tensor import Tensor


class _VariableMeta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_VariableMeta):
    """`Variable(tensor)` is the tensor itself, outside the gradient record unless requires_grad=True.

    >>> import alight as torch
    >>> torch.autograd.Variable(torch.ones(1), requires_grad=True)
    tensor([1.], requires_grad=True)
    """

    def __new__(cls, data: Any = None, requires_grad: bool = False, volatile: bool = False) -> Any:
        made = data.detach()
        return made.requires_grad_() if requires_grad else made


__dir__ = listing(globals())
