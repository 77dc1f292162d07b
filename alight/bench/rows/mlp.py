"""Fully connected networks: from linear regression to two hidden layers with dropout."""

import itertools


def make(compiled, sizes, batch, optimizer, loss="cross-entropy", dropout=(), accuracy=False):
    torch.manual_seed(0)
    layers = []
    for n, (a, b) in enumerate(itertools.pairwise(sizes)):
        layers.append(nn.Linear(a, b))
        if n < len(sizes) - 2:
            layers.append(nn.ReLU())
            layers.extend([nn.Dropout(dropout[n])] if dropout else [])
    net = compiled(nn.Sequential(*layers))
    x = torch.randn(batch, sizes[0])
    if loss == "mse":
        y, loss_of = torch.randn(batch, sizes[-1]), nn.MSELoss()
    else:
        y, loss_of = torch.randint(0, sizes[-1], (batch,)), nn.CrossEntropyLoss()
    if optimizer == "adam":
        trainer = torch.optim.Adam(net.parameters(), lr=1e-3)
    else:
        trainer = torch.optim.SGD(net.parameters(), lr=0.01)

    def step():
        out = net(x)
        value = loss_of(out, y)
        trainer.zero_grad()
        if accuracy:
            value.item()
            (out.argmax(1) == y).sum().item()
        value.backward()
        trainer.step()
        return value.item()

    return step
