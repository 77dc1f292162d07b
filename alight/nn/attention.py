"""torch.nn.attention: MultiheadAttention, and the choice of kernels that PyTorch offers and alight does not need."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alight.errors import fail
from alight.nn import init
from alight.nn.linear import Linear
from alight.nn.module import Module
from alight.nn.parameter import new_parameter
from alight.ops.nn.multihead import attend
from alight.ops.operation import TORCH

Tensor = Any


class SDPBackend(enum.IntEnum):
    """Kernels of PyTorch's scaled dot-product attention, for sdpa_kernel.

    >>> import alight as torch
    >>> int(torch.nn.attention.SDPBackend.FLASH_ATTENTION)
    1
    """

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextmanager
def sdpa_kernel(backends: Any, set_priority: bool = False) -> Iterator[None]:
    """Does nothing: alight has one kernel for attention.

    AssertionError where `backends` are no SDPBackend.

    >>> import alight as torch
    >>> from alight.nn.attention import SDPBackend, sdpa_kernel
    >>> with sdpa_kernel(SDPBackend.MATH):
    ...     pass
    """
    given = [backends] if isinstance(backends, SDPBackend) else list(backends)
    if not all(isinstance(one, SDPBackend) for one in given) or not given:
        fail(
            AssertionError,
            "Backend must be an instance of SDPBackend or a list of SDPBackend instances",
        )
    yield


class NonDynamicallyQuantizableLinear(Linear):
    """Linear under the name that PyTorch prints for a projection inside attention.

    >>> import alight as torch
    >>> torch.nn.MultiheadAttention(4, 2).out_proj
    NonDynamicallyQuantizableLinear(in_features=4, out_features=4, bias=True)
    """


class MultiheadAttention(Module):
    """Attention with several heads over parts of the embedding (Vaswani et al. 2017).

    query (queries, n, embed_dim), key (keys, n, kdim) and value (keys, n, vdim) to the output
    (queries, n, embed_dim) and the weights (n, queries, keys), averaged over the heads (None
    with need_weights=False); n comes first with batch_first, and may be missing.
    key_padding_mask (n, keys) and attn_mask (queries, keys) or (n * num_heads, queries, keys):
    bools are True for what is left out, numbers are added to the scores. Parameters:
    in_proj_weight (3 embed_dim, embed_dim), or q_, k_ and v_proj_weight where kdim or vdim
    differ, in_proj_bias (3 embed_dim,), out_proj.weight (embed_dim, embed_dim), out_proj.bias
    (embed_dim,). AssertionError where num_heads does not divide embed_dim, or an input ends in
    another extent.

    >>> import alight as torch
    >>> attention = torch.nn.MultiheadAttention(4, 2, batch_first=True)
    >>> x = torch.ones(1, 3, 4)
    >>> output, weights = attention(x, x, x)
    >>> output.shape, weights.shape
    (torch.Size([1, 3, 4]), torch.Size([1, 3, 3]))
    """

    bias_k: Any
    bias_v: Any

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                "embed_dim and num_heads must be greater than 0, got "
                f"embed_dim={embed_dim} and num_heads={num_heads} instead"
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads, self.dropout, self.batch_first = num_heads, dropout, batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            fail(
                AssertionError,
                "embed_dim must be divisible by num_heads",
                facts=[f"embed_dim is {embed_dim}, num_heads is {num_heads}"],
                try_=f"embed_dim={-(-embed_dim // num_heads) * num_heads}",
            )
        place = {"device": device, "dtype": dtype}
        packed = new_parameter(3 * embed_dim, embed_dim, **place)
        separate = [
            new_parameter(embed_dim, size, **place) for size in (embed_dim, self.kdim, self.vdim)
        ]
        self.register_parameter("in_proj_weight", packed if self._qkv_same_embed_dim else None)
        for name, weight in zip("qkv", separate, strict=True):
            self.register_parameter(
                f"{name}_proj_weight", None if self._qkv_same_embed_dim else weight
            )
        self.register_parameter(
            "in_proj_bias", new_parameter(3 * embed_dim, **place) if bias else None
        )
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, **place)
        self.bias_k = new_parameter(1, 1, embed_dim, **place) if add_bias_kv else None
        self.bias_v = new_parameter(1, 1, embed_dim, **place) if add_bias_kv else None
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in self._in_weights():
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.constant_(self.in_proj_bias, 0.0)
            init.constant_(self.out_proj.bias, 0.0)
        for row in (self.bias_k, self.bias_v):
            if row is not None:
                init.xavier_normal_(row)

    def _in_weights(self) -> tuple[Any, ...]:
        return self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """functional.multi_head_attention_forward with this module's parameters."""
        packed, *separate = self._in_weights()
        return attend(
            query, key, value, self.embed_dim, self.num_heads, packed, self.in_proj_bias, tuple(separate), self.bias_k,
            self.bias_v, self.add_zero_attn, self.dropout if self.training else 0.0, self.out_proj.weight,
            self.out_proj.bias, key_padding_mask, need_weights, attn_mask, average_attn_weights, is_causal,
            batch_first=self.batch_first,
        )  # fmt: skip

    def merge_masks(
        self, attn_mask: Tensor | None, key_padding_mask: Tensor | None, query: Tensor
    ) -> tuple[Tensor | None, int | None]:
        """Both masks as one (batch, heads, queries, keys), and the kind: 0 for attn, 1 for padding, 2 for both."""
        if key_padding_mask is None:
            return attn_mask, None if attn_mask is None else 0
        if attn_mask is None:
            return key_padding_mask, 1
        n, length = query.shape[0], query.shape[1]
        if attn_mask.dim() == 3:
            attn = attn_mask.view(n, -1, length, length)
        else:
            attn = attn_mask.view(1, 1, length, length).expand(n, self.num_heads, -1, -1)
        padding = key_padding_mask.view(n, 1, 1, length).expand(-1, self.num_heads, -1, -1)
        return TORCH["add"](attn, padding), 2


def __dir__() -> list[str]:
    return list(__all__)


__all__ = ["MultiheadAttention", "NonDynamicallyQuantizableLinear", "SDPBackend", "sdpa_kernel"]
