"""Parts that were taken before: from an index of ints, slices, None and Ellipsis to the view, by one look-up.

In: a tensor and an index. Out: the view, or None where the index is new, out of range, or holds something else. What
`parts.part` makes of an index is remembered under the tensor's meta and the form of the index; places that are written
out (`x[i]`, `x[i:i + n]`) are numbers, kept apart from the form and compared with what fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alight.ir.program import Program
from alight.record.meta import Meta
from alight.record.owners import attach_all, register
from alight.record.recorder import thread
from alight.record.unsteady import VIEW
from alight.tensor import Tensor

Known = tuple[
    Program, Meta, tuple[int, ...]
]  # the view's link and meta; the most that each number may be
Form = tuple[Any, ...]
MOST = 10_000  # forms; then all are forgotten
TOGETHER = 64  # parts of a pending tensor that take one step

AT = "at"  # in a form: an element at a number; `(length,)` are so many elements from one
ROW: Form = (AT,)

_known: dict[tuple[int, bool, Form], Known] = {}
_several: dict[tuple[int, bool, Form], list[Known]] = {}  # numbers in place of the most
_new = object.__new__


def form_of(index: Any) -> tuple[Form | None, tuple[int, ...]]:
    """The form of an index and its numbers; None for what takes more than ints, slices, None and Ellipsis."""
    if index.__class__ is int:
        return (ROW, (index,)) if index >= 0 else ((index,), ())
    form: list[Any] = []
    numbers: list[int] = []
    for item in index if index.__class__ is tuple else (index,):
        kind = item.__class__
        if kind is int:
            if item < 0:
                form.append(item)
            else:
                form.append(AT)
                numbers.append(item)
        elif kind is slice:
            first, last, step = item.start, item.stop, item.step
            if first is None:
                if not (last is None or last.__class__ is int):
                    return None, ()
            elif first.__class__ is not int or not (last is None or last.__class__ is int):
                return None, ()
            elif last is not None and step is None and 0 <= first <= last:
                form.append((last - first,))
                numbers.append(first)
                continue
            if not (step is None or step.__class__ is int):
                return None, ()
            form.append((first, last, step))
        elif item is None or item is Ellipsis:
            form.append(item)
        else:
            return None, ()
    return tuple(form), tuple(numbers)


def known_part(base: Tensor, index: Any) -> Tensor | None:
    """The view that an index makes, if one of its form was made before."""
    form, numbers = form_of(index)
    if form is None:
        return None
    found = _known.get((base._meta.number, thread.recorder.grad_enabled, form))
    if found is None:
        return None
    link, meta, most = found
    if numbers:
        for number, limit in zip(numbers, most):  # noqa: B905  (a keyword costs as much as a round)
            if number > limit:
                return None
    view = _new(Tensor)
    view._slot, view._meta = -1, meta
    view._base, view._link, view._numbers = base, link, numbers
    register(view)
    return view


def remember(
    base: Tensor, index: Any, view: Tensor, pattern: Sequence[tuple[str, int, int, int]]
) -> None:
    """Remember what `parts.part` made of an index: its `view` by `pattern`."""
    form, numbers = form_of(index)
    if form is None or numbers != view._numbers:
        return
    lengths = [one[0] for one in form if one.__class__ is tuple and len(one) == 1]
    if lengths != [length for what, length, _, _ in pattern if what == "from"]:
        return  # cut short by the tensor's end
    sizes = iter(base._meta.shape)
    most = []
    for what, length, _, _ in pattern:
        size = next(sizes) if what != "new" else 0
        if what in ("at", "from"):
            most.append(size - (1 if what == "at" else length))
    if len(_known) >= MOST:
        _known.clear()
    key = base._meta.number, thread.recorder.grad_enabled, form
    _known[key] = view._link, view._meta, tuple(most)


def known_parts(base: Tensor, *key: Any) -> tuple[Tensor, ...] | None:
    """The parts of a tensor that were made under this key before, as views; None if there are none."""
    recorder, views = thread.recorder, []
    slot = base._slot
    if slot >= 0:
        position = recorder.here.children.get((VIEW, slot, key, None, (), None))
        if position is not None:  # they take a step together, which was taken before
            recorder.here = position
            slot = first = position.slot
            for link, meta in zip(position.link, position.metas):  # noqa: B905  (a keyword costs as much as a round)
                view = _new(Tensor)
                view._slot, view._meta, view._part = slot, meta, slot - first
                view._base, view._link = base, link
                slot += 1
                views.append(view)
            recorder.handles.extend(views)
            return tuple(views)
    found = _several.get((base._meta.number, recorder.grad_enabled, key))
    if found is None:
        return None
    for number, (link, meta, numbers) in enumerate(found):
        view = _new(Tensor)
        view._slot, view._meta, view._part = -1, meta, number
        view._base, view._link, view._numbers = base, link, numbers
        views.append(view)
    attach_all(views, base)
    if base._slot >= 0:
        _derive(base, views, key)
    return tuple(views)


def remember_parts(base: Tensor, parts: tuple[Tensor, ...], *key: Any) -> tuple[Tensor, ...]:
    """Remember how `parts` were cut out of a tensor; gives them back."""
    if len(_several) >= MOST // 10:
        _several.clear()
    for number, view in enumerate(parts):
        view._part = number
    described = [(view._link, view._meta, view._numbers) for view in parts]
    _several[base._meta.number, thread.recorder.grad_enabled, key] = described
    if base._slot >= 0:
        _derive(base, parts, key)
    return parts


def come_together(base: Tensor, count: int) -> bool:
    """Whether so many parts of a tensor are made in one step, all of them: it is pending, and they are few."""
    recorder = thread.recorder
    return 0 < count <= TOGETHER and recorder.owns(base) and not recorder.transforming


def _derive(base: Tensor, parts: Sequence[Tensor], key: Form) -> None:
    if come_together(base, len(parts)) and not parts[-1]._numbers and not parts[0]._numbers:
        thread.recorder.derive_all(parts, key)
