"""A whole program as one function: every kernel's code, and the step that calls them in order.

In: a `Plan`. Out: the text of a module. The step takes a table of pointers (inputs, outputs, the arena) and runs on
every thread of a team; threads meet between phases. Kernels with one key are one function, called with other pointers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from alight.backends.cpu import convolution
from alight.backends.cpu.code import Code, Value, element_type, lanes
from alight.backends.cpu.contraction import Product, emit_product, scratch_bytes, vector_axis
from alight.backends.cpu.filter_gradient import emit_filter_gradient
from alight.backends.cpu.jit import module_text
from alight.backends.cpu.loops import LoopCode, lanes_of
from alight.backends.cpu.scalars import REGISTER, Symbol, load_type, supports
from alight.backends.cpu.target import Target
from alight.backends.cpu.threads import barrier
from alight.compiler.convolutions import WRITES
from alight.compiler.kernel import Kernel, Operand
from alight.compiler.pipeline import Machine, Plan
from alight.compiler.schedule import Schedule, schedule
from alight.compiler.trace import NotHereError
from alight.dtypes import bfloat16, dtype, float32, float64
from alight.ir.primitive import ELEMENTWISE, REDUCTION
from alight.ir.program import Node, Program
from alight.ir.types import Type

THREADS = 64  # most threads of a team: scratch that each needs is planned for all
PARALLEL_WORK = 20_000  # elementary steps (about 2 us) from which two threads are quicker than one


class StepText(NamedTuple):
    """A module and the names of its step functions, one for each stretch between calls of the interpreter."""

    text: str
    steps: tuple[str, ...]
    stretches: tuple[tuple[int, ...], ...]  # kernels of each


def machine(target: Target) -> Machine:
    """The target as the passes see it."""

    def finished(kernel: Kernel, types: tuple[Type, ...]) -> Kernel:
        if kernel.kind == "product":
            return kernel._replace(scratch=scratch_bytes(product_of(kernel), target, THREADS))
        if kernel.kind == "convolution":
            which, conv = convolution_of(kernel)
            if not convolution.supports(conv):
                raise NotHereError(kernel.nodes[0].outputs[0])
            return kernel._replace(scratch=convolution.scratch_bytes(conv, which, target, THREADS))
        return kernel

    products = frozenset({float32, float64})
    return Machine(
        target.vector_bytes, is_supported, products, finished, stored_bytes, PARALLEL_WORK
    )


def stored_bytes(of: dtype) -> int:
    """Bytes of an element in memory: a bfloat16 lies in a float32."""
    return 4 if of is bfloat16 else of.itemsize


def is_supported(node: Node, program: Program) -> bool:
    """Whether a node becomes code, and not a call of the interpreter."""
    dtypes = tuple(program.types[i].dtype for i in (*node.inputs, *node.outputs))
    if any(of not in REGISTER for of in dtypes):
        return False
    name = node.primitive.name
    if name == "dot_general" or name in WRITES:
        return False  # kernels of their own
    if node.primitive.kind == ELEMENTWISE:
        return supports(node.primitive, dtypes[: len(node.inputs)], node.statics)
    if node.primitive.kind == REDUCTION:
        return dtypes[0].kind == "i" or dtypes[0] in (float32, float64)
    return True


def product_of(kernel: Kernel) -> Product:
    """The matrix product of a kernel."""
    detail = dict(kernel.detail)
    batch, m, n = detail["batch"], detail["m"], detail["n"]
    assert kernel.nest is not None
    lead = len(batch)
    index = kernel.nest.stores[-1].index
    c = tuple(index.coefficient(i) for i in range(lead + 2))
    if not any(c):
        c = (*(0 for _ in batch), n, 1)
    return Product(load_type(detail["type"]), batch, m, n, detail["k"], detail["a"], detail["b"], c)


def convolution_of(kernel: Kernel) -> tuple[str, convolution.Convolution]:
    """The convolution of a kernel, and which of its three products it is."""
    detail = dict(kernel.detail)
    names = convolution.Convolution._fields
    detail["type"] = load_type(detail["type"])
    return detail["which"], convolution.Convolution(**{name: detail[name] for name in names})


def step_text(plan: Plan, target: Target) -> StepText:
    """The module of a plan."""
    functions: list[str] = []
    declared: dict[str, str] = {}
    names: dict[object, str] = {}
    own: list[str] = []
    for kernel in plan.kernels:
        if kernel.kind == "interpreter":
            own.append("")
            continue
        key = kernel.key()
        if key not in names:
            names[key] = f"k{len(names)}_{kernel.kind}"
            code = kernel_code(kernel, names[key], plan.types, target)
            functions.append(code.finish())
            declared.update(code.declared)
        own.append(names[key])
    stretches = _stretches(plan.kernels)
    steps = []
    for n, stretch in enumerate(stretches):
        steps.append(f"step{n}")
        code = _step(plan, stretch, own, steps[-1])
        functions.append(code.finish(code.integer32(0)))
        declared.update(code.declared)
    for name in names.values():
        declared.pop(name, None)
    return StepText(module_text(functions, declared.values(), target), tuple(steps), stretches)


def _stretches(kernels: Sequence[Kernel]) -> tuple[tuple[int, ...], ...]:
    found: list[list[int]] = [[]]
    for n, kernel in enumerate(kernels):
        if kernel.kind == "interpreter":
            found.append([])
        else:
            found[-1].append(n)
    return tuple(map(tuple, found))


def kernel_code(kernel: Kernel, name: str, types: Sequence[Type], target: Target) -> Code:
    """The function of one kernel."""
    code = Code(name, [("ptr", "args"), ("i64", "thread"), ("i64", "threads"), ("ptr", "team")])
    pointers = {}
    for n, value in enumerate(kernel.values):
        pointers[value] = code.load("ptr", code.element(code["args"], n, 8))
    count = len(kernel.values)
    status = code.load("ptr", code.element(code["args"], count, 8))
    if kernel.kind == "loops":
        assert kernel.nest is not None
        planned = schedule(kernel.nest, lanes_of(kernel.nest, target))
        loops = LoopCode(code, planned, target, pointers, status)
        loops.run(lambda pieces: code.share(pieces, code["thread"], code["threads"]))
    else:
        scratch = None
        if kernel.scratch:
            scratch = code.load("ptr", code.element(code["args"], count + 1, 8))
        write = _product if kernel.kind == "product" else _convolution
        write(code, kernel, target, pointers, status, scratch)
    return code


def _product(
    code: Code,
    kernel: Kernel,
    target: Target,
    pointers: dict[int, Value],
    status: Value,
    scratch: Value | None,
) -> None:
    product = product_of(kernel)
    x, y = (_operand(code, kernel, o, pointers) for o in kernel.operands)
    lead = len(product.batch)
    finish = _finish(
        kernel, target, pointers, status, lead if vector_axis(product) == "m" else lead + 1
    )

    def rows(
        code: Code, batch: list[Value], row: Value, column: Value, values: Value, mask: Value | None
    ) -> None:
        finish(code, [*batch, row, column], values, mask)

    emit_product(code, product, target, x, y, code.null(), scratch, rows)


def _convolution(
    code: Code,
    kernel: Kernel,
    target: Target,
    pointers: dict[int, Value],
    status: Value,
    scratch: Value | None,
) -> None:
    which, conv = convolution_of(kernel)
    x, y = (_operand(code, kernel, o, pointers) for o in kernel.operands)
    if which == "filter":
        emit_filter_gradient(code, conv, target, x, y, pointers[kernel.writes[0]], scratch)
        return
    assert kernel.nest is not None
    along = 0 if convolution.vector_axis(conv, which) == "batch" else 1
    finish = _finish(kernel, target, pointers, status, along)
    flat = len(kernel.nest.extents) == 3

    def places(code: Code, indices: list[Value], values: Value, mask: Value | None) -> None:
        finish(code, [*indices[:2], *indices[3 if flat else 2 :]], values, mask)

    emit = convolution.emit_forward if which == "forward" else convolution.emit_data_gradient
    emit(code, conv, target, x, y, code.null(), scratch, places)


def _operand(code: Code, kernel: Kernel, operand: Operand, pointers: dict[int, Value]) -> Value:
    return code.element(
        pointers[operand.value], operand.offset, stored_bytes(dict(kernel.detail)["type"])
    )


def _finish(
    kernel: Kernel, target: Target, pointers: dict[int, Value], status: Value, vector: int
) -> Callable[[Code, list[Value], Value, Value | None], None]:
    """What is done with one vector of finished sums: the kernel's nest at these indices."""
    nest, given = kernel.nest, dict(kernel.detail)["given"]
    assert nest is not None
    outer = tuple(i for i in range(len(nest.extents)) if i != vector)

    def finish(code: Code, indices: list[Value], values: Value, mask: Value | None) -> None:
        if nest.extents[vector] == 1:
            values = code.op(
                f"extractelement {values.typed}, i64 0", type=element_type(values.type)
            )
            mask = None
        loops = LoopCode(
            code, Schedule(nest, outer, (), vector), target, pointers, status, lanes(values.type)
        )
        loops.index.update(enumerate(indices))
        loops.mask = mask
        loops.found[(given, 0)] = Symbol(values, nest.expressions[given].dtype)
        for store in nest.stores:
            loops.store(store)

    return finish


