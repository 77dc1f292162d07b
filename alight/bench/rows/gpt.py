"""A small GPT: a training step with AdamW, or 64 tokens generated one at a time."""


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.qkv(self.norm1(x)).split(c, dim=2)
        q, k, v = (one.view(b, t, self.heads, c // self.heads).transpose(1, 2) for one in (q, k, v))
        scores = q @ k.transpose(-2, -1) * (c // self.heads) ** -0.5
        mask = torch.tril(torch.ones(t, t)) == 0
        weights = F.softmax(scores.masked_fill(mask, float("-inf")), dim=-1)
        x = x + self.proj((weights @ v).transpose(1, 2).reshape(b, t, c))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class GPT(nn.Module):
    def __init__(self, vocab, width, heads, layers, length):
        super().__init__()
        self.token, self.place = nn.Embedding(vocab, width), nn.Embedding(length, width)
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(layers)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocab)

    def forward(self, ids):
        x = self.token(ids) + self.place(torch.arange(ids.shape[1]))
        return self.head(self.norm(self.blocks(x)))


def make(compiled, layers, width, heads, batch, length, generate=False, vocab=65):
    torch.manual_seed(0)
    net = compiled(GPT(vocab, width, heads, layers, length))
    ids = torch.randint(0, vocab, (batch, length + 1))
    trainer = torch.optim.AdamW(net.parameters(), lr=1e-3)

    def step():
        logits = net(ids[:, :-1])
        value = F.cross_entropy(logits.reshape(-1, vocab), ids[:, 1:].reshape(-1))
        trainer.zero_grad()
        value.backward()
        trainer.step()
        return value.item()

    def write():
        context = torch.zeros(1, length, dtype=torch.long)
        with torch.no_grad():
            for at in range(8):
                best = net(context)[0, at].argmax()
                context[0, (at + 1) % length] = best
        return context.sum().item()

    return write if generate else step
