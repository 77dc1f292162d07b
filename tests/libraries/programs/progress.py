"""tqdm over loaders, pictures of tensors, writers, and questions about what is there."""

import io
import os
import tempfile

import matplotlib.pyplot as plt
import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm, trange

torch.manual_seed(0)
loader = DataLoader(TensorDataset(torch.arange(10.0), torch.arange(10)), batch_size=4)
stream = io.StringIO()
bar = tqdm(loader, file=stream, desc="epoch", ncols=60)
for x, y in bar:
    bar.set_postfix(loss=x.mean().item(), shape=tuple(y.shape))
print(
    bar.n,
    bar.total,
    "100%" in stream.getvalue(),
    len(list(tqdm(enumerate(loader), total=len(loader), file=stream))),
    [i for i in trange(2, file=stream)],
)
x, y = torch.linspace(0, 1, 20), torch.sin(torch.linspace(0, 6, 20))
fig, axes = plt.subplots(2, 3)
(line,) = axes[0, 0].plot(x, y, label="sin")
axes[0, 0].plot(torch.arange(3), [torch.tensor(1.0), torch.tensor(2.0), torch.tensor(0.5)])
axes[0, 1].hist(torch.randn(100), bins=5)
image = axes[0, 2].imshow(torch.rand(4, 4))
axes[1, 0].imshow(torch.rand(3, 4, 4).permute(1, 2, 0))
axes[1, 1].scatter(x, y.detach(), c=y > 0)
axes[1, 2].bar(torch.arange(3), torch.tensor([1, 2, 3]))
axes[1, 2].axhline(torch.tensor(1.5))
axes[1, 1].set_xlim(0, x.max())
print(line.get_ydata().sum().round(4), image.get_array().shape)
path = os.path.join(tempfile.mkdtemp(), "figure.png")
fig.savefig(path)
print(os.path.getsize(path) > 5000)
plt.plot(x.numpy(), y.numpy())
plt.title(f"loss {y[0]:.2f}")
plt.legend(["a"])
plt.close("all")
print(
    dist.is_available() in (True, False),
    hasattr(dist, "is_initialized"),
    torch.cuda.device_count(),
    torch.cuda.is_available(),
    torch.backends.cudnn.is_available(),
)
print(torch.accelerator.is_available(), torch.accelerator.current_accelerator())


@torch.compile
def f(x):
    return x.sin() ** 2


net = torch.compile(torch.nn.Linear(2, 2)) if False else torch.nn.Linear(2, 2)
print(
    callable(f),
    [device for device in range(torch.cuda.device_count())],
    torch.get_num_threads() > 0,
)
