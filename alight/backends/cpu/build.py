"""From a program to linked code: planned and compiled, or, if that was done before on this machine, read from disk.

In: a program. Out: `Built`, what a step needs at run time. A program that was compiled has an entry of its own in the
cache: a list of the parts of its code and a few numbers, under a key made of the program's text. With it, a later
process plans nothing and writes no code. The plan itself is made again only when somebody wants to look at it.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from alight.backends.cores import most_planned
from alight.backends.cpu import cache
from alight.compiler.hot import background
from alight.compiler.signature import signature
from alight.ir.program import Program

MEETING = 25_000  # steps of work (about 1.5 us) that a meeting of threads costs, with what one has written for another
LONG_WORK = 500_000  # steps of work (about 50 us) from which Python's lock is let go meanwhile


class Summary(NamedTuple):
    """What is kept of a plan at run time, and on disk."""

    # Of the code: key in the cache, and for each function its name there and in this program.
    parts: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    steps: tuple[str, ...]  # functions of the stretches between calls of the interpreter
    kernels: tuple[str, ...]  # the function of each kernel
    arena: int  # bytes of intermediate values
    serial: bool  # one thread runs it all
    long: bool  # it takes so long that other Python threads may run meanwhile
    given_twice: tuple[
        tuple[int, int], ...
    ]  # outputs that are another: number, input or -1 - output
    pieces: tuple[Any, ...] = ()  # if its code serves many shapes: generic.Piece of each function
    over: tuple[tuple[int, int], ...] = ()  # outputs that may lie where an input lies

    def text(self) -> bytes:
        """As bytes for the cache."""
        return json.dumps(self).encode()

    @classmethod
    def parse(cls, text: bytes) -> Summary:
        """From these bytes."""
        return cls(*_tuples(json.loads(text)))


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


class Built(NamedTuple):
    """Code in memory."""

    summary: Summary
    kept: tuple[object, ...]  # owns the code
    addresses: dict[str, int]
    plan: Any = None  # alight.compiler.pipeline.Plan, if it was made
    words: int = 0  # where the numbers lie that code for many shapes is given
    general: bool = False  # its code serves many shapes


OWN_SHAPES = 2  # shapes of one sequence of operations that get code of their own when they are first compiled
_shapes: OrderedDict[int, int] = OrderedDict()  # of which operations how many were compiled


def build(program: Program, general: bool | None = None) -> Built:
    """Compile a program, and keep its code for other processes.

    Unless told, code for many shapes is taken for the third shape of the same operations.
    """
    if general is None:
        general = _is_another_shape(program)
    made = plan_of(program, general)
    if general and any(kernel.kind == "interpreter" for kernel in made.kernels):
        general, made = False, plan_of(program)
    return _general(program, made) if general else _special(program, made)


def _is_another_shape(program: Program) -> bool:
    operations = hash(tuple((node.primitive, node.inputs, node.outputs) for node in program.nodes))
    count = _shapes[operations] = _shapes.pop(operations, 0) + 1
    if len(_shapes) > 1000:
        _shapes.popitem(last=False)
    return count > OWN_SHAPES


def _general(program: Program, made: Any) -> Built:
    """Linked from functions that serve many shapes."""
    from alight.backends.cpu import threads
    from alight.backends.cpu.generic import forms
    from alight.backends.cpu.step import step_text
    from alight.backends.cpu.target import host
    from alight.compiler.overwrites import Overwrites

    made = made._replace(over=Overwrites())  # until it gets code of its own
    text = step_text(made, host()._replace(varied=True), size=1, go_on=background.check)
    place = len(made.program.inputs) + len(made.program.outputs) + 1
    linked = forms.linked(text.parts, threads.symbols(), place, background.check)
    summary = _summary(made, {}, text)._replace(pieces=tuple(map(tuple, linked.pieces)))
    _keep(program, summary)
    # Without its plan, which takes more memory than all else: there may be thousands of shapes.
    return Built(summary, linked.kept, {text.steps[0]: linked.step}, None, linked.words, True)


def _summary(made: Any, parts: Mapping[str, Sequence[tuple[str, str]]], text: Any) -> Summary:
    return Summary(
        tuple((key, tuple(names)) for key, names in parts.items()),
        text.steps,
        text.kernels,
        made.memory.size,
        not _is_worth_dividing(made),
        sum(kernel.work for kernel in made.kernels) > LONG_WORK,
        tuple(_given_twice(made.program)),
        (),
        made.over.pairs,
    )


def _is_worth_dividing(made: Any) -> bool:
    """Whether threads that share a program's work save more than it costs them to meet."""
    saved = meetings = 0
    for kernel, serial in zip(made.kernels, made.serial, strict=True):
        if not serial:
            saved += kernel.work
        loop = kernel.inner if kernel.kind == "scan" and not serial else None
        if loop is not None and not loop.apart and not loop.portions:
            meetings += loop.length * (1 + max(loop.plan.phases, default=0))
    meetings += 1 + max(made.phases, default=0)
    threads = most_planned()
    return saved * (threads - 1) > meetings * MEETING * threads


