"""The recorder: one for each thread, it walks the trie and collects what a pending segment needs.

In: operations with their arguments. Out: handles whose values are pending. A known step is one look-up in the
generated wrapper (`alight.ops.wrappers`), which works on `here`, `handles` and `scalars` directly; everything in
this file runs on a new step, or on the first use of a tensor in a segment.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from alight import config
from alight.dtypes import bool_, complex128, dtype, float32, float64, int64
from alight.errors import fail, not_implemented
from alight.ir.program import Program, Value
from alight.ir.types import Type
from alight.primitives import Detach
from alight.primitives.arithmetic import fresh
from alight.record import owners, unsteady, views
from alight.record.apart import enter_own, has_own_past, is_apart, rejoin
from alight.record.flush import flush as run_segment
from alight.record.flush import peek as peek_at
from alight.record.flush import peek_kept
from alight.record.kept import Kept
from alight.record.references import LISTED
from alight.record.sources import Line, user_line
from alight.record.specialized import copy_of
from alight.record.trie import Argument, Position, Tape, forget, weight_of
from alight.record.unsteady import COMPOUND, ENTER, MODE, VIEW

OFFSET = (
    1 << 32
)  # slots of recorder k start at k * OFFSET, so that a slot of another thread is never taken for ours

SCALAR_TYPES: dict[type, Type] = {
    float: Type((), float64),
    int: Type((), int64),
    bool: Type((), bool_),
    complex: Type((), complex128),
}
LONG_SEGMENT = 512  # steps after which a segment that asks for no value is cut where its first line comes round again

_numbers = itertools.count()
_all: dict[int, Recorder] = {}


class Recorder:
    """Pending work of one thread and the trie of its paths."""

    transforming = False  # True while a function is being transformed: see alight.func
    if TYPE_CHECKING:  # what its recorder, alight.func.capture.Capture, has besides

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self) -> None:
        self.number = next(_numbers)
        self.offset = self.number * OFFSET
        self.grad_enabled = True
        self.inference = False
        self.default_dtype: dtype = float32
        self.autocast: dtype | None = None  # what products are computed in, inside torch.autocast
        self.roots: dict[Hashable, Position] = {}
        self.positions, self.bytes = 0, 0  # known steps, and what they take with their plans
        self.most_bytes = 0  # from which on old paths are forgotten; 0: what the configuration says
        self.lap = 0
        self.tape: Tape | None = None  # the tape of `here`, if it is at hand
        self.root = self._root()
        self.here = self.root
        self.handles: list[Any] = []  # tensor of each slot
        self.inputs: list[Any] = []  # buffer of each entered tensor
        self.scalars: list[Any] = []  # Python numbers given to the steps
        self.pasts: list[Any] = []  # entered tensors whose history lies in flushed segments
        self.calls: list[Any] = []  # contexts of autograd.Function calls in this segment
        self.transient: list[Any] = []  # tensors whose slots hold for one step only
        self.held: list[Kept] = []  # tensors that entered together, for the step that writes them
        self.hooked = False  # a pending tensor waits for its gradient
        self.hooked_slots: dict[int, Any] = {}  # slot -> the tensor that waits for its gradient
        self.retained: list[Any] = []  # tensors that keep their gradient
        self.overwriting: list[Any] = []  # runs under way that write over their inputs
        self.attached = 0  # views made on this path that the owners of their memory know of
        self.saved_hooks: tuple[Any, ...] = ()  # hooks on what backward keeps, innermost last
        self.hooks_disabled: str | None = None  # the message of the error that such hooks are now
        self.node_hooks: dict[Any, Any] = {}  # step -> hooks on its backward node
        self.segment: Any = None  # the steps as a graph, if somebody has looked at a grad_fn
        self.came_round = False  # the segment has met a lap mark already
        self.wrote_leaf = (
            False  # a leaf was written in place without recording: a hand-made optimizer step
        )
        self.shares = False  # an entered tensor's memory was exchanged with NumPy
        self.must_write = False  # a step wrote memory that NumPy sees
        self.turned = (
            False  # tensors have entered at the end of a known path that went on otherwise
        )
        self.branches: dict[Any, tuple[float, int]] = {}  # see unsteady.py
        self.unsteady: set[Any] = set()  # places before which the segment is cut
        self.fresh: Position | None = None  # the first new step of the segment: see passing.py
        self.origins: dict[Any, Any] = {}  # see passing.py
        self.passing = False  # the paths from the place that was judged last pass
        self.log: list[Any] | None = None  # (position, plan) of each flush, while somebody watches
        _all[self.number] = self

    # -- where a path starts ---------------------------------------------------------------------------------

    def ambient(self) -> tuple[Hashable, ...]:
        """The state outside any call that decides what a body records."""
        return self.grad_enabled, self.inference, self.default_dtype, self.autocast

    def _root(self) -> Position:
        key = self.ambient()
        if key not in self.roots:
            self.roots[key] = Position(None, key, "start", Tape(), None)
        return self.roots[key]

    def set_ambient(self, **state: Any) -> None:
        """Change grad mode, inference mode or default dtype: a step of the path, so that later hits need no check."""
        for name, value in state.items():
            setattr(self, name, value)
        self.root = self._root()
        if not self.handles:
            self.here = self.root
            return
        key = (MODE, self.ambient())
        self.move(self.here.children.get(key) or self.extend(key, MODE, lambda tape: None))

    def set_grad(self, enabled: bool) -> None:
        """Record gradients from here on, or not: `set_ambient` of that alone, which every no_grad block asks for twice."""
        self.grad_enabled = enabled
        key = enabled, self.inference, self.default_dtype, self.autocast
        root = self.roots.get(key)
        self.root = root = self._root() if root is None else root
        if not self.handles:
            self.here = root
            return
        position = self.here.children.get((MODE, key))
        if position is None:
            position = self.extend((MODE, key), MODE, lambda tape: None)
        self.here = position

    # -- steps -----------------------------------------------------------------------------------------------

    def move(self, position: Position) -> None:
        """Go one step down the trie."""
        self.here = position

    def tape_here(self) -> Tape:
        """The tape of `here`, ready to grow; another branch's tape is copied up to here first."""
        tape = self.here.tape
        if tape.counts() != self.here.counts:
            tape = tape.prefix(self.here.counts)
        return tape

    def extend(self, key: Hashable, name: str, record: Callable[[Tape], Any]) -> Position:
        """A new position below `here`: `record` writes the step's part of the tape."""
        if self.bytes > (self.most_bytes or config.cache_bytes // 2):
            self.forget_old_paths()
        tape, start = self.tape_here(), self.here.counts
        line = user_line()
        tape.line = line
        try:
            with tape.active():
                link = record(tape)
        except BaseException:
            tape.truncate(start)
            raise
        position = Position(self.here, key, name, tape, line)
        new = tape.slots[start.slots :]
        if isinstance(link, Program):
            position.link = link
            position.views += 1
        if new:
            position.slot = self.offset + start.slots
            position.metas = tuple(meta for _, meta in new)
            position.meta = position.metas[0]
            position.writes_leaf = any(meta.requires_grad and meta.leaf for _, meta in new)
        if self.fresh is None:
            self.fresh = position
        apart = unsteady.note(self, name, key, line)
        self.positions += 1
        self.add_weight(position, weight_of(position, start, tape is not self.here.tape))
        self.here.misses += 1
        if apart:
            position.reason = unsteady.REASON
        if apart or self._ends_segment(position):
            position.cut = True
            self.here.cuts[key] = position
        else:
            self.here.children[key] = position
        return position

    def _ends_segment(self, position: Position) -> bool:
        if position.name in (ENTER, VIEW, MODE):
            return False
        if (
            config.segment
            and sum(1 for p in position.path() if p.name not in (ENTER, VIEW, MODE, "start"))
            >= config.segment
        ):
            return True
        if position.counts.bytes > 4 * config.pending_bytes:
            return True
        if position.depth > LONG_SEGMENT:
            first = self._first_line(position)
            return position.line == first or position.depth > 16 * LONG_SEGMENT
        return False

    def _first_line(self, position: Position) -> Line | None:
        for step in position.path():
            if step.name not in (ENTER, VIEW, MODE, "start"):
                return step.line
        return None

    def add_weight(self, position: Position, bytes: int) -> None:
        """Something was made that lives as long as a position does."""
        position.weight += bytes
        self.bytes += bytes

    def forget_old_paths(self) -> None:
        """Keep the trie bounded: drop the paths that were not used lately, and with them half of its bytes."""
        for position in self.here.path():
            position.used = self.lap
        most = config.cache_bytes // 2
        positions, bytes = forget(tuple(self.roots.values()), most // 2)
        self.origins.clear()
        self.positions -= positions
        self.bytes -= bytes
        self.most_bytes = max(most, 2 * self.bytes)  # one lap may be larger than what is allowed

    def record(self, operation: Any, arguments: tuple[Any, ...]) -> Any:
        """Take a step that the wrapper did not find by itself; the operation's result."""
        arguments = operation.normalize(arguments)
        if self.unsteady:
            unsteady.cut_before(self, operation.name)
        if operation.joins and (joined := self._joined(operation, arguments)) is not None:
            return joined
        for tensor in operation.tensors(arguments):
            self.enter(tensor)
        key, scalars = operation.key(arguments)
        position = self.here.children.get(key) or self.here.cuts.get(key)
        if position is None:
            position = self.extend(
                key, operation.name, lambda tape: operation.trace(self, tape, arguments)
            )
        result = self._take(position, operation, arguments, scalars)
        self.settle(position)
        return result

    def _joined(self, operation: Any, arguments: tuple[Any, ...]) -> Any:
        """Many tensors of data joined at once, outside the path; None where that is not what this is.

        Else a batch drawn from a replay memory would make a new path each time: which of its tensors are one and the
        same is part of the key.
        """
        from alight.record import joined

        if self.inference or self.transforming:
            return None
        return joined.at_once(operation, arguments, self.grad_enabled)

    def settle(self, position: Position) -> None:
        """After a step: forget the slots of shared memory, and flush where the path says so."""
        if self.must_write:
            self.flush("memory shared with NumPy is written")
            return
        for tensor in self.transient:  # memory that NumPy may change is read anew at each use
            tensor._slot = -1
        self.transient.clear()
        if position.cut:
            self.flush("segment is full")

    def take(self, position: Position, operation: Any, arguments: tuple[Any, ...]) -> Any:
        """A known step that makes several views, or one with numbers: what the short wrapper does not do itself."""
        numbers = operation.key(arguments)[1] if operation.has_numbers else ()
        result = self._take(position, operation, arguments, numbers)
        if self.transient or self.must_write:
            self.settle(position)
        return result

    def _take(
        self, position: Position, operation: Any, arguments: tuple[Any, ...], scalars: Sequence[Any]
    ) -> Any:
        """Go to `position` and make the handles of its slots."""
        self.here = position
        self.scalars.extend(scalars)
        if operation.writes:
            views.rebind(self, arguments[0], position, 0)
            return arguments[0]
        made = tuple(
            operation.make(meta, position.slot + i, self.handles)
            for i, meta in enumerate(position.metas)
        )
        if position.link is not None:
            tensor = made[0]
            tensor._base, tensor._link, tensor._numbers = (
                arguments[0],
                position.link,
                tuple(scalars),
            )
            if any(arguments[0] is one for one in self.transient):
                self.transient.append(tensor)
        return operation.pack(made)

    def compound(
        self,
        name: str,
        statics: Hashable,
        reads: Sequence[Any],
        writes: Sequence[Any],
        scalars: Sequence[float],
        body: Callable[..., Sequence[Value]],
        *context: Any,
        kept: Kept | None = None,
    ) -> None:
        """One step that writes many tensors: an optimizer's update, `kept` its state.

        `body(*context, reads, [*writes, *kept], scalars)` gives the new value of each written tensor; it runs when the
        path is new. Scalars are Python floats.
        """
        count, state = len(scalars), None if kept is None else kept.key
        read = tuple([tensor._slot for tensor in reads])
        written = tuple([tensor._slot for tensor in writes])
        position = self.here.children.get((COMPOUND, name, statics, count, read, written, state))
        if position is None and self.unsteady and unsteady.cut_before(self, name):
            return self.compound(name, statics, reads, writes, scalars, body, *context, kept=kept)
        if position is None:  # perhaps only the first use of some in this segment
            for tensor in (*reads, *writes):
                self.enter(tensor)
            if kept is not None and any(one._kept is not kept for one in kept.tensors()):
                writes = [*writes, *kept.tensors()]  # some are read as well
                return self.compound(name, statics, reads, writes, scalars, body, *context)
            read = tuple([tensor._slot for tensor in reads])
            written = tuple([tensor._slot for tensor in writes])
            key = (COMPOUND, name, statics, count, read, written, state)
            position = self.here.children.get(key) or self.here.cuts.get(key)
        if position is None:
            whole = partial(body, *context)
            trace = partial(self._trace_compound, reads, writes, kept, count, whole)
            position = self.extend(key, name, trace)
        self.here = position
        self.scalars.extend(scalars)
        if kept is not None:
            kept.enter(self)
        views.rebind_all(self, writes, position)
        if self.transient or self.must_write or position.cut:
            self.settle(position)
        return None

    def _trace_compound(
        self,
        reads: Sequence[Any],
        writes: Sequence[Any],
        kept: Kept | None,
        count: int,
        body: Any,
        tape: Tape,
    ) -> None:
        read_values = [self.argument(tape, tensor) for tensor in reads]
        write_values: list[Value] = [self.argument(tape, tensor) for tensor in writes]
        if kept is not None:
            write_values.extend(map(tape.buffer_input, kept.types))
        numbers = [self.number_argument(tape, float) for _ in range(count)]
        known = len(tape.types)
        results = body(read_values, write_values, numbers)
        now: dict[int, Value] = {}  # what tensors hold by then, where several are views of one
        for tensor, result in zip(writes, results, strict=kept is None):
            views.trace_write(self, tape, tensor, result, differentiable=False, now=now)
        if kept is not None:
            taken = {value.id for value in results[: len(writes)]}
            tape.marks.append(("kept", *_apart(results[len(writes) :], known, taken)))

    # -- arguments -------------------------------------------------------------------------------------------

    def argument(self, tape: Tape, tensor: Any) -> Argument:
        """The value that an entered tensor stands for."""
        value, _ = tape.slots[tensor._slot - self.offset]
        return Argument(value, tape.types[value], tape, tensor._meta, None)

    def number_argument(self, tape: Tape, kind: type) -> Argument:
        """A new scalar input for a Python number of this type."""
        value = tape.scalar_input(SCALAR_TYPES[kind])
        return Argument(value.id, value.type, tape, None, kind)

    def enter(self, tensor: Any) -> bool:
        """Give a tensor a slot in this segment. True if that holds for one step only: NumPy may change its memory."""
        slot = tensor._slot
        if slot >= 0:
            if self.offset <= slot < self.offset + OFFSET:
                return False
            self._adopt(tensor)
        if tensor._base is not None:
            return self._enter_view(tensor)
        meta, buffer, history = tensor._meta, tensor._buffer, tensor._history
        if buffer is None and meta.device.type != "meta":
            fail(
                RuntimeError,
                "this tensor has no value: the computation that should have made it failed",
            )
        transient = False
        if tensor._shared:
            self.shares = True
            if transient := views.seen_from_outside(tensor):
                buffer = buffer.copy()
                self.transient.append(tensor)
        key = meta.number if history is None else (ENTER, meta.number)
        position = self.here.children.get(key)
        if position is None:
            position = self.extend(key, ENTER, partial(self._trace_enter, tensor))
        self.handles.append(tensor)
        tensor._slot = position.slot
        self.inputs.append(buffer)
        self.here = position
        if history is not None and meta.requires_grad:
            self.pasts.append(tensor)
        return transient

    enter_parameter = copy_of(enter)  # for what is no plain tensor: see specialized.py

    def _trace_enter(self, tensor: Any, tape: Tape) -> None:
        value = tape.buffer_input(tensor._meta.type)
        tape.slots.append((value.id, tensor._meta))
        if tensor._meta.requires_grad:
            tape.marks.append(
                ("leaf" if tensor._history is None else "past", value.id, len(tape.slots) - 1)
            )

    def _enter_view(self, tensor: Any) -> bool:
        """Derive a view from what it views, again: a step of its own. True as `enter`."""
        base, meta, link, numbers = tensor._base, tensor._meta, tensor._link, tensor._numbers
        own = None
        if base._history is not None and base._base is None and base._slot < 0 and is_apart(link):
            if sys.getrefcount(base) <= LISTED:  # nobody can ask for its gradient
                base._history = None
                base._meta = base._meta.replace(requires_grad=False, leaf=True, origin=None)
        if not self.offset <= base._slot < self.offset + OFFSET:
            self.enter(base)
        if meta.requires_grad:
            if tensor._hooks or tensor._retains_grad:
                self.hooked = True
            if (tensor._history is not None or tensor._own is not None) and has_own_past(tensor):
                own = enter_own(self, tensor)
        kinds = tuple(map(type, numbers)) if numbers else ()
        number = link.number if link.number >= 0 else link.numbered()
        key = (VIEW, base._slot, number, meta.number, kinds, own)
        position = self.here.children.get(key)
        if position is None:
            trace = partial(self._trace_view, tensor, not meta.requires_grad, kinds, own)
            position = self.extend(key, VIEW, trace)
        self.here = position
        if numbers:
            self.scalars.extend(numbers)
        tensor._slot = position.slot
        self.handles.append(tensor)
        if not self.transient or not any(base is one for one in self.transient):
            return False
        self.transient.append(tensor)
        return True

    def derive_all(self, made: Sequence[Any], key: Hashable) -> None:
        """Let new views of one pending tensor take a step together; `key` says which ones they are, without numbers."""
        key = (VIEW, made[0]._base._slot, key, None, (), None)
        owners.attach_made(self)
        position = self.here.children.get(key)
        if position is None:
            position = self.extend(key, VIEW, partial(self._trace_views, made))
            position.link = tuple([view._link for view in made])
            position.views += len(made)
        self.here = position
        self.attached = position.views  # the owner of the memory knows of these, too
        for slot, view in enumerate(made, position.slot):
            view._slot = slot
        self.handles.extend(made)

    def _trace_views(self, made: Sequence[Any], tape: Tape) -> None:
        for view in made:
            self._trace_view(view, not view._meta.requires_grad, (), None, tape)

    def _trace_view(
        self, tensor: Any, blocked: bool, kinds: Sequence[type], own: int | None, tape: Tape
    ) -> None:
        base, start = self.argument(tape, tensor._base), len(tape.nodes)
        numbers = [self.number_argument(tape, kind) for kind in kinds]
        (value,) = tape.inline(tensor._link, [base, *numbers])
        leaf = tensor._meta.requires_grad and tensor._meta.leaf  # made one by requires_grad_()
        if blocked or leaf:
            value = Detach(value)
        if own is not None:
            rejoin(tape, start, value, tape.slots[own - self.offset][0])
        if leaf:
            tape.marks.append(("leaf", value.id, len(tape.slots)))
        views.show(tape, value, base, tensor._link, numbers)
        tape.slots.append((value.id, tensor._meta))

    def _adopt(self, tensor: Any) -> None:
        """A tensor that is pending in another thread: run what it needs there, from here."""
        if tensor._meta.requires_grad and not tensor._meta.leaf:
            not_implemented(
                "gradients through a tensor that another thread has not finished",
                "tensor.detach() in that thread",
            )
        buffer = self.owner_of(tensor).peek(tensor)
        if tensor._base is None:
            tensor._buffer = buffer
        tensor._slot = -1

    # -- flushing --------------------------------------------------------------------------------------------

    def flush(self, reason: str) -> None:
        """Run what is pending and start a new segment."""
        run_segment(self, reason)

    def owns(self, tensor: Any) -> bool:
        """Whether a tensor is pending here."""
        return self.offset <= tensor._slot < self.offset + OFFSET

    def owner_of(self, tensor: Any) -> Recorder | Kept:
        """The recorder in which a tensor is pending, or the Kept that has its value."""
        kept: Kept | None = tensor._kept
        return _all[tensor._slot // OFFSET] if kept is None else kept

    @staticmethod
    def new_range() -> int:
        """A first slot, with as many behind it as a recorder has."""
        return next(_numbers) * OFFSET

    def is_current(self) -> bool:
        """Whether this is the recorder of the calling thread."""
        return thread.recorder is self

    def peek(self, tensor: Any) -> Any:
        """The value of a pending tensor, without ending the segment: for use from another thread."""
        return peek_at(self, tensor)

    def peek_kept(self, kept: Kept, at: int) -> Any:
        """The same of tensors that entered together."""
        return peek_kept(self, kept, at)

    def lap_mark(self, reason: str, always: bool = False) -> None:
        """A place where a loop comes round: pending work is run if it is large, or `always`.

        A segment's first mark may lie in the middle of a lap (zero_grad between forward and backward), so large work is
        run at its second one.
        """
        if not self.handles:
            return
        if always or (self.came_round and self.here.counts.bytes > config.pending_bytes):
            self.flush(reason)
        else:
            self.came_round = True

    def restart(self) -> None:
        """Begin an empty segment."""
        self.here = self.root
        self.handles, self.inputs, self.scalars = [], [], []
        self.attached = 0
        if self.pasts or self.calls or self.held:
            self.pasts, self.calls, self.held = [], [], []
        self.wrote_leaf = self.came_round = self.shares = False
        if self.hooked:
            self.hooked, self.hooked_slots, self.retained = False, {}, []
        if self.segment is not None or self.node_hooks:
            self.segment, self.node_hooks = None, {}


def _apart(values: Sequence[Value], known: int, taken: set[int]) -> list[int]:
    """The numbers of values that become different buffers: none is below `known`, or in `taken`."""
    numbers = []
    for value in values:
        own = fresh(value) if value.id < known or value.id in taken else value
        taken.add(own.id)
        numbers.append(own.id)
    return numbers


class _Thread(threading.local):
    recorder: Recorder

    def __init__(self) -> None:
        self.recorder = Recorder()


thread = _Thread()
