"""Attention with several heads: projections, masks, heads, and the way back, as one step.

Inside, all values are (batch, heads, length, width). Masks of bools say what is left out; they become -inf, and masks
of numbers are added to the scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, sqrt
from typing import Any

from alight import primitives as p
from alight.dtypes import bool_
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.matmul import product
from alight.ops.nn.attention import _weights
from alight.ops.nn.dropout import dropout_word, keep_mask
from alight.ops.nn.softmax import _softmax
from alight.ops.operation import function, op
from alight.primitives.arithmetic import broadcast, constant, where
from alight.record.meta import Size

Scalar = Any
Tensors = Any
Shape = tuple[int, ...]


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    out = p.DotGeneral(x, weight, batch=((), ()), contract=((x.ndim - 1,), (1,)))
    return out if bias is None else out + bias


def _third(x: Tensor, first: int, last: int) -> Tensor:
    """Parts `first` to `last` - 1 of the three that a weight or bias has along axis 0."""
    size = x.shape[0] // 3
    starts, stops = [0] * x.ndim, list(x.shape)
    starts[0], stops[0] = first * size, last * size
    return p.Slice(x, starts=tuple(starts), stops=tuple(stops), steps=(1,) * x.ndim)


def _projected(
    inputs: Sequence[Tensor], packed: Tensor | None, bias: Tensor | None, weights: Sequence[Tensor]
) -> list[Tensor]:
    """Queries, keys and values; inputs that are the same tensor share one product."""
    if packed is None:
        biases = [None if bias is None else _third(bias, i, i + 1) for i in range(3)]
        return [_linear(x, w, b) for x, w, b in zip(inputs, weights, biases, strict=True)]
    found: list[Tensor] = []
    while len(found) < 3:
        first = last = len(found)
        while last < 3 and inputs[last].id == inputs[first].id:
            last += 1
        b = None if bias is None else _third(bias, first, last)
        out = _linear(inputs[first], _third(packed, first, last), b)
        width = out.shape[-1] // (last - first)
        lead = out.ndim - 1
        for i in range(last - first):
            found.append(
                p.Slice(
                    out,
                    starts=(*(0,) * lead, i * width),
                    stops=(*out.shape[:-1], (i + 1) * width),
                    steps=(1,) * out.ndim,
                )
            )
    return found


def _heads(x: Tensor, heads: int) -> Tensor:
    """(batch, length, heads * width) as (batch, heads, length, width)."""
    n, length, size = x.shape
    return p.Permute(p.Reshape(x, shape=(n, length, heads, size // heads)), order=(0, 2, 1, 3))


def _longer(x: Tensor, row: Tensor | None) -> Tensor:
    """Keys or values (batch, length, size) with a learned element at the end, if there is one."""
    if row is None:
        return x
    n, _, size = x.shape
    return p.Concat(x, broadcast(p.Reshape(row, shape=(1, 1, size)), (n, 1, size)), axis=1)


def _as_scores(mask: Tensor, like: Tensor) -> Tensor:
    """A mask as numbers to add."""
    if mask.dtype is bool_:
        return where(mask, -inf, constant(like, 0, mask.shape))
    return p.Convert(mask, dtype=like.dtype)


def _mask(
    attn_mask: Tensor | None, padding: Tensor | None, like: Tensor, heads: int, more: int
) -> Tensor | None:
    """Both masks as one sum that broadcasts to (batch, heads, queries, keys); `more` keys at the end are open."""
    total = None
    if attn_mask is not None:
        total = _as_scores(attn_mask, like)
        if total.ndim == 3:
            total = p.Reshape(total, shape=(total.shape[0] // heads, heads, *total.shape[1:]))
        else:
            total = p.Reshape(total, shape=(1, 1, *total.shape))
    if padding is not None:
        n, keys = padding.shape
        spread = p.Reshape(_as_scores(padding, like), shape=(n, 1, 1, keys))
        total = spread if total is None else total + spread
    if total is None or not more:
        return total
    return p.Pad(total, low=(0, 0, 0, 0), high=(0, 0, 0, more))


@op(functions="")
def _multi_head_attention(
    query: Tensor, key: Tensor, value: Tensor, in_weight: Tensor | None, in_bias: Tensor | None, weights: Tensors,
    extra: Tensors, static_k: Tensor | None, static_v: Tensor | None, out_weight: Tensor, out_bias: Tensor | None,
    key_padding_mask: Tensor | None, attn_mask: Tensor | None, seed: Scalar, heads: int, add_zero_attn: bool,
    dropout_p: float, batch_first: bool, need_weights: bool, average: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    """The outputs, and the weights if wanted; (length, batch, size) or with batch_first (batch, length, size)."""
    turned: dict[int, Tensor] = {}  # the same tensor stays the same value
    for x in (query, key, value):
        if x.id not in turned:
            turned[x.id] = x if batch_first else p.Permute(x, order=(1, 0, 2))
    q, k, v = _projected([turned[x.id] for x in (query, key, value)], in_weight, in_bias, weights)
    bias_k, bias_v = extra or (None, None)
    k, v = _longer(k, bias_k), _longer(v, bias_v)
    n = q.shape[0]
    q, k, v = (_heads(x, heads) for x in (q, k, v))
    if static_k is not None:
        k = p.Reshape(static_k, shape=(n, heads, *static_k.shape[1:]))
    if static_v is not None:
        v = p.Reshape(static_v, shape=(n, heads, *static_v.shape[1:]))
    if add_zero_attn:
        k, v = (p.Pad(x, low=(0,) * 4, high=(0, 0, 1, 0)) for x in (k, v))
    scores = product(q * (1 / sqrt(q.shape[-1])), p.Permute(k, order=(0, 1, 3, 2)))
    mask = _mask(attn_mask, key_padding_mask, scores, heads, len(extra) // 2 + add_zero_attn)
    if mask is not None:
        scores = scores + mask
    shares = _softmax(scores, 3) if need_weights else _weights(scores)
    if dropout_p:
        keep = keep_mask(shares, shares.shape, seed, dropout_p)
        shares = where(keep, shares * (1 / (1 - dropout_p)), 0) if dropout_p < 1 else shares * 0
    mixed = p.Permute(product(shares, v), order=(0, 2, 1, 3))
    out = _linear(
        p.Reshape(mixed, shape=(n, mixed.shape[1], heads * mixed.shape[3])), out_weight, out_bias
    )
    out = out if batch_first else p.Permute(out, order=(1, 0, 2))
    if not need_weights:
        return (out,)
    return out, p.Sum(shares, axes=(1,)) / heads if average else shares


# -- checks ---------------------------------------------------------------------------------------------------------------


def _check_ranks(query: Any, key: Any, value: Any, padding: Any, mask: Any, heads: int) -> bool:
    """Whether there is a batch; AssertionError with PyTorch's sentence where ranks do not go together."""
    if query.dim() not in (2, 3):
        fail(
            AssertionError,
            "query should be unbatched 2D or batched 3D tensor but received "
            f"{query.dim()}-D query tensor",
        )
    rank = query.dim()
    which = f"For {'batched' if rank == 3 else 'unbatched'} ({rank}-D) `query`, expected"
    if key.dim() != rank or value.dim() != rank:
        fail(
            AssertionError,
            f"{which} `key` and `value` to be {rank}-D but found {key.dim()}-D and {value.dim()}-D tensors respectively",
        )
    if padding is not None and padding.dim() != rank - 1:
        fail(
            AssertionError,
            f"{which} `key_padding_mask` to be `None` or {rank - 1}-D but found {padding.dim()}-D tensor instead",
        )
    if mask is not None and mask.dim() not in (2, 3):
        fail(
            AssertionError,
            f"{which} `attn_mask` to be `None`, 2-D or 3-D but found {mask.dim()}-D tensor instead",
        )
    if mask is not None and rank == 2 and mask.dim() == 3:
        expected = (heads, query.shape[0], key.shape[0])
        if tuple(mask.shape) != expected:
            fail(
                AssertionError,
                f"Expected `attn_mask` shape to be {expected} but got {mask.shape}",
            )
    return rank == 3


