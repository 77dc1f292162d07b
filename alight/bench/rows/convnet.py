"""The main job's network: three blocks of convolution, batch norm, ReLU, max pool; AdamW, label smoothing."""


def make(compiled, batch):
    torch.manual_seed(0)
    layers, channels = [], 1
    for width in (16, 32, 64):
        layers += [
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
        channels = width
    net = compiled(nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 9, 10)))
    x, y = torch.randn(batch, 1, 28, 28), torch.randint(0, 10, (batch,))
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.1)
    trainer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.02)

    def step():
        value = loss_of(net(x), y)
        trainer.zero_grad()
        value.backward()
        trainer.step()
        return value.item()

    return step
