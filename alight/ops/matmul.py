"""Matrix products: matmul, mm, linear, and their kin."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import as_value, scalar_type_name
from alight.ops.operation import function, op
from alight.primitives.arithmetic import broadcast, broadcast_shape


def _same_dtype(name: str, x: Tensor, y: Tensor) -> None:
    if x.dtype is not y.dtype:
        fail(
            RuntimeError,
            f"expected m1 and m2 to have the same dtype, but got: {c_name(x)} != {c_name(y)}",
            facts=[f"{name}: input is {x.dtype.name}, the other is {y.dtype.name}"],
            try_=f".to({y.dtype!r})",
        )


_C_NAMES = {
    "float32": "float", "float64": "double", "int64": "long int", "int32": "int", "float16": "c10::Half",
    "bfloat16": "c10::BFloat16", "complex64": "c10::complex<float>", "complex128": "c10::complex<double>",
}  # fmt: skip


def c_name(x: Tensor) -> str:
    return _C_NAMES.get(x.dtype.name, x.dtype.name)


def product(x: Tensor, y: Tensor) -> Tensor:
    """x @ y for values of rank 2 or more, whose batch dimensions broadcast."""
    if x.ndim == 2 and y.ndim == 2:
        return p.DotGeneral(x, y, batch=((), ()), contract=((1,), (0,)))
    lead = broadcast_shape(x.shape[:-2], y.shape[:-2])
    assert lead is not None
    if y.ndim == 2:  # fold the batch into the rows
        return p.DotGeneral(x, y, batch=((), ()), contract=((x.ndim - 1,), (0,)))
    x, y = broadcast(x, lead + x.shape[-2:]), broadcast(y, lead + y.shape[-2:])
    axes = tuple(range(len(lead)))
    return p.DotGeneral(x, y, batch=(axes, axes), contract=((x.ndim - 1,), (y.ndim - 2,)))


@op(methods="matmul __matmul__")
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product; vectors and batches by PyTorch's rules.

    Shapes: (*, n, k) and (*, k, m) give (*, n, m), with batches broadcast; a vector counts as a row
    in front or a column behind, and that dimension goes.
    Errors: RuntimeError for 0-d tensors and where shapes or dtypes do not fit.

    >>> import alight as torch
    >>> torch.ones(2, 3) @ torch.ones(3)
    tensor([3., 3.])
    """
    x, y = input, other
    if x.ndim == 0 or y.ndim == 0:
        fail(
            RuntimeError,
            f"both arguments to matmul need to be at least 1D, but they are {x.ndim}D and {y.ndim}D",
        )
    _same_dtype("matmul", x, y)
    row, column = x.ndim == 1, y.ndim == 1
    if row and column:
        if x.shape != y.shape:
            fail(
                RuntimeError,
                f"inconsistent tensor size, expected tensor {list(x.shape)} and src {list(y.shape)} to have the same number "
                f"of elements, but got {x.size} and {y.size} elements respectively",
                try_="vectors of one length",
            )
        return p.DotGeneral(x, y, batch=((), ()), contract=((0,), (0,)))
    if row:
        x = p.Reshape(x, shape=(1, x.size))
    if column:
        y = p.Reshape(y, shape=(y.size, 1))
    _check_product(x, y, column)
    result = product(x, y)
    shape = result.shape
    if row:
        shape = shape[:-2] + shape[-1:]
    if column:
        shape = shape[:-1]
    return p.Reshape(result, shape=shape)


@function("", methods="__rmatmul__")
def _reflected_matmul(self: Any, other: Any) -> Any:
    """other @ self, where other has no product of its own for tensors."""
    return matmul(other, self) if hasattr(other, "_slot") else NotImplemented


def _check_product(x: Tensor, y: Tensor, column: bool = False) -> None:
    m, k, n = x.shape[-2], x.shape[-1], y.shape[-1]
    if k != y.shape[-2]:
        if column and x.ndim == 2:
            fail(
                RuntimeError,
                f"size mismatch, got input ({m}), mat ({m}x{k}), vec ({y.shape[-2]})",
                try_=f"a vector of {k} elements, or the matrix's transpose (.T)",
            )
        if x.ndim > 2 and y.ndim > 2:
            fail(
                RuntimeError,
                f"Expected size for first two dimensions of batch2 tensor to be: [{x.shape[0]}, {k}] but got: "
                f"[{y.shape[0]}, {y.shape[-2]}].",
            )
        rows = x.size // k if k and y.ndim == 2 else m
        fail(
            RuntimeError,
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{k} and {y.shape[-2]}x{n})",
            facts=[f"input {list(x.shape)} ends in {k}, other {list(y.shape)} takes {y.shape[-2]}"],
            try_="a transpose (.T), or a layer of the right size",
        )
    if broadcast_shape(x.shape[:-2], y.shape[:-2]) is None:
        from alight.ops.arguments import broadcast_error

        broadcast_error([x.shape[:-2], y.shape[:-2]])


def _instead(input: Tensor, weight: Tensor) -> str:
    """What fits: the input flattened, if that has the right length, or another layer."""
    if input.ndim > 2 and input.size == input.shape[0] * weight.shape[-1]:
        return "nn.Flatten() before it, or x.flatten(1)"
    if input.ndim == 4:  # images: what a convolution or a pool left
        flat = input.size // max(input.shape[0], 1)
        return f"nn.Flatten() before it, and Linear({flat}, {weight.shape[0]})"
    return f"Linear({input.shape[-1] if input.ndim else 1}, {weight.shape[0]})"


@op(functions="", F="linear", functional_out=True)
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight.T + bias, with weight (out_features, in_features).

    Shapes: input (*, in), weight (out, in) or (in,), bias (out,) or (); the result is (*, out) or
    (*).
    Errors: RuntimeError where shapes or dtypes do not fit.

    >>> import alight as torch
    >>> torch.nn.functional.linear(torch.ones(1, 2), torch.ones(3, 2))
    tensor([[2., 2., 2.]])
    """
    k = weight.shape[-1]
    if input.ndim == 0 or input.shape[-1] != k:
        rows = input.size // input.shape[-1] if input.ndim and input.shape[-1] else input.size
        fail(
            RuntimeError,
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{input.shape[-1] if input.ndim else 1} and "
            f"{k}x{weight.shape[0]})",
            facts=[
                f"linear: input {list(input.shape)} ends in {input.shape[-1] if input.ndim else 1}, weight "
                f"{list(weight.shape)} takes {k}"
            ],
            try_=_instead(input, weight),
        )
    if input.dtype is not weight.dtype:
        fail(
            RuntimeError,
            f"mat1 and mat2 must have the same dtype, but got {scalar_type_name(input.dtype)} and "
            f"{scalar_type_name(weight.dtype)}",
            facts=[f"linear: input is {input.dtype.name}, weight is {weight.dtype.name}"],
            try_=f"input.to({weight.dtype!r})",
        )
    out = p.DotGeneral(
        input, weight, batch=((), ()), contract=((input.ndim - 1,), (weight.ndim - 1,))
    )
    return out if bias is None else out + bias


__all__ = ["Any", "as_value", "linear", "matmul", "product"]
