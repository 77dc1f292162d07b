"""Attention without a matrix of scores: the same numbers, and memory in proportion to the length."""

from __future__ import annotations

import numpy as np
import pytest

import alight as torch
from alight.backends.cpu.kernels import machine
from alight.backends.cpu.target import host
from alight.backends.interpreter.plan import compile_program
from alight.compiler.causal import sees_only_before
from alight.compiler.pipeline import plan
from alight.compiler.scores import Scores, seeds
from alight.compiler.simplify import simplify
from alight.compiler.stream import stream
from docs.listings import flushes

F = torch.nn.functional


def by_hand(q, k, v, bias):
    return torch.softmax(q @ k.transpose(-2, -1) * 0.3, -1) @ v


def causal_by_hand(q, k, v, bias):
    scores = q @ k.transpose(-2, -1) * 0.3
    mask = torch.tril(torch.ones(q.shape[-2], k.shape[-2])) == 0
    return F.softmax(scores.masked_fill(mask, float("-inf")), dim=-1) @ v


def with_bias(q, k, v, bias):
    scores = q @ k.transpose(-2, -1) + bias
    upper = torch.triu(torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool), 1)
    return torch.where(upper, torch.tensor(-1e9), scores).softmax(-1) @ v


def by_einsum(q, k, v, bias):
    weights = torch.einsum("bhtd,bhsd->bhts", q, k).softmax(-1)
    return torch.einsum("bhts,bhsd->bhtd", weights, v)


def turned(q, k, v, bias):
    """Keys along the rows, as in texts that write K^T Q."""
    weights = torch.softmax(k @ q.transpose(-2, -1), dim=-2)
    return torch.einsum("bhst,bhsd->bhtd", weights, v)


KINDS = {
    "by hand": by_hand,
    "causal by hand": causal_by_hand,
    "with bias": with_bias,
    "einsum": by_einsum,
    "turned": turned,
    "built in": lambda q, k, v, bias: F.scaled_dot_product_attention(q, k, v),
    "built in, causal": lambda q, k, v, bias: F.scaled_dot_product_attention(
        q, k, v, is_causal=True
    ),
    "built in, mask": lambda q, k, v, bias: F.scaled_dot_product_attention(
        q, k, v, attn_mask=bias > -1
    ),
    "built in, dropout": lambda q, k, v, bias: F.scaled_dot_product_attention(
        q, k, v, dropout_p=0.4
    ),
    "causal with dropout": lambda q, k, v, bias: F.scaled_dot_product_attention(
        q, k, v, dropout_p=0.4, is_causal=True
    ),
}
SHAPES = {
    "heads": (2, 3, 70, 70, 8),
    "one head": (1, 1, 192, 64, 4),
    "odd": (2, 1, 131, 77, 5),
    "one batch": (1, 2, 300, 300, 4),
}


def step_program(attention, shape, train=True):
    """The program of a step through one attention, and arguments for it."""
    batch, heads, rows, columns, width = shape
    torch.manual_seed(0)
    q, k, v = (torch.randn(batch, heads, n, width) for n in (rows, columns, columns))
    bias, mix = torch.randn(heads, 1, columns), torch.randn(width, width)
    for one in (q, k, v, bias):
        one.requires_grad_(train)
    [one.detach().numpy() for one in (q, k, v, bias, mix)]
    with flushes() as log:
        loss = (attention(q, k, v, bias) @ mix).square().mean()
        if train:
            loss.backward()
        loss.item()
    return simplify(max(log, key=lambda program: len(program.nodes)))


def arguments_for(program):
    rng = np.random.default_rng(0)
    made = []
    for i in program.inputs:
        of = program.types[i]
        if of.dtype.kind == "i":
            made.append(np.full(of.shape, 3, np.int64))
        elif of.dtype.kind == "b":
            made.append(rng.random(of.shape) > 0.3)
        else:
            kind = {2: np.float16, 4: np.float32, 8: np.float64}[of.dtype.itemsize]
            made.append(rng.standard_normal(of.shape).astype(kind))
    return made


def wide_values(program):
    """How many values of a program, without those inside of scans, are as large as scores."""
    found = list(seeds(program, 1))
    return len(found)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_blocks_compute_the_same(kind, shape):
    program = step_program(KINDS[kind], SHAPES[shape])
    assert wide_values(program) == 1
    streamed = stream(program, 1 << 14, 1)
    assert wide_values(streamed) == 0, "the scores are still whole"
    given = arguments_for(program)
    with np.errstate(all="ignore"):
        expected, found = (compile_program(one)(given) for one in (program, streamed))
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, one, rtol=2e-4, atol=2e-5 * np.abs(one).max())


def test_small_scores_stay_whole():
    program = step_program(by_hand, SHAPES["heads"])
    assert stream(program, 1 << 20, 1 << 20) is program


@pytest.mark.parametrize(
    "attention",
    [
        lambda q, k, v, bias: (q @ k.transpose(-2, -1)).softmax(-1).cumsum(-1) @ v,
        lambda q, k, v, bias: (q @ k.transpose(-2, -1)).softmax(-1).flatten(1)[:, :4],
        lambda q, k, v, bias: (q @ k.transpose(-2, -1)).softmax(-1)[..., ::2] @ v[..., ::2, :],
    ],
)
def test_what_does_not_fit_is_left_alone(attention):
    program = step_program(attention, SHAPES["one head"], train=False)
    assert stream(program, 1 << 14, 1) is program


def test_scores_that_are_wanted_stay_whole():
    q = torch.randn(1, 1, 96, 4)
    q.numpy()
    with flushes() as log:
        weights = (q @ q.transpose(-2, -1)).softmax(-1)
        (weights @ q).sum().item()
    assert stream(simplify(log[-1]), 1 << 14, 1) is not None
    assert wide_values(stream(simplify(log[-1]), 1 << 14, 1)) == 1


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("built in, causal", True), ("built in", False), ("built in, mask", False)],
)
def test_what_is_above_the_diagonal_is_left_out_only_where_it_is_masked(kind, expected):
    program = step_program(KINDS[kind], SHAPES["heads"])
    (seed, labels) = next(seeds(program, 1))
    scores = Scores(program, seed, labels)
    assert sees_only_before(scores, scores.exits) is expected


@pytest.mark.parametrize("kind", ["by hand", "causal by hand", "built in", "built in, causal"])
def test_memory_grows_with_the_length_and_not_with_its_square(kind):
    length, width = 4096, 16
    made = plan(step_program(KINDS[kind], (1, 4, length, length, width)), machine(host(), 2))
    scores = 4 * 4 * length * length
    assert made.memory.size < scores / 4
    assert not any(kernel.kind == "interpreter" for kernel in made.kernels)
    assert any(kernel.kind == "scan" for kernel in made.kernels)


def test_a_compiled_step_gives_pytorchs_gradients():
    theirs = pytest.importorskip("torch")
    torch.manual_seed(0)
    start = [torch.randn(1, 2, 800, 16).numpy() for _ in range(3)]
    results = []
    for library in (torch, theirs):
        q, k, v = (library.tensor(one, requires_grad=True) for one in start)
        for _ in range(5 if library is torch else 1):
            q.grad = k.grad = v.grad = None
            out = library.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            out.square().mean().backward()
            results.append([out.detach().numpy(), *(x.grad.numpy() for x in (q, k, v))])
            if library is torch:
                from alight.compiler.hot import background

                background.wait()
    for ours, expected in zip(results[-2], results[-1], strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
