"""PyTorch's operator database as oracle: its samples and errors, run under both libraries.

In: an entry of `op_db`. Out: what went wrong in each of three aspects (values, gradients, errors), or nothing.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.testing._internal.common_methods_invocations import op_db

import alight

SAMPLES = 6  # of each dtype; the database has up to hundreds
ERROR_SAMPLES = 12
TOLERANCE = {  # (relative, absolute); reassociated float32 sums differ in the last bits
    torch.float32: (2e-4, 2e-5),
    torch.float64: (1e-7, 1e-9),
    torch.complex64: (5e-4, 5e-5),
}
ASPECTS = ("values", "gradients", "errors")


def full_name(op: Any) -> str:
    """Name of an entry, with its variant."""
    return op.name + ("." + op.variant_test_name if op.variant_test_name else "")


def our_function(name: str) -> Any:
    """What alight has under an entry's name: a function of torch, of a sub-package, or a method."""
    place: Any = alight
    for part in name.split("."):
        place = getattr(place, part, None)
        if place is None:
            return getattr(alight.Tensor, name, None)
    return place if callable(place) else None


def present() -> list[Any]:
    """Entries that alight has."""
    return [op for op in op_db if our_function(op.name) is not None]


def dtypes_of(op: Any) -> list[torch.dtype]:
    """float32 and one whole-number or bool dtype, as far as the entry takes them."""
    supported = op.supported_dtypes("cpu")
    real = [one for one in (torch.float32, torch.float64, torch.complex64) if one in supported][:1]
    whole = [one for one in (torch.int64, torch.bool) if one in supported][:1]
    return real + whole


# -- crossing over -----------------------------------------------------------------------------------------------------


def ours(value: Any) -> Any:
    """A sample's argument as alight's."""
    if isinstance(value, torch.Tensor):
        array = value.detach().resolve_conj().resolve_neg().numpy()
        tensor = alight.from_numpy(array.copy(order="K"))
        tensor = tensor if tensor.ndim else alight.tensor(array)
        return tensor.requires_grad_(value.requires_grad)
    if isinstance(value, torch.dtype):
        return getattr(alight, str(value).removeprefix("torch."))
    if isinstance(value, torch.device):
        return alight.device(str(value))
    if isinstance(value, (list, tuple)):
        made = [ours(one) for one in value]
        return tuple(made) if isinstance(value, tuple) else made
    if isinstance(value, dict):
        return {key: ours(one) for key, one in value.items()}
    if isinstance(value, (torch.memory_format, torch.layout)):
        return getattr(alight, str(value).removeprefix("torch."))
    return value


def tensors(value: Any) -> Iterator[Any]:
    """All tensors of either library in a result or a sample."""
    if isinstance(value, (torch.Tensor, alight.Tensor)):
        yield value
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from tensors(one)
    elif isinstance(value, dict):
        yield from tensors(list(value.values()))


def difference(a: Any, b: Any, of: torch.dtype) -> str:
    """How alight's result a differs from PyTorch's b; empty where it does not."""
    left, right = list(tensors(a)), list(tensors(b))
    if len(left) != len(right):
        return f"{len(left)} results instead of {len(right)}"
    if not right and a != b and not (a != a and b != b):
        return f"{a!r} instead of {b!r}"
    relative, absolute = TOLERANCE.get(of, (2e-4, 2e-5))
    for x, y in zip(left, right, strict=True):
        if repr(x.dtype) != repr(y.dtype):
            return f"dtype {x.dtype} instead of {y.dtype}"
        if tuple(x.shape) != tuple(y.shape):
            return f"shape {tuple(x.shape)} instead of {tuple(y.shape)}"
        left_array, right_array = np.asarray(x.detach().tolist()), np.asarray(y.detach().tolist())
        try:
            np.testing.assert_allclose(left_array, right_array, rtol=relative, atol=absolute)
        except AssertionError:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                worst = np.nanmax(np.abs(left_array.astype(complex) - right_array.astype(complex)))
            return f"values differ by {worst:.2g}"
    return ""


# -- the three aspects ----------------------------------------------------------------------------------------------------


