"""A whole program as one function: every kernel's code, and the step that calls them in order.

In: a `Plan`. Out: the text of a module. The step takes a table of pointers (inputs, outputs, the arena) and runs on
every thread of a team; threads meet between phases. Kernels with one key are one function, called with other pointers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from alight.backends.cpu.code import Code, Value, Variable
from alight.backends.cpu.entry import BEGUN
from alight.backends.cpu.jit import module_text
from alight.backends.cpu.kernels import kernel_code, stored_bytes
from alight.backends.cpu.target import Target
from alight.backends.cpu.threads import barrier
from alight.compiler.kernel import Kernel
from alight.compiler.pipeline import Plan
from alight.compiler.scans import Loop

KERNELS_OF_A_PART = 12  # a script that ends waits for the part under way
KERNEL = [("ptr", "args"), ("i64", "thread"), ("i64", "threads"), ("ptr", "team")]
STEP = [("ptr", "table"), ("i64", "thread"), ("i64", "threads"), ("ptr", "team")]


class Part(NamedTuple):
    """Some functions in a module of their own; it may call functions of earlier parts."""

    text: str
    names: tuple[str, ...]


class StepText(NamedTuple):
    """The modules of a program and its step functions, one for each stretch between calls of the interpreter."""

    parts: tuple[Part, ...]
    steps: tuple[str, ...]
    stretches: tuple[tuple[int, ...], ...]  # kernels of each
    kernels: tuple[str, ...]  # the function of each kernel of the plan; "" for the interpreter's
    keys: dict[str, object]  # function -> key of its kernel, of those that call no other
    known: dict[str, Any]  # functions that were not written, because their code is there


def step_text(
    plan: Plan,
    target: Target,
    size: int = KERNELS_OF_A_PART,
    go_on: Callable[[], None] = lambda: None,
    known: Callable[[object], Any] = lambda key: None,
) -> StepText:
    """The code of a plan, in modules of at most `size` functions; `go_on` is called between kernels.

    `known` gives the code of a kernel's key where some program before had such a kernel, or None.
    """
    functions = _Functions(target, go_on, known)
    own = [functions.name_of(kernel, plan) for kernel in plan.kernels]
    parts = functions.parts(size)
    stretches = _stretches(plan.kernels)
    steps = _Functions(target, go_on, known)
    for n, stretch in enumerate(stretches):
        code = _step(plan, stretch, own, f"step{n}")
        steps.add(code, code.integer32(0))
    # Long, and run once a step: it takes longer to make good code of it than that code will ever save.
    parts = (*parts, *steps.parts(size, quick=True))
    names = tuple(name for name, _, _ in steps.made)
    return StepText(parts, names, stretches, tuple(own), functions.keys, functions.known)


class _Functions:
    """Functions in the order in which they call one another, by the key of their kernel."""

    def __init__(
        self, target: Target, go_on: Callable[[], None], look: Callable[[object], Any]
    ) -> None:
        self.target, self.go_on, self.look = target, go_on, look
        self.made: list[tuple[str, str, dict[str, str]]] = []  # name, text, what it declares
        self.names: dict[object, str] = {}
        self.keys: dict[str, object] = {}
        self.known: dict[str, Any] = {}

    def add(self, code: Code, returned: Value | None = None) -> None:
        """One more function."""
        self.made.append((code.name, code.finish(returned), code.declared))

    def name_of(self, kernel: Kernel, plan: Plan) -> str:
        """The function of a kernel, written if it is the first of its key; nothing for the interpreter's."""
        if kernel.kind == "interpreter":
            return ""
        key = kernel.key()
        if key not in self.names:
            self.go_on()
            if kernel.kind == "scan":
                loop = kernel.inner
                own = [self.name_of(inner, loop.plan) for inner in loop.plan.kernels]
                self.names[key] = f"k{len(self.names)}_scan"
                self.add(_scan(kernel, loop, own, self.names[key]))
            else:
                self.names[key] = name = f"k{len(self.names)}_{kernel.kind}"
                self.keys[name] = key
                found = self.look(key)
                if found is None:
                    self.add(kernel_code(kernel, name, plan.types, self.target))
                else:
                    self.known[name] = found
        return self.names[key]

    def parts(self, size: int, quick: bool = False) -> tuple[Part, ...]:
        """The functions as modules."""
        found = []
        for start in range(0, len(self.made), size):
            some = self.made[start : start + size]
            names = tuple(name for name, _, _ in some)
            declared = {
                name: line for _, _, own in some for name, line in own.items() if name not in names
            }
            texts = [text for _, text, _ in some]
            text = module_text(texts, declared.values(), self.target, quick)
            found.append(Part(text, names))
        return tuple(found)


