"""The CPU's buffers, and programs made runnable on them by the interpreter."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from alight import dtypes
from alight.backends.interpreter.arrays import (
    ALIGHT,
    ALIGNMENT,
    Array,
    address_of,
    aligned,
    numpy_dtype,
    round_bfloat16,
)
from alight.backends.interpreter.once import run_once
from alight.backends.interpreter.parts import part_of
from alight.backends.interpreter.plan import compile_program
from alight.dtypes import bfloat16, bool_, dtype, int64, promote, uint64
from alight.errors import fail
from alight.ir.program import Program

for _kernels in (
    "structure",
    "window",
    "gather",
    "scan",
    "opaque",
    "series",
    "draw_slopes",
    "factors",
):
    if find_spec(f"alight.backends.interpreter.{_kernels}"):
        import_module(f"alight.backends.interpreter.{_kernels}")


SMALLEST, LARGEST = 1 << 10, 1 << 23  # bytes of arrays for which it matters how they are aligned


class Interpreter:
    """The backend of `device("cpu")`: see `alight.backends.base.Backend`."""

    name = "interpreter"

    def __init__(self) -> None:
        self.links: dict[Program, Any] = {}

    def interpret(self, program: Program) -> Callable[[Sequence[Any]], list[Any]]:
        """The program as a function of arrays."""
        return compile_program(program)

    def run_once(self, program: Program, inputs: Sequence[Any]) -> list[Any]:
        """The outputs of a program that will not run again."""
        return run_once(program, inputs)

    def compile(self, program: Program) -> Callable[[Sequence[Any]], list[Any]]:
        """The program as machine code on arrays; see `alight.backends.cpu`."""
        from alight.backends.cpu.threads import make_meanwhile

        make_meanwhile()
        from alight.backends.cpu.native import compiled

        return compiled(program)

    def recall(self, program: Program) -> Callable[[Sequence[Any]], list[Any]] | None:
        """The program as machine code, if an earlier process has left it on disk."""
        from alight.backends.cpu.build import recall

        built = recall(program)
        if built is None:
            return None
        from alight.backends.cpu.native import made_of

        return made_of(program, built)

    def view(self, link: Program, inputs: Sequence[Any]) -> Array:
        """A view's array over the memory of the first input, where NumPy can."""
        found = self.links.get(link)
        if found is None:
            if len(self.links) > 1000:
                self.links.clear()
            found = self.links[link] = (
                part_of(link),
                compile_program(link, copy_outputs=False),
            )
        part, run = found
        array = None if part is None else part(inputs)
        return run(inputs)[0] if array is None else array

    def from_data(self, data: Any, of: dtype | None, default: dtype) -> tuple[Array, dtype]:
        """A copy of numbers, nested sequences or an array."""
        if hasattr(data, "__array__") and not isinstance(data, np.ndarray | np.generic):
            _check_sequence(data)
        try:
            array = np.array(data)
            if (
                of is uint64 and array.dtype.kind in "fO"
            ):  # whole numbers of both halves of its range
                exact = np.array(data, object)
                if all(type(one) is int for one in exact.flat):
                    array = _whole(exact)
        except (ValueError, OverflowError):
            array = None
        found = None if array is None else ALIGHT.get(array.dtype)
        if array is None or found is None:
            _refuse(data, array)
        assert array is not None and found is not None
        first = _first(data)
        keeps = isinstance(first, np.ndarray | np.generic)
        if of is None and keeps and isinstance(data, list | tuple):
            of = _common_dtype(data, default)
        elif of is None:
            of = found if keeps or not found.is_differentiable else default
            if found.is_complex and not keeps:
                of = default.to_complex()
        elif of.kind in "ui" and found.kind in "ui" and not keeps and array.size:
            low, high = int(array.min()), int(array.max())
            limits = np.iinfo(numpy_dtype(of))
            if high > limits.max or low < (
                limits.min or -limits.max
            ):  # -1 may be meant as the highest
                fail(
                    RuntimeError,
                    f"value cannot be converted to type {_C_NAMES[of.name]} without overflow",
                )
        return self.from_host(array, of), of

    def from_host(self, data: Any, of: dtype) -> Array:
        """A copy of an array or a number."""
        if of is bfloat16:
            return round_bfloat16(np.array(data, np.float32))
        array = np.asarray(data)
        if array.dtype.kind == "f" and of.kind == "u":
            array = array.astype(np.int64)
        return np.array(array, numpy_dtype(of), order="C")

    def to_host(self, buffer: Array, of: dtype) -> Array:
        """The array itself."""
        return np.asarray(buffer)

    def adopt(self, array: Any) -> tuple[Array, dtype, tuple[int, ...] | None]:
        """An array's memory as a buffer."""
        if not isinstance(array, np.ndarray):
            fail(
                TypeError,
                f"expected np.ndarray (got {type(array).__name__})",
                try_="torch.tensor(...)",
            )
        found = ALIGHT.get(array.dtype)
        if found is None:
            fail(
                TypeError,
                f"can't convert np.ndarray of type {_element_name(array)}. The only supported types are: float64, float32, "
                "float16, complex64, complex128, int64, int32, int16, int8, uint8, and bool.",
                try_="array.astype(np.float32), if its elements are numbers",
            )
        if any(step < 0 for step in array.strides):
            fail(
                ValueError,
                "At least one stride in the given numpy array is negative, and tensors with negative strides are not "
                "currently supported. (You can probably work around this by making a copy of your array  with "
                "array.copy().) ",
                try_="array.copy()",
            )
        strides = tuple(step // array.itemsize for step in array.strides)
        return array.view(), found, strides

    def share(self, buffer: Array, of: dtype) -> Array:
        """An array over the buffer's memory."""
        if of is bfloat16:
            fail(TypeError, "Got unsupported ScalarType BFloat16", try_=".float().numpy()")
        return buffer.view()

    def from_dlpack(self, other: Any) -> Array:
        """An array over another library's memory."""
        return np.from_dlpack(other)

    def from_memory(self, memory: Any, of: dtype, count: int, offset: int) -> Array:
        """An array over the memory of bytes, a file map or the like."""
        return np.frombuffer(memory, numpy_dtype(of), count, offset)

    def copy(self, buffer: Array) -> Array:
        """The same elements in memory of their own."""
        return np.array(buffer, order="C")

    def item(self, buffer: Array, of: dtype) -> Any:
        """The only element."""
        return buffer.item()

    def tolist(self, buffer: Array, of: dtype) -> Any:
        """Nested lists."""
        return buffer.tolist()

    def pick(self, buffer: Array, positions: Sequence[Sequence[int]]) -> Any:
        """The elements at the crossings of some positions of each axis, as nested lists."""
        return (buffer[np.ix_(*positions)] if positions else buffer).tolist()

    def address(self, buffer: Array) -> int:
        """Where the first element lies."""
        return address_of(buffer)

    def settle(self, buffer: Array) -> Array:
        """The array itself, or an aligned copy of one that is worth it."""
        if not SMALLEST <= buffer.nbytes <= LARGEST or address_of(buffer) % ALIGNMENT == 0:
            return buffer
        copy = aligned(buffer.shape, buffer.dtype)
        copy[...] = buffer
        return copy


_C_NAMES = {
    "uint8": "uint8",
    "int8": "int8_t",
    "int16": "int16_t",
    "int32": "int",
    "int64": "int64_t",
    "uint16": "uint16",
    "uint32": "uint32",
    "uint64": "uint64",
}


def _whole(numbers: Array) -> Array:
    """Python's whole numbers as uint64."""
    if any(one >= 2**64 or one < -(2**63) for one in numbers.flat):
        fail(OverflowError, "int too big to convert")
    return np.array([one % 2**64 for one in numbers.flat], np.uint64).reshape(numbers.shape)


def _first(data: Any) -> Any:
    """The first thing inside nested sequences."""
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return data


def _refuse(data: Any, array: Array | None) -> None:
    """PyTorch's error for data that make no tensor."""
    if isinstance(data, np.ndarray):
        fail(
            TypeError,
            f"can't convert np.ndarray of type {data.dtype}. The only supported types are: float64, float32, float16, "
            "complex64, complex128, int64, int32, int16, int8, uint8, and bool.",
            try_="numbers only; .astype(float) for a table of mixed columns",
        )
    _check_lengths(data, 0)
    first = _first(data)
    if isinstance(first, int):
        fail(ValueError, "Overflow when unpacking long long", try_="floating-point numbers")
    if isinstance(first, str) and first is not data:
        fail(ValueError, "too many dimensions 'str'", try_="numbers only")
    if first is None:
        fail(RuntimeError, "Could not infer dtype of NoneType", try_="numbers only")
    fail(TypeError, f"new(): invalid data type '{type(first).__name__}'", try_="numbers only")


def _check_sequence(data: Any) -> None:
    """PyTorch's error for a table of columns: it takes sequences, whose first element is that at 0."""
    if not hasattr(data, "__getitem__") or not hasattr(data, "__len__") or len(data) == 0:
        return
    try:
        data[0]
    except Exception:
        fail(
            ValueError,
            f"could not determine the shape of object type '{type(data).__name__}'",
            try_="its array: .values, or .to_numpy()",
        )


def _check_lengths(data: Any, dim: int) -> None:
    """PyTorch's error where sequences at one depth differ in length."""
    if not isinstance(data, (list, tuple)) or not data:
        return
    lengths = [len(one) if isinstance(one, (list, tuple)) else -1 for one in data]
    for length in lengths:
        if length != lengths[0]:
            if -1 in (length, lengths[0]):
                fail(
                    TypeError,
                    "only sequences of one depth make a tensor",
                    try_="numbers at one depth",
                )
            fail(
                ValueError,
                f"expected sequence of length {lengths[0]} at dim {dim + 1} (got {length})",
                facts=["nested sequences at one depth must have one length"],
                try_="padding the shorter ones",
            )
    for one in data:
        _check_lengths(one, dim + 1)


__all__ = ["Interpreter", "dtypes"]


def _common_dtype(data: Any, default: dtype) -> dtype:
    """What numbers of NumPy and Python together give: each with its own dtype, `default` for Python's fractions."""
    if isinstance(data, list | tuple):
        return functools.reduce(promote, (_common_dtype(one, default) for one in data))
    if isinstance(data, np.ndarray | np.generic):
        return ALIGHT[data.dtype]
    kinds = {bool: bool_, int: int64, complex: default.to_complex()}
    return kinds.get(type(data), default)


def _element_name(array: Array) -> str:
    """The type of an array's elements as PyTorch's errors write it."""
    return f"numpy.{array.dtype.type.__name__}"
