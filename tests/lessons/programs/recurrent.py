"""Sequences: autoregression, RNN, GRU and LSTM by hand and concise, deep and in both directions, seq2seq."""

import torch
from d2l import torch as d2l
from torch import nn

torch.manual_seed(0)
T, tau = 200, 4
time = torch.arange(1, T + 1, dtype=torch.float32)
x = torch.sin(0.01 * time) + torch.normal(0, 0.2, (T,))
features = torch.zeros((T - tau, tau))
for i in range(tau):
    features[:, i] = x[i : T - tau + i]
labels = x[tau:].reshape((-1, 1))
net = nn.Sequential(nn.Linear(4, 10), nn.ReLU(), nn.Linear(10, 1))
net.apply(lambda m: nn.init.xavier_uniform_(m.weight) if type(m) == nn.Linear else None)
loss = nn.MSELoss(reduction="none")
trainer = torch.optim.Adam(net.parameters(), 0.01)
train_iter = d2l.load_array((features[:160], labels[:160]), 16, is_train=True)
for epoch in range(3):
    for X, y in train_iter:
        trainer.zero_grad()
        loss(net(X), y).sum().backward()
        trainer.step()
    print(f"epoch {epoch + 1}, loss: {d2l.evaluate_loss(net, train_iter, loss):f}")
multistep = torch.zeros(T)
multistep[: 160 + tau] = x[: 160 + tau]
for i in range(160 + tau, T):
    multistep[i] = net(multistep[i - tau : i].reshape((1, -1)))
print(multistep[-3:])

X, W_xh = torch.normal(0, 1, (3, 1)), torch.normal(0, 1, (1, 4))
H, W_hh = torch.normal(0, 1, (3, 4)), torch.normal(0, 1, (4, 4))
print(torch.matmul(X, W_xh) + torch.matmul(H, W_hh))
print(torch.matmul(torch.cat((X, H), 1), torch.cat((W_xh, W_hh), 0)))

vocab_size, num_hiddens, batch_size, num_steps = 10, 8, 2, 5
tokens = torch.randint(0, vocab_size, (batch_size, num_steps))


def three(num_inputs):
    return (
        torch.randn(num_inputs, num_hiddens) * 0.5,
        torch.randn(num_hiddens, num_hiddens) * 0.5,
        torch.zeros(num_hiddens),
    )


def get_params(gates):
    params = [p for _ in range(gates) for p in three(vocab_size)]
    params += [torch.randn(num_hiddens, vocab_size) * 0.5, torch.zeros(vocab_size)]
    return [p.requires_grad_(True) for p in params]


def gru(inputs, H, params):
    W_xz, W_hz, b_z, W_xr, W_hr, b_r, W_xh, W_hh, b_h, W_hq, b_q = params
    outputs = []
    for X in inputs:
        Z = torch.sigmoid((X @ W_xz) + (H @ W_hz) + b_z)
        R = torch.sigmoid((X @ W_xr) + (H @ W_hr) + b_r)
        H_tilda = torch.tanh((X @ W_xh) + ((R * H) @ W_hh) + b_h)
        H = Z * H + (1 - Z) * H_tilda
        outputs.append(H @ W_hq + b_q)
    return torch.cat(outputs, dim=0), H


def lstm(inputs, state, params):
    [W_xi, W_hi, b_i, W_xf, W_hf, b_f, W_xo, W_ho, b_o, W_xc, W_hc, b_c, W_hq, b_q] = params
    (H, C) = state
    outputs = []
    for X in inputs:
        I = torch.sigmoid((X @ W_xi) + (H @ W_hi) + b_i)
        F = torch.sigmoid((X @ W_xf) + (H @ W_hf) + b_f)
        O = torch.sigmoid((X @ W_xo) + (H @ W_ho) + b_o)
        C_tilda = torch.tanh((X @ W_xc) + (H @ W_hc) + b_c)
        C = F * C + I * C_tilda
        H = O * torch.tanh(C)
        outputs.append((H @ W_hq) + b_q)
    return torch.cat(outputs, dim=0), (H, C)


inputs = nn.functional.one_hot(tokens.T, vocab_size).float()
zeros = torch.zeros(batch_size, num_hiddens)
for cell, state, gates in ((gru, zeros, 3), (lstm, (zeros, zeros), 4)):
    params = get_params(gates)
    Y, _ = cell(inputs, state, params)
    nn.CrossEntropyLoss()(Y, tokens.T.reshape(-1)).backward()
    print(Y.shape, Y.abs().mean(), [round(float(p.grad.norm()), 4) for p in params])

for layer in (
    nn.RNN(vocab_size, num_hiddens), nn.GRU(vocab_size, num_hiddens, 2), nn.LSTM(vocab_size, num_hiddens),
    nn.LSTM(vocab_size, num_hiddens, 2, bidirectional=True), nn.GRU(vocab_size, num_hiddens, batch_first=True),
):  # fmt: skip
    Y, state = layer(inputs)
    last = state[0] if isinstance(state, tuple) else state
    print(layer, Y.shape, last.shape, Y.abs().mean(), last.sum())
    Y.sum().backward()
    print(sum(p.grad.abs().sum() for p in layer.parameters()))
    if not layer.batch_first:
        net = d2l.RNNModel(layer, vocab_size)
        out, state = net(tokens, net.begin_state("cpu", batch_size))
        print(out.shape, out.mean())


class Seq2SeqDecoder(d2l.Decoder):
    def __init__(self, vocab_size, embed_size, num_hiddens, num_layers, dropout=0):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embed_size)
        self.rnn = nn.GRU(embed_size + num_hiddens, num_hiddens, num_layers, dropout=dropout)
        self.dense = nn.Linear(num_hiddens, vocab_size)

    def init_state(self, enc_outputs, *args):
        return enc_outputs[1]

    def forward(self, X, state):
        X = self.embedding(X).permute(1, 0, 2)
        context = state[-1].repeat(X.shape[0], 1, 1)
        output, state = self.rnn(torch.cat((X, context), 2), state)
        return self.dense(output).permute(1, 0, 2), state


encoder = d2l.Seq2SeqEncoder(10, 8, 16, 2)
output, state = encoder.eval()(torch.zeros((4, 7), dtype=torch.long))
print(output.shape, state.shape)
decoder = Seq2SeqDecoder(10, 8, 16, 2)
source = torch.randint(4, 10, (20, 6))
data_iter = d2l.load_array((source, torch.full((20,), 6), source.flip(1), torch.full((20,), 6)), 10)
vocab = d2l.Vocab([["a", "b", "c", "d", "e", "f"]], reserved_tokens=["<pad>", "<bos>", "<eos>"])
net = d2l.EncoderDecoder(encoder, decoder)
d2l.train_seq2seq(net, data_iter, 0.01, 10, vocab, "cpu")
print(d2l.predict_seq2seq(net, "a b c", vocab, vocab, 6, "cpu"))
