"""Views and in-place writes.

Inside a program everything is a value. A tensor written in place is rebound to a new value; a view keeps what it
views (`_base`), the program from there to it (`_link`, its scalars in `_numbers`) and derives itself again when its
slot is gone; a write through a view puts the new value into the base. Memory shared with NumPy stays shared.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from math import prod
from typing import Any

from alight.dtypes import bool_, int64
from alight.errors import fail, not_implemented
from alight.ir.program import Builder, Node, Program, Statics, Value
from alight.primitives import (
    And,
    Complex,
    Convert,
    Detach,
    Equal,
    Expand,
    Imag,
    Iota,
    IsNan,
    Max,
    Not,
    Permute,
    Real,
    Reinterpret,
    Reshape,
    Select,
    Slice,
)
from alight.primitives.arithmetic import constant, fresh
from alight.primitives.gather import take_along
from alight.record.ambiguous import mark_taking_part, mark_written
from alight.record.apart import has_own_past, is_apart, keep
from alight.record.meta import Meta, contiguous_strides
from alight.record.owners import root_of, views_made
from alight.record.references import LISTED
from alight.record.trie import Position, Tape
from alight.transforms.reverse import Region

ALWAYS = 2  # of `_shared`: memory of another library, whose holders nobody can count

OVERLAP = (
    "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
    "Please clone() the tensor before performing the operation."
)


# -- handles ------------------------------------------------------------------------------------------------------


def place_in_root(tensor: Any) -> int:
    """Where the first element of a view lies in its root, for views whose values are gathered: as_strided."""
    from alight.backends.base import backend_of, view_buffer

    root, links = tensor, []
    while root._base is not None:
        links.append((root._link, root._numbers))
        root = root._base
    shape = root._meta.shape
    places = backend_of(root._meta.device).from_host(range(prod(shape)), int64).reshape(shape)
    for link, numbers in reversed(links):
        places = view_buffer(link, [places, *numbers])
    return int(places.reshape(-1)[0])


def forget(view: Any, viewed: Any) -> None:
    """A view of `viewed`, made for one write, that nobody will read: later writes need not tell it."""
    views = root_of(viewed)._views
    while view is not viewed and views:
        if views[-1]() is not view:
            return
        views.pop()
        view = view._base


def rebind(recorder: Any, tensor: Any, position: Position, at: int) -> int:
    """Give a written tensor its new slot, number `at` of the step; the number of the next slot."""
    counter = counter_of(tensor)
    link, chain = tensor, [tensor]
    while True:
        link._slot, link._meta = position.slot + at, position.metas[at]
        recorder.handles.append(link)
        at += 1
        if link._base is None:
            break
        recorder.scalars.extend(link._numbers)
        link = link._base
        chain.append(link)
    root = link
    counter._writes += 1
    if counter is not root:
        root._unnoticed += 1
        counter._counts = True
    meta, own = root._meta, tensor._meta
    if (meta.requires_grad and meta.leaf) or (own.requires_grad and own.leaf):
        recorder.wrote_leaf = True
    views = root._views
    if views and not (len(views) == 1 and views[0]() is tensor):
        apart = counter if counter is not root else None
        root._views = [one for one in root._views if _stale(recorder, one(), chain, apart)]
    if position.told is None:
        position.told = views_made(recorder, [root])
    if position.told:
        apart = counter if counter is not root else None
        for i in position.told:
            view = recorder.handles[i]
            if root_of(view) is root:
                _stale(recorder, view, chain, apart)
    if root._shared and (seen_from_outside(root) or any(root is one for one in recorder.transient)):
        recorder.must_write = True
    return at


def rebind_all(recorder: Any, tensors: Sequence[Any], position: Position) -> None:
    """Give tensors that one step wrote their new slots."""
    slot = position.slot
    if len(position.metas) > len(tensors):  # views among them: what they view is written as well
        at = 0
        if position.told is None:
            position.told = views_made(recorder, list(map(root_of, tensors)))
        for tensor in tensors:
            at = rebind(recorder, tensor, position, at)
        return
    for tensor in tensors:  # what is known of them stays the same
        tensor._slot = slot
        tensor._writes += 1
        slot += 1
        if tensor._views is not None:
            written = [tensor]
            tensor._views = [one for one in tensor._views if _stale(recorder, one(), written)]
        if tensor._shared and (
            seen_from_outside(tensor) or any(tensor is one for one in recorder.transient)
        ):
            recorder.must_write = True
    if position.told is None:
        position.told = views_made(recorder, tensors)
    for i in position.told:
        view = recorder.handles[i]
        _stale(recorder, view, [root_of(view)])
    if position.writes_leaf:
        recorder.wrote_leaf = True
    recorder.handles.extend(tensors)


def _stale(recorder: Any, view: Any, written: list[Any], data: Any = None) -> bool:
    """Let a view of written memory derive itself again, unless it was `written`; whether it is still there.

    A write through `data`, x.data of something, is noticed by views of that alone.
    """
    if view is None or view._base is None:
        return False
    meta, base = view._meta, view._base
    if view._slot == -1 and view._history is None and base is written[-1]:
        if not meta.requires_grad and not base._meta.requires_grad:
            return True  # as it was; a loop that writes element by element comes here often
    for one in written:
        if view is one:
            return True
    if has_own_past(view):
        keep(recorder, view)
    view._slot, view._history = -1, None
    if data is not None and counter_of(view) is not data:
        return True
    if meta.requires_grad:
        mark_written(view)
    elif _takes_part(view):
        mark_taking_part(view)
    return True


def _takes_part(view: Any) -> bool:
    """Whether a view shows elements that take gradients, by now."""
    if not view._meta.dtype.is_differentiable:
        return False
    while view._base is not None and not is_apart(view._link):
        view = view._base
        if view._meta.requires_grad and not view._meta.leaf:
            return True
    return False


def seen_from_outside(tensor: Any) -> bool:
    """Whether somebody else holds the memory of a tensor that was exchanged with NumPy."""
    if tensor._shared == ALWAYS:
        return True
    owner = tensor._buffer
    while getattr(owner, "base", None) is not None and not hasattr(owner.base, "is_block"):
        owner = owner.base
    # A buffer that owns its memory is held by the tensor; one that does not holds its owner. Plus ours and the call's.
    return sys.getrefcount(owner) > LISTED


PARTLY = (
    "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory location. "
    "Please clone() the tensor before performing the operation."
)


def refuse_overlap(written: Any, others: list[Any]) -> None:
    """PyTorch's error where an operand shows a part of what is written, at other places."""
    root = root_of(written)
    for other in others:
        if (
            other is written
            or root_of(other) is not root
            or not (_is_dense(written) and _is_dense(other))
        ):
            continue
        first, start = offset_of(written), offset_of(other)
        if first is None or start is None:
            continue
        size, extent = written._meta.type.size, other._meta.type.size
        same = (first, size) == (start, extent)
        if same and written._meta.full_strides() == other._meta.full_strides():
            continue
        if first < start + extent and start < first + size:
            fail(RuntimeError, PARTLY, try_=".clone() of the operand")


