"""LoRA: frozen layers wrapped by low-rank updates, merged at the end; adapters found by setattr and getattr."""

import math

import torch
from torch import nn

torch.manual_seed(2)


class LoRALayer(nn.Module):
    def __init__(self, in_dim, out_dim, rank, alpha):
        super().__init__()
        self.A = nn.Parameter(torch.empty(in_dim, rank))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
        self.B = nn.Parameter(torch.zeros(rank, out_dim))
        self.alpha, self.rank = alpha, rank

    def forward(self, x):
        return self.alpha / self.rank * (x @ self.A @ self.B)


class LinearWithLoRA(nn.Module):
    def __init__(self, linear, rank=2, alpha=4):
        super().__init__()
        self.linear = linear
        self.lora = LoRALayer(linear.in_features, linear.out_features, rank, alpha)

    def forward(self, x):
        return self.linear(x) + self.lora(x)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.ModuleDict({"query": nn.Linear(8, 8), "value": nn.Linear(8, 8)})
        self.ffn = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8))
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        q, v = self.attention["query"](x), self.attention["value"](x)
        return self.head(self.ffn(torch.softmax(q @ q.T / 8**0.5, -1) @ v))


model = Model()
for param in model.parameters():
    param.requires_grad = False


def replace(module):
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear) and name != "head":
            setattr(module, name, LinearWithLoRA(child)) if not isinstance(
                module, nn.ModuleDict
            ) else module.update({name: LinearWithLoRA(child)})
        else:
            replace(child)


replace(model)
model.head.weight.requires_grad_()
print(model)
trainable = [(n, p.numel()) for n, p in model.named_parameters() if p.requires_grad]
total = sum(p.numel() for p in model.parameters())
print(trainable, f"{100 * sum(c for _, c in trainable) / total:.2f}%")
x, y = torch.randn(10, 8), torch.randint(0, 3, (10,))
opt = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=0.02)
frozen = model.ffn[0].linear.weight.detach().clone()
for i in range(5):
    loss = nn.functional.cross_entropy(model(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(f"{loss.item():.4f}", end=" ")
print(torch.equal(frozen, model.ffn[0].linear.weight), model.ffn[0].linear.weight.grad)
lora_state = {k: v for k, v in model.state_dict().items() if "lora" in k}
print(list(lora_state)[:3], len(lora_state))
with torch.no_grad():
    before = model(x)
    for m in model.modules():
        if isinstance(m, LinearWithLoRA):
            m.linear.weight += (m.lora.alpha / m.lora.rank) * (m.lora.A @ m.lora.B).T
            m.lora.B.zero_()
    print(torch.allclose(before, model(x), atol=1e-5))
other = Model()
replace(other)
print(other.load_state_dict(lora_state, strict=False).missing_keys[:2])
