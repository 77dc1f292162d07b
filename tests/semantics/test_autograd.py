"""Backward in all its forms: the same numbers, flags and errors as PyTorch."""

import pytest

import alight
from tests.semantics.oracle import attempt, same

PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


@program
def first_and_second_derivative(torch):
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (g,) = torch.autograd.grad((x * x * x).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad((g * x).sum(), x)
    return g.detach(), h


@program
def gradients_added_to_what_is_there(torch):
    w, v = (torch.ones(3, requires_grad=True) for _ in range(2))
    u, found = torch.ones(2, 3, requires_grad=True), []
    v.grad = torch.zeros(6)[::2]  # a view
    part = None
    for lap in range(5):
        ((w * v).sum() * 2 + (u * w).sum()).backward()
        part = w.grad[1:] if lap == 1 else part
        if lap == 2:
            w.grad = v.grad  # one tensor for two
        found.append([(x.grad.tolist(), x.grad._version) for x in (w, v, u)])
    return found, part


@program
def item_between_forward_and_backward(torch):
    w = torch.tensor([2.0, 3.0], requires_grad=True)
    loss = (w * w * w).sum()
    value = loss.item()
    loss.backward()
    return value, w.grad


@program
def second_derivative_of_a_flushed_forward(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x * x).sum()
    y.item()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    g.tolist()
    return torch.autograd.grad((g * g).sum(), x)


@program
def chain_of_three_flushed_segments(torch):
    x = torch.tensor([0.5, 0.25], requires_grad=True)
    y = x * 3.0
    y.tolist()
    z = y.exp()
    z.tolist()
    loss = (z * y).sum()
    loss.item()
    loss.backward()
    return x.grad


@program
def gradients_accumulate(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    seen = []
    for k in range(3):
        (x * float(k + 1)).sum().backward()
        seen.append(x.grad.tolist())
    return seen


@program
def two_losses_share_a_trunk(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    h = x * x
    a, b = (h * 2.0).sum(), (h * h).sum()
    a.backward(retain_graph=True)
    b.backward()
    return x.grad


@program
def a_leaf_used_twice_and_shared(torch):
    w = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    x = torch.tensor([[1.0, -1.0]])
    ((x @ w) @ w).sum().backward()
    return w.grad


@program
def non_scalar_with_gradient(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    y.backward(torch.tensor([1.0, 10.0]))
    return x.grad


@program
def hooks_change_gradients(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3.0
    seen = []

    def hook(g):
        seen.append(g.tolist())
        return g * 2.0

    handle = y.register_hook(hook)
    (y * y).sum().backward()
    first = x.grad.tolist()
    handle.remove()
    x.grad = None
    x.register_hook(lambda g: g + 1.0)
    (x * 2.0).sum().backward()
    return seen, first, x.grad


@program
def hook_on_a_flushed_tensor(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3.0
    y.tolist()
    seen = []
    y.register_hook(lambda g: seen.append(g.tolist()))
    (y * y).sum().backward()
    return seen, x.grad


@program
def retained_gradient_of_a_non_leaf(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3.0
    y.retain_grad()
    (y * y).sum().backward()
    return y.grad, x.grad


@program
def post_accumulate_hook(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    seen = []
    x.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.tolist()))
    (x * x).sum().backward()
    (x * x).sum().backward()
    return seen


@program
def own_function(torch):
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return grad * 3.0 * x * x

    z = torch.tensor([1.0, 2.0], requires_grad=True)
    out = Cube.apply(z * 2.0)
    (out * z).sum().backward()
    (g,) = torch.autograd.grad(Cube.apply(z).sum(), z, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), z)
    return out.detach(), z.grad, h


@program
def function_with_two_inputs_and_a_constant(torch):
    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y, k):
            ctx.save_for_backward(x, y)
            ctx.k = k
            return x * y * k

        @staticmethod
        def backward(ctx, grad):
            x, y = ctx.saved_tensors
            return grad * y * ctx.k, grad * x * ctx.k, None

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.tensor([3.0, 4.0])
    Scale.apply(x, y, 5.0).sum().backward()
    return x.grad


@program
def no_grad_and_detach(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.no_grad():
        y = x * 2.0
        with torch.enable_grad():
            z = x * 3.0
    d = (x * 4.0).detach()
    (x * d).sum().backward()
    return y.requires_grad, z.requires_grad, d.requires_grad, x.grad


@program
def hand_written_sgd(torch):
    w = torch.tensor([1.0, -2.0], requires_grad=True)
    seen = []
    for _ in range(5):
        loss = (w * w).sum()
        loss.backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
            w.grad.zero_()
        seen.append(w.tolist())
    return seen


@program
def python_decides_the_graph(torch):
    x = torch.tensor(0.75, requires_grad=True)
    y = x * 2.0
    while y.item() < 100.0:
        y = y * 2.0
    z = y if (y > 150.0).item() else y * 100.0
    z.backward()
    return x.grad


@program
def errors(torch):
    def twice():
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = (x * x).sum()
        y.backward()
        y.backward()

    def overwritten():
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = x.exp()
        z = y * y
        y += 1.0
        z.sum().backward()

    def leaf():
        x = torch.tensor([1.0], requires_grad=True)
        x += 1.0

    def no_grad_fn():
        torch.tensor([1.0]).sum().backward()

    def not_scalar():
        (torch.tensor([1.0, 2.0], requires_grad=True) * 2.0).backward()

    def unused():
        x = torch.tensor(1.0, requires_grad=True)
        y = torch.tensor(1.0, requires_grad=True)
        torch.autograd.grad(x * 2.0, y)

    def integers():
        torch.tensor([1, 2], requires_grad=True)

    def numpy():
        torch.tensor([1.0], requires_grad=True).numpy()

    return [attempt(f) for f in (twice, overwritten, leaf, no_grad_fn, not_scalar, unused, numpy)]


@program
def written_in_place_with_gradients(torch):
    x = torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    y = x * 2.0
    y *= 3.0
    v = y.reshape(2, 2)
    v *= 5.0
    (y * y).sum().backward()
    return x.grad, y.detach(), v.detach()


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_pytorch(name):
    same(PROGRAMS[name])


def test_backward_of_a_subclass_may_call_the_function():
    class Told(alight.Tensor):
        def backward(self, *args, **kwargs):
            alight.autograd.backward(self, *args, **kwargs)

    x = alight.ones(2, requires_grad=True)
    (x * 3).sum().as_subclass(Told).backward()
    assert x.grad.tolist() == [3.0, 3.0]