def _is_dense(tensor: Any) -> bool:
    """Whether a tensor's elements fill a stretch of memory, each once."""
    meta, step = tensor._meta, 1
    pairs = sorted(
        (stride, size)
        for stride, size in zip(meta.full_strides(), meta.shape, strict=True)
        if size != 1
    )
    for stride, size in pairs:
        if stride != step:
            return False
        step *= size
    return meta.type.size > 0


def offset_of(tensor: Any) -> int | None:
    """Where a view begins in its root's memory; None if that takes more than slices to know."""
    total = 0
    while tensor._base is not None:
        link = tensor._link
        strides: tuple[int, ...] | None = tensor._base._meta.full_strides()
        numbers = dict(zip(link.inputs[1:], tensor._numbers, strict=True))
        for node in link.nodes:
            name = node.primitive.name
            if name in ("slice", "dynamic_slice"):
                starts = node.statics.get("starts") or [numbers.get(i, 0) for i in node.inputs[1:]]
                if strides is None:
                    return None
                total += sum(int(a) * b for a, b in zip(starts, strides, strict=True))
            elif name == "permute" and strides is not None:
                strides = tuple(strides[i] for i in node.statics["order"])
            elif name in ("reshape", "expand"):
                strides = None
            elif name in ("index", "convert", "real", "imag", "reinterpret"):
                return None
        tensor = tensor._base
    return total


def show(tape: Tape, view: Value, viewed: Value, link: Program, numbers: Sequence[Value]) -> None:
    """Mark that a value is a view of another one."""
    if view.id != viewed.id:
        ids = tuple([number.id for number in numbers])
        tape.marks.append(("shows", view.id, viewed.id, link, ids))


# -- recording a write --------------------------------------------------------------------------------------------


