"""The helper module: convolution, residual blocks, text, recurrent networks, attention's parts."""

import math
import os
import random

import numpy as np
import torch
from d2l import torch as d2l
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
random.seed(0)
X = torch.arange(9.0).reshape(3, 3)
print(d2l.corr2d(X, torch.tensor([[0.0, 1.0], [2.0, 3.0]])))
print(d2l.Residual(3, 6, use_1x1conv=True, strides=2)(torch.ones(4, 3, 6, 6)).shape)
print([type(layer).__name__ for layer in d2l.resnet18(10, 1)])

arrays = np.load(os.environ["LESSON_DATA"])


def loader(name, count, shuffle):
    X = torch.tensor(arrays[name + "_x"][:count], dtype=torch.float32).unsqueeze(1) / 255
    return d2l.load_array((X, torch.tensor(arrays[name + "_y"][:count])), 50, is_train=shuffle)


net = nn.Sequential(
    nn.Conv2d(1, 4, 5, padding=2),
    nn.Sigmoid(),
    nn.AvgPool2d(4, 4),
    nn.Flatten(),
    nn.Linear(196, 10),
)
train_iter, test_iter = loader("train", 300, True), loader("test", 100, False)
d2l.train_ch6(net, train_iter, test_iter, 2, 0.5, d2l.try_gpu())
print(d2l.evaluate_accuracy_gpu(net, test_iter))
trainer = torch.optim.Adam(net.parameters(), lr=0.01)
d2l.train_ch13(net, train_iter, test_iter, nn.CrossEntropyLoss(reduction="none"), trainer, 1)

d2l.DATA_HUB["time_machine"] = (d2l.DATA_URL + "timemachine.txt", None)
lines = d2l.read_time_machine()
print(len(lines), lines[0], lines[5])
tokens = d2l.tokenize(lines)
vocab = d2l.Vocab(tokens, min_freq=2, reserved_tokens=["<pad>"])
print(len(vocab), list(vocab.token_to_idx.items())[:6], vocab[tokens[0]], vocab.to_tokens([3, 4]))
corpus, vocab = d2l.load_corpus_time_machine()
print(len(corpus), len(vocab), vocab.token_freqs[:4])
for X, Y in d2l.seq_data_iter_random(list(range(35)), batch_size=2, num_steps=5):
    print("X:", X, "\nY:", Y)
for X, Y in d2l.seq_data_iter_sequential(list(range(35)), batch_size=2, num_steps=5):
    print("X:", X, "\nY:", Y)
print(F.one_hot(torch.tensor([0, 2]), len(vocab)).sum(1))


def get_params(vocab_size, num_hiddens, device):
    def normal(shape):
        return torch.randn(size=shape, device=device) * 0.01

    params = [
        normal((vocab_size, num_hiddens)),
        normal((num_hiddens, num_hiddens)),
        torch.zeros(num_hiddens, device=device),
        normal((num_hiddens, vocab_size)),
        torch.zeros(vocab_size, device=device),
    ]
    for param in params:
        param.requires_grad_(True)
    return params


def init_rnn_state(batch_size, num_hiddens, device):
    return (torch.zeros((batch_size, num_hiddens), device=device),)


def rnn(inputs, state, params):
    W_xh, W_hh, b_h, W_hq, b_q = params
    (H,) = state
    outputs = []
    for X in inputs:
        H = torch.tanh(torch.mm(X, W_xh) + torch.mm(H, W_hh) + b_h)
        outputs.append(torch.mm(H, W_hq) + b_q)
    return torch.cat(outputs, dim=0), (H,)


device = d2l.try_gpu()
net = d2l.RNNModelScratch(len(vocab), 16, device, get_params, init_rnn_state, rnn)
Y, new_state = net(torch.arange(10).reshape((2, 5)), net.begin_state(2, device))
print(Y.shape, len(new_state), new_state[0].shape)
print(d2l.predict_ch8("time traveller ", 10, net, vocab, device))
for random_order in (False, True):
    train_iter, vocab = d2l.load_data_time_machine(4, 5, random_order)
    updater = torch.optim.SGD(net.params, 1)
    loss = nn.CrossEntropyLoss()
    for _ in range(3):
        print(d2l.train_epoch_ch8(net, train_iter, loss, updater, device, random_order)[0])
d2l.train_ch8(net, train_iter, vocab, 1, 10, device)

print(d2l.masked_softmax(torch.ones(2, 2, 4), torch.tensor([2, 3])))
print(d2l.masked_softmax(torch.ones(2, 2, 4), torch.tensor([[1, 3], [2, 4]])))
print(d2l.sequence_mask(torch.ones(2, 3, 4), torch.tensor([1, 2]), value=-1))
weights = d2l.MaskedSoftmaxCELoss()(
    torch.ones(3, 4, 10), torch.ones((3, 4), dtype=torch.long), torch.tensor([4, 2, 0])
)
print(weights)
attention = d2l.AdditiveAttention(key_size=2, query_size=20, num_hiddens=8, dropout=0.1).eval()
keys, values = torch.ones((2, 10, 2)), torch.arange(40.0).reshape(1, 10, 4).repeat(2, 1, 1)
print(attention(torch.normal(0, 1, (2, 1, 20)), keys, values, torch.tensor([2, 6])))
heads = d2l.MultiHeadAttention(8, 8, 8, 8, 2, 0.0).eval()
print(
    heads(
        torch.ones((2, 4, 8)), torch.ones((2, 6, 8)), torch.ones((2, 6, 8)), torch.tensor([3, 2])
    ).shape
)
encoding = d2l.PositionalEncoding(8, 0).eval()
print(encoding(torch.zeros((1, 3, 8))))
encoder = d2l.TransformerEncoder(20, 8, 8, 8, 8, [5, 8], 8, 16, 2, 2, 0.0).eval()
print(encoder(torch.ones((2, 5), dtype=torch.long), torch.tensor([3, 2])).abs().mean())
print(d2l.AddNorm([3, 4], 0.0)(torch.ones((2, 3, 4)), torch.arange(24.0).reshape(2, 3, 4))[0, 0])

text = d2l.preprocess_nmt("Go.\tVa !\nHi, you.\tSalut, toi.\n")
source, target = d2l.tokenize_nmt(text)
print(source, target)
vocab = d2l.Vocab(source, reserved_tokens=["<pad>", "<bos>", "<eos>"])
print(d2l.build_array_nmt(source, vocab, 6))
print(
    d2l.bleu("va !", "va !", 2),
    d2l.bleu("il est", "il est riche", 2),
    d2l.truncate_pad([1, 2, 3], 5, 0),
)


def momentum(x1, x2, v1, v2):
    v1, v2 = 0.5 * v1 + 0.2 * x1, 0.5 * v2 + 4 * 0.2 * x2
    return x1 - 0.4 * v1, x2 - 0.4 * v2, v1, v2


results = d2l.train_2d(momentum)
d2l.show_trace_2d(lambda x1, x2: 0.1 * x1**2 + 2 * x2**2, results)
print(math.isclose(results[-1][0], results[-1][0]))
