"""Convolutions as kernels: their operands in the order that is fast, their results into memory or an ending.

With a batch of at least a vector's lanes the batch lies innermost, else the channels do if they fill a vector; images
of few channels stay row-major. An operand that lies otherwise
(a program's input, mostly) is copied once; a result that must lie otherwise is computed in the fast order and copied.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from alight.compiler.affine import linear, ordered, row_major
from alight.compiler.kernel import Kernel, Operand
from alight.compiler.nest import Load, Nest
from alight.compiler.trace import NotHereError, Tracer
from alight.ir.program import Node, Program
from alight.ir.types import Shape

if TYPE_CHECKING:
    from alight.compiler.fuse import Group
    from alight.compiler.lower import Lowering

WRITES = {"conv": "forward", "conv_data": "data", "conv_filter": "filter"}


def fast_order(rank: int, batch: int, lanes: int, channels: int, most: int) -> tuple[int, ...]:
    """The axes of (n, c, *spatial) as they should lie, outermost first.

    `most` channels are those of the widest convolution of the program: where they fill more than a vector, images whose
    channels fill one lie as the others do.
    """
    if batch >= lanes:
        return (*range(1, rank), 0)
    few = channels < lanes or channels == lanes >= most
    return tuple(range(rank)) if few else (0, *range(2, rank), 1)


def most_channels(program: Program) -> int:
    """The most channels that an image has which a convolution reads or writes."""
    found = 0
    for node in program.nodes:
        if node.primitive.name in WRITES:
            given = node.inputs[0], node.outputs[0]
            images = node.inputs if node.primitive.name == "conv_filter" else given
            found = max(found, *(program.types[i].shape[1] for i in images))
    return found


def lower_convolution(low: Lowering, node: Node, ending: Group | None) -> None:
    """Append the kernels of a convolution or one of its gradients."""
    which, out = WRITES[node.primitive.name], node.outputs[0]
    shapes = [low.types[i].shape for i in (*node.inputs, out)]
    if not 3 <= len(shapes[0]) <= 4:
        raise NotHereError(out)
    images = {"forward": (0, 2), "data": (2, 0), "filter": (0, 1)}[
        which
    ]  # x, and what lies like the result
    weights = shapes[{"forward": 1, "data": 1, "filter": 2}[which]]
    x_shape, out_shape = shapes[images[0]], shapes[images[1]]
    batch = x_shape[0]
    channels = max(x_shape[1], out_shape[1])
    if any(step != 1 for step in node.statics["stride"]):
        channels = low.lanes + 1  # rows of vectors need neighbouring places
    groups = node.statics["groups"]
    if which == "filter" and groups > 1 and out_shape[1] // groups < low.lanes // 2:
        batch = low.lanes  # vectors along the few channels of a group would be mostly empty
    order = fast_order(len(x_shape), batch, low.lanes, channels, low.most_channels)
    by_rows = which != "filter" and _stays_by_rows(low, node, ending)
    if by_rows and _is_product(node, weights):
        _as_product(low, node, ending, weights)
        return
    if by_rows:
        order = tuple(range(len(x_shape)))
    operands = [
        low.arranged(
            i,
            order if len(low.types[i].shape) == len(x_shape) and not _is_weight(which, n) else None,
        )
        for n, i in enumerate(node.inputs)
    ]
    lies = low.strides[out]
    fast = which == "filter" or lies[order[-1]] == 1
    written = lies if fast else ordered(shapes[2], order)
    strides = {"x": written, "w": written, "out": written}
    for name, operand in zip(
        {"forward": "xw", "data": "ow", "filter": "xo"}[which], operands, strict=True
    ):
        strides[{"x": "x", "w": "w", "o": "out"}[name]] = operand.strides
    s = node.statics
    detail: dict[str, Any] = {
        "which": which, "type": low.types[out].dtype, "batch": x_shape[0], "groups": s["groups"], "inputs": x_shape[1],
        "outputs": weights[0], "size": _plane(x_shape[2:], 1), "window": _plane(weights[2:], 1),
        "out_size": _plane(out_shape[2:], 1), "stride": _plane(s["stride"], 1),
        "padding": _plane(s["padding"], (0, 0)), "dilation": _plane(s["dilation"], 1),
        **{name: (*found[:2], *_plane(found[2:], 0)) for name, found in strides.items()},
    }  # fmt: skip
    work = prod(out_shape) * prod(weights[1:]) // 4
    if which == "filter":
        if ending is not None:
            raise NotHereError(out)
        _append(low, node, operands, detail, None, (out,), work)
    elif ending is None and not fast:
        _computed_aside(low, node, operands, detail, order, work)
    else:
        _ended(low, node, ending, operands, detail, work)


def _stays_by_rows(low: Lowering, node: Node, ending: Group | None) -> bool:
    """Whether images are read row-major and written row-major as they are wanted: to bring them into another order and
    back takes longer than it saves."""
    value, out = node.inputs[0], node.outputs[0]
    others = [user for user in low.fusion.users.get(value, ()) if user is not node]
    if any(user.primitive.name in WRITES for user in others):
        return False  # another one needs the order that is fast
    found = low.view(value)  # None: it is brought into an order in any case
    if found is not None and found.strides != row_major(low.types[value].shape):
        return False
    wanted = [out] if ending is None else [i for n in ending.nodes for i in n.outputs]
    wanted = [i for i in wanted if i in low.fusion.stored]
    if any(low.strides[i] != row_major(low.types[i].shape) for i in wanted):
        return False
    if ending is not None and (out in low.fusion.outputs or low.leaks(ending)):
        return False
    return _is_light(low.program, node, low.lanes)


def is_by_rows(program: Program, lanes: int) -> bool:
    """Whether all images of a program stay row-major: it has one convolution, which takes less than copies would."""
    found = [node for node in program.nodes if node.primitive.name in WRITES]
    light = len(found) == 1 and WRITES[found[0].primitive.name] != "filter"
    return light and _is_light(program, found[0], lanes)


def _is_light(program: Program, node: Node, lanes: int) -> bool:
    """Whether a convolution along rows takes less than one in another order with copies of its images."""
    s = node.statics
    shape, weights, out = (program.types[i].shape for i in (*node.inputs, node.outputs[0]))
    if not 3 <= len(shape) <= 4:
        return False
    if _is_product(node, weights):
        return 2 * prod(out[2:]) >= lanes
    strides = s["stride"]
    if node.primitive.name != "conv":
        strides = [
            4 * n - 3 for n in strides
        ]  # gradients in the images are quick with stride 1 alone
    if max(strides) > 2 or 2 * out[-1] < lanes:
        return False
    terms = prod(weights[1:])
    if s["groups"] == shape[1] == out[1]:
        return True
    if terms > _MOST_TERMS or out[1] // s["groups"] < 4:
        return False
    full = -(-out[-1] // lanes) * lanes / out[-1]  # lanes of a row's vectors for each that is used
    cycles = prod(out) * terms / (2 * lanes)
    rate = _COPY_CYCLES[shape[0] >= lanes]
    slower = _ROWS_SLOWER if s["groups"] == 1 else 1.0  # few channels of a group fill few vectors
    return cycles * (slower * full - 1) < rate * (prod(shape) + prod(out))


_MOST_TERMS = 288  # of a sum that is not cut into parts: longer ones are less exact, and may take fewer multiplications
_ROWS_SLOWER = 1.15  # than vectors along the batch or the channels
_COPY_CYCLES = {
    False: 0.7,
    True: 2.0,
}  # of an element; with the batch innermost, lines come from many pages


def _is_product(node: Node, weights: Shape) -> bool:
    """Whether a convolution forward is a matrix product at each place."""
    s = node.statics
    places = all(n == 1 for n in (*weights[2:], *s["stride"], s["groups"]))
    return node.primitive.name == "conv" and places and not any(any(p) for p in s["padding"])


def _as_product(low: Lowering, node: Node, ending: Group | None, weights: Shape) -> None:
    """Each image of channels and places, multiplied by the weights from the left."""
    x, w = low.operand(node.inputs[0]), low.operand(node.inputs[1])
    shape = low.types[node.inputs[0]].shape
    detail = {
        "type": low.types[node.outputs[0]].dtype, "batch": shape[:1], "m": weights[0], "n": prod(shape[2:]),
        "k": weights[1], "a": (0, *w.strides[:2]), "b": (*x.strides[:2], 1),
    }  # fmt: skip
    low.ended(node, ending, (w, x), detail)


def _is_weight(which: str, n: int) -> bool:
    return which != "filter" and n == 1


def _plane(values: Any, missing: Any) -> tuple[Any, ...]:
    """Two spatial axes: a one-dimensional convolution has height 1."""
    return tuple(values) if len(values) == 2 else (missing, *values)


def _ended(
    low: Lowering,
    node: Node,
    ending: Group | None,
    operands: list[Operand],
    detail: dict[str, Any],
    work: int,
) -> None:
    out = node.outputs[0]
    shape = low.types[out].shape
    nest = Nest(shape)
    at = tuple(nest.axis(i) for i in range(len(shape)))
    tracer = Tracer(nest, low.fusion.maker, low.types, low.strides)
    given = nest.make(Load(out, linear(at, [1] * len(at))), (), low.types[out].dtype)

    def own(where: Any) -> int:
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
    detail["given"] = given
    low.kernels.append(
        low.with_nest("convolution", nodes, nest, out, tuple(operands), detail, work)
    )


def _computed_aside(
    low: Lowering,
    node: Node,
    operands: list[Operand],
    detail: dict[str, Any],
    order: tuple[int, ...],
    work: int,
) -> None:
    """Into memory of its own in the fast order, and from there to where the result belongs."""
    out = node.outputs[0]
    aside = low.new_value(low.types[out], ordered(low.types[out].shape, order))
    nest = Nest(low.types[out].shape)
    at = tuple(nest.axis(i) for i in range(len(nest.extents)))
    detail["given"] = nest.make(Load(out, linear(at, [1] * len(at))), (), low.types[out].dtype)
    nest.store(aside, linear(at, low.strides[aside]), detail["given"])
    low.kernels.append(
        low.with_nest("convolution", (node,), nest, out, tuple(operands), detail, work)
    )
    low.copy(aside, out, node)


def _append(
    low: Lowering,
    node: Node,
    operands: list[Operand],
    detail: dict[str, Any],
    nest: Nest | None,
    writes: Any,
    work: int,
) -> None:
    reads = tuple(dict.fromkeys(o.value for o in operands))
    low.kernels.append(
        Kernel(
            "convolution",
            reads,
            writes,
            (node,),
            nest,
            tuple(detail.items()),
            tuple(operands),
            0,
            work,
        )
    )
