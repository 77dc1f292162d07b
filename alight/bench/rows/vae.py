"""A variational autoencoder on 784 pixels."""


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.enter, self.mean, self.log_var = (
            nn.Linear(784, 400),
            nn.Linear(400, 20),
            nn.Linear(400, 20),
        )
        self.grow, self.leave = nn.Linear(20, 400), nn.Linear(400, 784)

    def forward(self, x):
        h = F.relu(self.enter(x))
        mean, log_var = self.mean(h), self.log_var(h)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_var)
        return torch.sigmoid(self.leave(F.relu(self.grow(z)))), mean, log_var


def make(compiled, batch):
    torch.manual_seed(0)
    net = compiled(VAE())
    x = torch.rand(batch, 784)
    trainer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def step():
        out, mean, log_var = net(x)
        value = F.binary_cross_entropy(out, x, reduction="sum")
        value = value - 0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp())
        trainer.zero_grad()
        value.backward()
        trainer.step()
        return value.item()

    return step
