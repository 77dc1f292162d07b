"""Scaled dot-product attention: one step from queries, keys and values to their mixture."""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

from alight import primitives as p
from alight.dtypes import bool_, float32, int64
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import broadcast_error, scalar_type_name
from alight.ops.matmul import c_name, product
from alight.ops.nn.dropout import dropout_word, keep_mask
from alight.ops.nn.softmax import total
from alight.ops.operation import function, op, with_vjp
from alight.primitives.arithmetic import (
    broadcast,
    broadcast_shape,
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
    if have == heads:
        return x
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
                f"The size of tensor a ({scores.shape[-1]}) must match the size of tensor b ({attn_mask.shape[-1]}) at "
                f"non-singleton dimension {scores.ndim - 1}",
                facts=[f"scores {list(scores.shape)}, mask {list(attn_mask.shape)}"],
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


def _check(
    query: Any, key: Any, value: Any, mask: Any, dropout_p: float, is_causal: bool, gqa: bool
) -> None:
    """PyTorch's errors for inputs that do not go together."""
    if min(query.dim(), key.dim(), value.dim()) < 2:
        fail(
            RuntimeError,
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{query.dim()} key.dim: {key.dim()} and value.dim: {value.dim()} instead.",
        )
    if not query.dtype is key.dtype is value.dtype:
        fail(
            RuntimeError,
            f"Expected query, key, and value to have the same dtype, but got query.dtype: {c_name(query)} key.dtype: "
            f"{c_name(key)} and value.dtype: {c_name(value)} instead.",
        )
    if not query.is_floating_point():
        fail(RuntimeError, f"expected scalar type Float but found {scalar_type_name(query.dtype)}")
    if mask is not None and mask.dtype not in (bool_, float32, query.dtype):
        fail(
            RuntimeError,
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
            f"{c_name(mask)} and  query.dtype: {c_name(query)} instead.",
        )
    if mask is not None and is_causal:
        fail(
            RuntimeError,
            "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True",
        )
    if not 0 <= dropout_p <= 1:
        fail(
            RuntimeError,
            f"dropout probability has to be between 0 and 1, but got {dropout_p:g}",
            try_="dropout_p=0.1",
        )
    if gqa:
        heads = query.shape[-3]
        if any(heads % x.shape[-3] for x in (key, value)):
            fail(
                RuntimeError, "Number of heads in key and value must divide the number of heads in "
            )
    _check_shapes(query, key, value, gqa)


def _check_shapes(query: Any, key: Any, value: Any, gqa: bool) -> None:
    batch = query.shape[:-2]
    lead = 1
    for extent in batch:
        lead *= extent
    facts = [f"query {list(query.shape)}, key {list(key.shape)}, value {list(value.shape)}"]
    if query.shape[-1] != key.shape[-1]:
        fail(
            RuntimeError,
            f"Expected size for first two dimensions of batch2 tensor to be: [{lead}, {query.shape[-1]}] but got: "
            f"[{lead}, {key.shape[-1]}].",
            facts=facts,
        )
    if key.shape[-2] != value.shape[-2]:
        fail(
            RuntimeError,
            f"Expected size for first two dimensions of batch2 tensor to be: [{lead}, {key.shape[-2]}] but got: "
            f"[{lead}, {value.shape[-2]}].",
            facts=facts,
        )
    if not gqa and broadcast_shape(batch, key.shape[:-2], value.shape[:-2]) is None:
        broadcast_error([batch, key.shape[:-2], value.shape[:-2]])


@function(functions="", F="scaled_dot_product_attention")
def scaled_dot_product_attention(
    query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False,
) -> Any:  # fmt: skip
    """softmax(query key^T scale + mask) value (Vaswani et al. 2017); scale is 1 / sqrt(width) unless given.

    Shapes: query (..., l, e), key (..., s, e), value (..., s, v); the result is (..., l, v). A mask of bools says
    which keys take part, one of numbers is added to the scores.
    Errors: RuntimeError where shapes or dtypes do not fit, and for a mask together with is_causal.

    >>> import alight as torch
    >>> one = torch.ones(1, 2, 4)
    >>> torch.nn.functional.scaled_dot_product_attention(one, one, one).shape
    torch.Size([1, 2, 4])
    """
    _check(query, key, value, attn_mask, dropout_p, is_causal, enable_gqa)
    seed = dropout_word() if dropout_p else 0
    return _attention.function(
        query, key, value, attn_mask, seed, float(dropout_p), is_causal, scale, enable_gqa
    )


__all__ = ["scaled_dot_product_attention"]
