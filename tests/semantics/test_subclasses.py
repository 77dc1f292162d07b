"""Subclasses of Tensor, objects with __torch_function__, and modes: who gets which calls, and what comes back."""

import copy

import pytest

from tests.semantics.oracle import attempt, same

PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


def kind(x):
    return type(x).__name__


@program
def default_subclass(torch):
    class M(torch.Tensor):
        pass

    a = M([1.0, 2.0])
    out = [
        kind(a),
        kind(a + 1),
        kind(1 + a),
        kind(torch.ones(2) + a),
        kind(a.sum()),
        kind(torch.stack([a, a])),
        kind(torch.cat([a, torch.ones(1)])),
        kind(a[0]),
        [kind(t) for t in a],
        [kind(t) for t in a.split(1)],
        kind(torch.relu(a)),
        kind(torch.nn.functional.relu(a)),
        kind(a.max(0)[0]),
        repr(a),
        repr(a * 2),
        kind(a.clone()),
        kind(a.detach()),
        kind(a.double()),
        kind(a.numpy()),
        kind(a.tolist()),
        kind(a.item() if a.numel() == 1 else a.shape),
        kind(a.data),
        kind(a.view(2, 1)),
        kind(a.view(2, 1).T),
    ]
    b = torch.ones(3).as_subclass(M)
    b.requires_grad_()
    (b * b).sum().backward()
    out += [kind(b), b.grad, kind(b.grad), kind(b.add(1)), b.is_leaf]
    c = torch.ones(2, 2).as_subclass(M)
    c.add_(1)
    c[0, 0] = 9
    out += [kind(c), c]
    out.append(kind(torch.nn.Parameter(torch.ones(1)) + 1))
    out.append(isinstance(a, torch.Tensor))
    out.append(kind(copy.copy(a)))

    class S(M):
        pass

    s = S([1.0])
    out.append((kind(s + 1), kind(s + M([1.0])), kind(M([1.0]) + s)))

    class P2(torch.nn.Parameter):
        pass

    out.append(kind(P2(torch.ones(1)) + 1))
    out.append(kind(P2(torch.ones(1))))
    return out


@program
def logging(torch):
    seen = []

    class L(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            seen.append((func.__name__, [t.__name__ for t in types]))
            return super().__torch_function__(func, types, args, kwargs or {})

    a = torch.ones(2, 3).as_subclass(L)
    seen.clear()
    a + 1
    torch.add(a, 2, alpha=3)
    a.sum(dim=1, keepdim=True)
    torch.mean(a, 0)
    torch.stack([a, a])
    torch.nn.functional.softmax(a, dim=1)
    a.mul_(2)
    torch.where(a > 0, a, a)
    a.reshape(3, 2)
    torch.matmul(a, a.T if False else a.reshape(3, 2))
    return seen


@program
def handled(torch):
    H = {}

    def implements(f):
        def d(g):
            H[f] = g
            return g

        return d

    class Scalar:
        def __init__(self, n, v):
            self.n, self.v = n, v

        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            if func not in H or not all(issubclass(t, (torch.Tensor, Scalar)) for t in types):
                return NotImplemented
            return H[func](*args, **(kwargs or {}))

    @implements(torch.mean)
    def mean(x):
        return x.v / x.n

    @implements(torch.stack)
    def stack(xs, dim=0):
        return ("stack", len(xs), dim)

    @implements(torch.nn.functional.relu)
    def relu(x, inplace=False):
        return "relu"

    @implements(torch.add)
    def add(a, b):
        return ("add", type(a).__name__, type(b).__name__)

    s = Scalar(5, 2)
    out = [
        torch.mean(s),
        torch.stack([s, s]),
        torch.nn.functional.relu(s),
        torch.add(s, torch.ones(1)),
        torch.add(torch.ones(1), s),
        attempt(lambda: torch.sum(s)),
    ]
    torch.mean(torch.ones(2))
    out.append(torch.mean(s))
    out.append(torch.mean(torch.ones(2)))
    o = torch.overrides
    out += [
        o.is_tensor_like(s),
        o.is_tensor_like(torch.ones(1)),
        o.is_tensor_like(3),
        o.has_torch_function((s,)),
        o.has_torch_function((torch.ones(1),)),
    ]

    class U:
        def __init__(self, d, unit):
            self.d, self.unit = d, unit

        def __repr__(self):
            return f"U({self.d.tolist()},{self.unit})"

        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            a = [x.d if isinstance(x, U) else x for x in args]
            u = [x.unit for x in args if isinstance(x, U)]
            return U(func(*a, **(kwargs or {})), u[0])

    out.append(repr(torch.exp(U(torch.zeros(2), "m"))))
    out.append(repr(torch.tanh(U(torch.zeros(2), "m"))))
    return out


@program
def modes(torch):
    from_ = torch.overrides.TorchFunctionMode
    seen = []

    class Log(from_):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append(func.__name__)
            return func(*args, **(kwargs or {}))

    x = torch.ones(2)
    with Log():
        y = x + 1
        z = torch.relu(y)
        w = torch.stack([y, z])
        torch.zeros(3)
        v = torch.nn.functional.linear(x, torch.ones(2, 2))
    x + 1
    n = len(seen)

    class Mul(from_):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            if func is torch.add:
                func = torch.mul
            return func(*args, **(kwargs or {}))

    with Mul():
        r = torch.add(torch.ones(2) * 3, torch.ones(2) * 4)
    with Log(), Mul():
        q = torch.add(x, 5)
    return seen, n, r, y, z, w, v, q, torch.add(x, 1)


@program
def meta_tensor(torch):
    class MT(torch.Tensor):
        @staticmethod
        def __new__(cls, x, *args, **kwargs):
            return super().__new__(cls, x)

        def __init__(self, x, name=None):
            self.name_ = name

        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            r = super().__torch_function__(func, types, args, kwargs)
            if isinstance(r, cls):
                names = [a.name_ for a in args if isinstance(a, cls) and hasattr(a, "name_")]
                r.name_ = "+".join(n or "" for n in names)
            return r

    a = MT([1.0, 2.0], name="a")
    b = MT([3.0, 4.0], name="b")
    c = a + b
    with torch.no_grad():
        d = a * b
    out = [c, c.name_, d.name_, kind(d), (a * 2).name_]
    p = torch.nn.Linear(2, 2)
    out.append(kind(p(a)))
    g = torch.tensor([1.0, 2.0], requires_grad=True)
    e = (MT([1.0, 1.0], name="z") * g).sum()
    e.backward()
    out.append(g.grad)
    out.append(torch._C.DisableTorchFunctionSubclass.__name__)
    with torch._C.DisableTorchFunctionSubclass():
        out.append(kind(a + 1))

    class W(torch.Tensor):
        __torch_function__ = torch._C._disabled_torch_function_impl

    out.append(kind(torch.ones(1).as_subclass(W) + 1))
    return out


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_pytorch(name):
    same(PROGRAMS[name])


def test_attributes_are_copied_deeply():
    import alight as torch

    class Named(torch.Tensor):
        pass

    x = Named([1.0])
    x.tags = ["a"]
    y = copy.deepcopy(x)
    assert type(y) is Named and y.tags == ["a"] and y.tags is not x.tags
