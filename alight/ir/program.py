"""Programs: immutable SSA over primitives, and the builder that makes them.

In: primitives applied to values. Out: a `Program`. A value is a number in its program; `Value` is the handle that
formulas compute with while a program is being built. Nodes stand in an order in which inputs come first.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, NamedTuple

from alight.dtypes import dtype
from alight.errors import internal
from alight.ir.types import Shape, Type

if TYPE_CHECKING:
    from alight.ir.primitive import Primitive

Statics = dict[str, Any]

_numbers: dict[Program, int] = {}
_next_number = itertools.count()


class Node(NamedTuple):
    """One application of a primitive: values in, values out, and the user's line it was recorded at."""

    primitive: type[Primitive]
    inputs: tuple[int, ...]
    statics: Statics
    outputs: tuple[int, ...]
    line: object = None

    def key(self) -> tuple[Any, ...]:
        """What this node computes, without its line; hashable."""
        return self.primitive, self.inputs, tuple(sorted(self.statics.items())), self.outputs


_tuple = tuple.__new__  # a Node of its five fields in a third of the time


class Program:
    """An immutable list of nodes with inputs and outputs; `types[i]` is the type of value i."""

    __slots__ = ("types", "inputs", "nodes", "outputs", "number", "_key", "_hash")

    def __init__(
        self,
        types: Sequence[Type],
        inputs: Iterable[int],
        nodes: Iterable[Node],
        outputs: Iterable[int],
    ) -> None:
        self.types = tuple(types)
        self.inputs = tuple(inputs)
        self.nodes = tuple(nodes)
        self.outputs = tuple(outputs)
        self.number = -1  # of a view's program, once it is a part of keys: see `numbered`
        self._key: tuple[Any, ...] | None = None
        self._hash: int | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for two programs that compute the same from inputs of the same types."""
        if self._key is None:
            ins = tuple((i, self.types[i]) for i in self.inputs)
            self._key = ins, tuple(_static_key(node) for node in self.nodes), self.outputs
        return self._key

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Program) and self.key == other.key)

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(self.key)
        return self._hash

    def numbered(self) -> int:
        """A number that equal programs share, for quick keys; `number` from now on."""
        if self.number < 0:
            if len(_numbers) > 100_000:
                _numbers.clear()
            self.number = _numbers.setdefault(self, next(_next_number))
        return self.number

    def number_apart(self) -> None:
        """Give it a number that it shares with no equal one, which need not be remembered."""
        self.number = next(_next_number)

    def __repr__(self) -> str:
        from alight.ir.text import show

        return show(self)

    def __lt__(
        self, other: object
    ) -> bool:  # statics are sorted by name first, so this only breaks ties
        return id(self) < id(other)


def _static_key(node: Node) -> tuple[Any, ...]:
    # 1 == True == 1.0 and 0.0 == -0.0 as dict keys: the type and the sign of a static are part of the key.
    statics = tuple((name, _exact(value)) for name, value in sorted(node.statics.items()))
    return node.primitive, node.inputs, statics, node.outputs


def _exact(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_exact(one) for one in value)
    if isinstance(value, float):
        return float, value.hex()
    if isinstance(value, (bool, complex)):
        return type(value), repr(value)
    return value


class Value:
    """A value of the program that `builder` is building; formulas are written with these.

    Arithmetic operators are attached by `alight.primitives`; they broadcast, and a Python number takes the dtype
    of the value it meets.
    """

    __slots__ = ("id", "type", "builder")

    def __init__(self, id: int, type: Type, builder: Builder) -> None:
        self.id, self.type, self.builder = id, type, builder

    @property
    def shape(self) -> Shape:
        """Extents of the axes."""
        return self.type.shape

    @property
    def dtype(self) -> dtype:
        """Type of the elements."""
        return self.type.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.type.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.type.size

    def __repr__(self) -> str:
        return f"%{self.id}: {self.type}"

    if TYPE_CHECKING:
        meta: Any  # of the arguments of operations: see alight.record.trie.Argument
        number: Any

        # attached by alight.primitives.arithmetic
        def __add__(self, other: Any) -> Value: ...
        def __radd__(self, other: Any) -> Value: ...
        def __sub__(self, other: Any) -> Value: ...
        def __rsub__(self, other: Any) -> Value: ...
        def __mul__(self, other: Any) -> Value: ...
        def __rmul__(self, other: Any) -> Value: ...
        def __truediv__(self, other: Any) -> Value: ...
        def __rtruediv__(self, other: Any) -> Value: ...
        def __floordiv__(self, other: Any) -> Value: ...
        def __mod__(self, other: Any) -> Value: ...
        def __pow__(self, other: Any) -> Value: ...
        def __and__(self, other: Any) -> Value: ...
        def __or__(self, other: Any) -> Value: ...
        def __xor__(self, other: Any) -> Value: ...
        def __lshift__(self, other: Any) -> Value: ...
        def __rshift__(self, other: Any) -> Value: ...
        def __lt__(self, other: Any) -> Value: ...
        def __le__(self, other: Any) -> Value: ...
        def __gt__(self, other: Any) -> Value: ...
        def __ge__(self, other: Any) -> Value: ...
        def __neg__(self) -> Value: ...
        def __invert__(self) -> Value: ...


_current: ContextVar[Builder | None] = ContextVar("alight_builder", default=None)


class _Active:
    """A block in which a builder is the current one."""

    __slots__ = ("builder", "token")
    token: Token[Builder | None]

    def __init__(self, builder: Builder) -> None:
        self.builder = builder

    def __enter__(self) -> Builder:
        self.token = _current.set(self.builder)
        return self.builder

    def __exit__(self, *error: object) -> None:
        _current.reset(self.token)


class Builder:
    """Collects nodes into a program.

    >>> from alight.dtypes import float32
    >>> from alight import primitives as p
    >>> b = Builder()
    >>> x = b.input(Type((2,), float32))
    >>> with b.active():
    ...     y = p.Exp(x)
    >>> b.finish([y])
    program(%0: f32[2]) {
      %1: f32[2] = exp(%0)
      return %1
    }
    """

    def __init__(self) -> None:
        self.types: list[Type] = []
        self.inputs: list[int] = []
        self.nodes: list[Node] = []
        self.line: object = None  # the user's line of nodes emitted from now on

    def add_value(self, type: Type) -> Value:
        """A new value that no node has made yet."""
        self.types.append(type)
        return Value(len(self.types) - 1, type, self)

    def input(self, type: Type) -> Value:
        """A new input of the program."""
        value = self.add_value(type)
        self.inputs.append(value.id)
        return value

    def value(self, id: int) -> Value:
        """The handle of value `id`."""
        return Value(id, self.types[id], self)

    def emit(self, primitive: type[Primitive], values: Sequence[Value], statics: Statics) -> Any:
        """Append a node; its one output value, or a tuple of them."""
        for value in values:
            if value.builder is not self:
                internal(f"{primitive.name} mixes values of two programs")
        types = primitive.result_types([value.type for value in values], statics)
        ids = tuple([value.id for value in values])
        if primitive.outputs == 1:
            out = self.add_value(types[0])
            self.nodes.append(_tuple(Node, (primitive, ids, statics, (out.id,), self.line)))
            return out
        outs = tuple([self.add_value(type) for type in types])
        self.nodes.append(Node(primitive, ids, statics, tuple([o.id for o in outs]), self.line))
        return outs

    def inline(self, program: Program, values: Sequence[Value]) -> list[Value]:
        """Append the nodes of `program` with `values` as its inputs; its outputs as values of this builder."""
        ids = {old: new.id for old, new in zip(program.inputs, values, strict=True)}
        types = program.types
        for primitive, inputs, statics, outputs, line in program.nodes:
            for old in outputs:
                ids[old] = self.add_value(types[old]).id
            ins, outs = tuple([ids[i] for i in inputs]), tuple([ids[i] for i in outputs])
            self.nodes.append(_tuple(Node, (primitive, ins, statics, outs, line or self.line)))
        return [self.value(ids[i]) for i in program.outputs]

    def finish(self, outputs: Sequence[Value]) -> Program:
        """The program that computes `outputs`; nodes that they do not need are left out."""
        return prune(Program(self.types, self.inputs, self.nodes, [value.id for value in outputs]))

    def active(self) -> _Active:
        """Let primitives without inputs (iota, full) find this builder."""
        return _Active(self)


def current_builder() -> Builder:
    """The builder of the innermost `Builder.active` block."""
    builder = _current.get()
    if builder is None:
        internal("a primitive without inputs was applied outside a builder")
    return builder


def needed_nodes(nodes: Sequence[Node], outputs: Iterable[int]) -> list[Node]:
    """The nodes that `outputs` depend on, in order."""
    wanted = set(outputs)
    kept = []
    for node in reversed(nodes):
        _, inputs, _, outs, _ = node
        if not wanted.isdisjoint(outs):
            wanted.update(inputs)
            kept.append(node)
    kept.reverse()
    return kept


Part = tuple[list[Node], list[int]]  # nodes, and which of their values are wanted


def connected(nodes: Sequence[Node], values: Sequence[int]) -> list[Part]:
    """Split nodes, and the values wanted of them, into parts that share no value."""
    parent: dict[int, int] = {}

    def find(i: int) -> int:
        while parent.setdefault(i, i) != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for node in nodes:
        first = find(node.outputs[0])
        for i in (*node.outputs, *node.inputs):
            parent[find(i)] = first
    parts: dict[int, Part] = {}
    for node in nodes:
        parts.setdefault(find(node.outputs[0]), ([], []))[0].append(node)
    for value in values:
        parts[find(value)][1].append(value)
    return list(parts.values())


def prune(program: Program) -> Program:
    """The same program without nodes that no output needs, its values numbered 0, 1, 2, ..."""
    kept = needed_nodes(program.nodes, program.outputs)
    number: dict[int, int] = {}
    for i in program.inputs:
        number.setdefault(i, len(number))
    for node in kept:
        for i in node.outputs:
            number.setdefault(i, len(number))
    types: list[Type] = [None] * len(number)  # type: ignore[list-item]
    for old, new in number.items():
        types[new] = program.types[old]
    nodes = [
        _tuple(
            Node,
            (
                primitive,
                tuple([number[i] for i in inputs]),
                statics,
                tuple([number[i] for i in outs]),
                line,
            ),
        )
        for primitive, inputs, statics, outs, line in kept
    ]
    return Program(
        types, [number[i] for i in program.inputs], nodes, [number[i] for i in program.outputs]
    )
