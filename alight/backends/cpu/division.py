"""Which part of a kernel's work a thread does.

Work is a number of groups (a panel, an image row) of a number of tiles each. Threads get equal runs of consecutive
tiles, whatever groups they fall into, so that two threads stay balanced when there are few groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alight.backends.cpu.code import Code, Value


@contextmanager
def shared(code: Code, groups: int, tiles: int | Value) -> Iterator[tuple[Value, Value, Value]]:
    """A thread's share of groups x tiles: for each group it has a part in, the group and the first and last tile."""
    each = code.integer(tiles) if isinstance(tiles, int) else tiles
    first, last = code.share(code.mul(each, groups), code["thread"], code["threads"])
    if groups == 1:
        with code.when(code.compare("icmp slt", first, last)):
            yield code.integer(0), first, last
        return
    start = code.op("udiv", first, each)
    stop = code.op("udiv", code.add(last, code.add(each, -1)), each)
    with code.loop(start, stop) as group:
        base = code.mul(group, tiles)
        yield (
            group,
            code.maximum(code.op("sub", first, base), code.integer(0)),
            code.minimum(code.op("sub", last, base), each),
        )


def divided(code: Code, index: Value, inner: int) -> tuple[Value, Value]:
    """index // inner and index % inner of an index that is not negative."""
    if inner == 1:
        return index, code.integer(0)
    if index.text == "0":
        return index, index
    outer = code.op("udiv", index, code.integer(inner))
    return outer, code.op("sub", index, code.mul(outer, inner))


def moved(
    code: Code, pointer: Value, itemsize: int, strides: tuple[int, ...], indices: list[Value]
) -> Value:
    """The address of the element at some indices."""
    for stride, index in zip(strides, indices, strict=True):
        offset = code.mul(index, stride * itemsize)
        if offset.text != "0":
            pointer = code.element(pointer, offset, 1)
    return pointer
