"""Random programs over primitives, with arguments: both tiers must give the same from them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from alight import primitives as p
from alight.backends.interpreter.arrays import numpy_dtype
from alight.dtypes import bool_, float32, float64, int64
from alight.ir.program import Builder
from alight.ir.types import Type

SIZES = st.sampled_from([1, 1, 2, 3, 5, 8, 16, 17, 33, 70])
UNARY = [p.Neg, p.Abs, p.Exp, p.Tanh, p.Sqrt, p.Sin, p.Floor, p.Sign]
BINARY = [p.Add, p.Sub, p.Mul, p.Maximum, p.Minimum]
REDUCTIONS = [p.Sum, p.Max, p.Min]


class Maker:
    """Draws one program: values so far, and a step that adds one more."""

    def __init__(self, draw) -> None:
        self.draw, self.builder, self.values = draw, Builder(), []
        self.of = draw(st.sampled_from([float32, float32, float32, float64]))

    def input(self) -> None:
        rank = self.draw(st.integers(0, 4))
        shape = tuple(self.draw(SIZES) for _ in range(rank))
        while np.prod(shape) > 3000:
            shape = tuple(max(1, size // 2) for size in shape)
        self.values.append(self.builder.input(Type(shape, self.of)))

    def any(self):
        return self.draw(st.sampled_from(self.values))

    def step(self) -> None:
        kind = self.draw(
            st.sampled_from(
                ["unary", "binary", "binary", "reduce", "reshape", "permute", "expand", "slice", "pad", "flip", "concat",
                 "select", "dot", "windows", "index", "random", "softmax", "scatter"]
            )
        )  # fmt: skip
        made = getattr(self, kind)()
        if made is not None and 0 < made.size <= 20000:
            self.values.append(made)

    def unary(self):
        return self.draw(st.sampled_from(UNARY))(self.any())

    def binary(self):
        x, primitive = self.any(), self.draw(st.sampled_from(BINARY))
        same = [v for v in self.values if v.shape == x.shape]
        y = self.draw(st.sampled_from(same))
        return primitive(x, y) if self.draw(st.booleans()) else primitive(x, x * 0.5)

    def axes(self, x):
        return tuple(i for i in range(x.ndim) if self.draw(st.booleans()))

    def reduce(self):
        x = self.any()
        return self.draw(st.sampled_from(REDUCTIONS))(x, axes=self.axes(x)) if x.ndim else None

    def reshape(self):
        x, shape = self.any(), []
        left = x.size
        while left > 1 and len(shape) < 4:
            part = self.draw(
                st.sampled_from([*[d for d in range(1, left + 1) if left % d == 0][:8], left])
            )
            shape.append(part)
            left //= part
        return p.Reshape(x, shape=(*shape, left))

    def permute(self):
        x = self.any()
        return p.Permute(x, order=tuple(self.draw(st.permutations(range(x.ndim)))))

    def expand(self):
        x = self.any()
        shape = tuple(self.draw(SIZES) if s == 1 else s for s in x.shape)
        return p.Expand(x, shape=shape) if np.prod(shape) <= 20000 else None

    def slice(self):
        x, starts, stops, steps = self.any(), [], [], []
        for size in x.shape:
            start = self.draw(st.integers(0, size - 1))
            starts.append(start)
            stops.append(self.draw(st.integers(start + 1, size)))
            steps.append(self.draw(st.integers(1, 3)))
        return p.Slice(x, starts=tuple(starts), stops=tuple(stops), steps=tuple(steps))

    def pad(self):
        x = self.any()
        low, high = (tuple(self.draw(st.integers(0, 2)) for _ in x.shape) for _ in range(2))
        return p.Pad(x, low=low, high=high)

    def flip(self):
        x = self.any()
        return p.Flip(x, axes=self.axes(x))

    def concat(self):
        x = self.any()
        if not x.ndim:
            return None
        axis = self.draw(st.integers(0, x.ndim - 1))
        fits = [
            v for v in self.values
            if v.ndim == x.ndim and all(a == b for i, (a, b) in enumerate(zip(v.shape, x.shape, strict=True)) if i != axis)
        ]  # fmt: skip
        return p.Concat(x, self.draw(st.sampled_from(fits)), axis=axis)

    def select(self):
        x = self.any()
        return p.Select(p.Less(x, x * x), x, x - 1)

    def dot(self):
        x = self.any()
        if x.ndim < 2:
            return None
        y = p.Permute(x, order=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))
        batch = tuple(range(x.ndim - 2))
        transposed = self.draw(st.booleans())
        other, axis = (x, x.ndim - 1) if transposed else (y, x.ndim - 2)
        made = p.DotGeneral(x, other, batch=(batch, batch), contract=((x.ndim - 1,), (axis,)))
        return made * 0.1 if self.draw(st.booleans()) else made

    def windows(self):
        x = self.any()
        if x.ndim < 2 or min(x.shape[-2:]) < 3:
            return None
        rest = {
            "window": (self.draw(st.integers(1, 3)), 2), "stride": (self.draw(st.integers(1, 3)), 2),
            "padding": ((self.draw(st.integers(0, 1)), 0), (0, 1)), "dilation": (1, 1),
        }  # fmt: skip
        primitive = self.draw(st.sampled_from([p.WindowSum, p.WindowMax, p.Windows]))
        out = primitive(x, **rest)
        if primitive is p.Windows and self.draw(st.booleans()):
            return p.Fold(out, shape=x.shape, **{k: v for k, v in rest.items() if k != "window"})
        if primitive is p.WindowMax and self.draw(st.booleans()):
            return p.WindowMaxScatter(out, x, **rest)
        return out

    def ids(self, count, extent):
        with self.builder.active():
            place = p.Iota(shape=(count,), axis=0, dtype=int64, device=self.values[0].type.device)
        return p.Remainder(
            place * self.draw(st.integers(1, 7)),
            p.Expand(p.Reshape(place * 0 + extent, shape=(count,)), shape=(count,)),
        )

    def index(self):
        x = self.any()
        if not x.ndim:
            return None
        axis = self.draw(st.integers(0, x.ndim - 1))
        return p.Index(x, self.ids(self.draw(st.integers(1, 20)), x.shape[axis]), axes=(axis,))

    def scatter(self):
        x = self.any()
        if not x.ndim:
            return None
        axis = self.draw(st.integers(0, x.ndim - 1))
        ids = self.ids(self.draw(st.integers(1, 20)), x.shape[axis])
        picked = p.Index(x, ids, axes=(axis,))
        return self.draw(st.sampled_from([p.IndexAdd, p.IndexPut]))(
            x, picked * 2, ids, axes=(axis,)
        )

    def random(self):
        x = self.any()
        with self.builder.active():
            seed = p.Full(
                shape=(), value=self.draw(st.integers(0, 2**40)), dtype=int64, device=x.type.device
            )
        bits = p.Convert(p.RandomBits(seed, shape=x.shape, device=x.type.device), dtype=float64)
        return p.Convert(bits * 2.0**-32, dtype=self.of) + x

    def softmax(self):
        x = self.any()
        if not x.ndim:
            return None
        axes = (self.draw(st.integers(0, x.ndim - 1)),)
        kept = tuple(1 if i in axes else s for i, s in enumerate(x.shape))

        def back(v):
            return p.Expand(p.Reshape(v, shape=kept), shape=x.shape)

        e = p.Exp(x - back(p.Max(x, axes=axes)))
        return e / back(p.Sum(e, axes=axes))


@st.composite
def programs(draw):
    """A program and its arguments."""
    maker = Maker(draw)
    with maker.builder.active():
        for _ in range(draw(st.integers(1, 3))):
            maker.input()
        for _ in range(draw(st.integers(1, 10))):
            maker.step()
    made = maker.values[len(maker.builder.inputs) :] or maker.values
    count = draw(st.integers(1, min(3, len(made))))
    program = maker.builder.finish([made[-1], *made[: count - 1]])
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    arguments = []
    for i in program.inputs:
        of = program.types[i]
        arguments.append(np.asarray(random.standard_normal(of.shape), numpy_dtype(of.dtype)))
    return program, arguments


__all__ = ["bool_", "programs"]
