"""A program that runs once: node by node, with nothing prepared for another run.

In: a program, whose values may have any numbers, and its input arrays. Out: the output arrays, those that `plan.py`
gives. What is decided there once is decided here on the way: what is left to broadcasting, when arrays are let go, which
outputs are copies. Preparing and running a node takes about as long as its preparation takes there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from alight.backends.interpreter.arrays import number_of
from alight.backends.interpreter.builder import scalar_function
from alight.backends.interpreter.kernels import KERNELS
from alight.backends.interpreter.plan import VIEWS
from alight.backends.interpreter.structure import constant_of
from alight.errors import not_implemented
from alight.ir.primitive import CREATE, ELEMENTWISE
from alight.ir.program import Node, Program

ALIASES = frozenset(["expand", "detach", "reshape"])  # that may give back what they read


def run_once(program: Program, arguments: Sequence[Any]) -> list[Any]:
    """The outputs of a program on these arrays; 0-d inputs may be Python numbers."""
    run = _Once(program, arguments)
    at = 0
    try:
        with np.errstate(all="ignore"):
            for at, node in enumerate(program.nodes):
                run.node(node)
                for i in run.ends[at]:
                    del run.env[i]
    except Exception as error:
        error.node_number = at  # type: ignore[attr-defined]
        raise
    return [run.output(i) for i in program.outputs]


class _Once:
    """The arrays of a program that is being run."""

    def __init__(self, program: Program, arguments: Sequence[Any]) -> None:
        self.types = types = program.types
        self.env: dict[int, Any] = {}
        for i, given in zip(program.inputs, arguments, strict=True):
            if given.__class__ is not np.ndarray and types[i].shape == ():
                given = number_of(types[i].dtype)(given)
            self.env[i] = given
        self.shared = set(program.inputs)  # values whose memory is not theirs alone
        self.root: dict[int, int] = {}  # of what shares memory with another value
        self.full = set(program.outputs)  # values that are not left to broadcasting
        self.aliases: set[int] = set()  # values that are left to it
        self.ends: list[list[int]] = []  # of each node: the values that nothing reads behind it
        self._read_backwards(program.nodes)

    def _read_backwards(self, nodes: Sequence[Node]) -> None:
        full, read = self.full, set(self.full)
        for node in reversed(nodes):
            primitive, inputs, statics, outputs, _ = node
            if primitive.kind != ELEMENTWISE:
                name, out = primitive.name, outputs[0]
                if name in ALIASES and out not in full and self._is_alias(name, inputs, statics):
                    self.aliases.add(out)
                else:
                    full.update(inputs)
            ends = [i for i in inputs if i not in read]
            if len(ends) > 1:
                ends = list(dict.fromkeys(ends))
            read.update(ends)
            self.ends.append(ends)
        self.ends.reverse()

    def _is_alias(self, name: str, inputs: tuple[int, ...], statics: dict[str, Any]) -> bool:
        if name != "reshape":
            return True
        old, new = self.types[inputs[0]].shape, statics["shape"]
        lead = len(new) - len(old)
        return lead >= 0 and new[lead:] == old and new[:lead] == (1,) * lead

    def node(self, node: Node) -> None:
        """Run one node."""
        primitive, inputs, statics, outputs, _ = node
        env, types, out = self.env, self.types, outputs[0]
        if primitive.kind == ELEMENTWISE:
            dtypes = tuple([types[i].dtype for i in inputs])
            result = scalar_function(primitive, dtypes, statics)(*[env[i] for i in inputs])
            if out in self.full and result.shape != types[out].shape:
                result = np.broadcast_to(result, types[out].shape)
                self.shared.add(out)
            env[out] = result
        elif out in self.aliases or primitive.name == "detach":
            env[out] = env[inputs[0]]
            self.root[out] = self.root.get(inputs[0], inputs[0])
        else:
            if primitive.kind == CREATE:
                constant = constant_of(node, types[out], out in self.full)
                if constant is not None:
                    env[out] = constant
                    self.shared.add(out)
                    return
            self._kernel(primitive.name, inputs, statics, outputs)

    def _kernel(
        self, name: str, inputs: tuple[int, ...], statics: dict[str, Any], outputs: tuple[int, ...]
    ) -> None:
        env, types = self.env, self.types
        maker = KERNELS.get(name)
        if maker is None:
            not_implemented(f"the primitive {name} in the interpreter", "another operation")
        ins, outs = [types[i] for i in inputs], [types[i] for i in outputs]
        result = maker(ins, outs, statics)(*[env[i] for i in inputs])
        if len(outputs) == 1:
            env[outputs[0]] = result
        else:
            env.update(zip(outputs, result, strict=True))
        if name in VIEWS:
            self.root[outputs[0]] = self.root.get(inputs[0], inputs[0])
        elif name == "iota":
            self.shared.add(outputs[0])

    def output(self, i: int) -> Any:
        """The array of an output, in memory of its own."""
        array, root = self.env[i], self.root.get(i, i)
        if root != i or root in self.shared:
            return np.array(array, order="C")
        self.shared.add(i)  # the same value may be asked for twice
        return array if array.__class__ is np.ndarray else np.asarray(array)
