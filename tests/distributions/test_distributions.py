"""Distributions against PyTorch's: draws from the same stream, densities and their gradients, moments, divergences."""

import re

import numpy as np
import pytest
import torch

import alight

# Name, arguments by keyword, values at which densities are compared.
ROWS = [
    ("Normal", {"loc": [0.0, 1.0], "scale": [1.0, 2.0]}, [0.3, -0.7]),
    ("Laplace", {"loc": [0.0, 1.0], "scale": [1.0, 2.0]}, [0.3, -0.7]),
    ("Cauchy", {"loc": [0.0, 1.0], "scale": [1.0, 2.0]}, [0.3, -0.7]),
    ("Gumbel", {"loc": [0.0, 1.0], "scale": [1.0, 2.0]}, [0.3, -0.7]),
    ("StudentT", {"df": [3.0, 1.5], "loc": [0.0, 1.0], "scale": [1.0, 2.0]}, [0.3, -0.7]),
    ("Uniform", {"low": [0.0, -1.0], "high": [1.0, 2.0]}, [0.3, 0.7]),
    ("Exponential", {"rate": [0.5, 2.0]}, [0.3, 1.7]),
    ("Gamma", {"concentration": [0.5, 2.0], "rate": [1.0, 3.0]}, [0.3, 1.7]),
    ("Chi2", {"df": [2.0, 5.0]}, [0.3, 1.7]),
    ("Beta", {"concentration1": [0.5, 2.0], "concentration0": [1.0, 3.0]}, [0.3, 0.7]),
    ("Dirichlet", {"concentration": [0.5, 2.0, 1.0]}, [0.2, 0.5, 0.3]),
    ("FisherSnedecor", {"df1": [3.0, 1.5], "df2": [5.0, 2.5]}, [0.3, 1.7]),
    ("HalfNormal", {"scale": [0.5, 2.0]}, [0.3, 1.7]),
    ("LogNormal", {"loc": [0.0, 1.0], "scale": [1.0, 0.5]}, [0.3, 1.7]),
    ("Bernoulli", {"probs": [0.2, 0.7]}, [0.0, 1.0]),
    ("Bernoulli", {"logits": [0.2, -0.7]}, [0.0, 1.0]),
    ("Geometric", {"probs": [0.2, 0.7]}, [2.0, 1.0]),
    ("Binomial", {"total_count": 30, "probs": [0.2, 0.7]}, [2.0, 12.0]),
    ("Poisson", {"rate": [0.5, 20.0]}, [0.0, 17.0]),
    ("Categorical", {"probs": [[0.2, 0.8, 1.0], [1.0, 1.0, 2.0]]}, [1, 2]),
    ("Categorical", {"logits": [0.2, 0.8, -1.0]}, [1, 2]),
    ("OneHotCategorical", {"probs": [0.2, 0.3, 0.5]}, [0.0, 1.0, 0.0]),
    ("Multinomial", {"total_count": 4, "probs": [0.2, 0.3, 0.5]}, [1.0, 1.0, 2.0]),
    ("RelaxedBernoulli", {"temperature": 0.5, "logits": [0.2, -0.7]}, [0.3, 0.8]),
    ("RelaxedOneHotCategorical", {"temperature": 0.5, "probs": [0.2, 0.3, 0.5]}, [0.2, 0.3, 0.5]),
    ("MultivariateNormal", {"loc": [0.0, 1.0], "covariance_matrix": [[2.0, 0.3], [0.3, 1.0]]}, [0.3, 0.4]),
    ("MultivariateNormal", {"loc": [0.0, 1.0], "precision_matrix": [[2.0, 0.3], [0.3, 1.0]]}, [0.3, 0.4]),
    ("MultivariateNormal", {"loc": [0.0, 1.0], "scale_tril": [[2.0, 0.0], [0.3, 1.0]]}, [0.3, 0.4]),
    ("HalfCauchy", {"scale": [0.5, 2.0]}, [0.3, 1.7]),
    ("InverseGamma", {"concentration": [0.5, 3.0], "rate": [1.0, 3.0]}, [0.3, 1.7]),
    ("Pareto", {"scale": [0.5, 1.0], "alpha": [1.5, 3.0]}, [0.6, 1.7]),
    ("GeneralizedPareto", {"loc": [0.1, 0.2], "scale": [1.0, 2.0], "concentration": [0.3, -0.5]}, [0.3, 1.7]),
    ("GeneralizedPareto", {"loc": [0.1, 0.2], "scale": [1.0, 2.0], "concentration": [0.0, 0.7]}, [0.3, 1.7]),
    ("Weibull", {"scale": [0.5, 2.0], "concentration": [1.5, 3.0]}, [0.3, 1.7]),
    ("Kumaraswamy", {"concentration1": [1.5, 2.0], "concentration0": [0.5, 3.0]}, [0.3, 0.7]),
    ("LogisticNormal", {"loc": [0.0, 1.0], "scale": [1.0, 0.5]}, [0.2, 0.5, 0.3]),
    ("ContinuousBernoulli", {"probs": [0.2, 0.5, 0.9]}, [0.0, 0.3, 0.8]),
    ("ContinuousBernoulli", {"logits": [1.2, -0.7]}, [0.3, 0.8]),
    ("NegativeBinomial", {"total_count": 3, "probs": [0.2, 0.7]}, [2.0, 0.0]),
    ("NegativeBinomial", {"total_count": 5, "logits": [0.2, -0.7]}, [2.0, 1.0]),
    ("VonMises", {"loc": [0.0, 1.0], "concentration": [0.5, 8.0]}, [0.3, -0.7]),
    ("LowRankMultivariateNormal", {"loc": [0.0, 1.0], "cov_factor": [[2.0], [0.3]], "cov_diag": [1.0, 0.5]}, [0.3, 0.4]),
    ("Wishart", {"df": 4.0, "covariance_matrix": [[2.0, 0.3], [0.3, 1.0]]}, [[1.0, 0.1], [0.1, 3.0]]),
    ("Wishart", {"df": 4.0, "precision_matrix": [[2.0, 0.3], [0.3, 1.0]]}, [[1.0, 0.1], [0.1, 3.0]]),
    ("Wishart", {"df": [3.0, 4.0], "scale_tril": [[2.0, 0.0], [0.3, 1.0]]}, [[1.0, 0.1], [0.1, 3.0]]),
    ("LKJCholesky", {"dim": 3, "concentration": [0.5, 2.0]}, [[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.6, 0.8]]),
]  # fmt: skip
IDS = [f"{i}-{row[0]}" for i, row in enumerate(ROWS)]
DIFFERENTIABLE_DRAWS = {
    "Normal",
    "Laplace",
    "Cauchy",
    "Gumbel",
    "Uniform",
    "Exponential",
    "HalfNormal",
    "LogNormal",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "MultivariateNormal",
    "HalfCauchy",
    "Pareto",
    "GeneralizedPareto",
    "Weibull",
    "Kumaraswamy",
    "LogisticNormal",
    "ContinuousBernoulli",
    "LowRankMultivariateNormal",
}
WHOLE = ("total_count", "dim")  # arguments that stay numbers  # fmt: skip


