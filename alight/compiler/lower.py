"""Lower: from groups of nodes to kernels.

In: a `Fusion` and where each stored value's axes lie. Out: kernels in running order. A group of loops becomes a nest;
a product or convolution whose result only one group of plain loops reads takes that group along as its ending.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from alight.compiler.affine import ZERO, Affine, linear, ordered, row_major
from alight.compiler.convolutions import WRITES, lower_convolution, most_channels
from alight.compiler.fuse import Fusion, Group
from alight.compiler.joins import place_pieces
from alight.compiler.kernel import Kernel, Operand
from alight.compiler.nest import Load, Nest
from alight.compiler.running import RUNNING, lower_running
from alight.compiler.scans import lower_scan
from alight.compiler.schedule import vector_cost
from alight.compiler.splits import has_quotients, splits
from alight.compiler.trace import NotHereError, Tracer
from alight.ir.program import Node, Program
from alight.ir.types import Shape, Type
from alight.primitives import Detach, Max, Min, Prod, Sum
from alight.primitives.contraction import free_axes

Strides = tuple[int, ...]
Fill = Callable[[Nest, Tracer, tuple[Affine, ...]], None]  # asks for what a nest stores
SCATTERS = frozenset({"index_add", "index_put", "scatter_reduce", "dynamic_update"})
ENDED = frozenset({"dot_general", "conv", "conv_data", *RUNNING})  # that may have an ending
INTO = {"index_add": Sum, "prod": Prod, "amax": Max, "amin": Min}  # how updates meet what is there


class Lowering:
    """Makes the kernels of a program; `strides` of every stored value may grow by copies."""

    def __init__(
        self,
        fusion: Fusion,
        strides: Mapping[int, Strides],
        machine: Any,
        plan: Callable[[Program, Any], Any],
    ) -> None:
        self.fusion, self.program = fusion, fusion.program
        self.machine, self.plan = machine, plan
        self.planned: dict[tuple[Program, int], Any] = {}  # bodies of loops
        self.products = machine.products
        self.lanes = machine.vector_bytes // 4  # of a vector of float32
        self.stored_bytes = machine.stored_bytes
        self.most_channels = most_channels(self.program)
        self.types = list(self.program.types)
        self.strides = dict(strides)
        self.kernels: list[Kernel] = []
        self.copies: dict[tuple[int, Strides], int] = {}  # (value, order) -> the same in that order
        self.parts: dict[
            int, tuple[int, int]
        ] = {}  # value -> the one that it lies in, bytes from its start
        self.also: dict[int, list[int]] = {}  # value -> parts of others that are written with it
        self.left: dict[
            int, list[tuple[int, int]]
        ] = {}  # joined value -> pieces to be copied, bytes
        place_pieces(self)
        self.endings = self._endings()  # output of a product -> the group that ends it

    def run(self) -> list[Kernel]:
        """All kernels in order."""
        ended = {id(group): value for value, group in self.endings.items()}
        for group in self.fusion.order:
            if id(group) in ended:
                self._with_ending(self.fusion.maker[ended[id(group)]], group)
            elif not group.alone:
                self.loops(group)
            elif group.nodes[0].outputs[0] not in self.endings:
                self.heavy(group.nodes[0], None)
        return [kernel.based(self.types, self.stored_bytes) for kernel in self.kernels]

    def _with_ending(self, node: Node, group: Group) -> None:
        """A product and the loops that take its results; apart if they want them at other places than their own."""
        before = self._now()
        try:
            self.heavy(node, group)
        except NotHereError:
            self._back_to(before)
            self.heavy(node, None)
            self.loops(group)

    # -- endings -------------------------------------------------------------------------------------------------------

    def _endings(self) -> dict[int, Group]:
        """Products and convolutions whose result is read by one group of plain loops alone, at its own place."""
        found: dict[int, Group] = {}
        taken: set[int] = set()
        for group in reversed(self.fusion.order):
            node = group.nodes[0]
            value = node.outputs[0]
            if not group.alone or node.primitive.name not in ENDED:
                continue
            users = self.fusion.users.get(value, [])
            homes = {id(self.fusion.group_of.get(user.outputs[0])) for user in users}
            if len(homes) != 1:
                continue
            home = self.fusion.group_of.get(users[0].outputs[0])
            if home is None or home.alone or home.reduced is not None or id(home) in taken:
                continue
            if home.shape == self.types[value].shape and not self._is_window(home):
                found[value] = home
                taken.add(id(home))
        return found

    def leaks(self, group: Group) -> bool:
        """Whether another kernel computes something of a group again, and so reads what the group is made of."""
        fusion = self.fusion
        return any(
            out not in fusion.stored and any(user is not group for user in fusion.using_groups(out))
            for node in group.nodes
            for out in node.outputs
        )

    def _is_window(self, group: Group) -> bool:
        return any(node.primitive.kind == "window" for node in group.nodes)

    # -- loops ---------------------------------------------------------------------------------------------------------

    def loops(self, group: Group) -> None:
        """The nest of a group."""

        def fill(nest: Nest, tracer: Tracer, at: tuple[Affine, ...]) -> None:
            self.fill(group, nest, tracer, at)

        nest = self._nest(group.shape, group.reduced or (), fill)
        if not nest.stores:
            return  # everything is computed again where it is used
        reads = sorted({e.what.value for e in nest.expressions if isinstance(e.what, Load)})
        writes = [store.value for store in nest.stores]
        work = prod(group.shape) * max(1, len(nest.expressions))
        self.kernels.append(
            Kernel(
                "loops", tuple(reads), tuple(writes), tuple(group.nodes), nest, None, (), 0, work
            )
        )

    def _nest(self, shape: Shape, reduced: Sequence[int], fill: Fill) -> Nest:
        """A nest over a shape; its axes are cut where that makes places in memory free of divisions."""
        nest = self._filled(tuple((size,) for size in shape), reduced, fill)
        sizes = splits(nest) if has_quotients(nest) else None
        if sizes is None:
            return nest
        cut = self._filled(sizes, reduced, fill)
        worse = vector_cost(cut, self.lanes) > vector_cost(nest, self.lanes)
        return nest if has_quotients(cut) or worse else cut

    def _filled(self, sizes: Sequence[Shape], reduced: Sequence[int], fill: Fill) -> Nest:
        """A nest, each axis of a shape as loops of some sizes."""
        owner = [i for i, parts in enumerate(sizes) for _ in parts]
        nest = Nest(
            [size for parts in sizes for size in parts],
            [n for n, i in enumerate(owner) if i in reduced],
        )
        axes = iter(range(len(owner)))
        at = tuple(
            linear([nest.axis(next(axes)) for _ in parts], row_major(parts)) for parts in sizes
        )
        fill(nest, Tracer(nest, self.fusion.maker, self.types, self.strides), at)
        return nest

    def fill(self, group: Group, nest: Nest, tracer: Tracer, full: tuple[Affine, ...]) -> None:
        """Ask for everything that the group stores."""
        axes = group.reduced or ()
        outer = tuple(c for i, c in enumerate(full) if i not in axes)
        kept = tuple(ZERO if i in axes else c for i, c in enumerate(full))
        places = {"full": full, "outer": outer, "kept": kept, "reduction": outer}
        tracer.computed.update(out for node in group.nodes for out in node.outputs)
        for node in group.nodes:
            role = group.role(node, self.program)
            assert role is not None
            value = node.outputs[0]
            at = places[role]
            if role == "reduction":
                inner = tracer.ask(node.inputs[0], full)
                expression = nest.reduce(node.primitive, inner, self.types[value].dtype)
                tracer.reduced[value] = (at, expression)
        for node in group.nodes:
            value = node.outputs[0]
            if value in self.fusion.stored:
                role = group.role(node, self.program)
                at = places[role or "full"]
                is_outer = role != "full" and group.reduced is not None
                expression = tracer.ask(value, at)
                for place in (value, *self.also.get(value, ())):
                    nest.store(place, linear(at, self.strides[place]), expression, outer=is_outer)

    def _now(self) -> tuple[int, int]:
        """How many kernels there are so far, and values that lie in memory."""
        return len(self.kernels), len(self.strides)

    def _back_to(self, before: tuple[int, int]) -> None:
        """Drop the kernels of an attempt that failed, and what they would have put into memory."""
        kernels, stored = before
        del self.kernels[kernels:]
        for value in list(self.strides)[stored:]:
            del self.strides[value]

    # -- products and the rest -----------------------------------------------------------------------------------------

    def heavy(self, node: Node, ending: Group | None) -> None:
        """A node that has code of its own, with the group that takes its results."""
        before, name = self._now(), node.primitive.name
        if name == "scan" and ending is None:
            try:
                lower_scan(self, node)
                return
            except NotHereError:  # its body needs the interpreter
                self._back_to(before)
        if name in SCATTERS and ending is None:
            try:
                (self._updated if name == "dynamic_update" else self._scattered)(node)
                return
            except NotHereError:
                self._back_to(before)
        if name in RUNNING:
            try:
                lower_running(self, node, ending)
                return
            except NotHereError:
                self._back_to(before)
                if ending is not None:
                    raise
        if name == "concat" and node.outputs[0] in self.fusion.joined:
            self._join(node)
            return
        heavy = name == "dot_general" or name in WRITES
        if heavy and self.types[node.outputs[0]].dtype in self.products:
            try:
                if name == "dot_general":
                    self._product(node, ending)
                else:
                    lower_convolution(self, node, ending)
                return
            except NotHereError:  # no regular order, or an ending that wants other places
                self._back_to(before)
                if ending is not None:
                    raise
        if ending is not None:
            raise NotHereError(node.outputs[0])
        self._interpreted(node)

    def is_product(self, node: Node) -> bool:
        """Whether a node is a matrix product that becomes code."""
        dtype = self.types[node.outputs[0]].dtype
        return node.primitive.name == "dot_general" and dtype in self.products

    def _join(self, node: Node) -> None:
        """The pieces of a joined value that nobody wrote into it."""
        out = node.outputs[0]
        for value, at in self.left.get(out, ()):
            made = self.new_value(self.types[value], self.strides[out])
            self.parts[made] = (out, at)
            self.copy(value, made, node)

    def _interpreted(self, node: Node) -> None:
        for value in node.inputs:
            self.in_memory(value)
        for out in node.outputs:  # the interpreter writes whole values alone
            if out in self.parts:
                self.strides[out] = row_major(self.types[out].shape)
                base, at = self.parts.pop(out)
                self.left.setdefault(base, []).append((out, at))
            for part in self.also.pop(out, ()):
                base, at = self.parts.pop(part)
                self.left.setdefault(base, []).append((out, at))
        self.kernels.append(
            Kernel(
                "interpreter",
                tuple(dict.fromkeys(node.inputs)),
                node.outputs,
                (node,),
                work=1 << 20,
            )
        )

    def _scattered(self, node: Node) -> None:
        """The base copied, then updates written or added one after the other: places may be named twice."""
        base, updates, *ids = node.inputs
        out, axes = node.outputs[0], node.statics["axes"]
        of, shape = self.types[out], self.types[updates].shape
        if of.dtype.is_complex or (of.dtype.itemsize < 4 and of.dtype.is_floating_point):
            raise NotHereError(out)
        self.copy(base, out, node)
        rank = len(self.types[ids[0]].shape)
        nest = Nest(shape, (), range(rank))
        tracer = Tracer(nest, self.fusion.maker, self.types, self.strides)
        at = tuple(nest.axis(i) for i in range(len(shape)))
        found = {
            a: nest.looked(tracer.ask(i, at[:rank]), of.shape[a])
            for a, i in zip(axes, ids, strict=True)
        }
        rest = iter(at[rank:])
        spot = [found[a] if a in found else next(rest) for a in range(len(of.shape))]
        into = INTO.get(node.statics.get("reduce", node.primitive.name))
        if "reduce" in node.statics and of.dtype.kind not in "fi":
            raise NotHereError(out)
        nest.store(out, linear(spot, self.strides[out]), tracer.ask(updates, at), into=into)
        reads = sorted({e.what.value for e in nest.expressions if isinstance(e.what, Load)})
        work = prod(shape) * 4 if rank < len(shape) else 0
        self.kernels.append(Kernel("loops", tuple(reads), (out,), (node,), nest, work=work))

    def _updated(self, node: Node) -> None:
        """The base copied, then a part of it written, which begins where values say."""
        base, updates, *starts = node.inputs
        out = node.outputs[0]
        of, shape = self.types[out], self.types[updates].shape
        if of.dtype.is_complex or (of.dtype.itemsize < 4 and of.dtype.is_floating_point):
            raise NotHereError(out)
        self.copy(base, out, node)
        nest = Nest(shape)
        tracer = Tracer(nest, self.fusion.maker, self.types, self.strides)
        at = tuple(nest.axis(i) for i in range(len(shape)))
        spot = [
            nest.looked(tracer.ask(start, ()), extent - size + 1) + place
            for start, extent, size, place in zip(starts, of.shape, shape, at, strict=True)
        ]
        nest.store(out, linear(spot, self.strides[out]), tracer.ask(updates, at))
        reads = sorted({e.what.value for e in nest.expressions if isinstance(e.what, Load)})
        self.kernels.append(
            Kernel("loops", tuple(reads), (out,), (node,), nest, work=4 * prod(shape))
        )

    def in_memory(self, value: int) -> None:
        """See to it that a value itself lies in memory, row-major."""
        if value in self.strides:
            return
        shape = self.types[value].shape
        self.strides[value] = row_major(shape)
        nest = self._moved(value, value)
        reads = sorted({e.what.value for e in nest.expressions if isinstance(e.what, Load)})
        node = self.fusion.maker[value]
        self.kernels.append(
            Kernel("loops", tuple(reads), (value,), (node,), nest, work=2 * prod(shape))
        )

    def operand(self, value: int) -> Operand:
        """A value as strides over memory; copied first if its elements lie in no regular order."""
        found = self.view(value)
        if found is None:
            self.in_memory(value)
            return Operand(value, self.strides[value])
        return found

    def view(self, value: int) -> Operand | None:
        """A value as strides over a stored one, through movement."""
        if value in self.strides:
            return Operand(value, self.strides[value])
        nest = Nest(self.types[value].shape)
        tracer = Tracer(nest, self.fusion.maker, self.types, self.strides)
        try:
            made = nest.expressions[
                tracer.ask(value, tuple(nest.axis(i) for i in range(len(nest.extents))))
            ]
        except NotHereError:
            return None
        if not isinstance(made.what, Load) or made.what.guard:
            return None
        index = made.what.index
        if any(a >= len(nest.extents) for a, _ in index.terms):
            return None
        strides = tuple(index.coefficient(i) for i in range(len(nest.extents)))
        if min(strides, default=0) < 0:
            return None  # reversed: kernels walk upwards
        return Operand(made.what.value, strides, index.constant)

    def _product(self, node: Node, ending: Group | None) -> None:
        x, y = (self.operand(i) for i in node.inputs)
        out = node.outputs[0]
        shape_x, shape_y = (self.types[i].shape for i in node.inputs)
        (batch_x, batch_y), (sum_x, sum_y) = node.statics["batch"], node.statics["contract"]
        free_x = free_axes(len(shape_x), batch_x, sum_x)
        free_y = free_axes(len(shape_y), batch_y, sum_y)
        batch = tuple(shape_x[i] for i in batch_x)
        # Axes that lie one behind the other merge into one; where they do not, the operand is copied into order.
        x = self._in_order(node.inputs[0], x, free_x)
        y = self._in_order(node.inputs[1], y, free_y)
        x, y, k = self._merge_sums(node, x, y, sum_x, sum_y)
        x, m, step_m = self._merge_free(node.inputs[0], x, free_x)
        y, n, step_n = self._merge_free(node.inputs[1], y, free_y)
        detail = {
            "type": self.types[out].dtype, "batch": batch, "m": m, "n": n, "k": k[0],
            "a": (*(x.strides[i] for i in batch_x), step_m, k[1]),
            "b": (*(y.strides[i] for i in batch_y), k[2], step_n),
        }  # fmt: skip
        self.ended(node, ending, (x, y), detail)

    def _in_order(self, value: int, x: Operand, axes: Strides) -> Operand:
        """An operand, copied if its free axes do not lie one behind the other."""
        shape = self.types[value].shape
        kept = [i for i in axes if shape[i] != 1]

        def is_regular(strides: Strides) -> bool:
            return merged([shape[i] for i in kept], [strides[i] for i in kept]) is not None

        if is_regular(x.strides):
            return x
        if is_regular(row_major(shape)):
            return self._copied(value)
        return self._with_last(value, axes)

    def _merge_sums(
        self, node: Node, x: Operand, y: Operand, sum_x: Strides, sum_y: Strides
    ) -> tuple[Operand, Operand, tuple[int, int, int]]:
        shape = self.types[node.inputs[0]].shape
        kept = [n for n, i in enumerate(sum_x) if shape[i] != 1]
        size = prod(shape[i] for i in sum_x)
        # In the order given, then with the far steps of x first; the operands are copied if neither is regular.
        for order in (kept, sorted(kept, key=lambda n: -x.strides[sum_x[n]])):
            one, two = _sum_steps(shape, order, x, y, sum_x, sum_y)
            if one is not None and two is not None:
                return x, y, (size, one, two)
        rows_x, rows_y = (Operand(i, row_major(self.types[i].shape)) for i in node.inputs)
        if None not in _sum_steps(shape, kept, rows_x, rows_y, sum_x, sum_y):
            x, y = self._copied(node.inputs[0]), self._copied(node.inputs[1])
        else:
            x = self._with_last(node.inputs[0], tuple(sum_x[n] for n in kept))
            y = self._with_last(node.inputs[1], tuple(sum_y[n] for n in kept))
        one, two = _sum_steps(shape, kept, x, y, sum_x, sum_y)
        if one is None or two is None:
            raise NotHereError(node.outputs[0])
        return x, y, (size, one, two)

    def _with_last(self, value: int, axes: Strides) -> Operand:
        """A value in memory in which these axes lie innermost, in this order: itself or a copy."""
        self.in_memory(value)
        shape = self.types[value].shape
        order = (*(i for i in range(len(shape)) if i not in axes), *axes)
        if self.strides[value] == ordered(shape, order):
            return Operand(value, self.strides[value])
        return self._in_another_order(value, order)

    def _copied(self, value: int) -> Operand:
        """A value in row-major order, in memory."""
        return self._with_last(value, tuple(range(len(self.types[value].shape))))

    def _merge_free(self, value: int, x: Operand, axes: Strides) -> tuple[Operand, int, int]:
        shape = self.types[value].shape
        sizes = [shape[i] for i in axes if shape[i] != 1]
        step = merged(sizes, [x.strides[i] for i in axes if shape[i] != 1])
        if step is None:
            raise NotHereError(value)
        return x, prod(sizes), step

    def ended(
        self,
        node: Node,
        ending: Group | None,
        operands: tuple[Operand, ...],
        detail: dict[str, Any],
    ) -> None:
        """The kernel of a product, whose results go to its own memory or into the ending's expressions."""
        out = node.outputs[0]
        shape = self.types[out].shape
        nodes: tuple[Node, ...] = (node,)
        batch, m, n = detail["batch"], detail["m"], detail["n"]
        nest = Nest((*batch, m, n))
        at = result_coordinates(nest, shape, len(batch), m, n)
        tracer = Tracer(nest, self.fusion.maker, self.types, self.strides)
        own = linear([nest.axis(i) for i in range(len(nest.extents))], [1] * len(nest.extents))
        given = nest.make(Load(out, own), (), self.types[out].dtype)
        tracer.given[out] = lambda where: given if where == at else _not_here(out)
        places = (out, *self.also.get(out, ()))
        if ending is None:
            for place in places:
                nest.store(place, linear(at, self.strides[place]), given)
        else:
            nodes = (node, *ending.nodes)
            if out in self.fusion.outputs or self.leaks(ending):
                nest.store(out, linear(at, self.strides[out]), given)
            self.fill(ending, nest, tracer, at)
        work = prod(batch) * m * n * detail["k"] // 4
        detail["given"] = given
        self.kernels.append(self.with_nest("product", nodes, nest, out, operands, detail, work))

    def with_nest(
        self, kind: str, nodes: tuple[Node, ...], nest: Nest, own: int, operands: tuple[Operand, ...],
        detail: dict[str, Any], work: int,
    ) -> Kernel:  # fmt: skip
        """The kernel of a product or convolution whose sums (the value `own`) go through a nest's expressions."""
        loads = {e.what.value for e in nest.expressions if isinstance(e.what, Load)} - {own}
        reads = tuple(dict.fromkeys((*(o.value for o in operands), *sorted(loads))))
        writes = tuple(store.value for store in nest.stores)
        return Kernel(kind, reads, writes, nodes, nest, tuple(detail.items()), operands, 0, work)

    # -- copies --------------------------------------------------------------------------------------------------------

    def new_value(self, of: Type, strides: Strides) -> int:
        """A value that the program does not name, in memory."""
        self.types.append(of)
        self.strides[len(self.types) - 1] = strides
        return len(self.types) - 1

    def bytes_of(self, of: Type) -> int:
        """Bytes of a value in memory."""
        return of.size * self.stored_bytes(of.dtype)

    def copy(self, source: int, target: int, node: Node) -> None:
        """A kernel that copies one value to where another lies."""
        shape = self.types[source].shape
        nest = self._moved(source, target)
        reads = sorted({e.what.value for e in nest.expressions if isinstance(e.what, Load)})
        self.kernels.append(
            Kernel("loops", tuple(reads), (target,), (node,), nest, work=2 * prod(shape))
        )

    def _moved(self, source: int, target: int) -> Nest:
        """The nest that computes one value where another lies."""

        def fill(nest: Nest, tracer: Tracer, at: tuple[Affine, ...]) -> None:
            tracer.computed.add(target)
            nest.store(target, linear(at, self.strides[target]), tracer.ask(source, at))

        return self._nest(self.types[source].shape, (), fill)

    def arranged(self, value: int, order: Strides | None) -> Operand:
        """A value with the last axis of `order` side by side in memory; copied into that order where it is not."""
        found = self.view(value)
        if found is not None and (order is None or found.strides[order[-1]] == 1):
            return found
        if order is None:
            return self.operand(value)
        return self._in_another_order(value, order)

    def _in_another_order(self, value: int, order: Strides) -> Operand:
        """A copy of a value, with its axes in memory in this order."""
        if (value, order) not in self.copies:
            made = self.new_value(self.types[value], ordered(self.types[value].shape, order))
            self.copies[(value, order)] = made
            node = self.fusion.maker.get(value) or Node(Detach, (value,), {}, (value,))
            self.copy(value, made, node)
        made = self.copies[(value, order)]
        return Operand(made, self.strides[made])


