"""The backends' common face: which one a device has, and programs made executable.

In: devices and programs. Out: backends and callables from input buffers to output buffers. A buffer is whatever a
backend says it is; on the CPU, a NumPy array.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from alight import config
from alight.compiler.hot import Hot
from alight.device import device
from alight.dtypes import dtype
from alight.errors import fail, not_implemented
from alight.ir.program import Program

Buffer = Any
Run = Callable[[Sequence[Buffer]], list[Buffer]]

BYTES_PER_NODE = 2000  # of an executable, measured on the interpreter's plans


class Backend(Protocol):
    """What every device can do with buffers and programs."""

    name: str

    def interpret(self, program: Program) -> Run:
        """Tier 0: the program as a function of its inputs. Outputs share memory with nothing."""

    def run_once(self, program: Program, inputs: Sequence[Buffer]) -> list[Buffer]:
        """The outputs of a program that will not run again, as `interpret` would give them."""

    def compile(self, program: Program) -> Run:
        """Tier 1: the same from compiled code. Takes a while; raises for what cannot be compiled."""

    def recall(self, program: Program) -> Run | None:
        """The same, if an earlier process has compiled the program: at once, or not at all."""

    def view(self, link: Program, inputs: Sequence[Buffer]) -> Buffer:
        """The value of a view's program, sharing memory with the first input."""

    def from_data(self, data: Any, of: dtype | None, default: dtype) -> tuple[Buffer, dtype]:
        """A buffer with a copy of Python data."""

    def from_host(self, data: Any, of: dtype) -> Buffer:
        """A buffer with a copy of an array or number."""

    def to_host(self, buffer: Buffer, of: dtype) -> Any:
        """The elements as a NumPy array."""

    def adopt(self, array: Any) -> tuple[Buffer, dtype, tuple[int, ...] | None]:
        """A NumPy array as a buffer over the same memory, its dtype and its strides in elements."""

    def share(self, buffer: Buffer, of: dtype) -> Any:
        """A buffer as a NumPy array over the same memory."""

    def from_dlpack(self, other: Any) -> Any:
        """The array of an object with `__dlpack__`, over the same memory."""

    def from_memory(self, memory: Any, of: dtype, count: int, offset: int) -> Any:
        """A flat array over the memory of an object with the buffer protocol."""

    def copy(self, buffer: Buffer) -> Buffer:
        """A buffer of its own with the same elements."""

    def item(self, buffer: Buffer, of: dtype) -> Any:
        """The only element as a Python number."""

    def tolist(self, buffer: Buffer, of: dtype) -> Any:
        """The elements as nested lists of Python numbers."""

    def pick(self, buffer: Buffer, positions: Sequence[Sequence[int]]) -> Any:
        """The elements at the crossings of some positions of each axis, as nested lists."""

    def address(self, buffer: Buffer) -> int:
        """Where the first element lies."""

    def settle(self, buffer: Buffer) -> Buffer:
        """A buffer that is read again and again: itself, or a copy that compiled code reads faster."""


_backends: dict[str, Backend] = {}


def backend_of(where: device) -> Backend:
    """The backend that holds a device's buffers; PyTorch's errors for devices that are not there."""
    found = _backends.get(where.type)
    if found is None:
        found = _backends[where.type] = _load(where)
    return found


def _load(where: device) -> Backend:
    if where.type == "cpu":
        from alight.backends.interpreter.backend import Interpreter

        return Interpreter()
    if where.type == "cuda":
        fail(AssertionError, "Torch not compiled with CUDA enabled", try_="device='cpu'")
    if where.type == "meta":
        fail(
            NotImplementedError,
            "Cannot copy out of meta tensor; no data!",
            try_="torch.empty_like(tensor, device='cpu')",
        )
    not_implemented(f"the device {where}", "device='cpu'")


class _Cache:
    """Executables by program, the least recently used dropped first, bounded in bytes."""

    def __init__(self) -> None:
        self.entries: OrderedDict[Program, Run] = OrderedDict()
        self.bytes = 0

    def get(self, program: Program) -> Run:
        run = self.entries.get(program)
        if run is not None:
            self.entries.move_to_end(program)
            return run
        where = program.types[program.outputs[0]].device if program.outputs else device("cpu")
        backend = backend_of(where)
        run = Hot(program, backend.interpret, backend.compile, backend.recall)
        self.entries[program] = run
        self.bytes += BYTES_PER_NODE * (1 + len(program.nodes))
        while self.bytes > config.cache_bytes // 2 and len(self.entries) > 1:
            old, _ = self.entries.popitem(last=False)
            self.bytes -= BYTES_PER_NODE * (1 + len(old.nodes))
        return run


programs = _Cache()


class Once:
    """A program that is interpreted for one run, with nothing prepared or kept."""

    __slots__ = ("program",)
    tier, runs = 0, 1
    reason = "its path has not come again"

    def __init__(self, program: Program) -> None:
        self.program = program

    def run(self, arguments: Sequence[Buffer]) -> list[Buffer]:
        """The outputs on these inputs."""
        program = self.program
        where = program.types[program.outputs[0]].device
        return backend_of(where).run_once(program, arguments)


def executable(program: Program) -> Run:
    """The program as a callable; equal programs share one."""
    return programs.get(program)


def view_buffer(link: Program, inputs: Sequence[Buffer]) -> Buffer:
    """The buffer of a view, over the memory of what it views."""
    return backend_of(link.types[link.outputs[0]].device).view(link, inputs)
