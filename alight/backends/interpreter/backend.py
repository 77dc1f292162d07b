"""The CPU's buffers, and programs made runnable on them by the interpreter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from alight import dtypes
from alight.backends.interpreter.arrays import ALIGHT, Array, numpy_dtype, round_bfloat16
from alight.backends.interpreter.plan import compile_program
from alight.dtypes import bfloat16, dtype
from alight.errors import fail
from alight.ir.program import Program

for _kernels in ("structure", "window", "gather", "scan", "opaque"):
    if find_spec(f"alight.backends.interpreter.{_kernels}"):
        import_module(f"alight.backends.interpreter.{_kernels}")


class Interpreter:
    """The backend of `device("cpu")`: see `alight.backends.base.Backend`."""

    name = "interpreter"

    def __init__(self) -> None:
        self.links: dict[Program, Any] = {}

    def compile(self, program: Program) -> Callable[[Sequence[Any]], list[Any]]:
        """The program as a function of arrays."""
        return compile_program(program)

    def view(self, link: Program, inputs: Sequence[Any]) -> Array:
        """A view's array over the memory of the first input, where NumPy can."""
        run = self.links.get(link)
        if run is None:
            if len(self.links) > 1000:
                self.links.clear()
            run = self.links[link] = compile_program(link, copy_outputs=False)
        return run(inputs)[0]

    def from_data(self, data: Any, of: dtype | None, default: dtype) -> tuple[Array, dtype]:
        """A copy of numbers, nested sequences or an array."""
        array = self._array(data)
        found = ALIGHT.get(array.dtype)
        if found is None:
            fail(
                TypeError,
                f"can't convert np.ndarray of type {array.dtype}. The only supported types are: float64, float32, "
                "float16, complex64, complex128, int64, int32, int16, int8, uint8, and bool."
                if isinstance(data, np.ndarray)
                else f"new(): invalid data type '{_first_type(data)}'",
                try_="numbers only; .astype(float) for a table of mixed columns",
            )
        if of is None:
            keeps = isinstance(data, (np.ndarray, np.generic))
            of = found if keeps or not found.is_differentiable else default
            if found.is_complex and not keeps:
                of = default.to_complex()
        return self.from_host(array, of), of

    def _array(self, data: Any) -> Array:
        try:
            return np.array(data)
        except ValueError as error:
            if "inhomogeneous" in str(error):
                lengths = sorted({len(one) for one in data if hasattr(one, "__len__")})
                fail(
                    ValueError,
                    f"expected sequence of length {lengths[-1] if lengths else 0} at dim 1 (got "
                    f"{lengths[0] if lengths else 0})",
                    facts=["the rows of nested sequences must have one length"],
                    try_="padding the shorter rows",
                )
            raise

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
            fail(TypeError, f"expected np.ndarray (got {type(array).__name__})")
        found = ALIGHT.get(array.dtype)
        if found is None:
            fail(
                TypeError,
                f"can't convert np.ndarray of type {array.dtype}. The only supported types are: float64, float32, "
                "float16, complex64, complex128, int64, int32, int16, int8, uint8, and bool.",
            )
        if any(step < 0 for step in array.strides):
            fail(
                ValueError,
                "At least one stride in the given numpy array is negative, and tensors with negative strides are not "
                "currently supported. (You can probably work around this by making a copy of your array  with "
                "array.copy().) ",
            )
        strides = tuple(step // array.itemsize for step in array.strides)
        return array.view(), found, strides

    def share(self, buffer: Array, of: dtype) -> Array:
        """An array over the buffer's memory."""
        if of is bfloat16:
            fail(TypeError, "Got unsupported ScalarType BFloat16", try_=".float().numpy()")
        return buffer.view()

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
        return buffer.__array_interface__["data"][0]


def _first_type(data: Any) -> str:
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return type(data).__name__


__all__ = ["Interpreter", "dtypes"]
