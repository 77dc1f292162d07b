"""`grad_fn`: the steps behind a tensor as a graph of nodes that can be walked.

Nodes are made when somebody looks: a node stands for a step of a segment's path (pending, or kept by a history), its
edges for the tensors that the step read. Nothing of this exists while a program only trains.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from alight.autograd.hooks import RemovableHandle
from alight.autograd.names import backward_name
from alight.errors import fail, not_implemented
from alight.record.ambiguous import SEVERAL, refuse_written
from alight.record.recorder import ENTER, VIEW, thread
from alight.record.views import counter_of

Edge = tuple[Any, int]  # (node or None, number of that node's output)

# Numbers among the operands of these are tensors to PyTorch: they have an edge, which leads nowhere.
_WRAPS_NUMBERS = {
    "add",
    "sub",
    "mul",
    "div",
    "true_divide",
    "add_",
    "sub_",
    "mul_",
    "div_",
    "_rdiv",
}
_ADDMM_ORDER = (2, 0, 1)  # linear(input, weight, bias) is addmm(bias, input, weight.t())


class Node:
    """What made a tensor: its `name()`, and in `next_functions` the nodes of what it was made from.

    Errors: RuntimeError when called after its backward pass is over.

    >>> import alight as torch
    >>> y = (torch.ones(2, requires_grad=True) * 3).sum()
    >>> y.grad_fn.name(), y.grad_fn.next_functions[0][0].name()
    ('SumBackward0', 'MulBackward0')
    """

    _segment: Any = None
    _step: Any = None

    def name(self) -> str:
        """PyTorch's name of the node, as AddBackward0."""
        return type(self).__name__

    @property
    def next_functions(self) -> tuple[Edge, ...]:
        """(node, output number) for each tensor that was read; (None, 0) for one without gradient."""
        return () if self._segment is None else self._segment.edges(self._step)

    @property
    def metadata(self) -> dict[Any, Any]:
        """A dictionary for the user's own notes on this node."""
        return self.__dict__.setdefault("_metadata", {})

    @property
    def variable(self) -> Any:
        """The tensor that a gradient is accumulated into: AccumulateGrad only."""
        raise AttributeError(f"'{type(self).__name__}' object has no attribute 'variable'")

    def register_hook(self, fn: Callable[..., Any]) -> RemovableHandle:
        """Call `fn(grad_inputs, grad_outputs)` after this node's backward; a tuple from it replaces grad_inputs."""
        return self._add_hook("post", fn)

    def register_prehook(self, fn: Callable[..., Any]) -> RemovableHandle:
        """Call `fn(grad_outputs)` before this node's backward; a tuple from it replaces grad_outputs."""
        return self._add_hook("pre", fn)

    def _add_hook(self, kind: str, fn: Callable[..., Any]) -> RemovableHandle:
        if self._segment is None:
            fail(RuntimeError, f"this {self.name()} takes no part in a backward pass any more")
        return self._segment.add_hook(self._step, kind, fn)

    def __call__(self, *grads: Any) -> Any:
        """The gradients of what this node read, from those of what it made."""
        from alight.autograd.past import call_node

        found = call_node(self, grads)
        return found[0] if len(found) == 1 else tuple(found)

    def __dir__(self) -> list[str]:
        from alight.autograd.kept import names_kept

        return [*object.__dir__(self), *names_kept(self)]

    def __getattr__(self, name: str) -> Any:
        ctx = self.__dict__.get("_ctx")
        if name.startswith("_raw_saved_"):
            not_implemented(
                "a saved tensor before it is unpacked", "saved_tensors_hooks(pack, unpack)"
            )
        if name.startswith("_saved_") and ctx is None:
            from alight.autograd.kept import kept

            return kept(self, name)
        if ctx is None:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        return getattr(ctx, name)  # a Function's node is its context


class AccumulateGrad(Node):
    """Where a gradient ends: it is added to `variable.grad`.

    >>> import alight as torch
    >>> (torch.ones(1, requires_grad=True) * 2).grad_fn.next_functions[0][0].name()
    'torch::autograd::AccumulateGrad'
    """

    def __init__(self, variable: Any) -> None:
        self._variable = variable

    def name(self) -> str:
        """PyTorch's name of this node."""
        return "torch::autograd::AccumulateGrad"

    @property
    def variable(self) -> Any:
        """The leaf."""
        return self._variable

    @property
    def next_functions(self) -> tuple[Edge, ...]:
        """Nothing: here the graph ends."""
        return ()


