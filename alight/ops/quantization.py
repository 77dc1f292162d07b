"""Fake quantisation: floating-point numbers moved to the grid that whole numbers of few bits would lie on.

Gradients pass through where the grid reaches, and stop beyond its ends.
"""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.dtypes import float16, float32, int32
from alight.errors import fail, not_implemented
from alight.ir.program import Value as Tensor
from alight.ops.arguments import normalize_dim, scalar_type_name
from alight.ops.operation import function, op
from alight.primitives.arithmetic import equal, where

Operand = Any


@function()
def fake_quantize_per_tensor_affine(
    input: Any, scale: Any, zero_point: Any, quant_min: int, quant_max: int
) -> Any:
    """(q - zero_point) * scale with q = round(input / scale) + zero_point, kept within quant_min
    and quant_max.

    Shapes: the result has input's; scale and zero_point are numbers or hold one.
    Errors: RuntimeError for quant_min above quant_max and a zero_point outside of them,
    NotImplementedError for whole numbers and for a scale that takes a gradient.

    >>> import alight as torch
    >>> torch.fake_quantize_per_tensor_affine(torch.tensor([0.12, 3.0]), 0.1, 0, -8, 7)
    tensor([0.1000, 0.7000])
    """
    _check(input, scale, quant_min, quant_max)
    if isinstance(zero_point, int) and not quant_min <= zero_point <= quant_max:
        _outside()
    return _fake_quantize(input, scale, zero_point, -1, quant_min, quant_max)


@function()
def fake_quantize_per_channel_affine(
    input: Any, scale: Any, zero_point: Any, axis: int, quant_min: int, quant_max: int
) -> Any:
    """fake_quantize_per_tensor_affine with a scale and a zero point for each index along `axis`.

    Shapes: the result has input's; scale and zero_point are as long as input is along `axis`.
    Errors: RuntimeError for other lengths, quant_min above quant_max and zero points outside of
    them, NotImplementedError for whole numbers and for a scale that takes a gradient.

    >>> import alight as torch
    >>> scale, zero = torch.tensor([0.1, 1.0]), torch.zeros(2)
    >>> x = torch.tensor([[0.12, 3.0], [0.12, 3.0]])
    >>> torch.fake_quantize_per_channel_affine(x, scale, zero, 0, -8, 7)
    tensor([[0.1000, 0.7000],
            [0.0000, 3.0000]])
    """
    _check(input, scale, quant_min, quant_max)
    if zero_point.dtype not in (int32, float32, float16):
        found = scalar_type_name(zero_point.dtype)
        fail(
            RuntimeError,
            f"Zero-point must be Int32, Float or Half, found {found}",
            try_="zero_point.int()",
        )
    if axis < 0:
        fail(RuntimeError, "`axis` must be between 0 and number of dimensions of input")
    axis = normalize_dim(axis, input.dim())
    if scale.numel() != zero_point.numel():
        fail(RuntimeError, "scale and zero-point need to have the same dimensions")
    if scale.numel() != input.shape[axis]:
        fail(
            RuntimeError,
            "dimensions of scale and zero-point are not consistent with input tensor",
            facts=[f"input has {input.shape[axis]} along {axis}, scale {scale.numel()}"],
        )
    if bool(((zero_point < quant_min) | (zero_point > quant_max)).any()):
        _outside()
    return _fake_quantize(input, scale, zero_point, axis, quant_min, quant_max)


def _check(input: Any, scale: Any, quant_min: int, quant_max: int) -> None:
    if quant_min > quant_max:
        fail(RuntimeError, "`quant_min` should be less than or         equal to `quant_max`.")
    if not input.is_floating_point():
        name = scalar_type_name(input.dtype)
        what = "fake_quantize_tensor_cachemask_kernel_type_handling"
        fail(NotImplementedError, f"\"{what}\" not implemented for '{name}'", try_="x.float()")
    if getattr(scale, "requires_grad", False):
        not_implemented(
            "gradients of a fake quantisation's scale",
            "x + (q - x).detach() with q = x.div(scale)...",
        )


def _outside() -> None:
    fail(RuntimeError, "`zero_point` must be between `quant_min` and `quant_max`.")


def _grid(
    input: Tensor, scale: Tensor, zero_point: Tensor, axis: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Places on the grid before they are kept within its ends; scales and zero points beside them."""
    of = float32 if input.dtype.itemsize < 4 else input.dtype
    x = p.Convert(input, dtype=of)
    along = tuple(n if i == axis else 1 for i, n in enumerate(x.shape))
    scale, zero = (
        p.Reshape(p.Convert(one, dtype=of), shape=() if axis < 0 else along)
        for one in (scale, zero_point)
    )
    if zero_point.dtype.is_floating_point:  # zero points need not lie on the grid
        return p.Round(x * (1 / scale) + zero), scale, zero
    return p.Round(x * (1 / scale)) + zero, scale, zero


@op(functions="", pointwise=True)
def _fake_quantize(
    input: Tensor, scale: Operand, zero_point: Operand, axis: int, quant_min: int, quant_max: int
) -> Tensor:
    """The nearest places on the grid, and back."""
    places, scale, zero = _grid(input, scale, zero_point, axis)
    kept = where(places < quant_min, quant_min, where(places > quant_max, quant_max, places))
    kept = where(equal(places, places), kept, quant_min)  # NaN
    return p.Convert((kept - zero) * scale, dtype=input.dtype)


@_fake_quantize.vjp
def _(
    ct: Tensor, out: Tensor, input: Tensor, scale: Tensor, zero_point: Tensor, axis: int, quant_min: int, quant_max: int
) -> tuple[Tensor | None, ...]:  # fmt: skip
    places, _, _ = _grid(input, scale, zero_point, axis)
    inside = p.And(places >= quant_min, places <= quant_max)
    return where(inside, ct, 0), None, None
