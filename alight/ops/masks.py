"""Elements written where a mask says: masked_fill, masked_scatter."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.dtypes import bool_, int64
from alight.dtypes import dtype as Dtype
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import as_value, broadcast_all, scalar_type_name
from alight.ops.operation import op
from alight.primitives.arithmetic import where, zeros_like

Operand = Any


def _check_mask(name: str, mask: Tensor) -> None:
    if mask.dtype is not bool_:
        fail(
            RuntimeError,
            f"{name} only supports boolean masks, but got mask with dtype {_c_name(mask.dtype)}",
            try_="mask.bool()",
        )


def _c_name(of: Dtype) -> str:
    known = {
        "float32": "float",
        "float64": "double",
        "int64": "long int",
        "int32": "int",
        "uint8": "unsigned char",
    }
    return known.get(of.name, of.name)


@op(methods="masked_fill", inplace="masked_fill_", pointwise=True)
def masked_fill(input: Tensor, mask: Tensor, value: Operand) -> Tensor:
    """`value` where mask is True, input elsewhere.

    Errors: RuntimeError for a `value` of one dimension or more or one that the dtype cannot hold,
    and where shapes do not broadcast.

    >>> import alight as torch
    >>> torch.arange(3).masked_fill(torch.tensor([True, False, True]), -1)
    tensor([-1,  1, -1])
    """
    _check_mask("masked_fill_", mask)
    number = as_value(value, input)
    if number.ndim:
        fail(
            RuntimeError,
            f"masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {number.ndim} dimension(s).",
        )
    if number.dtype.is_complex and not input.dtype.is_complex:
        fail(
            RuntimeError,
            f"value cannot be converted to type {_c_name(input.dtype)} without overflow",
            facts=[f"the tensor is {input.dtype!r}"],
        )
    x, condition = broadcast_all(input, mask)
    return where(condition, p.Convert(number, dtype=input.dtype), x)


@op(methods="masked_scatter", inplace="masked_scatter_")
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """input with the places where mask is True filled with the elements of source in order.

    Shapes: input and mask broadcast together, to the result's; source has as many elements as the
    mask has True, or more.
    Errors: RuntimeError where input and source differ in dtype.

    >>> import alight as torch
    >>> torch.masked_scatter(torch.zeros(3), torch.tensor([True, False, True]), torch.tensor([5., 6.]))
    tensor([5., 0., 6.])
    """
    _check_mask("masked_scatter_", mask)
    if source.dtype is not input.dtype:
        fail(
            RuntimeError,
            "masked_scatter: expected self and source to have same dtypes but got"
            f"{scalar_type_name(input.dtype)} and {scalar_type_name(source.dtype)}",
        )
    x, condition = broadcast_all(input, mask)
    if not x.size or not source.size:
        return x
    flat = p.Reshape(condition, shape=(x.size,))
    number = p.CumSum(p.Convert(flat, dtype=int64), axis=0) - 1
    number = where(flat, number, zeros_like(number))
    found = p.Index(p.Reshape(source, shape=(source.size,)), number, axes=(0,))
    return where(condition, p.Reshape(found, shape=x.shape), x)