AccumulateGrad.__module__ = "builtins"  # printed without a module, as the nodes of operations
_classes: dict[str, type[Node]] = {}


def node_class(name: str) -> type[Node]:
    """The class of nodes of one name; each prints as PyTorch's: <AddBackward0 object at ...>."""
    if name not in _classes:
        short = name.removeprefix("torch::autograd::")
        # of a user's Function, whose name has no number, PyTorch shows where its class comes from
        module = "torch.autograd.function" if short.endswith("Backward") else "builtins"
        _classes[name] = type(short, (Node,), {"name": lambda self: name, "__module__": module})
    return _classes[name]


def accumulator(leaf: Any) -> AccumulateGrad:
    """The one AccumulateGrad node of a leaf, as long as somebody holds it."""
    ref = leaf.__dict__.get("_accumulator")
    node = None if ref is None else ref()
    if node is None:
        node = AccumulateGrad(leaf)
        leaf._accumulator = weakref.ref(node)
    return node


class Segment:
    """The steps of one segment as nodes: of the pending one, or of a history."""

    def __init__(self, recorder: Any = None, history: Any = None) -> None:
        self.recorder, self.history = recorder, history
        self.position = None if history is None else history.position
        self.offset = recorder.offset if recorder is not None else 0
        self.steps: dict[int, Any] = {}  # slot -> the position that made it
        self.nodes: dict[
            Any, Any
        ] = {}  # (position, written root or not) -> weak reference to its node
        if history is not None:
            self._read_steps(history.position)

    def _read_steps(self, position: Any) -> None:
        while position is not None and position.parent is not None:
            first = position.slot
            if first >= 0:
                self.offset = first & ~0xFFFFFFFF
                if first in self.steps:
                    return
                for i in range(len(position.metas)):
                    self.steps[first + i] = position
            position = position.parent

    def settle(self, history: Any) -> None:
        """The segment has been flushed: what is known of it is in `history` now."""
        self._read_steps(history.position)
        self.recorder, self.history = None, history

    def step_of(self, slot: int) -> Any:
        """The step that made a slot."""
        if slot not in self.steps and self.recorder is not None:
            self._read_steps(self.recorder.here)
        return self.steps.get(slot)

    def node(self, slot: int, output: Any = None) -> Edge:
        """The node that made a slot, and the slot's number among its outputs."""
        step = self.step_of(slot)
        if step is None:
            return None, 0
        meta = step.metas[slot - step.slot]
        if meta.leaf or not meta.requires_grad:
            return None, 0
        if self._is_entering(step):
            return self._entered(step, slot)
        if isinstance(step.key, tuple) and step.key[0] == VIEW and step.key[5] is not None:
            return self.node(step.key[5])  # a view whose elements changed under it
        number = 0 if meta.origin == "CopySlices" else slot - step.slot
        key = step, meta.origin == "CopySlices"
        ref = self.nodes.get(key)
        node = None if ref is None else ref()
        if node is None:
            node = node_class(self._name(step, meta))()
            node._segment, node._step = self, step
            if isinstance(step.key, tuple) and step.key[0] == "function":
                node.__dict__["_ctx"] = self._calls()[step.key[5]]
            self.nodes[key] = weakref.ref(node)
        return node, number

    def _calls(self) -> Any:
        return self.recorder.calls if self.history is None else self.history.calls

    @staticmethod
    def _name(step: Any, meta: Any) -> str:
        if isinstance(step.key, tuple) and step.key[0] == "function":
            return step.name + "Backward"
        return backward_name(meta.origin or "unknown")

    @staticmethod
    def _is_entering(step: Any) -> bool:
        return step.key.__class__ is int or (isinstance(step.key, tuple) and step.key[0] == ENTER)

    def _entered(self, step: Any, slot: int) -> Edge:
        """The edge to what entered this segment from before."""
        if self.history is None:
            tensor = self.recorder.handles[slot - self.offset]
            entry = tensor._history
        else:
            value = self.history.tape.slots[slot - self.offset][0]
            tensor, entry = self.history.inputs.get(value, (None, None))
        if entry is not None:
            return of_entry(entry)
        return (None, 0) if tensor is None else (accumulator(tensor), 0)

    # -- edges ------------------------------------------------------------------------------------------------------

    def edges(self, step: Any) -> tuple[Edge, ...]:
        """Where a step's gradients go."""
        edges = [(None, 0) if slot is None else self._edge(slot) for slot in self.read(step)]
        return tuple(_with_steps_between(step, edges))

    def read(self, step: Any) -> list[int | None]:
        """The slots that a step read, one for each edge; None where PyTorch has an edge that leads nowhere."""
        key = step.key
        kind = key[0] if isinstance(key, tuple) else None
        if kind == VIEW:
            return [key[1] if key[5] is None else key[5]]
        if kind == "function":
            return list(key[3])
        if hasattr(kind, "parameters"):
            return self._operation_slots(kind, key[1:])
        return list(self._read_slots(step))

    def _edge(self, slot: int) -> Edge:
        step = self.step_of(slot)
        if step is not None:
            meta = step.metas[slot - step.slot]
            if meta.requires_grad and meta.leaf:
                return self._leaf(step, slot)
        return self.node(slot)

    def _leaf(self, step: Any, slot: int) -> Edge:
        if self._is_entering(step):
            return self._entered(step, slot)
        if self.history is None:
            return accumulator(self.recorder.handles[slot - self.offset]), 0
        value = self.history.tape.slots[slot - self.offset][0]
        tensor, _ = self.history.inputs.get(value, (None, None))
        return (None, 0) if tensor is None else (accumulator(tensor), 0)

    def _operation_slots(self, operation: Any, pieces: tuple[Any, ...]) -> list[int | None]:
        slots: list[int | None] = []
        at = 0
        for parameter in operation.parameters:
            piece, kind = pieces[at], parameter.kind
            at += 1 if kind in ("tensor", "optional", "tensors", "operand", "scalar", "flag") else 2
            if kind == "tensors":
                slots.extend(piece)
            elif kind == "optional" and piece is None:
                slots.append(None)
            elif kind in ("tensor", "optional", "operand") and piece.__class__ is int:
                if self._is_differentiable(piece):
                    slots.append(piece)
            elif kind == "operand" and operation.name in _WRAPS_NUMBERS:
                slots.append(None)
        if operation.name == "linear" and len(slots) == 3:
            slots = slots[:2] if slots[2] is None else [slots[i] for i in _ADDMM_ORDER]
        return slots

    def _is_differentiable(self, slot: int) -> bool:
        step = self.step_of(slot)
        return step is None or step.metas[slot - step.slot].dtype.is_differentiable

    def _read_slots(self, step: Any) -> list[int]:
        """Slots of the values that a step's nodes read: of steps that are no operation."""
        tape, start, stop = step.tape, step.parent.counts, step.counts
        slot_of = {
            value: i for i, (value, _) in reversed(list(enumerate(tape.slots[: start.slots])))
        }
        read = dict.fromkeys(
            i
            for node in tape.nodes[start.nodes : stop.nodes]
            for i in node.inputs
            if i < start.types
        )
        slots = [slot_of[value] for value in read if value in slot_of]
        return [self.offset + slot for slot in slots if tape.slots[slot][1].requires_grad]

    # -- hooks ------------------------------------------------------------------------------------------------------

    def add_hook(self, step: Any, kind: str, fn: Callable[..., Any]) -> RemovableHandle:
        """Have a backward pass stop at a step and call `fn`."""
        if self.history is None:
            self.recorder.hooked = True
            table = self.recorder.node_hooks
        else:
            table = self.history.node_hooks
        hooks = table.setdefault(step, {})
        handle = RemovableHandle(hooks)
        hooks[handle.id] = (kind, fn)
        return handle


