"""Attention in blocks of rows and columns: which programs have them, what they cost, and how exact they are."""

from __future__ import annotations

import numpy as np
import pytest

import alight as torch
from alight.backends.cpu.kernels import machine
from alight.backends.cpu.native import Native
from alight.backends.cpu.target import host
from alight.backends.interpreter.plan import compile_program
from alight.compiler.pipeline import plan
from alight.compiler.scores import seeds
from alight.compiler.stream import stream
from alight.ir.text import parse
from tests.compiler.test_stream import KINDS, arguments_for, step_program

SMALL_CACHE = 1 << 14  # blocks of 64 rows and columns


def bodies(program):
    """A program and those inside of its scans."""
    yield program
    for node in program.nodes:
        if node.primitive.name == "scan":
            yield from bodies(node.statics["body"])


def largest(program):
    """Elements of the largest value inside of the innermost scans."""
    inner = [one for one in bodies(program) if all(n.primitive.name != "scan" for n in one.nodes)]
    return max(type.size for one in inner if one is not program for type in one.types)


@pytest.mark.parametrize(
    "kind",
    [
        "by hand",
        "causal by hand",
        "with bias",
        "einsum",
        "built in",
        "built in, causal",
        "built in, mask",
    ],
)
@pytest.mark.parametrize("train", [False, True])
def test_no_value_is_larger_than_a_block(kind, train):
    program = stream(step_program(KINDS[kind], (1, 2, 300, 330, 4), train), SMALL_CACHE, 1)
    assert largest(program) == 64 * (64 if kind == "built in, causal" else 128)


@pytest.mark.parametrize("kind", ["built in, dropout", "turned"])
def test_what_has_no_blocks_of_columns_has_blocks_of_rows(kind):
    program = step_program(KINDS[kind], (1, 2, 300, 330, 4))
    streamed = stream(program, SMALL_CACHE, 1)
    assert not list(seeds(streamed, 1))
    assert largest(streamed) == 64 * 330


def steps_of(program):
    """How often the innermost bodies run."""
    inner = [node.statics for node in program.nodes if node.primitive.name == "scan"]
    return sum(s["length"] * steps_of(s["body"]) for s in inner) if inner else 1


@pytest.mark.parametrize(("causal", "blocks"), [(True, 10), (False, 8)])
def test_blocks_above_the_diagonal_are_left_out(causal, blocks):
    kind = "built in, causal" if causal else "built in"
    program = stream(step_program(KINDS[kind], (1, 2, 256, 256, 4), False), SMALL_CACHE, 1)
    assert steps_of(program) == 2 * blocks
    masks = [
        sum(node.primitive.name == "less_equal" for node in one.nodes) for one in bodies(program)
    ]
    assert sum(masks) == 4 * causal  # on the diagonal alone, once for each block of rows


def with_mask(made):
    return lambda q, k, v, bias: torch.nn.functional.scaled_dot_product_attention(
        q, k, v, attn_mask=made(torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool))
    )


@pytest.mark.parametrize(
    ("made", "blocks"),
    [
        (torch.tril, 10),
        (lambda ones: ones.tril(-1), 10),  # blocks below the diagonal have their corners masked
        (lambda ones: ~ones.triu(1), 10),
        (lambda ones: ones.tril(1), 8),
        (lambda ones: ones.triu(), 8),
    ],
)  # fmt: skip
def test_masks_that_are_compared_places_are_known(made, blocks):
    program = step_program(with_mask(made), (1, 1, 256, 256, 4), False)
    streamed = stream(program, SMALL_CACHE, 1)
    assert steps_of(streamed) == blocks
    given = arguments_for(program)
    (expected, *_), (found, *_) = (compile_program(x)(given) for x in (program, streamed))
    np.testing.assert_allclose(found, expected, rtol=2e-4)


def test_code_does_not_grow_with_the_length():
    """Equal blocks are one function: products and softmaxes for below, on and beside the diagonal, forward and back."""

    def kernels(length):
        found = {}

        def walk(made):
            for kernel in made.kernels:
                found[kernel.key()] = kernel.kind
                if kernel.kind == "scan":
                    walk(kernel.inner.plan)

        walk(
            plan(
                step_program(KINDS["built in, causal"], (1, 2, length, length, 4)),
                machine(host(), 1),
            )
        )
        return sum(kind == "product" for kind in found.values())

    assert kernels(1024) == kernels(1536) <= 12