def _step(plan: Plan, stretch: Sequence[int], names: Sequence[str], name: str) -> Code:
    """The function that calls the kernels of a stretch."""
    code = Code(
        name, [("ptr", "table"), ("i64", "thread"), ("i64", "threads"), ("ptr", "team")], "i32"
    )
    inputs, outputs = plan.program.inputs, plan.program.outputs
    place: dict[int, int] = {}
    for n, value in enumerate([*inputs, *outputs]):  # of a value given twice, the first place
        place.setdefault(value, n)
    found: dict[int, Value] = {}
    arena = code.load("ptr", code.element(code["table"], len(inputs) + len(outputs), 8))

    def pointer(value: int) -> Value:
        if value not in found:
            if value in place:
                found[value] = code.load("ptr", code.element(code["table"], place[value], 8))
            else:
                found[value] = code.element(arena, plan.memory.values[value], 1)
        return found[value]

    width = max((len(plan.kernels[n].values) for n in stretch), default=0) + 2
    everything = {n: [pointer(value) for value in plan.kernels[n].values] for n in stretch}
    first = code.compare("icmp eq", code["thread"], code.integer(0))
    before: int | None = None
    for n in stretch:
        kernel, phase = plan.kernels[n], plan.phases[n]
        if before is not None and phase != before:
            barrier(code)
        before = phase
        extra = [arena] + (
            [code.element(arena, plan.memory.scratch[n], 1)] if kernel.scratch else []
        )

        def call(n: int = n, extra: list[Value] = extra) -> None:
            args = code.array("ptr", width)
            for i, one in enumerate([*everything[n], *extra]):
                code.store(one, code.element(args, i, 8))
            thread = code.integer(0) if plan.serial[n] else code["thread"]
            threads = code.integer(1) if plan.serial[n] else code["threads"]
            code.call("void", names[n], args, thread, threads, code["team"])

        if plan.serial[n]:
            with code.when(first):
                call()
        else:
            call()
    return code


__all__ = [
    "StepText",
    "Symbol",
    "is_supported",
    "kernel_code",
    "machine",
    "product_of",
    "step_text",
]
