"""The notes' one-word names of operations, which are the same in all their editions."""

from __future__ import annotations

from typing import Any

import alight as torch

Tensor = torch.Tensor

ones_like, ones, zeros_like, zeros = torch.ones_like, torch.ones, torch.zeros_like, torch.zeros
tensor, arange, meshgrid, linspace, eye = (
    torch.tensor,
    torch.arange,
    torch.meshgrid,
    torch.linspace,
    torch.eye,
)
sin, sinh, cos, cosh, tanh = torch.sin, torch.sinh, torch.cos, torch.cosh, torch.tanh
exp, log, abs, relu, sigmoid = torch.exp, torch.log, torch.abs, torch.relu, torch.sigmoid
normal, rand, randn, matmul = torch.normal, torch.rand, torch.randn, torch.matmul
batch_matmul, stack, concat, concatenate = torch.bmm, torch.stack, torch.cat, torch.cat
int32, int64, float32 = torch.int32, torch.int64, torch.float32


def numpy(x: Tensor, *args: Any, **kwargs: Any) -> Any:
    """The elements of `x` as a NumPy array.

    >>> from alight import lessons as d2l
    >>> d2l.numpy(d2l.arange(3))
    array([0, 1, 2])
    """
    return x.detach().numpy(*args, **kwargs)


def size(x: Tensor, *args: Any, **kwargs: Any) -> int:
    """Number of elements.

    >>> from alight import lessons as d2l
    >>> d2l.size(d2l.ones(2, 3))
    6
    """
    return int(x.numel(*args, **kwargs))


def reshape(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """`x` in another shape.

    >>> from alight import lessons as d2l
    >>> d2l.reshape(d2l.arange(4), (2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
    return x.reshape(*args, **kwargs)


def to(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """`x` with another dtype, or on another device.

    >>> from alight import lessons as d2l
    >>> d2l.to(d2l.arange(2), d2l.float32)
    tensor([0., 1.])
    """
    return x.to(*args, **kwargs)


def astype(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """`x` with another dtype.

    >>> from alight import lessons as d2l
    >>> d2l.astype(d2l.arange(2), d2l.float32)
    tensor([0., 1.])
    """
    return x.type(*args, **kwargs)


def reduce_sum(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The sum of all elements, or along a dimension.

    >>> from alight import lessons as d2l
    >>> d2l.reduce_sum(d2l.ones(2, 3), 0)
    tensor([2., 2., 2.])
    """
    return x.sum(*args, **kwargs)


def reduce_mean(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The mean of all elements, or along a dimension.

    >>> from alight import lessons as d2l
    >>> d2l.reduce_mean(d2l.ones(2, 3))
    tensor(1.)
    """
    return x.mean(*args, **kwargs)


def argmax(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Where the largest element is.

    >>> from alight import lessons as d2l
    >>> d2l.argmax(d2l.tensor([1, 3, 2]))
    tensor(1)
    """
    return x.argmax(*args, **kwargs)


def transpose(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The transposed matrix.

    >>> from alight import lessons as d2l
    >>> d2l.transpose(d2l.ones(2, 3)).shape
    torch.Size([3, 2])
    """
    return x.t(*args, **kwargs)


def swapaxes(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """`x` with two dimensions exchanged.

    >>> from alight import lessons as d2l
    >>> d2l.swapaxes(d2l.ones(2, 3), 0, 1).shape
    torch.Size([3, 2])
    """
    return x.swapaxes(*args, **kwargs)


def repeat(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """`x` laid out several times along each dimension.

    >>> from alight import lessons as d2l
    >>> d2l.repeat(d2l.tensor([1, 2]), 2)
    tensor([1, 2, 1, 2])
    """
    return x.repeat(*args, **kwargs)


def expand_dims(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """`x` with one more dimension, of size 1.

    >>> from alight import lessons as d2l
    >>> d2l.expand_dims(d2l.ones(2), 0).shape
    torch.Size([1, 2])
    """
    return x.unsqueeze(*args, **kwargs)


__all__ = [
    name
    for name in dir()
    if not name.startswith("_") and name not in ("annotations", "Any", "torch", "nn", "Tensor")
]
