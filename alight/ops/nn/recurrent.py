"""Recurrent networks: one Scan for each layer and direction, and the single steps of cells.

The input's part of all gates and all time steps is one product before the loop. Logistic gates are written with tanh,
sigmoid(x) = tanh(x / 2) / 2 + 1 / 2, which is quicker than a division and gives the gradient from itself. Each gate is
a value of its own, of the state's shape, so that all arithmetic of a step is one loop over the state. Sequences of
different lengths run padded: a step beyond a sequence's end leaves its state as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from alight import primitives as p
from alight.dtypes import bool_, int64
from alight.errors import fail
from alight.ir.program import Builder, Program
from alight.ir.program import Value as Tensor
from alight.ir.types import Type
from alight.ops.arguments import scalar_type_name
from alight.ops.nn.dropout import dropout_word, keep_mask
from alight.ops.operation import function, op
from alight.primitives.arithmetic import broadcast, constant, where
from alight.primitives.gather import Index
from alight.primitives.scan import training_body
from alight.record.recorder import thread

Scalar = Any
Tensors = Any

GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}
_CLASSES = {
    "LSTM": "LSTM(3, 4)",
    "GRU": "GRU(3, 4)",
    "RNN_TANH": "RNN(3, 4)",
    "RNN_RELU": "RNN(3, 4, nonlinearity='relu')",
}


class Weights(NamedTuple):
    """The parameters of one layer and direction."""

    ih: Tensor
    hh: Tensor
    b_ih: Tensor | None
    b_hh: Tensor | None
    hr: Tensor | None  # the projection of an LSTM's output


def _dot(x: Tensor, weight: Tensor) -> Tensor:
    """x @ weight.T."""
    return p.DotGeneral(x, weight, batch=((), ()), contract=((x.ndim - 1,), (1,)))


def _columns(x: Tensor, start: int, stop: int) -> Tensor:
    """Columns start to stop - 1 of a matrix."""
    return p.Slice(x, starts=(0, start), stops=(x.shape[0], stop), steps=(1, 1))


def _gates(x: Tensor, count: int) -> list[Tensor]:
    """Each gate's columns."""
    n = x.shape[1] // count
    return [_columns(x, k * n, (k + 1) * n) for k in range(count)]


def _logistic(x: Tensor) -> Tensor:
    return p.Tanh(x * 0.5) * 0.5 + 0.5


def _prepared(w: Weights, mode: str) -> tuple[Weights, Tensor | None]:
    """The weights, and the bias that is added before the loop; GRU keeps one for the loop."""
    if w.b_ih is None or w.b_hh is None:
        return w._replace(b_ih=None, b_hh=None), None
    if mode != "GRU":
        return w._replace(b_ih=None, b_hh=None), w.b_ih + w.b_hh
    hidden = w.ih.shape[0] // GATES[mode]
    before = p.Slice(w.b_hh, starts=(0,), stops=(2 * hidden,), steps=(1,))
    inside = p.Slice(w.b_hh, starts=(2 * hidden,), stops=(3 * hidden,), steps=(1,))
    bias = w.b_ih + p.Pad(before, low=(0,), high=(hidden,))
    return w._replace(b_ih=None, b_hh=inside), bias


def _step(mode: str, x: Tensor, h: Tensor, c: Tensor | None, w: Weights) -> tuple[Tensor, ...]:
    """The next state from the input's part of the gates and the state."""
    recurrent = _dot(h, w.hh)
    if mode == "LSTM":
        return _lstm_step(x, recurrent, c, w.hr)
    if mode == "GRU":
        return (_gru_step(x, recurrent, h, w.b_hh),)
    total = x + recurrent
    return (p.Tanh(total) if mode == "RNN_TANH" else where(total > 0, total, 0),)


def _lstm_step(
    x: Tensor, recurrent: Tensor, c: Any, projection: Tensor | None
) -> tuple[Tensor, Tensor]:
    gates = [a + b for a, b in zip(_gates(x, 4), _gates(recurrent, 4), strict=True)]
    into, keep, out = (_logistic(gates[k]) for k in (0, 1, 3))
    c = keep * c + into * p.Tanh(gates[2])
    h = out * p.Tanh(c)
    return (h if projection is None else _dot(h, projection)), c


