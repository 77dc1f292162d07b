"""torch.masked: reductions and normalisations that leave out the elements where a mask is False.

Masked-out elements count as what changes nothing (0 in a sum, 1 in a product, -infinity in a maximum). A slice without
any element left gives that value, or NaN where there is none.
"""

from __future__ import annotations

import math
from typing import Any

import alight as torch
from alight.dtypes import category
from alight.errors import message, not_implemented
from alight.offered import listing

__all__ = [
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp", "logsumexp", "mean", "median", "norm",
    "normalize", "prod", "softmax", "softmin", "std", "sum", "var",
]  # fmt: skip


def _dims(input: Any, dim: Any) -> tuple[int, ...]:
    if dim is None or dim == ():
        return tuple(range(input.ndim))
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    from alight.ops.arguments import normalize_dims

    return normalize_dims(dims, input.ndim)


def _filled(input: Any, mask: Any, value: Any) -> Any:
    if mask is None:
        return input
    return torch.where(mask.to(torch.bool), input, torch.tensor(value, dtype=input.dtype))


def _lowest(input: Any) -> Any:
    if category(input.dtype) >= 2:
        return -math.inf
    return False if input.dtype is torch.bool else torch.iinfo(input.dtype).min


def _highest(input: Any) -> Any:
    if category(input.dtype) == 2:
        return math.inf
    return True if input.dtype is torch.bool else torch.iinfo(input.dtype).max


def _wide(input: Any, dtype: Any) -> Any:
    """The input in the dtype that is asked for; small whole numbers as int64."""
    of = dtype or (torch.int64 if category(input.dtype) < 2 else input.dtype)
    return input if input.dtype is of else input.to(of)


def _reduced(x: Any, name: str, dims: tuple[int, ...], keepdim: bool) -> Any:
    """A reduction that takes one dimension at a time, over several."""
    for dim in reversed(dims):
        x = getattr(x, name)(dim, keepdim=keepdim)
    return x


# -- reductions --------------------------------------------------------------------------------------------------------


