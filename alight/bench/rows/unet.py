"""A small U-Net: two levels down, two up, with skip connections."""


def double(inputs, outputs):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.ReLU(),
    )


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1, self.down2, self.middle = double(3, 16), double(16, 32), double(32, 64)
        self.up2, self.up1 = (
            nn.ConvTranspose2d(64, 32, 2, stride=2),
            nn.ConvTranspose2d(32, 16, 2, stride=2),
        )
        self.join2, self.join1, self.last = double(64, 32), double(32, 16), nn.Conv2d(16, 1, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        c = self.middle(F.max_pool2d(b, 2))
        b = self.join2(torch.cat([self.up2(c), b], dim=1))
        a = self.join1(torch.cat([self.up1(b), a], dim=1))
        return self.last(a)


def make(compiled, batch, size):
    torch.manual_seed(0)
    net = compiled(UNet())
    x, y = torch.randn(batch, 3, size, size), (torch.rand(batch, 1, size, size) > 0.5).float()
    trainer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def step():
        value = F.binary_cross_entropy_with_logits(net(x), y)
        trainer.zero_grad()
        value.backward()
        trainer.step()
        return value.item()

    return step