def _check_mask_dtypes(padding: Any, mask: Any, names: tuple[str, str]) -> None:
    for one, name in zip((padding, mask), names, strict=True):
        if one is not None and one.dtype is not bool_ and not one.is_floating_point():
            fail(AssertionError, f"only bool and floating types of {name} are supported")


def _check_sizes(
    query: Shape, key: Shape, value: Shape, padding: Any, mask: Any, embed: int, heads: int
) -> None:
    """Shapes (length, batch, size) and masks go together."""
    length, n, size = query
    if size % heads:
        fail(AssertionError, f"embed_dim {size} not divisible by num_heads {heads}")
    if key[:2] != value[:2]:
        fail(
            AssertionError,
            f"key's sequence and batch dims {Size(key[:2])} do not match value's {Size(value[:2])}",
        )
    keys = key[0]
    if mask is not None:
        expected = (length, keys) if mask.dim() == 2 else (n * heads, length, keys)
        if tuple(mask.shape) != expected:
            fail(
                RuntimeError,
                f"The shape of the {mask.dim()}D attn_mask is {mask.shape}, but should be {expected}.",
            )
    if padding is not None:
        for axis, size in enumerate((n, keys)):
            if padding.shape[axis] != size:
                fail(
                    AssertionError,
                    f"Expected key_padded_mask.shape[{axis}] to be {size}, but got {padding.shape[axis]}",
                )