def _gru_step(x: Tensor, recurrent: Tensor, h: Tensor, bias: Tensor | None) -> Tensor:
    given, own = _gates(x, 3), _gates(recurrent, 3)
    reset, update = (_logistic(given[k] + own[k]) for k in (0, 1))
    candidate = own[2] if bias is None else own[2] + bias
    new = p.Tanh(given[2] + reset * candidate)
    return new + update * (h - new)


# -- a layer over time ----------------------------------------------------------------------------------------------------


def _body(mode: str, states: Sequence[Tensor], w: Weights, x: Tensor, masked: bool) -> Program:
    """One time step as a program: states, weights, the input's part (and who is still running) to states and output."""
    builder = Builder()
    state = [builder.input(one.type) for one in states]
    inner = [None if one is None else builder.input(one.type) for one in (w.hh, w.b_hh, w.hr)]
    part = builder.input(Type(x.shape[1:], x.dtype, x.type.device))
    with builder.active():
        cell = state[1] if len(state) > 1 else None
        weights = Weights(part, inner[0], None, inner[1], inner[2])  # type: ignore[arg-type]
        new = _step(mode, part, state[0], cell, weights)
        if masked:
            running = builder.input(Type((x.shape[1],), bool_, x.type.device))
            column = p.Reshape(running, shape=(x.shape[1], 1))
            new = tuple(where(column, one, old) for one, old in zip(new, state, strict=True))
        return builder.finish([*new, new[0]])


def _layer(
    mode: str, x: Tensor, states: Sequence[Tensor], w: Weights, mask: Tensor | None, reverse: bool, trains: bool
) -> tuple[Tensor, list[Tensor]]:  # fmt: skip
    """Outputs of all steps (time, batch, size) and the last states."""
    w, bias = _prepared(w, mode)
    part = _dot(x, w.ih)
    if bias is not None:
        part = part + bias
    body = _body(mode, states, w, part, mask is not None)
    constants = [one for one in (w.hh, w.b_hh, w.hr) if one is not None]
    if trains:
        body = training_body(body, len(states), len(constants))
    results = p.Scan(
        *states,
        *constants,
        part,
        *(() if mask is None else (mask,)),
        body=body,
        length=part.shape[0],
        carry_count=len(states),
        constant_count=len(constants),
        reverse=reverse,
    )
    return results[len(states)], list(results[: len(states)])


def _trains(values: Sequence[Any]) -> bool:
    """Whether a gradient will be asked for."""
    return thread.recorder.grad_enabled and any(
        value is not None and value.meta.requires_grad for value in values
    )


