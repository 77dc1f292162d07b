"""The transformer (Vaswani et al. 2017): encoder and decoder layers, stacks of them, and the whole."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from alight.dtypes import bool_
from alight.errors import fail
from alight.nn import functional as F
from alight.nn import init
from alight.nn.attention import MultiheadAttention
from alight.nn.container import ModuleList
from alight.nn.dropout import Dropout
from alight.nn.linear import Linear
from alight.nn.module import Module
from alight.nn.norm import LayerNorm
from alight.ops.operation import TORCH
from alight.record.recorder import thread

Tensor = Any
Activation = str | Callable[[Any], Any]


def _get_activation_fn(activation: Activation) -> Callable[[Any], Any]:
    if not isinstance(activation, str):
        return activation
    if activation not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be relu/gelu, not {activation}")
    found: Callable[[Any], Any] = getattr(F, activation)
    return found


def _canonical(mask: Tensor | None, name: str, like: Tensor) -> Any:
    """A mask of bools as numbers; PyTorch's error for other dtypes."""
    if mask is None:
        return None
    if mask.dtype is not bool_:
        if not mask.is_floating_point():
            fail(AssertionError, f"only bool and floating types of {name} are supported")
        return mask
    zeros = TORCH["zeros"](mask.shape, dtype=like.dtype, device=like.device)
    return zeros.masked_fill_(mask, float("-inf"))


class _Layer(Module):
    """Common part of encoder and decoder layers."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        place = {"device": device, "dtype": dtype}
        attention = {"dropout": dropout, "bias": bias, "batch_first": batch_first, **place}
        self.self_attn = MultiheadAttention(d_model, nhead, **attention)  # type: ignore[arg-type]
        if self.norm_count == 3:
            self.multihead_attn = MultiheadAttention(d_model, nhead, **attention)  # type: ignore[arg-type]
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **place)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **place)
        self.norm_first = norm_first
        for i in range(1, self.norm_count + 1):
            norm = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **place)
            self.add_module(f"norm{i}", norm)
        for i in range(1, self.norm_count + 1):
            self.add_module(f"dropout{i}", Dropout(dropout))
        self.activation = _get_activation_fn(activation)

    norm_count = 2

    def _attended(
        self, attention: Any, x: Tensor, memory: Tensor, mask: Any, padding: Any, is_causal: bool, drop: Any
    ) -> Tensor:  # fmt: skip
        found = attention(
            x, memory, memory, attn_mask=mask, key_padding_mask=padding, is_causal=is_causal, need_weights=False
        )  # fmt: skip
        return drop(found[0])

    def _fed_forward(self, x: Tensor, drop: Any) -> Tensor:
        return drop(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerEncoderLayer(_Layer):
    """Self-attention, then two linear layers; each with dropout, a residual and a layer norm.

    (length, n, d_model), with batch_first (n, length, d_model), or (length, d_model), to the
    same shape. The norms come after the additions, or with norm_first before what is added.
    Parts: self_attn, linear1 (d_model to dim_feedforward), linear2, norm1, norm2. Masks of
    bools are True for what is left out. AssertionError where nhead does not divide d_model.

    >>> import alight as torch
    >>> layer = torch.nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    >>> layer(torch.ones(2, 5, 8)).shape
    torch.Size([2, 5, 8])
    """

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """src through the layer; masks of bools are True for what is left out."""
        padding = _canonical(src_key_padding_mask, "src_key_padding_mask", src)
        mask = _canonical(src_mask, "src_mask", src)

        def attended(x: Tensor) -> Tensor:
            return self._attended(self.self_attn, x, x, mask, padding, is_causal, self.dropout1)

        x = src
        if self.norm_first:
            x = x + attended(self.norm1(x))
            return x + self._fed_forward(self.norm2(x), self.dropout2)
        x = self.norm1(x + attended(x))
        return self.norm2(x + self._fed_forward(x, self.dropout2))


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to the encoder's output, then two linear layers.

    tgt (length, n, d_model) and memory (its length, n, d_model), with batch_first n first, to
    tgt's shape. Parts: self_attn, multihead_attn, linear1, linear2, norm1 to norm3.
    AssertionError where nhead does not divide d_model.

    >>> import alight as torch
    >>> layer = torch.nn.TransformerDecoderLayer(8, 2, dim_feedforward=16)
    >>> layer(torch.ones(5, 2, 8), torch.ones(3, 2, 8)).shape
    torch.Size([5, 2, 8])
    """

    norm_count = 3

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """tgt through the layer, with a look at memory."""

        def own(x: Tensor) -> Tensor:
            return self._attended(
                self.self_attn, x, x, tgt_mask, tgt_key_padding_mask, tgt_is_causal, self.dropout1
            )

        def other(x: Tensor) -> Tensor:
            return self._attended(
                self.multihead_attn, x, memory, memory_mask, memory_key_padding_mask, memory_is_causal, self.dropout2
            )  # fmt: skip

        x = tgt
        if self.norm_first:
            x = x + own(self.norm1(x))
            x = x + other(self.norm2(x))
            return x + self._fed_forward(self.norm3(x), self.dropout3)
        x = self.norm1(x + own(x))
        x = self.norm2(x + other(x))
        return self.norm3(x + self._fed_forward(x, self.dropout3))


def _get_clones(layer: Module, count: int) -> ModuleList:
    return ModuleList([copy.deepcopy(layer) for _ in range(count)])


