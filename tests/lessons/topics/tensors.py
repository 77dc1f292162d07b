"""Tensors: creation, shapes, operators, joining, broadcasting, indexing, memory, NumPy, numbers."""

import torch

x = torch.arange(12, dtype=torch.float32)
print(x)
print(x.numel(), x.shape)
X = x.reshape(3, 4)
print(X, x.reshape(-1, 4).shape, x.reshape(3, -1).shape)
print(torch.zeros((2, 3, 4)))
print(torch.ones((2, 3, 4)))
torch.manual_seed(0)
print(torch.randn(3, 4))
print(torch.tensor([[2, 1, 4, 3], [1, 2, 3, 4], [4, 3, 2, 1]]))
print(X[-1], X[1:3])
X[1, 2] = 17
print(X)
X[:2, :] = 12
print(X)
print(torch.exp(x))
x = torch.tensor([1.0, 2, 4, 8])
y = torch.tensor([2, 2, 2, 2])
print((x + y, x - y, x * y, x / y, x**y))
X = torch.arange(12, dtype=torch.float32).reshape((3, 4))
Y = torch.tensor([[2.0, 1, 4, 3], [1, 2, 3, 4], [4, 3, 2, 1]])
print((torch.cat((X, Y), dim=0), torch.cat((X, Y), dim=1)))
print(X == Y)
print(X.sum())
a = torch.arange(3).reshape((3, 1))
b = torch.arange(2).reshape((1, 2))
print((a, b))
print(a + b)
before = id(Y)
Y = Y + X
print(id(Y) == before)
Z = torch.zeros_like(Y)
before = id(Z)
Z[:] = X + Y
print(id(Z) == before)
before = id(X)
X += Y
print(id(X) == before)
A = X.numpy()
B = torch.from_numpy(A)
print((type(A), type(B)))
a = torch.tensor([3.5])
print((a, a.item(), float(a), int(a)))
print(X < Y, X > Y, X >= Y, X != Y, (X < Y).sum(), ~(X < Y))
print(
    torch.arange(24).reshape(2, 3, 4) + torch.arange(4),
    torch.eye(2),
    torch.linspace(0, 1, 5),
    torch.full((2,), 7),
    torch.empty(0),
)
A += 1
print(
    X[0, 0] == B[0, 0],
    X.dtype,
    torch.tensor([1, 2]).dtype,
    torch.tensor(True),
    torch.tensor([1.5, 2]),
    torch.tensor(3),
)
try:
    torch.ones(2, 3) + torch.ones(2, 2)
except RuntimeError as error:
    print(str(error).splitlines()[0])
print(X[:, 1], X[::2], X[..., None].shape, X[[0, 2]], X[X > 20], X[0, 1:3], X.T.shape)
print(
    torch.tensor([1e-5, 1.0]),
    torch.tensor([1e10, 1.0]),
    torch.tensor([float("nan"), float("inf")]),
    torch.tensor([0.1, 100.0]),
    torch.tensor([1.0, 20000.0]),
)
print(
    torch.arange(1001),
    torch.tensor([[0.0] * 30] * 2),
    torch.tensor([2**40]),
    torch.tensor(1 + 2j),
    torch.rand(0, 3),
)
