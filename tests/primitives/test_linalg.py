"""Factorisations agree with PyTorch where they are unique, their gradients too; failures use its sentences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from alight.errors import LinAlgError
from alight.primitives import (
    Cholesky,
    Cofactor,
    Conj,
    Det,
    Eig,
    Eigh,
    Expand,
    Inverse,
    Lu,
    Qr,
    Slice,
    Solve,
    Sort,
    Svd,
)
from alight.primitives.linalg import adjoint, matmul
from tests.primitives.applied import applied, gradients

random = np.random.default_rng(0)
KINDS = [np.float64, np.complex128]


def normal(dtype: Any, *shape: int) -> Any:
    x = random.standard_normal(shape)
    return x + 1j * random.standard_normal(shape) if np.dtype(dtype).kind == "c" else x


def first_row(v: Any) -> Any:
    row = Slice(v, starts=(0,) * v.ndim, stops=(*v.shape[:-2], 1, v.shape[-1]), steps=(1,) * v.ndim)
    return Expand(row, shape=v.shape)


def gauged(v: Any) -> Any:
    """Columns times the conjugate of their first elements: no phase is left."""
    return v * Conj(first_row(v)) if v.dtype.is_complex else v * first_row(v)


def same_gradient(ours: Any, theirs: Any, x: Any) -> None:
    """Both functions map a matrix to a tuple without free phases."""
    tx = torch.tensor(x, requires_grad=True)
    expected = theirs(tx)
    cts = [normal(y.numpy(force=True).dtype, *y.shape) for y in expected]
    torch.autograd.backward(expected, [torch.tensor(ct) for ct in cts])
    for y, result in zip(expected, applied(ours, x), strict=True):
        np.testing.assert_allclose(result, y.detach(), atol=1e-10)
    np.testing.assert_allclose(gradients(ours, [x], cts)[0], tx.grad, atol=1e-8)


def torch_gauged(v: Any) -> Any:
    return v * v[..., :1, :].conj()


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("shape", [(4, 4), (2, 5, 3), (3, 5)])
@pytest.mark.parametrize("full", [False, True])
def test_svd(dtype: Any, shape: tuple[int, ...], full: bool) -> None:
    def ours(x: Any) -> Any:
        u, s, vh = Svd(x, full=full)
        k = s.shape[-1]
        u = Slice(u, starts=(0,) * u.ndim, stops=(*u.shape[:-1], k), steps=(1,) * u.ndim)
        vh = Slice(
            vh,
            starts=(0,) * vh.ndim,
            stops=(*vh.shape[:-2], k, vh.shape[-1]),
            steps=(1,) * vh.ndim,
        )
        return gauged(u), s, gauged(adjoint(vh)), matmul(u, vh)

    def theirs(x: Any) -> Any:
        u, s, vh = torch.linalg.svd(x, full_matrices=False)
        return torch_gauged(u), s, torch_gauged(vh.mH), u @ vh

    same_gradient(ours, theirs, normal(dtype, *shape))


@pytest.mark.parametrize("dtype", KINDS)
def test_eigenvectors(dtype: Any) -> None:
    x = normal(dtype, 2, 4, 4)

    def hermitian(v: Any) -> Any:
        w, vectors = Eigh(v + adjoint(v), upper=False)
        return w, gauged(vectors)

    def torch_hermitian(v: Any) -> Any:
        w, vectors = torch.linalg.eigh(v + v.mH)
        return w, torch_gauged(vectors)

    same_gradient(hermitian, torch_hermitian, x)
    w, vectors = applied(Eig, x)
    np.testing.assert_allclose(x @ vectors, vectors * w[:, None, :], atol=1e-10)

    def general(v: Any) -> Any:  # symmetric in the eigenvalues, whose order is free
        w, vectors = Eig(v)
        return w * w, gauged(vectors)

    def torch_general(v: Any) -> Any:
        w, vectors = torch.linalg.eig(v)
        return w * w, torch_gauged(vectors)

    same_gradient(general, torch_general, x)


@pytest.mark.parametrize("dtype", KINDS)
def test_cholesky_qr_lu(dtype: Any) -> None:
    x = normal(dtype, 2, 4, 4) + 3 * np.eye(4)

    def ours(v: Any) -> Any:
        return (Cholesky(matmul(v, adjoint(v))),)

    same_gradient(ours, lambda v: (torch.linalg.cholesky(v @ v.mH),), x)
    for m, n in ((4, 4), (5, 3), (3, 5)):
        same_gradient(
            lambda v: Qr(v, mode="reduced"),
            lambda v: tuple(torch.linalg.qr(v)),
            normal(dtype, m, n),
        )
        x = normal(dtype, 2, m, n)
        packed, pivots, order = applied(Lu, x)
        expected = torch.linalg.lu_factor(torch.tensor(x))
        np.testing.assert_allclose(packed, expected.LU, atol=1e-12)
        np.testing.assert_array_equal(pivots, expected.pivots)
        k = min(m, n)
        low, up = np.tril(packed[..., :k], -1) + np.eye(m, k), np.triu(packed[..., :k, :])
        np.testing.assert_allclose(low @ up, np.take_along_axis(x, order[..., None], -2))


def test_determinant_of_singular_matrices() -> None:
    rank_two, rank_one = normal(np.float64, 3, 3), np.zeros((3, 3))
    rank_two[2], rank_one[0, 0] = rank_two[0], 1
    for x in (rank_two, rank_one):
        same_gradient(lambda v: (Det(v),), lambda v: (torch.linalg.det(v),), x)
    assert applied(Cofactor, np.ones((1, 1)))[0].tolist() == [[1]]


@pytest.mark.parametrize("descending", [False, True])
def test_sort_is_stable_and_nan_is_largest(descending: bool) -> None:
    x = random.standard_normal((3, 7, 2)).round()
    x[0, [2, 4]] = np.nan
    values, places = applied(Sort, x, axis=1, descending=descending)
    expected = torch.sort(torch.tensor(x), dim=1, descending=descending, stable=True)
    np.testing.assert_array_equal(values, expected.values)
    np.testing.assert_array_equal(places, expected.indices)


ONES, NANS = np.ones((2, 2)), np.full((2, 2), np.nan)
FAILURES: list[tuple[Any, Any, Any]] = [
    (Cholesky, torch.linalg.cholesky, -np.eye(2)),
    (Cholesky, torch.linalg.cholesky, np.stack([np.eye(2), np.diag([1.0, -1.0])])),
    (Inverse, torch.linalg.inv, ONES),
    (Inverse, torch.linalg.inv, np.stack([np.eye(2), ONES])),
    (lambda x: Solve(x, x), lambda x: torch.linalg.solve(x, x), ONES),
    (lambda x: Svd(x, full=True), torch.linalg.svd, NANS),
    (Eig, torch.linalg.eig, NANS),
]


@pytest.mark.parametrize(("ours", "theirs", "x"), FAILURES)
def test_failures(ours: Any, theirs: Any, x: Any) -> None:
    with pytest.raises(RuntimeError) as expected:
        theirs(torch.tensor(x))
    with pytest.raises(RuntimeError) as error:
        applied(ours, x)
    assert str(error.value).splitlines()[0] == str(expected.value).splitlines()[0]
    named = type(expected.value) is torch.linalg.LinAlgError
    assert (type(error.value) is LinAlgError) == named
