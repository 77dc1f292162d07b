"""Running sums, products and recurrences as kernels: a loop that carries a value, or prefixes of a vector in its register.

In: such a node, and the loops that take its results as an ending. Out: a kernel whose nest has the node's own result as
a value that is given, made of the expressions `sources` at the same place and at all before it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, prod
from typing import TYPE_CHECKING, Any

from alight.compiler.affine import linear
from alight.compiler.nest import Load, Nest
from alight.compiler.trace import NotHereError, Tracer
from alight.dtypes import float32, float64, int32, int64
from alight.ir.program import Node
from alight.primitives import Prod, Sum

if TYPE_CHECKING:
    from alight.compiler.fuse import Group
    from alight.compiler.lower import Lowering


class Meeting:
    """How elements meet: the numbers of two neighbours as those of both, and a running value with those of the next.

    `identity` are an element's numbers that change nothing.
    """

    identity: tuple[Any, ...]
    start: Any

    @staticmethod
    def together(b: Any, one: Any, other: Any) -> Any:
        """The numbers of two neighbours."""
        raise NotImplementedError

    @staticmethod
    def running(b: Any, before: Any, numbers: Any) -> Any:
        """The next running value."""
        raise NotImplementedError


def _of(combine: Callable[[Any, Any, Any], Any], neutral: Any) -> type[Meeting]:
    """Elements of one number, which an associative operation combines."""

    class Associative(Meeting):
        identity, start = (neutral,), neutral

        @staticmethod
        def together(b: Any, one: Any, other: Any) -> Any:
            return (combine(b, one[0], other[0]),)

        @staticmethod
        def running(b: Any, before: Any, numbers: Any) -> Any:
            return combine(b, before, numbers[0])

    return Associative


def _log_sum(b: Any, x: Any, y: Any) -> Any:
    """log(exp(x) + exp(y)) without overflow."""
    larger = b.max(x, y)
    apart = b.select(b.equal(x, y), 0.0, b.sub(b.min(x, y), larger))  # of two infinities, 0
    return b.add(larger, b.log1p(b.exp(apart)))


class Linear(Meeting):
    """term + factor * before, of numbers (term, factor)."""

    identity, start = (0, 1), 0

    @staticmethod
    def together(b: Any, one: Any, other: Any) -> Any:
        return b.add(other[0], b.mul(other[1], one[0])), b.mul(one[1], other[1])

    @staticmethod
    def running(b: Any, before: Any, numbers: Any) -> Any:
        return b.add(numbers[0], b.mul(numbers[1], before))


RUNNING: dict[str, type[Meeting]] = {
    "cum_sum": _of(Sum.combine, 0), "cum_prod": _of(Prod.combine, 1), "log_cum_sum_exp": _of(_log_sum, -inf),
    "recurrence": Linear,
}  # fmt: skip
COMPILED = frozenset({float32, float64, int32, int64})


def lower_running(low: Lowering, node: Node, ending: Group | None) -> None:
    """Append the kernel of a running value."""
    out, axis = node.outputs[0], node.statics["axis"]
    of = low.types[out]
    if of.dtype not in COMPILED or of.size == 0 or of.shape[axis] == 1:
        raise NotHereError(out)
    nest = Nest(of.shape)
    at = tuple(nest.axis(i) for i in range(len(of.shape)))
    tracer = Tracer(nest, low.fusion.maker, low.types, low.strides)
    sources = tuple(tracer.ask(i, at) for i in node.inputs)
    given = nest.make(Load(out, linear(at, [1] * len(at))), (), of.dtype)

    def own(where: object) -> int:
        if where != at:
            raise NotHereError(out)
        return given

    tracer.given[out] = own
    nodes: tuple[Node, ...] = (node,)
    if ending is None:
        nest.store(out, linear(at, low.strides[out]), given)
    else:
        nodes = (node, *ending.nodes)
        if out in low.fusion.outputs or low.leaks(ending):
            nest.store(out, linear(at, low.strides[out]), given)
        low.fill(ending, nest, tracer, at)
    detail = {
        "axis": axis, "name": node.primitive.name, "type": of.dtype, "sources": sources, "given": given,
    }  # fmt: skip
    work = 4 * prod(of.shape)
    low.kernels.append(low.with_nest("running", nodes, nest, out, (), detail, work))
