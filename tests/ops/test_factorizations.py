"""LAPACK's packed factors and what is solved with them, beside the operator database's rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import alight
from tests.ops.rows import agree

PROGRAMS = [
    "torch.lu(x[:, :3] + torch.eye(3), get_infos=True)[1:], (x[:, :3] * x[:, :3]).lu()[1]",
    "f = torch.linalg.lu_factor_ex(torch.zeros(2, 2)); f.info, f.pivots",
    "torch.lu_unpack(*torch.linalg.lu_factor(x * x), unpack_pivots=False)[1]",
    "a = x[:, :3] * 0 + 3 * torch.eye(3) + x[:, 1:]; "
    "torch.linalg.lu_solve(*torch.linalg.lu_factor(a), x[:, :3], left=False, adjoint=True)",
    "torch.matrix_exp(x[:, :3] / 20), torch.linalg.matrix_exp(torch.zeros(2, 2, dtype=torch.float16))",
    "torch.linalg.diagonal(b).contiguous(), torch.linalg.matmul(x, v)",
    "torch.matrix_exp(x)",
    "torch.matrix_exp(i[:, :3])",
    "torch.matrix_exp(v)",
    "torch.linalg.lu_solve(x[:, :3], torch.ones(3), x)",
    "torch.linalg.lu_solve(x[:, :3], torch.ones(2, dtype=torch.int32), x)",
    "torch.lu_unpack(x, torch.ones(3))",
    "torch.linalg.householder_product(x, torch.ones(3))",
    "torch.linalg.householder_product(x[:, :2], torch.ones(3))",
    "torch.linalg.ldl_factor(x)",
    "torch.geqrf(v)",
    "torch.pca_lowrank(x, q=7)",
    "torch.linalg.lu_factor_ex(x, pivot=False)",
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_as_in_pytorch(program: str) -> None:
    agree(program)


@pytest.mark.parametrize("hermitian", [False, True])
@pytest.mark.parametrize("of", ["float64", "complex128"])
def test_ldl_has_lapacks_pivots(of: str, hermitian: bool) -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((20, 7, 7))
    if of == "complex128":
        x = x + 1j * random.standard_normal((20, 7, 7))
    x = x + (x.conj() if hermitian else x).swapaxes(-1, -2)
    x[:10, range(7), range(7)] *= 1e-3  # small diagonals want blocks of two
    theirs = torch.linalg.ldl_factor(torch.tensor(x), hermitian=hermitian)
    ours = alight.linalg.ldl_factor(alight.tensor(x), hermitian=hermitian)
    assert np.array_equal(ours.pivots.numpy(), theirs.pivots.numpy())
    assert (theirs.pivots < 0).any()
    np.testing.assert_allclose(ours.LD.numpy(), theirs.LD.numpy(), atol=1e-9)
    b = random.standard_normal((7, 2)).astype(x.dtype)
    solved = alight.linalg.ldl_solve(*ours, alight.tensor(b), hermitian=hermitian)
    np.testing.assert_allclose(x @ solved.numpy(), np.broadcast_to(b, (20, 7, 2)), atol=1e-8)


def test_low_rank_factors_give_the_matrix_back() -> None:
    alight.manual_seed(0)
    torch.manual_seed(0)
    x = np.random.default_rng(1).standard_normal((8, 3)) @ np.ones((3, 5))
    u, s, v = alight.svd_lowrank(alight.tensor(x), q=2)
    assert alight.allclose(u @ alight.diag(s) @ v.T, alight.tensor(x))
    theirs = torch.pca_lowrank(torch.tensor(x), q=2)[1]
    np.testing.assert_allclose(
        alight.pca_lowrank(alight.tensor(x), q=2)[1].numpy(), theirs, atol=1e-9
    )
