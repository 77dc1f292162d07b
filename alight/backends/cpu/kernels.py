"""The code of one kernel: loops, matrix products, convolutions, and what the compiler asks before it plans them.

In: a `Kernel`. Out: a function of pointers, a thread's number and the size of its team. Products and convolutions hand
each vector of finished sums to the kernel's nest, so that bias, activation or an optimizer's step costs no extra pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from alight.backends.cores import most_planned
from alight.backends.cpu import convolution, varied
from alight.backends.cpu.code import Code, Value, element_type, lanes
from alight.backends.cpu.contraction import Product, emit_product, scratch_bytes, vector_axis
from alight.backends.cpu.filter_gradient import emit_filter_gradient
from alight.backends.cpu.loops import LoopCode, lanes_of
from alight.backends.cpu.product_ahead import Ask
from alight.backends.cpu.running import Running
from alight.backends.cpu.scalars import REGISTER, Symbol, load_type, supports
from alight.backends.cpu.target import Target
from alight.backends.cpu.tiles import CACHE_LINE
from alight.compiler.convolutions import WRITES
from alight.compiler.kernel import Kernel, Operand
from alight.compiler.nest import Load
from alight.compiler.pipeline import Machine
from alight.compiler.schedule import Schedule, schedule
from alight.compiler.trace import NotHereError
from alight.dtypes import bfloat16, dtype, float32, float64
from alight.ir.primitive import ELEMENTWISE, REDUCTION
from alight.ir.program import Node, Program
from alight.ir.types import Type

PARALLEL_WORK = 20_000  # elementary steps (about 2 us) from which two threads are quicker than one


def machine(target: Target, threads: int = 0) -> Machine:
    """The target as the passes see it; 0 threads are the most that there may be."""
    threads = threads or most_planned()

    def finished(kernel: Kernel, types: tuple[Type, ...]) -> Kernel:
        if kernel.kind == "product":
            product = product_of(kernel)
            bytes_of = varied.scratch_bytes if varied.covers(product, target) else scratch_bytes
            return kernel._replace(scratch=bytes_of(product, target, threads))
        if kernel.kind == "convolution":
            which, conv = convolution_of(kernel)
            if not convolution.supports(conv):
                raise NotHereError(kernel.nodes[0].outputs[0])
            return kernel._replace(scratch=convolution.scratch_bytes(conv, which, target, threads))
        return kernel

    products = frozenset({float32, float64})
    cache = target.l2_bytes
    return Machine(
        target.vector_bytes, is_supported, products, finished, stored_bytes, PARALLEL_WORK, threads, cache, 2 * cache,
        (lambda: machine(target, 1)) if threads > 1 else None,
    )  # fmt: skip


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
    elif kernel.kind == "running":
        Running(code, kernel, target, pointers, status).run()
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

    if varied.covers(product, target):
        varied.emit_product(code, product, target, x, y, scratch, rows)
    else:
        ask = _asking(kernel, product, target, pointers)
        emit_product(code, product, target, x, y, code.null(), scratch, rows, ask=ask)


def _asking(
    kernel: Kernel, product: Product, target: Target, pointers: dict[int, Value]
) -> Ask | None:
    """What asks for a row of all matrices that a finish reads and writes; None where they fit into the second cache."""
    nest, lead = kernel.nest, len(product.batch)
    assert nest is not None
    along, across = (lead, lead + 1) if vector_axis(product) == "m" else (lead + 1, lead)
    given = dict(kernel.detail)["given"]
    places = [
        (e.what.value, e.what.index, e.dtype)
        for n, e in enumerate(nest.expressions)
        if isinstance(e.what, Load) and n != given and not e.what.guard
    ]
    places += [(s.value, s.index, nest.expressions[s.expression].dtype) for s in nest.stores]
    rows = {
        (value, index): stored_bytes(of)
        for value, index, of in places
        if index.coefficient(along) == 1
        and index.coefficient(across)
        and all(a < len(nest.extents) for a, _ in index.terms)
    }
    if product.m * product.n * sum(rows.values()) * prod(product.batch) < target.l2_bytes // 4:
        return None

    def ask(code: Code, batch: list[Value], row: Value, column: Value, columns: int) -> None:
        at = [*batch, row, column]
        for (value, index), size in rows.items():
            place = code.integer(index.constant)
            for a, step in index.terms:
                place = code.add(place, code.mul(at[a], step))
            first = code.element(pointers[value], place, size)
            for line in range(0, columns * size + CACHE_LINE - 1, CACHE_LINE):
                code.prefetch(code.element(first, line, 1))

    return ask


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
    last = len(kernel.nest.extents) - 1
    axes = {"batch": 0, "channels": 1, "columns": last}
    along = axes[convolution.vector_axis(conv, which)]
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
