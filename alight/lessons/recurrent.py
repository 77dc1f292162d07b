"""Recurrent networks on characters: models, clipping, training, and text that goes on by itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import alight as torch
from alight import nn
from alight.lessons.figures import Animator
from alight.lessons.measures import Accumulator, Timer
from alight.lessons.regression import sgd
from alight.nn import functional as F

Tensor = torch.Tensor


class RNNModelScratch:
    """A recurrent network made of three functions: initial parameters, initial state, and a pass
    over a sequence.

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> def forward(inputs, state, params):
    ...     return inputs.sum(0), state
    >>> def parameters(vocab, hiddens, device):
    ...     return [torch.ones(1, requires_grad=True)]
    >>> def begin(batch, hiddens, device):
    ...     return (torch.zeros(batch, hiddens),)
    >>> net = d2l.RNNModelScratch(5, 4, "cpu", parameters, begin, forward)
    >>> net(torch.zeros(2, 3, dtype=torch.int64), net.begin_state(2, "cpu"))[0].shape
    torch.Size([2, 5])
    """

    def __init__(
        self,
        vocab_size: int,
        num_hiddens: int,
        device: Any,
        get_params: Callable[..., list[Tensor]],
        init_state: Callable[..., Any],
        forward_fn: Callable[..., tuple[Tensor, Any]],
    ) -> None:
        self.vocab_size, self.num_hiddens = vocab_size, num_hiddens
        self.params = get_params(vocab_size, num_hiddens, device)
        self.init_state, self.forward_fn = init_state, forward_fn

    def __call__(self, X: Tensor, state: Any) -> tuple[Tensor, Any]:
        one_hot = F.one_hot(X.T, self.vocab_size).type(torch.float32)
        return self.forward_fn(one_hot, state, self.params)

    def begin_state(self, batch_size: int, device: Any) -> Any:
        """The state before the first step.

        >>> import alight as torch
        >>> from alight import lessons as d2l
        >>> def begin(batch, hiddens, device):
        ...     return (torch.zeros(batch, hiddens),)
        >>> net = d2l.RNNModelScratch(5, 4, "cpu", lambda *sizes: [], begin, None)
        >>> net.begin_state(2, "cpu")[0].shape
        torch.Size([2, 4])
        """
        return self.init_state(batch_size, self.num_hiddens, device)


class RNNModel(nn.Module):
    """A recurrent layer on one-hot tokens, and a linear layer to the vocabulary.

    >>> import alight as torch
    >>> from alight import nn
    >>> from alight.lessons import RNNModel
    >>> net = RNNModel(nn.GRU(5, 8), vocab_size=5)
    >>> Y, state = net(torch.ones((2, 3), dtype=torch.int64), net.begin_state("cpu", batch_size=2))
    >>> Y.shape, state.shape
    (torch.Size([6, 5]), torch.Size([1, 2, 8]))
    """

    def __init__(self, rnn_layer: Any, vocab_size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rnn = rnn_layer
        self.vocab_size = vocab_size
        self.num_hiddens = self.rnn.hidden_size
        self.num_directions = 2 if self.rnn.bidirectional else 1
        self.linear = nn.Linear(self.num_hiddens * self.num_directions, self.vocab_size)

    def forward(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Scores (steps * batch, vocabulary) for tokens (batch, steps), and the new state."""
        X = F.one_hot(inputs.T.long(), self.vocab_size).to(torch.float32)
        Y, state = self.rnn(X, state)
        return self.linear(Y.reshape((-1, Y.shape[-1]))), state

    def begin_state(self, device: Any, batch_size: int = 1) -> Any:
        """The state before the first step: zeros, a pair of them for an LSTM."""
        shape = (self.num_directions * self.rnn.num_layers, batch_size, self.num_hiddens)
        if isinstance(self.rnn, nn.LSTM):
            return torch.zeros(shape, device=device), torch.zeros(shape, device=device)
        return torch.zeros(shape, device=device)


def predict_ch8(prefix: str, num_preds: int, net: Any, vocab: Any, device: Any) -> str:
    """`prefix`, and the `num_preds` characters that the model goes on with.

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> vocab = d2l.Vocab(list("abc"))
    >>> net = d2l.RNNModel(torch.nn.RNN(len(vocab), 4), len(vocab))
    >>> d2l.predict_ch8("ab", 3, net, vocab, "cpu")[:2]
    'ab'
    """
    state = net.begin_state(batch_size=1, device=device)
    outputs = [vocab[prefix[0]]]

    def get_input() -> Tensor:
        return torch.tensor([outputs[-1]], device=device).reshape((1, 1))  # type: ignore[operator]

    for y in prefix[1:]:
        _, state = net(get_input(), state)
        outputs.append(vocab[y])
    for _ in range(num_preds):
        y_hat, state = net(get_input(), state)
        outputs.append(int(y_hat.argmax(dim=1).reshape(1)))
    return "".join(vocab.idx_to_token[i] for i in outputs)


