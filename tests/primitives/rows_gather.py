"""Samples of the gather primitives: (primitive, inputs, statics)."""

from __future__ import annotations

from typing import Any

import numpy as np

from alight.primitives import DynamicSlice, DynamicUpdate, Index, IndexAdd, IndexPut, ScatterReduce

_random = np.random.default_rng(0)


def _normal(*shape: int) -> Any:
    return _random.standard_normal(shape)


def _ids(*numbers: Any) -> Any:
    return np.array(numbers, np.int64)


_table = _normal(4, 5, 3)
_starts = [np.int64(1), np.int64(2), np.int64(0)]

ROWS: list[tuple[Any, list[Any], dict[str, Any]]] = [
    (Index, [_table, _ids([0, 3], [1, 1])], {"axes": (0,)}),
    (Index, [_table, _ids([0, 3], [1, 1])], {"axes": (1,)}),
    (Index, [_table, np.int64(2)], {"axes": (2,)}),
    (Index, [_table, _ids(0, 1, 1), _ids(2, 0, 0)], {"axes": (0, 2)}),
    (Index, [_table, _ids(0, 1, 1), _ids(2, 0, 0)], {"axes": (2, 1)}),
    (IndexAdd, [_table, _normal(3, 5, 3), _ids(0, 1, 1)], {"axes": (0,)}),
    (IndexAdd, [_table, _normal(3, 4, 5), _ids(0, 2, 2)], {"axes": (2,)}),
    (IndexAdd, [_table, _normal(3, 5), _ids(0, 1, 1), _ids(2, 0, 0)], {"axes": (0, 2)}),
    (IndexPut, [_table, _normal(3, 5, 3), _ids(0, 1, 3)], {"axes": (0,)}),
    (IndexPut, [_table, _normal(3, 5), _ids(0, 1, 1), _ids(2, 0, 1)], {"axes": (0, 2)}),
    (DynamicSlice, [_table, *_starts], {"sizes": (2, 3, 1)}),
    (DynamicUpdate, [_table, _normal(2, 3, 1), *_starts], {}),
]
ROWS += [
    (ScatterReduce, [_table, _normal(3, 5, 3), _ids(0, 1, 1)], {"axes": (0,), "reduce": reduce})
    for reduce in ("prod", "amax", "amin")
]
