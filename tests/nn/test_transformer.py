"""Attention and transformer layers against PyTorch: initial weights, printed forms, values, gradients, errors."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

import alight
from tests.nn.test_rnn import LIBRARIES, assert_same, assert_same_gradients, drawn, error

pytestmark = pytest.mark.filterwarnings("ignore")  # PyTorch's remarks on nested tensors


def made(build: Any, seed: int = 0) -> list[Any]:
    """A module of each library from the same seed, without dropout's randomness."""
    modules = []
    for library in LIBRARIES:
        library.manual_seed(seed)
        modules.append(build(library.nn))
    ours, theirs = modules
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
    return modules


def compare(modules: list[Any], call: Any, *inputs: list[Any], tolerance: float = 1e-4) -> None:
    """Equal results and gradients."""
    outs = [
        call(library, module, *given)
        for library, module, *given in zip(LIBRARIES, modules, *inputs, strict=True)
    ]
    assert_same(*outs, tolerance=tolerance)
    leaves = [
        [*given, *(one for one in module.parameters())]
        for module, *given in zip(modules, *inputs, strict=True)
    ]
    assert_same_gradients(outs, leaves, tolerance=tolerance)


def boolean(library: Any, rows: int, columns: int, period: int = 3) -> Any:
    """A mask of bools that leaves every row some place."""
    return library.arange(rows * columns).reshape(rows, columns) % period == 1


ATTENTION = [
    {}, {"bias": False}, {"batch_first": True}, {"add_bias_kv": True, "add_zero_attn": True},
    {"kdim": 6, "vdim": 5}, {"add_zero_attn": True, "kdim": 8, "vdim": 8},
]  # fmt: skip


@pytest.mark.parametrize("setting", ATTENTION)
@pytest.mark.parametrize("masks", ["", "padding", "attention", "numbers", "both", "heads"])
def test_attention(setting: dict[str, Any], masks: str) -> None:
    modules = made(lambda nn: nn.MultiheadAttention(8, 2, **setting))
    first = setting.get("batch_first", False)
    q = drawn(*((3, 4, 8) if first else (4, 3, 8)))
    k = drawn(*((3, 5) if first else (5, 3)), setting.get("kdim", 8))
    v = drawn(*((3, 5) if first else (5, 3)), setting.get("vdim", 8))

    def call(library: Any, module: Any, q: Any, k: Any, v: Any) -> Any:
        given: dict[str, Any] = {}
        if masks in ("padding", "both"):
            given["key_padding_mask"] = boolean(library, 3, 5)
        if masks in ("attention", "both"):
            given["attn_mask"] = boolean(library, 4, 5, 4)
        if masks == "numbers":
            given["attn_mask"] = library.arange(20.0).reshape(4, 5) / 10
            given["key_padding_mask"] = library.zeros(3, 5).masked_fill(
                boolean(library, 3, 5), -2.0
            )
        if masks == "heads":
            given["attn_mask"] = library.arange(120.0).reshape(6, 4, 5) / 50
        plain = module(q, k, v, need_weights=False, **given)
        assert plain[1] is None
        return [
            module(q, k, v, **given),
            module(q, k, v, average_attn_weights=False, **given),
            plain,
        ]

    compare(modules, call, q, k, v)


@pytest.mark.parametrize("which", ["qqq", "qkk", "qqk"])
def test_shared_inputs_and_no_batch(which: str) -> None:
    modules = made(lambda nn: nn.MultiheadAttention(8, 4))
    inputs = {"q": drawn(4, 8), "k": [x.detach() * 2 for x in drawn(4, 8)]}

    def call(library: Any, module: Any, q: Any, k: Any) -> Any:
        named = {"q": q, "k": k}
        return module(*(named[one] for one in which))

    outs = [
        call(lib, m, q, k)
        for lib, m, q, k in zip(LIBRARIES, modules, *inputs.values(), strict=True)
    ]
    assert_same(*outs)
    assert_same_gradients(
        outs, [[q, *m.parameters()] for q, m in zip(inputs["q"], modules, strict=True)]
    )


def test_a_known_call_is_one_step() -> None:
    attention = alight.nn.MultiheadAttention(8, 2, batch_first=True).eval()
    x = alight.ones(2, 3, 8)
    before = len(thread_handles())
    attention(x, x, x, need_weights=False)
    assert len(thread_handles()) - before <= 7  # the output, and inputs that enter the segment


def thread_handles() -> Any:
    """The recorder's handles."""
    from alight.record.recorder import thread

    return thread.recorder.handles


LAYERS = list(itertools.product([False, True], [False, True], ["relu", "gelu"]))