def check_values(op: Any) -> str:
    """Samples of each dtype: values, dtypes and shapes."""
    function = our_function(op.name)
    for of in dtypes_of(op):
        for i, sample in enumerate(islice(op.sample_inputs("cpu", of), SAMPLES)):
            try:
                arguments = ours((sample.input, *sample.args)), ours(sample.kwargs)
                expected = op.op(sample.input, *sample.args, **sample.kwargs)
            except Exception:
                continue
            try:
                result = function(*arguments[0], **arguments[1])
                found = difference(result, expected, of)
            except Exception as error:
                found = f"{type(error).__name__}: {str(error).splitlines()[0][:120]}"
            if found:
                return f"{str(of)[6:]} sample {i}: {found}"
    return ""


def check_gradients(op: Any) -> str:
    """Gradients of the same samples with the same cotangents."""
    function = our_function(op.name)
    supported = op.supported_dtypes("cpu")
    of = torch.float64 if torch.float64 in supported else torch.float32
    if not op.supports_autograd or of not in supported:
        return ""
    for i, sample in enumerate(islice(op.sample_inputs("cpu", of, requires_grad=True), SAMPLES)):
        theirs = [t for t in tensors((sample.input, sample.args, sample.kwargs)) if t.requires_grad]
        try:
            arguments = ours((sample.input, *sample.args)), ours(sample.kwargs)
            mine = [t for t in tensors((arguments[0], arguments[1])) if t.requires_grad]
            outs = [
                t for t in tensors(op.op(sample.input, *sample.args, **sample.kwargs))
                if t.requires_grad and t.dtype == of
            ]  # fmt: skip
            if not outs or not theirs:
                continue
            generator = torch.Generator().manual_seed(i)
            cotangents = [torch.randn(out.shape, dtype=of, generator=generator) for out in outs]
            expected = torch.autograd.grad(outs, theirs, cotangents, allow_unused=True)
        except Exception:
            continue
        try:
            results = [
                t for t in tensors(function(*arguments[0], **arguments[1])) if t.requires_grad
            ]
            gradients = alight.autograd.grad(
                results, mine, [ours(c) for c in cotangents], allow_unused=True
            )
        except Exception as error:
            return f"sample {i}: {type(error).__name__}: {str(error).splitlines()[0][:120]}"
        for got, want in zip(gradients, expected, strict=True):
            if got is None and (want is None or not want.any()):
                continue
            if want is None and not got.any():
                continue
            found = "no gradient" if got is None or want is None else difference(got, want, of)
            if found:
                return f"sample {i}: {found}"
    return ""


def check_errors(op: Any) -> str:
    """Error inputs: the exception's type, and PyTorch's pattern in the message."""
    if op.error_inputs_func is None:
        return ""
    function = our_function(op.name)
    for i, case in enumerate(islice(op.error_inputs("cpu"), ERROR_SAMPLES)):
        sample = case.sample_input
        try:
            arguments = ours((sample.input, *sample.args)), ours(sample.kwargs)
        except (TypeError, AttributeError, ValueError, RuntimeError):
            continue  # a dtype or object that cannot cross over
        kind = case.error_type if isinstance(case.error_type, tuple) else (case.error_type,)
        try:
            for result in tensors(function(*arguments[0], **arguments[1])):
                result.tolist()
        except Exception as error:
            if not isinstance(error, kind):
                return f"error {i}: {type(error).__name__} instead of {kind[0].__name__}: {case.error_regex[:80]}"
            if not re.search(case.error_regex, str(error)):
                return f"error {i}: {str(error).splitlines()[0][:80]!r} does not match {case.error_regex[:80]!r}"
        else:
            return f"error {i}: none instead of {kind[0].__name__}: {case.error_regex[:80]}"
    return ""


def check(op: Any, aspect: str) -> str:
    """What is wrong in one aspect; empty if nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return {"values": check_values, "gradients": check_gradients, "errors": check_errors}[
                aspect
            ](op)
        except Exception as error:  # a value that could not be computed after all
            return f"{type(error).__name__}: {str(error).splitlines()[0][:120]}"
