"""Running sums and products as kernels: a loop that carries a value, or prefixes of a vector in its register.

In: a `cum_sum` or `cum_prod` node, and the loops that take its results as an ending. Out: a kernel whose nest has the
node's own result as a value that is given, made of the expression `source` at the same place and of all before it.
"""

from __future__ import annotations

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


class LogSum:
    """log(exp(x) + exp(y)) without overflow."""

    identity = -inf

    @staticmethod
    def combine(b: Any, x: Any, y: Any) -> Any:
        """What two running values make together."""
        larger = b.max(x, y)
        apart = b.select(b.equal(x, y), 0.0, b.sub(b.min(x, y), larger))  # of two infinities, 0
        return b.add(larger, b.log1p(b.exp(apart)))


RUNNING = {"cum_sum": Sum, "cum_prod": Prod, "log_cum_sum_exp": LogSum}
COMPILED = frozenset({float32, float64, int32, int64})


def lower_running(low: Lowering, node: Node, ending: Group | None) -> None:
    """Append the kernel of a running sum or product."""
    out, axis = node.outputs[0], node.statics["axis"]
    of = low.types[out]
    if of.dtype not in COMPILED or of.size == 0 or of.shape[axis] == 1:
        raise NotHereError(out)
    nest = Nest(of.shape)
    at = tuple(nest.axis(i) for i in range(len(of.shape)))
    tracer = Tracer(nest, low.fusion.maker, low.types, low.strides)
    source = tracer.ask(node.inputs[0], at)
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
        "axis": axis, "into": RUNNING[node.primitive.name], "type": of.dtype, "source": source, "given": given,
    }  # fmt: skip
    work = 4 * prod(of.shape)
    low.kernels.append(low.with_nest("running", nodes, nest, out, (), detail, work))