def trace_write(
    recorder: Any,
    tape: Tape,
    tensor: Any,
    value: Value,
    differentiable: bool,
    origin: str | None = None,
    now: dict[int, Value] | None = None,
) -> None:
    """Record that `tensor` now has `value` (of its own type), and all that it views what follows from that."""
    if recorder.transforming:
        recorder.refuse_write(tensor, value, origin)
    chain, values, flags = [tensor], [value], [differentiable]
    scalars: list[list[Any]] = []
    while chain[-1]._base is not None:
        link = chain[-1]
        numbers = [recorder.number_argument(tape, one.__class__) for one in link._numbers]
        scalars.append(numbers)
        parent: Value = recorder.argument(tape, link._base)
        if now is not None:  # written in this step already
            parent = now.get(id(link._base), parent)
        apart = is_apart(
            link._link
        )  # x.detach() is written: x has the numbers, not their gradients
        new = Detach(values[-1]) if apart else values[-1]
        values.append(put(tape, link._link, parent, numbers, new))
        flags.append(flags[-1] and not apart)
        chain.append(link._base)
    for k in range(len(scalars) - 1, 0, -1):
        if any(_repeats(one._link) for one in chain[k:-1]):  # shows one element at several places
            (values[k],) = tape.inline(chain[k]._link, [values[k + 1], *scalars[k]])
    if now is not None:
        now.update((id(one), held) for one, held in zip(chain, values, strict=True))
    old = recorder.argument(tape, chain[-1])
    for k, one in enumerate(chain):
        name = "CopySlices" if k else origin
        values[k] = _add_written(recorder, tape, one, values[k], flags[k], name)
    for k, (view, viewed) in enumerate(itertools.pairwise(values)):
        show(tape, view, viewed, chain[k]._link, scalars[k])
    start, root = recorder.here.counts.nodes, values[-1]
    tape.marks.append(("written", old.id, start, root.id, is_silent(tensor), len(chain) > 1))


def _repeats(link: Program) -> bool:
    """Whether a view shows one element at several places."""
    return any(
        node.primitive is Expand and link.types[node.inputs[0]].shape != node.statics["shape"]
        for node in link.nodes
    )


def counter_of(tensor: Any) -> Any:
    """The tensor that counts the writes into a tensor: what owns the memory, or x.data, which counts for itself."""
    while tensor._base is not None and tensor._meta.origin != "data" and not tensor._counts:
        tensor = tensor._base
    return tensor


def is_silent(tensor: Any) -> bool:
    """Whether writes to a tensor leave the owner's version alone: it is x.data, or a part of it."""
    return counter_of(tensor)._base is not None


def _pass_on(ct: Value, out: Value, old: Value) -> tuple[Value]:
    return (ct,)


def _add_written(
    recorder: Any,
    tape: Tape,
    tensor: Any,
    value: Value,
    differentiable: bool,
    origin: str | None,
) -> Value:
    meta: Meta = tensor._meta
    old, _ = tape.slots[tensor._slot - recorder.offset]
    known = recorder.here.counts.types
    if value.id < known:  # what was there before the step: another tensor's, or this one's
        value = fresh(value)
    if differentiable:
        meta = meta.replace(requires_grad=True, leaf=False, origin=origin)
    elif meta.requires_grad and not meta.leaf:
        start = len(tape.nodes)  # not recorded for gradients: they go on to what made the old value
        value = fresh(value)
        tape.regions.append(Region(start, len(tape.nodes), (old,), (value.id,), _pass_on))
    else:
        tape.marks.append(("blocked", value.id))
        if meta.requires_grad and meta.leaf:
            tape.marks.append(("leaf", value.id, len(tape.slots)))
    tape.slots.append((value.id, meta))
    return value


def put(tape: Builder, link: Program, parent: Value, numbers: list[Any], new: Value) -> Value:
    """`parent` with the part that `link` shows replaced by `new`."""
    values = dict(zip(link.inputs, [parent, *numbers], strict=True))
    chain: list[tuple[Node, Value]] = []  # from parent to view; other nodes compute indices
    viewed = link.inputs[0]
    for node in link.nodes:
        out = tape.emit(node.primitive, [values[i] for i in node.inputs], node.statics)
        values[node.outputs[0]] = out
        if node.inputs and node.inputs[0] == viewed:
            chain.append((node, values[viewed]))
            viewed = node.outputs[0]
    for node, before in reversed(chain):
        rule = _PUT.get(node.primitive.name)
        if rule is None:
            not_implemented(
                f"writing through a view made by {node.primitive.name}", "clone(), write, copy_()"
            )
        new = rule(before, [values[i] for i in node.inputs[1:]], node.statics, new)
    return new


def _put_slice(before: Value, _: list[Value], statics: Statics, new: Value) -> Value:
    if all(step == 1 for step in statics["steps"]):
        from alight.primitives import DynamicUpdate

        return DynamicUpdate(
            before, new, *(constant(before, s, dtype=int64) for s in statics["starts"])
        )
    ones = constant(new, True, new.shape, bool_)
    (mask,) = Slice.transpose(ones, constant(before, True, before.shape, bool_), **statics)
    (placed,) = Slice.transpose(new, before, **statics)
    return Select(mask, placed, before)


