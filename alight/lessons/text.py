"""Text made into numbers: tokens, a vocabulary, and minibatches of sequences.

In: lines of text. Out: lists of token indices, and pairs (X, Y) of tensors in which Y is X one step later.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import alight as torch
from alight.lessons.downloads import download

Tensor = torch.Tensor
UNKNOWN = "<unk>"


def read_time_machine() -> list[str]:
    """The lines of The Time Machine (Wells 1898), in lower case, with letters and single spaces
    alone.

    DataNotFoundError where the file is neither here nor to be had.

    >>> from alight import lessons as d2l
    >>> callable(d2l.read_time_machine)  # lines = d2l.read_time_machine()
    True
    """
    with open(download("time_machine"), encoding="utf-8") as file:
        return [re.sub("[^A-Za-z]+", " ", line).strip().lower() for line in file]


def tokenize(lines: Sequence[str], token: str = "word") -> list[list[str]]:
    """Each line as a list of words, or of characters.

    >>> from alight.lessons import tokenize
    >>> tokenize(["the time"], "word"), tokenize(["ab"], "char")
    ([['the', 'time']], [['a', 'b']])
    """
    if token == "word":
        return [line.split() for line in lines]
    if token == "char":
        return [list(line) for line in lines]
    raise ValueError(f"unknown kind of token: {token} (it is 'word' or 'char')")


def count_corpus(tokens: Sequence[Any]) -> Counter[str]:
    """How often each token occurs, in a list of tokens or a list of such lists.

    >>> from alight import lessons as d2l
    >>> d2l.count_corpus([["a", "b"], ["a"]])
    Counter({'a': 2, 'b': 1})
    """
    if tokens and isinstance(tokens[0], list):
        return Counter(token for line in tokens for token in line)
    return Counter(tokens)


class Vocab:
    """Tokens and their indices: 0 for the unknown, then reserved tokens, then the others from the commonest on.

    >>> from alight.lessons import Vocab
    >>> vocab = Vocab([["a", "b", "a"]])
    >>> len(vocab), vocab["a"], vocab[["b", "z"]], vocab.to_tokens([1, 0])
    (3, 1, [2, 0], ['a', '<unk>'])
    """

    def __init__(
        self,
        tokens: Sequence[Any] | None = None,
        min_freq: int = 0,
        reserved_tokens: Sequence[str] | None = None,
    ) -> None:
        counts = count_corpus(tokens or [])
        self._token_freqs = sorted(counts.items(), key=lambda entry: entry[1], reverse=True)
        common = [token for token, count in self._token_freqs if count >= min_freq]
        self.idx_to_token = list(dict.fromkeys([UNKNOWN, *(reserved_tokens or []), *common]))
        self.token_to_idx = {token: index for index, token in enumerate(self.idx_to_token)}

    def __len__(self) -> int:
        return len(self.idx_to_token)

    def __getitem__(self, tokens: Any) -> Any:
        if isinstance(tokens, list | tuple):
            return [self[token] for token in tokens]
        return self.token_to_idx.get(tokens, self.unk)

    def to_tokens(self, indices: Any) -> Any:
        """The token of an index, or the tokens of a sequence of them.

        >>> from alight import lessons as d2l
        >>> d2l.Vocab(["a", "a", "b"]).to_tokens([1, 2])
        ['a', 'b']
        """
        if hasattr(indices, "__len__") and len(indices) != 1:
            return [self.idx_to_token[int(index)] for index in indices]
        if isinstance(indices, list | tuple):
            return [self.idx_to_token[int(indices[0])]]
        return self.idx_to_token[int(indices)]

    @property
    def unk(self) -> int:
        """The index of unknown tokens."""
        return 0

    @property
    def token_freqs(self) -> list[tuple[str, int]]:
        """Tokens and their counts, from the commonest on."""
        return self._token_freqs


def load_corpus_time_machine(max_tokens: int = -1) -> tuple[list[int], Vocab]:
    """The Time Machine as a list of character indices, at most `max_tokens` of them, and the
    vocabulary.

    >>> from alight import lessons as d2l
    >>> callable(d2l.load_corpus_time_machine)  # corpus, vocab = d2l.load_corpus_time_machine()
    True
    """
    tokens = tokenize(read_time_machine(), "char")
    vocab = Vocab(tokens)
    corpus = [vocab[token] for line in tokens for token in line]
    return (corpus[:max_tokens] if max_tokens > 0 else corpus), vocab


def seq_data_iter_random(
    corpus: Sequence[int], batch_size: int, num_steps: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Minibatches of subsequences in random order, from a random start: pairs (batch_size,
    num_steps).

    >>> from alight import lessons as d2l
    >>> [X.shape for X, Y in d2l.seq_data_iter_random(list(range(35)), batch_size=2, num_steps=5)][0]
    torch.Size([2, 5])
    """
    corpus = corpus[random.randint(0, num_steps - 1) :]
    count = (len(corpus) - 1) // num_steps
    starts = list(range(0, count * num_steps, num_steps))
    random.shuffle(starts)

    def rows(of: Sequence[int], shift: int) -> Tensor:
        return torch.tensor([corpus[at + shift : at + shift + num_steps] for at in of])  # type: ignore[operator]

    for first in range(0, batch_size * (count // batch_size), batch_size):
        chosen = starts[first : first + batch_size]
        yield rows(chosen, 0), rows(chosen, 1)


def seq_data_iter_sequential(
    corpus: Sequence[int], batch_size: int, num_steps: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Minibatches whose rows go on where the last minibatch's rows ended, from a random start.

    >>> from alight import lessons as d2l
    >>> X, Y = next(d2l.seq_data_iter_sequential(list(range(35)), batch_size=2, num_steps=5))
    >>> bool((Y == X + 1).all())
    True
    """
    offset = random.randint(0, num_steps)
    count = (len(corpus) - offset - 1) // batch_size * batch_size
    Xs = torch.tensor(corpus[offset : offset + count]).reshape(batch_size, -1)  # type: ignore[operator]
    Ys = torch.tensor(corpus[offset + 1 : offset + 1 + count]).reshape(batch_size, -1)  # type: ignore[operator]
    num_batches = Xs.shape[1] // num_steps
    for i in range(0, num_steps * num_batches, num_steps):
        yield Xs[:, i : i + num_steps], Ys[:, i : i + num_steps]


class SeqDataLoader:
    """Minibatches of The Time Machine, anew at each iteration.

    >>> from alight import lessons as d2l
    >>> callable(d2l.SeqDataLoader)  # loader = d2l.SeqDataLoader(32, 35, False, 10000)
    True
    """

    def __init__(
        self, batch_size: int, num_steps: int, use_random_iter: bool, max_tokens: int
    ) -> None:
        self.data_iter_fn = seq_data_iter_random if use_random_iter else seq_data_iter_sequential
        self.corpus, self.vocab = load_corpus_time_machine(max_tokens)
        self.batch_size, self.num_steps = batch_size, num_steps

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.data_iter_fn(self.corpus, self.batch_size, self.num_steps)


def load_data_time_machine(
    batch_size: int, num_steps: int, use_random_iter: bool = False, max_tokens: int = 10000
) -> tuple[SeqDataLoader, Vocab]:
    """Minibatches of The Time Machine, and its vocabulary.

    >>> from alight import lessons as d2l
    >>> callable(d2l.load_data_time_machine)  # train_iter, vocab = d2l.load_data_time_machine(32, 35)
    True
    """
    data_iter = SeqDataLoader(batch_size, num_steps, use_random_iter, max_tokens)
    return data_iter, data_iter.vocab
