"""Recurrent layers: RNN, LSTM, GRU over whole sequences; the cells for one step stand in rnn_cells."""

from __future__ import annotations

import math
import numbers
import warnings
from typing import Any

from alight.errors import fail
from alight.nn import init
from alight.nn.module import Module
from alight.nn.parameter import new_parameter
from alight.nn.rnn_cells import GRUCell, LSTMCell, RNNCell, RNNCellBase
from alight.ops.nn.recurrent import GATES, run_network

Tensor = Any


class RNNBase(Module):
    """Common part of RNN, LSTM and GRU: parameters by layer and direction, checks, packed input.

    `mode` is "RNN_TANH", "RNN_RELU", "LSTM" or "GRU"; shapes and arguments are those of RNN.

    >>> import alight as torch
    >>> layer = torch.nn.RNNBase("GRU", 3, 4)
    >>> layer.weight_ih_l0.shape
    torch.Size([12, 3])
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.mode, self.input_size, self.hidden_size = mode, input_size, hidden_size
        self.num_layers, self.bias, self.batch_first = num_layers, bias, batch_first
        self.dropout, self.bidirectional, self.proj_size = float(dropout), bidirectional, proj_size
        for name, value in (("bias", bias), ("batch_first", batch_first)):
            if not isinstance(value, bool):
                raise TypeError(f"{name} should be of type bool, got: {type(value).__name__}")
        _check_sizes(mode, input_size, hidden_size, num_layers, dropout, proj_size)
        self._all_weights: list[list[str]] = []
        directions = 2 if bidirectional else 1
        for layer in range(num_layers):
            for suffix in ("", "_reverse")[:directions]:
                size = input_size if layer == 0 else (proj_size or hidden_size) * directions
                self._add_layer(f"_l{layer}{suffix}", size, device, dtype)
        self._flat_weights_names = [name for names in self._all_weights for name in names]
        self.reset_parameters()

    def _add_layer(self, suffix: str, input_size: int, device: Any, dtype: Any) -> None:
        rows = GATES[self.mode] * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (rows, input_size),
            "weight_hh": (rows, self.proj_size or self.hidden_size),
        }
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        for name, shape in shapes.items():
            self.register_parameter(
                name + suffix, new_parameter(*shape, device=device, dtype=dtype)
            )
        self._all_weights.append([name + suffix for name in shapes])

    @property
    def _flat_weights(self) -> list[Tensor]:
        fields = self.__dict__
        try:
            return [fields[name] for name in self._flat_weights_names]
        except KeyError:  # a weight that is computed from others
            return [getattr(self, name) for name in self._flat_weights_names]

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters of each layer and direction, a list of lists.

        >>> import alight as torch
        >>> [one.shape for one in torch.nn.RNN(3, 4, bias=False).all_weights[0]]
        [torch.Size([4, 3]), torch.Size([4, 4])]
        """
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def flatten_parameters(self) -> None:
        """Does nothing: there is nothing to gain from weights in one piece of memory.

        >>> import alight as torch
        >>> torch.nn.LSTM(3, 4).flatten_parameters()
        """

    def reset_parameters(self) -> None:
        """Draw every parameter evenly within 1 / sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    # -- checks -----------------------------------------------------------------------------------------------------------

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """PyTorch's errors for input of another dtype, rank or size."""
        weight = self._flat_weights[0]
        if input.dtype is not weight.dtype:
            fail(
                ValueError,
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). Convert input: "
                f"input.to({weight.dtype}), or convert model: model.to({input.dtype})",
            )
        rank = 2 if batch_sizes is not None else 3
        if input.dim() != rank:
            fail(RuntimeError, f"input must have {rank} dimensions, got {input.dim()}")
        if self.input_size != input.size(-1):
            fail(
                RuntimeError,
                "input.size(-1) must be equal to input_size. Expected "
                f"{self.input_size}, got {input.size(-1)}",
                facts=[f"the input is {list(input.shape)}"],
                try_=f"nn.{type(self).__name__}({input.size(-1)}, {self.hidden_size})",
            )

    def get_expected_hidden_size(
        self, input: Tensor, batch_sizes: Tensor | None
    ) -> tuple[int, ...]:
        """(layers * directions, batch, size) of the hidden state."""
        batch = _batch(input, batch_sizes, self.batch_first)
        return self._state_count(), batch, self.proj_size or self.hidden_size

    def get_expected_cell_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, ...]:
        """(layers * directions, batch, hidden_size) of the cell state."""
        return (*self.get_expected_hidden_size(input, batch_sizes)[:2], self.hidden_size)

    def _state_count(self) -> int:
        return self.num_layers * (2 if self.bidirectional else 1)

    def check_hidden_size(
        self, hx: Tensor, expected: Any, msg: str = "Expected hidden size {}, got {}"
    ) -> None:
        """PyTorch's error for a state of another shape."""
        if tuple(hx.shape) != tuple(expected):
            fail(
                RuntimeError,
                msg.format(tuple(expected), list(hx.shape)),
                facts=["states are (layers * directions, batch, size), also with batch_first"],
                try_=f"torch.zeros{tuple(expected)}, or no state at all for zeros",
            )

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        """Check the input and the states."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    # -- running ----------------------------------------------------------------------------------------------------------

    def _run(self, input: Tensor, batch_sizes: Tensor | None, states: Any) -> Any:
        return run_network(
            self.mode, input, batch_sizes, states, self._flat_weights, self.bias, self.num_layers, self.dropout,
            self.training, self.bidirectional, self.batch_first,
        )  # fmt: skip

    def _unbatched(self, hx: Any) -> Any:
        if hx is None:
            return None
        if hx.dim() != 2:
            fail(
                RuntimeError,
                f"For unbatched 2-D input, hx should also be 2-D but got {hx.dim()}-D tensor",
            )
        return hx.unsqueeze(1)

    def _batched(self, hx: Any) -> Any:
        if hx is not None and hx.dim() != 3:
            fail(
                RuntimeError,
                f"For batched 3-D input, hx should also be 3-D but got {hx.dim()}-D tensor",
            )
        return hx

    def _rank_message(self, rank: int) -> str:
        tail = " tensor" if self.mode.startswith("RNN") else ""
        return f"{type(self).__name__}: Expected input to be 2D or 3D, got {rank}D{tail} instead"

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Outputs of all steps, and the last states; shapes as PyTorch has them, packed input included.

        Shapes: input (time, batch, input_size) or with batch_first (batch, time, input_size) or (time, input_size);
        output with directions * hidden_size at the end; states (layers * directions, batch, hidden_size).
        """
        from alight.nn.utils.rnn import PackedSequence

        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        if input.dim() not in (2, 3):
            fail(ValueError, self._rank_message(input.dim()))
        single = input.dim() == 2
        if single:
            input = input.unsqueeze(0 if self.batch_first else 1)
        states = self._unbatched(hx) if single else self._batched(hx)
        if states is None:
            self.check_input(input, None)
        else:
            self.check_forward_args(input, states, None)
        output, *last = self._run(input, None, self._as_states(states))
        if single:
            output = output.squeeze(0 if self.batch_first else 1)
            last = [one.squeeze(1) for one in last]
        return output, self._as_hidden(last)

    def _forward_packed(self, input: Any, hx: Any) -> Any:
        from alight.nn.utils.rnn import PackedSequence

        data, batch_sizes, order, back = input
        if hx is None:
            self.check_input(data, batch_sizes)
        else:
            hx = self.permute_hidden(hx, order)
            self.check_forward_args(data, hx, batch_sizes)
        output, *last = self._run(data, batch_sizes, self._as_states(hx))
        hidden = self.permute_hidden(self._as_hidden(last), back)
        return PackedSequence(output, batch_sizes, order, back), hidden

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """The states with their batch in another order."""
        return hx if permutation is None else hx.index_select(1, permutation)

    def _as_states(self, hx: Any) -> tuple[Any, ...]:
        return (hx,)

    def _as_hidden(self, last: list[Tensor]) -> Any:
        return last[0]

    # -- text -------------------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """Sizes, and settings other than the usual ones."""
        text = f"{self.input_size}, {self.hidden_size}"
        for name, usual in (
            ("proj_size", 0), ("num_layers", 1), ("bias", True), ("batch_first", False), ("dropout", 0),
            ("bidirectional", False),
        ):  # fmt: skip
            value = getattr(self, name)
            if value != usual:
                text += f", {name}={value}"
        return text


