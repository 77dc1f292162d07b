"""The `out=` argument: the result of an operation goes into a tensor that the caller gives.

An operation says what may be given with `@op(out=...)`, by words:

    cast    (also for True) a dtype that the result can be cast to
    any     every dtype
    dtype   every dtype, which the elements are converted to before; one that dtype= names must be it
    same    the result's dtype alone; "match" and "object" are the same with another sentence of PyTorch's
    apart   memory that no argument has; otherwise an argument's own memory will do, but not memory beside it
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from alight.dtypes import category
from alight.errors import fail
from alight.ops.arguments import scalar_type_name
from alight.record.owners import root_of
from alight.record.recorder import thread
from alight.record.views import OVERLAP

_C_NAMES = {
    "float32": "float", "float64": "double", "int64": "long int", "int32": "int", "int16": "short int", "int8": "signed char",
    "uint8": "unsigned char", "bool": "bool", "float16": "c10::Half", "bfloat16": "c10::BFloat16",
    "complex64": "c10::complex<float>", "complex128": "c10::complex<double>",
}  # fmt: skip
_SENTENCES = {
    "same": "Expected out tensor to have dtype {c_result}, but got {c_out} instead",
    "dtype": "Expected out tensor to have dtype {c_result}, but got {c_out} instead",
    "match": "Expected the dtype for input and out to match, but got {result} for input's dtype and {out} for out's dtype.",
    "object": "Expected object of scalar type {result} but got scalar type {out} for argument 'out'",
}


def write_out(
    out: Any, result: Any, allowed: str | bool = True, inputs: Sequence[Any] = (), name: str = ""
) -> Any:
    """Store the result of operation `name` into the tensor (or tensors) that the user gave as `out=`."""
    words = str(allowed).split()
    if isinstance(result, tuple):
        made = tuple(
            _write(one, part, words, inputs) for one, part in zip(out, result, strict=True)
        )
        return type(result)(*made) if hasattr(result, "_fields") else made
    _refuse_gradients(name, out, result)
    return _write(out, result, words, inputs)


def _write(out: Any, result: Any, words: Sequence[str], inputs: Sequence[Any]) -> Any:
    _check_dtype(out, result, words)
    if any(stride == 0 and size > 1 for stride, size in zip(out.stride(), out.shape, strict=True)):
        fail(RuntimeError, OVERLAP)
    grows = out.shape != result.shape  # to where PyTorch's memory may reach is not known
    _check_overlap(out, inputs, "apart" in words, grows)
    if grows:
        out.resize_(result.shape)
    return out.copy_(result)


def _refuse_gradients(name: str, out: Any, result: Any) -> None:
    if thread.recorder.grad_enabled and (result.requires_grad or out.requires_grad):
        fail(
            RuntimeError,
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the arguments "
            "requires grad.",
            try_="the form without out=, or with torch.no_grad():",
        )


def _check_dtype(out: Any, result: Any, words: Sequence[str]) -> None:
    if out.dtype is result.dtype or "any" in words:
        return
    names = {"result": scalar_type_name(result.dtype), "out": scalar_type_name(out.dtype)}
    for word, sentence in _SENTENCES.items():
        if word in words:
            c_names = {
                f"c_{key}": _C_NAMES[one.dtype.name]
                for key, one in (("result", result), ("out", out))
            }
            fail(RuntimeError, sentence.format(**names, **c_names))
    if category(result.dtype) > category(out.dtype):
        fail(
            RuntimeError,
            f"result type {names['result']} can't be cast to the desired output type {names['out']}",
            try_=f"out=torch.empty(0, dtype={result.dtype!r})",
        )


def _check_overlap(out: Any, inputs: Iterable[Any], apart: bool, grows: bool) -> None:
    """PyTorch's error where an argument lies in the memory that is written."""
    for one in inputs:
        if one is out:
            if apart:
                break
        elif hasattr(one, "_slot") and root_of(one) is root_of(out):
            if grows and apart:
                break
            first, second = _extent(one), _extent(out)
            if None in (first, second) or (first == second and not apart):
                continue
            if first[0] < second[1] and second[0] < first[1]:  # type: ignore[index]
                break
    else:
        return
    fail(
        RuntimeError,
        "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory "
        "location. Please clone() the tensor before performing the operation.",
    )


def _extent(tensor: Any) -> tuple[int, int] | None:
    """The places in its memory that a tensor covers, from and up to; None where it leaves gaps, or has no elements."""
    shape, strides = tensor.shape, tensor.stride()
    last = sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if not tensor.numel() or last + 1 != tensor.numel():
        return None
    start = tensor.storage_offset()
    return start, start + tensor.numel()
