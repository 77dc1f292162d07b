"""Scalars, vectors, matrices, reductions, products, norms."""

import torch

x, y = torch.tensor(3.0), torch.tensor(2.0)
print(x + y, x * y, x / y, x**y)
x = torch.arange(3)
print(x, x[2], len(x), x.shape)
A = torch.arange(6).reshape(3, 2)
print(A, A.T)
A = torch.tensor([[1, 2, 3], [2, 0, 4], [3, 4, 5]])
print(A == A.T)
print(torch.arange(24).reshape(2, 3, 4))
A = torch.arange(6, dtype=torch.float32).reshape(2, 3)
B = A.clone()
print(A, A + B, A * B)
a = 2
X = torch.arange(24).reshape(2, 3, 4)
print(a + X, (a * X).shape)
x = torch.arange(3, dtype=torch.float32)
print(x, x.sum(), A.shape, A.sum())
print(A.shape, A.sum(axis=0).shape, A.sum(axis=1).shape, A.sum(axis=[0, 1]) == A.sum())
print(A.mean(), A.sum() / A.numel(), A.mean(axis=0), A.sum(axis=0) / A.shape[0])
sum_A = A.sum(axis=1, keepdims=True)
print(sum_A, sum_A.shape, A / sum_A, A.cumsum(axis=0))
y = torch.ones(3, dtype=torch.float32)
print(x, y, torch.dot(x, y), torch.sum(x * y))
print(A.shape, x.shape, torch.mv(A, x), A @ x)
B = torch.ones(3, 4)
print(torch.mm(A, B), A @ B)
u = torch.tensor([3.0, -4.0])
print(
    torch.norm(u),
    torch.abs(u).sum(),
    torch.norm(torch.ones((4, 9))),
    torch.linalg.norm(u, 1),
    torch.linalg.norm(u, float("inf")),
)
print(
    torch.linalg.matrix_norm(A),
    torch.linalg.eigvalsh(torch.tensor([[2.0, 1.0], [1.0, 3.0]])),
    torch.linalg.inv(torch.tensor([[2.0, 0.0], [0.0, 4.0]])),
)
print(
    torch.linalg.det(torch.tensor([[1.0, 2.0], [3.0, 4.0]])),
    torch.trace(torch.eye(3)),
    torch.einsum("ij,kj->ik", A, A),
    torch.kron(torch.eye(2), torch.ones(1, 2)),
)
print(
    A.max(),
    A.argmax(),
    A.min(dim=0),
    A.std(),
    A.var(dim=1),
    A.median(),
    torch.sort(torch.tensor([3.0, 1.0, 2.0])),
    A.prod(dim=1),
    A.logsumexp(1),
)
try:
    len(torch.tensor(1.0))
except TypeError as error:
    print(error.args[0].splitlines()[0])
M = torch.tensor([[4.0, 1.0], [2.0, 3.0]])
print(u.norm(1), u.norm(float("inf")), torch.linalg.solve(M, u))
print(
    torch.linalg.eigvals(M).real.round(decimals=3),
    torch.linalg.norm(M),
    torch.linalg.matrix_rank(M),
)
S = M @ M.T
values, vectors = torch.linalg.eigh(S)
print(values, (vectors @ torch.diag(values) @ vectors.T))
print(torch.linalg.svdvals(M), torch.linalg.cholesky(S), torch.triu(S), torch.tril(S), S.diag())
print(torch.outer(u, u), torch.cross(torch.eye(3)[0], torch.eye(3)[1], dim=0))
try:
    torch.dot(x, torch.arange(3))
except RuntimeError as error:
    print(str(error).splitlines()[0])
