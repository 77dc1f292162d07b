"""Scaled dot-product attention: one step from queries, keys and values to their mixture."""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

from alight import primitives as p
from alight.dtypes import bool_, float32, int64
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.matmul import product
from alight.ops.nn.dropout import dropout_word, keep_mask
from alight.ops.nn.softmax import total
from alight.ops.operation import function, op, with_vjp
from alight.primitives.arithmetic import (
    broadcast,
    broadcast_shape,
    constant,
    equal,
    put_back,
    where,
)

Scalar = Any


def _weights(scores: Tensor) -> Tensor:
    """Softmax along the last axis; a row without any finite score is zero. The gradient reads the result."""
    axis = scores.ndim - 1
    start = len(scores.builder.nodes)
    top = p.Max(scores, axes=(axis,))
    e = p.Exp(scores - put_back(where(equal(top, -inf), 0, top), scores.shape, (axis,)))
    sums = total(e, axis)
    y = e / where(equal(sums, 0), 1, sums)

    def rule(ct: Tensor, out: Tensor, x: Tensor) -> Tensor:
        share = ct * out
        return share - out * total(share, axis)

    return with_vjp(rule, y, start, scores)


def _causal(like: Tensor, rows: int, columns: int) -> Tensor:
    with like.builder.active():
        row = p.Iota(shape=(rows, columns), axis=0, dtype=int64, device=like.type.device)
        column = p.Iota(shape=(rows, columns), axis=1, dtype=int64, device=like.type.device)
    return column <= row


def _repeated_heads(x: Tensor, heads: int) -> Tensor:
    """Each head of keys or values repeated until there are `heads`."""
    *lead, have, length, width = x.shape
    repeated = broadcast(
        p.Reshape(x, shape=(*lead, have, 1, length, width)),
        (*lead, have, heads // have, length, width),
    )
    return p.Reshape(repeated, shape=(*lead, heads, length, width))


@op(functions="")
def _attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None, seed: Scalar, dropout_p: float, is_causal: bool,
    scale: Scalar = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """softmax(query key^T scale + mask) value."""
    of = query.dtype
    wide = float32 if of.itemsize == 2 else of
    q, k, v = (p.Convert(x, dtype=wide) for x in (query, key, value))
    if enable_gqa:
        k, v = _repeated_heads(k, q.shape[-3]), _repeated_heads(v, q.shape[-3])
    factor = (
        p.Convert(scale, dtype=wide)
        if isinstance(scale, Tensor)
        else 1 / sqrt(q.shape[-1])
        if scale is None
        else scale
    )
    swapped = (*range(k.ndim - 2), k.ndim - 1, k.ndim - 2)
    scores = product(q * factor, p.Permute(k, order=swapped))
    if is_causal:
        scores = where(_causal(scores, *scores.shape[-2:]), scores, -inf)
    if attn_mask is not None:
        shape = broadcast_shape(scores.shape, attn_mask.shape)
        if shape is None:
            fail(
                RuntimeError,
                f"The expanded size of the tensor ({scores.shape[-1]}) must match the existing size "
                f"({attn_mask.shape[-1]}) at non-singleton dimension {scores.ndim - 1}.  Target sizes: "
                f"{list(scores.shape)}.  Tensor sizes: {list(attn_mask.shape)}",
            )
        if attn_mask.dtype is bool_:
            scores = where(attn_mask, scores, -inf)
        else:
            scores = scores + p.Convert(attn_mask, dtype=wide)
    weights = _weights(scores)
    if dropout_p:
        keep = keep_mask(weights, weights.shape, seed, dropout_p)
        weights = where(keep, weights * (1 / (1 - dropout_p)), 0)
    return p.Convert(product(weights, v), dtype=of)


@function(functions="", F="scaled_dot_product_attention")
def scaled_dot_product_attention(
    query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False,
) -> Any:  # fmt: skip
    """softmax(query key^T scale + mask) value (Vaswani et al. 2017); scale is 1 / sqrt(width) unless given.

    Shapes: query (..., l, e), key (..., s, e), value (..., s, v); the result is (..., l, v). A mask of bools says
    which keys take part, one of numbers is added to the scores.

    >>> import alight as torch
    >>> one = torch.ones(1, 2, 4)
    >>> torch.nn.functional.scaled_dot_product_attention(one, one, one).shape
    torch.Size([1, 2, 4])
    """
    if attn_mask is not None and is_causal:
        fail(
            RuntimeError,
            "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True",
        )
    if query.dim() < 2 or key.dim() < 2 or value.dim() < 2:
        fail(
            RuntimeError,
            "scaled_dot_product_attention: Expected query, key, and value to all be  at least 2 dimensional, but got "
            f"query.dim(): {query.dim()}, key.dim(): {key.dim()} and value.dim(): {value.dim()} instead.",
        )
    seed = dropout_word() if dropout_p else 0
    return _attention.function(
        query, key, value, attn_mask, seed, float(dropout_p), is_causal, scale, enable_gqa
    )


__all__ = ["constant", "scaled_dot_product_attention"]
