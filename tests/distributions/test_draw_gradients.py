"""Gradients through draws of the gamma family, against PyTorch's approximations and against the distribution function."""

import numpy as np
import pytest
import torch
from scipy import special

import alight

DRAWS = {
    "Gamma": ({"concentration": [0.4, 1.0, 3.0, 60.0], "rate": [1.0, 2.0, 0.5, 3.0]}, 5e-3),
    "Chi2": ({"df": [0.3, 2.0, 11.0]}, 5e-3),
    "Beta": ({"concentration1": [0.4, 2.0, 30.0], "concentration0": [1.5, 0.7, 9.0]}, 5e-3),
    "Dirichlet": ({"concentration": [[0.5, 2.0, 1.0], [9.0, 30.0, 2.0]]}, 5e-3),
    "StudentT": ({"df": [0.7, 5.0], "loc": [0.0, 1.0], "scale": [1.0, 2.0]}, 5e-3),
    "FisherSnedecor": ({"df1": [1.5, 8.0], "df2": [3.0, 20.0]}, 5e-3),
}


def drawn(library, name, arguments, dtype):
    library.manual_seed(11)
    tensors = [
        library.tensor(value, dtype=getattr(library, dtype), requires_grad=True)
        for value in arguments.values()
    ]
    draws = getattr(library.distributions, name)(*tensors).rsample((6,))
    weights = library.linspace(-1, 2, draws.numel(), dtype=draws.dtype).reshape(draws.shape)
    (draws * weights).sum().backward()
    return draws, [t.grad for t in tensors]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", DRAWS)
def test_draws_bit_for_bit_and_their_gradients_nearly(name, dtype):
    arguments, rtol = DRAWS[name]
    ours, our_grads = drawn(alight, name, arguments, dtype)
    theirs, their_grads = drawn(torch, name, arguments, dtype)
    if alight.config.hot:
        assert ours.tolist() == theirs.tolist()
    else:  # compiled at first sight, location + scale * draw is rounded once
        ulp = np.finfo(dtype).eps
        np.testing.assert_allclose(ours.tolist(), theirs.tolist(), rtol=2 * ulp, atol=ulp)
    assert type(ours.grad_fn).__name__ == type(theirs.grad_fn).__name__
    for a, b in zip(our_grads, their_grads, strict=True):
        assert str(a.dtype) == str(b.dtype)
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=rtol, atol=1e-3)
    assert alight.rand(1).item() == torch.rand(1).item()


def numeric(distribution, density, a, x):
    """-(dF/da) / density by central differences of fourth order."""
    h = 1e-3 * a
    slope = (
        8 * (distribution(a + h, x) - distribution(a - h, x))
        - (distribution(a + 2 * h, x) - distribution(a - 2 * h, x))
    ) / (12 * h)
    return -slope / density(a, x)


def gamma_density(a, x):
    return np.exp((a - 1) * np.log(x) - x - special.gammaln(a))


@pytest.mark.parametrize("a", [0.05, 0.7, 3.0, 7.9, 8.1, 40.0, 3000.0])
def test_gamma_slopes_follow_the_distribution_function(a):
    x = special.gammaincinv(a, np.array([0.01, 0.3, 0.5, 0.8, 0.99]))
    slopes = alight._standard_gamma_grad(
        alight.full((5,), a, dtype=alight.float64), alight.tensor(x)
    )
    np.testing.assert_allclose(
        slopes.numpy(), numeric(special.gammainc, gamma_density, a, x), rtol=3e-6
    )


@pytest.mark.parametrize("b", [0.2, 3.0, 9.0, 500.0])
@pytest.mark.parametrize("a", [0.1, 2.0, 20.0, 700.0])
def test_beta_slopes_follow_the_distribution_function(a, b):
    x = special.betaincinv(a, b, np.array([0.02, 0.3, 0.6, 0.9]))
    x = x[(x > 1e-30) & (x < 1 - 1e-9)]

    def density(a, x):
        return np.exp((a - 1) * np.log(x) + (b - 1) * np.log1p(-x) - special.betaln(a, b))

    expected = numeric(lambda a, x: special.betainc(a, b, x), density, a, x) / (1 - x)
    full = alight.full_like(alight.tensor(x), a)
    slopes = alight._dirichlet_grad(alight.tensor(x), full, full + b)
    np.testing.assert_allclose(slopes.numpy(), expected, rtol=1e-6)


def test_extreme_arguments_stay_finite():
    a = alight.tensor([1e-4, 1e-4, 1e6, 1e6, 0.5], dtype=alight.float64)
    x = alight.tensor([1e-300, 3.0, 1.001e6, 0.9e6, 40.0], dtype=alight.float64)
    assert alight._standard_gamma_grad(a, x).isfinite().all()
    b = alight.tensor([1e-3, 1e5, 1e-3, 1e5], dtype=alight.float64)
    y = alight.tensor([1e-38, 0.1, 1 - 1e-7, 1 - 1e-7], dtype=alight.float64)
    assert alight._dirichlet_grad(y, b, b + b.flip(0)).isfinite().all()


def test_second_derivatives_are_refused():
    for library in (alight, torch):
        a = library.tensor([2.0, 3.0], requires_grad=True)
        with pytest.raises(NotImplementedError, match="the derivative for '_standard_gamma_grad'"):
            (grad,) = library.autograd.grad(library._standard_gamma(a).sum(), a, create_graph=True)
            grad.sum().backward()


def test_integers_are_refused():
    for call in (
        lambda t: t._standard_gamma(t.tensor([1])),
        lambda t: t._sample_dirichlet(t.tensor([1])),
    ):
        with pytest.raises(Exception) as theirs:
            call(torch)
        with pytest.raises(theirs.type) as ours:
            call(alight)
        assert str(ours.value).split("\n")[0] == str(theirs.value).split("\n")[0]


def test_a_variational_fit_follows_pytorchs():
    """The Beta posterior of a coin, fitted through draws: the same losses while the approximations agree."""
    found = []
    for library in (alight, torch):
        library.manual_seed(0)
        logs = library.zeros(2, requires_grad=True)
        optimizer = library.optim.Adam([logs], lr=0.1)
        d = library.distributions
        prior = d.Beta(2.0, 2.0)
        for _ in range(15):
            q = d.Beta(*logs.exp())
            p = q.rsample((8,))
            likelihood = 7 * p.log() + 3 * library.log1p(-p)
            loss = -(likelihood + prior.log_prob(p) - q.log_prob(p)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        found.append(logs.detach().numpy())
    np.testing.assert_allclose(found[0], found[1], rtol=5e-3, atol=5e-3)
