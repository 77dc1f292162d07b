"""Text about a compiled program: its kernels by the user's lines, their times, and the code of one of them.

Times are those of each kernel alone on one thread, on made-up data of the right shapes; a step on several threads is
quicker. GFLOP/s are given for products and convolutions, GB/s of memory read and written for loops.
"""

from __future__ import annotations

from typing import Any

from alight.compiler.kernel import Kernel
from alight.ir.program import Node

HEAVY = ("product", "convolution")


def describe_native(native: Any, times: bool) -> list[str]:
    """The kernels of a compiled program, one line each."""
    plan = native.plan
    meetings = len(set(plan.phases)) - 1
    arena = plan.memory.size / 1e6
    lines = [
        f"  compiled to {len(plan.kernels)} kernels ({len(set(native.names))} different), {meetings} meetings of "
        f"the threads, {arena:.2f} MB of intermediate values"
    ]
    seconds = _times(native) if times else [0.0] * len(plan.kernels)
    for n, (kernel, serial, spent) in enumerate(
        zip(plan.kernels, plan.serial, seconds, strict=True)
    ):
        what = " ".join(_names(kernel.nodes))
        where = _line(kernel.nodes)
        rate = _rate(kernel, plan, spent) if times else ""
        alone = "one thread" if serial else "all threads"
        lines.append(f"    {n:>3} {kernel.kind:<12}{rate:<28}{alone:<13}{where:<20}{what}")
    return lines


def _names(nodes: tuple[Node, ...]) -> list[str]:
    """What is computed, repeated names counted."""
    count: dict[str, int] = {}
    for node in nodes:
        count[node.primitive.name] = count.get(node.primitive.name, 0) + 1
    return [name if n == 1 else f"{name}*{n}" for name, n in count.items()]


def _line(nodes: tuple[Node, ...]) -> str:
    found = list(dict.fromkeys(str(node.line) for node in nodes if node.line is not None))
    return "" if not found else found[0] if len(found) == 1 else f"{found[0]} +{len(found) - 1}"


def _times(native: Any) -> list[float]:
    """Seconds of each kernel on made-up data."""
    from alight.backends.base import backend_of
    from alight.backends.cpu.profile import profile
    from alight.device import CPU

    types = native.plan.types
    backend = backend_of(CPU)
    arguments = []
    for i in native.plan.program.inputs:
        of = types[i]
        value = 0.01 if of.dtype.is_floating_point else 0
        arguments.append(backend.from_host([value] * of.size, of.dtype).reshape(of.shape))
    return [timed.seconds for timed in profile(native, arguments)]


def _rate(kernel: Kernel, plan: Any, seconds: float) -> str:
    if not seconds:
        return "in the interpreter"
    text = f"{seconds * 1e6:8.1f} us"
    if kernel.kind in HEAVY:
        return f"{text} {8 * kernel.work / seconds / 1e9:6.0f} GFLOP/s"
    moved = sum(plan.types[value].bytes for value in kernel.values)
    return f"{text} {moved / seconds / 1e9:6.1f} GB/s"


def busiest() -> Any:
    """The compiled program with the most work, or None."""
    from alight.backends.base import programs

    entries: list[Any] = list(programs.entries.values())
    natives = [hot.run for hot in entries if getattr(hot, "tier", 0)]
    return max(natives, key=lambda native: sum(k.work for k in native.plan.kernels), default=None)


def assembly_of(native: Any, number: int) -> str:
    """The machine code of one kernel, as assembly."""
    from alight.backends.cpu import jit

    return jit.assembly(kernel_text(native, number))


def kernel_text(native: Any, number: int) -> str:
    """The LLVM IR of one kernel, as a module of its own."""
    from alight.backends.cpu import jit
    from alight.backends.cpu.kernels import kernel_code
    from alight.backends.cpu.target import host

    kernel = native.plan.kernels[number]
    code = kernel_code(kernel, native.names[number], native.plan.types, host())
    return jit.module_text([code.finish()], code.declared.values(), host())