def build(library, name, arguments, **options):
    tensors = {
        key: value if key in WHOLE else library.tensor(value) for key, value in arguments.items()
    }
    for key, value in tensors.items():
        if key not in (*WHOLE, "temperature"):
            value.requires_grad_()
    return getattr(library.distributions, name)(**tensors, **options), tensors


def same(ours, theirs):
    np.testing.assert_allclose(
        ours.detach().numpy(), theirs.detach().numpy(), rtol=3e-5, atol=3e-6, equal_nan=True
    )
    assert tuple(ours.shape) == tuple(theirs.shape) and str(ours.dtype) == str(theirs.dtype)


@pytest.mark.parametrize("name, arguments, values", ROWS, ids=IDS)
def test_densities_and_their_gradients(name, arguments, values):
    found = []
    for library in (alight, torch):
        made, tensors = build(library, name, arguments)
        density = made.log_prob(library.tensor(values))
        density.sum().backward()
        grads = [t.grad for t in tensors.values() if getattr(t, "requires_grad", False)]
        found.append((density, *grads))
    for ours, theirs in zip(*found, strict=True):
        same(ours, theirs)


@pytest.mark.parametrize("name, arguments, values", ROWS, ids=IDS)
def test_what_they_say_of_themselves(name, arguments, values):
    ours, theirs = build(alight, name, arguments)[0], build(torch, name, arguments)[0]
    assert ours.batch_shape == tuple(theirs.batch_shape)
    assert ours.event_shape == tuple(theirs.event_shape)
    assert ours.has_rsample == theirs.has_rsample
    assert repr(ours) == repr(theirs)
    compared = 0
    for what in ("mean", "variance", "stddev", "mode"):
        try:
            expected = getattr(theirs, what)
        except NotImplementedError:
            continue
        same(getattr(ours, what), expected)
    for what in ("entropy", "perplexity", "cdf", "icdf", "enumerate_support"):
        given = () if what in ("entropy", "perplexity", "enumerate_support") else (values,)
        if what == "icdf":
            given = (np.clip(np.abs(values), 0.1, 0.9).tolist(),)
        try:
            expected = getattr(theirs, what)(*map(torch.tensor, given))
        except NotImplementedError:
            continue
        same(getattr(ours, what)(*map(alight.tensor, given)), expected)
        compared += 1
    assert (
        compared
        or name.startswith("Relaxed")
        or name
        in (
            "Poisson",
            "Multinomial",
            "FisherSnedecor",
            "LogisticNormal",
            "NegativeBinomial",
            "VonMises",
            "LKJCholesky",
        )
    )


