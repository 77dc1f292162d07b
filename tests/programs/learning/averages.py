"""Averages of weights: EMA by hand, AveragedModel, SWA, a teacher by torch._foreach_*; schedulers in sequence."""

import copy, torch, torch.nn as nn, torch.nn.functional as F
from torch.optim.swa_utils import AveragedModel, SWALR, update_bn, get_ema_multi_avg_fn
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LinearLR,
    SequentialLR,
    ReduceLROnPlateau,
    LambdaLR,
)

torch.manual_seed(0)


class EMA:
    def __init__(self, model, decay):
        self.model, self.decay, self.shadow, self.backup = model, decay, {}, {}

    def register(self):
        for n, p in self.model.named_parameters():
            if p.requires_grad:
                self.shadow[n] = p.data.clone()

    def update(self):
        for n, p in self.model.named_parameters():
            if p.requires_grad:
                self.shadow[n] = ((1.0 - self.decay) * p.data + self.decay * self.shadow[n]).clone()

    def apply_shadow(self):
        for n, p in self.model.named_parameters():
            if p.requires_grad:
                self.backup[n] = p.data
                p.data = self.shadow[n]

    def restore(self):
        for n, p in self.model.named_parameters():
            if p.requires_grad:
                p.data = self.backup[n]
        self.backup = {}


@torch.compile
def gelu_loss(pred, y):
    return F.mse_loss(F.gelu(pred), y)


model = nn.Sequential(nn.Linear(5, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 1))
x, y = torch.randn(64, 5), torch.rand(64, 1)
opt = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
warm = LinearLR(opt, 0.1, total_iters=3)
cos = CosineAnnealingLR(opt, T_max=8)
sched = SequentialLR(opt, [warm, cos], [3])
swa = AveragedModel(model)
emam = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
swa_sched = SWALR(opt, swa_lr=0.05, anneal_epochs=2)
ema = EMA(model, 0.9)
ema.register()
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), 16, shuffle=True)
for ep in range(8):
    for xb, yb in loader:
        opt.zero_grad()
        loss = F.mse_loss(F.gelu(model(xb)), yb)
        loss.backward()
        opt.step()
        ema.update()
        emam.update_parameters(model)
    if ep > 4:
        swa.update_parameters(model)
        swa_sched.step()
    else:
        sched.step()
    print(ep, f"{loss.item():.5f}", f"{opt.param_groups[0]['lr']:.5f}")
update_bn(loader, swa)
swa.eval()
model.eval()
print(swa(x[:2]).flatten(), emam.n_averaged, int(swa.n_averaged), list(swa.state_dict())[:3])
before = model(x[:2]).flatten()
ema.apply_shadow()
print(before, model(x[:2]).flatten())
ema.restore()
assert torch.allclose(before, model(x[:2]).flatten())
teacher = copy.deepcopy(model)
for t, s in zip(teacher.parameters(), model.parameters()):
    t.requires_grad_(False)
    t.data.mul_(0.99).add_(s.data, alpha=0.01)
with torch.no_grad():
    torch._foreach_mul_(list(teacher.parameters()), 0.5)
print([round(p.abs().sum().item(), 4) for p in teacher.parameters()])
pl = ReduceLROnPlateau(opt, "min", factor=0.5, patience=1)
for v in [1.0, 0.9, 0.95, 0.96, 0.97]:
    pl.step(v)
print(
    opt.param_groups[0]["lr"],
    pl.state_dict()["num_bad_epochs"],
    sched.state_dict().keys() >= {"_milestones", "last_epoch"},
)