def _stretches(kernels: Sequence[Kernel]) -> tuple[tuple[int, ...], ...]:
    found: list[list[int]] = [[]]
    for n, kernel in enumerate(kernels):
        if kernel.kind == "interpreter":
            found.append([])
        else:
            found[-1].append(n)
    return tuple(map(tuple, found))


def _calls(
    code: Code,
    plan: Plan,
    numbers: Sequence[int],
    names: Sequence[str],
    pointer: Callable[[int], Value],
    arena: Value,
    status: Value,
    apart: bool = False,
    begin: Callable[[int], None] = lambda phase: None,
) -> None:
    """Call some kernels of a plan in order; threads meet between phases, serial kernels run on the first one.

    Threads that do steps `apart` run every kernel whole. `begin` is told of each phase.
    """
    width = max((len(plan.kernels[n].values) for n in numbers), default=0) + 2
    everything = {n: _given(code, plan.kernels[n], pointer) for n in numbers}
    scratch = {
        n: code.element(arena, at, 1) for n, at in plan.memory.scratch.items() if n in everything
    }
    first = code.compare("icmp eq", code["thread"], code.integer(0))
    before: int | None = None
    counts = [one.portions for one in (plan.kernels[n].owned for n in numbers) if one is not None]
    if counts:  # the same for all chains
        portions = code.share(code.integer(counts[0]), code["thread"], code["threads"])
    for n in numbers:
        phase = plan.phases[n]
        if before is not None and phase != before and not apart:
            barrier(code)
        if phase != before:
            begin(phase)
        before = phase

        def call(n: int = n, portion: Value | None = None) -> None:
            args = code.array("ptr", width)
            own, given = plan.kernels[n].owned, everything[n]
            room = [scratch[n]] if n in scratch else []
            if own is not None and portion is not None:
                steps = dict(own.steps)
                given = [
                    code.element(one, code.mul(portion, steps[i]), 1)
                    for i, one in zip(plan.kernels[n].values, given, strict=True)
                ]
                mine = code.mul(code["thread"], own.scratch)
                room = [code.element(one, mine, 1) for one in room]
            for i, one in enumerate([*given, status, *room]):
                code.store(one, code.element(args, i, 8))
            whole = apart or plan.serial[n] or portion is not None
            thread = code.integer(0) if whole else code["thread"]
            threads = code.integer(1) if whole else code["threads"]
            code.call("void", names[n], args, thread, threads, code["team"])

        if plan.kernels[n].owned is not None:
            with code.loop(*portions) as portion:
                call(portion=portion)
        elif plan.serial[n] and not apart:
            with code.when(first):
                call()
        else:
            call()


def _given(code: Code, kernel: Kernel, pointer: Callable[[int], Value]) -> list[Value]:
    """Where the values of a kernel begin for it."""
    starts = dict(kernel.starts)
    return [code.element(pointer(i), starts.get(i, 0), 1) for i in kernel.values]


def _step(plan: Plan, stretch: Sequence[int], names: Sequence[str], name: str) -> Code:
    """The function that calls the kernels of a stretch."""
    code = Code(name, STEP, "i32")
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
            elif value in plan.memory.parts:
                base, at = plan.memory.parts[value]
                found[value] = code.element(pointer(base), at, 1)
            else:
                found[value] = code.element(arena, plan.memory.values[value], 1)
        return found[value]

    def begin(phase: int) -> None:
        if plan.over.pairs and phase == plan.over.phase:
            _begin_to_overwrite(code, arena)

    _calls(code, plan, stretch, names, pointer, arena, arena, begin=begin)
    return code


def _begin_to_overwrite(code: Code, arena: Value) -> None:
    """From here on inputs may be written over: not if a check has failed. The second word of the arena says so."""
    status = code.load("i32", arena)
    fine, failed = code.fresh("fine"), code.fresh("failed")
    sound = code.compare("icmp eq", status, code.integer32(0))
    code.line(f"br {sound.typed}, label {fine}, label {failed}")
    code.label(failed)
    code.line("ret i32 0")
    code.label(fine)
    code.store(code.integer32(1), code.element(arena, BEGUN, 1))


