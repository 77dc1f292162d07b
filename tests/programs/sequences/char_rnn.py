"""A character model with nn.RNN, then nn.GRU: hidden state carried over and detached, text sampled."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.autograd import Variable

torch.manual_seed(1)
text = "hello world, this is a little text for a little network. " * 3
chars = sorted(set(text))
char2int = {c: i for i, c in enumerate(chars)}
encoded = torch.LongTensor([char2int[c] for c in text])


class CharRNN(nn.Module):
    def __init__(self, input_size, hidden_size, output_size, model="rnn", n_layers=2):
        super(CharRNN, self).__init__()
        self.model = model.lower()
        self.hidden_size, self.n_layers = hidden_size, n_layers
        self.encoder = nn.Embedding(input_size, hidden_size)
        if self.model == "gru":
            self.rnn = nn.GRU(hidden_size, hidden_size, n_layers)
        elif self.model == "rnn":
            self.rnn = nn.RNN(hidden_size, hidden_size, n_layers, nonlinearity="tanh")
        self.decoder = nn.Linear(hidden_size, output_size)

    def forward(self, input, hidden):
        batch_size = input.size(0)
        encoded = self.encoder(input)
        output, hidden = self.rnn(encoded.view(1, batch_size, -1), hidden)
        output = self.decoder(output.view(batch_size, -1))
        return output, hidden

    def init_hidden(self, batch_size):
        return Variable(torch.zeros(self.n_layers, batch_size, self.hidden_size))


def random_training_set(chunk_len, batch_size):
    inp = torch.LongTensor(batch_size, chunk_len)
    target = torch.LongTensor(batch_size, chunk_len)
    for bi in range(batch_size):
        start = bi * 7
        chunk = encoded[start : start + chunk_len + 1]
        inp[bi] = chunk[:-1]
        target[bi] = chunk[1:]
    return Variable(inp), Variable(target)


def generate(decoder, prime_str="h", predict_len=20, temperature=0.8):
    hidden = decoder.init_hidden(1)
    prime_input = torch.tensor([char2int[c] for c in prime_str]).unsqueeze(0)
    for p in range(len(prime_str) - 1):
        _, hidden = decoder(prime_input[:, p], hidden)
    inp = prime_input[:, -1]
    predicted = prime_str
    for p in range(predict_len):
        output, hidden = decoder(inp, hidden)
        output_dist = output.data.view(-1).div(temperature).exp()
        top_i = torch.multinomial(output_dist, 1)[0]
        predicted_char = chars[top_i]
        predicted += predicted_char
        inp = torch.LongTensor([char2int[predicted_char]])
    return predicted


for kind in ["rnn", "gru"]:
    decoder = CharRNN(len(chars), 16, len(chars), model=kind)
    optimizer = torch.optim.Adam(decoder.parameters(), lr=0.01)
    criterion = nn.CrossEntropyLoss()
    inp, target = random_training_set(10, 4)
    for epoch in range(3):
        hidden = decoder.init_hidden(4)
        decoder.zero_grad()
        loss = 0
        for c in range(10):
            output, hidden = decoder(inp[:, c], hidden)
            loss += criterion(output.view(4, -1), target[:, c])
        loss.backward()
        optimizer.step()
        print("%s %d %.4f" % (kind, epoch, loss.data / 10))
    print(repr(generate(decoder, "he")), hidden.shape)

# truncated backpropagation through time
rnn, head = nn.RNN(len(chars), 12, batch_first=True), nn.Linear(12, len(chars))
params = list(rnn.parameters()) + list(head.parameters())
opt = torch.optim.SGD(params, lr=0.5)
state = None
data = F.one_hot(encoded[:120], len(chars)).float().view(4, 30, -1)
for start in range(0, 20, 5):
    X, Y = data[:, start : start + 5], encoded[:120].view(4, 30)[:, start + 1 : start + 6]
    if state is not None:
        state.detach_()
    out, state = rnn(X, state)
    l = F.cross_entropy(head(out).reshape(-1, len(chars)), Y.reshape(-1))
    opt.zero_grad()
    l.backward()
    nn.utils.clip_grad_norm_(params, 0.25)
    opt.step()
    print("perplexity %.3f" % torch.exp(l), state.size())
