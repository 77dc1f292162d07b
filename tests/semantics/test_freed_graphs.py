"""What a backward pass uses up: the steps that gradients went through, and no others."""

import itertools

import pytest

import alight as torch


def test_a_graph_behind_a_detach_is_not_used_up():
    w, d = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
    made = w * 2
    (d * made.detach()).sum().backward()
    torch.ones(1).item()  # flushes: what is needed of `made` later is decided here
    (d * made).sum().backward()
    assert w.grad.tolist() == [2, 2, 2] and d.grad.tolist() == [4, 4, 4]


def test_in_flushed_segments_too():
    w, d = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
    made = w * w
    loss = (d * made.detach()).sum()
    assert loss.item() == 3
    loss.backward()
    assert torch.isfinite(d.grad).all()
    made.sum().backward()
    assert w.grad.tolist() == [2, 2, 2]


def test_no_grad_in_between():
    w = torch.ones(2, requires_grad=True)
    y = w.exp()
    with torch.no_grad():
        z = y * 2
    (w * z).sum().backward()
    assert w.grad is not None and w.grad.numel() == 2
    y.sum().backward()
    assert torch.allclose(w.grad, 3 * torch.ones(2).exp())


@pytest.mark.parametrize("flushed", [False, True])
def test_gradients_of_computed_tensors(flushed):
    w = torch.ones(3, requires_grad=True)
    for make in (lambda: w * w, lambda: w.exp(), lambda: w.clone()):
        t, u = make(), make()
        y = (t * t * 2).sum() + u.sum()
        if flushed:
            y.item()
        first, second = torch.autograd.grad(y, [t, u])
        assert torch.equal(first, 4 * t.detach()) and second.tolist() == [1, 1, 1]


@pytest.mark.parametrize("flushed", [False, True])
def test_what_was_not_on_the_way_is_not_used_up(flushed):
    w, v = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
    t = w * w
    if flushed:
        t.sum().item()
    assert torch.autograd.grad((t * 2).sum(), t)[0].tolist() == [2, 2, 2]
    t.sum().backward()
    assert w.grad.tolist() == [2, 2, 2]
    a, b = w * w, v * v
    loss = (a * b).sum()
    if flushed:
        loss.item()
    assert torch.autograd.grad(loss, w)[0].tolist() == [2, 2, 2]
    b.sum().backward()
    assert v.grad.tolist() == [2, 2, 2]
    with pytest.raises(RuntimeError, match="a second time"):
        a.sum().backward()


@pytest.mark.parametrize("places", list(itertools.product([False, True], repeat=5)))
def test_second_derivatives_wherever_segments_end(places):
    def flush(place):
        if places[place]:
            torch.ones(1).item()

    w = torch.tensor([0.5, -1.0], requires_grad=True)
    fast = w.clone()
    for _ in range(2):
        flush(0)
        loss = torch.tanh(fast * 2).pow(2).sum()
        flush(1)
        (step,) = torch.autograd.grad(loss, fast, create_graph=True)
        flush(2)
        fast = fast - 0.1 * step
        flush(3)
    total = fast.pow(3).sum()
    flush(4)
    (gradient,) = torch.autograd.grad(total, w)
    expected = [0.1988, 3.2601]  # PyTorch's
    assert gradient.tolist() == pytest.approx(expected, abs=2e-3), gradient