class _Stack:
    """All layers and directions of a network on one input."""

    def __init__(
        self, mode: str, weights: Sequence[Tensor], layers: int, both: bool, biases: bool
    ) -> None:
        self.mode, self.layers, self.directions = mode, layers, 2 if both else 1
        size = len(weights) // (layers * self.directions)
        projects = size == (5 if biases else 3)
        self.weights = []
        for at in range(0, len(weights), size):
            ih, hh, *rest = weights[at : at + size]
            hr = rest.pop() if projects else None
            b_ih, b_hh = rest or (None, None)
            self.weights.append(Weights(ih, hh, b_ih, b_hh, hr))

    def states(
        self, k: int, batch: int, like: Tensor, given: Sequence[Tensor | None]
    ) -> list[Tensor]:
        """The first states of layer and direction k: part of those given, or zeros."""
        w = self.weights[k]
        sizes = [w.hh.shape[1], w.hh.shape[0] // GATES[self.mode]][: len(given)]
        found = []
        for one, size in zip(given, sizes, strict=True):
            if one is None:
                found.append(constant(like, 0, (batch, size)))
                continue
            row = p.Slice(one, starts=(k, 0, 0), stops=(k + 1, *one.shape[1:]), steps=(1, 1, 1))
            found.append(p.Reshape(row, shape=one.shape[1:]))
        return found

    def run(
        self, x: Tensor, given: Sequence[Tensor | None], mask: Tensor | None, seed: Any, dropout: float, trains: bool
    ) -> tuple[Tensor, ...]:  # fmt: skip
        """Outputs of the last layer, and the last states of all layers and directions."""
        last: list[list[Tensor]] = [[] for _ in given]
        for layer in range(self.layers):
            outputs = []
            for direction in range(self.directions):
                k = layer * self.directions + direction
                states = self.states(k, x.shape[1], x, given)
                out, new = _layer(
                    self.mode, x, states, self.weights[k], mask, direction == 1, trains
                )
                outputs.append(out)
                for held, one in zip(last, new, strict=True):
                    held.append(p.Reshape(one, shape=(1, *one.shape)))
            x = p.Concat(*outputs, axis=2) if len(outputs) > 1 else outputs[0]
            if dropout and layer + 1 < self.layers:
                x = _dropped(x, seed + layer, dropout)
        return x, *(p.Concat(*held, axis=0) if len(held) > 1 else held[0] for held in last)


def _dropped(x: Tensor, seed: Any, p_drop: float) -> Tensor:
    if p_drop == 1:
        return x * 0
    return where(keep_mask(x, x.shape, seed, p_drop), x * (1 / (1 - p_drop)), 0)


@op(functions="")
def _recurrent(
    input: Tensor, hx: Tensor | None, cx: Tensor | None, weights: Tensors, seed: Scalar, mode: str, layers: int,
    both: bool, biases: bool, dropout: float, batch_first: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Outputs (time, batch, size) of the last layer and the last states of all; times and batch swapped if asked."""
    _check_dtypes(input, weights)
    x = p.Permute(input, order=(1, 0, 2)) if batch_first else input
    if not x.shape[0]:
        fail(RuntimeError, "Expected sequence length to be larger than 0 in RNN")
    stack = _Stack(mode, weights, layers, both, biases)
    given = (hx, cx) if mode == "LSTM" else (hx,)
    out, *last = stack.run(x, given, None, seed, dropout, _trains([input, hx, cx, *weights]))
    return (p.Permute(out, order=(1, 0, 2)) if batch_first else out), *last


@op(functions="")
def _recurrent_packed(
    data: Tensor, batch_sizes: Tensor, hx: Tensor | None, cx: Tensor | None, weights: Tensors, seed: Scalar, mode: str,
    layers: int, both: bool, biases: bool, dropout: float, batch: int,
) -> tuple[Tensor, ...]:  # fmt: skip
    """The same for sequences one beside the other as PackedSequence has them."""
    _check_dtypes(data, weights)
    stack = _Stack(mode, weights, layers, both, biases)
    given = (hx, cx) if mode == "LSTM" else (hx,)
    x, mask = padded(data, batch_sizes, batch)
    trains = _trains([data, hx, cx, *weights])
    out, *last = stack.run(x, given, mask, seed, dropout, trains)
    return packed(out, batch_sizes, data.shape[0]), *last


def _check_dtypes(x: Tensor, weights: Sequence[Tensor]) -> None:
    for w in weights:
        if w.dtype is not x.dtype:
            fail(
                RuntimeError,
                f"mat1 and mat2 must have the same dtype, but got {scalar_type_name(x.dtype)} and "
                f"{scalar_type_name(w.dtype)}",
                try_=f"input.to({w.dtype!r})",
            )


# -- packed sequences -------------------------------------------------------------------------------------------------------


def _iota(like: Tensor, shape: tuple[int, ...], axis: int) -> Tensor:
    with like.builder.active():
        return p.Iota(shape=shape, axis=axis, dtype=int64, device=like.type.device)


def padded(data: Tensor, batch_sizes: Tensor, batch: int) -> tuple[Tensor, Tensor]:
    """Packed rows as (time, batch, ...), and where they come from a row; the rest holds copies of any row."""
    sizes = p.Convert(batch_sizes, dtype=int64)
    time = sizes.shape[0]
    starts = p.CumSum(sizes, axis=0) - sizes
    column = _iota(sizes, (time, batch), 1)
    mask = p.Less(column, p.Expand(p.Reshape(sizes, shape=(time, 1)), shape=(time, batch)))
    rows = where(mask, column + p.Reshape(starts, shape=(time, 1)), 0)
    return Index(data, rows, axes=(0,)), mask


def packed(x: Tensor, batch_sizes: Tensor, total: int) -> Tensor:
    """The inverse of `padded`: the rows of (time, batch, ...) that are in use, one beside the other."""
    sizes = p.Convert(batch_sizes, dtype=int64)
    time, batch = x.shape[:2]
    ends = p.CumSum(sizes, axis=0)
    row = _iota(sizes, (total,), 0)
    passed = p.LessEqual(
        broadcast(ends, (total, time)),
        p.Expand(p.Reshape(row, shape=(total, 1)), shape=(total, time)),
    )
    step = p.Sum(p.Convert(passed, dtype=int64), axes=(1,))
    column = row - Index(ends - sizes, step, axes=(0,))
    flat = p.Reshape(x, shape=(time * batch, *x.shape[2:]))
    return Index(flat, step * batch + column, axes=(0,))


# -- public ---------------------------------------------------------------------------------------------------------------


def run_network(
    mode: str, input: Any, batch_sizes: Any, states: Sequence[Any], weights: Sequence[Any], has_biases: bool,
    num_layers: int, dropout: float, train: bool, bidirectional: bool, batch_first: bool = False,
) -> Any:  # fmt: skip
    """A whole network: outputs and last states. `states` are hx (and cx for LSTM), None for zeros."""
    hx, cx = (*states, None)[:2]
    drop = float(dropout) if train and num_layers > 1 else 0.0
    seed = dropout_word() if drop else 0
    rest = (mode, num_layers, bool(bidirectional), bool(has_biases), drop)
    if batch_sizes is None:
        return _recurrent.function(input, hx, cx, tuple(weights), seed, *rest, bool(batch_first))
    batch = int(batch_sizes[0])
    return _recurrent_packed.function(
        input, batch_sizes, hx, cx, tuple(weights), seed, *rest, batch
    )


def _network(mode: str) -> Any:
    """`torch.lstm` and its kin: arguments as PyTorch has them, for padded or for packed input."""
    count = 2 if mode == "LSTM" else 1

    def network(input: Any, *args: Any) -> Any:
        packed_input = not isinstance(args[2], bool)
        sizes = args[0] if packed_input else None
        hx, weights, *rest = args[1:] if packed_input else args
        states = hx if isinstance(hx, (tuple, list)) else (hx,)
        return run_network(mode, input, sizes, states[:count], weights, *rest)

    network.__name__ = network.__qualname__ = mode.lower()
    network.__doc__ = f"""A whole {mode} network: (input, [batch_sizes,] hx, params, has_biases, num_layers, dropout,
    train, bidirectional[, batch_first]); torch.nn.{mode[:4].rstrip("_")} is the usual way to call it.

    Shapes: input (time, batch, in), or (batch, time, in) with batch_first; hx (layers * directions, batch, hidden).
    Errors: RuntimeError where shapes do not fit.

    >>> import alight as torch
    >>> net = torch.nn.{_CLASSES[mode]}
    >>> hx = {"(torch.zeros(1, 2, 4), torch.zeros(1, 2, 4))" if mode == "LSTM" else "torch.zeros(1, 2, 4)"}
    >>> result = torch.{mode.lower()}(
    ...     torch.ones(5, 2, 3), hx, list(net.parameters()), True, 1, 0.0, False, False, False
    ... )
    >>> result[0].shape
    torch.Size([5, 2, 4])
    """
    return network


for _mode in GATES:
    function(_mode.lower())(_network(_mode))


@op(functions="")
def _cell(
    input: Tensor, hx: Tensor, cx: Tensor | None, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None,
    mode: str,
) -> tuple[Tensor, ...]:  # fmt: skip
    """One step of a recurrent network."""
    if input.shape[1] != w_ih.shape[1]:
        fail(
            RuntimeError,
            f"input has inconsistent input_size: got {input.shape[1]} expected {w_ih.shape[1]}",
        )
    if input.shape[0] != hx.shape[0]:
        fail(
            RuntimeError,
            f"Input batch size {input.shape[0]} doesn't match hidden0 batch size {hx.shape[0]}",
        )
    if hx.shape[1] != w_hh.shape[1]:
        fail(
            RuntimeError,
            f"hidden0 has inconsistent hidden_size: got {hx.shape[1]}, expected {w_hh.shape[1]}",
        )
    _check_dtypes(input, [w_ih])
    w, bias = _prepared(Weights(w_ih, w_hh, b_ih, b_hh, None), mode)
    part = _dot(input, w.ih)
    return _step(mode, part if bias is None else part + bias, hx, cx, w)


@function(functions="lstm_cell")
def lstm_cell(
    input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None
) -> tuple[Any, Any]:
    """The next (hidden, cell) of an LSTM from (batch, input) and (hidden, cell), each (batch, hidden).

    Errors: TypeError for hx that is no pair, RuntimeError where shapes do not fit.

    >>> import alight as torch
    >>> cell = torch.nn.LSTMCell(3, 4)
    >>> hx = (torch.zeros(2, 4), torch.zeros(2, 4))
    >>> h, c = torch.lstm_cell(torch.ones(2, 3), hx, *cell.parameters())
    >>> h.shape
    torch.Size([2, 4])
    """
    if hasattr(hx, "_slot"):
        fail(
            TypeError,
            "lstm_cell(): argument 'hx' (position 2) must be tuple of Tensors, not Tensor",
            try_="(hidden, cell)",
        )
    made: tuple[Any, Any] = _cell.function(input, hx[0], hx[1], w_ih, w_hh, b_ih, b_hh, "LSTM")
    return made


def _plain_cell(mode: str) -> Any:
    def cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
        return _cell.function(input, hx, None, w_ih, w_hh, b_ih, b_hh, mode)[0]

    cell.__name__ = cell.__qualname__ = f"{mode.lower()}_cell"
    cell.__doc__ = f"""The next state of one {mode} step, from (batch, in) and (batch, hidden).

    Shapes: weights (gates * hidden, in) and (gates * hidden, hidden), biases (gates * hidden,).
    Errors: RuntimeError where shapes do not fit.

    >>> import alight as torch
    >>> cell = torch.nn.{_CLASSES[mode].replace("(", "Cell(")}
    >>> torch.{mode.lower()}_cell(torch.ones(2, 3), torch.zeros(2, 4), *cell.parameters()).shape
    torch.Size([2, 4])
    """
    return cell


gru_cell = function("gru_cell")(_plain_cell("GRU"))
rnn_tanh_cell = function("rnn_tanh_cell")(_plain_cell("RNN_TANH"))
rnn_relu_cell = function("rnn_relu_cell")(_plain_cell("RNN_RELU"))


@op(functions="")
def _pack(input: Tensor, batch_sizes: Tensor, total: int) -> Tensor:
    """The rows of (time, batch, ...) that are in use, one beside the other."""
    time = batch_sizes.shape[0]
    used = p.Slice(
        input, starts=(0,) * input.ndim, stops=(time, *input.shape[1:]), steps=(1,) * input.ndim
    )
    return packed(used, batch_sizes, total)


@op(functions="")
def _unpack(
    data: Tensor, batch_sizes: Tensor, fill: Scalar, batch: int, length: int, batch_first: bool
) -> Tensor:
    """Packed rows as (length, batch, ...) or (batch, length, ...), with `fill` beyond their ends."""
    x, mask = padded(data, batch_sizes, batch)
    mask = p.Reshape(mask, shape=(*mask.shape, *(1,) * (x.ndim - 2)))
    fill = p.Convert(fill, dtype=x.dtype)
    x = where(mask, x, fill)
    x = p.Pad(x, fill, low=(0,) * x.ndim, high=(length - x.shape[0], *(0,) * (x.ndim - 1)))
    return p.Permute(x, order=(1, 0, *range(2, x.ndim))) if batch_first else x


__all__ = ["lstm_cell", "packed", "padded", "run_network"]
