"""torch.fft: discrete Fourier transforms over one, two or all dimensions, and what stands beside them.

Each transform trims or pads its dimensions with zeros first. `norm` says which direction divides by the number of
points: "backward" (the inverse one, the default), "forward", or "ortho" (both by its square root).
"""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.dtypes import category
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import default_dtype, normalize_dim, scalar_type_name
from alight.ops.operation import function, op
from alight.ops.rearrange import rolled

Dims = Any
_NORMS = (None, "backward", "forward", "ortho")
_SWAPPED = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


# -- arguments ---------------------------------------------------------------------------------------------------------


def _norm(norm: Any) -> str:
    if norm not in _NORMS:
        fail(
            RuntimeError,
            f'Invalid normalization mode: "{norm}"',
            try_='"backward", "forward" or "ortho"',
        )
    return norm or "backward"


def _real(name: str, x: Tensor) -> Tensor:
    if x.dtype.is_complex:
        of = scalar_type_name(x.dtype)
        fail(
            RuntimeError,
            f"{name} expects a real input tensor, but got {of}",
            try_=f"torch.fft.{'ihfft' if 'ihfft' in name else 'fft'} of complex input, or input.real",
        )
    return _precise(p.Convert(x, dtype=default_dtype()) if category(x.dtype) < 2 else x)


def _complex(x: Tensor) -> Tensor:
    if category(x.dtype) < 2:
        x = p.Convert(x, dtype=default_dtype())
    return _precise(x) if x.dtype.is_complex else p.Convert(_precise(x), dtype=x.dtype.to_complex())


def _precise(x: Tensor) -> Tensor:
    if x.dtype.name in ("float16", "bfloat16"):
        fail(RuntimeError, f"Unsupported dtype {scalar_type_name(x.dtype)}", try_=".float() first")
    return x


def _axis(x: Tensor, dim: int) -> int:
    return normalize_dim(dim, x.ndim, wrap_scalar=False)


