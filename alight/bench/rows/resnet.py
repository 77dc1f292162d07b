"""ResNet-18 on 32x32 images."""


class Basic(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.short = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.short = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(y + self.short(x))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        layers, channels = (
            [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()],
            64,
        )
        for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
            layers += [Basic(channels, width, stride), Basic(width, width, 1)]
            channels = width
        self.body, self.head = nn.Sequential(*layers), nn.Linear(512, 10)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))


def make(compiled, batch, train):
    torch.manual_seed(0)
    net = ResNet()
    net = compiled(net if train else net.eval())
    x, y = torch.randn(batch, 3, 32, 32), torch.randint(0, 10, (batch,))
    trainer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

    def step():
        value = F.cross_entropy(net(x), y)
        trainer.zero_grad()
        value.backward()
        trainer.step()
        return value.item()

    def classify():
        with torch.no_grad():
            return net(x).argmax(1).item()

    return step if train else classify
