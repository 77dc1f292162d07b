"""Recurrent cells: one step of an RNN, LSTM or GRU."""

from __future__ import annotations

import math
from typing import Any

from alight.errors import fail
from alight.nn import init
from alight.nn.module import Module
from alight.nn.parameter import new_parameter
from alight.ops.nn.recurrent import gru_cell, lstm_cell, rnn_relu_cell, rnn_tanh_cell
from alight.ops.operation import TORCH

Tensor = Any


class RNNCellBase(Module):
    """Common part of the cells: parameters, checks, single inputs without a batch.

    Parameters: weight_ih (num_chunks * hidden_size, input_size), weight_hh (num_chunks *
    hidden_size, hidden_size), bias_ih, bias_hh (num_chunks * hidden_size,), drawn evenly within
    1 / sqrt(hidden_size).

    >>> import alight as torch
    >>> torch.nn.RNNCellBase(3, 4, bias=True, num_chunks=1).weight_ih.shape
    torch.Size([4, 3])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = num_chunks * hidden_size
        self.weight_ih = new_parameter(rows, input_size, device=device, dtype=dtype)
        self.weight_hh = new_parameter(rows, hidden_size, device=device, dtype=dtype)
        for name in ("bias_ih", "bias_hh"):
            made = new_parameter(rows, device=device, dtype=dtype) if bias else None
            self.register_parameter(name, made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every parameter evenly within 1 / sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _check(self, input: Tensor, states: tuple[Any, ...]) -> None:
        name = type(self).__name__
        if input.dim() not in (1, 2):
            fail(
                ValueError,
                f"{name}: Expected input to be 1D or 2D, got {input.dim()}D instead",
            )
        for i, one in enumerate(states):
            if one is not None and one.dim() not in (1, 2):
                index = f"hx[{i}]" if len(states) > 1 else "hidden"
                fail(
                    ValueError,
                    f"{name}: Expected {index} to be 1D or 2D, got {one.dim()}D instead",
                )

    def _weights(self) -> tuple[Any, ...]:
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def _zeros(self, input: Tensor) -> Tensor:
        return TORCH["zeros"](
            input.size(0), self.hidden_size, dtype=input.dtype, device=input.device
        )

    def _run(self, step: Any, input: Tensor, hx: Any) -> Tensor:
        """One step of a cell with one state."""
        self._check(input, (hx,))
        single = input.dim() == 1
        if single:
            input = input.unsqueeze(0)
        if hx is None:
            hx = self._zeros(input)
        elif single:
            hx = hx.unsqueeze(0)
        made = step(input, hx, *self._weights())
        return made.squeeze(0) if single else made

    def extra_repr(self) -> str:
        """Sizes, and settings other than the usual ones."""
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        nonlinearity = self.__dict__.get("nonlinearity", "tanh")
        return text if nonlinearity == "tanh" else f"{text}, nonlinearity={nonlinearity}"


class RNNCell(RNNCellBase):
    """One step of an RNN: h' = tanh(x W_ih.T + b_ih + h W_hh.T + b_hh), or relu of it.

    x (n, input_size) or (input_size,) and h (n, hidden_size) or (hidden_size,), zeros if none
    is given, to the next h. Parameters: weight_ih (hidden_size, input_size), weight_hh
    (hidden_size, hidden_size), bias_ih, bias_hh (hidden_size,). ValueError for another rank,
    RuntimeError for other sizes.

    >>> import alight as torch
    >>> cell = torch.nn.RNNCell(3, 4)
    >>> h = torch.zeros(2, 4)
    >>> for x in torch.ones(5, 2, 3):
    ...     h = cell(x, h)
    >>> h.shape
    torch.Size([2, 4])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """(batch, input_size) and (batch, hidden_size) to the next (batch, hidden_size)."""
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return self._run(rnn_tanh_cell if self.nonlinearity == "tanh" else rnn_relu_cell, input, hx)


class LSTMCell(RNNCellBase):
    """One step of an LSTM: x and the pair (h, c) to the next pair.

    x (n, input_size) or (input_size,); h and c (n, hidden_size) or (hidden_size,), zeros if
    none are given. Parameters: weight_ih (4 hidden_size, input_size), weight_hh (4 hidden_size,
    hidden_size), bias_ih, bias_hh (4 hidden_size,), gates in the order i, f, g, o. ValueError
    for another rank, RuntimeError for other sizes.

    >>> import alight as torch
    >>> h, c = torch.nn.LSTMCell(3, 4)(torch.zeros(2, 3))
    >>> h.shape, c.shape
    (torch.Size([2, 4]), torch.Size([2, 4]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """(batch, input_size) and (h, c) to the next (h, c)."""
        if isinstance(hx, (tuple, list)):
            self._check(input, tuple(hx))
        else:
            self._check(input, ())
        single = input.dim() == 1
        if single:
            input = input.unsqueeze(0)
        if hx is None:
            zeros = self._zeros(input)
            hx = (zeros, zeros)
        elif single:
            hx = (hx[0].unsqueeze(0), hx[1].unsqueeze(0))
        h, c = lstm_cell(input, hx, *self._weights())
        return (h.squeeze(0), c.squeeze(0)) if single else (h, c)


class GRUCell(RNNCellBase):
    """One step of gated recurrent units: x and h to the next h.

    x (n, input_size) or (input_size,) and h (n, hidden_size) or (hidden_size,), zeros if none
    is given. Parameters: weight_ih (3 hidden_size, input_size), weight_hh (3 hidden_size,
    hidden_size), bias_ih, bias_hh (3 hidden_size,), gates in the order r, z, n. ValueError for
    another rank, RuntimeError for other sizes.

    >>> import alight as torch
    >>> torch.nn.GRUCell(3, 4)(torch.zeros(2, 3)).shape
    torch.Size([2, 4])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """(batch, input_size) and (batch, hidden_size) to the next (batch, hidden_size)."""
        return self._run(gru_cell, input, hx)


__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]
