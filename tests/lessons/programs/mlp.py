"""A multilayer perceptron with dropout's rate at zero, weight decay, and checkpoints."""

import os
import tempfile

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

arrays = np.load(os.environ["LESSON_DATA"])
X = torch.tensor(arrays["train_x"], dtype=torch.float32).reshape(-1, 784) / 255
y = torch.tensor(arrays["train_y"])


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(784, 256)
        self.drop = nn.Dropout(0.0)
        self.out = nn.Linear(256, 10)

    def forward(self, X):
        return self.out(self.drop(F.relu(self.hidden(X))))


torch.manual_seed(0)
net = MLP()
print(net)
print([(name, param.shape) for name, param in net.named_parameters()])
trainer = torch.optim.SGD(
    [{"params": net.hidden.parameters(), "weight_decay": 1e-3}, {"params": net.out.parameters()}],
    lr=0.1,
    momentum=0.9,
)
schedule = torch.optim.lr_scheduler.StepLR(trainer, step_size=2, gamma=0.5)
loss = nn.CrossEntropyLoss()
for epoch in range(4):
    for i in range(0, len(X), 256):
        trainer.zero_grad()
        l = loss(net(X[i : i + 256]), y[i : i + 256])
        l.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        trainer.step()
    schedule.step()
    print(f"{epoch} {l.item():.5f} {trainer.param_groups[0]['lr']}")

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "mlp.params")
    torch.save(net.state_dict(), path)
    clone = MLP()
    print(clone.load_state_dict(torch.load(path)))
    clone.eval()
    print((clone(X[:20]) == net(X[:20])).all())
print(net.hidden.weight.norm(), net.out.bias.data)