class TransformerEncoder(Module):
    """A stack of copies of an encoder layer, and a norm at the end if one is given.

    (length, n, d_model), with batch_first layers (n, length, d_model), to the same shape. As in
    PyTorch, padded places of the output are 0 where it would take its path for inference:
    evaluation mode, no gradients, a key padding mask with the padding at the end, and a layer
    with batch_first and without norm_first.

    >>> import alight as torch
    >>> layer = torch.nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    >>> torch.nn.TransformerEncoder(layer, num_layers=2)(torch.ones(2, 5, 8)).shape
    torch.Size([2, 5, 8])
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _get_clones(encoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """src through all layers."""
        given = src_key_padding_mask
        padding = _canonical(given, "src_key_padding_mask", src)
        mask = _canonical(mask, "mask", src)
        x = src
        for layer in self.layers:
            x = layer(
                x, src_mask=mask, is_causal=bool(is_causal) and mask is not None, src_key_padding_mask=padding
            )  # fmt: skip
        if given is not None and mask is None and self._drops_padding(src):
            x = self._without_padding(x, given)
        return x if self.norm is None else self.norm(x)

    def _drops_padding(self, src: Tensor) -> bool:
        """Whether PyTorch would leave the padding out of the computation."""
        layer = self.layers[0] if len(self.layers) else None
        return (
            self.enable_nested_tensor
            and isinstance(layer, TransformerEncoderLayer)
            and not layer.training
            and src.dim() == 3
            and layer.self_attn.batch_first
            and layer.self_attn.in_proj_bias is not None
            and not layer.norm_first
            and getattr(layer.activation, "__name__", "") in ("relu", "gelu")
            and layer.self_attn.num_heads % 2 == 0
            and layer.norm1.eps == layer.norm2.eps
            and not (
                thread.recorder.grad_enabled
                and (src.requires_grad or any(one.requires_grad for one in layer.parameters()))
            )
        )

    def _without_padding(self, x: Tensor, padding: Tensor) -> Tensor:
        left_out = padding if padding.dtype is bool_ else padding == float("-inf")
        if self.mask_check:  # only padding at the end
            at_the_end = (left_out[:, 1:] | ~left_out[:, :-1]).all()
            left_out = left_out & at_the_end
        return x.masked_fill(left_out.unsqueeze(-1), 0.0)


class TransformerDecoder(Module):
    """A stack of copies of a decoder layer, and a norm at the end if one is given.

    tgt (length, n, d_model) and memory (its length, n, d_model), with batch_first layers n
    first, to tgt's shape.

    >>> import alight as torch
    >>> layer = torch.nn.TransformerDecoderLayer(8, 2, dim_feedforward=16)
    >>> decoder = torch.nn.TransformerDecoder(layer, num_layers=2)
    >>> decoder(torch.ones(5, 2, 8), torch.ones(3, 2, 8)).shape
    torch.Size([5, 2, 8])
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _get_clones(decoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """tgt through all layers, each with a look at memory."""
        x = tgt
        for layer in self.layers:
            x = layer(
                x, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=bool(tgt_is_causal) and tgt_mask is not None, memory_is_causal=memory_is_causal,
            )  # fmt: skip
        return x if self.norm is None else self.norm(x)


class Transformer(Module):
    """Encoder and decoder with attention (Vaswani et al. 2017).

    Weights are drawn as Glorot and Bengio (2010) have it. src (source length, n, d_model) and
    tgt (target length, n, d_model), with batch_first n first, to tgt's shape. Embeddings,
    positions and the layer that gives scores are the caller's. RuntimeError where the batches
    or d_model differ.

    >>> import alight as torch
    >>> model = torch.nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
    >>> mask = model.generate_square_subsequent_mask(3)
    >>> model(torch.ones(2, 5, 8), torch.ones(2, 3, 8), tgt_mask=mask).shape
    torch.Size([2, 3, 8])
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        layer = (
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, device,
            dtype,
        )  # fmt: skip

        def norm() -> LayerNorm:
            return LayerNorm(d_model, eps=layer_norm_eps, bias=bias, device=device, dtype=dtype)

        if custom_encoder is not None:
            self.encoder = custom_encoder
        else:
            self.encoder = TransformerEncoder(
                TransformerEncoderLayer(*layer), num_encoder_layers, norm()
            )
        if custom_decoder is not None:
            self.decoder = custom_decoder
        else:
            self.decoder = TransformerDecoder(
                TransformerDecoderLayer(*layer), num_decoder_layers, norm()
            )
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.dim() > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """src and tgt to an output like tgt."""
        if src.dim() == 3 and src.size(0 if self.batch_first else 1) != tgt.size(
            0 if self.batch_first else 1
        ):
            raise RuntimeError("the batch number of src and tgt must be equal")
        if src.size(-1) != self.d_model or tgt.size(-1) != self.d_model:
            raise RuntimeError("the feature number of src and tgt must be equal to d_model")
        memory = self.encoder(
            src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal
        )
        return self.decoder(
            tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )  # fmt: skip

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """0 on and below the diagonal, -inf above: each place sees itself and those before it. (sz,
        sz).

        >>> import alight as torch
        >>> torch.nn.Transformer.generate_square_subsequent_mask(2)
        tensor([[0., -inf],
                [0., 0.]])
        """
        mask = TORCH["full"]((sz, sz), float("-inf"), device=device, dtype=dtype)
        return mask.triu(1)


__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]