def _batch(input: Tensor, batch_sizes: Tensor | None, batch_first: bool) -> int:
    if batch_sizes is not None:
        return int(batch_sizes[0])
    return int(input.shape[0 if batch_first else 1])


def _check_sizes(
    mode: str, input_size: Any, hidden_size: Any, num_layers: int, dropout: Any, proj_size: int
) -> None:
    if (
        not isinstance(dropout, numbers.Number)
        or not 0 <= dropout <= 1  # type: ignore[operator]
        or isinstance(dropout, bool)
    ):
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element being zeroed"
        )
    if dropout > 0 and num_layers == 1:  # type: ignore[operator]
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers "
            f"greater than 1, but got dropout={dropout} and num_layers={num_layers}",
            stacklevel=4,
        )
    for name, value in (("input_size", input_size), ("hidden_size", hidden_size)):
        if not isinstance(value, int):
            raise TypeError(f"{name} should be of type int, got: {type(value).__name__}")
    for name, value in (
        ("input_size", input_size),
        ("hidden_size", hidden_size),
        ("num_layers", num_layers),
    ):
        if value <= 0:
            raise ValueError(f"{name} must be greater than zero")
    if proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if proj_size >= hidden_size:
        raise ValueError("proj_size has to be smaller than hidden_size")
    if mode not in GATES:
        raise ValueError("Unrecognized RNN mode: " + mode)


