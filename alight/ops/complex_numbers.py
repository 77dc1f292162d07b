"""Complex numbers and their parts: `torch.real`, `torch.polar`, `torch.view_as_complex`."""

from __future__ import annotations

import math
from typing import Any

from alight import primitives as p
from alight.dtypes import bfloat16, category, float16
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import broadcast_all, scalar_type_name, to_float
from alight.ops.operation import METHODS, function, op, with_vjp
from alight.primitives.arithmetic import constant, where, zeros_like


@op(functions="", view="always")
def _real(input: Tensor) -> Tensor:
    return p.Real(input)


@function("real")
def real(input: Any) -> Any:
    """The real part, a view; input itself if it is real.

    Shapes: any; the result has the input's.

    >>> import alight as torch
    >>> torch.real(torch.tensor([1 + 2j]))
    tensor([1.])
    """
    return _real.function(input) if input.dtype.is_complex else input


@op(view="always")
def imag(input: Tensor) -> Tensor:
    """The imaginary part, a view.

    Shapes: any; the result has the input's.
    Errors: RuntimeError for real input.

    >>> import alight as torch
    >>> torch.imag(torch.tensor([1 + 2j, 3 - 1j]))
    tensor([ 2., -1.])
    """
    if not input.dtype.is_complex:
        fail(RuntimeError, "imag is not implemented for tensors with non-complex dtypes.")
    return p.Imag(input)


METHODS["real"] = property(lambda self: real(self), doc=real.__doc__)
METHODS["imag"] = property(lambda self: imag(self), doc=imag.__doc__)


@op(functions="", pointwise=True)
def _conj(input: Tensor) -> Tensor:
    return p.Conj(input) if input.dtype.is_complex else input


