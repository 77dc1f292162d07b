"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from alight.errors import fail
from alight.ops.operation import TORCH
from alight.tensor import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of all parameters, one behind the other: a vector (elements,).

    >>> import alight as torch
    >>> torch.nn.utils.parameters_to_vector(torch.nn.Linear(2, 3).parameters()).shape
    torch.Size([9])
    """
    flat = [one.view(-1) for one in parameters]
    if not flat:
        fail(ValueError, "torch.cat(): expected a non-empty list of Tensors")
    joined: Tensor = TORCH["cat"](flat)
    return joined


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Give the parameters the elements of a vector (elements,), in order; they become parts of it.

    TypeError where vec is no tensor, RuntimeError where it is too short.

    >>> import alight as torch
    >>> layer = torch.nn.Linear(2, 1)
    >>> torch.nn.utils.vector_to_parameters(torch.arange(3.), layer.parameters())
    >>> layer.weight.data, layer.bias.data
    (tensor([[0., 1.]]), tensor([2.]))
    """
    if not isinstance(vec, Tensor):
        fail(TypeError, f"expected torch.Tensor, but got: {type(vec).__name__}")
    at = 0
    for one in parameters:
        count = one.numel()
        one.data = vec[at : at + count].view_as(one).data
        at += count


__all__ = ["parameters_to_vector", "vector_to_parameters"]
