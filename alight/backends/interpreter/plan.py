"""A program as a list of NumPy calls.

In: a program. Out: a function from input arrays to output arrays. Decided once, here: what is constant, which values
are left to NumPy's own broadcasting (an Expand that only element-wise nodes read), which dying temporaries are written
over, when arrays are let go. Outputs never share memory with inputs or with one another.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import Any

import numpy as np

from alight.backends.interpreter.arrays import number_of, numpy_dtype
from alight.backends.interpreter.builder import scalar_function
from alight.backends.interpreter.kernels import KERNELS
from alight.backends.interpreter.steps import Places, Step, execute, execute_unless, step, writing
from alight.backends.interpreter.structure import constant_of
from alight.dtypes import bool_
from alight.errors import internal, not_implemented
from alight.ir.primitive import CREATE, ELEMENTWISE
from alight.ir.program import Node, Program
from alight.ir.types import Shape, Type
from alight.primitives.arithmetic import broadcast_shape

Run = Callable[..., Any]  # of the inputs, and of a function that says whether to break off

VIEWS = frozenset(
    [
        "reshape",
        "permute",
        "expand",
        "slice",
        "dynamic_slice",
        "detach",
        "flip",
        "windows",
        "reinterpret",
    ]
)
LARGE = 1 << 16  # bytes that a step of their own lets go, if no result takes their place

# What NumPy's scalars do themselves in a third of the time that a ufunc takes.
_ON_SCALARS: dict[Any, Any] = {
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.true_divide: operator.truediv,
    np.negative: operator.neg,
}


class Plan:
    """What compiling a program decides.

    Values are the program's, and further numbers behind them for arrays that the program does not name.
    """

    def __init__(self, program: Program, copy_outputs: bool = True) -> None:
        self.program, self.nodes = program, program.nodes
        self.types: list[Type] = list(program.types)
        self.last_use = self._last_uses()
        self.must_be_full = set(program.outputs)  # values that are not left to broadcasting
        for node in reversed(program.nodes):
            if not self._reads_by_broadcasting(node):
                self.must_be_full.update(node.inputs)
        inputs = program.inputs
        self.shape: dict[int, Shape] = {i: program.types[i].shape for i in inputs}  # of the array
        self.same: dict[int, int] = {}  # a value that is the very array of another
        self.root = {i: i for i in inputs}  # whose memory a value shares
        self.group_end: dict[int, int] = {}  # root -> the last use of its memory
        self.owned: set[int] = set()  # roots that are temporaries, and nobody else's memory
        self.places = Places(len(inputs))
        self.place = {i: n for n, i in enumerate(inputs)}
        self.constants: dict[int, Any] = {}  # place -> array
        self.steps: list[Step] = []
        for at, node in enumerate(program.nodes):
            self._add(at, node)
        self.finishing = self._finishing(copy_outputs)

    def _last_uses(self) -> dict[int, int]:
        last = {i: at for at, node in enumerate(self.nodes) for i in (*node.outputs, *node.inputs)}
        last.update(dict.fromkeys(self.program.outputs, len(self.nodes)))
        return last

    def _reads_by_broadcasting(self, node: Node) -> bool:
        """Whether the node does as well with arrays that have fewer axes in front, or 1 for a larger extent."""
        if node.primitive.kind == ELEMENTWISE:
            return True
        if node.outputs[0] in self.must_be_full:
            return False
        name = node.primitive.name
        return name in ("expand", "detach") or (name == "reshape" and self._adds_axes(node))

    def _adds_axes(self, node: Node) -> bool:
        old, new = self.types[node.inputs[0]].shape, node.statics["shape"]
        return len(old) <= len(new) and new == (1,) * (len(new) - len(old)) + old

    # -- one node ------------------------------------------------------------------------------------------------------

    def _add(self, at: int, node: Node) -> None:
        name, out = node.primitive.name, node.outputs[0]
        inputs = [self.same.get(i, i) for i in node.inputs]
        if node.primitive.kind == ELEMENTWISE:
            self._add_elementwise(at, node, inputs)
        elif name == "detach" or self._reads_by_broadcasting(node):
            self._alias(out, inputs[0])
        elif node.primitive.kind == CREATE and self._add_constant(node):
            pass
        else:
            self._add_kernel(at, node, inputs)
        self._let_go(at, inputs)

    def _add_elementwise(self, at: int, node: Node, inputs: list[int]) -> None:
        out = node.outputs[0]
        dtypes = tuple(self.types[i].dtype for i in node.inputs)
        function: Any = scalar_function(node.primitive, dtypes, node.statics)
        shapes = [self.shape[i] for i in inputs]
        shape = shapes[0]
        if any(other != shape for other in shapes):
            shape = broadcast_shape(*shapes) or shape
        full = self.types[out].shape
        small = shape != full and out in self.must_be_full
        result = self._unnamed(Type(shape, self.types[out].dtype), at) if small else out
        arguments = [self.place[i] for i in inputs]
        if isinstance(function, np.ufunc) and shape:
            spare = self._spare(at, inputs, shape, self.types[out])
            if spare >= 0:
                self.owned.discard(spare)
                function = writing(function)
                arguments.append(self.place[spare])
        elif not shape and bool_ not in dtypes:
            function = _ON_SCALARS.get(function, function)
        self._define(at, result, shape, result, inputs)
        self.owned.add(result)
        made = self.place[result]
        self.steps.append(step(function, arguments, made))
        if small:
            self._define(at, out, full, result, [result])
            self.steps.append(step(_broadcaster(full), [made], self.place[out]))

    def _spare(self, at: int, inputs: list[int], shape: Shape, result: Type) -> int:
        """An input whose memory the result may take, or -1."""
        target = numpy_dtype(result.dtype)
        for i in inputs:
            if (
                i in self.owned
                and self.group_end[i] == at
                and self.shape[i] == shape
                and numpy_dtype(self.types[i].dtype) == target
            ):
                return i
        return -1

    def _add_kernel(self, at: int, node: Node, inputs: list[int]) -> None:
        name, outputs = node.primitive.name, node.outputs
        maker = KERNELS.get(name)
        if maker is None:
            not_implemented(f"the primitive {name} in the interpreter", "another operation")
        ins, outs = [self.types[i] for i in node.inputs], [self.types[i] for i in outputs]
        function = maker(ins, outs, node.statics)
        arguments = [self.place[i] for i in inputs]
        whole = -1
        if len(outputs) != 1:  # a tuple: a step takes each result out of it
            whole = self._unnamed(Type((), outs[0].dtype) if outs else ins[0], at)
            self._define(at, whole, (), whole, inputs)
            self.steps.append(step(function, arguments, self.place[whole]))
            arguments = [self.place[whole]]
        for n, (i, type) in enumerate(zip(outputs, outs, strict=True)):
            is_view = name in VIEWS
            self._define(at, i, type.shape, self.root[inputs[0]] if is_view else i, inputs)
            if not is_view and name != "iota":
                self.owned.add(i)
            take = function if whole < 0 else operator.itemgetter(n)
            self.steps.append(step(take, arguments, self.place[i]))
        if whole >= 0:
            self.steps.append(step(_nothing, (), self.place[whole]))
            self.places.free.append(self.place.pop(whole))

    def _add_constant(self, node: Node) -> bool:
        """Make the value now if it is small and always the same."""
        out = node.outputs[0]
        array = constant_of(node, self.types[out], full=out in self.must_be_full)
        if array is None:
            return False
        self.shape[out], self.root[out] = np.shape(array), out
        self.place[out] = self.places.fresh()
        self.constants[self.place[out]] = array
        self.last_use[out] = len(self.nodes) + 1  # its place is for ever
        return True

    # -- values --------------------------------------------------------------------------------------------------------

    def _unnamed(self, type: Type, at: int) -> int:
        self.types.append(type)
        self.last_use[len(self.types) - 1] = at
        return len(self.types) - 1

    def _alias(self, out: int, given: int) -> None:
        self.same[out] = given
        end = self.last_use[given] = max(self.last_use[given], self.last_use[out])
        root = self.root[given]
        self.group_end[root] = max(self.group_end.get(root, -1), end)

    def _define(self, at: int, i: int, shape: Shape, root: int, inputs: Iterable[int]) -> None:
        """A new value: its array's shape, whose memory it shares, and its place, that of a dying input if it can be."""
        self.shape[i], self.root[i] = shape, root
        self.group_end[root] = max(self.group_end.get(root, -1), self.last_use[i])
        dying = [j for j in inputs if self.last_use[j] == at and j in self.place and j != i]
        if dying:
            heaviest = max(dying, key=self._bytes)
            self.place[i] = self.place.pop(heaviest)
        else:
            self.place[i] = self.places.take()

    def _bytes(self, i: int) -> int:
        return prod(self.shape[i]) * self.types[i].dtype.itemsize

    def _let_go(self, at: int, inputs: list[int]) -> None:
        """Give back the places of values that were read for the last time, or are never read."""
        for i in dict.fromkeys((*inputs, *self.nodes[at].outputs)):
            if i in self.place and self.last_use[i] == at:
                self._release(i)

    def _release(self, i: int) -> None:
        place = self.place.pop(i)
        self.places.free.append(place)
        if self._bytes(i) >= LARGE:
            self.steps.append(step(_nothing, (), place))

    def _finishing(self, copy_outputs: bool) -> list[tuple[int, Callable[[Any], Any]]]:
        """What is done to outputs at the end: copies of shared memory, arrays of NumPy's scalars."""
        finishing: list[tuple[int, Callable[[Any], Any]]] = []
        seen = set()
        for n, output in enumerate(self.program.outputs):
            i = self.same.get(output, output)
            root = self.root[i]
            if copy_outputs and (root in seen or i != root or root not in self.owned):
                finishing.append((n, _copy))
            elif not self.shape[i]:
                finishing.append((n, np.asarray))
            seen.add(root)
        return finishing