@pytest.mark.filterwarnings(
    "ignore:Singular sample detected"
)  # PyTorch says so of draws that are in order
@pytest.mark.parametrize("name, arguments, values", ROWS, ids=IDS)
def test_draws_come_from_the_same_stream(name, arguments, values):
    found = []
    for library in (alight, torch):
        library.manual_seed(7)
        made, tensors = build(library, name, arguments)
        draws = [made.sample(), made.sample((3,)), made.expand((4, *made.batch_shape)).sample()]
        if name in DIFFERENTIABLE_DRAWS:
            draw = made.rsample((2,))
            draw.sum().backward()
            draws += [draw] + [
                t.grad for t in tensors.values() if getattr(t, "grad", None) is not None
            ]
        found.append([*draws, library.rand(2)])
    for ours, theirs in zip(*found, strict=True):
        same(ours, theirs)


def pair(library, name, arguments):
    first = build(library, name, arguments)[0]
    moved = {
        key: (
            np.array(value) * (1 if key in ("covariance_matrix", "total_count") else 0.8)
        ).tolist()
        for key, value in arguments.items()
    }
    if name == "Uniform":
        moved = {"low": [-1.0, -2.0], "high": [3.0, 2.5]}
    return first, build(library, name, moved)[0]


@pytest.mark.parametrize(
    "name, arguments, values",
    [row for row in ROWS if row[0] in (
        "Normal", "Laplace", "Uniform", "Bernoulli", "Categorical", "OneHotCategorical", "Poisson", "Exponential", "Gamma",
        "Beta", "Dirichlet", "MultivariateNormal",
    ) and "precision_matrix" not in row[1] and "scale_tril" not in row[1]],
)  # fmt: skip
def test_divergences(name, arguments, values):
    ours = alight.distributions.kl_divergence(*pair(alight, name, arguments))
    theirs = torch.distributions.kl_divergence(*pair(torch, name, arguments))
    same(ours, theirs)


