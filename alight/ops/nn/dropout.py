"""Dropout: elements, or whole channels, put to zero at random while training.

A call takes one 64-bit word of the default generator's stream, whatever the size of the input, and none where p is 0 or
training is off. The mask is made from that word by a counter-based generator: the same in every tier.
"""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.operation import function, op
from alight.primitives.arithmetic import broadcast, constant, where
from alight.record.recorder import thread

Scalar = Any


def keep_mask(like: Tensor, shape: tuple[int, ...], seed: Tensor, p_drop: float) -> Tensor:
    """True with probability 1 - p_drop: where 32 random bits are below that share of 2**32."""
    with like.builder.active():
        bits = p.RandomBits(seed, shape=shape, device=like.type.device)
    below = min(round((1 - p_drop) * 2**32), 2**32 - 1)
    return p.Less(bits, constant(bits, below, shape))


@op(functions="")
def _dropout(input: Tensor, seed: Scalar, p_drop: float, channels: bool) -> Tensor:
    """Elements (or whole channels) kept with probability 1 - p_drop and then divided by it."""
    if p_drop == 1:
        return input * 0
    shape = input.shape[:2] + (1,) * (input.ndim - 2) if channels else input.shape
    mask = broadcast(keep_mask(input, shape, seed, p_drop), input.shape)
    return where(mask, input * (1 / (1 - p_drop)), 0)


@op(functions="")
def _alpha_dropout(input: Tensor, seed: Scalar, p_drop: float, channels: bool) -> Tensor:
    """Elements put to selu's negative limit, then mean and variance restored (Klambauer et al. 2017)."""
    alpha = 1.7580993408473766
    a = ((alpha**2 * p_drop + 1) * (1 - p_drop)) ** -0.5 if p_drop < 1 else 0.0
    if p_drop == 1:
        return input * 0
    shape = input.shape[:2] + (1,) * (input.ndim - 2) if channels else input.shape
    mask = broadcast(keep_mask(input, shape, seed, p_drop), input.shape)
    return where(mask, input, -alpha) * a + alpha * a * p_drop


_generator: Any = None


def dropout_word() -> int:
    """The word of the default generator that a call takes."""
    global _generator
    if thread.recorder.transforming:
        thread.recorder.check_random()
    if _generator is None:
        from alight.random import default_generator

        _generator = default_generator
    return _generator.seed_word()


def _drop(
    operation: Any, input: Any, p: float, training: bool, inplace: bool, channels: bool
) -> Any:
    if not 0 <= p <= 1:
        fail(
            ValueError, f"dropout probability has to be between 0 and 1, but got {p}", try_="p=0.5"
        )
    if not training or p == 0:
        return input
    result = operation.function(input, dropout_word(), float(p), channels)
    return input.copy_(result) if inplace else result


@function(functions="", F="dropout")
def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Elements put to zero with probability p, the others divided by 1 - p (Srivastava et al. 2014).

    Shapes: any, kept.
    Errors: ValueError for p outside [0, 1].
    Differs: masks are not those of PyTorch's generator; a call takes 64 bits of the stream.

    >>> import alight as torch
    >>> torch.nn.functional.dropout(torch.ones(2), p=0.)
    tensor([1., 1.])
    """
    return _drop(_dropout, input, p, training, inplace, False)


def _channel_dropout(input: Any, p: float, training: bool, inplace: bool, unbatched: int) -> Any:
    if input.dim() == unbatched:
        return _channel_dropout(input.unsqueeze(0), p, training, inplace, -1).squeeze(0)
    return _drop(_dropout, input, p, training, inplace, True)


@function(functions="", F="dropout1d")
def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Whole channels of (n, c, length) put to zero with probability p.

    Errors: ValueError for p outside [0, 1], RuntimeError for other ranks.

    >>> import alight as torch
    >>> torch.nn.functional.dropout1d(torch.ones(1, 2, 3), p=1.0)
    tensor([[[0., 0., 0.],
             [0., 0., 0.]]])
    """
    if input.dim() not in (2, 3):
        fail(
            RuntimeError,
            f"dropout1d: Expected 2D or 3D input, but received a {input.dim()}D input. Note that dropout1d exists to "
            "provide channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an optional "
            "batch dimension (i.e. 2D or 3D inputs).",
        )
    return _channel_dropout(input, p, training, inplace, 2)


@function(functions="", F="dropout2d")
def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Whole channels of (n, c, height, width) put to zero with probability p.

    Errors: ValueError for p outside [0, 1].

    >>> import alight as torch
    >>> torch.nn.functional.dropout2d(torch.ones(1, 2, 1, 3), p=1.0)
    tensor([[[[0., 0., 0.]],
    <BLANKLINE>
             [[0., 0., 0.]]]])
    """
    return _channel_dropout(input, p, training, inplace, -1)


@function(functions="", F="dropout3d")
def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Whole channels of (n, c, depth, height, width) put to zero with probability p.

    Errors: ValueError for p outside [0, 1].

    >>> import alight as torch
    >>> torch.nn.functional.dropout3d(torch.ones(1, 1, 1, 1, 3), p=0.0)
    tensor([[[[[1., 1., 1.]]]]])
    """
    return _channel_dropout(input, p, training, inplace, 4)


@function(functions="", F="alpha_dropout")
def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """Dropout that keeps the mean and variance of selu's results.

    Shapes: any, kept.
    Errors: ValueError for p outside [0, 1].

    >>> import alight as torch
    >>> torch.nn.functional.alpha_dropout(torch.ones(2), p=0.5, training=False)
    tensor([1., 1.])
    """
    return _drop(_alpha_dropout, input, p, training, inplace, False)


@function(functions="", F="feature_alpha_dropout")
def feature_alpha_dropout(
    input: Any, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Any:
    """alpha_dropout of whole channels.

    Shapes: (n, c, *), kept.
    Errors: ValueError for p outside [0, 1].

    >>> import alight as torch
    >>> torch.nn.functional.feature_alpha_dropout(torch.ones(1, 2), p=0.5, training=False)
    tensor([[1., 1.]])
    """
    return _drop(_alpha_dropout, input, p, training, inplace, True)


def check_probability(p: float) -> None:
    """The error of the forms in `torch`, which is of another type than that of torch.nn.functional."""
    if not 0 <= p <= 1:
        fail(
            RuntimeError,
            f"dropout probability has to be between 0 and 1, but got {p:g}",
            try_="p=0.5",
        )


@function(functions="dropout")
def torch_dropout(input: Any, p: float, train: bool) -> Any:
    """`torch.dropout`: as torch.nn.functional.dropout, with every argument given.

    Shapes: any, kept.
    Errors: RuntimeError for p outside [0, 1].

    >>> import alight as torch
    >>> torch.dropout(torch.ones(2), 0.5, False)
    tensor([1., 1.])
    """
    check_probability(p)
    return dropout(input, p, train)