def _with_steps_between(step: Any, edges: list[Edge]) -> list[Edge]:
    """Edges with the nodes that PyTorch has between two operations where alight has one."""
    operation = step.key[0] if isinstance(step.key, tuple) else None
    name = getattr(operation, "name", "").strip("_")
    if name == "linear" and step.meta.origin in ("AddmmBackward0", "MmBackward0"):
        edges[-1] = _between("TBackward0", edges[-1])
    if name == "cross_entropy" and (step.meta.origin or "").startswith("NllLoss"):
        edges = [_between("LogSoftmaxBackward0", edges[0])]
    return edges


class _Between(Node):
    """A node that stands between two others and has no step of its own."""

    _edge: Edge = (None, 0)

    @property
    def next_functions(self) -> tuple[Edge, ...]:
        """The edge behind it."""
        return (self._edge,)


def _between(name: str, edge: Edge) -> Edge:
    if edge[0] is None:
        return edge
    node = type(name, (_Between,), {"__module__": "builtins"})()
    node._edge = edge
    return node, 0


def of_entry(entry: Any) -> Edge:
    """The node behind a value of a flushed segment."""
    history = entry.history
    if history.segment is None:
        history.segment = Segment(history=history)
    for i, (value, _) in enumerate(history.tape.slots):
        if value == entry.value:
            return history.segment.node(history.segment.offset + i)
    return None, 0