def sum(
    input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """The sum of the elements that the mask keeps.

    Shapes: any that broadcast together; the dimensions of `dim` go, or keep extent 1 with
    keepdim=True.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.masked.sum(torch.tensor([1., 2., 3.]), mask=torch.tensor([True, False, True]))
    tensor(4.)
    """
    x = _filled(_wide(input, dtype), mask, 0)
    dims = _dims(x, dim)
    return x.sum(dims, keepdim=keepdim) if dims or not x.ndim else x.clone()


def prod(
    input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """The product of the elements that the mask keeps.

    Shapes: any that broadcast together; the dimensions of `dim` go, or keep extent 1 with
    keepdim=True.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> m = torch.tensor([True, False, True])
    >>> torch.masked.prod(torch.tensor([2., 3., 4.]), mask=m)
    tensor(8.)
    """
    x = _filled(_wide(input, dtype), mask, 1)
    dims = _dims(x, dim)
    if not dims:  # of a 0-d tensor, along nothing or along its one place
        return x if dim is None or dim == () else x.prod(0, keepdim)
    return _reduced(x, "prod", dims, keepdim)


def amax(
    input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """The largest of the elements that the mask keeps.

    Shapes: any that broadcast together; the dimensions of `dim` go, or keep extent 1 with
    keepdim=True.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> m = torch.tensor([True, False, True])
    >>> torch.masked.amax(torch.tensor([2., 9., 4.]), mask=m)
    tensor(4.)
    """
    x = input if dtype is None else input.to(dtype)
    x = _filled(x, mask, _lowest(x))
    dims = _dims(x, dim)
    return x.amax(dims, keepdim=keepdim) if dims or not x.ndim else x.clone()


def amin(
    input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """The smallest of the elements that the mask keeps.

    Shapes: any that broadcast together; the dimensions of `dim` go, or keep extent 1 with
    keepdim=True.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> m = torch.tensor([True, False, True])
    >>> torch.masked.amin(torch.tensor([2., 0., 4.]), mask=m)
    tensor(2.)
    """
    x = input if dtype is None else input.to(dtype)
    x = _filled(x, mask, _highest(x))
    dims = _dims(x, dim)
    return x.amin(dims, keepdim=keepdim) if dims or not x.ndim else x.clone()


def argmax(
    input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """The place of the largest of the elements that the mask keeps, in the dtype of the input as PyTorch has it.

    Shapes: any that broadcast together; dimension `dim` goes, or keeps extent 1 with keepdim=True.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> m = torch.tensor([True, False, True])
    >>> torch.masked.argmax(torch.tensor([2., 9., 4.]), 0, mask=m).item()
    2.0
    """
    x = input if dtype is None else input.to(dtype)
    return _filled(x, mask, _lowest(x)).argmax(dim, keepdim=keepdim).to(x.dtype)


def argmin(
    input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """The place of the smallest of the elements that the mask keeps, in the dtype of the input as PyTorch has it.

    Shapes: any that broadcast together; dimension `dim` goes, or keeps extent 1 with keepdim=True.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> m = torch.tensor([True, False, True])
    >>> torch.masked.argmin(torch.tensor([2., 0., 4.]), 0, mask=m).item()
    0.0
    """
    x = input if dtype is None else input.to(dtype)
    return _filled(x, mask, _highest(x)).argmin(dim, keepdim=keepdim).to(x.dtype)


def _count(input: Any, dims: tuple[int, ...], mask: Any, keepdim: bool) -> Any:
    """How many elements are left; the mask has the input's shape."""
    ones = torch.ones_like(input, dtype=torch.int64)
    ones = ones if mask is None else torch.where(mask.to(torch.bool), ones, 0)
    return ones.sum(dims, keepdim=keepdim) if dims else ones


def mean(
    input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """The mean of the elements that the mask keeps; NaN where there is none.

    Shapes: any that broadcast together; the dimensions of `dim` go, or keep extent 1 with
    keepdim=True.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> m = torch.tensor([True, False, True])
    >>> torch.masked.mean(torch.tensor([2., 9., 4.]), mask=m)
    tensor(3.)
    """
    of = dtype or (input.dtype if category(input.dtype) >= 2 else torch.float32)
    x = input.to(of)
    dims = _dims(x, dim)
    total = sum(x, dims, keepdim=keepdim, mask=mask) if dims else _filled(x, mask, 0)
    return total / _count(x, dims, mask, keepdim)


def median(
    input: Any, dim: int = -1, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """The median of the elements that the mask keeps, the lower one of two; NaN where there is none.

    Shapes: any that broadcast together; dimension `dim` goes, or keeps extent 1 with keepdim=True.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> m = torch.tensor([True, False, True])
    >>> torch.masked.median(torch.tensor([2., 9., 4.]), 0, mask=m)
    tensor(2.)
    """
    x = input if dtype is None else input.to(dtype)
    if category(x.dtype) < 2:
        not_implemented(f"masked.median of {x.dtype!r}", "input.float()")
    return _filled(x, mask, math.nan).nanmedian(dim, keepdim).values


def logsumexp(
    input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """log of the sum of exponentials of the elements that the mask keeps.

    Shapes: any that broadcast together; the dimensions of `dim` go, or keep extent 1 with
    keepdim=True.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> m = torch.tensor([True, False, True])
    >>> torch.masked.logsumexp(torch.tensor([0., 9., 0.]), 0, mask=m)
    tensor(0.6931)
    """
    x = input if dtype is None else input.to(dtype)
    dims = _dims(x, dim)
    x = _filled(x, mask, _lowest(x))
    result = torch.logsumexp(x, dims, keepdim=keepdim) if dims or not x.ndim else x.clone()
    return result.to(x.dtype)


def norm(
    input: Any, ord: Any = 2.0, dim: Any = None, *, keepdim: bool = False, dtype: Any = None,
    mask: Any = None,
) -> Any:  # fmt: skip
    """The vector norm of the elements that the mask keeps.

    Shapes: any that broadcast together; the dimensions of `dim` go, or keep extent 1 with
    keepdim=True.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> m = torch.tensor([True, False, True])
    >>> torch.masked.norm(torch.tensor([3., 9., 4.]), 2.0, mask=m)
    tensor(5.)
    """
    x = input if dtype is None else input.to(dtype)
    dims = _dims(x, dim)
    x = _filled(x, mask, math.inf if ord == -math.inf else 0)
    return torch.linalg.vector_norm(x, ord, dims, keepdim=keepdim)


def _spread(
    input: Any, dim: Any, unbiased: Any, correction: Any, keepdim: bool, dtype: Any, mask: Any
) -> Any:
    freedom = (1 if unbiased is None or unbiased else 0) if correction is None else correction
    of = dtype or (input.dtype if category(input.dtype) >= 2 else torch.float32)
    x = input.to(of)
    dims = _dims(x, dim)
    count = _count(x, dims, mask, True)
    gap = _filled(x - sum(x, dims, keepdim=True, mask=mask) / count, mask, 0)
    squares = (gap * gap.conj()).real if x.is_complex() else gap * gap
    total = squares.sum(dims, keepdim=keepdim) if dims else squares
    left = count if keepdim or not dims else count.reshape(total.shape)
    return (total / (left - freedom).clamp(min=0)).to(of)


def var(
    input: Any, dim: Any = None, unbiased: bool | None = None, *, correction: Any = None,
    keepdim: bool = False, dtype: Any = None, mask: Any = None,
) -> Any:  # fmt: skip
    """The variance of the elements that the mask keeps.

    Shapes: any that broadcast together; the dimensions of `dim` go, or keep extent 1 with
    keepdim=True.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> m = torch.tensor([True, False, True])
    >>> torch.masked.var(torch.tensor([2., 9., 4.]), unbiased=False, mask=m)
    tensor(1.)
    """
    return _spread(input, dim, unbiased, correction, keepdim, dtype, mask)


def std(
    input: Any, dim: Any = None, unbiased: bool | None = None, *, correction: Any = None,
    keepdim: bool = False, dtype: Any = None, mask: Any = None,
) -> Any:  # fmt: skip
    """The standard deviation of the elements that the mask keeps.

    Shapes: any that broadcast together; the dimensions of `dim` go, or keep extent 1 with
    keepdim=True.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> m = torch.tensor([True, False, True])
    >>> torch.masked.std(torch.tensor([2., 9., 4.]), unbiased=False, mask=m)
    tensor(1.)
    """
    return _spread(input, dim, unbiased, correction, keepdim, dtype, mask).sqrt()


# -- in the input's shape ----------------------------------------------------------------------------------------------


def cumsum(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """Running sums in which masked-out elements count as 0, in the dtype of the input.

    Shapes: any that broadcast together, kept.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> m = torch.tensor([True, False, True])
    >>> torch.masked.cumsum(torch.tensor([2., 9., 4.]), 0, mask=m)
    tensor([2., 2., 6.])
    """
    x = input if dtype is None else input.to(dtype)
    return _filled(x, mask, 0).cumsum(dim).to(x.dtype)


def cumprod(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """Running products in which masked-out elements count as 1, in the dtype of the input.

    Shapes: any that broadcast together, kept.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> m = torch.tensor([True, False, True])
    >>> torch.masked.cumprod(torch.tensor([2., 9., 4.]), 0, mask=m)
    tensor([2., 2., 8.])
    """
    x = input if dtype is None else input.to(dtype)
    return _filled(x, mask, 1).cumprod(dim).to(x.dtype)


def softmax(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """Softmax over the elements that the mask keeps; the others get 0.

    Shapes: any that broadcast together, kept.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.masked.softmax(torch.tensor([0., 9., 0.]), 0, mask=torch.tensor([True, False, True]))
    tensor([0.5000, 0.0000, 0.5000])
    """
    x = input if dtype is None else input.to(dtype)
    return _filled(x, mask, _lowest(x)).softmax(dim)


def log_softmax(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """Logarithm of `softmax`.

    Shapes: any that broadcast together, kept.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> m = torch.tensor([True, False, True])
    >>> torch.masked.log_softmax(torch.tensor([0., 9., 0.]), 0, mask=m).exp()
    tensor([0.5000, 0.0000, 0.5000])
    """
    x = input if dtype is None else input.to(dtype)
    return _filled(x, mask, _lowest(x)).log_softmax(dim)


def softmin(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """Softmax of -input over the elements that the mask keeps.

    Shapes: any that broadcast together, kept.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> m = torch.tensor([True, False, True])
    >>> torch.masked.softmin(torch.tensor([0., 9., 0.]), 0, mask=m)
    tensor([0.5000, 0.0000, 0.5000])
    """
    x = input if dtype is None else input.to(dtype)
    return torch.nn.functional.softmin(_filled(x, mask, _highest(x)), dim)


def normalize(
    input: Any, ord: float, dim: int, *, eps: float = 1e-12, dtype: Any = None, mask: Any = None
) -> Any:
    """The input over its norm (or eps, if that is larger) along `dim`; masked-out elements become 0.

    Shapes: any that broadcast together, kept.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> m = torch.tensor([True, False, True])
    >>> torch.masked.normalize(torch.tensor([3., 9., 4.]), 2.0, 0, mask=m)
    tensor([0.6000, 0.0000, 0.8000])
    """
    x = input if dtype is None else input.to(dtype)
    length = norm(x, ord, dim, keepdim=True, mask=mask)
    return _filled(x, mask, 0) / length.clamp(min=eps)


def logaddexp(
    input: Any, other: Any, *, dtype: Any = None, input_mask: Any = None, other_mask: Any = None
) -> Any:
    """log(exp(input) + exp(other)), masked-out elements left out.

    Shapes: any that broadcast together.
    Errors: RuntimeError where shapes do not broadcast.

    >>> import alight as torch
    >>> m = torch.tensor([True, False])
    >>> torch.masked.logaddexp(torch.zeros(2), torch.zeros(2), other_mask=m)
    tensor([0.6931, 0.0000])
    """
    x = _filled(input, input_mask, -math.inf)
    y = _filled(other, other_mask, -math.inf)
    result = torch.logaddexp(x, y)
    return result if dtype is None else result.to(dtype)


def __getattr__(name: str) -> Any:
    sentence, facts = f"module 'alight.masked' has no attribute '{name}'", []
    if name in ("MaskedTensor", "masked_tensor", "as_masked_tensor", "is_masked_tensor"):
        facts = ["alight does not have tensors that carry a mask"]
    raise AttributeError(
        message(sentence, facts, "the functions of torch.masked with mask=" if facts else None)
    )


__dir__ = listing(globals())
