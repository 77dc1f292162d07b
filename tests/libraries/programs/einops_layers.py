"""einops, the real package: it knows PyTorch by the module's name."""

import torch
from einops import einsum, pack, rearrange, reduce, repeat, unpack
from einops.layers.torch import EinMix, Rearrange, Reduce
from torch import nn

torch.manual_seed(0)
x = torch.arange(24.0).reshape(2, 3, 4)
print(rearrange(x, "b c w -> b (c w)").shape, rearrange(x, "b c (w two) -> (b w) c two", two=2)[1])
print(
    reduce(x, "b c w -> b c", "mean"),
    reduce(x, "b c w -> w", "max"),
    reduce(x, "b (c one) w -> c", "sum", one=1),
)
print(repeat(x[0], "c w -> c w n", n=2).shape, repeat(x[0, 0], "w -> (w k)", k=2))
print(einsum(x, x, "b c w, b d w -> b c d")[0])
packed, shapes = pack([x, x[:, 0]], "b * w")
print(packed.shape, [one.shape for one in unpack(packed, shapes, "b * w")])
net = nn.Sequential(
    nn.Conv2d(1, 4, 3),
    nn.ReLU(),
    Reduce("b c (h 2) (w 2) -> b c h w", "max"),
    Rearrange("b c h w -> b (c h w)"),
    nn.Linear(4 * 3 * 3, 2),
)
print(net)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
images, labels = torch.randn(5, 1, 8, 8), torch.tensor([0, 1, 0, 1, 1])
for _ in range(3):
    loss = nn.functional.cross_entropy(net(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"{loss.item():.4f}")
mix = EinMix("b t c -> b t d", weight_shape="c d", bias_shape="d", c=4, d=2)
print(mix(x).shape, mix)
w = torch.ones(2, 3, requires_grad=True)
rearrange(w, "a b -> b a").mul(torch.arange(6.0).view(3, 2)).sum().backward()
print(w.grad)
try:
    rearrange(x, "b c -> c b")
except Exception as error:
    print(type(error).__name__, str(error).split("\n")[1].strip())
