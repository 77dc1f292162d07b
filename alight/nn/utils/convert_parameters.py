"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from alight.errors import fail
from alight.ops.operation import TORCH
from alight.tensor import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of all parameters, one behind the other.

    >>> import alight as torch
    >>> torch.nn.utils.parameters_to_vector([torch.ones(1, 2), torch.zeros(1)])
    tensor([1., 1., 0.])
    """
    flat = [one.view(-1) for one in parameters]
    if not flat:
        fail(ValueError, "torch.cat(): expected a non-empty list of Tensors")
    joined: Tensor = TORCH["cat"](flat)
    return joined


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Give the parameters the elements of a vector, in order."""
    if not isinstance(vec, Tensor):
        fail(TypeError, f"expected torch.Tensor, but got: {type(vec).__name__}")
    at = 0
    for one in parameters:
        count = one.numel()
        one.data = vec[at : at + count].view_as(one).data
        at += count


__all__ = ["parameters_to_vector", "vector_to_parameters"]