def _copy(x: Any) -> Any:
    return np.array(x, order="C")


def _nothing() -> None:
    return None


def _broadcaster(shape: Shape) -> Callable[[Any], Any]:
    return lambda x: np.broadcast_to(x, shape)


# -- running -----------------------------------------------------------------------------------------------------------


def compile_program(program: Program, copy_outputs: bool = True, inner: bool = False) -> Run:
    """The program as a function of its input arrays; 0-d inputs may be Python numbers.

    If it is given a function too, it asks that now and then with the share of the steps done, and returns None as soon
    as the answer is true. An `inner` program runs as a part of another one's step, which sees to warnings and to the node of an error.
    """
    plan = Plan(program, copy_outputs)
    steps, finishing, outputs = tuple(plan.steps), plan.finishing, plan.program.outputs
    blank: list[Any] = [None] * (plan.places.count - len(program.inputs))
    for place, array in plan.constants.items():
        blank[place - len(program.inputs)] = array
    places = [plan.place[plan.same.get(i, i)] for i in outputs]
    scalars = [
        (n, number_of(program.types[i].dtype))
        for n, i in enumerate(program.inputs)
        if program.types[i].shape == ()
    ]
    count = len(program.inputs)

    def run(
        arguments: Sequence[Any], given_up: Callable[[float], bool] | None = None
    ) -> list[Any] | None:
        if len(arguments) != count:
            internal(f"{len(arguments)} arguments for a program of {count} inputs", program)
        env = [*arguments, *blank]
        for n, number in scalars:
            if env[n].__class__ is not np.ndarray:
                env[n] = number(env[n])
        if given_up is None:
            execute(steps, env)
        elif not execute_unless(given_up, steps, env):
            return None
        results = [env[place] for place in places]
        for n, finish in finishing:
            results[n] = finish(results[n])
        return results

    if inner or all(node.primitive.name in VIEWS for node in program.nodes):  # which never warn
        return run

    def run_quietly(
        arguments: Sequence[Any], given_up: Callable[[float], bool] | None = None
    ) -> list[Any] | None:
        try:
            with np.errstate(all="ignore"):
                return run(arguments, given_up)
        except Exception as error:
            _name_node(error, program, arguments)
            raise

    return run_quietly


def _name_node(error: Exception, program: Program, arguments: Sequence[Any]) -> None:
    """Find the node that fails by running the program again, node by node."""
    env = dict(zip(program.inputs, arguments, strict=True))
    for number, node in enumerate(program.nodes):
        inputs = tuple(dict.fromkeys(node.inputs))
        alone = Program(program.types, inputs, [node], node.outputs)
        try:
            with np.errstate(all="ignore"):
                results = compile_program(alone, inner=True)([env[i] for i in inputs])
        except Exception:
            error.node_number = number  # type: ignore[attr-defined]
            return
        env.update(zip(node.outputs, results, strict=True))


__all__ = ["Plan", "compile_program"]
