"""A classifier trained under autocast with a gradient scaler, as mixed-precision tutorials have it."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.amp import GradScaler, autocast

device = "cuda" if torch.cuda.is_available() else "cpu"
torch.manual_seed(0)
net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2)).to(device)
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
scaler = GradScaler(device, enabled=True, init_scale=256.0, growth_interval=5)
x = torch.randn(64, 8)
y = (x.sum(1) > 0).long()
for step in range(20):
    optimizer.zero_grad(set_to_none=True)
    with autocast(device_type=device, dtype=torch.bfloat16):
        logits = net(x)
        loss = F.cross_entropy(logits, y)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
print(logits.dtype, loss.dtype, net[0].weight.grad.dtype, scaler.get_scale())
print(f"{loss.item():.2f}", (net(x).argmax(1) == y).float().mean().item() > 0.7)
