"""Sequence to sequence: encoders and decoders, pairs of sentences as tensors, a loss with a mask, BLEU."""

from __future__ import annotations

import collections
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import alight as torch
from alight import nn
from alight.data import DataLoader
from alight.lessons.downloads import download_extract
from alight.lessons.figures import Animator, pyplot, set_figsize
from alight.lessons.measures import Accumulator, Timer
from alight.lessons.recurrent import grad_clipping
from alight.lessons.regression import load_array
from alight.lessons.text import Vocab

Tensor = torch.Tensor
PAD, BEGIN, END = "<pad>", "<bos>", "<eos>"


# -- models


class Encoder(nn.Module):
    """The part of a model that reads the source; subclasses define forward(X).

    >>> from alight import lessons as d2l
    >>> issubclass(d2l.Seq2SeqEncoder, d2l.Encoder)
    True
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def forward(self, X: Any, *args: Any) -> Any:
        """The encoded sequence; subclasses compute it."""
        raise NotImplementedError


class Decoder(nn.Module):
    """The part of a model that writes the target; subclasses define init_state(enc_outputs) and
    forward(X, state).

    >>> from alight import lessons as d2l
    >>> issubclass(d2l.AttentionDecoder, d2l.Decoder)
    True
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def init_state(self, enc_outputs: Any, *args: Any) -> Any:
        """The state before the first step; subclasses make it."""
        raise NotImplementedError

    def forward(self, X: Any, state: Any) -> Any:
        """Scores and the new state; subclasses compute them."""
        raise NotImplementedError


class EncoderDecoder(nn.Module):
    """An encoder whose state a decoder goes on from: forward(enc_X, dec_X).

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> class Echo(d2l.Decoder):
    ...     def init_state(self, enc_outputs, *args):
    ...         return enc_outputs[1]
    ...     def forward(self, X, state):
    ...         return X, state
    >>> net = d2l.EncoderDecoder(d2l.Seq2SeqEncoder(10, 4, 8, 1), Echo())
    >>> tokens = torch.zeros(2, 3, dtype=torch.int64)
    >>> net(tokens, tokens)[1].shape
    torch.Size([1, 2, 8])
    """

    def __init__(self, encoder: Any, decoder: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, enc_X: Any, dec_X: Any, *args: Any) -> Any:
        """What the decoder gives for `dec_X` after the encoder has seen `enc_X`."""
        enc_outputs = self.encoder(enc_X, *args)
        return self.decoder(dec_X, self.decoder.init_state(enc_outputs, *args))


