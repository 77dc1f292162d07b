"""One row runs under alight and under PyTorch: results, dtypes, first and second gradients, or the error."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch

import alight

TOLERANCE = {"float64": 1e-9, "float32": 2e-5, "float16": 4e-3, "bfloat16": 3e-2}


def floats(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0) -> np.ndarray:
    """Float64 numbers between low and high."""
    return np.random.default_rng(seed + sum(shape)).uniform(low, high, shape)


def ints(*shape: int, high: int, seed: int = 0) -> np.ndarray:
    """Whole numbers below high."""
    return np.random.default_rng(seed + sum(shape)).integers(0, high, shape)


def given(library: Any, arrays: Any, dtype: str) -> list[Any]:
    """Arrays as tensors: floats of `dtype` that require a gradient, the rest as they are."""
    made = []
    for array in arrays:
        if isinstance(array, np.ndarray) and array.dtype.kind == "f":
            made.append(
                library.tensor(array.tolist(), dtype=getattr(library, dtype), requires_grad=True)
            )
        elif isinstance(array, np.ndarray):
            made.append(library.tensor(array.tolist(), dtype=getattr(library, str(array.dtype))))
        else:
            made.append(array)
    return made


def results(library: Any, call: Any, arrays: Any, dtype: str, order: int = 1) -> list[Any]:
    """What the call gives, and the gradients of its first tensor's weighted sum."""
    tensors = given(library, arrays, dtype)
    out = call(library.nn.functional, *tensors)
    outs = list(out) if isinstance(out, (tuple, list)) else [out]
    found = [plain(one) for one in outs]
    first = outs[0]
    leaves = [one for one in tensors if getattr(one, "requires_grad", False)]
    if not order or not first.requires_grad or not leaves:
        return found
    total = (first * weights(library, first)).sum()
    grads = library.autograd.grad(total, leaves, allow_unused=True, create_graph=order > 1)
    found.extend(plain(grad) for grad in grads)
    if order > 1:
        again = [grad for grad in grads if grad is not None and grad.requires_grad]
        grads = [None] * len(leaves)
        if again:
            total = again[0].sum() * 0
            for grad in again:
                total = total + (grad * weights(library, grad)).sum()
            grads = library.autograd.grad(total, leaves, allow_unused=True)
        found.extend(zeros_for_none(grad, leaf) for grad, leaf in zip(grads, leaves, strict=True))
    return found


def zeros_for_none(grad: Any, leaf: Any) -> Any:
    """A second gradient that is not there stands for zeros."""
    missing = grad is None or getattr(grad, "_is_zerotensor", bool)()
    return plain(leaf.detach() * 0) if missing else plain(grad)


def weights(library: Any, like: Any) -> Any:
    """Fixed numbers of the shape of `like`."""
    numbers = np.cos(np.arange(like.numel(), dtype=np.float64)).reshape(tuple(like.shape)) + 0.5
    return library.tensor(numbers.tolist(), dtype=like.dtype)


def plain(value: Any) -> Any:
    """A tensor as (dtype, array)."""
    if value is None:
        return None
    if isinstance(value, (alight.Tensor, torch.Tensor)):
        name = repr(value.dtype).removeprefix("torch.")
        return name, np.array(value.detach().tolist(), dtype=np.float64).reshape(tuple(value.shape))
    return value


def check(
    call: Any, arrays: Any, dtype: str = "float64", order: int = 1, tolerance: float | None = None
) -> None:
    """Assert that a call gives the same under both libraries."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = results(alight, call, arrays, dtype, order)
        theirs = results(torch, call, arrays, dtype, order)
    assert len(ours) == len(theirs)
    limit = TOLERANCE[dtype] if tolerance is None else tolerance
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        assert (a is None) == (b is None), f"result {i}: {a} against {b}"
        if a is None or not isinstance(a, tuple):
            continue
        assert a[0] == b[0], f"result {i}: dtype {a[0]} against {b[0]}"
        assert a[1].shape == b[1].shape, f"result {i}: shape {a[1].shape} against {b[1].shape}"
        np.testing.assert_allclose(a[1], b[1], rtol=limit, atol=limit, err_msg=f"result {i}")


def check_error(call: Any, arrays: Any, dtype: str = "float32") -> None:
    """Assert that both libraries raise the same type with the same first line."""

    def error(library: Any) -> tuple[str, str]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                out = call(library.nn.functional, *given(library, arrays, dtype))
                (out[0] if isinstance(out, tuple) else out).tolist()
        except Exception as raised:
            return type(raised).__name__, str(raised).split("\n")[0]
        return "none", ""

    assert error(alight) == error(torch)