@pytest.mark.parametrize(("batch_first", "norm_first", "activation"), LAYERS)
def test_encoder_and_decoder_layers(batch_first: bool, norm_first: bool, activation: str) -> None:
    setting = {"batch_first": batch_first, "norm_first": norm_first, "activation": activation}
    x, memory = drawn(3, 3, 8), drawn(3, 3, 8)
    encoder = made(
        lambda nn: nn.TransformerEncoderLayer(
            8, 2, 16, dropout=0.0, bias=activation == "relu", **setting
        )
    )

    def encode(library: Any, module: Any, x: Any) -> Any:
        mask = library.nn.Transformer.generate_square_subsequent_mask(3)
        padding = boolean(library, 3, 3, 5)
        return [
            module(x), module(x, mask, is_causal=True), module(x, boolean(library, 3, 3)), module(x[:, 0]),
            module(x, src_key_padding_mask=padding),
        ]  # fmt: skip

    compare(encoder, encode, x)
    decoder = made(lambda nn: nn.TransformerDecoderLayer(8, 2, 16, dropout=0.0, **setting))

    def decode(library: Any, module: Any, x: Any, memory: Any) -> Any:
        mask = library.nn.Transformer.generate_square_subsequent_mask(3)
        padding = boolean(library, 3, 3, 5)
        return [
            module(x, memory), module(x, memory, mask, tgt_is_causal=True),
            module(x, memory, memory_key_padding_mask=padding, tgt_key_padding_mask=padding),
            module(x, memory, memory_mask=boolean(library, 3, 3)),
        ]  # fmt: skip

    compare(decoder, decode, x, memory)


@pytest.mark.parametrize("batch_first", [False, True])
def test_the_whole(batch_first: bool) -> None:
    modules = made(lambda nn: nn.Transformer(8, 2, 2, 2, 16, dropout=0.0, batch_first=batch_first))
    src, tgt = drawn(4, 4, 8), drawn(4, 4, 8)

    def call(library: Any, module: Any, src: Any, tgt: Any) -> Any:
        mask = module.generate_square_subsequent_mask(4)
        padding = boolean(library, 4, 4, 5)
        return [
            module(src, tgt), module(src, tgt, tgt_mask=mask, tgt_is_causal=True),
            module(src, tgt, src_key_padding_mask=padding, memory_key_padding_mask=padding), module(src[0], tgt[0]),
        ]  # fmt: skip

    compare(modules, call, src, tgt)


@pytest.mark.parametrize(
    "padding", [[[0, 0, 1], [0, 1, 1]], [[0, 0, 0], [0, 0, 1]], [[1, 0, 0], [0, 0, 1]]]
)
@pytest.mark.parametrize("norm", [False, True])
def test_padding_in_evaluation(padding: Any, norm: bool) -> None:
    modules = made(
        lambda nn: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(4, 2, 8, batch_first=True),
            2,
            nn.LayerNorm(4) if norm else None,
        )
    )
    outs = []
    for library, module, x in zip(LIBRARIES, modules, drawn(2, 3, 4), strict=True):
        mask = library.tensor(padding).bool()
        outs.append([module.eval()(x.detach(), src_key_padding_mask=mask)])
        with library.no_grad():
            outs[-1].append(module(x.detach(), src_key_padding_mask=mask))
    assert_same(*outs)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scaled_dot_product_attention(dtype: str) -> None:
    q, k, v = (
        drawn(2, 4, 3, 8, like=dtype),
        drawn(2, 4, 5, 8, like=dtype),
        drawn(2, 4, 5, 6, like=dtype),
    )
    outs = []
    for library, *given in zip(LIBRARIES, q, k, v, strict=True):
        attend = library.nn.functional.scaled_dot_product_attention
        hidden = library.arange(15).reshape(3, 5) > 4  # the first row sees nothing
        few = [given[0], given[1][:, :2], given[2][:, :1]]
        outs.append(
            [
                attend(*given), attend(*given, is_causal=True), attend(*given, attn_mask=hidden), attend(*given, scale=2.0),
                attend(*given, attn_mask=library.arange(15.0, dtype=given[0].dtype).reshape(3, 5)),
                attend(*few, enable_gqa=True), attend(*(x[0, 0] for x in given)),
            ]
        )  # fmt: skip
    assert_same(*outs)
    assert_same_gradients(outs, [list(leaves) for leaves in zip(q, k, v, strict=True)])


def test_dropout_in_attention() -> None:
    alight.manual_seed(0)
    x = alight.ones(1, 200, 8)
    _, weights = alight.nn.MultiheadAttention(8, 2, dropout=0.5, batch_first=True)(
        x, x, x, average_attn_weights=False
    )
    kept = (weights > 0).float().mean().item()
    assert 0.45 < kept < 0.55
    np.testing.assert_allclose(weights[weights > 0].detach().numpy(), 2 / 200, rtol=1e-4)