def output_number(tensor: Any) -> int:
    """The tensor's number among the results of the step that made it."""
    if tensor._base is not None and tensor._meta.origin in SEVERAL:
        return tensor._part
    return edge_of(tensor)[1]


def edge_of(tensor: Any) -> Edge:
    """The node that made a tensor, and the tensor's number among its outputs."""
    meta = tensor._meta
    if meta.leaf or not meta.requires_grad:
        return None, 0
    recorder = thread.recorder
    if tensor._slot < 0 and tensor._history is None and tensor._base is not None:
        recorder.enter(tensor)
    found: Edge = (None, 0)
    if recorder.owns(tensor):
        if recorder.segment is None:
            recorder.segment = Segment(recorder)
        found = recorder.segment.node(tensor._slot)
    elif tensor._history is not None:
        found = of_entry(tensor._history)
    if found[0] is None:  # nothing is kept of it any more
        found = node_class(backward_name(meta.origin or "unknown"))(), 0
    return found


def grad_fn(tensor: Any) -> Node | None:
    """The `grad_fn` of a tensor; None for leaves."""
    refuse_written([tensor])
    return edge_of(tensor)[0]


class GradientEdge(tuple[Any, int]):
    """A node and the number of one of its outputs: `get_gradient_edge(tensor)`.

    >>> import alight as torch
    >>> torch.autograd.graph.get_gradient_edge(torch.ones(1, requires_grad=True) * 2).output_nr
    0
    """

    node = property(lambda self: self[0])
    output_nr = property(lambda self: self[1])


def get_gradient_edge(tensor: Any) -> GradientEdge:
    """The edge that a tensor's gradient comes in by.

    Errors: RuntimeError where the tensor does not require grad.

    >>> import alight as torch
    >>> y = torch.ones(2, requires_grad=True) * 2
    >>> torch.autograd.graph.get_gradient_edge(y).node.name()
    'MulBackward0'
    """
    if not tensor.requires_grad:
        fail(
            RuntimeError,
            "It is not possible to get the gradient edge for a Tensor that does not require gradients",
        )
    return GradientEdge((accumulator(tensor), 0) if tensor.is_leaf else edge_of(tensor))


def increment_version(tensor: Any) -> None:
    """Count a write into a tensor's memory, or that of several, that was made past alight.

    >>> import alight as torch
    >>> x = torch.ones(2)
    >>> increment_version(x)
    >>> x._version
    1
    """
    for one in [tensor] if hasattr(tensor, "_slot") else tensor:
        if one._slot >= 0:
            one.flush("a write past alight")
        counter_of(one)._writes += 1


def __getattr__(name: str) -> Any:
    if name in ("saved_tensors_hooks", "save_on_cpu", "disable_saved_tensors_hooks"):
        from alight.autograd import saved

        return getattr(saved, name)
    if name == "allow_mutation_on_saved_tensors":
        from alight.autograd.overwritten import allow_mutation_on_saved_tensors

        return allow_mutation_on_saved_tensors
    if name == "register_multi_grad_hook":
        from alight.autograd.hooks import register_multi_grad_hook

        return register_multi_grad_hook
    raise AttributeError(f"module 'alight.autograd.graph' has no attribute '{name}'")


def __dir__() -> list[str]:
    return list(__all__)


__all__ = [  # noqa: F822  (some are loaded when they are asked for)
    "GradientEdge", "Node", "disable_saved_tensors_hooks", "get_gradient_edge", "register_multi_grad_hook", "save_on_cpu",
    "saved_tensors_hooks",
]  # fmt: skip
