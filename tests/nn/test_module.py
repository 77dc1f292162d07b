"""nn.Module as PyTorch has it: the same program under both libraries gives the same results, texts and errors."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections import OrderedDict

import numpy as np
import pytest
import torch

import alight


def net(t):
    nn = t.nn

    class Block(nn.Module):
        def __init__(self, size):
            super().__init__()
            self.norm = nn.LayerNorm(size)
            self.inner = nn.Sequential(nn.Linear(size, size), nn.ReLU())
            self.scale = nn.Parameter(t.ones(1) * 0.5)
            self.register_buffer("mean", t.zeros(size))
            self.register_buffer("scratch", t.ones(2), persistent=False)
            self.name = "block"

        def forward(self, x):
            return x + self.inner(self.norm(x)) * self.scale - self.mean

        def extra_repr(self):
            return f"name={self.name}"

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList([Block(4) for _ in range(3)])
            self.head = nn.Linear(4, 2, bias=False)
            self.maybe = None

        def forward(self, x):
            for block in self.blocks:
                x = block(x)
            return self.head(x)

    t.manual_seed(0)
    return Net()


def rows(t):
    return t.tensor([[1.0, -2.0, 0.5, 3.0], [0.0, 1.0, -1.0, 2.0]])


def numbers(value):
    return np.round(np.array(value.detach().tolist(), float), 4).tolist()


def attempt(call):
    try:
        call()
        return "no error"
    except Exception as error:
        return type(error).__name__, str(error).split("\n")[0].strip('"')


PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


@program
def texts(t):
    nn = t.nn
    return [
        repr(net(t)),
        repr(nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU()])),
        repr(nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Sequential(nn.ReLU(), nn.Tanh())})),
        repr(nn.ParameterList([nn.Parameter(t.ones(2, 3)), t.zeros(2)])),
        repr(nn.ParameterDict({"w": nn.Parameter(t.ones(2)), "b": t.zeros(3)})),
        repr(nn.Sequential(OrderedDict(first=nn.Linear(1, 1), second=nn.Dropout(0.1)))),
        repr(nn.Module()),
        repr(nn.Parameter(t.ones(2))),
        repr(nn.Parameter(t.ones(2), requires_grad=False)),
    ]


@program
def walking(t):
    model = net(t)
    return [
        [(name, tuple(one.shape)) for name, one in model.named_parameters()],
        [name for name, _ in model.named_parameters(prefix="x", recurse=False)],
        [name for name, _ in model.named_buffers()],
        [(name, type(one).__name__) for name, one in model.named_modules()],
        [name for name, _ in model.named_children()],
        len(list(model.parameters())), len(list(model.modules())), len(list(model.children())), len(list(model.buffers())),
        model.get_submodule("blocks.1.inner.0").in_features,
        tuple(model.get_parameter("blocks.2.scale").shape),
        tuple(model.get_buffer("blocks.0.mean").shape),
    ]  # fmt: skip


@program
def shared_members(t):
    nn = t.nn
    layer = nn.Linear(2, 2)
    model = nn.Sequential(layer, nn.ReLU(), layer)
    return [
        [name for name, _ in model.named_parameters()],
        [name for name, _ in model.named_parameters(remove_duplicate=False)],
        [name for name, _ in model.named_modules()],
        [name for name, _ in model.named_modules(remove_duplicate=False)],
        list(model.state_dict()),
        model[0] is model[2],
    ]


@program
def forward_and_gradients(t):
    model = net(t)
    out = model(rows(t))
    out.sum().backward()
    grads = [numbers(one.grad) for one in model.parameters()]
    model.zero_grad()
    return numbers(out), grads, [one.grad for one in model.parameters()]


@program
def modes(t):
    model = net(t)
    seen = [
        model.training,
        model.eval().training,
        model.blocks[0].inner.training,
        model.train() is model,
    ]
    model.blocks[1].eval()
    seen.append([one.training for one in model.blocks])
    model.requires_grad_(False)
    return seen, [one.requires_grad for one in model.parameters()]


@program
def applying(t):
    model, seen = net(t), []

    def note(module):
        seen.append(type(module).__name__)
        if isinstance(module, t.nn.Linear):
            t.nn.init.constant_(module.weight, 0.5)

    assert model.apply(note) is model
    return seen, numbers(model.head.weight)


@program
def conversions(t):
    model = net(t).double()
    found = [
        sorted({repr(one.dtype) for one in model.parameters()}),
        repr(model.blocks[0].mean.dtype),
    ]
    before = list(model.parameters())
    model.to(t.float32)
    found.append(all(a is b for a, b in zip(before, model.parameters(), strict=True)))
    found.append(numbers(model(rows(t))))
    found.append(repr(model.half().head.weight.dtype))
    found.append(repr(model.to("cpu", t.float64).head.weight.dtype))
    found.append(repr(model.to(rows(t)).head.weight.dtype))
    found.append(repr(model.bfloat16().float().cpu().type(t.float64).head.weight.dtype))
    found.append(attempt(lambda: model.to(t.int64)))
    counts = t.nn.BatchNorm1d(2).double()
    found.append([repr(one.dtype) for one in counts.buffers()])
    return found


@program
def attributes(t):
    nn = t.nn
    model = net(t)
    found = []
    model.extra = nn.Parameter(t.ones(2))
    found.append("extra" in model._parameters)
    model.extra = None
    found.append(
        (
            "extra" in model._parameters,
            model.extra,
            [name for name, _ in model.named_parameters()][-1],
        )
    )
    del model.extra
    found.append((hasattr(model, "extra"), "extra" in model._parameters))
    model.plain = 3
    model.plain = nn.Linear(1, 1)
    found.append(("plain" in model.__dict__.get("_modules"), type(model.plain).__name__))
    model.plain = nn.Parameter(t.zeros(1))
    found.append(("plain" in model._modules, "plain" in model._parameters))
    model.head._parameters["weight"] = nn.Parameter(t.ones(2, 4))
    found.append(numbers(model.head.weight))
    model._modules["head"] = nn.Identity()
    found.append(type(model.head).__name__)
    model.blocks[0].mean = t.ones(4)
    found.append(numbers(model.blocks[0]._buffers["mean"]))
    model.blocks[0]._buffers["mean"] = None
    found.append(model.blocks[0].mean)
    return found


@program
def attribute_errors(t):
    nn = t.nn
    model = net(t)

    class Late(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    class Later(nn.Module):
        def __init__(self):
            self.weight = nn.Parameter(t.ones(1))

    def assign(name, value):
        return lambda: setattr(model, name, value)

    return [
        attempt(Late),
        attempt(Later),
        attempt(assign("head", 3)),
        attempt(lambda: setattr(model.head, "weight", t.ones(2, 4))),
        attempt(lambda: setattr(model.head, "weight", 1.0)),
        attempt(lambda: setattr(model.blocks[0], "mean", 1.0)),
        attempt(lambda: model.weigth),
        attempt(lambda: delattr(model, "nothing")),
        attempt(lambda: model.register_parameter("a.b", None)),
        attempt(lambda: model.register_parameter("", None)),
        attempt(lambda: model.register_parameter("forward", None)),
        attempt(lambda: model.register_parameter("w", t.ones(1))),
        attempt(lambda: model.register_parameter("w", 1)),
        attempt(lambda: model.register_buffer("b", 1)),
        attempt(lambda: model.register_buffer("head", t.ones(1))),
        attempt(lambda: model.register_buffer("b.c", t.ones(1))),
        attempt(lambda: model.add_module("m", 1)),
        attempt(lambda: model.add_module("forward", nn.ReLU())),
        attempt(lambda: model.add_module("m.n", nn.ReLU())),
        attempt(lambda: model.get_submodule("blocks.9")),
        attempt(lambda: model.get_submodule("maybe")),
        attempt(lambda: model.get_parameter("head.nothing")),
        attempt(lambda: model.get_parameter("head.in_features")),
        attempt(lambda: model.get_buffer("head.weight")),
        attempt(lambda: nn.Module()(1)),
        attempt(lambda: nn.Module(1)),
        attempt(lambda: nn.Module(key=1)),
        attempt(lambda: model.train("yes")),
        attempt(lambda: nn.Parameter(3)),
        attempt(lambda: nn.Parameter(t.tensor([1, 2]))),
    ]


@program
def states(t):
    model, other = net(t), net(t)
    state = model.state_dict()
    found = [list(state), list(state._metadata), list(model.state_dict(prefix="p."))[:2]]
    found.append(
        [
            state["head.weight"].requires_grad,
            model.state_dict(keep_vars=True)["head.weight"].requires_grad,
        ]
    )
    with t.no_grad():
        for one in other.parameters():
            one.zero_()
    found.append(repr(other.load_state_dict(state)))
    found.append(numbers(other(rows(t))) == numbers(model(rows(t))))
    short = OrderedDict(state)
    del short["head.weight"]
    short["more"] = t.ones(1)
    short["blocks.0.scale"] = t.ones(2)
    found.append(attempt(lambda: other.load_state_dict(short)))
    try:
        other.load_state_dict(short)
    except RuntimeError as error:
        found.append(str(error).split("\n  try ")[0])
    del short["blocks.0.scale"]
    found.append(repr(other.load_state_dict(short, strict=False)))
    fresh = OrderedDict((key, value.clone()) for key, value in state.items())
    other.load_state_dict(fresh, assign=True)
    found.append([type(other.head.weight).__name__, other.head.weight.requires_grad])
    found.append(attempt(lambda: other.load_state_dict([1])))
    return found


@program
def extra_state(t):
    class Counter(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.count = 3

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    one, two = t.nn.Sequential(Counter()), t.nn.Sequential(Counter())
    one[0].count = 8
    two.load_state_dict(one.state_dict())
    return list(one.state_dict()), two[0].count


@program
def state_hooks(t):
    model, seen = t.nn.Linear(2, 1), []
    model.register_state_dict_pre_hook(lambda *a: seen.append("pre"))
    model.register_state_dict_post_hook(
        lambda module, state, prefix, local: seen.append(sorted(state))
    )
    model.register_load_state_dict_pre_hook(
        lambda module, state, prefix, *rest: seen.append(("load", prefix))
    )
    model.register_load_state_dict_post_hook(
        lambda module, keys: seen.append(list(keys.missing_keys))
    )
    model.load_state_dict(model.state_dict())
    return seen


@program
def forward_hooks(t):
    model, seen = net(t), []
    a = model.head.register_forward_pre_hook(lambda m, args: seen.append("pre") or (args[0] * 2,))
    b = model.head.register_forward_hook(lambda m, args, out: seen.append("post") or out + 1)
    model.head.register_forward_pre_hook(
        lambda m, args, kwargs: seen.append(len(kwargs)), with_kwargs=True
    )
    model.head.register_forward_hook(
        lambda m, args, kwargs, out: seen.append(len(args)), with_kwargs=True
    )
    model.head.register_forward_pre_hook(lambda m, args: seen.append("first"), prepend=True)
    first = numbers(model(rows(t)))
    a.remove()
    b.remove()
    return first, numbers(model(rows(t))), seen


@program
def hooks_on_every_module(t):
    seen = []
    module = t.nn.modules.module
    one = module.register_module_forward_pre_hook(
        lambda m, args: seen.append("<" + type(m).__name__)
    )
    two = module.register_module_forward_hook(
        lambda m, args, out: seen.append(">" + type(m).__name__)
    )
    t.nn.Sequential(t.nn.ReLU())(rows(t))
    one.remove()
    two.remove()
    t.nn.ReLU()(rows(t))
    return seen


@program
def backward_hooks(t):
    model, seen = t.nn.Sequential(t.nn.Linear(4, 3), t.nn.Tanh(), t.nn.Linear(3, 1)), []
    t.nn.init.constant_(model[0].weight, 0.1)
    t.nn.init.constant_(model[2].weight, 0.2)

    def hook(module, grad_input, grad_output):
        seen.append([None if g is None else numbers(g) for g in (*grad_input, *grad_output)])

    model[2].register_full_backward_hook(hook)
    model[0].register_full_backward_hook(hook)
    model[1].register_full_backward_hook(lambda m, gi, go: (gi[0] * 2,))
    model[1].register_full_backward_pre_hook(lambda m, go: (go[0] * 3,))
    x = rows(t).requires_grad_()
    model(x).sum().backward()
    return seen, numbers(x.grad), numbers(model[0].weight.grad)


@program
def sequences(t):
    nn = t.nn
    model = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 3))
    found = [
        len(model),
        type(model[-1]).__name__,
        repr(model[:2]),
        [type(m).__name__ for m in model],
    ]
    model.append(nn.Tanh()).insert(1, nn.Sigmoid())
    found.append(list(model._modules))
    del model[0]
    model[0] = nn.Identity()
    model.extend([nn.ELU()])
    found.append(repr(model))
    found.append(repr(model + nn.Sequential(nn.GELU())))
    found.append(repr(model.pop(1)))
    found.append(repr(nn.Sequential(nn.ReLU()) * 2))
    found.append(attempt(lambda: model[9]))
    items = nn.ModuleList([nn.ReLU(), nn.Tanh()])
    items.append(nn.ELU())
    items.insert(0, nn.GELU())
    items.extend([nn.SiLU()])
    items[1] = nn.Mish()
    del items[2]
    items += [nn.CELU()]
    found.append(
        (
            repr(items),
            repr(items[1:]),
            repr(items[-1]),
            len(items),
            repr(items.pop(0)),
            list(items._modules),
        )
    )
    table = nn.ModuleDict([("a", nn.ReLU())])
    table["b"] = nn.Tanh()
    table.update({"c": nn.ELU()})
    found.append((list(table.keys()), "a" in table, len(table), repr(table.pop("a")), list(table)))
    params = nn.ParameterList([t.ones(1), t.zeros(2)])
    params.append(t.ones(3))
    found.append(
        (
            [tuple(p.shape) for p in params],
            len(params),
            [name for name, _ in params.named_parameters()],
        )
    )
    named = nn.ParameterDict({"b": t.ones(1), "a": t.zeros(2)})
    named["c"] = t.ones(3)
    found.append(
        (
            list(named),
            [name for name, _ in named.named_parameters()],
            "a" in named,
            len(named),
            type(named["a"]).__name__,
        )
    )
    found.append(attempt(lambda: nn.ParameterList([t.ones(1)])(1)))
    return found


@program
def copies(t):
    model = net(t)
    twin = copy.deepcopy(model)
    with t.no_grad():
        twin.head.weight.zero_()
    twin.head._parameters["weight"] = t.nn.Parameter(t.ones(2, 4))
    found = [numbers(twin.head.weight), numbers(model(rows(t))), twin.blocks[0] is model.blocks[0]]
    found.append(
        [name for name, _ in twin.named_parameters()]
        == [name for name, _ in model.named_parameters()]
    )
    tied = t.nn.Sequential(model.head, model.head)
    found.append(copy.deepcopy(tied)[0] is copy.deepcopy(tied)[1])
    pair = copy.deepcopy(tied)
    found.append(pair[0].weight is pair[1].weight)
    return found


@program
def buffers_of_their_own_class(t):
    class Holder(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.kept = t.nn.Buffer(t.ones(2))
            self.passing = t.nn.Buffer(t.ones(2), persistent=False)

    return [name for name, _ in Holder().named_buffers()], list(Holder().state_dict())


@program
def memory_of_parameters(t):
    data = t.zeros(3)
    part = data[1:]
    weight = t.nn.Parameter(data)
    with t.no_grad():
        weight += 1
    found = [numbers(data), numbers(part)]
    part[0] = 5
    found.append(numbers(weight))
    weight.data[2] = 7
    found.append((numbers(data), numbers(weight), weight.is_leaf, weight.requires_grad))
    layer = t.nn.Linear(2, 2)
    layer.weight.data = t.ones(2, 2)
    layer.bias.data.fill_(2)
    found.append(numbers(layer(t.ones(1, 2))))
    net = t.nn.Sequential(layer, layer)
    net[0].weight.data[0, 0] = 100
    found.append(numbers(net[1].weight[0]))
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_pytorch(name):
    ours, theirs = PROGRAMS[name](alight), PROGRAMS[name](torch)
    same(ours, theirs, name)


def same(a, b, path):
    if isinstance(b, (list, tuple)) and not isinstance(b, str):
        assert isinstance(a, (list, tuple)) and len(a) == len(b), f"{path}: {a} against {b}"
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            same(x, y, f"{path}[{i}]")
    elif isinstance(b, float):
        assert a == pytest.approx(b, abs=2e-4), f"{path}: {a} against {b}"
    else:
        assert a == b, f"{path}: {a} against {b}"


class Picklable(alight.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = alight.nn.Linear(2, 1)
        self.register_buffer("seen", alight.zeros(1))

    def forward(self, x):
        return self.layer(x) + self.seen


def test_pickle():
    model = Picklable()
    again = pickle.loads(pickle.dumps(model))
    x = alight.ones(1, 2)
    assert again(x).item() == model(x).item()
    again.layer._parameters["bias"] = alight.nn.Parameter(alight.ones(1) * 9)
    assert again.layer.bias.item() == 9
    assert isinstance(again.layer.weight, alight.nn.Parameter) and again.layer.weight.requires_grad


def test_a_module_is_freed_at_once():
    model = alight.nn.Sequential(alight.nn.Linear(2, 2))
    gc.disable()
    try:
        gone = weakref.ref(model[0])
        del model
        assert gone() is None
    finally:
        gc.enable()


def test_did_you_mean():
    with pytest.raises(AttributeError) as caught:
        _ = alight.nn.Linear(2, 2).weigth
    assert "'Linear' object has no attribute 'weigth'" in str(caught.value)
