"""torch._foreach_*: every form against PyTorch's."""

import pytest
import torch

import alight

CALLS = {
    "number": lambda t, a, b: t._foreach_add(a, 2),
    "numbers": lambda t, a, b: t._foreach_mul(a, [2.0, 3.0]),
    "lists": lambda t, a, b: t._foreach_sub(a, b),
    "alpha": lambda t, a, b: t._foreach_add(a, b, alpha=3),
    "tensor": lambda t, a, b: t._foreach_div(a, t.tensor(2.0)),
    "in place": lambda t, a, b: t._foreach_mul_(a, 0.5),
    "a list in place": lambda t, a, b: t._foreach_sub_(a, b, alpha=0.1),
    "sqrt": lambda t, a, b: t._foreach_sqrt(a),
    "neg in place": lambda t, a, b: t._foreach_neg_(a),
    "zero": lambda t, a, b: t._foreach_zero_(a),
    "copy": lambda t, a, b: t._foreach_copy_(a, b),
    "norm": lambda t, a, b: t._foreach_norm(a),
    "norm 1": lambda t, a, b: t._foreach_norm(a, 1),
    "norm of infinity": lambda t, a, b: t._foreach_norm(a, float("inf")),
    "max": lambda t, a, b: t._foreach_max(a),
    "lerp": lambda t, a, b: t._foreach_lerp(a, b, 0.25),
    "lerp in place": lambda t, a, b: t._foreach_lerp_(a, b, 0.25),
    "addcmul": lambda t, a, b: t._foreach_addcmul(a, b, b, 0.5),
    "addcdiv by lists": lambda t, a, b: t._foreach_addcdiv_(a, b, b, [1.0, 2.0]),
    "pow": lambda t, a, b: t._foreach_pow(a, 2),
    "maximum": lambda t, a, b: t._foreach_maximum(a, b),
    "maximum of a number": lambda t, a, b: t._foreach_maximum_(a, 1.5),
    "maximum in place": lambda t, a, b: t._foreach_maximum_(a, b),
    "clamp_min": lambda t, a, b: t._foreach_clamp_min(a, 2.0),
    "clamp_max in place": lambda t, a, b: t._foreach_clamp_max_(a, 1.0),
    "empty": lambda t, a, b: t._foreach_add([], 1),
    "lengths": lambda t, a, b: t._foreach_add(a, b[:1]),
    "clip": lambda t, a, b: t._foreach_mul_(a, t.clamp(1.0 / t.stack(t._foreach_norm(a)).norm(), max=1.0)),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_like_pytorch(name):
    found = []
    for t in (alight, torch):
        a = [t.tensor([1.0, 2.0]), t.tensor([[0.5, 4.0, 1.0]])]
        b = [t.tensor([3.0, 0.5]), t.tensor([[1.0, 2.0, 4.0]])]
        try:
            made = CALLS[name](t, a, b)
            shown = [[round(v, 5) for v in x.flatten().tolist()] for x in made]
            kind = type(made).__name__, made is a
        except RuntimeError as error:
            shown, kind = str(error).split("\n")[0], "error"
        found.append((shown, kind, [x.tolist() for x in a]))
    if isinstance(found[1][0], list):
        assert found[0][0] == [pytest.approx(row, abs=2e-5) for row in found[1][0]]
    else:
        assert found[0][0] == found[1][0]
    assert found[0][1] == found[1][1]
    assert [len(x) for x in found[0][2]] == [len(x) for x in found[1][2]]


def test_gradients_flow():
    x = alight.tensor([1.0, 2.0], requires_grad=True)
    sum(y.sum() for y in alight._foreach_mul([x, x], [2.0, 3.0])).backward()
    assert x.grad.tolist() == [5.0, 5.0]
