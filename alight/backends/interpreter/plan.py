"""A program as a list of NumPy calls.

In: a program. Out: a function from input arrays to output arrays. Decided once, here: which values are left to NumPy's
own broadcasting (an Expand that only element-wise nodes read), which dying temporaries are written over, when arrays
are let go. Outputs never share memory with inputs or with one another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from alight.backends.interpreter.arrays import Array, numpy_dtype
from alight.backends.interpreter.builder import scalar_function
from alight.backends.interpreter.kernels import KERNELS
from alight.errors import not_implemented
from alight.ir.primitive import ELEMENTWISE
from alight.ir.program import Node, Program

VIEWS = frozenset({"reshape", "permute", "expand", "slice", "detach", "flip", "windows"})
Step = tuple[Callable[..., Any], tuple[int, ...], tuple[int, ...], tuple[int, ...], int]


class Plan:
    """What compiling a program decides."""

    def __init__(self, program: Program, copy_outputs: bool = True) -> None:
        self.program, self.types = program, program.types
        self.consumers: dict[int, list[Node]] = {}
        for node in program.nodes:
            for i in node.inputs:
                self.consumers.setdefault(i, []).append(node)
        self.outputs = set(program.outputs)
        self.actual = {i: program.types[i].shape for i in program.inputs}  # shapes of the arrays themselves
        self.root = {i: i for i in program.inputs}  # whose memory a value shares
        self.owned: set[int] = set()  # roots that are temporaries of this program, and nothing else's
        self.steps: list[Step] = []
        self.extra = len(program.types)  # places behind the program's values, for explicit broadcasts
        self.last_use = self._last_uses()
        for at, node in enumerate(program.nodes):
            self._add(at, node)
        self.copied = self._copied_outputs() if copy_outputs else frozenset()

    def _last_uses(self) -> dict[int, int]:
        last = {}
        for at, node in enumerate(self.program.nodes):
            for i in (*node.inputs, *node.outputs):
                last[i] = at
        return last

    def _only_elementwise(self, value: int) -> bool:
        return value not in self.outputs and all(
            node.primitive.kind == ELEMENTWISE for node in self.consumers.get(value, ())
        )

    def _add(self, at: int, node: Node) -> None:
        ins, outs = [self.types[i] for i in node.inputs], [self.types[i] for i in node.outputs]
        name = node.primitive.name
        out = node.outputs[0]
        inputs, spare = list(node.inputs), -1
        if node.primitive.kind == ELEMENTWISE:
            function = scalar_function(node.primitive, tuple(t.dtype for t in ins), node.statics)
            inputs = self._full_shape(node, inputs)
            self.root[out] = out
            self.owned.add(out)
            spare = self._spare(at, node, function)
        elif name == "expand" and self._only_elementwise(out):
            function = _same
            self.actual[out] = self.actual[inputs[0]]
            self.root[out] = self.root[inputs[0]]
        else:
            maker = KERNELS.get(name)
            if maker is None:
                not_implemented(f"the primitive {name} in the interpreter", "another operation")
            function = maker(ins, outs, node.statics)
            for i, type in zip(node.outputs, outs, strict=True):
                self.actual[i] = type.shape
                self.root[i] = self.root[inputs[0]] if name in VIEWS else i
                if name not in VIEWS and node.primitive.kind not in ("create", "scan"):
                    self.owned.add(i)
        self.steps.append((function, tuple(inputs), node.outputs, self._dying(at, node), spare))

    def _full_shape(self, node: Node, inputs: list[int]) -> list[int]:
        """Let an element-wise result stay small if all its inputs are and only element-wise nodes read it."""
        out = node.outputs[0]
        shape = np.broadcast_shapes(*(self.actual[i] for i in inputs))
        full = self.types[out].shape
        if shape != full and not self._only_elementwise(out):
            place = self.extra
            self.extra += 1
            self.steps.append((lambda x: np.broadcast_to(x, full), (inputs[-1],), (place,), (), -1))
            inputs[-1], shape = place, full
        self.actual[out] = shape
        return inputs

    def _spare(self, at: int, node: Node, function: Any) -> int:
        """An input whose memory the result may take, or -1."""
        if not isinstance(function, np.ufunc):
            return -1
        out = node.outputs[0]
        for i in node.inputs:
            root = self.root[i]
            if (
                root == i
                and i in self.owned
                and self.actual[i] == self.actual[out] == self.types[i].shape
                and numpy_dtype(self.types[i].dtype) == numpy_dtype(self.types[out].dtype)
                and self._group_dies(root, at)
            ):
                self.owned.discard(i)
                return i
        return -1

    def _group_dies(self, root: int, at: int) -> bool:
        return all(
            self.last_use[i] <= at and i not in self.outputs for i, other in self.root.items() if other == root
        )

    def _dying(self, at: int, node: Node) -> tuple[int, ...]:
        return tuple(i for i in {*node.inputs, *node.outputs} if self.last_use[i] == at and i not in self.outputs)

    def _copied_outputs(self) -> frozenset[int]:
        """Numbers of outputs that must be copied: they share memory with an input or an earlier output."""
        copied, seen = set(), set()
        for n, i in enumerate(self.program.outputs):
            root = self.root[i]
            if root in seen or root not in self.owned or i != root:
                copied.add(n)
            seen.add(root)
        return frozenset(copied)


def _same(x: Array) -> Array:
    return x


def compile_program(program: Program, copy_outputs: bool = True) -> Callable[[Sequence[Any]], list[Any]]:
    """The program as a function of its input arrays; 0-d inputs may be Python numbers."""
    plan = Plan(program, copy_outputs)
    steps, places = tuple(plan.steps), plan.extra
    inputs, outputs, copied = program.inputs, program.outputs, plan.copied
    scalars = [(i, numpy_dtype(program.types[i].dtype).type) for i in inputs if program.types[i].shape == ()]
    nodes = program.nodes

    def run(arguments: Sequence[Any]) -> list[Any]:
        env: list[Any] = [None] * places
        for i, argument in zip(inputs, arguments, strict=True):
            env[i] = argument
        for i, number in scalars:
            if not isinstance(env[i], np.ndarray):
                env[i] = number(env[i])
        with np.errstate(all="ignore"):
            for function, ins, outs, dying, spare in steps:
                if spare >= 0 and env[spare].__class__ is np.ndarray and env[spare].ndim:
                    env[outs[0]] = function(*[env[i] for i in ins], out=env[spare])
                elif len(outs) == 1:
                    env[outs[0]] = function(*[env[i] for i in ins])
                else:
                    for i, result in zip(outs, function(*[env[i] for i in ins]), strict=True):
                        env[i] = result
                for i in dying:
                    env[i] = None
        return [
            np.array(env[i]) if n in copied else np.asarray(env[i]) for n, i in enumerate(outputs)
        ]

    def run_and_explain(arguments: Sequence[Any]) -> list[Any]:
        try:
            return run(arguments)
        except Exception as error:
            _name_node(error, program, arguments)
            raise

    return run_and_explain if nodes else run


def _name_node(error: Exception, program: Program, arguments: Sequence[Any]) -> None:
    """Find the node that fails by running the program again, node by node."""
    env = dict(zip(program.inputs, arguments, strict=True))
    for node in program.nodes:
        single = Program(program.types, node.inputs, [node], node.outputs)
        try:
            results = compile_program_once(single)([env[i] for i in node.inputs])
        except Exception:
            error.node = node  # type: ignore[attr-defined]
            return
        env.update(zip(node.outputs, results, strict=True))


def compile_program_once(program: Program) -> Callable[[Sequence[Any]], list[Any]]:
    """As `compile_program`, for a program that runs once: no second search after a failure."""
    plan = Plan(program)

    def run(arguments: Sequence[Any]) -> list[Any]:
        env: dict[int, Any] = dict(zip(program.inputs, map(np.asarray, arguments), strict=True))
        with np.errstate(all="ignore"):
            for function, ins, outs, _, _ in plan.steps:
                results = function(*[env[i] for i in ins])
                env.update(zip(outs, [results] if len(outs) == 1 else results, strict=True))
        return [np.asarray(env[i]) for i in program.outputs]

    return run


__all__ = ["Plan", "compile_program"]