def grad_clipping(net: Any, theta: float) -> None:
    """Scale all gradients together so that their norm is `theta` at most.

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> net = torch.nn.Linear(1, 1, bias=False)
    >>> (10 * net(torch.ones(1, 1))).sum().backward()
    >>> d2l.grad_clipping(net, 1.0)
    >>> net.weight.grad
    tensor([[1.]])
    """
    params: list[Any] = net.params if not isinstance(net, nn.Module) else list(net.parameters())
    params = [p for p in params if p.requires_grad]
    squares: Any = sum(torch.sum(p.grad**2) for p in params)
    norm = torch.sqrt(squares)
    if norm > theta:
        for param in params:
            param.grad[:] *= theta / norm


def train_epoch_ch8(
    net: Any,
    train_iter: Iterable[Any],
    loss: Callable[..., Tensor],
    updater: Any,
    device: Any,
    use_random_iter: bool,
) -> tuple[float, float]:
    """Train for an epoch; perplexity and tokens a second.

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> net = d2l.RNNModel(torch.nn.RNN(5, 4), 5)
    >>> data = [(torch.zeros(2, 3, dtype=torch.int64), torch.ones(2, 3, dtype=torch.int64))]
    >>> updater = torch.optim.SGD(net.parameters(), lr=0.1)
    >>> loss = torch.nn.CrossEntropyLoss()
    >>> perplexity, speed = d2l.train_epoch_ch8(net, data, loss, updater, "cpu", False)
    >>> perplexity > 1
    True
    """
    state, timer = None, Timer()
    metric = Accumulator(2)  # sum of losses, tokens
    for X, Y in train_iter:
        if state is None or use_random_iter:
            state = net.begin_state(batch_size=X.shape[0], device=device)
        elif isinstance(state, tuple):  # gradients end at the minibatch's first step
            state = tuple(s.detach() for s in state)
        else:
            state = state.detach()
        y = Y.T.reshape(-1)
        X, y = X.to(device), y.to(device)
        y_hat, state = net(X, state)
        errors = loss(y_hat, y.long()).mean()
        if isinstance(updater, torch.optim.Optimizer):
            updater.zero_grad()
            errors.backward()
            grad_clipping(net, 1)
            updater.step()
        else:
            errors.backward()
            grad_clipping(net, 1)
            updater(batch_size=1)  # the mean has been taken
        metric.add(errors.detach() * y.numel(), y.numel())
    return math.exp(metric[0] / metric[1]), metric[1] / timer.stop()


def train_ch8(
    net: Any,
    train_iter: Iterable[Any],
    vocab: Any,
    lr: float,
    num_epochs: int,
    device: Any,
    use_random_iter: bool = False,
) -> None:
    """Train a model of characters; prints perplexity, speed and two predictions.

    A figure shows the perplexity.

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> vocab = d2l.Vocab(list("time traveller"))
    >>> net = d2l.RNNModel(torch.nn.RNN(len(vocab), 4), len(vocab))
    >>> data = [(torch.zeros(2, 3, dtype=torch.int64), torch.ones(2, 3, dtype=torch.int64))]
    >>> d2l.train_ch8(net, data, vocab, 0.1, 1, "cpu")  # doctest: +ELLIPSIS
    perplexity ..., ... tokens/sec on cpu
    time traveller...
    traveller...
    >>> d2l.plt.close("all")
    """
    loss = nn.CrossEntropyLoss()
    animator = Animator(
        xlabel="epoch", ylabel="perplexity", legend=["train"], xlim=[10, num_epochs]
    )
    if isinstance(net, nn.Module):
        updater: Any = torch.optim.SGD(net.parameters(), lr)
    else:

        def updater(batch_size: int) -> None:
            sgd(net.params, lr, batch_size)

    def predict(prefix: str) -> str:
        return predict_ch8(prefix, 50, net, vocab, device)

    ppl, speed = float("nan"), 0.0
    for epoch in range(num_epochs):
        ppl, speed = train_epoch_ch8(net, train_iter, loss, updater, device, use_random_iter)
        if (epoch + 1) % 10 == 0:
            print(predict("time traveller"))
            animator.add(epoch + 1, [ppl])
    print(f"perplexity {ppl:.1f}, {speed:.1f} tokens/sec on {device}")
    print(predict("time traveller"))
    print(predict("traveller"))