def test_results_do_not_depend_on_the_number_of_threads():
    program = step_program(KINDS["built in, causal"], (1, 1, 200, 200, 8))
    program = stream(program, SMALL_CACHE, 1)
    given = arguments_for(program)
    compiled, before = Native(program), torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append([np.array(x) for x in compiled(given)])
    finally:
        torch.set_num_threads(before)
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


SCORES = """program(%0: f32[140,4], %1: f32[150,4], %2: f32[150,3], %3: f32[140,150]) {
  %4: f32[140,150] = dot_general(%0, %1) batch=((), ()) contract=((1,), (1,))
  %5: f32[140,150] = add(%4, %3)
  %6: f32[140] = max(%5) axes=(1,)
  %7: f32[140,1] = reshape(%6) shape=(140, 1)
  %8: f32[140,150] = expand(%7) shape=(140, 150)
  %9: f32[140,150] = sub(%5, %8)
  %10: f32[140,150] = exp(%9)
  %11: f32[140] = sum(%10) axes=(1,)
  %12: f32[140,1] = reshape(%11) shape=(140, 1)
  %13: f32[140,150] = expand(%12) shape=(140, 150)
  %14: f32[140,150] = div(%10, %13)
  %15: f32[140,3] = dot_general(%14, %2) batch=((), ()) contract=((1,), (0,))
  return %15
}"""


@pytest.mark.parametrize("compiled", [False, True])
def test_rows_without_anything_to_see_are_nan_and_others_are_not(compiled):
    """A row may have seen nothing for some blocks: its maximum so far is minus infinity, and its sums are 0."""
    rng = np.random.default_rng(0)
    q, k, v = (rng.standard_normal(s).astype(np.float32) for s in ((140, 4), (150, 4), (150, 3)))
    bias = np.zeros((140, 150), np.float32)
    bias[:, :70] = -np.inf  # the whole first block of columns
    bias[5, :] = -np.inf
    bias[6, 149] = np.inf
    bias[7, :] = -1000.0  # exp(old - new) of a maximum that is far below zero
    bias[8, 80] = np.nan
    streamed = stream(parse(SCORES), SMALL_CACHE, 1)
    run = Native(streamed) if compiled else compile_program(streamed)
    with np.errstate(all="ignore"):
        (found,) = run([q, k, v, bias])
        scores = q.astype(np.float64) @ k.T + bias
        e = np.exp(scores - scores.max(1, keepdims=True))
        expected = e / e.sum(1, keepdims=True) @ v
    assert np.isnan(expected).any(1).nonzero()[0].tolist() == [5, 6, 8]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def trained(library, kind, dtype, arrays):
    """An attention's result and gradients."""
    q, k, v = (library.tensor(x, dtype=getattr(library, dtype), requires_grad=True) for x in arrays)
    rows, columns = q.shape[-2], k.shape[-2]
    if kind == "by hand":
        mask = library.tril(library.ones(rows, columns))
        scores = (q @ k.transpose(-2, -1) * 0.2).masked_fill(mask == 0, float("-inf"))
        out = library.softmax(scores, -1) @ v
    else:
        attention = library.nn.functional.scaled_dot_product_attention
        out = attention(q, k, v, is_causal=kind == "causal")
    out.square().mean().backward()
    return [x.detach().numpy() for x in (out, q.grad, k.grad, v.grad)]


@pytest.mark.parametrize(
    ("kind", "dtype", "heads", "rows", "columns", "width"),
    [
        ("whole", "float32", 2, 1031, 809, 5),
        ("causal", "float32", 2, 1025, 1025, 64),
        ("causal", "float32", 3, 600, 1000, 33),
        ("causal", "float64", 1, 1000, 777, 16),
        ("by hand", "float32", 1, 1100, 1100, 8),
        ("whole", "float32", 2, 1, 40, 8),
        ("causal", "float32", 1, 1, 1, 8),
    ],
)  # fmt: skip
def test_errors_are_not_far_from_pytorchs(kind, dtype, heads, rows, columns, width):
    theirs = pytest.importorskip("torch")
    from alight.compiler.hot import background

    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((1, heads, n, width)) for n in (rows, columns, columns)]
    exact = trained(theirs, kind, "float64", arrays)
    expected = trained(theirs, kind, dtype, arrays)
    for _ in range(5):
        found = trained(torch, kind, dtype, arrays)
        background.wait()
    for one, other, right in zip(found, expected, exact, strict=True):
        assert one.dtype == other.dtype
        scale = np.abs(right).max()
        unit = np.finfo(dtype).eps * scale
        theirs_off = np.abs(other - right).max() if dtype == "float32" else 16 * unit
        assert np.abs(one - right).max() <= 4 * theirs_off + 2 * unit