def _put_expand(before: Value, _: list[Value], statics: Statics, new: Value) -> Value:
    """Of all places that show one element, the last one that was written counts."""
    shape = statics["shape"]
    whole = Expand(before, shape=shape)
    for axis, (size, extent) in enumerate(zip(before.shape, shape, strict=True)):
        if size == extent:
            continue
        written = Not(Equal(new, whole))
        if new.dtype.is_differentiable:
            written = And(written, Not(And(IsNan(new), IsNan(whole))))
        with new.builder.active():
            place = Iota(shape=new.shape, axis=axis, dtype=int64, device=new.type.device)
        last = Max(Select(written, place, constant(place, 0, place.shape)), axes=(axis,))
        kept = tuple(1 if i == axis else n for i, n in enumerate(new.shape))
        new = take_along(new, Reshape(last, shape=kept), axis)
        whole = Slice(whole, starts=(0,) * whole.ndim, stops=kept, steps=(1,) * whole.ndim)
    return new


def _put_dynamic_slice(before: Value, starts: list[Value], statics: Statics, new: Value) -> Value:
    from alight.primitives import DynamicUpdate

    return DynamicUpdate(before, new, *starts)


def _put_index(before: Value, ids: list[Value], statics: Statics, new: Value) -> Value:
    from alight.primitives import IndexPut

    return IndexPut(before, new, *ids, axes=statics["axes"])


_PUT: dict[str, Any] = {
    "reshape": lambda before, _, statics, new: Reshape(new, shape=before.shape),
    "permute": lambda before, _, statics, new: Permute(
        new, order=tuple(statics["order"].index(i) for i in range(new.ndim))
    ),
    "slice": _put_slice,
    "expand": _put_expand,
    "dynamic_slice": _put_dynamic_slice,
    "index": _put_index,
    "detach": lambda before, _, statics, new: new,
    "real": lambda before, _, statics, new: Complex(new, Imag(before)),
    "imag": lambda before, _, statics, new: Complex(Real(before), new),
    "convert": lambda before, _, statics, new: Convert(new, dtype=before.dtype),
    "reinterpret": lambda before, _, statics, new: Reinterpret(new, dtype=before.dtype),
}


# -- strides ------------------------------------------------------------------------------------------------------


def link_strides(link: Program, meta: Meta) -> tuple[int, ...] | None:
    """Strides of a view as PyTorch reports them; None where the link is no strided view (a gather)."""
    strides = meta.full_strides()
    for node in link.nodes:
        name, statics = node.primitive.name, node.statics
        if not node.inputs or node.primitive.kind == "create":
            continue
        before, after = link.types[node.inputs[0]].shape, link.types[node.outputs[0]].shape
        if name == "reshape":
            found = reshape_strides(before, strides, after)
            if found is None:
                return None
            strides = found
        elif name == "permute":
            strides = tuple(strides[i] for i in statics["order"])
        elif name == "expand":
            strides = tuple(
                0 if a != b else s for a, b, s in zip(before, after, strides, strict=True)
            )
        elif name == "slice":
            strides = tuple(a * b for a, b in zip(strides, statics["steps"], strict=True))
        elif name not in ("dynamic_slice", "detach"):
            return contiguous_strides(after)
    return strides


def reshape_strides(
    shape: tuple[int, ...], strides: tuple[int, ...], new: tuple[int, ...]
) -> tuple[int, ...] | None:
    """Strides of the same memory under a new shape, or None where it must be copied.

    >>> reshape_strides((2, 3), (3, 1), (6,)), reshape_strides((3, 2), (1, 3), (6,))
    ((1,), None)
    """
    if 0 in new:
        return contiguous_strides(new)
    if not shape:
        return (1,) * len(new)
    result: list[int] = []
    # Runs of axes that lie gap-free in memory may be cut anew, from the last axis to the first.
    at, remaining = len(new) - 1, list(new)
    run_stride, run_size = strides[-1], 1
    for i in range(len(shape) - 1, -1, -1):
        run_size *= shape[i]
        ends = i == 0 or (shape[i - 1] != 1 and strides[i - 1] != run_size * run_stride)
        if not ends:
            continue
        stride = run_stride
        while at >= 0 and (run_size > 1 or remaining[at] == 1):
            if run_size % remaining[at]:
                return None
            result.append(stride)
            stride *= remaining[at]
            run_size //= remaining[at]
            at -= 1
        if run_size != 1:
            return None
        if i > 0:
            run_stride, run_size = strides[i - 1], 1
    while at >= 0:
        result.append(result[-1] if result else 1)
        at -= 1
    return tuple(reversed(result))