def _sum_steps(
    shape: Shape, order: list[int], x: Operand, y: Operand, sum_x: Strides, sum_y: Strides
) -> tuple[int | None, int | None]:
    """The strides of the summed axes taken as one in this order, in both operands."""
    sizes = [shape[sum_x[n]] for n in order]
    return (
        merged(sizes, [x.strides[sum_x[n]] for n in order]),
        merged(sizes, [y.strides[sum_y[n]] for n in order]),
    )


def merged(sizes: list[int], strides: list[int]) -> int | None:
    """The stride of axes taken as one (the last one innermost), or None if they do not lie regularly.

    >>> merged([2, 3], [12, 4]), merged([2, 3], [1, 2])
    (4, None)
    """
    if not sizes:
        return 0
    for k in range(len(sizes) - 1):
        if strides[k] != strides[k + 1] * sizes[k + 1]:
            return None
    return strides[-1]


def result_coordinates(nest: Nest, shape: Shape, lead: int, m: int, n: int) -> tuple[Affine, ...]:
    """Coordinates of a product's result in the nest of its batch axes, rows and columns."""
    at = [nest.axis(i) for i in range(lead)]
    rest = list(shape[lead:])
    split = 0
    while prod(rest[:split]) != m or prod(rest[split:]) != n:
        split += 1
    for axes, number in ((rest[:split], lead), (rest[split:], lead + 1)):
        left = nest.axis(number)
        for step in row_major(axes):
            whole = nest.quotient(left, step)
            at.append(whole)
            left = left + whole * -step
    return tuple(at)


def _not_here(value: int) -> int:
    raise NotHereError(value)