class Seq2SeqEncoder(Encoder):
    """An embedding and a GRU: tokens (n, steps) to outputs (steps, n, hiddens) and the state
    (layers, n, hiddens).

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> encoder = d2l.Seq2SeqEncoder(vocab_size=10, embed_size=8, num_hiddens=16, num_layers=2)
    >>> output, state = encoder(torch.zeros(4, 7, dtype=torch.int64))
    >>> output.shape, state.shape
    (torch.Size([7, 4, 16]), torch.Size([2, 4, 16]))
    """

    def __init__(
        self,
        vocab_size: int,
        embed_size: int,
        num_hiddens: int,
        num_layers: int,
        dropout: float = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.embedding = nn.Embedding(vocab_size, embed_size)
        self.rnn = nn.GRU(embed_size, num_hiddens, num_layers, dropout=dropout)

    def forward(self, X: Tensor, *args: Any) -> Any:
        """Outputs (steps, n, hiddens) and the last state (layers, n, hiddens) for tokens (n, steps)."""
        return self.rnn(self.embedding(X).permute(1, 0, 2))


# -- pairs of sentences


def read_data_nmt() -> str:
    """The English-French pairs, one a line.

    >>> from alight import lessons as d2l
    >>> callable(d2l.read_data_nmt)  # text = d2l.read_data_nmt()
    True
    """
    folder = download_extract("fra-eng")
    return (Path(folder) / "fra.txt").read_text(encoding="utf-8")


def preprocess_nmt(text: str) -> str:
    """Lower case, plain spaces, and a space before each mark of punctuation.

    >>> from alight.lessons import preprocess_nmt
    >>> preprocess_nmt("Go on!")
    'go on !'
    """
    text = text.replace("\u202f", " ").replace("\xa0", " ").lower()
    marks = set(",.!?")
    spaced = (
        " " + char if i > 0 and char in marks and text[i - 1] != " " else char
        for i, char in enumerate(text)
    )
    return "".join(spaced)


def tokenize_nmt(text: str, num_examples: int | None = None) -> tuple[list[Any], list[Any]]:
    """Words of the source and of the target sentences, from the first `num_examples` lines.

    >>> from alight.lessons import tokenize_nmt
    >>> tokenize_nmt("go .\\tva !")
    ([['go', '.']], [['va', '!']])
    """
    source, target = [], []
    for i, line in enumerate(text.split("\n")):
        if num_examples and i > num_examples:
            break
        parts = line.split("\t")
        if len(parts) == 2:
            source.append(parts[0].split(" "))
            target.append(parts[1].split(" "))
    return source, target


def show_list_len_pair_hist(
    legend: Sequence[str], xlabel: str, ylabel: str, xlist: Sequence[Any], ylist: Sequence[Any]
) -> None:
    """A histogram of the lengths of two collections of sequences.

    >>> from alight import lessons as d2l
    >>> d2l.show_list_len_pair_hist(["source", "target"], "words", "count", [["ab"]], [["abc"]])
    >>> d2l.plt.close("all")
    """
    set_figsize()
    plt = pyplot()
    _, _, patches = plt.hist([[len(l) for l in xlist], [len(l) for l in ylist]])  # noqa: E741
    plt.xlabel(xlabel)
    plt.ylabel(ylabel)
    for patch in patches[1].patches:
        patch.set_hatch("/")
    plt.legend(legend)


def truncate_pad(line: Sequence[Any], num_steps: int, padding_token: Any) -> list[Any]:
    """`line` cut, or filled up, to `num_steps` tokens.

    >>> from alight.lessons import truncate_pad
    >>> truncate_pad([1, 2, 3], 2, 0), truncate_pad([1], 3, 0)
    ([1, 2], [1, 0, 0])
    """
    kept = list(line[:num_steps])
    return kept + [padding_token] * (num_steps - len(kept))


def build_array_nmt(lines: Sequence[Any], vocab: Vocab, num_steps: int) -> tuple[Tensor, Tensor]:
    """Sentences as a tensor (n, steps) of indices, and their lengths without padding.

    >>> from alight import lessons as d2l
    >>> vocab = d2l.Vocab(["a", "b"], reserved_tokens=["<pad>", "<bos>", "<eos>"])
    >>> d2l.build_array_nmt([["a", "b"]], vocab, num_steps=4)
    (tensor([[4, 5, 3, 1]]), tensor([3]))
    """
    indexed = [[*vocab[line], vocab[END]] for line in lines]
    array = torch.tensor([truncate_pad(line, num_steps, vocab[PAD]) for line in indexed])  # type: ignore[operator]
    return array, (array != vocab[PAD]).type(torch.int32).sum(1)


def load_data_nmt(
    batch_size: int, num_steps: int, num_examples: int = 600
) -> tuple[DataLoader[Any], Vocab, Vocab]:
    """A loader of translated sentences, and the two vocabularies.

    >>> from alight import lessons as d2l
    >>> callable(d2l.load_data_nmt)  # train_iter, src_vocab, tgt_vocab = d2l.load_data_nmt(64, 10)
    True
    """
    source, target = tokenize_nmt(preprocess_nmt(read_data_nmt()), num_examples)
    vocabs: list[Vocab] = []
    arrays: list[Tensor] = []
    for lines in (source, target):
        vocab = Vocab(lines, min_freq=2, reserved_tokens=[PAD, BEGIN, END])
        vocabs.append(vocab)
        arrays.extend(build_array_nmt(lines, vocab, num_steps))
    return load_array(arrays, batch_size), vocabs[0], vocabs[1]


# -- training and prediction


def sequence_mask(X: Tensor, valid_len: Tensor, value: float = 0) -> Tensor:
    """Write `value` into `X` (n, steps, ...) from each row's valid length on; `X` itself.

    >>> import alight as torch
    >>> from alight.lessons import sequence_mask
    >>> sequence_mask(torch.tensor([[1, 2, 3], [4, 5, 6]]), torch.tensor([1, 2]))
    tensor([[1, 0, 0],
            [4, 5, 0]])
    """
    steps = torch.arange(X.size(1), dtype=torch.float32, device=X.device)
    X[~(steps[None, :] < valid_len[:, None])] = value
    return X


class MaskedSoftmaxCELoss(nn.CrossEntropyLoss):
    """Cross-entropy of each sequence, its padding left out: scores (n, steps, vocabulary), labels
    (n, steps), lengths (n,).

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> loss = d2l.MaskedSoftmaxCELoss()
    >>> loss(torch.ones(2, 4, 5), torch.ones(2, 4, dtype=torch.int64), torch.tensor([4, 0]))
    tensor([1.6094, 0.0000])
    """

    def forward(self, pred: Tensor, label: Tensor, valid_len: Tensor) -> Tensor:  # type: ignore[override]
        """One value a sequence, for scores (n, steps, vocabulary) and labels (n, steps)."""
        weights = sequence_mask(torch.ones_like(label), valid_len)
        self.reduction = "none"
        unweighted = super().forward(pred.permute(0, 2, 1), label)
        return (unweighted * weights).mean(dim=1)


def train_seq2seq(
    net: Any, data_iter: Any, lr: float, num_epochs: int, tgt_vocab: Vocab, device: Any
) -> None:
    """Train with teacher forcing and Adam from Xavier's initialisation; prints loss and speed.

    Batches are source, its lengths, target and its lengths, as load_data_nmt gives them. A
    figure shows the loss.

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> class Parrot(d2l.Decoder):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.scores = torch.nn.Embedding(10, 10)
    ...     def init_state(self, enc_outputs, *args):
    ...         return enc_outputs[1]
    ...     def forward(self, X, state):
    ...         return self.scores(X) + state.mean(), state
    >>> vocab = d2l.Vocab(list("abcdef"), reserved_tokens=["<pad>", "<bos>", "<eos>"])
    >>> net = d2l.EncoderDecoder(d2l.Seq2SeqEncoder(10, 4, 8, 1), Parrot())
    >>> tokens, lengths = torch.ones(2, 3, dtype=torch.int64), torch.tensor([3, 2])
    >>> data = [(tokens, lengths, tokens, lengths)]
    >>> d2l.train_seq2seq(net, data, 0.01, 1, vocab, "cpu")  # doctest: +ELLIPSIS
    loss ..., ... tokens/sec on cpu
    >>> d2l.plt.close("all")
    """

    def xavier_init_weights(m: nn.Module) -> None:
        if type(m) is nn.Linear:
            nn.init.xavier_uniform_(m.weight)
        if type(m) is nn.GRU:
            for name, param in m.named_parameters():
                if name.startswith("weight"):
                    nn.init.xavier_uniform_(param)

    net.apply(xavier_init_weights)
    net.to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    loss = MaskedSoftmaxCELoss()
    net.train()
    animator = Animator(xlabel="epoch", ylabel="loss", xlim=[10, num_epochs])
    timer, metric = Timer(), Accumulator(2)
    for epoch in range(num_epochs):
        timer = Timer()
        metric = Accumulator(2)  # sum of losses, tokens
        for batch in data_iter:
            optimizer.zero_grad()
            X, _, Y, Y_valid_len = (x.to(device) for x in batch)
            begin = torch.tensor([tgt_vocab[BEGIN]] * Y.shape[0], device=device).reshape(-1, 1)  # type: ignore[operator]
            Y_hat, _ = net(X, torch.cat([begin, Y[:, :-1]], 1), batch[1].to(device))
            errors = loss(Y_hat, Y, Y_valid_len)
            errors.sum().backward()
            grad_clipping(net, 1)
            num_tokens = Y_valid_len.sum()
            optimizer.step()
            with torch.no_grad():
                metric.add(errors.sum(), num_tokens)
        if (epoch + 1) % 10 == 0:
            animator.add(epoch + 1, (metric[0] / metric[1],))
    speed = metric[1] / timer.stop()
    print(f"loss {metric[0] / metric[1]:.3f}, {speed:.1f} tokens/sec on {device}")


def predict_seq2seq(
    net: Any,
    src_sentence: str,
    src_vocab: Vocab,
    tgt_vocab: Vocab,
    num_steps: int,
    device: Any,
    save_attention_weights: bool = False,
) -> tuple[str, list[Any]]:
    """The likeliest translation, word by word, and the attention weights of each step if they are
    asked for.

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> class Parrot(d2l.Decoder):
    ...     def init_state(self, enc_outputs, *args):
    ...         return enc_outputs[1]
    ...     def forward(self, X, state):
    ...         return torch.nn.functional.one_hot(torch.full_like(X, 4), 10), state
    >>> vocab = d2l.Vocab(list("aabcdef"), reserved_tokens=["<pad>", "<bos>", "<eos>"])
    >>> net = d2l.EncoderDecoder(d2l.Seq2SeqEncoder(10, 4, 8, 1), Parrot())
    >>> d2l.predict_seq2seq(net, "a b", vocab, vocab, num_steps=2, device="cpu")
    ('a a', [])
    """
    net.eval()
    tokens = [*src_vocab[src_sentence.lower().split(" ")], src_vocab[END]]
    enc_valid_len = torch.tensor([len(tokens)], device=device)  # type: ignore[operator]
    tokens = truncate_pad(tokens, num_steps, src_vocab[PAD])
    enc_X = torch.tensor(tokens, dtype=torch.long, device=device).unsqueeze(0)  # type: ignore[operator]
    dec_state = net.decoder.init_state(net.encoder(enc_X, enc_valid_len), enc_valid_len)
    dec_X = torch.tensor([tgt_vocab[BEGIN]], dtype=torch.long, device=device).unsqueeze(0)  # type: ignore[operator]
    words, weights = [], []
    for _ in range(num_steps):
        Y, dec_state = net.decoder(dec_X, dec_state)
        dec_X = Y.argmax(dim=2)
        pred = int(dec_X.squeeze(dim=0).type(torch.int32).item())
        if save_attention_weights:
            weights.append(net.decoder.attention_weights)
        if pred == tgt_vocab[END]:
            break
        words.append(pred)
    return " ".join(
        tgt_vocab.to_tokens(words) if len(words) != 1 else [tgt_vocab.to_tokens(words[0])]
    ), weights


def bleu(pred_seq: str, label_seq: str, k: int) -> float:
    """The BLEU score of a sentence with n-grams up to `k` (Papineni et al. 2002, with the notes' weights).

    >>> from alight.lessons import bleu
    >>> bleu("va !", "va !", 2)
    1.0
    """
    pred, label = pred_seq.split(" "), label_seq.split(" ")
    score = math.exp(min(0, 1 - len(label) / len(pred)))
    for n in range(1, k + 1):
        grams = collections.Counter(" ".join(label[i : i + n]) for i in range(len(label) - n + 1))
        matches = 0
        for i in range(len(pred) - n + 1):
            gram = " ".join(pred[i : i + n])
            if grams[gram] > 0:
                matches += 1
                grams[gram] -= 1
        score *= math.pow(matches / (len(pred) - n + 1), math.pow(0.5, n))
    return score
