"""What becomes of a name of a module: every kind of value assigned to every kind of name, as in PyTorch."""

from __future__ import annotations

import copy
import pickle
import re
from collections import OrderedDict
from typing import Any

import pytest
import torch

import alight

KINDS = {
    "parameter": lambda t: t.nn.Parameter(t.ones(1)),
    "buffer": lambda t: t.nn.Buffer(t.ones(1)),
    "module": lambda t: t.nn.Linear(1, 1),
    "tensor": lambda t: t.ones(1),
    "none": lambda t: None,
    "number": lambda t: 3,
}
NAMES = ("a", "b", "w", "plain", "new")
WAYS: dict[str, Any] = {
    "setattr": (lambda m, name, value: setattr(m, name, value), tuple(KINDS)),
    "register_parameter": (lambda m, name, value: m.register_parameter(name, value), ("parameter", "none", "tensor")),
    "register_buffer": (lambda m, name, value: m.register_buffer(name, value), ("tensor", "parameter", "none", "number")),
    "add_module": (lambda m, name, value: m.add_module(name, value), ("module", "none", "number")),
    "delattr": (lambda m, name, value: delattr(m, name), ("none",)),
}  # fmt: skip


def model(t: Any) -> Any:
    """A module with one name of each kind."""

    class Model(t.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = t.nn.Linear(2, 2)
            self.register_buffer("b", t.ones(1))
            self.w = t.nn.Parameter(t.ones(1))
            self.plain = 3

    return Model()


def outcome(t: Any, way: str, name: str, kind: str) -> Any:
    """Which registry holds which name afterwards, and the types of the attributes; or the error."""
    made = model(t)
    try:
        WAYS[way][0](made, name, KINDS[kind](t))
    except Exception as error:
        text = str(error).split("\n")[0]
        return type(error).__name__, re.sub(
            r"(alight|torch)\.nn(\.modules)?\.linear", "nn.linear", text
        )
    held = [list(made._parameters), list(made._buffers), list(made._modules)]
    kinds = {one: type(getattr(made, one, "gone")).__name__ for one in NAMES}
    return held, {one: {"Buffer": "Tensor"}.get(kind, kind) for one, kind in kinds.items()}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", WAYS)
def test_names(way: str, name: str) -> None:
    for kind in WAYS[way][1]:
        assert outcome(alight, way, name, kind) == outcome(torch, way, name, kind), (
            way,
            name,
            kind,
        )


def test_hooks_on_registration() -> None:
    found = []
    for t in (alight, torch):
        module = __import__(f"{t.__name__}.nn.modules.module", fromlist=["module"])
        seen: list[Any] = []
        handles = []
        for kind in ("parameter", "buffer", "module"):
            register = getattr(module, f"register_module_{kind}_registration_hook")
            handles.append(
                register(
                    lambda m, name, value, k=kind, s=seen: s.append((k, type(m).__name__, name))
                )
            )
        t.nn.Sequential(t.nn.BatchNorm1d(2)).extra = t.nn.ReLU()
        for handle in handles:
            handle.remove()
        t.nn.Linear(1, 1)
        found.append(seen)
    assert found[0] == found[1] and found[0]


def test_a_missing_name() -> None:
    with pytest.raises(AttributeError) as caught:
        _ = alight.nn.Linear(2, 2).weigth
    assert str(caught.value) == "'Linear' object has no attribute 'weigth'"
    assert caught.value.name == "weigth"  # from which Python's traceback says what it may be
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert getattr(alight.nn.Linear(2, 2), "zzz", None) is None


def test_a_wrapper_that_hands_names_on() -> None:
    class Wrapper(alight.nn.Module):
        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner = inner

        def __getattr__(self, name: str) -> Any:
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(self.inner, name)

    made = Wrapper(alight.nn.Linear(2, 3))
    assert made.out_features == 3 and made.weight is made.inner.weight
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'nothing'"):
        _ = made.nothing


def test_a_hook_written_into_a_table_is_called_and_copied():
    layer, seen = alight.nn.Linear(2, 2), []
    layer._forward_hooks[7] = lambda module, args, output: seen.append("forward")
    layer(alight.ones(1, 2))
    copy.deepcopy(layer)(alight.ones(1, 2))
    assert seen == ["forward"] * 2
    layer._forward_hooks = OrderedDict()
    layer(alight.ones(1, 2))
    assert len(seen) == 2


def test_getattr_of_a_subclass_asks_the_base_class():
    class Wrapper(alight.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def __getattr__(self, name):
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(self.__dict__["inner"], name)

    wrapper = Wrapper(alight.nn.Linear(3, 2))
    assert wrapper.out_features == 2
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'nowhere'"):
        _ = wrapper.nowhere
