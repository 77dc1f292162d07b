"""Recording a function apart from everything else, as a program that can be transformed.

In: a function and tensors that stand for its arguments. Out: a `Traced` function and the tensors that it read. A capture
is a recorder of its own that never runs anything: its paths are kept, so that a function recorded before costs a look-up
a step. Where the function asks for a value, it is computed from the real arguments, unless they stand for a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from alight.errors import fail
from alight.ir.program import Value, needed_nodes
from alight.ir.types import Type
from alight.record import owners
from alight.record.meta import Meta
from alight.record.recorder import OFFSET, Recorder, thread
from alight.record.trie import Position, Tape
from alight.tensor import Tensor, new_handle
from alight.transforms.traced import Traced, inline, moved_regions

_NO_VALUE = {
    "item": "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling .item() on a "
    "Tensor, please try to rewrite what you're doing with other operations. If error is occurring somewhere inside "
    "PyTorch internals, please file a bug report.",
    "bool": "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We don't support "
    "that yet, please file an issue at https://github.com/pytorch/pytorch/issues .",
    "mask": "vmap: We do not support batching operators that can support dynamic shape. Attempting to batch over indexing "
    "with a boolean mask.",
    "nonzero": "vmap: We do not support batching operators that can output dynamic shape. Attempted to vmap over "
    "aten::nonzero. Please file an issue at https://github.com/pytorch/pytorch/issues if you need this feature.",
}
_OTHER_VALUE = (
    "vmap: It looks like you're calling .{}() on a Tensor. A function under vmap runs once for the whole batch, and "
    "cannot look at the elements of one example."
)


class Capture(Recorder):
    """The recorder of one function that is being transformed."""

    transforming = True

    def __init__(self) -> None:
        super().__init__()
        self.parent: Any = None
        self.batch_size: int | None = None  # of a vmap
        self.randomness = "error"
        self.sources: list[Tensor] = []  # what each tensor input of the program stands for
        self.source_batched: list[bool] = []
        self.foreign: set[int] = set()  # ids of tensors from outside
        self.moved: dict[
            int, tuple[Tensor, int]
        ] = {}  # tensors that got a slot here: their slots before

    # -- the beginning and the end ----------------------------------------------------------------------------------

    def begin(
        self, parent: Recorder, batch_size: int | None = None, randomness: str = "error"
    ) -> None:
        """Record from now on in place of `parent`."""
        self.parent, self.batch_size, self.randomness = parent, batch_size, randomness
        self.grad_enabled, self.inference = parent.grad_enabled, parent.inference
        self.default_dtype, self.autocast = parent.default_dtype, parent.autocast
        self.sources, self.source_batched, self.foreign, self.moved = [], [], set(), {}
        self.lap += 1  # paths that no capture has ended on lately may be forgotten
        self.root = self._root()
        self.restart()
        thread.recorder = self

    def end(self) -> None:
        """Give tensors from outside back to where they belong."""
        owners.attach_made(self)
        for tensor in self.handles:
            tensor._slot = -1
        for tensor, slot in self.moved.values():
            tensor._slot = slot
        thread.recorder = self.parent
        self.foreign, self.moved, self.sources = set(), {}, []
        self.transient.clear()
        self.must_write = False
        self.restart()

    # -- what enters -------------------------------------------------------------------------------------------------

    def argument_for(
        self, source: Tensor, batched: bool = False, wants_grad: bool = False
    ) -> Tensor:
        """A tensor that stands for `source`, or for one example of it."""
        meta = source._meta
        shape = meta.shape[1:] if batched else meta.shape
        grad = (wants_grad or meta.requires_grad) and meta.dtype.is_differentiable
        strides = meta.full_strides()[1:] if batched else meta.strides
        inner = Meta(Type(shape, meta.dtype, meta.device), strides, grad, True)
        key = ("argument", len(self.sources), inner.number, batched)
        position = self.here.children.get(key)
        if position is None:
            position = self.extend(key, "enter", lambda tape: self._trace_argument(tape, inner))
        self.here = position
        made = new_handle(inner, position.slot)
        self.handles.append(made)
        self._add_source(source, batched)
        return made

    def _add_source(self, source: Tensor, batched: bool) -> None:
        self.sources.append(source)
        self.source_batched.append(batched)
        self.inputs.append(None)

    @staticmethod
    def _trace_argument(tape: Tape, meta: Meta, kind: str = "leaf") -> None:
        value = tape.buffer_input(meta.type)
        if meta.requires_grad:
            tape.marks.append((kind, value.id, len(tape.slots)))
        tape.slots.append((value.id, meta))

    def enter(self, tensor: Any) -> bool:
        """A tensor from outside is an input of the program; a view made inside derives itself."""
        slot = tensor._slot
        if self.offset <= slot < self.offset + OFFSET:
            return False
        if tensor._kept is not None:
            tensor._kept.peek(tensor)
            slot = -1
        if tensor._base is not None:  # derived from what it views, whose history goes on
            self._enter_view(tensor)
            self.moved[id(tensor)] = tensor, slot
            return False
        meta, history = tensor._meta, tensor._history
        key = ("outside", len(self.sources), meta.number, history is not None)
        position = self.here.children.get(key)
        if position is None:
            kind = "leaf" if history is None else "past"
            position = self.extend(
                key, "enter", lambda tape: self._trace_argument(tape, meta, kind)
            )
        self.here = position
        self.foreign.add(id(tensor))
        self.moved[id(tensor)] = tensor, slot
        self._add_source(tensor, False)
        tensor._slot = position.slot
        self.handles.append(tensor)
        return False

    enter_parameter = enter

    def refuse_write(self, tensor: Any, value: Any, name: str | None) -> None:
        """PyTorch's errors where a write would reach a tensor from outside.

        What is the same for all examples of a batch may be written: vmap does so afterwards.
        """
        root = owners.root_of(tensor)
        if id(root) not in self.foreign:
            return
        facts, try_ = [f"the tensor is {root._meta}"], "the tensor as an argument and a result"
        if self.batch_size is None:
            overload = ".Tensor" if name in ("add_", "sub_", "mul_", "div_") else ""
            fail(
                RuntimeError,
                "During a grad (vjp, jvp, grad, etc) transform, the function provided attempted to call in-place operation "
                f"(aten::{name or 'copy_'}{overload}) that would mutate a captured Tensor. This is not supported; please "
                "rewrite the function being transformed to explicitly accept the mutated Tensor(s) as inputs.",
                facts, try_,
            )  # fmt: skip
        if self._is_batched(value.id):
            fail(
                RuntimeError,
                "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor `other` in "
                "extra_args that has more elements than `self`. This happened due to `other` being vmapped over but "
                "`self` not being vmapped over in a vmap. Please try to use out-of-place operators instead of inplace "
                "arithmetic. If said operator is being called inside the PyTorch framework, please file a bug report "
                "instead.",
                facts, try_,
            )  # fmt: skip

    def _is_batched(self, value: int) -> bool:
        tape = thread.recorder.tape_here()
        used = {i for node in needed_nodes(tape.nodes, [value]) for i in node.inputs} | {value}
        sources = zip(tape.inputs, tape.sources, strict=True)
        return any(
            self.source_batched[i] for id, (kind, i) in sources if id in used and kind == "buffer"
        )

    def is_batched(self, tensor: Any) -> bool:
        """Whether a tensor differs between the examples of a batch."""
        self.enter(tensor)
        return self._is_batched(self.argument(self.tape_here(), tensor).id)

    def written(self) -> list[Tensor]:
        """Tensors from outside that the function has written."""
        entered: dict[int, int] = {}
        for i, tensor in enumerate(self.handles):
            entered.setdefault(id(tensor), self.offset + i)
        return [
            tensor
            for tensor, _ in self.moved.values()
            if id(tensor) in self.foreign and tensor._slot != entered[id(tensor)]
        ]

    @contextmanager
    def outside(self) -> Iterator[None]:
        """A block in which the thread records into the parent again, and tensors from outside have their slots back."""
        inside = [(one, one._slot) for one, _ in self.moved.values()]
        for one, slot in self.moved.values():
            one._slot = slot
        thread.recorder = self.parent
        try:
            yield
        finally:
            thread.recorder = self
            self.moved = {id(one): (one, one._slot) for one, _ in inside}
            for one, slot in inside:
                one._slot = slot

    def flush_outside(self, reason: str) -> None:
        """Run what is pending outside, so that backward passes can start from it."""
        with self.outside():
            if self.parent.transforming:
                self.parent.flush_outside(reason)
            else:
                self.parent.flush(reason)

    # -- what a capture never does ------------------------------------------------------------------------------------

    def flush(self, reason: str) -> None:
        """Nothing: a capture does not run."""

    def lap_mark(self, reason: str, always: bool = False) -> None:
        """Nothing."""

    def settle(self, position: Position) -> None:
        """Nothing to flush."""
        self.transient.clear()
        self.must_write = False

    def _ends_segment(self, position: Position) -> bool:
        return False

    # -- values and random numbers ------------------------------------------------------------------------------------

    def value_of(self, tensor: Any, reason: str) -> Any:
        """A value that the function asks for, from the real arguments; PyTorch's error where a batch is behind it."""
        from alight.record.flush import buffer_of, peek

        self.enter(tensor)
        wanted = self._sources_behind(tensor, reason)
        with self.outside():
            for i in wanted:
                self.inputs[i] = buffer_of(self.sources[i], self.parent, reason)
        return peek(self, tensor)

    def _sources_behind(self, tensor: Any, reason: str) -> list[int]:
        """Numbers of the sources that a tensor was computed from."""
        tape = self.tape_here()
        value = self.argument(tape, tensor).id
        used = {i for node in needed_nodes(tape.nodes, [value]) for i in node.inputs} | {value}
        sources = zip(tape.inputs, tape.sources, strict=True)
        found = [i for id, (kind, i) in sources if id in used and kind == "buffer"]
        if any(self.source_batched[i] for i in found):
            text = _NO_VALUE.get(reason, _OTHER_VALUE.format(reason))
            fail(RuntimeError, text, try_="torch.where(condition, a, b) in place of if")
        return found

    def random(self, shape: tuple[int, ...], make: Callable[[tuple[int, ...]], Tensor]) -> Tensor:
        """Random numbers of `shape`: drawn outside, for each example or once, as `randomness` says."""
        self.check_random()
        each = self.batch_size is not None and self.randomness == "different"
        wanted = (self.batch_size, *shape) if each else shape
        with self.outside():
            drawn = draw(self.parent, wanted, make)  # type: ignore[arg-type]
        return self.argument_for(drawn, batched=True) if each else drawn

    def check_random(self) -> None:
        """PyTorch's error where vmap was not told what random operations should do."""
        if self.batch_size is not None and self.randomness == "error":
            fail(
                RuntimeError,
                "vmap: called random operation while in randomness error mode. Please either use the 'same' or "
                "'different' randomness flags on vmap or perform the randomness operation out of vmap",
            )
        if isinstance(self.parent, Capture):
            self.parent.check_random()

    # -- the result -----------------------------------------------------------------------------------------------------

    def traced(self, outputs: Sequence[Tensor]) -> Traced:
        """What has been recorded, as a function to `outputs`."""
        for tensor in outputs:
            self.enter(tensor)
        tape = self.tape_here()
        ids = tuple(self.argument(tape, tensor).id for tensor in outputs)
        counts = self.here.counts
        return Traced(
            tuple(tape.types[: counts.types]),
            tuple(tape.inputs[: counts.inputs]),
            tuple(tape.nodes[: counts.nodes]),
            ids,
            tuple(tape.regions[: counts.regions]),
            frozenset(mark[1] for mark in tape.marks[: counts.marks] if mark[0] == "blocked"),
        )

    def apply_function(
        self, cls: Any, ctx: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        """`autograd.Function.apply` inside a transformed function."""
        from alight.func.functions import apply

        return apply(self, cls, ctx, args, kwargs)


def draw(
    recorder: Any, shape: tuple[int, ...], make: Callable[[tuple[int, ...]], Tensor]
) -> Tensor:
    """Random numbers from a recorder's point of view."""
    if recorder.transforming:
        return recorder.random(shape, make)  # type: ignore[no-any-return]
    return make(shape)


# -- using one ---------------------------------------------------------------------------------------------------------


class capturing:  # noqa: N801  (a context manager)
    """A block in which the thread records into a capture; captures are kept by depth, with their paths."""

    def __init__(self, batch_size: int | None = None, randomness: str = "error") -> None:
        self.batch_size, self.randomness = batch_size, randomness

    def __enter__(self) -> Capture:
        parent = thread.recorder
        depth = 1 + getattr(parent, "depth", 0)
        kept = thread.__dict__.setdefault("captures", {})
        self.capture = kept.get(depth) or kept.setdefault(depth, Capture())
        self.capture.depth = depth
        self.capture.begin(parent, self.batch_size, self.randomness)
        return self.capture

    def __exit__(self, *error: object) -> None:
        self.capture.end()


class Recording:
    """A captured function: its path, what it read, and programs that were derived from it."""

    def __init__(self, capture: Capture, outputs: Sequence[Tensor]) -> None:
        self.capture = capture
        for tensor in outputs:
            capture.enter(tensor)
        self.outputs = list(outputs)
        self.position = capture.here
        self.position.used = capture.lap
        self.scalars = list(capture.scalars)
        self.sources = list(capture.sources)
        self.source_batched = list(capture.source_batched)
        self.slots = tuple(tensor._slot for tensor in outputs)
        self.kinds = tuple(kind for kind, _ in self._tape_sources())

    def _tape_sources(self) -> list[tuple[str, int]]:
        position = self.position
        return position.tape.sources[: position.counts.inputs]

    def derived(self, key: Any, make: Callable[[Traced], Any]) -> Any:
        """What `make` gives for the traced function; kept under `key` for the next call on this path."""
        key = ("func", key, self.slots)
        found = self.position.sweeps.get(key)
        if found is None:
            found = self.position.sweeps[key] = make(self.capture.traced(self.outputs))
        return found

    def given(self) -> list[Any]:
        """Tensors and numbers in the order of the program's inputs."""
        return [
            self.sources[i] if kind == "buffer" else self.scalars[i]
            for kind, i in self._tape_sources()
        ]


def run(traced: Traced, given: Sequence[Any], key: Any, name: str) -> list[Tensor]:
    """Record a function on tensors and numbers as one step; its results."""
    recorder = thread.recorder
    tensors = [one for one in given if isinstance(one, Tensor)]
    numbers = [one for one in given if not isinstance(one, Tensor)]
    for tensor in tensors:
        recorder.enter(tensor)
    kinds = tuple([None if isinstance(one, Tensor) else one.__class__ for one in given])
    full_key = ("traced", key, kinds, tuple([tensor._slot for tensor in tensors]))
    position = recorder.here.children.get(full_key) or recorder.here.cuts.get(full_key)
    if position is None:
        position = recorder.extend(
            full_key, name, lambda tape: _trace_run(recorder, tape, traced, given, name)
        )
    recorder.here = position
    recorder.scalars.extend(numbers)
    made = []
    for i, meta in enumerate(position.metas):
        tensor = new_handle(meta, position.slot + i)
        recorder.handles.append(tensor)
        made.append(tensor)
    recorder.settle(position)
    return made


def _trace_run(
    recorder: Recorder, tape: Tape, traced: Traced, given: Sequence[Any], name: str
) -> None:
    from alight.primitives import Detach
    from alight.primitives.arithmetic import fresh
    from alight.transforms.reverse import active_values

    values: list[Value] = [
        recorder.argument(tape, one)
        if isinstance(one, Tensor)
        else recorder.number_argument(tape, one.__class__)
        for one in given
    ]
    first = len(tape.nodes)
    outs, ids = inline(tape, traced, values)
    tape.regions.extend(moved_regions(traced.regions, first, ids))
    tape.marks.extend(("blocked", ids[id]) for id in traced.blocked)
    wrt = [
        value.id for value, one in zip(values, given, strict=True)
        if isinstance(one, Tensor) and one._meta.requires_grad
    ]  # fmt: skip
    grads = recorder.grad_enabled and bool(wrt)
    own_regions = [region for region in tape.regions if region.start >= first]
    active = (
        active_values(
            tape.types,
            tape.nodes[first:],
            wrt,
            {ids[id] for id in traced.blocked},
            [r._replace(start=r.start - first, stop=r.stop - first) for r in own_regions],
        )
        if grads
        else set()
    )
    inputs = {value.id for value in values}
    for out in outs:
        differentiable = out.id in active and out.dtype.is_differentiable
        if out.id in inputs:  # an argument given back is a tensor of its own
            out = fresh(out) if differentiable else Detach(out)
        if not differentiable:
            tape.marks.append(("blocked", out.id))
        tape.slots.append(
            (
                out.id,
                Meta(
                    out.type,
                    None,
                    differentiable,
                    not differentiable,
                    name if differentiable else None,
                ),
            )
        )