def _scan(kernel: Kernel, loop: Loop, names: Sequence[str], name: str) -> Code:
    """A loop over time: the body's kernels with pointers that move on from step to step."""
    code = Code(name, KERNEL)
    args = [
        code.load("ptr", code.element(code["args"], n, 8)) for n in range(len(kernel.values) + 2)
    ]
    outside = dict(zip(kernel.values, args, strict=False))
    status, scratch = args[-2:]
    pieces = [[code.element(outside[p.value], p.offset, 1) for p in one] for one in loop.inputs]
    results = [outside[i] for i in loop.outputs]
    begin, end = code.integer(0), code.integer(loop.length)
    if loop.apart:
        scratch = code.element(scratch, code.mul(code["thread"], loop.apart), 1)
    if not loop.portions:
        if loop.apart:
            begin, end = code.share(end, code["thread"], code["threads"])
        _walk(code, loop, names, (begin, end), pieces, results, scratch, status)
        return code
    own = code.share(code.integer(loop.portions), code["thread"], code["threads"])
    inputs, outputs = loop.plan.program.inputs, loop.plan.program.outputs
    with code.loop(*own) as portion:

        def rows(start: Value, value: int) -> Value:
            return code.element(start, code.mul(portion, _size(loop.plan, value)), 1)

        moved = [
            [rows(start, value) for start in one] if cut else one
            for one, value, cut in zip(pieces, inputs, loop.cut, strict=True)
        ]
        here = [rows(start, value) for start, value in zip(results, outputs, strict=True)]
        _walk(code, loop, names, (begin, end), moved, here, scratch, status)
    return code


def _walk(
    code: Code,
    loop: Loop,
    names: Sequence[str],
    steps: tuple[Value, Value],
    pieces: Sequence[Sequence[Value]],
    results: Sequence[Value],
    scratch: Value,
    status: Value,
) -> None:
    """All steps, or a thread's own ones, one after the other."""
    plan, body, count = loop.plan, loop.plan.program, loop.carry_count
    carries = [code.variable(pieces[n][0]) for n in range(count)]
    buffers = [[code.element(scratch, at, 1) for at in pair] for pair in loop.buffers]
    with code.loop(*steps) as i:
        t = code.op("sub", code.integer(loop.length - 1), i) if loop.reverse else i
        odd = code.op(f"trunc {i.typed} to i1", type="i1")
        last = code.compare("icmp eq", i, code.integer(loop.length - 1))
        found = _step_inputs(code, loop, t, carries, pieces)
        for n, value in enumerate(body.outputs):
            if n >= count:
                found[value] = code.element(results[n], code.mul(t, _step_size(loop, value)), 1)
        following = []
        for n, value in enumerate(body.outputs[:count]):
            if value not in found:
                other = code.select(odd, buffers[n][1], buffers[n][0])
                found[value] = code.select(last, results[n], other)
            following.append(found[value])

        def pointer(value: int) -> Value:
            if value not in found:
                base, at = plan.memory.parts.get(value, (value, 0))
                if base in found:
                    found[value] = code.element(found[base], at, 1)
                else:
                    found[value] = code.element(scratch, plan.memory.values[value], 1)
            return found[value]

        whole = range(len(plan.kernels))
        _calls(code, plan, whole, names, pointer, scratch, status, bool(loop.apart))
        if not loop.apart:
            barrier(code)
        for n, one in enumerate(following):
            carries[n].set(one)
    _copy_carries(code, loop, [carry.get() for carry in carries], results)


def _size(plan: Plan, value: int) -> int:
    """Bytes of a value of a loop's body."""
    return plan.types[value].size * stored_bytes(plan.types[value].dtype)


def _step_size(loop: Loop, value: int) -> int:
    """Bytes from step to step of what a loop walks over or stacks: all portions of it."""
    return _size(loop.plan, value) * max(1, loop.portions)


def _step_inputs(
    code: Code, loop: Loop, t: Value, carries: Sequence[Variable], pieces: Sequence[Sequence[Value]]
) -> dict[int, Value]:
    """Where one step finds its inputs: carries, what stays, and slices of what is walked over."""
    found: dict[int, Value] = {}
    for n, value in enumerate(loop.plan.program.inputs):
        start = pieces[n][0]
        if n < loop.carry_count:
            found[value] = carries[n].get()
        elif n < loop.carry_count + loop.constant_count:
            found[value] = start
        else:
            size = (
                _step_size(loop, value) if not loop.cut or loop.cut[n] else _size(loop.plan, value)
            )
            found[value] = code.element(start, code.mul(t, size), 1)
            for piece, start in zip(loop.inputs[n][1:], pieces[n][1:], strict=True):
                since = code.add(t, -piece.step)
                here = code.element(start, code.mul(since, size), 1)
                reached = code.compare("icmp sge", since, code.integer(0))
                found[value] = code.select(reached, here, found[value])
    return found


def _copy_carries(
    code: Code, loop: Loop, carries: Sequence[Value], results: Sequence[Value]
) -> None:
    """Behind the loop: last carries that lie among the stacked results."""
    outputs, count = loop.plan.program.outputs, loop.carry_count
    first = code.compare("icmp eq", code["thread"], code.integer(0))
    with code.when(Value("true", "i1") if loop.portions else first):
        for n, value in enumerate(outputs[:count]):
            if value in outputs[count:]:
                size, false = code.integer(_size(loop.plan, value)), Value("false", "i1")
                code.call("void", "llvm.memcpy.p0.p0.i64", results[n], carries[n], size, false)
