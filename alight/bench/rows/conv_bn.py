"""Four times 3x3 convolution, batch norm, ReLU at one width."""


def make(compiled, batch, channels, size):
    torch.manual_seed(0)
    layers = []
    for _ in range(4):
        layers += [
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        ]
    net = compiled(nn.Sequential(*layers))
    x = torch.randn(batch, channels, size, size)
    trainer = torch.optim.SGD(net.parameters(), lr=0.01)

    def step():
        value = net(x).square().mean()
        trainer.zero_grad()
        value.backward()
        trainer.step()
        return value.item()

    return step