class Function:
    """A kernel's machine code, for all programs of this process that have such a kernel."""

    __slots__ = ("__weakref__", "address", "module", "name", "part")

    def __init__(self, part: str, name: str, module: Any) -> None:
        self.part, self.name = part, name  # in the cache
        self.module, self.address = module, module.addresses[name]


# By the key of a kernel, for as long as a program uses it. The first step of a training is often another program than
# all others, since an optimizer's state is made then: most of its functions are the same.
_functions: WeakValueDictionary[object, Function] = WeakValueDictionary()


def _special(program: Program, made: Any) -> Built:
    """Compiled for its own shapes."""
    from alight.backends.cpu import jit, threads
    from alight.backends.cpu.step import step_text
    from alight.backends.cpu.target import host

    target = host()
    text = step_text(
        made, target, go_on=background.check, known=lambda key: _functions.get((target, key))
    )
    functions, addresses = dict(text.known), dict(threads.symbols())
    parts: dict[str, list[tuple[str, str]]] = {}
    modules = []
    for name, function in functions.items():
        addresses[name] = function.address
        parts.setdefault(function.part, []).append((function.name, name))
    for part in text.parts:
        background.check()
        key = cache.key_of(part.text)
        modules.append(jit.link(cache.object_code(part.text, target), part.names, addresses))
        addresses.update(modules[-1].addresses)
        parts[key] = [(name, name) for name in part.names]
        for name in part.names:
            if name in text.keys:
                functions[name] = Function(key, name, modules[-1])
                _functions[target, text.keys[name]] = functions[name]
    summary = _summary(made, parts, text)
    _keep(program, summary)
    return Built(summary, (*modules, *functions.values()), addresses, made)


def _keep(program: Program, summary: Summary) -> None:
    """For other processes, unless the interpreter has a part in it."""
    key = _key(program)
    if key and len(summary.steps) == 1:
        cache.store(key, summary.text())


def plan_of(program: Program, general: bool = False) -> Any:
    """The plan that a program is compiled by, for its own shapes or for many."""
    from alight.backends.cpu.kernels import machine
    from alight.backends.cpu.target import host
    from alight.compiler.pipeline import plan

    target = host()._replace(varied=general)
    return plan(program, machine(target))._replace(fusion=None)  # large, and of no use afterwards


def recall(program: Program) -> Built | None:
    """A program's code from the disk; None unless all of it is there."""
    key = _key(program)
    if key is None or not cache.may_hold(key):
        return None
    found = cache.load(key)
    if found is None:
        return None
    try:
        summary = Summary.parse(found)
    except (ValueError, TypeError):
        return None
    from alight.backends.cpu import jit, threads

    if summary.pieces:
        return _recall_general(summary)
    codes = [cache.load(part) for part, _ in summary.parts]
    modules, addresses = [], dict(threads.symbols())
    for code, (_, names) in zip(codes, summary.parts, strict=True):
        if code is None:
            return None
        modules.append(jit.link(code, [own for own, _ in names], addresses))
        addresses.update((name, modules[-1].addresses[own]) for own, name in names)
    return Built(summary, tuple(modules), addresses)


def _recall_general(summary: Summary) -> Built | None:
    from alight.backends.cpu import threads
    from alight.backends.cpu.generic import Piece, joined

    pieces = [Piece(*piece) for piece in summary.pieces]
    linked = joined(pieces, cache.load, threads.symbols())
    if linked is None:
        return None
    step = {summary.steps[0]: linked.step}
    return Built(summary, linked.kept, step, None, linked.words, True)


def _key(program: Program) -> str | None:
    """Tells everything that decides a program's code, besides the machine and the versions."""
    text = signature(program)
    if text is None:
        return None
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"program {digest} for {most_planned()} threads"


def _given_twice(program: Program) -> Iterator[tuple[int, int]]:
    inputs, outputs = program.inputs, program.outputs
    for n, i in enumerate(outputs):
        if i in inputs:
            yield n, inputs.index(i)
        elif outputs.index(i) < n:
            yield n, -1 - outputs.index(i)
