"""A transformer encoder layer."""


def make(compiled, width, length, batch):
    torch.manual_seed(0)
    net = compiled(nn.TransformerEncoderLayer(width, 8, 4 * width, dropout=0.0, batch_first=True))
    x = torch.randn(batch, length, width)
    trainer = torch.optim.Adam(net.parameters(), lr=1e-4)

    def step():
        value = net(x).square().mean()
        trainer.zero_grad()
        value.backward()
        trainer.step()
        return value.item()

    return step
