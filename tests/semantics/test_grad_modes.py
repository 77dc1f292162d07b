"""Grad modes as blocks, decorators and switches, on functions and generators; inference tensors."""

import pytest

from tests.semantics.oracle import attempt, same

PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


@program
def modes(torch):
    out = []
    x = torch.ones(2, requires_grad=True)
    with torch.set_grad_enabled(False):
        out.append((x * 2).requires_grad)
    out.append(torch.is_grad_enabled())
    torch.set_grad_enabled(False)
    out.append(torch.is_grad_enabled())
    torch.set_grad_enabled(True)

    @torch.set_grad_enabled(False)
    def f():
        return (x * 2).requires_grad

    out.append((f(), torch.is_grad_enabled()))

    @torch.no_grad()
    def g():
        yield torch.is_grad_enabled()
        yield torch.is_grad_enabled()

    for v in g():
        out.append((v, torch.is_grad_enabled()))

    @torch.enable_grad()
    def h():
        return torch.is_grad_enabled()

    with torch.no_grad():
        out.append(h())

    @torch.no_grad()
    def gg():
        r = yield 1
        out.append(("sent", r, torch.is_grad_enabled()))
        try:
            yield 2
        except ValueError:
            out.append(("caught", torch.is_grad_enabled()))
            yield 3
        return 9

    it = gg()
    out.append(next(it))
    out.append(it.send(5))
    out.append(it.throw(ValueError()))
    try:
        next(it)
    except StopIteration as s:
        out.append(s.value)

    @torch.no_grad
    def noparen(a, *, b=2):
        "doc"
        return a + b, torch.is_grad_enabled()

    out.append((noparen(1), noparen.__name__, noparen.__doc__))
    try:
        with torch.no_grad():
            raise KeyError
    except KeyError:
        pass
    out.append(torch.is_grad_enabled())
    with torch.autograd.set_grad_enabled(False):
        out.append(torch.is_grad_enabled())
    with torch.autograd.no_grad():
        out.append(torch.is_grad_enabled())
    return out


@program
def inference(torch):
    out = []
    x = torch.ones(2, requires_grad=True)

    @torch.inference_mode()
    def k():
        return (
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            (x * 2).requires_grad,
            (x * 2).is_inference(),
            torch.ones(1).is_inference(),
        )

    out.append(k())
    out.append(torch.is_inference_mode_enabled())
    with torch.inference_mode():
        t = torch.ones(2)
        s = torch.tensor([1.0])
    for f in [
        lambda: t * x,
        lambda: t + x,
        lambda: t.requires_grad_(),
        lambda: s.add_(1),
        lambda: (t + 1).is_inference(),
        lambda: t._version,
        lambda: t[0].is_inference(),
        lambda: t.clone() * x,
        lambda: s.is_inference(),
        lambda: t.tolist(),
    ]:
        out.append(attempt(f))
    with torch.inference_mode():
        u = torch.ones(2, requires_grad=True)
        out.append((u.requires_grad, (u * 2).requires_grad))
        t.add_(1)
    with torch.inference_mode(False):
        out.append(torch.is_inference_mode_enabled())
    with torch.inference_mode(mode=False):
        out.append((x * 2).requires_grad)
    with torch.no_grad():
        with torch.inference_mode():
            pass
        out.append(torch.is_grad_enabled())
        with torch.inference_mode(False):
            out.append(torch.is_grad_enabled())
    return out


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_pytorch(name):
    same(PROGRAMS[name])
