"""Products in code for many shapes: right for all of them, and one text."""

from __future__ import annotations

from itertools import product as pairs

import numpy as np
import pytest

import alight as torch
from alight import config, nn
from alight.backends.base import programs
from alight.backends.cpu import generic, native, varied
from alight.backends.cpu.build import build
from alight.backends.cpu.product_plan import Product
from alight.backends.cpu.target import host
from alight.backends.interpreter.plan import compile_program
from alight.ir.text import parse
from tests.compiler.test_shapes import own_cache  # noqa: F401
from tests.record.paths import forgotten

TEXT = """program(%0: {t}[{a}], %1: {t}[{b}], %2: {t}[{n}]) {{
  %3: {t}[{c}] = dot_general(%0, %1) batch={batch} contract=(({i},), ({j},))
  %4: {t}[{ones}{n}] = reshape(%2) shape=({ones}{n},)
  %5: {t}[{c}] = expand(%4) shape=({c},)
  %6: {t}[{c}] = add(%3, %5)
  return %6
}}"""
KINDS = [
    (bool(left), bool(right), dtype, batch)
    for (left, right), dtype, batch in pairs(pairs((0, 1), (0, 1)), ("f32", "f64"), ((), (3,)))
    if dtype == "f32" or not batch
]
NAMES = [f"{'t' if l else 'n'}{'t' if r else 'n'}-{d}-{len(b)}" for l, r, d, b in KINDS]  # noqa: E741


def written(left: bool, right: bool, dtype: str, batch: tuple[int, ...], m: int, n: int, k: int):
    """A program, and its three inputs."""
    a, b = (*batch, *((k, m) if left else (m, k))), (*batch, *((n, k) if right else (k, n)))
    at = len(batch)
    axes = tuple(range(at))
    texts = {
        name: ",".join(map(str, shape))
        for name, shape in (("a", a), ("b", b), ("c", (*batch, m, n)))
    }
    both = f"({axes!s}, {axes!s})"
    program = parse(
        TEXT.format(
            t=dtype, n=n, ones="1," * (at + 1), batch=both, i=at + (not left), j=at + right, **texts
        )
    )
    draw = np.random.default_rng(m * n * k).standard_normal
    return program, [draw(s).astype(dtype.replace("f", "float")) for s in (a, b, (n,))]


@pytest.mark.parametrize(("left", "right", "dtype", "batch"), KINDS, ids=NAMES)
def test_products_of_all_shapes_are_right_and_few_texts(own_cache, left, right, dtype, batch):  # noqa: F811
    compiled = []
    shapes = [
        (33, 50, 20),
        (1, 35, 7),
        (80, 39, 5),
        (29, 77, 24),
        (14, 41, 16),
        (47, 95, 30),
        (15, 49, 31),
    ]
    shapes += [(61, 83, 19), (23, 109, 41), (38, 70, 27)]
    settled = len(shapes) - 3
    if not batch:
        shapes += [(16, 50, 900), (1, 1, 1), (30, 1, 40), (5, 3, 9)]
    for m, n, k in shapes:
        program, given = written(left, right, dtype, batch, m, n, k)
        before = generic.forms.compiled
        built = build(program, general=True)
        compiled.append(generic.forms.compiled - before)
        (found,) = native.Native(program, built)(list(given))
        x, y = (
            value.swapaxes(-1, -2) if turned else value
            for value, turned in zip(given, (left, right), strict=False)
        )
        expected = x.astype(np.float64) @ y + given[2]
        tolerance = (1e-6 if dtype == "f32" else 1e-14) * np.sqrt(k) * 4
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    # The first shapes show which numbers vary; then there is nothing left to compile.
    assert compiled[settled : settled + 3] == [0, 0, 0], compiled


def test_what_is_too_long_for_one_block_is_left_to_the_best_code():
    target = host()._replace(varied=True)
    product = Product("float", (), 8, 8, varied.MOST_STEPS, (varied.MOST_STEPS, 1), (8, 1), (8, 1))
    assert varied.covers(product, target) and not varied.covers(product, host())
    assert not varied.covers(product._replace(k=varied.MOST_STEPS + 1), target)


def programs_of(step, sizes):
    """The largest program of a step for each size, interpreted once."""
    found = []
    for size in sizes:
        programs.entries.clear()
        step(size)
        found.append(max(programs.entries, key=lambda program: len(program.nodes)))
    return found


def functions_compiled(program) -> int:
    """How many functions of a program were not there yet."""
    before = generic.forms.compiled
    assert build(program, general=True).general
    return generic.forms.compiled - before


def test_sentences_of_a_new_length_are_linked(own_cache, monkeypatch):  # noqa: F811
    monkeypatch.setattr(config, "tier", 0)
    forgotten()
    table, layer, last = nn.Embedding(50, 16), nn.LSTM(16, 24, batch_first=True), nn.Linear(24, 2)
    weights = [*table.parameters(), *layer.parameters(), *last.parameters()]
    trainer = torch.optim.SGD(weights, lr=0.1)

    def step(length: int) -> None:
        trainer.zero_grad()
        ids = torch.zeros(6, length, dtype=torch.int64)
        nn.functional.cross_entropy(last(layer(table(ids))[0][:, -1]), ids[:, 0] * 0).backward()
        trainer.step()

    sizes = (21, 40, 33, 18, 57, 26, 30, 47, 35)
    compiled = [functions_compiled(program) for program in programs_of(step, sizes)]
    assert compiled[0] >= 10 and sum(compiled[-3:]) <= 2, compiled
    forgotten()


@pytest.mark.parametrize(
    "kind",
    [(3, 8, 3, 1, 1, 1), (4, 6, 5, 2, 1, 1), (8, 16, 3, 0, 2, 1), (6, 6, 3, 1, 1, 6)],
    ids=str,
)
def test_convolutions_of_a_new_batch_are_right_and_linked(own_cache, monkeypatch, kind):  # noqa: F811
    monkeypatch.setattr(config, "tier", 0)
    forgotten()
    inputs, outputs, window, padding, stride, groups = kind
    weight = torch.randn(outputs, inputs // groups, window, window, requires_grad=True)

    def step(batch: int) -> None:
        x = torch.randn(batch, inputs, 9, 9, requires_grad=True)
        found = nn.functional.conv2d(x, weight, None, stride, padding, 1, groups)
        (found * found).sum().backward()
        assert weight.grad.shape == weight.shape and x.grad.shape == x.shape
        x.grad.sum().item(), weight.grad.sum().item()

    compiled = []
    for program in programs_of(step, (33, 50, 17, 90, 61, 70, 37, 85, 55)):
        draw = np.random.default_rng(0).standard_normal
        given = [draw(program.types[i].shape).astype(np.float32) for i in program.inputs]
        compiled.append(functions_compiled(program))
        found = native.Native(program, build(program, general=True))(list(given))
        for a, b in zip(found, compile_program(program)(list(given)), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5 * np.abs(b).max())
    assert sum(compiled[-2:]) < compiled[0], compiled  # the rest are loops
    forgotten()