PAIRED = {
    "Beta": lambda d, t, k: d.Beta(t.tensor(1.5 + k), t.tensor(2.0)),
    "Bernoulli": lambda d, t, k: d.Bernoulli(t.tensor(0.3 + 0.2 * k)),
    "Binomial": lambda d, t, k: d.Binomial(t.tensor([5.0 - k, 4.0]), t.tensor(0.3 + 0.2 * k)),
    "Cauchy": lambda d, t, k: d.Cauchy(t.tensor(0.5), t.tensor(1.0 + k)),
    "ContinuousBernoulli": lambda d, t, k: d.ContinuousBernoulli(t.tensor(0.3 + 0.5 * k)),
    "Exponential": lambda d, t, k: d.Exponential(t.tensor(1.5 + k)),
    "Gamma": lambda d, t, k: d.Gamma(t.tensor(1.5 + k), t.tensor(0.7)),
    "Geometric": lambda d, t, k: d.Geometric(t.tensor(0.3 + 0.2 * k)),
    "Gumbel": lambda d, t, k: d.Gumbel(t.tensor(0.5 + k), t.tensor(1.5)),
    "HalfNormal": lambda d, t, k: d.HalfNormal(t.tensor(0.5 + k)),
    "Laplace": lambda d, t, k: d.Laplace(t.tensor(0.5 + k), t.tensor(1.5)),
    "LogNormal": lambda d, t, k: d.LogNormal(t.tensor(0.5 + k), t.tensor(1.5)),
    "LowRank": lambda d, t, k: d.LowRankMultivariateNormal(
        t.tensor([0.5 + k, 1.0]), t.tensor([[1.0], [2.0]]), t.tensor([1.0, 0.5 + k])
    ),
    "Multivariate": lambda d, t, k: d.MultivariateNormal(
        t.tensor([0.5 + k, 1.0]), t.tensor([[1.0 + k, 0.2], [0.2, 2.0]])
    ),
    "Normal": lambda d, t, k: d.Normal(t.tensor(0.5 + k), t.tensor(1.5)),
    "Pareto": lambda d, t, k: d.Pareto(t.tensor([0.5, 0.3]), t.tensor([2.5 - k, 1.5])),
    "Poisson": lambda d, t, k: d.Poisson(t.tensor(0.5 + k)),
    "Uniform": lambda d, t, k: d.Uniform(t.tensor(0.6 - k), t.tensor(0.9 + k)),
    "Unit": lambda d, t, k: d.Uniform(t.tensor(0.0), t.tensor(1.0)),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRED)
def test_divergences_of_two_types(name):
    """What PyTorch has a formula for, alight has, with the same number; what it has not, alight has not."""
    compared = 0
    for other in PAIRED:
        found = []
        for library in (torch, alight):
            d = library.distributions
            p, q = PAIRED[name](d, library, 0), PAIRED[other](d, library, 1)
            try:
                found.append(d.kl_divergence(p, q))
            except NotImplementedError:
                found.append(None)
        theirs, ours = found
        if theirs is None:
            assert ours is None, other
        else:
            same(ours, theirs)
            compared += 1
    assert compared


