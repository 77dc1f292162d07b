"""Attention: scores with a mask, several heads, positions, and the blocks of a transformer's encoder."""

from __future__ import annotations

import math
from typing import Any

import alight as torch
from alight import nn
from alight.lessons.translation import Decoder, Encoder, sequence_mask
from alight.nn import functional as F

Tensor = torch.Tensor
MASKED = -1e6  # a score whose softmax is zero


def masked_softmax(X: Tensor, valid_lens: Tensor | None) -> Tensor:
    """Softmax over the last dimension of (n, queries, keys); keys from `valid_lens` on get no weight.

    >>> import alight as torch
    >>> from alight.lessons import masked_softmax
    >>> masked_softmax(torch.zeros(1, 1, 4), torch.tensor([2]))
    tensor([[[0.5000, 0.5000, 0.0000, 0.0000]]])
    """
    if valid_lens is None:
        return F.softmax(X, dim=-1)
    shape = X.shape
    lens = (
        torch.repeat_interleave(valid_lens, shape[1])
        if valid_lens.dim() == 1
        else valid_lens.reshape(-1)
    )
    X = sequence_mask(X.reshape(-1, shape[-1]), lens, value=MASKED)
    return F.softmax(X.reshape(shape), dim=-1)


class AdditiveAttention(nn.Module):
    """Scores `w · tanh(Wq q + Wk k)` (Bahdanau et al. 2015), masked, then the weighted mean of the
    values.

    queries (n, q, query_size), keys (n, k, key_size), values (n, k, v) and valid_lens (n,) or
    (n, q) to (n, q, v).

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> attention = d2l.AdditiveAttention(key_size=2, query_size=3, num_hiddens=8, dropout=0.0)
    >>> q, k, v = torch.ones(1, 1, 3), torch.ones(1, 4, 2), torch.arange(4.).reshape(1, 4, 1)
    >>> attention(q, k, v, torch.tensor([2])).detach()
    tensor([[[0.5000]]])
    """

    def __init__(
        self, key_size: int, query_size: int, num_hiddens: int, dropout: float, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.W_k = nn.Linear(key_size, num_hiddens, bias=False)
        self.W_q = nn.Linear(query_size, num_hiddens, bias=False)
        self.w_v = nn.Linear(num_hiddens, 1, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, queries: Tensor, keys: Tensor, values: Tensor, valid_lens: Tensor | None
    ) -> Tensor:
        """(n, queries, value size)."""
        queries, keys = self.W_q(queries), self.W_k(keys)
        features = torch.tanh(queries.unsqueeze(2) + keys.unsqueeze(1))
        scores = self.w_v(features).squeeze(-1)
        self.attention_weights = masked_softmax(scores, valid_lens)
        return torch.bmm(self.dropout(self.attention_weights), values)


class DotProductAttention(nn.Module):
    """Scores `q · k / sqrt(d)` (Vaswani et al. 2017), masked, then the weighted mean of the
    values.

    queries (n, q, d), keys (n, k, d), values (n, k, v) and valid_lens (n,) or (n, q) to (n, q,
    v).

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> q, k, v = torch.ones(1, 1, 2), torch.ones(1, 4, 2), torch.arange(4.).reshape(1, 4, 1)
    >>> d2l.DotProductAttention(dropout=0.0)(q, k, v, torch.tensor([2]))
    tensor([[[0.5000]]])
    """

    def __init__(self, dropout: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, queries: Tensor, keys: Tensor, values: Tensor, valid_lens: Tensor | None = None
    ) -> Tensor:
        """(n, queries, value size)."""
        scores = torch.bmm(queries, keys.transpose(1, 2)) / math.sqrt(queries.shape[-1])
        self.attention_weights = masked_softmax(scores, valid_lens)
        return torch.bmm(self.dropout(self.attention_weights), values)


def transpose_qkv(X: Tensor, num_heads: int) -> Tensor:
    """(n, steps, hiddens) as (n * heads, steps, hiddens / heads): each head by itself.

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> d2l.transpose_qkv(torch.ones(2, 3, 8), num_heads=4).shape
    torch.Size([8, 3, 2])
    """
    X = X.reshape(X.shape[0], X.shape[1], num_heads, -1).permute(0, 2, 1, 3)
    return X.reshape(-1, X.shape[2], X.shape[3])


def transpose_output(X: Tensor, num_heads: int) -> Tensor:
    """What `transpose_qkv` did, undone: (n * heads, steps, hiddens / heads) to (n, steps,
    hiddens).

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> d2l.transpose_output(torch.ones(8, 3, 2), num_heads=4).shape
    torch.Size([2, 3, 8])
    """
    X = X.reshape(-1, num_heads, X.shape[1], X.shape[2]).permute(0, 2, 1, 3)
    return X.reshape(X.shape[0], X.shape[1], -1)


class MultiHeadAttention(nn.Module):
    """Dot-product attention in several heads side by side: (n, q, size) three times to (n, q,
    num_hiddens).

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> attention = d2l.MultiHeadAttention(8, 8, 8, num_hiddens=8, num_heads=2, dropout=0.0)
    >>> x = torch.ones(2, 4, 8)
    >>> attention(x, x, x, torch.tensor([3, 2])).shape
    torch.Size([2, 4, 8])
    """

    def __init__(
        self,
        key_size: int,
        query_size: int,
        value_size: int,
        num_hiddens: int,
        num_heads: int,
        dropout: float,
        bias: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.attention = DotProductAttention(dropout)
        self.W_q = nn.Linear(query_size, num_hiddens, bias=bias)
        self.W_k = nn.Linear(key_size, num_hiddens, bias=bias)
        self.W_v = nn.Linear(value_size, num_hiddens, bias=bias)
        self.W_o = nn.Linear(num_hiddens, num_hiddens, bias=bias)

    def forward(
        self, queries: Tensor, keys: Tensor, values: Tensor, valid_lens: Tensor | None
    ) -> Tensor:
        """(n, queries, hiddens)."""
        queries, keys, values = (
            transpose_qkv(weight(x), self.num_heads)
            for weight, x in ((self.W_q, queries), (self.W_k, keys), (self.W_v, values))
        )
        if valid_lens is not None:
            valid_lens = torch.repeat_interleave(valid_lens, repeats=self.num_heads, dim=0)
        output = self.attention(queries, keys, values, valid_lens)
        return self.W_o(transpose_output(output, self.num_heads))


class PositionalEncoding(nn.Module):
    """Sines and cosines of many wave lengths added to the positions (Vaswani et al. 2017, 3.5):
    (n, steps, num_hiddens).

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> d2l.PositionalEncoding(num_hiddens=4, dropout=0.0)(torch.zeros(1, 2, 4))
    tensor([[[0.0000, 1.0000, 0.0000, 1.0000],
             [0.8415, 0.5403, 0.0100, 0.9999]]])
    """

    def __init__(self, num_hiddens: int, dropout: float, max_len: int = 1000) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.P = torch.zeros((1, max_len, num_hiddens))
        position = torch.arange(max_len, dtype=torch.float32).reshape(-1, 1)
        wave = torch.pow(10000, torch.arange(0, num_hiddens, 2, dtype=torch.float32) / num_hiddens)
        self.P[:, :, 0::2] = torch.sin(position / wave)
        self.P[:, :, 1::2] = torch.cos(position / wave)

    def forward(self, X: Tensor) -> Tensor:
        """X (n, steps, hiddens) with its positions' encodings added."""
        return self.dropout(X + self.P[:, : X.shape[1], :].to(X.device))


class AttentionDecoder(Decoder):
    """A decoder that tells its attention weights.

    >>> from alight import lessons as d2l
    >>> issubclass(d2l.AttentionDecoder, d2l.Decoder)
    True
    """

    @property
    def attention_weights(self) -> Any:
        """The weights of the last call; subclasses have them."""
        raise NotImplementedError


class PositionWiseFFN(nn.Module):
    """Two linear layers with a ReLU between, at each position: (n, steps, inputs) to (n, steps,
    outputs).

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> d2l.PositionWiseFFN(4, 8, 2)(torch.ones(2, 3, 4)).shape
    torch.Size([2, 3, 2])
    """

    def __init__(
        self, ffn_num_input: int, ffn_num_hiddens: int, ffn_num_outputs: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.dense1 = nn.Linear(ffn_num_input, ffn_num_hiddens)
        self.relu = nn.ReLU()
        self.dense2 = nn.Linear(ffn_num_hiddens, ffn_num_outputs)

    def forward(self, X: Tensor) -> Tensor:
        """(n, steps, outputs)."""
        return self.dense2(self.relu(self.dense1(X)))


class AddNorm(nn.Module):
    """A way around a layer, then layer normalisation: `ln(dropout(Y) + X)`.

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> d2l.AddNorm([3, 4], dropout=0.0)(torch.ones(2, 3, 4), torch.ones(2, 3, 4)).shape
    torch.Size([2, 3, 4])
    """

    def __init__(self, normalized_shape: Any, dropout: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dropout = nn.Dropout(dropout)
        self.ln = nn.LayerNorm(normalized_shape)

    def forward(self, X: Tensor, Y: Tensor) -> Tensor:
        """`X` went into the layer, `Y` came out of it."""
        return self.ln(self.dropout(Y) + X)


class EncoderBlock(nn.Module):
    """Self-attention and a feed-forward network, each with a way around: (n, steps, num_hiddens)
    to the same shape.

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> block = d2l.EncoderBlock(8, 8, 8, 8, [4, 8], 8, 16, num_heads=2, dropout=0.0).eval()
    >>> block(torch.ones(2, 4, 8), torch.tensor([3, 2])).shape
    torch.Size([2, 4, 8])
    """

    def __init__(
        self,
        key_size: int,
        query_size: int,
        value_size: int,
        num_hiddens: int,
        norm_shape: Any,
        ffn_num_input: int,
        ffn_num_hiddens: int,
        num_heads: int,
        dropout: float,
        use_bias: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        sizes = key_size, query_size, value_size, num_hiddens
        self.attention = MultiHeadAttention(*sizes, num_heads, dropout, use_bias)
        self.addnorm1 = AddNorm(norm_shape, dropout)
        self.ffn = PositionWiseFFN(ffn_num_input, ffn_num_hiddens, num_hiddens)
        self.addnorm2 = AddNorm(norm_shape, dropout)

    def forward(self, X: Tensor, valid_lens: Tensor | None) -> Tensor:
        """(n, steps, hiddens)."""
        Y = self.addnorm1(X, self.attention(X, X, X, valid_lens))
        return self.addnorm2(Y, self.ffn(Y))


class TransformerEncoder(Encoder):
    """An embedding, positions, and `num_layers` blocks: tokens (n, steps) to (n, steps,
    num_hiddens).

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> encoder = d2l.TransformerEncoder(20, 8, 8, 8, 8, [4, 8], 8, 16, 2, 2, dropout=0.0)
    >>> encoder(torch.ones(2, 4, dtype=torch.int64), torch.tensor([3, 2])).shape
    torch.Size([2, 4, 8])
    """

    def __init__(
        self,
        vocab_size: int,
        key_size: int,
        query_size: int,
        value_size: int,
        num_hiddens: int,
        norm_shape: Any,
        ffn_num_input: int,
        ffn_num_hiddens: int,
        num_heads: int,
        num_layers: int,
        dropout: float,
        use_bias: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_hiddens = num_hiddens
        self.embedding = nn.Embedding(vocab_size, num_hiddens)
        self.pos_encoding = PositionalEncoding(num_hiddens, dropout)
        self.blks = nn.Sequential()
        for i in range(num_layers):
            block = EncoderBlock(
                key_size,
                query_size,
                value_size,
                num_hiddens,
                norm_shape,
                ffn_num_input,
                ffn_num_hiddens,
                num_heads,
                dropout,
                use_bias,
            )
            self.blks.add_module(f"block{i}", block)

    def forward(self, X: Tensor, valid_lens: Tensor | None, *args: Any) -> Tensor:
        """(n, steps, hiddens) for tokens (n, steps)."""
        X = self.pos_encoding(self.embedding(X) * math.sqrt(self.num_hiddens))
        self.attention_weights: list[Any] = [None] * len(self.blks)
        for i, block in enumerate(self.blks):
            X = block(X, valid_lens)
            self.attention_weights[i] = block.attention.attention.attention_weights
        return X