@function("conj", methods="conj conj_physical")
def conj(input: Any) -> Any:
    """The complex conjugate; of real numbers the tensor itself.

    Shapes: any, kept.

    Differs: a tensor of its own, not a view with a conjugate bit.

    >>> import alight as torch
    >>> torch.conj(torch.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    return _conj.function(input) if input.dtype.is_complex else input


@function("conj_physical")
def conj_physical(input: Any, *, out: Any = None) -> Any:
    """The complex conjugate; of real numbers the tensor itself, unless `out` is given.

    Shapes: any, kept.

    >>> import alight as torch
    >>> torch.conj_physical(torch.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    if out is not None:
        return _conj.function(input, out=out)
    return _conj.function(input) if input.dtype.is_complex else input


@function("resolve_conj", methods="resolve_conj")
def resolve_conj(input: Any) -> Any:
    """The tensor itself: conjugation is done when it is called.

    Shapes: any, kept.

    >>> import alight as torch
    >>> torch.resolve_conj(torch.tensor([1 + 2j]))
    tensor([1.+2.j])
    """
    return input


@op(methods="angle", pointwise=True)
def angle(input: Tensor) -> Tensor:
    """The angle of complex numbers in radians; of real ones 0, or pi if negative.

    >>> import alight as torch
    >>> torch.angle(torch.tensor([1., -1.]))
    tensor([0.0000, 3.1416])
    """
    if input.dtype.is_complex:
        x, y = p.Real(input), p.Imag(input)
        start = len(x.builder.nodes)

        def rule(ct: Tensor, out: Tensor, y: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
            square = x * x + y * y
            scale = where(p.Equal(square, zeros_like(square)), 0, ct / square)
            return scale * x, -scale * y

        return with_vjp(rule, p.Atan2(y, x), start, y, x)
    x = to_float(input)
    result = where(x < 0, math.pi, zeros_like(x))
    return p.Select(p.IsNan(x), x, result)


@op(out="object")
def complex_(real: Tensor, imag: Tensor) -> Tensor:
    """real + 1j * imag.

    Shapes: any that broadcast together.
    Errors: RuntimeError unless both are of one dtype of float16, float32 and float64.

    >>> import alight as torch
    >>> torch.complex(torch.tensor([1.]), torch.tensor([2.]))
    tensor([1.+2.j])
    """
    if any(category(one.dtype) != 2 or one.dtype is bfloat16 for one in (real, imag)):
        fail(
            RuntimeError,
            "Expected both inputs to be Half, Float or Double tensors but got "
            f"{scalar_type_name(real.dtype)} and {scalar_type_name(imag.dtype)}",
        )
    if real.dtype is not imag.dtype:
        fail(
            RuntimeError,
            f"Expected object of scalar type {scalar_type_name(real.dtype)} but got scalar type "
            f"{scalar_type_name(imag.dtype)} for second argument",
        )
    return p.Complex(*broadcast_all(real, imag))


@op()
def polar(abs: Tensor, angle: Tensor) -> Tensor:
    """abs * exp(1j * angle).

    Shapes: any that broadcast together.
    Errors: RuntimeError unless both are of one floating-point dtype.

    >>> import alight as torch
    >>> torch.polar(torch.tensor([2.]), torch.tensor([0.]))
    tensor([2.+0.j])
    """
    if any(category(one.dtype) != 2 or one.dtype is bfloat16 for one in (abs, angle)):
        fail(
            RuntimeError,
            f"Expected both inputs to be Half, Float or Double tensors but got {scalar_type_name(abs.dtype)} and "
            f"{scalar_type_name(angle.dtype)}",
        )
    if abs.dtype is not angle.dtype:
        fail(
            RuntimeError,
            f"Expected object of scalar type {scalar_type_name(abs.dtype)} but got scalar type "
            f"{scalar_type_name(angle.dtype)} for second argument",
        )
    if abs.dtype is float16:
        fail(NotImplementedError, "\"polar_cpu\" not implemented for 'Half'", try_="abs.float()")
    size, phase = broadcast_all(abs, angle)
    return p.Complex(size * p.Cos(phase), size * p.Sin(phase))


@op()
def view_as_real(input: Tensor) -> Tensor:
    """The real and imaginary parts along a new last dimension of extent 2.

    Shapes: any shape s; the result has (*s, 2).
    Errors: RuntimeError for real input.
    Differs: a copy, not a view.

    >>> import alight as torch
    >>> torch.view_as_real(torch.tensor([1 + 2j]))
    tensor([[1., 2.]])
    """
    if not input.dtype.is_complex:
        fail(RuntimeError, "view_as_real is only supported for complex tensors")
    parts = (p.Reshape(part, shape=(*input.shape, 1)) for part in (p.Real(input), p.Imag(input)))
    return p.Concat(*parts, axis=input.ndim)


@op()
def view_as_complex(input: Tensor) -> Tensor:
    """Complex numbers from real and imaginary parts along the last dimension, of extent 2.

    Shapes: (*s, 2); the result has s.
    Errors: RuntimeError for a last dimension that is not of extent 2, and for whole numbers.
    Differs: a copy, not a view.

    >>> import alight as torch
    >>> torch.view_as_complex(torch.tensor([[1., 2.]]))
    tensor([1.+2.j])
    """
    if category(input.dtype) != 2:
        fail(
            RuntimeError,
            "view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: "
            f"{scalar_type_name(input.dtype)}",
        )
    if input.ndim == 0:
        fail(RuntimeError, "Input tensor must have one or more dimensions")
    if input.shape[-1] != 2:
        fail(RuntimeError, "Tensor must have a last dimension of size 2")
    lead = input.shape[:-1]
    steps = (1,) * input.ndim
    first = p.Slice(input, starts=(0,) * input.ndim, stops=(*lead, 1), steps=steps)
    second = p.Slice(input, starts=(*(0 for _ in lead), 1), stops=(*lead, 2), steps=steps)
    return p.Complex(p.Reshape(first, shape=lead), p.Reshape(second, shape=lead))


@function()
def is_complex(input: object) -> bool:
    """Whether the dtype is complex.

    Shapes: any.

    >>> import alight as torch
    >>> torch.is_complex(torch.tensor([1j]))
    True
    """
    return input.is_complex()  # type: ignore[attr-defined]


@function()
def is_floating_point(input: object) -> bool:
    """Whether the dtype is a floating-point one.

    Shapes: any.

    >>> import alight as torch
    >>> torch.is_floating_point(torch.tensor([1.]))
    True
    """
    return input.is_floating_point()  # type: ignore[attr-defined]


__all__ = [
    "angle",
    "complex_",
    "conj",
    "constant",
    "imag",
    "polar",
    "real",
    "view_as_complex",
    "view_as_real",
]
