"""A compiled program as a callable: buffers in, buffers out, as the interpreter's are.

In: a program. Out: `Native`, which allocates outputs, takes an arena, fills the table of pointers and calls the step.
What the compiler leaves to the interpreter (sorting, factorisations, complex numbers) runs between two stretches of
compiled code. A step that reports a failed check is run again by the interpreter, which knows how to say what is wrong.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from alight import config
from alight.backends.cores import most_planned
from alight.backends.cpu import entry, threads
from alight.backends.cpu.build import Built, build, plan_of
from alight.backends.interpreter.arrays import Block, aligned, numpy_dtype
from alight.backends.interpreter.plan import compile_program
from alight.compiler.hot import background
from alight.ir.program import Program


class Arenas:
    """Memory for intermediate values, shared by all programs: a running step has one to itself."""

    def __init__(self) -> None:
        self.free: list[Any] = []

    def take(self, size: int) -> Any:
        """An arena of at least `size` bytes, aligned to 64."""
        while self.free:
            arena = self.free.pop()
            if arena.nbytes >= size:
                return arena
        whole = np.empty(size + 64, np.uint8)
        start = -whole.ctypes.data % 64
        return whole[start : start + size]

    def give_back(self, arena: Any) -> None:
        """Let the next step have it."""
        self.free.append(arena)


arenas = Arenas()


class Recycled:
    """Arrays for one output, used again once nobody else holds them: memory that is warm, and no page faults.

    Two alternate for a parameter that a step updates: the old one is let go when the new one takes its place.
    """

    held_bytes = 0  # by all of them

    def __init__(self, shape: tuple[int, ...], of: Any) -> None:
        self.shape, self.of = shape, of
        self.arrays: list[Any] = []
        self.comes_again = False

    def new(self) -> Any:
        """One more array; kept for later if there is room, from the second on: many programs run once."""
        array = aligned(self.shape, self.of)
        is_wanted = self.comes_again and len(self.arrays) < 2
        if is_wanted and Recycled.held_bytes + array.nbytes < config.cache_bytes:
            Recycled.held_bytes += array.nbytes
            self.arrays.append(array)
        self.comes_again = True
        return array

    def __del__(self) -> None:
        type(self).held_bytes -= sum(
            array.nbytes for array in self.arrays
        )  # at exit names are gone


def _arrays_for(outputs: Sequence[Recycled], free: int) -> list[Any]:
    """An array for each output; `free` is the reference count of one that nobody else holds, seen from here."""
    count, taken = sys.getrefcount, []
    for output in outputs:
        for array in output.arrays:
            if count(array) == free:
                break
        else:
            array = output.new()
        taken.append(array)
    return taken


class Outputs:
    """The arrays of all outputs of a program.

    A loop takes the same arrays in turn, as many rounds apart as its parameters need: they are taken together, where
    nobody holds one of them.
    """

    def __init__(self, outputs: list[Recycled]) -> None:
        self.outputs = outputs
        self.rounds: list[list[Any]] = []  # what was taken last, and before; the next first
        self.free: list[list[int]] = []  # of each array in them, its references if it is free
        self.misses = 0

    def take(self) -> list[Any]:
        """An array for each output that nobody else holds."""
        for arrays, free in zip(self.rounds, self.free):  # noqa: B905  (a keyword costs as much as a round)
            if [*map(sys.getrefcount, arrays)] == free:
                if arrays is self.rounds[0]:
                    self.rounds.reverse()
                    self.free.reverse()
                return arrays.copy()
        if self.misses == MISSES:
            return _arrays_for(self.outputs, FREE)
        return self._take_anew()

    def _take_anew(self) -> list[Any]:
        before = [self._places(arrays) for arrays in self.rounds[-1:]]
        self.rounds.clear()  # they count as holders
        taken = _arrays_for(self.outputs, FREE)
        self.misses += 1
        rounds = [places for places in (*before, self._places(taken)) if places is not None]
        if FREE > 0 and self.misses < MISSES and len(rounds) > len(before):
            self.rounds = [self._arrays(places) for places in rounds]
            self.free = [
                [
                    IN_ONE_LIST + sum(one[n] is array for one in self.rounds)
                    for n, array in enumerate(arrays)
                ]
                for arrays in self.rounds
            ]
        return taken

    def _places(self, arrays: list[Any]) -> tuple[int, ...] | None:
        """Which array of each output they are; None if one is of none."""
        places = []
        for array, output in zip(arrays, self.outputs, strict=True):
            found = [n for n, own in enumerate(output.arrays) if own is array]
            if not found:
                return None
            places.append(found[0])
        return tuple(places)

    def _arrays(self, places: Sequence[int]) -> list[Any]:
        return [output.arrays[n] for output, n in zip(self.outputs, places, strict=True)]


MISSES = 20  # after so many rounds that were not as before, each output is looked at by itself
(IN_ONE_LIST,) = map(sys.getrefcount, [object()])  # references of what one list holds


def _free_count() -> int:
    """What `_arrays_for` counts for an array that nobody else holds: it depends on the version of Python."""
    for free in (3, 2):
        kept = Recycled((1,), np.dtype(np.float32))
        kept.comes_again = True
        kept.new()
        taken_again = _arrays_for([kept], free)[0] is kept.arrays[0]
        held = kept.arrays[0]
        if taken_again and _arrays_for([kept], free)[0] is not held:
            return free
    return -1


FREE = _free_count()  # -1 where it cannot be told: then no array is used again


INTERPRET = -1  # a status beside those of compiled code

# A value in the arena: its number, where it begins, shape, dtype, strides in bytes.
Stored = tuple[int, int, tuple[int, ...], Any, tuple[int, ...]]


class Native:
    """A program as machine code."""

    def __init__(self, program: Program, built: Built | None = None) -> None:
        self.program = program
        self.built = built = built or build(program)
        self._plan = built.plan
        self.names, self.addresses = built.summary.kernels, built.addresses
        self.steps = [self.addresses[name] for name in built.summary.steps]
        self.threads = 1 if built.summary.serial else most_planned()
        self.given_twice, self.arena = built.summary.given_twice, built.summary.arena
        self.between: list[Callable[[dict[int, Any]], None]] = []
        if len(self.steps) > 1:
            kernels = self.plan.kernels
            self.between = [
                self._interpreted(n) for n, k in enumerate(kernels) if k.kind == "interpreter"
            ]
        types = program.types
        self.in_types = [(types[i].shape, numpy_dtype(types[i].dtype)) for i in program.inputs]
        self.out_types = [(types[i].shape, numpy_dtype(types[i].dtype)) for i in program.outputs]
        self.spare = Outputs([Recycled(shape, of) for shape, of in self.out_types])
        kinds = [entry.kind_of(types[i].shape, types[i].dtype) for i in program.inputs]
        self.descriptor = b""  # the quick way in, for programs that need nothing of the interpreter
        if not self.between:
            self.descriptor = entry.descriptor(
                self.steps[0],
                kinds,
                len(self.out_types),
                self.threads,
                built.summary.long,
                built.words,
            )
        self.stored: list[Stored] | None = None  # what lies in the arena, once it is looked at
        self.lock = threading.Lock()  # of `spare`: two threads must not take one array
        self.over = frozenset(built.summary.over if self.descriptor else ())
        self.besides: dict[Any, tuple[tuple[int, ...], list[Recycled]]] = {}  # see `_besides`

    @property
    def plan(self) -> Any:
        """What it was compiled by; made again if the code came from the disk."""
        if self._plan is None:
            self._plan = plan_of(self.program, self.built.general)
        return self._plan

    def _interpreted(self, number: int) -> Callable[[dict[int, Any]], None]:
        """One node run by the interpreter on arrays over the same memory."""
        kernel, types = self.plan.kernels[number], self.plan.types
        (node,) = kernel.nodes
        inputs = tuple(dict.fromkeys(node.inputs))
        run = compile_program(Program(types, inputs, [node], node.outputs))

        def call(arrays: dict[int, Any]) -> None:
            results = run([arrays[i] for i in inputs])
            for i, result in zip(node.outputs, results, strict=True):
                arrays[i][...] = result

        return call

    def __call__(self, arguments: Sequence[Any]) -> list[Any]:
        with self.lock:
            results = self.spare.take()
        arena = arenas.take(self.arena)
        try:
            enter, status = threads.pool().library.entry.enter, entry.MISFIT
            if enter is not None and self.descriptor and arguments.__class__ is list:
                status = enter(self.descriptor, arguments, results, arena)  # type: ignore[arg-type]
            if status == entry.MISFIT:
                status = self._run(arguments, results, arena)
        finally:
            arenas.give_back(arena)
        if status:
            return compile_program(self.program)(arguments)
        for n, other in self.given_twice:
            results[n][...] = arguments[other] if other >= 0 else results[-other - 1]
        return results

    def write_over(self, arguments: list[Any], overwriting: Any) -> list[Any]:
        """The same, but results take the place of inputs as `overwriting` (see alight.record.overwriting) allows it.

        It knows what was done if Ctrl-C breaks off Python here: then this is called once more, and goes on.
        """
        if not overwriting.is_written():
            enter = threads.pool().library.entry.enter
            numbers, others = self._besides(overwriting.pairs)
            if enter is None or not numbers:
                return self(arguments)
            with self.lock:
                rest = _arrays_for(others, FREE)  # no two in turn where one does
            results = overwriting.results = self._in_place(arguments, overwriting, numbers, rest)
            arena = arenas.take(self.arena)
            arena[: entry.BEGUN + 4] = 0
            overwriting.begun = arena[entry.BEGUN : entry.BEGUN + 1]
            status = enter(self.descriptor, arguments, results, arena)  # type: ignore[arg-type]
            overwriting.written = status == 0
            overwriting.begun = None
            arenas.give_back(arena)
            if status:  # nothing was written over
                return self(arguments)
        results = overwriting.results
        for n, other in self.given_twice:
            results[n][...] = arguments[other] if other >= 0 else results[-other - 1]
        return results

    def _besides(
        self, pairs: tuple[tuple[int, int], ...]
    ) -> tuple[tuple[int, ...], list[Recycled]]:
        """The numbers of the pairs that the code allows, and arrays for all other outputs."""
        if pairs not in self.besides:
            numbers = tuple([n for n, pair in enumerate(pairs) if pair in self.over])
            taken = {pairs[n][0] for n in numbers}
            rest = [kind for n, kind in enumerate(self.out_types) if n not in taken]
            self.besides[pairs] = numbers, [Recycled(*kind) for kind in rest]
        return self.besides[pairs]

    def _in_place(
        self, arguments: list[Any], overwriting: Any, numbers: Sequence[int], rest: Sequence[Any]
    ) -> list[Any]:
        """An array for each output: that of an input if nobody else holds it, one of its own, or one of the rest."""
        pairs = [overwriting.pairs[n] for n in numbers]
        arrays = [arguments[given] for _, given in pairs]
        blocks = [array.base for array in arrays]  # memory of ours, if it is a Block
        owned = overwriting.owned(arrays, numbers)
        counts, around = ([*map(sys.getrefcount, them)] for them in (arrays, blocks))
        alone = IN_ONE_LIST + overwriting.HOLDERS, IN_ONE_LIST + 1, Block
        classes = map(type, blocks)
        free = [
            mine and found == alone
            for mine, found in zip(owned, zip(counts, around, classes, strict=True), strict=True)
        ]
        overwriting.note(free)
        others, own = iter(rest), {}
        for (output, _), array, is_free in zip(pairs, arrays, free, strict=True):
            own[output] = array if is_free else aligned(*self.out_types[output])
        return [own[n] if n in own else next(others) for n in range(len(self.out_types))]

    def _run(self, arguments: Sequence[Any], results: list[Any], arena: Any) -> int:
        """Fill the table here: for arguments that have to be converted, and between calls of the interpreter."""
        program = self.plan.program if self.between else self.program
        arrays: dict[int, Any] = {}
        for i, given, (shape, of) in zip(program.inputs, arguments, self.in_types, strict=True):
            if not (
                given.__class__ is np.ndarray and given.dtype is of and given.flags.c_contiguous
            ):
                given = np.ascontiguousarray(given, of)
            arrays[i] = given if given.shape == shape else given.reshape(shape)
        pointers = entry.addresses([*map(arrays.__getitem__, program.inputs), *results, arena])
        for i, result in zip(program.outputs, results, strict=True):
            arrays.setdefault(i, result)
        table = np.array([*pointers, self.built.words], np.uint64)
        (start,) = entry.addresses([table])
        arena[:4] = 0
        if self.between:
            self._view_arena(arena, arrays)
        for n, step in enumerate(self.steps):
            threads.pool().run(step, start, self.threads)
            if n < len(self.between):
                try:
                    self.between[n](arrays)
                except Exception:
                    return INTERPRET  # it fails there again, and there it is known which node does
        return int(arena[:4].view(np.int32)[0])

    def _view_arena(self, arena: Any, arrays: dict[int, Any]) -> None:
        """Arrays over the intermediate values that the interpreter reads or writes."""
        if self.stored is None:
            self.stored = self._stored(arrays)
        for value, at, shape, of, steps in self.stored:
            arrays[value] = np.ndarray(shape, of, arena, at, steps)

    def _stored(self, known: Collection[int]) -> list[Stored]:
        """Where those values lie in the arena that are not `known` arguments or results."""
        from alight.backends.cpu.kernels import stored_bytes

        types, strides = self.plan.types, self.plan.strides
        stored: dict[int, Stored] = {}
        for kernel in self.plan.kernels:
            for value in kernel.values if kernel.kind == "interpreter" else ():
                if value not in known:
                    size = stored_bytes(types[value].dtype)
                    steps = tuple(step * size for step in strides[value])
                    at, of = self.plan.memory.values[value], numpy_dtype(types[value].dtype)
                    stored[value] = value, at, types[value].shape, of, steps
        return list(stored.values())


MANY_RUNS = 100  # of code for many shapes, until a program gets code of its own


class General(Native):
    """A program whose code serves many shapes, until it has run so often that code of its own is worth its time."""

    def __init__(self, program: Program, built: Built) -> None:
        super().__init__(program, built)
        self.runs = 0
        self.special: Native | None = None

    def __call__(self, arguments: Sequence[Any]) -> list[Any]:
        if self.special is not None:
            return self.special(arguments)
        self.runs += 1
        if self.runs == MANY_RUNS:
            background.submit(self)
        return super().__call__(arguments)

    def write_over(self, arguments: list[Any], overwriting: Any) -> list[Any]:
        """As of any program; code for many shapes never does it."""
        if self.special is not None:
            return self.special.write_over(arguments, overwriting)
        return self(arguments)

    def make(self) -> None:
        """Compile it for its own shapes."""
        self.special = Native(self.program, build(self.program, general=False))


def compiled(program: Program) -> Native:
    """A program as machine code."""
    return made_of(program, build(program))


def made_of(program: Program, built: Built) -> Native:
    """A program whose code is there."""
    return General(program, built) if built.general else Native(program, built)
