"""Text about a compiled program: its kernels by the user's lines, their times, and the code of one of them.

Times are those of each kernel alone on one thread, on made-up data of the right shapes; a step on several threads is
quicker. GFLOP/s are given for products and convolutions, GB/s of memory read and written for loops, both beside what
one core of this machine reaches at most (`peaks`). What lies in caches is read faster than memory.
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
    left = [names_of(k.nodes)[0] for k in plan.kernels if k.kind == "interpreter"]
    lines = [
        f"  compiled to {len(plan.kernels)} kernels ({len(set(native.names))} different), {meetings} meetings of "
        f"the threads; {_memory(native)}"
    ]
    if left:
        lines.append(
            f"  left to the interpreter, as no code is generated for it: {', '.join(left)}"
        )
    from alight.backends.cpu.peaks import peaks

    seconds = _times(native) if times else [0.0] * len(plan.kernels)
    if times:
        best = peaks()
        lines.append(
            f"  kernels alone on one thread: {sum(seconds) * 1e6:.0f} us; one core reaches {best.gflops:.0f} GFLOP/s "
            f"(float64 {best.gflops_double:.0f}), memory {best.gigabytes:.0f} GB/s"
        )
    total = sum(seconds)
    for n, (kernel, serial, spent) in enumerate(
        zip(plan.kernels, plan.serial, seconds, strict=True)
    ):
        what = " ".join(names_of(kernel.nodes))
        where = where_of(kernel.nodes)
        rate = _rate(kernel, plan, spent, total) if times else ""
        alone = "one thread" if serial else "all threads"
        if kernel.kind == "interpreter":
            alone = "NumPy"
        lines.append(
            f"    {n:>3} {kernel.kind:<12}{rate:<{46 * times}}{alone:<13}{where:<22}{what}"
        )
    return lines


def _memory(native: Any) -> str:
    """What a run of the program holds."""
    plan = native.plan
    inputs, results = (
        sum(plan.types[i].bytes for i in set(values))
        for values in (plan.program.inputs, plan.program.outputs)
    )
    return (
        f"{size_text(inputs)} come in, {size_text(results)} of results, "
        f"{size_text(plan.memory.size)} in between"
    )


def size_text(size: int) -> str:
    """Bytes for people.

    >>> size_text(1_230_000)
    '1.23 MB'
    """
    if size < 1000:
        return f"{size} bytes"
    return f"{size / 1e6:.2f} MB" if size >= 100_000 else f"{size / 1e3:.1f} KB"


def names_of(nodes: tuple[Node, ...]) -> list[str]:
    """What is computed, repeated names counted."""
    if {node.primitive.name for node in nodes} == {"detach"}:
        return ["copied into another order of axes"]
    count: dict[str, int] = {}
    for node in nodes:
        count[node.primitive.name] = count.get(node.primitive.name, 0) + 1
    return [name if n == 1 else f"{name}*{n}" for name, n in count.items()]


def where_of(nodes: tuple[Node, ...]) -> str:
    """The user's line, the first one if there are several."""
    found = list(dict.fromkeys(str(node.line) for node in nodes if node.line is not None))
    return "" if not found else found[0] if len(found) == 1 else f"{found[0]} +{len(found) - 1}"


def _times(native: Any) -> list[float]:
    """Seconds of each kernel on made-up data."""
    from alight.backends.base import backend_of
    from alight.backends.cpu.profile import profile
    from alight.device import CPU

    native = _of_its_own(native)
    types = native.plan.types
    backend = backend_of(CPU)
    arguments = []
    for i in native.plan.program.inputs:
        of = types[i]
        value = 0.01 if of.dtype.is_floating_point else 0
        arguments.append(backend.from_host([value] * of.size, of.dtype).reshape(of.shape))
    return [timed.seconds * _portions(timed.kernel) for timed in profile(native, arguments)]


def _portions(kernel: Kernel) -> int:
    """How often a kernel runs in a step: once for each portion of its rows."""
    return 1 if kernel.owned is None else kernel.owned.portions


def _of_its_own(native: Any) -> Any:
    """The program with code for its shapes alone, whose kernels can be called one by one."""
    from alight.backends.cpu.build import build
    from alight.backends.cpu.native import Native

    built = native.built
    return Native(native.program, build(native.program, general=False)) if built.general else native


def _rate(kernel: Kernel, plan: Any, seconds: float, total: float) -> str:
    if not seconds:
        return "in the interpreter"
    from alight.backends.cpu.peaks import peaks

    text, best = f"{seconds * 1e6:8.1f} us {seconds / total:4.0%}", peaks()
    if kernel.kind in HEAVY:
        reached = 8 * kernel.work * _portions(kernel) / seconds / 1e9
        double = plan.types[kernel.nodes[0].outputs[0]].dtype.itemsize == 8
        return f"{text} {reached:6.0f} GFLOP/s, {reached / (best.gflops_double if double else best.gflops):4.0%}"
    moved = sum(plan.types[value].bytes for value in kernel.values)
    reached = moved / seconds / 1e9
    share = reached / best.gigabytes
    return f"{text} {reached:6.1f} GB/s,    {f'{share:4.0%}' if share < 1 else 'from caches'}"


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
