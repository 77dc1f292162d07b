"""Volumes: convolutions over three spatial axes as convolutions over two.

The places of the first axis become more images of the batch, and its taps more channels, so that the code for planes
serves volumes too. Rules of `simplify`; gradients in the weights and in the input turn around in the same way.

    conv(x: f32[4,1,16,16,16], w: f32[8,1,3,3,3])   ->   conv(f32[64,3,16,16], f32[8,3,3,3]), of windows of x
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alight.dtypes import float32, float64
from alight.ir.program import Node, Value
from alight.ir.types import Shape
from alight.primitives import Conv, ConvData, ConvFilter, Fold, Permute, Reshape, Windows
from alight.primitives.window import output_extents

if TYPE_CHECKING:
    from alight.compiler.simplify import Rewriter


def is_volume(node: Node, x: list[Value]) -> bool:
    """Whether a convolution has three spatial axes, and elements that are compiled."""
    return x[0].ndim == 5 and x[0].dtype in (float32, float64)


def conv(r: Rewriter, node: Node, inputs: list[Value]) -> Value | None:
    """Each place of the first axis is an image."""
    if not is_volume(node, inputs):
        return None
    x, w = inputs
    s = node.statics
    out = r.one(Conv, _images(r, x, w.shape, s), _plane(r, w), **_planar(s))
    return _volume(r, out, x.shape[0])


def conv_data(r: Rewriter, node: Node, inputs: list[Value]) -> Value | None:
    """The gradient in the images, added up where windows overlap."""
    if not is_volume(node, inputs):
        return None
    ct, w = inputs
    s = node.statics
    (n, c, _, height, width), (taps, places) = s["shape"], (w.shape[2], ct.shape[2])
    made = r.one(
        ConvData, _each_place(r, ct), _plane(r, w), shape=(n * places, c * taps, height, width), **_planar(s)
    )  # fmt: skip
    made = r.one(Reshape, made, shape=(n, places, c, taps, height, width))
    made = r.one(Permute, made, order=(0, 2, 1, 4, 5, 3))
    made = r.one(Reshape, made, shape=(n, c, places, height, width, taps, 1, 1))
    _, window = _windows(w.shape, s)
    return r.one(Fold, made, shape=s["shape"], **window)


def conv_filter(r: Rewriter, node: Node, inputs: list[Value]) -> Value | None:
    """The gradient in the weights: sums over images and places."""
    if not is_volume(node, inputs):
        return None
    x, ct = inputs
    s = node.statics
    shape = s["shape"]
    flat = (shape[0], shape[1] * shape[2], *shape[3:])
    made = r.one(ConvFilter, _images(r, x, shape, s), _each_place(r, ct), shape=flat, **_planar(s))
    return r.one(Reshape, made, shape=shape)


def _planar(s: dict[str, Any]) -> dict[str, Any]:
    """What the other two axes do."""
    return {
        "stride": s["stride"][1:], "padding": s["padding"][1:], "dilation": s["dilation"][1:], "groups": s["groups"]
    }  # fmt: skip


def _windows(weights: Shape, s: dict[str, Any]) -> tuple[Shape, dict[str, Any]]:
    """The first axis's windows: their size, and how they are laid."""
    return (weights[2], 1, 1), {
        "stride": (s["stride"][0], 1, 1), "padding": (s["padding"][0], (0, 0), (0, 0)),
        "dilation": (s["dilation"][0], 1, 1),
    }  # fmt: skip


def _images(r: Rewriter, x: Value, weights: Shape, s: dict[str, Any]) -> Value:
    """x (n, c, *spatial) as images (n * places, c * taps, height, width)."""
    n, c, _, height, width = x.shape
    size, laid = _windows(weights, s)
    taps = size[0]
    (places, _, _) = output_extents(
        x.shape[2:], size, laid["stride"], laid["padding"], laid["dilation"]
    )
    found = r.one(Windows, x, window=size, **laid)
    found = r.one(Reshape, found, shape=(n, c, places, height, width, taps))
    found = r.one(Permute, found, order=(0, 2, 1, 5, 3, 4))
    return r.one(Reshape, found, shape=(n * places, c * taps, height, width))


def _plane(r: Rewriter, w: Value) -> Value:
    """Weights (o, c, *window) with the first axis's taps as channels."""
    return r.one(Reshape, w, shape=(w.shape[0], w.shape[1] * w.shape[2], *w.shape[3:]))


def _each_place(r: Rewriter, ct: Value) -> Value:
    """(n, o, places, height, width) as images (n * places, o, height, width)."""
    n, o, places, height, width = ct.shape
    moved = r.one(Permute, ct, order=(0, 2, 1, 3, 4))
    return r.one(Reshape, moved, shape=(n * places, o, height, width))


def _volume(r: Rewriter, out: Value, n: int) -> Value:
    """The reverse of `_each_place`."""
    count, o, height, width = out.shape
    apart = r.one(Reshape, out, shape=(n, count // n, o, height, width))
    return r.one(Permute, apart, order=(0, 2, 1, 3, 4))


__all__ = ["conv", "conv_data", "conv_filter"]
