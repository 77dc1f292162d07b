"""A program before and after fusion as a picture: its operations on the left, the kernels that compute them on the right.

In: a compiled program. Out: SVG text. An operation has the colour of its kernel and a line to it; grey ones cost nothing
of their own: they are arithmetic on coordinates, or are computed again where they are used. Arcs on the right are
values that go from kernel to kernel through memory, the wider the more bytes.
"""

from __future__ import annotations

from html import escape
from math import log2
from typing import Any

from alight.compiler.kernel import Kernel
from alight.explain.kernels import names_of, where_of
from alight.ir.program import Node

ROW, BOX, GAP, MARGIN, TOP = 17, 38, 8, 16, 74
LEFT, BETWEEN, RIGHT = 560, 150, 470
COLOURS = (
    "#4e79a7",
    "#f28e2b",
    "#59a14f",
    "#e15759",
    "#b07aa1",
    "#76b7b2",
    "#9c755f",
    "#d4a017",
    "#d37295",
    "#5b8c2a",
)
GREY = "#9a9a9a"


def graph_of(native: Any) -> str:
    """The picture of a compiled program.

    Dashed lines between the boxes are places where the threads meet.
    """
    plan = native.plan
    nodes: list[Node] = list(plan.program.nodes)
    row = {node.outputs[0]: n for n, node in enumerate(nodes)}
    owners = _owners(plan.kernels, row)
    tops = _tops(plan.kernels, row)
    height = int(max(TOP + ROW * len(nodes), tops[-1] + BOX if tops else 0) + 2 * MARGIN)
    width = 2 * MARGIN + LEFT + BETWEEN + RIGHT + 130
    parts = [_head(width, height, native, nodes)]
    for n, node in enumerate(nodes):
        colour = COLOURS[owners[n][0] % len(COLOURS)] if owners[n] else GREY
        parts.append(_node(plan, node, TOP + ROW * n, colour))
        for k in owners[n]:
            parts.append(
                _link(TOP + ROW * n + ROW / 2, tops[k] + BOX / 2, COLOURS[k % len(COLOURS)])
            )
    parts += _arcs(plan, tops)
    for n, kernel in enumerate(plan.kernels):
        if n and plan.phases[n] != plan.phases[n - 1]:
            parts.append(_meeting(tops[n] - GAP / 2))
        parts.append(_kernel(plan, kernel, n, tops[n]))
    return "\n".join([*parts, "</svg>\n"])


def _owners(kernels: tuple[Kernel, ...], row: dict[int, int]) -> list[list[int]]:
    """The kernels that compute each node."""
    found: list[list[int]] = [[] for _ in row]
    for k, kernel in enumerate(kernels):
        for node in kernel.nodes:
            n = row.get(node.outputs[0])
            if n is not None and k not in found[n]:
                found[n].append(k)
    return found


def _tops(kernels: tuple[Kernel, ...], row: dict[int, int]) -> list[float]:
    """Where each box begins: beside its operations if the boxes above leave room."""
    tops, end = [], float(TOP)
    for kernel in kernels:
        rows = [row[node.outputs[0]] for node in kernel.nodes if node.outputs[0] in row]
        wanted = TOP + ROW * (sum(rows) / len(rows)) - BOX / 2 if rows else end
        tops.append(max(end, wanted))
        end = tops[-1] + BOX + GAP
    return tops


def _head(width: int, height: int, native: Any, nodes: list[Node]) -> str:
    kernels = native.plan.kernels
    title = f"{len(nodes)} operations before fusion"
    after = f"{len(kernels)} kernels after it, {len(set(native.plan.phases)) - 1} meetings of the threads"
    x = MARGIN + LEFT + BETWEEN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        'font-family="DejaVu Sans Mono, Menlo, monospace" font-size="11">\n'
        f'<rect width="{width}" height="{height}" fill="white"/>\n'
        f'<text x="{MARGIN}" y="26" font-size="15" font-weight="bold">{title}</text>\n'
        f'<text x="{x}" y="26" font-size="15" font-weight="bold">{after}</text>\n'
        f'<text x="{MARGIN}" y="46" fill="#555">grey: nothing is stored for it; part of the kernels that read it</text>\n'
        f'<text x="{x}" y="46" fill="#555">dashed: threads meet; arcs: values in memory, wider with more bytes</text>'
    )


