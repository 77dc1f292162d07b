"""LeNet with sigmoids and average pooling, as the notes have it: a training step, or one image classified."""


def make(compiled, batch, train=True):
    torch.manual_seed(0)
    net = compiled(
        nn.Sequential(
            nn.Conv2d(1, 6, kernel_size=5, padding=2), nn.Sigmoid(), nn.AvgPool2d(kernel_size=2, stride=2),
            nn.Conv2d(6, 16, kernel_size=5), nn.Sigmoid(), nn.AvgPool2d(kernel_size=2, stride=2),
            nn.Flatten(), nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10),
        )
    )  # fmt: skip
    x, y = torch.randn(batch, 1, 28, 28), torch.randint(0, 10, (batch,))
    loss_of, trainer = nn.CrossEntropyLoss(), torch.optim.SGD(net.parameters(), lr=0.1)

    def step():
        value = loss_of(net(x), y)
        trainer.zero_grad()
        value.backward()
        trainer.step()
        return value.item()

    def classify():
        with torch.no_grad():
            return net(x).argmax(1).item()

    return step if train else classify
