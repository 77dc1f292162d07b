"""Tensors whose elements follow from their places: `arange`, `linspace`, `logspace`, `eye`."""

from __future__ import annotations

import math
from typing import Any

from alight import primitives as p
from alight.device import CPU
from alight.dtypes import BY_NAME, category, float32, int64
from alight.dtypes import dtype as Dtype
from alight.errors import fail
from alight.ir.program import Value
from alight.ops.arguments import as_dtype
from alight.ops.creation import default_dtype, into, leaf, resolve_device
from alight.ops.operation import function, op
from alight.ops.sizes import is_whole, refuse_combination, whole_number
from alight.primitives.arithmetic import broadcast, where
from alight.tensor import Tensor

Scalar = Any


@op(functions="")
def _ramp(start: Scalar, step: Scalar, length: int, dtype: Any) -> Value:
    """start, start + step, ..."""
    of = (
        dtype
        if category(dtype) > 1 and dtype.itemsize == 8
        else BY_NAME["float64" if category(dtype) > 1 else "int64"]
    )
    counter = p.Iota(shape=(length,), axis=0, dtype=of, device=CPU)
    return p.Convert(counter * p.Convert(step, dtype=of) + p.Convert(start, dtype=of), dtype=dtype)


@function()
def arange(
    start: Any = None, end: Any = None, step: Any = 1, *, dtype: Dtype | None = None, device: Any = None,
    requires_grad: bool = False, out: Any = None, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """start, start + step, ... below end.

    Shapes: (n,), with n = ceil((end - start) / step).
    Errors: ValueError for step 0, and for an end on the other side.

    >>> import alight as torch
    >>> torch.arange(3), torch.arange(1, 2.5, 0.5)
    (tensor([0, 1, 2]), tensor([1.0000, 1.5000, 2.0000]))
    """
    if end is None:
        if start is None:
            refuse_combination("arange", forms=("arange(end)", "arange(start, end, step=1)"))
        start, end = 0, start
    elif start is None:
        start = 0
    if dtype is None and device is None and out is None and not requires_grad:
        whole = start.__class__ is int and end.__class__ is int and step.__class__ is int
        if whole and step == 1 and start <= end:
            return _ramp.function(start, 1, end - start, int64)
    start, end, step = (one.item() if hasattr(one, "item") else one for one in (start, end, step))
    start, end, step = (int(one) if isinstance(one, bool) else one for one in (start, end, step))
    dtype = as_dtype("arange", dtype)
    if dtype is None and out is not None:
        dtype = out.dtype
    if dtype is None:
        dtype = (
            default_dtype() if any(isinstance(one, float) for one in (start, end, step)) else int64
        )
    _check_range(start, end, step)
    if (
        category(dtype) < 2 and int(step) == 0 and step
    ):  # PyTorch rounds the step of an integer `out`
        fail(ValueError, "step must be nonzero")
    if dtype is int64:  # PyTorch counts these in whole numbers, other integer dtypes in float64
        start, end, step = int(start), int(end), int(step)
    length = math.ceil((end - start) / step)
    if category(dtype) < 2:
        start, step = int(start), int(step)
    return _placed(into(out, _ramp(start, step, length, dtype)), device, requires_grad)


def _check_range(start: Any, end: Any, step: Any) -> None:
    if step == 0:
        fail(RuntimeError, "step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        fail(RuntimeError, f"unsupported range: {start} -> {end}")
    if (end - start) * step < 0:
        fail(
            RuntimeError,
            "upper bound and lower bound inconsistent with step sign",
            facts=[f"from {start} to {end} by {step}"],
            try_=f"step {-step}",
        )


def _placed(made: Tensor, device: Any, requires_grad: bool) -> Tensor:
    where = resolve_device(device)
    if where != CPU:
        made = made.to(device=where)
    return leaf(made.detach()) if requires_grad else made


@op(functions="")
def _between(start: Scalar, end: Scalar, steps: int, dtype: Any) -> Value:
    """`steps` numbers from start to end; counted from the nearer end, as PyTorch does."""
    of = BY_NAME["float64"] if category(dtype) < 2 or dtype.itemsize >= 8 else float32
    low, high = p.Convert(start, dtype=of), p.Convert(end, dtype=of)
    counter = p.Iota(shape=(steps,), axis=0, dtype=of, device=CPU)
    if steps == 1:
        return p.Convert(broadcast(low, (1,)), dtype=dtype)
    step = (high - low) / (steps - 1)
    # In float64, for PyTorch multiplies and adds with one rounding.
    low, high, step, counter = (
        p.Convert(x, dtype=BY_NAME["float64"]) for x in (low, high, step, counter)
    )
    values = where(
        counter < steps // 2, low + step * counter, high - step * ((steps - 1) - counter)
    )
    return p.Convert(p.Convert(values, dtype=of), dtype=dtype)


@function()
def linspace(
    start: Any, end: Any, steps: int, *, dtype: Dtype | None = None, device: Any = None, requires_grad: bool = False,
    out: Any = None, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """`steps` numbers from start to end, both included.

    Shapes: (steps,).
    Errors: RuntimeError for negative `steps`.

    >>> import alight as torch
    >>> torch.linspace(0, 1, 3)
    tensor([0.0000, 0.5000, 1.0000])
    """
    start, end = _ends("linspace", start, end, steps)
    of = as_dtype("linspace", dtype) or (default_dtype() if out is None else out.dtype)
    if category(of) < 2:
        start, end = float(int(start)), float(int(end))
    return _placed(into(out, _between(start, end, steps, of)), device, requires_grad)


def _ends(name: str, start: Any, end: Any, steps: Any) -> tuple[float, float]:
    """The ends as numbers, checked."""
    numbers = all(
        isinstance(one, (int, float, complex)) or hasattr(one, "item") for one in (start, end)
    )
    if not (numbers and is_whole(steps)):
        refuse_combination(
            name, start, end, steps, forms=(f"{name}(start, end, steps), steps an int",)
        )
    if steps < 0:
        fail(RuntimeError, "number of steps must be non-negative")
    dims = [getattr(one, "ndim", 0) for one in (start, end)]
    if any(dims):
        fail(
            RuntimeError,
            f"{name} only supports 0-dimensional start and end tensors, but got start with {dims[0]} dimension(s) and end "
            f"with {dims[1]} dimension(s).",
        )
    first, last = (float(one.item() if hasattr(one, "item") else one) for one in (start, end))
    return first, last


@function()
def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: Dtype | None = None, device: Any = None,
    requires_grad: bool = False, out: Any = None,
) -> Tensor:  # fmt: skip
    """base ** linspace(start, end, steps).

    Shapes: (steps,).
    Errors: RuntimeError for negative `steps`.

    >>> import alight as torch
    >>> torch.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    start, end = _ends("logspace", start, end, steps)
    of = as_dtype("linspace", dtype) or (default_dtype() if out is None else out.dtype)
    if category(of) < 2:
        start, end = float(int(start)), float(int(end))
    exponents = linspace(start, end, steps, dtype=BY_NAME["float64"])
    return _placed(into(out, (base**exponents).to(of)), device, requires_grad)


@op(functions="")
def _eye(n: int, m: int, dtype: Any) -> Value:
    """Ones where row and column agree."""
    rows = p.Iota(shape=(n, m), axis=0, dtype=int64, device=CPU)
    columns = p.Iota(shape=(n, m), axis=1, dtype=int64, device=CPU)
    return p.Convert(p.Equal(rows, columns), dtype=dtype)


@function()
def eye(
    n: int, m: int | None = None, *, dtype: Dtype | None = None, device: Any = None, requires_grad: bool = False,
    out: Any = None, layout: Any = None,
) -> Tensor:  # fmt: skip
    """The n by m matrix with ones on the diagonal.

    Shapes: (n, m); (n, n) without m.
    Errors: RuntimeError for negative extents.

    >>> import alight as torch
    >>> torch.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    n = whole_number("eye", "n", 1, n)
    if m is not None and not is_whole(m):
        refuse_combination("eye", n, m, forms=("eye(n)", "eye(n, m)"))
    columns = n if m is None else int(m)
    for name, extent in (("n", n), ("m", columns)):
        if extent < 0:
            fail(RuntimeError, f"{name} must be greater or equal to 0, got {extent}")
    return _placed(
        into(out, _eye(n, columns, as_dtype("eye", dtype) or default_dtype())),
        device,
        requires_grad,
    )
