"""What a backward pass uses up: the steps that gradients went through, and no others."""

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
