"""torch.nn.utils against PyTorch: clipping, vectors, weight and spectral norm, parametrizations, pruning, fusion."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.utils.parametrizations
import torch.nn.utils.parametrize
import torch.nn.utils.prune
import torch.nn.utils.stateless

import alight
from alight.record.recorder import thread
from tests.nn.test_rnn import LIBRARIES, assert_same, error

pytestmark = pytest.mark.filterwarnings("ignore")


def both(run: Any) -> list[Any]:
    """What a program gives under each library from the same seed."""
    found = []
    for library in LIBRARIES:
        library.manual_seed(0)
        found.append(run(library))
    assert_same(*found)
    return found


def described(module: Any) -> Any:
    """Everything of a module that can be seen without tensors."""
    return (
        repr(module),
        list(module.state_dict()),
        [name for name, _ in module.named_parameters()],
        [name for name, _ in module.named_buffers()],
        type(module).__name__,
    )


# -- gradients and vectors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [2.0, 1.0, float("inf"), 3.0])
@pytest.mark.parametrize("limit", [0.5, 100.0])
def test_clipping(order: float, limit: float) -> None:
    def run(lib: Any) -> Any:
        net = lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.Linear(4, 2, bias=False))
        unused = lib.nn.Linear(2, 2)
        (net(lib.ones(5, 3)) ** 2).sum().backward()
        total = lib.nn.utils.clip_grad_norm_(
            [*net.parameters(), *unused.parameters()], limit, order
        )
        grads = [one.grad.clone() for one in net.parameters()]
        again = lib.nn.utils.get_total_norm(grads, order)
        lib.nn.utils.clip_grad_value_(net.parameters(), 0.1)
        return [total, grads, again, [one.grad for one in net.parameters()]]

    both(run)


def test_clipping_stays_on_known_paths() -> None:
    net = alight.nn.Linear(3, 4)
    places = set()
    for lap in range(4):
        net.zero_grad()
        net(alight.ones(2, 3)).sum().backward()
        alight.nn.utils.clip_grad_norm_(net.parameters(), 1.0 + lap)
        total = alight.nn.utils.get_total_norm([one.grad for one in net.parameters()])
        places.add(id(thread.recorder.here))
        assert total.item() == pytest.approx(1.0 + lap, rel=1e-4)
    assert len(places) <= 2  # the first lap may differ from the others


def test_vectors() -> None:
    def run(lib: Any) -> Any:
        net = lib.nn.Linear(3, 2)
        vector = lib.nn.utils.parameters_to_vector(net.parameters())
        lib.nn.utils.vector_to_parameters(vector * 2, net.parameters())
        return [vector, list(net.parameters()), net(lib.ones(1, 3))]

    both(run)


# -- reparametrised weights -----------------------------------------------------------------------------------------------

LAYERS: list[Any] = [
    lambda nn: nn.Linear(4, 3), lambda nn: nn.Conv2d(2, 3, 2), lambda nn: nn.ConvTranspose2d(4, 3, 2),
]  # fmt: skip
INPUTS: list[Any] = [(2, 4), (1, 2, 3, 3), (1, 4, 3, 3)]


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize(
    "how",
    [
        lambda utils, layer: utils.weight_norm(layer),
        lambda utils, layer: utils.weight_norm(layer, dim=None),
        lambda utils, layer: utils.weight_norm(layer, dim=1),
        lambda utils, layer: utils.spectral_norm(layer, n_power_iterations=3),
        lambda utils, layer: utils.parametrizations.weight_norm(layer),
        lambda utils, layer: utils.parametrizations.weight_norm(layer, dim=1),
        lambda utils, layer: utils.parametrizations.spectral_norm(layer),
    ],
)
def test_norms(which: int, how: Any) -> None:
    def run(lib: Any) -> Any:
        layer = how(lib.nn.utils, LAYERS[which](lib.nn))
        x = lib.linspace(-1, 1, int(np.prod(INPUTS[which]))).reshape(INPUTS[which])
        first = layer(x)
        (first * first).sum().backward()
        grads = [one.grad for one in layer.parameters()]
        state = {key: value.clone() for key, value in layer.state_dict().items()}
        again = how(lib.nn.utils, LAYERS[which](lib.nn))
        again.load_state_dict(state)
        return [first, grads, list(state.values()), layer.eval()(x), again.eval()(x), layer.weight]

    both(run)
    shown = [described(how(lib.nn.utils, LAYERS[which](lib.nn))) for lib in LIBRARIES]
    assert shown[0] == shown[1]


def test_norms_removed() -> None:
    def run(lib: Any) -> Any:
        utils, found = lib.nn.utils, []
        for add, remove in (
            (utils.weight_norm, utils.remove_weight_norm),
            (utils.spectral_norm, utils.remove_spectral_norm),
            (
                utils.parametrizations.weight_norm,
                lambda m: utils.parametrize.remove_parametrizations(m, "weight"),
            ),
        ):
            layer = remove(add(lib.nn.Linear(3, 2)).eval())
            assert sorted(layer.state_dict()) == ["bias", "weight"] and type(layer) is lib.nn.Linear
            found.append(layer(lib.ones(1, 3)))
        return found

    both(run)


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4)])
@pytest.mark.parametrize("how", [None, "cayley", "householder", "matrix_exp"])
def test_orthogonal(shape: tuple[int, int], how: str | None) -> None:
    if not hasattr(alight, "matrix_exp") and (
        how == "matrix_exp" or (how is None and shape == (3, 3))
    ):
        pytest.skip("there is no torch.matrix_exp yet")

    def run(lib: Any) -> Any:
        layer = lib.nn.utils.parametrizations.orthogonal(lib.nn.Linear(*shape), orthogonal_map=how)
        with lib.no_grad():
            layer.parametrizations.weight.original.add_(
                lib.linspace(-0.3, 0.2, shape[0] * shape[1]).reshape(shape[::-1])
            )
        q = layer.weight
        (q * lib.arange(float(shape[0] * shape[1])).reshape(shape[::-1])).sum().backward()
        layer.weight = q.detach()
        return [q, layer.parametrizations.weight.original.grad, layer.weight]

    both(run)


class Symmetric:
    """A parametrization for each library."""

    def __init__(self, lib: Any, inverse: bool = True) -> None:
        class Made(lib.nn.Module):
            def forward(self, x: Any) -> Any:
                return x.triu() + x.triu(1).transpose(-1, -2)

            if inverse:

                def right_inverse(self, x: Any) -> Any:
                    return x.triu()

        class Twice(lib.nn.Module):
            def forward(self, x: Any) -> Any:
                return x * 2

        self.symmetric, self.twice = Made(), Twice()


def test_parametrizations_of_ones_own() -> None:
    def run(lib: Any) -> Any:
        parametrize = lib.nn.utils.parametrize
        mine = Symmetric(lib)
        layer = lib.nn.Linear(3, 3)
        parametrize.register_parametrization(layer, "weight", mine.symmetric)
        assert parametrize.is_parametrized(layer) and not parametrize.is_parametrized(layer, "bias")
        assert parametrize.type_before_parametrizations(layer) is lib.nn.Linear
        found = [layer.weight, layer(lib.ones(1, 3))]
        layer.weight = lib.arange(9.0).reshape(3, 3)
        found.append(layer.weight)
        parametrize.register_parametrization(layer, "weight", mine.twice)
        found += [layer.weight, copy.deepcopy(layer).weight]
        with parametrize.cached():
            assert layer.weight is layer.weight
        layer.weight.sum().backward()
        found.append(layer.parametrizations.weight.original.grad)
        other = lib.nn.Linear(3, 3)
        parametrize.transfer_parametrizations_and_params(layer, other)
        found.append(other.weight)
        parametrize.remove_parametrizations(layer, "weight")
        assert type(layer) is lib.nn.Linear
        return [*found, layer.weight]

    both(run)


# -- pruning --------------------------------------------------------------------------------------------------------------

PRUNINGS: list[Any] = [
    lambda prune, layer: prune.l1_unstructured(layer, "weight", 0.5),
    lambda prune, layer: prune.l1_unstructured(layer, "bias", 1),
    lambda prune, layer: prune.random_unstructured(layer, "weight", 3),
    lambda prune, layer: prune.random_structured(layer, "weight", 2, 1),
    lambda prune, layer: prune.ln_structured(layer, "weight", 0.5, 2, 0),
    lambda prune, layer: prune.ln_structured(layer, "weight", 1, float("inf"), -1),
    lambda prune, layer: prune.identity(layer, "weight"),
    lambda prune, layer: prune.l1_unstructured(
        prune.ln_structured(layer, "weight", 1, 1, 0), "weight", 0.4
    ),
    lambda prune, layer: prune.ln_structured(
        prune.l1_unstructured(layer, "weight", 3), "weight", 1, 2, 1
    ),
]


@pytest.mark.parametrize("number", range(len(PRUNINGS)))
def test_pruning(number: int) -> None:
    def run(lib: Any) -> Any:
        prune = lib.nn.utils.prune
        layer = PRUNINGS[number](prune, lib.nn.Linear(4, 3))
        assert prune.is_pruned(layer)
        out = layer(lib.linspace(-1, 1, 8).reshape(2, 4))
        out.sum().backward()
        found = [out, list(layer.state_dict().values()), [one.grad for one in layer.parameters()]]
        for name in ("weight", "bias"):
            if hasattr(layer, name + "_mask"):
                prune.remove(layer, name)
        assert not prune.is_pruned(layer) and sorted(layer.state_dict()) == ["bias", "weight"]
        return [*found, layer.weight, layer.bias]

    both(run)


def test_global_pruning_and_masks() -> None:
    def run(lib: Any) -> Any:
        prune = lib.nn.utils.prune
        net = lib.nn.Sequential(lib.nn.Linear(4, 3), lib.nn.Linear(3, 2))
        pairs = [(net[0], "weight"), (net[1], "weight")]
        prune.global_unstructured(pairs, pruning_method=prune.L1Unstructured, amount=0.5)
        prune.custom_from_mask(net[0], "bias", lib.tensor([1, 0, 1]))
        return [net(lib.ones(1, 4)), [net[0].weight, net[1].weight, net[0].bias]]

    both(run)


# -- fusion, other calls --------------------------------------------------------------------------------------------------


def test_fusion() -> None:
    def run(lib: Any) -> Any:
        utils, found = lib.nn.utils, []
        for layer, bn, x in (
            (lib.nn.Conv2d(2, 3, 2), lib.nn.BatchNorm2d(3), lib.ones(2, 2, 3, 3)),
            (
                lib.nn.Conv1d(2, 3, 2, bias=False),
                lib.nn.BatchNorm1d(3, affine=False),
                lib.ones(2, 2, 3),
            ),
        ):
            bn(layer(x * lib.arange(3.0)))
            fused = utils.fuse_conv_bn_eval(layer.eval(), bn.eval())
            found += [fused(x), bn(layer(x)), fused.weight]
        linear, bn = lib.nn.Linear(2, 3), lib.nn.BatchNorm1d(3)
        bn(linear(lib.arange(4.0).reshape(2, 2)))
        fused = utils.fuse_linear_bn_eval(linear.eval(), bn.eval())
        up, bn = lib.nn.ConvTranspose2d(2, 3, 2).eval(), lib.nn.BatchNorm2d(3).eval()
        turned = utils.fuse_conv_bn_eval(up, bn, transpose=True)
        return [
            *found,
            fused(lib.ones(1, 2)),
            turned(lib.ones(1, 2, 2, 2)),
            bn(up(lib.ones(1, 2, 2, 2))),
        ]

    both(run)


def test_functional_call() -> None:
    def run(lib: Any) -> Any:
        call = lib.nn.utils.stateless.functional_call
        net = lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.BatchNorm1d(2), lib.nn.Linear(2, 2))
        net[2].weight = net[0].weight
        given = {"0.weight": lib.ones(2, 2).requires_grad_(), "2.bias": lib.zeros(2)}
        x = lib.arange(4.0).reshape(2, 2)
        out = call(net, given, x)
        out.pow(2).sum().backward()
        apart = call(net, given, (x,), tie_weights=False)
        return [out, given["0.weight"].grad, apart, net[0].weight, net(x)]

    both(run)
    with pytest.raises(AttributeError):
        alight.nn.utils.stateless.functional_call(
            alight.nn.Linear(1, 1), {"x": alight.ones(1)}, alight.ones(1)
        )


def test_skip_init_takes_nothing_from_the_stream() -> None:
    alight.manual_seed(0)
    layer = alight.nn.utils.skip_init(alight.nn.Linear, 3, 2)
    drawn = alight.rand(2)
    alight.manual_seed(0)
    assert alight.equal(drawn, alight.rand(2))
    assert layer.weight.shape == (2, 3) and layer.weight.requires_grad
    assert isinstance(layer.weight, alight.nn.Parameter)


def bad(lib: Any, change: str) -> Any:
    """A parametrization that changes shape or dtype, or gives no tensor."""

    class Bad(lib.nn.Module):
        def forward(self, x: Any) -> Any:
            return {"shape": lambda: x[:1], "dtype": x.double, "none": lambda: 3}[change]()

    return lib.nn.utils.parametrize.register_parametrization(lib.nn.Linear(3, 2), "weight", Bad())


def without_inverse(lib: Any) -> None:
    layer = lib.nn.Linear(3, 3)
    lib.nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric(lib).twice)
    layer.weight = lib.zeros(3, 3)


def not_finite(lib: Any) -> None:
    w = lib.ones(2).requires_grad_()
    w.grad = lib.tensor([float("nan"), 1.0])
    lib.nn.utils.clip_grad_norm_([w], 1.0, error_if_nonfinite=True)


L = lambda lib: lib.nn.Linear(3, 2)  # noqa: E731
ERRORS: list[Any] = [
    lambda lib: lib.nn.utils.weight_norm(lib.nn.utils.weight_norm(L(lib))),
    lambda lib: lib.nn.utils.spectral_norm(lib.nn.utils.spectral_norm(L(lib))),
    lambda lib: lib.nn.utils.remove_weight_norm(L(lib)), lambda lib: lib.nn.utils.remove_spectral_norm(L(lib)),
    lambda lib: lib.nn.utils.parametrize.register_parametrization(L(lib), "foo", lib.nn.Identity()),
    lambda lib: lib.nn.utils.parametrize.remove_parametrizations(L(lib), "weight"),
    lambda lib: bad(lib, "shape"), lambda lib: bad(lib, "dtype"), lambda lib: bad(lib, "none"), without_inverse,
    lambda lib: lib.nn.utils.parametrizations.orthogonal(L(lib), orthogonal_map="x"),
    lambda lib: lib.nn.utils.parametrizations.orthogonal(L(lib), "bias"),
    lambda lib: lib.nn.utils.parametrizations.spectral_norm(L(lib), n_power_iterations=0),
    lambda lib: lib.nn.utils.parametrizations.spectral_norm(L(lib), "foo"),
    lambda lib: lib.nn.utils.prune.l1_unstructured(L(lib), "weight", 7),
    lambda lib: lib.nn.utils.prune.l1_unstructured(L(lib), "weight", 1.5),
    lambda lib: lib.nn.utils.prune.l1_unstructured(L(lib), "weight", "a"),
    lambda lib: lib.nn.utils.prune.ln_structured(L(lib), "weight", 0.5, 1, 5),
    lambda lib: lib.nn.utils.prune.remove(L(lib), "weight"), not_finite,
    lambda lib: lib.nn.utils.parameters_to_vector([]), lambda lib: lib.nn.utils.vector_to_parameters([1], [lib.ones(1)]),
    lambda lib: lib.nn.utils.fuse_conv_bn_eval(lib.nn.Conv2d(1, 1, 1), lib.nn.BatchNorm2d(1)),
    lambda lib: lib.nn.utils.skip_init(int),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_errors(number: int) -> None:
    raised = error(ERRORS[number], alight)
    assert raised == error(ERRORS[number], torch)
    assert raised[0] != "none"
