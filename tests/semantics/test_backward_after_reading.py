"""`loss.backward()` after the loss was read: on a known path a few look-ups, and PyTorch's gradients in every case."""

from __future__ import annotations

import numpy as np
import pytest
import torch as pytorch

import alight
from alight.autograd import engine


def plain(torch, x, w, i):
    loss = (x @ w).tanh().sum()
    seen = loss.item()
    loss.backward()
    return seen


def accumulated(torch, x, w, i):
    for _ in range(2):
        loss = (x @ w).tanh().sum()
        loss.item()
        loss.backward()


def more_pending(torch, x, w, i):
    out = x @ w
    loss = out.tanh().sum()
    loss.item()
    more = (out.detach() * 2).sum()
    loss.backward()
    return more.item()


def two_losses(torch, x, w, i):
    out = (x @ w).tanh()
    a, b = out.sum(), (out * out).sum()
    a.item()
    a.backward(retain_graph=True)
    b.backward()


def half_pending(torch, x, w, i):
    out = (x @ w).tanh()
    out.sum().item()
    (out * out).sum().backward()


def hook_on_a_leaf(torch, x, w, i):
    handle = w.register_hook(lambda grad: grad * 3) if i == 2 else None
    loss = (x @ w).tanh().sum()
    loss.item()
    loss.backward()
    if handle is not None:
        handle.remove()


def hook_in_between(torch, x, w, i):
    out = x @ w
    if i == 2:
        out.register_hook(lambda grad: grad * 3)
    loss = out.tanh().sum()
    loss.item()
    loss.backward()


def hook_after_reading(torch, x, w, i):
    out = x @ w
    loss = out.tanh().sum()
    loss.item()
    if i == 2:
        out.register_hook(lambda grad: grad * 3)
    loss.backward()


def hook_on_a_node(torch, x, w, i):
    loss = (x @ w).tanh().sum()
    loss.item()
    if i == 2:
        loss.grad_fn.register_prehook(lambda grads: (grads[0] * 3,))
    loss.backward()


def written_over(torch, x, w, i):
    loss = (x @ w).tanh().sum()
    loss.item()
    if i == 2:
        x.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()
    else:
        loss.backward()


def written_unnoticed(torch, x, w, i):
    loss = (x @ w).sum()
    loss.item()
    if i == 2:
        x.data.add_(1)
    loss.backward()


def twice(torch, x, w, i):
    loss = (x @ w).tanh().sum()
    loss.item()
    loss.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        loss.backward()


def number_in_it(torch, x, w, i):
    loss = ((x @ w) * (0.5 + i)).tanh().sum() / (i + 1)
    loss.item()
    loss.backward()


def view_of_a_loss(torch, x, w, i):
    losses = (x @ w).tanh().sum(0)
    losses.tolist()
    losses[1].backward()


def shared_with_numpy(torch, x, w, i):
    loss = (x @ w).tanh().sum()
    loss.detach().numpy()
    loss.backward()


def frozen(torch, x, w, i):
    w.requires_grad_(i != 2)
    v = torch.ones(2, requires_grad=True)
    loss = (x @ w + v).tanh().sum()
    loss.item()
    loss.backward()
    w.requires_grad_(True)
    return v.grad.tolist()


SCENES = (
    plain, accumulated, more_pending, two_losses, half_pending, hook_on_a_leaf, hook_in_between, hook_after_reading,
    hook_on_a_node, written_over, written_unnoticed, twice, number_in_it, view_of_a_loss, shared_with_numpy, frozen,
)  # fmt: skip


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_as_in_pytorch(scene):
    found = []
    for torch in (alight, pytorch):
        w, seen = torch.tensor([[0.5, -1.0], [0.25, 2.0]], requires_grad=True), []
        for i in range(4):
            x = torch.tensor([[1.0, 2.0], [-0.5, 0.25], [0.0, 1.0]]) + i
            w.grad = None
            seen.append(scene(torch, x, w, i))
            seen.append(None if w.grad is None else w.grad.tolist())
        found.append(seen)
    for ours, theirs in zip(*found, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("scene", [plain, accumulated, more_pending, number_in_it])
def test_a_known_path_is_not_swept_again(scene, segment, monkeypatch):
    if segment:
        pytest.skip("each step is flushed: the histories are many")
    w = alight.tensor([[0.5, -1.0], [0.25, 2.0]], requires_grad=True)
    x = alight.ones(3, 2)

    def lap():
        w.grad = None
        scene(alight, x, w, 1)
        return w.grad.tolist()

    expected = [lap() for _ in range(3)][-1]
    with monkeypatch.context() as patch:
        patch.setattr(engine, "run", None)
        assert lap() == expected


SECOND = {
    "svdvals": lambda library, x: library.linalg.svdvals(x),
    "singular values of svd": lambda library, x: library.linalg.svd(x, full_matrices=False)[1],
    "eigvalsh": lambda library, x: library.linalg.eigvalsh(x @ x.T),
    "std": lambda library, x: library.std(x, 0),
    "var_mean": lambda library, x: library.var_mean(x, 1)[0],
    "R of qr": lambda library, x: library.linalg.qr(x)[1],
}


@pytest.mark.parametrize("name", SECOND)
def test_second_derivatives_of_what_was_read_reach_what_the_first_pass_read(name):
    found = []
    for library in (alight, pytorch):
        start = library.arange(12, dtype=library.float64).view(4, 3)
        x = (start.sin() * 2 + start.cos()).requires_grad_()
        out = SECOND[name](library, x)
        out.tolist()
        (first,) = library.autograd.grad((out**2).sum(), x, create_graph=True)
        first.tolist()
        (second,) = library.autograd.grad((first * start.cos()).sum(), x)
        found.append(second.tolist())
    np.testing.assert_allclose(*found, rtol=1e-9, atol=1e-9)