WRONG = {
    "negative scale": lambda t: t.distributions.Normal(t.zeros(2), t.tensor([1.0, -1.0])),
    "not probabilities": lambda t: t.distributions.Categorical(t.tensor([[-1.0, 2.0]])),
    "both given": lambda t: t.distributions.Bernoulli(t.tensor(0.5), t.tensor(0.1)),
    "above one": lambda t: t.distributions.Bernoulli(probs=t.tensor([1.5])),
    "empty interval": lambda t: t.distributions.Uniform(1.0, 0.0),
    "not positive definite": lambda t: t.distributions.MultivariateNormal(t.zeros(2), -t.eye(2)),
    "nan": lambda t: t.distributions.Normal(t.tensor(float("nan")), 1.0),
    "outside the support": lambda t: t.distributions.Exponential(1.0).log_prob(t.tensor(-1.0)),
    "no place": lambda t: t.distributions.Categorical(t.ones(3)).log_prob(t.tensor(3)),
    "wrong shape": lambda t: t.distributions.Normal(t.zeros(2), 1.0).log_prob(t.zeros(3)),
    "wrong event": lambda t: t.distributions.MultivariateNormal(t.zeros(2), t.eye(2)).log_prob(t.zeros(3)),
    "a number": lambda t: t.distributions.Normal(0.0, 1.0).log_prob(0.5),
    "two matrices": lambda t: t.distributions.Wishart(3.0, t.eye(2), t.eye(2)),
    "few degrees": lambda t: t.distributions.Wishart(t.tensor(1.0), t.eye(2)),
    "too small": lambda t: t.distributions.LKJCholesky(1),
    "no vector": lambda t: t.distributions.LowRankMultivariateNormal(t.tensor(1.0), t.ones(1, 1), t.ones(1)),
    "other vectors": lambda t: t.distributions.LowRankMultivariateNormal(t.ones(2), t.ones(3, 1), t.ones(2)),
    "no batch": lambda t: t.distributions.LowRankMultivariateNormal(t.ones(2, 2), t.ones(3, 2, 1), t.ones(2)),
    "below scale": lambda t: t.distributions.Pareto(2.0, 1.0).log_prob(t.tensor(1.0)),
    "no transform": lambda t: t.distributions.TransformedDistribution(t.distributions.Normal(0.0, 1.0), 3),
    "too few dimensions": lambda t: t.distributions.TransformedDistribution(
        t.distributions.Normal(0.0, 1.0), t.distributions.StickBreakingTransform()
    ),
    "other sizes": lambda t: t.distributions.ReshapeTransform((2,), (3,)),
    "other lengths": lambda t: t.distributions.CatTransform([t.distributions.ExpTransform()])(t.ones(2)),
    "unknown pair": lambda t: t.distributions.kl_divergence(
        t.distributions.Cauchy(0.0, 1.0), t.distributions.Poisson(1.0)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_errors(name):
    with pytest.raises(Exception) as theirs:
        WRONG[name](torch)
    first_line = str(theirs.value).split("\n")[0]
    with pytest.raises(theirs.type, match=re.escape(first_line)):
        WRONG[name](alight)


def test_checks_can_be_left_out():
    made = alight.distributions.Normal(alight.zeros(1), alight.tensor([-1.0]), validate_args=False)
    assert made.scale.item() == -1
    assert (
        alight.distributions.Bernoulli(0.5, validate_args=False)
        .log_prob(alight.tensor(0.3))
        .isfinite()
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda t, d: d.ExpTransform(),
        lambda t, d: d.AffineTransform(1.0, t.tensor([2.0, -3.0])),
        lambda t, d: d.AffineTransform(1.0, -2.0, event_dim=1),
        lambda t, d: d.TanhTransform(),
        lambda t, d: d.SigmoidTransform(),
        lambda t, d: d.SoftplusTransform(),
        lambda t, d: d.ComposeTransform([d.ExpTransform(), d.PowerTransform(t.tensor(2.0))]),
        lambda t, d: d.IndependentTransform(d.TanhTransform(), 1),
        lambda t, d: d.AffineTransform(0.5, 2.0).inv,
        lambda t, d: d.CumulativeDistributionTransform(d.Normal(0.0, 2.0)),
        lambda t, d: d.StickBreakingTransform(),
        lambda t, d: d.ComposeTransform([d.ExpTransform(), d.StickBreakingTransform()]),
        lambda t, d: d.ReshapeTransform((2,), (2, 1)),
        lambda t, d: d.CatTransform([d.ExpTransform(), d.TanhTransform()], dim=-1),
        lambda t, d: d.CatTransform(
            [d.StickBreakingTransform(), d.StickBreakingTransform()], lengths=[1, 0]
        ),
        lambda t, d: d.StackTransform([d.ExpTransform(), d.TanhTransform()], dim=1),
        lambda t, d: d.biject_to(d.constraints.positive),
        lambda t, d: d.biject_to(d.constraints.less_than(2.0)),
        lambda t, d: d.biject_to(d.constraints.interval(-1.0, t.tensor([2.0, 3.0]))),
        lambda t, d: d.biject_to(d.constraints.half_open_interval(0.0, 1.0)),
        lambda t, d: d.biject_to(d.constraints.simplex),
        lambda t, d: d.biject_to(d.constraints.real),
        lambda t, d: d.biject_to(d.constraints.real_vector),
        lambda t, d: d.transform_to(
            d.constraints.stack([d.constraints.real, d.constraints.unit_interval], -1)
        ),
        lambda t, d: d.transform_to(
            d.constraints.cat([d.constraints.real, d.constraints.nonnegative], -1)
        ),
    ],
)
def test_transforms(make):
    found, said = [], []
    for library in (alight, torch):
        transform, x = make(library, library.distributions), library.tensor([[0.3, -0.4]])
        y = transform(x)
        shapes = transform.forward_shape(x.shape), transform.inverse_shape(y.shape)
        about = transform.domain.event_dim, transform.codomain.event_dim, transform.bijective
        found.append((y, transform.inv(y), transform.log_abs_det_jacobian(x, y)))
        said.append((shapes, about, repr(transform)))
    assert str(said[0]) == str(said[1])
    for ours, theirs in zip(*found, strict=True):
        same(ours, theirs)


def test_equal_transforms():
    d = alight.distributions
    scale = alight.tensor([1.0, 2.0])
    assert d.ExpTransform() == d.ExpTransform() != d.TanhTransform()
    assert d.AffineTransform(0.0, scale) == d.AffineTransform(0.0, scale.clone())
    assert d.AffineTransform(0.0, scale) != d.AffineTransform(0.0, scale + 1)
    assert d.ComposeTransform([d.ExpTransform()]) == d.ComposeTransform([d.ExpTransform()])


def test_transforms_to_matrices():
    found = []
    for library in (alight, torch):
        d, c = library.distributions, library.distributions.constraints
        x = library.tensor([0.3, -0.4, 1.2], requires_grad=True)
        square = library.arange(8.0).reshape(2, 2, 2) / 8
        factor = d.biject_to(c.corr_cholesky)
        y = factor(x)
        jacobian = factor.log_abs_det_jacobian(x, y)
        (y.sum() + jacobian).backward()
        cholesky, positive = d.transform_to(c.lower_cholesky), d.transform_to(c.positive_definite)
        found.append(
            (
                y, factor.inv(y), jacobian, x.grad, cholesky(square), cholesky.inv(cholesky(square)),
                positive(square), positive.inv(positive(square)),
                c.corr_cholesky.check(library.stack([y, y * 2])),
            )
        )  # fmt: skip
        assert tuple(factor.forward_shape((4, 3))) == (4, 3, 3)
        assert tuple(factor.inverse_shape((4, 3, 3))) == (4, 3)
        with pytest.raises(NotImplementedError, match="Cannot transform _Boolean constraints"):
            d.biject_to(c.boolean)
        with pytest.raises(TypeError, match="Expected constraint to be either"):
            d.biject_to.register(3, lambda one: one)
    for ours, theirs in zip(*found, strict=True):
        same(ours, theirs)


def test_compositions():
    found = []
    for library in (alight, torch):
        library.manual_seed(3)
        d = library.distributions
        parts = d.Categorical(library.tensor([[0.3, 0.7]]))
        components = d.Independent(d.Normal(library.zeros(1, 2, 3), library.ones(1, 2, 3)), 1)
        mixture = d.MixtureSameFamily(parts, components)
        draws = mixture.sample((4,))
        moved = d.TransformedDistribution(
            d.Normal(0.0, 1.0), [d.AffineTransform(1.0, -2.0), d.ExpTransform()]
        )
        x = library.tensor([0.5, 2.0])
        found.append(
            (
                draws,
                mixture.log_prob(draws),
                mixture.mean,
                mixture.variance,
                moved.log_prob(x),
                moved.cdf(x),
                moved.icdf(library.tensor([0.2, 0.9])),
                moved.sample((2,)),
                d.Normal(0.0, 1.0).expand((2, 3)).log_prob(library.zeros(3)),
            )
        )
    for ours, theirs in zip(*found, strict=True):
        same(ours, theirs)


def test_random_counts_and_gammas_bit_for_bit():
    alight.manual_seed(1), torch.manual_seed(1)
    rates = [0.0, 0.5, 9.9, 10.0, 250.0] * 20
    a, b = alight.poisson(alight.tensor(rates)), torch.poisson(torch.tensor(rates))
    assert a.tolist() == b.tolist()
    n, p = [3.0, 40.0, 1000.0, 50.0] * 25, [0.9, 0.01, 0.5, 0.7] * 25
    assert (
        alight.binomial(alight.tensor(n), alight.tensor(p)).tolist()
        == torch.binomial(torch.tensor(n), torch.tensor(p)).tolist()
    )
    assert alight.rand(1).item() == torch.rand(1).item()
    with pytest.raises(RuntimeError, match="invalid Poisson rate"):
        alight.poisson(alight.tensor([-1.0]))