def _check_weights(embed: int, key: Shape, value: Shape, in_weight: Any, weights: Any) -> None:
    if in_weight is not None:
        if key != value:
            fail(
                AssertionError,
                f"key shape {Size(key)} does not match value shape {Size(value)}",
            )
        if key[-1] != embed:
            fail(
                RuntimeError,
                f"mat1 and mat2 shapes cannot be multiplied ({key[0] * key[1]}x{key[-1]} and {embed}x"
                f"{in_weight.shape[0]})",
            )
        return
    for name, x, w in zip(("key", "value"), (key, value), weights[1:], strict=True):
        if tuple(w.shape) != (embed, x[-1]):
            fail(
                AssertionError,
                f"expecting {name} weights shape of {(embed, x[-1])}, but got {w.shape}",
            )


def attend(
    query: Any, key: Any, value: Any, embed: int, heads: int, in_weight: Any, in_bias: Any, weights: tuple[Any, ...],
    bias_k: Any, bias_v: Any, add_zero_attn: bool, dropout_p: float, out_weight: Any, out_bias: Any, padding: Any,
    need_weights: bool, mask: Any, average: bool, is_causal: bool, static_k: Any = None, static_v: Any = None,
    batch_first: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """Check, add a batch of one where there is none, and take the step."""
    batched = _check_ranks(query, key, value, padding, mask, heads)
    if not batched:
        q, k, v = query.unsqueeze(0), None, None
        k = q if key is query else key.unsqueeze(0)
        v = k if value is key else value.unsqueeze(0)
        query, key, value, batch_first = q, k, v, True
        padding = None if padding is None else padding.unsqueeze(0)
    _check_mask_dtypes(padding, mask, ("key_padding_mask", "attn_mask"))
    if is_causal and mask is None:
        fail(
            RuntimeError,
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask.",
        )
    shapes = [tuple(x._meta.shape) for x in (query, key, value)]
    if batch_first:
        shapes = [(shape[1], shape[0], shape[2]) for shape in shapes]
    if shapes[0][2] != embed:
        fail(
            AssertionError, f"was expecting embedding dimension of {embed}, but got {shapes[0][2]}"
        )
    _check_weights(embed, shapes[1], shapes[2], in_weight, weights)
    _check_sizes(shapes[0], shapes[1], shapes[2], padding, mask, embed, heads)
    seed = dropout_word() if dropout_p else 0
    extra = () if bias_k is None or bias_v is None else (bias_k, bias_v)
    made = _multi_head_attention.function(
        query, key, value, in_weight, in_bias, weights if in_weight is None else (), extra, static_k, static_v,
        out_weight, out_bias, padding, mask, seed, heads, bool(add_zero_attn), float(dropout_p), bool(batch_first),
        bool(need_weights), bool(average),
    )  # fmt: skip
    results = tuple(made) if batched else tuple(one.squeeze(0) for one in made)
    return results if need_weights else (results[0], None)  # type: ignore[return-value]


@function(functions="", F="multi_head_attention_forward")
def multi_head_attention_forward(
    query: Any, key: Any, value: Any, embed_dim_to_check: int, num_heads: int, in_proj_weight: Any, in_proj_bias: Any,
    bias_k: Any, bias_v: Any, add_zero_attn: bool, dropout_p: float, out_proj_weight: Any, out_proj_bias: Any,
    training: bool = True, key_padding_mask: Any = None, need_weights: bool = True, attn_mask: Any = None,
    use_separate_proj_weight: bool = False, q_proj_weight: Any = None, k_proj_weight: Any = None,
    v_proj_weight: Any = None, static_k: Any = None, static_v: Any = None, average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """What torch.nn.MultiheadAttention computes, with its parameters as arguments.

    Shapes: query (queries, batch, size), key and value (keys, batch, ...), or without the batch. Results: the output
    like query, and the weights (batch, queries, keys), or None.
    Errors: AssertionError or RuntimeError where shapes do not fit.

    >>> import alight as torch
    >>> x, F = torch.ones(3, 2, 4), torch.nn.functional
    >>> eye = torch.eye(4)
    >>> args = eye.repeat(3, 1), torch.zeros(12), None, None, False, 0.0, eye, torch.zeros(4)
    >>> output, weights = F.multi_head_attention_forward(x, x, x, 4, 2, *args)
    >>> output.shape, weights.shape
    (torch.Size([3, 2, 4]), torch.Size([2, 3, 3]))
    """
    separate = (q_proj_weight, k_proj_weight, v_proj_weight)
    return attend(
        query, key, value, embed_dim_to_check, num_heads, None if use_separate_proj_weight else in_proj_weight,
        in_proj_bias, separate, bias_k, bias_v, add_zero_attn, dropout_p if training else 0.0, out_proj_weight,
        out_proj_bias, key_padding_mask, need_weights, attn_mask, average_attn_weights, is_causal, static_k, static_v,
    )  # fmt: skip


__all__ = ["attend", "multi_head_attention_forward"]
