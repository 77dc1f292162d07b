"""NumPy's functions on tensors, and tensors in NumPy's places."""

import math
import random

import numpy as np
import torch

torch.manual_seed(0)
x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
print(np.array(x), np.asarray(x).dtype, np.asarray(x, dtype=np.float64).dtype, np.array(x).shape)
print(
    np.sum(np.asarray(x)), np.mean(x.numpy()), np.max(x.numpy()), np.exp(x.numpy())[0, 0].round(4)
)
print(
    np.allclose(x, x + 1e-9),
    np.array_equal(x, x.clone()),
    np.stack([x, x]).shape,
    np.concatenate([x, x]).shape,
    np.linalg.norm(x).round(4),
)
print(
    type(np.sqrt(x)).__name__,
    type(np.add(x, 1)).__name__,
    np.argmax(x.numpy(), axis=1),
    np.where(x.numpy() > 2, 1, 0).tolist(),
)
print(
    x + np.ones(2, dtype=np.float32),
    x * np.float32(2),
    x / np.int64(2),
    (np.float64(2.0) * x).dtype,
    (x > np.float32(2)).tolist(),
)
print(
    np.float32(2) * x.numpy(),
    torch.tensor(np.float64(3)).dtype,
    torch.tensor(np.int32(3)).dtype,
    torch.tensor([np.float32(1), 2]).dtype,
)
print(
    torch.tensor(np.arange(6).reshape(2, 3)),
    torch.as_tensor(np.array([True, False])),
    torch.from_numpy(np.zeros((0, 3))).shape,
)
index = np.array([1, 0])
print(
    x[index],
    x[np.array([True, False])],
    x[0, np.int64(1)],
    x[:, index],
    x.numpy()[torch.tensor([1]).numpy()],
)
x[np.int64(0)] = torch.from_numpy(np.array([9.0, 8.0], dtype=np.float32))
x[1] = torch.tensor(np.array([7.0, 6.0]))
x[x > 8.5] = float(np.float32(0))
print(
    x, x.shape == (2, 2), tuple(x.shape), np.zeros(x.shape).shape, np.prod(x.shape), list(x.size())
)
print(
    math.sqrt(torch.tensor(16.0)),
    math.exp(torch.tensor(0.0)),
    math.floor(torch.tensor(2.7)),
    max(torch.tensor([3.0, 1.0])).item(),
    round(torch.tensor(2.567).item(), 2),
    int(torch.tensor(3)),
    [1, 2, 3][torch.tensor(1)],
    random.choice(torch.arange(1)),
)
shared = np.zeros(3)
t = torch.from_numpy(shared)
t += 1
shared[0] = 5
print(t, shared, torch.utils.data.TensorDataset(t)[0], np.frombuffer(t.numpy().tobytes()).tolist())
print(
    [f"{v:.1f}" for v in torch.tensor([1.0, 2.0])],
    "%.2f" % torch.tensor(2.0),
    np.random.default_rng(0).permutation(torch.arange(3)).tolist(),
    torch.tensor(3).__index__(),
)
print(
    np.vstack([v.numpy() for v in x]),
    np.hstack(list(x)).tolist(),
    np.histogram(torch.rand(100), bins=2)[0].sum(),
    np.percentile(torch.arange(11.0), 50),
    np.interp(0.5, torch.tensor([0.0, 1.0]), torch.tensor([0.0, 10.0])),
)
