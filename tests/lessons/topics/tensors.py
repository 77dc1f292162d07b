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
X = torch.arange(12).reshape(3, 4)
print(len(X), X.size(), X.reshape((2, 2, -1)).shape, torch.zeros_like(X), torch.arange(0, 1, 0.25))
print(torch.ones_like(X, dtype=torch.float64), torch.rand(2), torch.normal(0.0, 2.0, (3,)))
x = torch.tensor([1.0, 2, 4, 8])
print(x // 3, -x, x % 3, torch.log(x), torch.sqrt(x), torch.abs(-x), torch.sin(x), torch.sigmoid(x))
X, Y = X.float(), Y.float()
print(torch.stack((X, Y)).shape, (X < 3) & (Y > 1), X.mean(), X.max(), X.min(), X.prod())
print(X.argmax(), X.sum(0), X.mean(dim=1), X[0:2, 1:3], X[..., -1], X[None].shape)
X[X > 10.5] = -1
X[:, [0, 3]] = torch.tensor([5.0, 6.0])
print(X, X[X < 0], X[torch.tensor([0, 2]), torch.tensor([1, 3])])
A = X.numpy()
B = torch.tensor(A)
A[0, 0] = 100
print(X[0, 0], B[0, 0], A.dtype)
C = torch.from_numpy(A.reshape(2, 6).astype("int64"))
print(C, C.dtype, C.float(), C.double().dtype, C.bool(), C.to(torch.int8))
try:
    print(X[5])
except IndexError as error:
    print(str(error).splitlines()[0])
for row in torch.arange(4).reshape(2, 2):
    print(row, row.tolist())
print(torch.tensor(1e-8), torch.tensor([1e8, 1.0]), torch.tensor([1000.5, 0.001]))