Z = [(3, 2, 4), (5, 2, 4), (5, 2, 4)]


def attention(*shapes: Any, setting: Any = (), **masks: Any) -> Any:
    """A call of MultiheadAttention(4, 2) on zeros; masks are (shape, dtype)."""

    def call(library: Any) -> Any:
        given = {
            key: value
            if isinstance(value, bool)
            else library.zeros(value[0], dtype=getattr(library, value[1]))
            for key, value in masks.items()
        }
        return library.nn.MultiheadAttention(4, 2, **dict(setting))(
            *(library.zeros(s) for s in shapes), **given
        )

    return call


def sdpa(*shapes: Any, dtypes: Any = ("float32",) * 4, **others: Any) -> Any:
    """A call of scaled_dot_product_attention on zeros."""
    return lambda lib: lib.nn.functional.scaled_dot_product_attention(
        *(lib.zeros(s, dtype=getattr(lib, d)) for s, d in zip(shapes, dtypes, strict=False)),
        **others,
    )


ERRORS: list[Any] = [
    lambda lib: lib.nn.MultiheadAttention(4, 3), lambda lib: lib.nn.MultiheadAttention(0, 2),
    lambda lib: lib.nn.MultiheadAttention(4, 0),
    attention((4,), (4,), (4,)), attention((3, 2, 4), (3, 4), (3, 2, 4)), attention((3, 4), (3, 2, 4), (3, 4)),
    attention((3, 2, 5), (3, 2, 5), (3, 2, 5)), attention((3, 2, 4), (5, 2, 4), (6, 2, 4)),
    attention(*Z, attn_mask=((3, 4), "float32")), attention(*Z, attn_mask=((2, 3, 5), "float32")),
    attention(*Z, attn_mask=((5,), "float32")), attention(*Z, attn_mask=((3, 5), "int64")),
    attention(*Z, key_padding_mask=((3, 4), "float32")), attention(*Z, key_padding_mask=((2, 5), "int64")),
    attention(*Z, key_padding_mask=((5,), "float32")),
    attention((3, 4), (5, 4), (5, 4), key_padding_mask=((1, 5), "bool")),
    attention((3, 4), (5, 4), (5, 4), key_padding_mask=((4,), "bool")),
    attention((3, 4), (5, 4), (5, 4), attn_mask=((1, 3, 5), "bool")), attention(*Z, is_causal=True),
    attention((3, 2, 4), (5, 2, 4), (5, 2, 5), setting={"kdim": 3, "vdim": 5}),
    attention((3, 2, 4), (5, 2, 3), (5, 2, 4), setting={"kdim": 3, "vdim": 5}),
    lambda lib: lib.nn.TransformerEncoderLayer(4, 2, activation="x"),
    lambda lib: lib.nn.TransformerEncoderLayer(4, 2, 3)(lib.zeros(3)),
    lambda lib: lib.nn.Transformer(4, 2, 1, 1, 3)(lib.zeros(3, 2, 4), lib.zeros(3, 1, 4)),
    lambda lib: lib.nn.Transformer(4, 2, 1, 1, 3)(lib.zeros(3, 2, 5), lib.zeros(3, 2, 5)),
    sdpa((2, 3, 4), (2, 5, 4), (2, 5, 4), (3, 4)), sdpa((2, 3, 4), (2, 5, 5), (2, 5, 4)),
    sdpa((2, 3, 4), (2, 5, 4), (2, 5, 4), dtypes=("float32", "float64", "float32")),
    sdpa((2, 3, 4), (2, 5, 4), (2, 5, 4), (3, 5), dtypes=("float32", "float32", "float32", "int64")),
    sdpa((4,), (2, 5, 4), (2, 5, 4)), sdpa((2, 3, 4), (2, 5, 4), (2, 6, 4)),
    sdpa((1, 4, 3, 4), (1, 3, 5, 4), (1, 3, 5, 4), enable_gqa=True), sdpa((2, 3, 4), (2, 5, 4), (2, 5, 4), dropout_p=2.0),
    sdpa((2, 3, 4), (2, 5, 4), (2, 5, 4), (3, 5), is_causal=True),
    sdpa((2, 3, 4), (2, 5, 4), (2, 5, 4), dtypes=("int64",) * 3),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_errors(number: int) -> None:
    raised = error(ERRORS[number], alight)
    assert raised == error(ERRORS[number], torch)
    assert raised[0] != "none"
