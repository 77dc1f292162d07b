"""`grad_fn._saved_self`, `_saved_other`, `_saved_dim`: what a node keeps for backward, as the operation declares it.

An operation's parameters are the names; a tensor is kept if the gradient of its step reads it, a static argument always.
PyTorch's name of the first parameter is `self`, a result is `result`, and `self_sym_sizes` is a shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

from alight.autograd.frames import second_time
from alight.errors import fail
from alight.record.history import sweep
from alight.record.recorder import thread

_OTHER_NAMES = {"input": "self", "mat": "self", "mat1": "self"}
_UNSIGNED = 1 << 64  # PyTorch keeps dimensions as unsigned numbers


class _Argument:
    """An argument of the step behind a node: its declared parameter and what the key holds of it."""

    def __init__(self, parameter: Any, piece: Any) -> None:
        self.name = _OTHER_NAMES.get(parameter.name, parameter.name)
        self.parameter, self.piece = parameter, piece

    @property
    def is_tensor(self) -> bool:
        """Whether it may be a tensor."""
        return self.parameter.kind in ("tensor", "optional", "operand", "tensors")


def _arguments(node: Any) -> Iterator[_Argument]:
    key: Any = () if node._step is None else node._step.key
    operation: Any = key[0] if isinstance(key, tuple) and key else None
    if not hasattr(operation, "parameters"):
        return
    at = 1
    for parameter in operation.parameters:
        yield _Argument(parameter, key[at])
        single = ("tensor", "optional", "tensors", "operand", "scalar", "flag")
        at += 1 if parameter.kind in single else 2


def names_kept(node: Any) -> list[str]:
    """The `_saved_` attributes of a node."""
    names = [f"_saved_{argument.name}" for argument in _arguments(node)]
    return [*names, "_saved_result"] if names else []


def kept(node: Any, attribute: str) -> Any:
    """The value of a `_saved_` attribute; None for a tensor that the node does not need.

    Errors: AttributeError for a name that the operation does not have, RuntimeError once backward has used it up.
    """
    name = attribute.removeprefix("_saved_")
    for argument in _arguments(node):
        if name == argument.name + "_sym_sizes" and argument.piece.__class__ is int:
            tape, offset = node._step.tape, node._segment.offset
            return tuple(tape.slots[argument.piece - offset][1].shape)
        if name == argument.name:
            return _value(node, argument)
    if name == "result" and node._step is not None:
        return _tensor(node, node._step.slot)
    _absent(node, attribute)


def _value(node: Any, argument: _Argument) -> Any:
    piece = argument.piece
    if argument.parameter.kind == "tensors":
        return tuple(_tensor(node, slot) for slot in piece)
    if argument.is_tensor and piece.__class__ is int:
        return _tensor(node, piece)
    if argument.is_tensor and piece is None:
        return None
    if isinstance(piece, type) or argument.parameter.kind == "scalar":
        return _number(node, argument)
    if argument.parameter.name not in ("dim", "dim0", "dim1"):
        return piece
    if (
        piece.__class__ is int and argument.parameter.kind == "static"
    ):  # one of the dimensions that there may be
        piece = (piece,)
    return _unsigned(piece)


def _unsigned(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_unsigned, value))
    return value % _UNSIGNED if isinstance(value, int) and value < 0 else value


def _number(node: Any, argument: _Argument) -> Any:
    """A number given at the call, which the segment holds among its scalars."""
    step, segment = node._step, node._segment
    if argument.piece is None:
        return argument.parameter.default
    before = sum(
        1 for one in _arguments(node) if isinstance(one.piece, type) and one is not argument
        and _position(node, one) < _position(node, argument)
    )  # fmt: skip
    at = step.parent.counts.scalars + before
    scalars = segment.recorder.scalars if segment.history is None else segment.history.scalars
    return scalars[at]


def _position(node: Any, argument: _Argument) -> int:
    return next(i for i, one in enumerate(_arguments(node)) if one.parameter is argument.parameter)


def _tensor(node: Any, slot: int) -> Any:
    """A tensor that the step read or made, if its gradient reads it."""
    segment, step = node._segment, node._step
    tape = step.tape
    value = tape.slots[slot - segment.offset][0]
    start, stop = step.parent.counts.nodes, step.counts.nodes
    made = [v for v, _ in tape.slots[step.parent.counts.slots : step.counts.slots]]
    read = [tape.slots[s - segment.offset][0] for s in segment.read(step) if s is not None]
    wanted = [v for v in read if v not in made]
    if value not in sweep(tape, made, wanted, start, stop).residuals:
        return None
    recorder = thread.recorder
    history = segment.history
    if history is None:
        if any(mark[0] == "freed" and start <= mark[1] < stop for mark in tape.marks):
            second_time(tape, None)
        return recorder.handles[slot - segment.offset]
    if not history.freed.isdisjoint(range(start, stop)):
        second_time(tape, history)
    if value in history.inputs:
        return history.inputs[value][0]
    from alight.autograd.past import PastFrame

    return PastFrame(recorder, history, True, False, ())._residual(value)


def _absent(node: Any, attribute: str) -> NoReturn:
    fail(
        AttributeError, f"'{type(node).__name__}' object has no attribute '{attribute}'",
        facts=[f"it keeps {', '.join(names_kept(node)) or 'nothing that has a name'}"],
    )  # fmt: skip
