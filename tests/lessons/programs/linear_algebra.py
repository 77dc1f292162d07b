"""Scalars, vectors, matrices, sums, products, norms; and what torch.linalg gives."""

import torch

x, y = torch.tensor(3.0), torch.tensor(2.0)
print(x + y, x * y, x / y, x**y)
x = torch.arange(4)
print(x, x[3], len(x), x.shape)
A = torch.arange(20).reshape(5, 4)
print(A, A.T)
B = torch.tensor([[1, 2, 3], [2, 0, 4], [3, 4, 5]])
print(B == B.T, torch.arange(24).reshape(2, 3, 4))
A = torch.arange(20, dtype=torch.float32).reshape(5, 4)
B = A.clone()
print(A, A + B, A * B, 2 + A, (2 * A).shape)
print(A.sum(), A.sum(axis=0), A.sum(axis=1), A.sum(axis=[0, 1]), A.mean(), A.sum() / A.numel())
print(A.mean(axis=0), A.sum(axis=0) / A.shape[0], A.sum(axis=1, keepdims=True))
print(A / A.sum(axis=1, keepdims=True), A.cumsum(axis=0))
x, y = torch.arange(4, dtype=torch.float32), torch.ones(4, dtype=torch.float32)
print(x, y, torch.dot(x, y), torch.sum(x * y))
print(A.shape, x.shape, torch.mv(A, x), A @ x, torch.mm(A, torch.ones(4, 3)))
u = torch.tensor([3.0, -4.0])
print(
    torch.norm(u),
    torch.abs(u).sum(),
    torch.norm(torch.ones((4, 9))),
    u.norm(1),
    u.norm(float("inf")),
)
M = torch.tensor([[4.0, 1.0], [2.0, 3.0]])
print(torch.linalg.inv(M), torch.linalg.det(M), torch.linalg.solve(M, u), torch.trace(M))
print(torch.linalg.eigvals(M), torch.linalg.norm(M), torch.linalg.matrix_rank(M))
S = M @ M.T
values, vectors = torch.linalg.eigh(S)
print(values, (vectors @ torch.diag(values) @ vectors.T))
print(torch.linalg.svdvals(M), torch.linalg.cholesky(S), torch.triu(S), torch.tril(S), S.diag())
print(
    torch.einsum("ij,jk->ik", M, S),
    torch.outer(u, u),
    torch.cross(torch.eye(3)[0], torch.eye(3)[1], dim=0),
)
try:
    torch.dot(x, torch.arange(4))
except RuntimeError as error:
    print(str(error).splitlines()[0])