def _axes_and_sizes(x: Tensor, s: Any, dim: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The dimensions to transform and their extents."""
    s = (s,) if isinstance(s, int) else s
    dim = (dim,) if isinstance(dim, int) else dim
    if dim is None:
        if s is not None and len(s) > x.ndim:
            fail(
                RuntimeError,
                f"Got shape with {len(s)} values but input tensor only has {x.ndim} dimensions.",
            )
        axes = tuple(range(x.ndim))[x.ndim - len(s) :] if s is not None else tuple(range(x.ndim))
    else:
        axes = tuple(_axis(x, one) for one in dim)
        if len(set(axes)) != len(axes):
            fail(RuntimeError, "FFT dims must be unique", facts=[f"dim is {list(dim)}"])
        if s is not None and len(s) != len(dim):
            fail(
                RuntimeError,
                "When given, dim and shape arguments must have the same length",
                facts=[f"dim is {list(dim)}, s is {list(s)}"],
            )
    given = s if s is not None else (-1,) * len(axes)
    sizes = tuple(x.shape[a] if n == -1 else n for a, n in zip(axes, given, strict=True))
    for size in sizes:
        _positive(size)
    return axes, sizes


def _positive(size: int) -> None:
    if size < 1:
        fail(RuntimeError, f"Invalid number of data points ({size}) specified")


def _resized(x: Tensor, axes: tuple[int, ...], sizes: tuple[int, ...]) -> Tensor:
    """x trimmed, or padded with zeros, at the end of each axis."""
    stops, high = list(x.shape), [0] * x.ndim
    for axis, size in zip(axes, sizes, strict=True):
        stops[axis], high[axis] = min(size, x.shape[axis]), max(size - x.shape[axis], 0)
    if tuple(stops) != x.shape:
        x = p.Slice(x, starts=(0,) * x.ndim, stops=tuple(stops), steps=(1,) * x.ndim)
    return p.Pad(x, low=(0,) * x.ndim, high=tuple(high)) if any(high) else x


# -- the transforms over given axes ------------------------------------------------------------------------------------


def _c2c(x: Tensor, s: Any, dim: Any, norm: Any, inverse: bool) -> Tensor:
    x, norm = _complex(x), _norm(norm)
    axes, sizes = _axes_and_sizes(x, s, dim)
    if not axes:
        return x
    return p.Fft(_resized(x, axes, sizes), axes=axes, inverse=inverse, norm=norm)


def _r2c(name: str, x: Tensor, s: Any, dim: Any, norm: Any) -> Tensor:
    x, norm = _real(name, x), _norm(norm)
    axes, sizes = _axes_and_sizes(x, s, dim)
    _some(name, axes)
    return p.Rfft(_resized(x, axes, sizes), axes=axes, norm=norm)


def _c2r(name: str, x: Tensor, s: Any, dim: Any, norm: Any) -> Tensor:
    x, norm = _complex(x), _norm(norm)
    axes, sizes = _axes_and_sizes(x, s, dim)
    _some(name, axes)
    last = s[-1] if isinstance(s, tuple) else s
    size = sizes[-1] if last not in (None, -1) else 2 * (x.shape[axes[-1]] - 1)
    _positive(size)
    return p.Irfft(_resized(x, axes, (*sizes[:-1], size // 2 + 1)), axes=axes, size=size, norm=norm)


def _some(name: str, axes: tuple[int, ...]) -> None:
    if not axes:
        fail(RuntimeError, f"{name} must transform at least one axis")


def _hermitian(name: str, x: Tensor, s: Any, dim: Any, norm: Any) -> Tensor:
    """The real transform of half of a Hermitian signal: the inverse one of its conjugate."""
    return _c2r(name, p.Conj(_complex(x)), s, dim, _SWAPPED[_norm(norm)])


def _half_spectrum(name: str, x: Tensor, s: Any, dim: Any, norm: Any) -> Tensor:
    """The inverse of `_hermitian`."""
    return p.Conj(_r2c(name, x, s, dim, _SWAPPED[_norm(norm)]))


# -- one dimension -----------------------------------------------------------------------------------------------------


@op(fft="fft")
def fft(input: Tensor, n: int | None = None, dim: int = -1, norm: Any = None) -> Tensor:
    """The discrete Fourier transform along `dim`, of n points.

    Shapes: any but (); `dim` becomes n long.
    Errors: RuntimeError for n < 1, IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.fft.fft(torch.tensor([0., 1., 0., 0.]))
    tensor([ 1.+0.j,  0.-1.j, -1.+0.j,  0.+1.j])
    """
    return _c2c(input, _one(n), dim, norm, False)


def _one(n: int | None) -> tuple[int] | None:
    if n is None:
        return None
    _positive(n)
    return (n,)


@op(fft="ifft")
def ifft(input: Tensor, n: int | None = None, dim: int = -1, norm: Any = None) -> Tensor:
    """The inverse of `fft`.

    Shapes: any but (); `dim` becomes n long.
    Errors: RuntimeError for n < 1, IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.fft.ifft(torch.tensor([4., 0., 0., 0.])).real
    tensor([1., 1., 1., 1.])
    """
    return _c2c(input, _one(n), dim, norm, True)


@op(fft="rfft")
def rfft(input: Tensor, n: int | None = None, dim: int = -1, norm: Any = None) -> Tensor:
    """The transform of real input, without the half that symmetry gives: n // 2 + 1 numbers.

    Shapes: any but (); `dim` becomes n // 2 + 1 long.
    Errors: RuntimeError for complex input and n < 1.

    >>> import alight as torch
    >>> torch.fft.rfft(torch.tensor([0., 1., 0., 0.]))
    tensor([ 1.+0.j,  0.-1.j, -1.+0.j])
    """
    return _r2c("rfft", input, _one(n), dim, norm)


@op(fft="irfft")
def irfft(input: Tensor, n: int | None = None, dim: int = -1, norm: Any = None) -> Tensor:
    """The inverse of `rfft`: n real numbers, 2 * (size - 1) of them if n is left out.

    Shapes: any but (); `dim` becomes n long.
    Errors: RuntimeError for n < 1, IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.fft.irfft(torch.tensor([4., 0., 0.]))
    tensor([1., 1., 1., 1.])
    """
    return _c2r("irfft", input, _one(n), dim, norm)


@op(fft="hfft")
def hfft(input: Tensor, n: int | None = None, dim: int = -1, norm: Any = None) -> Tensor:
    """The real transform of a Hermitian signal, of which `input` is one half.

    Shapes: any but (); `dim` becomes n long, 2 * (size - 1) if n is left out.
    Errors: RuntimeError for n < 1.

    >>> import alight as torch
    >>> torch.fft.hfft(torch.tensor([1., 2., 1.]))
    tensor([ 6.,  0., -2.,  0.])
    """
    return _hermitian("hfft", input, _one(n), dim, norm)


@op(fft="ihfft")
def ihfft(input: Tensor, n: int | None = None, dim: int = -1, norm: Any = None) -> Tensor:
    """The inverse of `hfft`: half of a Hermitian signal.

    Shapes: any but (); `dim` becomes n // 2 + 1 long.
    Errors: RuntimeError for complex input and n < 1.

    >>> import alight as torch
    >>> torch.fft.ihfft(torch.tensor([4., 0., 0., 0.]))
    tensor([1.-0.j, 1.-0.j, 1.-0.j])
    """
    return _half_spectrum("ihfft", input, _one(n), dim, norm)


# -- two dimensions ----------------------------------------------------------------------------------------------------


@op(fft="fft2")
def fft2(input: Tensor, s: Dims = None, dim: Dims = (-2, -1), norm: Any = None) -> Tensor:
    """The transform over two dimensions, the last ones if left out.

    Shapes: any of two dimensions or more; `s` says their new extents.
    Errors: RuntimeError for extents below 1, IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.fft.fft2(torch.ones(2, 2))
    tensor([[4.+0.j, 0.+0.j],
            [0.+0.j, 0.+0.j]])
    """
    return _c2c(input, s, dim, norm, False)


@op(fft="ifft2")
def ifft2(input: Tensor, s: Dims = None, dim: Dims = (-2, -1), norm: Any = None) -> Tensor:
    """The inverse of `fft2`.

    Shapes: any of two dimensions or more; `s` says their new extents.
    Errors: RuntimeError for extents below 1, IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.fft.ifft2(torch.tensor([[4., 0.], [0., 0.]]))
    tensor([[1.+0.j, 1.+0.j],
            [1.+0.j, 1.+0.j]])
    """
    return _c2c(input, s, dim, norm, True)


@op(fft="rfft2")
def rfft2(input: Tensor, s: Dims = None, dim: Dims = (-2, -1), norm: Any = None) -> Tensor:
    """The transform of real input over two dimensions; the last one keeps its first half.

    Shapes: (*, m, n) gives (*, m, n // 2 + 1).
    Errors: RuntimeError for complex input and extents below 1.

    >>> import alight as torch
    >>> torch.fft.rfft2(torch.ones(2, 4))
    tensor([[8.+0.j, 0.+0.j, 0.+0.j],
            [0.+0.j, 0.+0.j, 0.+0.j]])
    """
    return _r2c("rfft2", input, s, dim, norm)


@op(fft="irfft2")
def irfft2(input: Tensor, s: Dims = None, dim: Dims = (-2, -1), norm: Any = None) -> Tensor:
    """The inverse of `rfft2`.

    Shapes: (*, m, k) gives (*, m, n), with n = 2 * (k - 1) unless `s` says it.
    Errors: RuntimeError for extents below 1.

    >>> import alight as torch
    >>> torch.fft.irfft2(torch.tensor([[4., 0.], [0., 0.]]))
    tensor([[1., 1.],
            [1., 1.]])
    """
    return _c2r("irfft2", input, s, dim, norm)


@op(fft="hfft2")
def hfft2(input: Tensor, s: Dims = None, dim: Dims = (-2, -1), norm: Any = None) -> Tensor:
    """`hfft` over two dimensions; the last one holds half of the signal.

    Shapes: (*, m, k) gives (*, m, n), with n = 2 * (k - 1) unless `s` says it.
    Errors: RuntimeError for extents below 1.

    >>> import alight as torch
    >>> torch.fft.hfft2(torch.ones(2, 2))
    tensor([[4., 0.],
            [0., 0.]])
    """
    return _hermitian("hfft2", input, s, dim, norm)


@op(fft="ihfft2")
def ihfft2(input: Tensor, s: Dims = None, dim: Dims = (-2, -1), norm: Any = None) -> Tensor:
    """The inverse of `hfft2`.

    Shapes: (*, m, n) gives (*, m, n // 2 + 1).
    Errors: RuntimeError for complex input and extents below 1.

    >>> import alight as torch
    >>> torch.fft.ihfft2(torch.ones(2, 2)).real
    tensor([[1., 0.],
            [0., 0.]])
    """
    return _half_spectrum("ihfft2", input, s, dim, norm)


# -- any number of dimensions ------------------------------------------------------------------------------------------


@op(fft="fftn")
def fftn(input: Tensor, s: Dims = None, dim: Dims = None, norm: Any = None) -> Tensor:
    """The transform over several dimensions, all if left out.

    Shapes: any; `s` says the new extents of `dim`.
    Errors: RuntimeError for extents below 1, IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.fft.fftn(torch.ones(2, 2))
    tensor([[4.+0.j, 0.+0.j],
            [0.+0.j, 0.+0.j]])
    """
    return _c2c(input, s, dim, norm, False)


@op(fft="ifftn")
def ifftn(input: Tensor, s: Dims = None, dim: Dims = None, norm: Any = None) -> Tensor:
    """The inverse of `fftn`.

    Shapes: any; `s` says the new extents of `dim`.
    Errors: RuntimeError for extents below 1, IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.fft.ifftn(torch.tensor([[4., 0.], [0., 0.]]))
    tensor([[1.+0.j, 1.+0.j],
            [1.+0.j, 1.+0.j]])
    """
    return _c2c(input, s, dim, norm, True)


@op(fft="rfftn")
def rfftn(input: Tensor, s: Dims = None, dim: Dims = None, norm: Any = None) -> Tensor:
    """The transform of real input over several dimensions; the last one keeps its first half.

    Shapes: any but (); the last of `dim`, n long, becomes n // 2 + 1 long.
    Errors: RuntimeError for complex input and extents below 1.

    >>> import alight as torch
    >>> torch.fft.rfftn(torch.ones(2, 4))
    tensor([[8.+0.j, 0.+0.j, 0.+0.j],
            [0.+0.j, 0.+0.j, 0.+0.j]])
    """
    return _r2c("rfftn", input, s, dim, norm)


@op(fft="irfftn")
def irfftn(input: Tensor, s: Dims = None, dim: Dims = None, norm: Any = None) -> Tensor:
    """The inverse of `rfftn`.

    Shapes: any but (); the last of `dim`, k long, becomes 2 * (k - 1) long unless `s` says it.
    Errors: RuntimeError for extents below 1.

    >>> import alight as torch
    >>> torch.fft.irfftn(torch.tensor([[4., 0.], [0., 0.]]))
    tensor([[1., 1.],
            [1., 1.]])
    """
    return _c2r("irfftn", input, s, dim, norm)


@op(fft="hfftn")
def hfftn(input: Tensor, s: Dims = None, dim: Dims = None, norm: Any = None) -> Tensor:
    """`hfft` over several dimensions; the last one holds half of the signal.

    Shapes: any but (); the last of `dim`, k long, becomes 2 * (k - 1) long unless `s` says it.
    Errors: RuntimeError for extents below 1.

    >>> import alight as torch
    >>> torch.fft.hfftn(torch.ones(2, 2))
    tensor([[4., 0.],
            [0., 0.]])
    """
    return _hermitian("hfftn", input, s, dim, norm)


@op(fft="ihfftn")
def ihfftn(input: Tensor, s: Dims = None, dim: Dims = None, norm: Any = None) -> Tensor:
    """The inverse of `hfftn`.

    Shapes: any but (); the last of `dim`, n long, becomes n // 2 + 1 long.
    Errors: RuntimeError for complex input and extents below 1.

    >>> import alight as torch
    >>> torch.fft.ihfftn(torch.ones(2, 2)).real
    tensor([[1., 0.],
            [0., 0.]])
    """
    return _half_spectrum("ihfftn", input, s, dim, norm)


# -- frequencies and order ---------------------------------------------------------------------------------------------


@function(fft="fftfreq")
def fftfreq(
    n: int, d: float = 1.0, *, out: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, layout: Any = None,
) -> Any:  # fmt: skip
    """The frequencies that belong to the places of `fft`, for samples d apart.

    Shapes: (n,).

    >>> import alight as torch
    >>> torch.fft.fftfreq(5)
    tensor([ 0.0000,  0.2000,  0.4000, -0.4000, -0.2000])
    """
    from alight.ops.joining import cat

    front = _range(0, (n + 1) // 2, dtype, device)
    whole = cat([front, _range(-(n // 2), 0, dtype, device)])
    return _frequencies(whole, n, d, out, requires_grad)


@function(fft="rfftfreq")
def rfftfreq(
    n: int, d: float = 1.0, *, out: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, layout: Any = None,
) -> Any:  # fmt: skip
    """The frequencies that belong to the places of `rfft`, for samples d apart.

    Shapes: (n // 2 + 1,).

    >>> import alight as torch
    >>> torch.fft.rfftfreq(4)
    tensor([0.0000, 0.2500, 0.5000])
    """
    return _frequencies(_range(0, n // 2 + 1, dtype, device), n, d, out, requires_grad)


def _range(start: int, stop: int, dtype: Any, device: Any) -> Any:
    from alight.ops.ranges import arange

    return arange(start, stop, dtype=dtype or default_dtype(), device=device)


def _frequencies(places: Any, n: int, d: float, out: Any, requires_grad: bool) -> Any:
    made = places * (1.0 / (n * d))
    if out is not None:
        return out.resize_(made.shape).copy_(made) if out.shape != made.shape else out.copy_(made)
    return made.requires_grad_() if requires_grad else made


@op(fft="fftshift", out=False)
def fftshift(input: Tensor, dim: Dims = None) -> Tensor:
    """The frequency 0 moved to the middle, along `dim` or all dimensions.

    Shapes: any, kept.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.fft.fftshift(torch.arange(5))
    tensor([3, 4, 0, 1, 2])
    """
    for axis in _shifted_axes(input, dim):
        input = rolled(input, input.shape[axis] // 2, axis)
    return input


@op(fft="ifftshift", out=False)
def ifftshift(input: Tensor, dim: Dims = None) -> Tensor:
    """The inverse of `fftshift`.

    Shapes: any, kept.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.fft.ifftshift(torch.tensor([3, 0, 1, 2]))
    tensor([1, 2, 3, 0])
    """
    for axis in _shifted_axes(input, dim):
        input = rolled(input, (input.shape[axis] + 1) // 2, axis)
    return input


def _shifted_axes(x: Tensor, dim: Any) -> tuple[int, ...]:
    if dim is None:
        return tuple(range(x.ndim))
    dims = (dim,) if isinstance(dim, int) else dim
    return tuple(normalize_dim(one, x.ndim) for one in dims)