class RNN(RNNBase):
    """h' = tanh(x W_ih.T + b_ih + h W_hh.T + b_hh), or relu of it, over a sequence (Elman 1990).

    x (time, n, input_size) and h (layers * directions, n, hidden_size), zeros if none is given,
    to the output (time, n, directions * hidden_size) and the last h. batch_first puts n first
    in x and output (not in h); n may be missing; a PackedSequence gives a PackedSequence.

    - RNN(input_size, hidden_size, num_layers=1, nonlinearity="tanh", bias=True,
      batch_first=False, dropout=0.0, bidirectional=False)
    - nonlinearity: "tanh" or "relu"; dropout: between layers, while training
    - parameters, for layer k: weight_ih_lk (hidden_size, its input), weight_hh_lk (hidden_size,
      hidden_size), bias_ih_lk, bias_hh_lk (hidden_size,); those of the other direction end in
      _reverse; drawn evenly within 1 / sqrt(hidden_size)

    ValueError for another rank, dtype or nonlinearity, RuntimeError where input_size or the
    shape of h is not the one expected.

    >>> import alight as torch
    >>> rnn = torch.nn.RNN(3, 4)
    >>> output, h = rnn(torch.zeros(5, 2, 3))
    >>> output.shape, h.shape
    (torch.Size([5, 2, 4]), torch.Size([1, 2, 4]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            self.nonlinearity, args = args[3], args[:3] + args[4:]
        else:
            self.nonlinearity = kwargs.pop("nonlinearity", "tanh")
        mode = {"tanh": "RNN_TANH", "relu": "RNN_RELU"}.get(self.nonlinearity)
        if mode is None:
            raise ValueError(
                f"Unknown nonlinearity '{self.nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        nonlinearity = self.nonlinearity
        super().__init__(mode, *args, **kwargs)
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory over a sequence (Hochreiter and Schmidhuber 1997).

    Gates in the order i, f, g, o: c' = sigmoid(f) c + sigmoid(i) tanh(g), h' = sigmoid(o)
    tanh(c'); each gate is a linear function of x and h. x (time, n, input_size) and a pair (h,
    c), each (layers * directions, n, hidden_size), zeros if none is given, to the output (time,
    n, directions * hidden_size) and the last (h, c). Arguments and parameters are those of RNN
    without nonlinearity, with four gates: weight_ih_l0 is (4 hidden_size, input_size).
    proj_size makes h that much smaller, by weight_hr_l0 (proj_size, hidden_size). Errors are
    those of RNN.

    >>> import alight as torch
    >>> lstm = torch.nn.LSTM(3, 4, num_layers=2, batch_first=True)
    >>> output, (h, c) = lstm(torch.zeros(2, 5, 3))
    >>> output.shape, h.shape, c.shape
    (torch.Size([2, 5, 4]), torch.Size([2, 2, 4]), torch.Size([2, 2, 4]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        """Check the input and both states."""
        self.check_input(input, batch_sizes)
        expected = (
            self.get_expected_hidden_size(input, batch_sizes),
            self.get_expected_cell_size(input, batch_sizes),
        )
        for i in range(2):
            self.check_hidden_size(
                hidden[i], expected[i], f"Expected hidden[{i}] size {{}}, got {{}}"
            )

    def _unbatched(self, hx: Any) -> Any:
        if hx is None:
            return None
        if hx[0].dim() != 2 or hx[1].dim() != 2:
            fail(
                RuntimeError,
                "For unbatched 2-D input, hx and cx should also be 2-D but got "
                f"({hx[0].dim()}-D, {hx[1].dim()}-D) tensors",
            )
        return hx[0].unsqueeze(1), hx[1].unsqueeze(1)

    def _batched(self, hx: Any) -> Any:
        if hx is not None and (hx[0].dim() != 3 or hx[1].dim() != 3):
            fail(
                RuntimeError,
                "For batched 3-D input, hx and cx should also be 3-D but got "
                f"({hx[0].dim()}-D, {hx[1].dim()}-D) tensors",
            )
        return hx

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """Both states with their batch in another order."""
        if permutation is None:
            return hx
        return hx[0].index_select(1, permutation), hx[1].index_select(1, permutation)

    def _as_states(self, hx: Any) -> tuple[Any, ...]:
        return (None, None) if hx is None else (hx[0], hx[1])

    def _as_hidden(self, last: list[Tensor]) -> Any:
        return last[0], last[1]


class GRU(RNNBase):
    """Gated recurrent units over a sequence (Cho et al. 2014), gates in the order r, z, n.

    n = tanh(x_n + r (h W_hn.T + b_hn)), h' = (1 - z) n + z h. x (time, n, input_size) and h
    (layers * directions, n, hidden_size), zeros if none is given, to the output (time, n,
    directions * hidden_size) and the last h. Arguments and parameters are those of RNN without
    nonlinearity, with three gates: weight_ih_l0 is (3 hidden_size, input_size). Errors are
    those of RNN.

    >>> import alight as torch
    >>> output, h = torch.nn.GRU(3, 4, bidirectional=True)(torch.zeros(5, 2, 3))
    >>> output.shape, h.shape
    (torch.Size([5, 2, 8]), torch.Size([2, 2, 4]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)


__all__ = ["GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNBase", "RNNCell", "RNNCellBase"]
