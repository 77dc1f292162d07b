"""Tensors: making, shaping, operators, broadcasting, indexing, memory, conversion."""

import numpy as np
import torch

x = torch.arange(12)
print(x, x.shape, x.numel(), x.size(), len(x))
X = x.reshape(3, 4)
print(X, x.reshape(-1, 6), X.T, X.reshape((2, 2, -1)).shape)
print(torch.zeros((2, 3, 4)))
print(torch.ones((2, 3)), torch.full((2, 2), 7), torch.eye(3), torch.empty(0).shape)
print(torch.tensor([[2, 1, 4, 3], [1, 2, 3, 4], [4, 3, 2, 1]]))
torch.manual_seed(1)
print(torch.randn(3, 4), torch.rand(2), torch.linspace(0, 1, 5), torch.normal(0.0, 2.0, (3,)))
print(torch.zeros_like(X), torch.ones_like(X, dtype=torch.float64), torch.arange(0, 1, 0.25))
x = torch.tensor([1.0, 2, 4, 8])
y = torch.tensor([2, 2, 2, 2])
print(x + y, x - y, x * y, x / y, x**y, x // 3, -x, x % 3)
print(torch.exp(x), torch.log(x), torch.sqrt(x), torch.abs(-x), torch.sin(x), torch.sigmoid(x))
X = torch.arange(12, dtype=torch.float32).reshape((3, 4))
Y = torch.tensor([[2.0, 1, 4, 3], [1, 2, 3, 4], [4, 3, 2, 1]])
print(torch.cat((X, Y), dim=0), torch.cat((X, Y), dim=1), torch.stack((X, Y)).shape)
print(X == Y, X > Y, X <= Y, X != Y, (X < 3) & (Y > 1), ~(X < 3))
print(X.sum(), X.mean(), X.max(), X.min(), X.prod(), X.argmax(), X.sum(0), X.mean(dim=1))
a, b = torch.arange(3).reshape((3, 1)), torch.arange(2).reshape((1, 2))
print(a, b, a + b, a * b)
print(X[-1], X[1:3], X[1, 2], X[:, 1], X[0:2, 1:3], X[..., -1], X[::2], X[None].shape)
X[1, 2] = 9
X[0:2, :] = 12
print(X)
X[X > 11.5] = -1
X[:, [0, 3]] = torch.tensor([5.0, 6.0])
print(X, X[X < 0], X[torch.tensor([0, 2]), torch.tensor([1, 3])])
before = id(Y)
Y = Y + X
print(id(Y) == before)
Z = torch.zeros_like(Y)
before = id(Z)
Z[:] = X + Y
print(id(Z) == before)
before = id(X)
X += Y
print(id(X) == before, X)
A = X.numpy()
B = torch.tensor(A)
print(type(A), type(B), A.dtype)
A[0, 0] = 100
print(X[0, 0], B[0, 0])
a = torch.tensor([3.5])
print(a, a.item(), float(a), int(a))
C = torch.from_numpy(np.arange(4).reshape(2, 2))
print(C, C.dtype, C.float(), C.double().dtype, C.bool(), C.to(torch.int8))
try:
    print(torch.ones(3) + torch.ones(4))
except RuntimeError as error:
    print(str(error).splitlines()[0])
try:
    print(X[5])
except IndexError as error:
    print(str(error).splitlines()[0])
for row in torch.arange(4).reshape(2, 2):
    print(row, row.tolist())
print(
    torch.tensor(1e-8), torch.tensor([1e8, 1.0]), torch.tensor([1000.5, 0.001]), torch.arange(2000)
)
