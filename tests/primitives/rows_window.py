"""Samples of the window primitives: (primitive, inputs, statics)."""

from __future__ import annotations

from typing import Any

import numpy as np

from alight.primitives import (
    Conv,
    ConvData,
    ConvFilter,
    Fold,
    WindowArgMax,
    WindowMax,
    WindowMaxGather,
    WindowMaxScatter,
    Windows,
    WindowSum,
)

_random = np.random.default_rng(0)


def _normal(*shape: int) -> Any:
    return _random.standard_normal(shape)


_LINE: dict[str, Any] = {"stride": (2,), "padding": ((1, 0),), "dilation": (1,)}
_PLANE: dict[str, Any] = {"stride": (2, 1), "padding": ((1, 0), (1, 2)), "dilation": (1, 2)}
_TILES: dict[str, Any] = {"stride": (2, 2), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
_SAME: dict[str, Any] = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1)}
_SPACE: dict[str, Any] = {"stride": (1, 2, 1), "padding": ((0, 1),) * 3, "dilation": (1, 1, 2)}

ROWS: list[tuple[Any, list[Any], dict[str, Any]]] = []

# x, w, ct of one convolution serve its three products.
for _x, _w, _out, _statics in (
    ((2, 3, 7), (4, 3, 3), (3,), {**_LINE, "groups": 1}),
    ((2, 4, 5, 6), (6, 2, 2, 3), (3, 5), {**_PLANE, "groups": 2}),
    ((2, 16, 3, 3), (16, 16, 3, 3), (3, 3), {**_SAME, "groups": 1}),
    ((1, 2, 3, 4, 5), (2, 2, 2, 2, 2), (3, 2, 4), {**_SPACE, "groups": 1}),
):
    x, w, ct = _normal(*_x), _normal(*_w), _normal(_x[0], _w[0], *_out)
    ROWS += [
        (Conv, [x, w], _statics),
        (ConvData, [ct, w], {**_statics, "shape": _x}),
        (ConvFilter, [x, ct], {**_statics, "shape": _w}),
    ]

for _x, _window, _out, _statics in (
    ((2, 3, 5, 6), (2, 3), (3, 5), _PLANE),
    ((2, 4, 7), (2, 2), (2, 3), _TILES),
    ((2, 3, 7), (3,), (3,), _LINE),
):
    x, _lead = _normal(*_x), _x[: -len(_window)]
    _pool = {**_statics, "window": _window}
    ROWS += [
        (Windows, [x], _pool),
        (Fold, [_normal(*_lead, *_out, *_window)], {**_statics, "shape": _x}),
        (WindowSum, [x], _pool),
        (WindowMax, [x], _pool),
        (WindowMaxScatter, [_normal(*_lead, *_out), x], _pool),
        (WindowMaxGather, [_normal(*_x), x], _pool),
        (WindowArgMax, [x], _pool),
    ]
