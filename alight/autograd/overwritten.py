"""What backward reads and somebody has written over: PyTorch's error, or the new elements where it would not notice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

from alight.errors import fail
from alight.record.apart import is_apart
from alight.record.history import History
from alight.record.kept import writes_of
from alight.record.memory import Memory, Write
from alight.record.owners import root_of
from alight.record.trie import Tape
from alight.transforms.reverse import Backward


class allow_mutation_on_saved_tensors:  # noqa: N801
    """A block in which backward reads what it saved, whatever is written over it: `with ..., then write, then backward`.

    >>> import alight as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> with torch.autograd.graph.allow_mutation_on_saved_tensors():
    ...     y = x.exp()
    ...     z = y.sum()
    ...     y.zero_()
    ...     z.backward()
    tensor([0., 0.], grad_fn=<ZeroBackward0>)
    >>> x.grad
    tensor([2.7183, 2.7183])
    """

    active = 0

    def __enter__(self) -> None:
        allow_mutation_on_saved_tensors.active += 1

    def __exit__(self, *error: object) -> None:
        allow_mutation_on_saved_tensors.active -= 1


class _Faults:
    """What is wrong with the residuals of a pass; PyTorch meets first what was recorded last."""

    def __init__(self, freed: set[int], second_time: Callable[[], NoReturn]) -> None:
        self.freed, self.second_time = freed, second_time
        self.found: list[tuple[int, Callable[[], NoReturn]]] = []

    def look(self, readers: tuple[int, ...]) -> None:
        """Whether one of the nodes that read a value has given it up."""
        gone = self.freed.intersection(readers)
        if gone:
            self.found.append((max(gone), self.second_time))

    def refuse(self) -> None:
        """Raise the error that comes first."""
        if self.found:
            max(self.found, key=lambda one: one[0])[1]()


def check_pending(
    recorder: Any, found: Backward, tape: Tape, second_time: Callable[[], NoReturn]
) -> dict[int, int]:
    """Residuals of the pending segment that were written through `.data`, each with the root value that lies there now.

    Errors: PyTorch's, for one that was written otherwise, and for a graph used twice.
    """
    memory = Memory(tape)
    stale: dict[int, int] = {}
    faults = _Faults(tape.marked("freed"), second_time)
    for value in found.residuals:
        readers = found.readers[value]
        faults.look(readers)
        writes = [] if allow_mutation_on_saved_tensors.active else memory.later(value, readers)
        noticed = [write for write in writes if not write.silent]
        if noticed:
            root = root_of(recorder.handles[memory.slots[_root(memory, value)]])
            fault = _Overwritten(memory, value, readers, root, root._writes - len(noticed), noticed)
            faults.found.append((max(readers), fault.refuse))
        elif writes:
            stale[value] = writes[-1].value
    faults.refuse()
    return stale


def check_past(
    found: Backward, history: History, start: int, second_time: Callable[[], NoReturn]
) -> set[int]:
    """Residuals of a flushed segment that were written through `.data`. `found` counts nodes from number `start`.

    Errors: PyTorch's, for one that was written otherwise, and for a graph used twice.
    """
    memory: Memory = history.memory
    stale: set[int] = set()
    if not history.freed and not memory.writes and is_unwritten(history):
        return stale
    faults = _Faults(history.freed, second_time)
    for value in found.residuals:
        readers = tuple([reader + start for reader in found.readers[value]])
        faults.look(readers)
        if value not in history.versions or allow_mutation_on_saved_tensors.active:
            continue
        root, version, unnoticed, _ = history.versions[value]
        inside = memory.later(value, readers)
        if not inside and _has_later(memory, value):
            continue  # a copy of the step that wrote
        noticed = [write for write in inside if not write.silent]
        if writes_of(root) != version or noticed:
            fault = _Overwritten(memory, value, readers, root, version - len(noticed), noticed)
            faults.found.append((max(readers), fault.refuse))
        elif root._unnoticed != unnoticed or inside:
            stale.add(value)
    faults.refuse()
    return stale


def is_unwritten(history: History) -> bool:
    """Whether all memory that saved values lie in is as it was when the segment ran."""
    for root, version, unnoticed, _ in history.versions.values():
        if root._writes != version or root._unnoticed != unnoticed or root._kept is not None:
            return False  # or perhaps
    return True


def _root(memory: Memory, value: int) -> int:
    root = memory.root(value)
    assert root is not None
    return root


def _has_later(memory: Memory, value: int) -> bool:
    root = _root(memory, value)
    return len(memory.writes.get(memory.first.get(root, root), ())) > memory.version.get(root, 0)


class _Overwritten(NamedTuple):
    """A saved value that was written over."""

    memory: Memory
    value: int
    readers: tuple[int, ...]
    root: Any  # the owner of the memory
    expected: int  # version
    writes: Sequence[Write]  # in the same segment

    def refuse(self) -> NoReturn:
        """PyTorch's error, with the lines that need the value and wrote over it."""
        from alight.ops.arguments import scalar_type_name

        tape = self.memory.tape
        shown = self.memory.shown(self.value)
        assert shown is not None
        type, reader = tape.types[shown], max(self.readers)
        maker = _maker(self.memory, shown, self.root, reader)
        what = f", which is output 0 of {maker}," if maker else ""
        line, wrote = (
            tape.nodes[reader].line,
            self.writes[-1].start if self.writes else len(tape.nodes),
        )
        there = tape.nodes[wrote].line if wrote < len(tape.nodes) else None
        fail(
            RuntimeError,
            "one of the variables needed for gradient computation has been modified by an inplace operation: "
            f"[torch.{scalar_type_name(type.dtype)}Tensor {list(type.shape)}]{what} is at version {writes_of(self.root)}; "
            f"expected version {self.expected} instead. Hint: enable anomaly detection to find the operation that failed "
            "to compute its gradient, with torch.autograd.set_detect_anomaly(True, check_nan=False).",
            facts=[
                f"{line}  {getattr(line, 'text', '')}  needs the old value in backward",
                *([f"{there}  {there.text}  wrote over it"] if hasattr(there, "text") else []),
            ],
            try_="y = y + 1 in place of y += 1, or .clone() before the write",
        )


def _maker(memory: Memory, shown: int, root: Any, reader: int) -> str:
    """What PyTorch says has made a saved tensor: its node by now, or the one that reads its own result."""
    from alight.autograd.names import backward_name

    tape = memory.tape
    meta = tape.slots[memory.slots[shown]][1]
    made = next((i for i, node in enumerate(tape.nodes) if shown in node.outputs), -1)
    if made >= reader:
        return backward_name(meta.origin or "unknown").removesuffix("Backward0")
    if shown in memory.views:  # a view of written memory is taken of it again
        part = meta.requires_grad or (
            root._meta.requires_grad and not is_apart(memory.path(shown)[0])
        )
        return "AsStrided" if part and not meta.leaf else ""
    if root._meta.leaf or not root._meta.requires_grad:
        return ""
    name = backward_name(root._meta.origin or "unknown")
    return "torch::autograd::CopySlices" if name == "CopySlices" else name.removesuffix("Backward0")