def _text(x: float, y: float, text: str, extra: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" {extra}>{escape(text)}</text>'


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _node(plan: Any, node: Node, y: float, colour: str) -> str:
    out = node.outputs[0]
    what = f"%{out} {node.primitive.name}({', '.join(f'%{i}' for i in node.inputs)})"
    mark = f'<rect x="{MARGIN}" y="{y + 3:.0f}" width="4" height="{ROW - 5}" fill="{colour}"/>'
    line = "" if node.line is None else str(node.line)
    return "\n".join(
        [
            mark,
            _text(MARGIN + 10, y + 12, _cut(what, 38)),
            _text(MARGIN + 280, y + 12, _cut(str(plan.program.types[out]), 20), 'fill="#555"'),
            _text(MARGIN + LEFT - 4, y + 12, _cut(line, 22), 'fill="#777" text-anchor="end"'),
        ]
    )


def _link(y: float, to: float, colour: str) -> str:
    x, end = MARGIN + LEFT, MARGIN + LEFT + BETWEEN
    half = (x + end) / 2
    return (
        f'<path d="M{x} {y:.0f} C{half:.0f} {y:.0f} {half:.0f} {to:.0f} {end} {to:.0f}" fill="none" '
        f'stroke="{colour}" stroke-opacity="0.6"/>'
    )


def _meeting(y: float) -> str:
    x = MARGIN + LEFT + BETWEEN
    return f'<path d="M{x} {y:.0f} h{RIGHT}" stroke="#bbb" stroke-dasharray="4 3"/>'


def _kernel(plan: Any, kernel: Kernel, n: int, y: float) -> str:
    x, colour = MARGIN + LEFT + BETWEEN, COLOURS[n % len(COLOURS)]
    shape = plan.types[kernel.nodes[-1].outputs[0]] if kernel.nodes else ""
    alone = ", one thread" if plan.serial[n] else ""
    first = f"{n} {kernel.kind} {shape}{alone}"
    return "\n".join(
        [
            f'<rect x="{x}" y="{y:.0f}" width="{RIGHT}" height="{BOX}" rx="4" fill="{colour}" fill-opacity="0.15" '
            f'stroke="{colour}"/>',
            _text(x + 8, y + 15, _cut(first, 42), 'font-weight="bold"'),
            _text(
                x + RIGHT - 8,
                y + 15,
                _cut(where_of(kernel.nodes), 24),
                'fill="#777" text-anchor="end"',
            ),
            _text(x + 8, y + 30, _cut(" ".join(names_of(kernel.nodes)), 68)),
        ]
    )


def _arcs(plan: Any, tops: list[float]) -> list[str]:
    """Values that one kernel writes and a later one reads."""
    writer: dict[int, int] = {}
    found = []
    x = MARGIN + LEFT + BETWEEN + RIGHT
    for n, kernel in enumerate(plan.kernels):
        for value in kernel.reads:
            k = writer.get(value)
            if k is None or k == n:
                continue
            y, to = tops[k] + BOX / 2, tops[n] + BOX / 2
            out = min(120.0, 18 + (to - y) / 12)
            wide = max(0.6, min(4.0, (log2(max(2, plan.types[value].bytes)) - 8) / 3.5))
            title = f"<title>%{value}: {escape(str(plan.types[value]))}, kernel {k} to {n}</title>"
            found.append(
                f'<path d="M{x} {y:.0f} C{x + out:.0f} {y:.0f} {x + out:.0f} {to:.0f} {x} {to:.0f}" fill="none" '
                f'stroke="{COLOURS[k % len(COLOURS)]}" stroke-opacity="0.55" stroke-width="{wide:.1f}">{title}</path>'
            )
        writer.update(dict.fromkeys(kernel.writes, n))
    return found
