"""Accumulated and clipped gradients, warm-up, early stopping, checkpoints and resuming, frozen layers, decay experiments."""

import copy
import os
import tempfile

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset, random_split

torch.manual_seed(5)
np.random.seed(5)


class Points(Dataset):
    def __init__(self, n):
        self.x = torch.randn(n, 5)
        self.y = (self.x @ torch.tensor([1.0, -2.0, 0.5, 0, 0]) > 0).long()

    def __len__(self):
        return len(self.x)

    def __getitem__(self, idx):
        if torch.is_tensor(idx):
            idx = idx.tolist()
        return {"x": self.x[idx], "y": self.y[idx]}


train, val = random_split(Points(60), [48, 12], generator=torch.Generator().manual_seed(42))
train_loader = DataLoader(train, batch_size=8, shuffle=True, drop_last=True)
val_loader = DataLoader(val, batch_size=12)


class EarlyStopping:
    def __init__(self, patience=2, delta=0):
        self.patience, self.delta, self.counter, self.best, self.stop, self.state = (
            patience,
            delta,
            0,
            None,
            False,
            None,
        )

    def __call__(self, val_loss, model):
        if self.best is None or val_loss < self.best - self.delta:
            self.best, self.counter = val_loss, 0
            self.state = copy.deepcopy(model.state_dict())
        else:
            self.counter += 1
            self.stop = self.counter >= self.patience


def build():
    model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lr_lambda=lambda epoch: (epoch + 1) / 3 if epoch < 3 else 0.9 ** (epoch - 3)
    )
    return model, optimizer, scheduler


def run_epoch(model, loader, optimizer=None, accumulate=2):
    is_train = optimizer is not None
    model.train(is_train)
    total, correct, count = 0.0, 0, 0
    with torch.set_grad_enabled(is_train):
        for i, batch in enumerate(loader):
            out = model(batch["x"])
            loss = nn.functional.cross_entropy(out, batch["y"])
            if is_train:
                (loss / accumulate).backward()
                if (i + 1) % accumulate == 0 or i + 1 == len(loader):
                    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                    optimizer.step()
                    optimizer.zero_grad()
            total += loss.item() * len(batch["y"])
            _, preds = torch.max(out, 1)
            correct += torch.sum(preds == batch["y"].data)
            count += batch["y"].size(0)
    return total / count, correct.double() / count


model, optimizer, scheduler = build()
stopper = EarlyStopping()
for epoch in range(5):
    train_loss, train_acc = run_epoch(model, train_loader, optimizer)
    val_loss, val_acc = run_epoch(model, val_loader)
    scheduler.step()
    stopper(val_loss, model)
    print(
        f"epoch {epoch} train {train_loss:.4f} {train_acc:.3f} val {val_loss:.4f} {val_acc:.3f} lr {optimizer.param_groups[0]['lr']:.4f}"
    )
    if stopper.stop:
        break
path = os.path.join(tempfile.mkdtemp(), "checkpoint.pth.tar")
torch.save(
    {
        "epoch": epoch + 1,
        "state_dict": model.state_dict(),
        "best": stopper.best,
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "rng": torch.get_rng_state(),
    },
    path,
)
a = [run_epoch(model, train_loader, optimizer)[0] for _ in range(2)]
checkpoint = torch.load(path, weights_only=False)
model2, optimizer2, scheduler2 = build()
model2.load_state_dict(checkpoint["state_dict"])
optimizer2.load_state_dict(checkpoint["optimizer"])
scheduler2.load_state_dict(checkpoint["scheduler"])
torch.set_rng_state(checkpoint["rng"])
b = [run_epoch(model2, train_loader, optimizer2)[0] for _ in range(2)]
print(checkpoint["epoch"], "%.4f" % checkpoint["best"], a == b, [round(v, 4) for v in b])
model.load_state_dict(stopper.state)
print(round(run_epoch(model, val_loader)[0], 4) == round(stopper.best, 4))

for wd in (0, 0.1):
    torch.manual_seed(6)
    net = nn.Linear(5, 1)
    decay = [p for n, p in net.named_parameters() if "bias" not in n]
    rest = [p for n, p in net.named_parameters() if "bias" in n]
    opt = torch.optim.SGD([{"params": decay, "weight_decay": wd}, {"params": rest}], lr=0.1)
    for _ in range(5):
        loss = nn.MSELoss()(net(train.dataset.x), train.dataset.y.float().unsqueeze(1))
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("wd", wd, "norm %.4f" % net.weight.norm().item(), "%.4f" % loss.item())

plateau_opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(plateau_opt, "min", factor=0.5, patience=1)
for value in [1.0, 0.9, 0.95, 0.96, 0.97, 0.98]:
    plateau.step(value)
    print(plateau_opt.param_groups[0]["lr"], end=" ")
cos = torch.optim.lr_scheduler.CosineAnnealingLR(plateau_opt, T_max=4)
for _ in range(5):
    plateau_opt.step()
    cos.step()
    print("%.4f" % cos.get_last_lr()[0], end=" ")
print()
cycle = torch.optim.lr_scheduler.OneCycleLR(
    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9),
    max_lr=1.0,
    total_steps=6,
)
for _ in range(5):
    cycle.optimizer.step()
    cycle.step()
    print("%.4f" % cycle.get_last_lr()[0], end=" ")
print()
drop = nn.Dropout(0.5)
z = drop(torch.ones(4000))
print(sorted(z.unique().tolist()), abs(z.mean().item() - 1) < 0.1, torch.equal(drop.eval()(z), z))
