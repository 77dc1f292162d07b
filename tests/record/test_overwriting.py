"""Parameters and state are written over where they lie, and whoever holds an older value keeps it, as in PyTorch."""

from __future__ import annotations

import copy
import gc
import threading

import numpy as np
import pytest
import torch as pytorch

import alight
from alight import config
from alight.backends.cpu import native
from alight.compiler import overwrites
from alight.record import overwriting
from alight.record.recorder import thread
from tests.record.paths import forgotten

MAKE = {
    "SGD": lambda torch, params: torch.optim.SGD(params, lr=0.1),
    "momentum": lambda torch, params: torch.optim.SGD(params, lr=0.1, momentum=0.9),
    "AdamW": lambda torch, params: torch.optim.AdamW(params, lr=0.01, foreach=True),
}


@pytest.fixture(params=["interpreted", "compiled, 1 thread", "compiled, 2 threads"])
def way(request, monkeypatch):
    """How steps run; what is small is written over as well."""
    monkeypatch.setattr(overwrites, "LARGE", 1)
    monkeypatch.setattr(overwriting, "LARGE", 1)
    monkeypatch.setattr(config, "hot", 0)
    monkeypatch.setattr(config, "tier", int(request.param != "interpreted"))
    before = alight.get_num_threads()
    alight.set_num_threads(2 if "2" in request.param else 1)
    forgotten()
    yield request.param
    alight.set_num_threads(before)
    forgotten()


@pytest.fixture
def compiled(monkeypatch):
    """Every program is compiled at its first run, and what is small is written over."""
    monkeypatch.setattr(overwrites, "LARGE", 1)
    monkeypatch.setattr(overwriting, "LARGE", 1)
    monkeypatch.setattr(config, "hot", 0)
    monkeypatch.setattr(config, "tier", 1)
    forgotten()
    yield
    forgotten()


class Training:
    """A small network with an optimizer, in one of the two libraries."""

    def __init__(self, torch, name="momentum", tied=False):
        self.torch, nn = torch, torch.nn
        self.net = nn.Sequential(nn.Linear(12, 12), nn.Tanh(), nn.Linear(12, 12))
        if tied:
            self.net[2].weight = self.net[0].weight
        draw = np.random.default_rng(0)
        with torch.no_grad():
            for p in self.net.parameters():
                p.copy_(torch.tensor(draw.normal(size=tuple(p.shape)).astype(np.float32)))
        self.x = torch.tensor(draw.normal(size=(9, 12)).astype(np.float32))
        self.name, self.optimizer = name, MAKE[name](torch, self.net.parameters())

    @property
    def weight(self):
        return self.net[0].weight

    def loss(self):
        return (self.net(self.x) ** 2).mean()

    def step(self, times=1):
        for _ in range(times):
            loss = self.loss()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()

    def state(self):
        return self.optimizer.state[self.weight][
            {"momentum": "momentum_buffer", "AdamW": "exp_avg"}[self.name]
        ]


def plain(t):
    return t.state()


def views(t):
    row, turned, flat = t.weight[1], t.weight.t(), t.weight.view(-1)
    t.step(3)
    return row, turned, flat


def detached(t):
    seen, data = t.weight.detach(), t.weight.data
    t.step(2)
    seen.mul_(0.5)
    data[0] = 1.0
    t.step(2)
    return seen, data


def array(t):
    shown = t.weight.detach().numpy()
    before = shown.copy()
    t.step(2)
    after = shown.copy()
    shown[0] = 3.0
    t.step(2)
    return before, after, shown


def array_let_go(t):
    shown = t.weight.detach().numpy()
    part = shown[2:, 1:]
    del shown
    t.step(2)
    seen = part.copy()
    del part
    t.step(3)
    return (seen,)


def buffer_of_the_old_value(t):
    held = memoryview(t.weight.detach().numpy())
    t.step(2)
    return (np.array(held),)


def dlpack(t):
    shown = np.from_dlpack(t.weight.detach())
    t.step(2)
    return (shown.copy(),)


def saved_state(t):
    saved = t.net.state_dict()
    kept = copy.deepcopy(saved)
    t.step(3)
    t.net.load_state_dict(kept)
    t.step(2)
    return *saved.values(), *kept.values()


def copies(t):
    first = t.weight.clone()
    t.step()
    second = t.weight.detach().clone()
    t.step(2)
    whole = copy.deepcopy(t.net)
    t.step(2)
    return first, second, *whole.parameters()


def clone_in_the_segment_of_the_update(t):
    seen = []
    for _ in range(4):
        t.optimizer.zero_grad()
        t.loss().backward()
        with t.torch.no_grad():
            seen.append(t.weight.clone())
        t.optimizer.step()
    return seen


def read_in_the_segment_of_the_update(t):
    seen = []
    for _ in range(4):
        t.optimizer.zero_grad()
        t.loss().backward()
        with t.torch.no_grad():
            seen.append(t.weight.t() @ t.weight + t.weight.sum(0))
            seen.append(t.weight[1:3].sum(1))
        t.optimizer.step()
    return seen


def running_average(t):
    average = [p.detach().clone() for p in t.net.parameters()]
    for _ in range(5):
        t.step()
        with t.torch.no_grad():
            for one, p in zip(average, t.net.parameters(), strict=True):
                one.mul_(0.9).add_(p, alpha=0.1)
    return average


def averaged_model(t):
    average = t.torch.optim.swa_utils.AveragedModel(t.net)
    for _ in range(4):
        t.step()
        average.update_parameters(t.net)
    return [*average.parameters()]


def graph_of_older_values(t):
    y = t.net(t.x).sum()
    t.step(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()
    return (y,)


def graph_kept(t):
    loss = t.loss()
    loss.backward(retain_graph=True)
    (again,) = t.torch.autograd.grad(loss, [t.net[2].bias], retain_graph=True)
    t.step(2)
    return loss, again


def gradient_of_the_graph_before(t):
    x = t.x.clone().requires_grad_()
    y = t.net[0](x).sum()  # needs the weight
    value = y.item()
    (g,) = t.torch.autograd.grad(y, [x], retain_graph=True)
    t.optimizer.zero_grad()
    t.loss().backward()
    t.optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        t.torch.autograd.grad(y, [x])
    return g, t.torch.tensor(value)


def read_before_backward(t):
    losses = []
    for _ in range(4):
        loss = t.loss()
        losses.append(loss.item())
        t.optimizer.zero_grad()
        loss.backward()
        t.optimizer.step()
    return (np.array(losses),)


def gradients_add_up(t):
    for _ in range(3):
        t.loss().backward()
        t.loss().backward()
        t.optimizer.step()
    return [p.grad for p in t.net.parameters()]


def zeroed_gradients(t):
    for _ in range(4):
        t.loss().backward()
        t.optimizer.step()
        t.optimizer.zero_grad(set_to_none=False)
    return [p.grad for p in t.net.parameters()]


def two_optimizers(t):
    other = t.torch.optim.SGD(t.net.parameters(), lr=0.05, momentum=0.5)
    for _ in range(3):
        t.step()
        t.optimizer.zero_grad()
        t.loss().backward()
        other.step()
        t.optimizer.step()
    return ()


def state_read_and_written(t):
    t.step(2)
    seen = t.state()
    before = seen.clone()
    t.step(2)
    seen.mul_(0.5)
    shown = t.state().numpy()
    t.step(2)
    return before, seen, shown


def states_loaded(t):
    t.step(2)
    saved = copy.deepcopy(t.optimizer.state_dict())
    t.step(2)
    t.optimizer.load_state_dict(saved)
    t.step(2)
    return (t.state(),)


def data_exchanged(t):
    other = t.weight.detach().clone()
    t.step()
    t.weight.data = other
    t.step(2)
    return (other,)


def written_by_hand(t):
    for _ in range(4):
        t.net.zero_grad()
        t.loss().backward()
        with t.torch.no_grad():
            for p in t.net.parameters():
                p -= 0.1 * p.grad
    return ()


def swapped(t):
    a, b = (t.torch.arange(144.0).reshape(12, 12) * k for k in (1, 2))
    for _ in range(4):
        old = a.clone()
        a.copy_(b * 2)
        b.copy_(old + 1)
    t.step()
    return a, b


def clipped(t):
    for _ in range(4):
        t.optimizer.zero_grad()
        t.loss().backward()
        t.torch.nn.utils.clip_grad_norm_(t.net.parameters(), 0.1)
        t.optimizer.step()
    return ()


SCENES = [
    plain, views, detached, array, array_let_go, buffer_of_the_old_value, dlpack, saved_state, copies,
    clone_in_the_segment_of_the_update, read_in_the_segment_of_the_update, running_average, averaged_model,
    graph_of_older_values, graph_kept, gradient_of_the_graph_before, read_before_backward, gradients_add_up,
    zeroed_gradients, two_optimizers, state_read_and_written, states_loaded, data_exchanged, written_by_hand, swapped,
    clipped,
]  # fmt: skip
OF_STATE = [plain, saved_state, two_optimizers, state_read_and_written, states_loaded, clipped]


def numbers(torch, scene, name, tied=False):
    """What a scene sees, and the parameters in the end."""
    t = Training(torch, name, tied)
    t.step(4)
    seen = [*scene(t), *t.net.parameters()]
    return [np.array(one.tolist()) for one in seen]


def check(scene, name, tied=False):
    ours, theirs = (numbers(torch, scene, name, tied) for torch in (alight, pytorch))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_whoever_holds_a_value_sees_what_pytorch_shows(way, scene):
    check(scene, "momentum")


@pytest.mark.parametrize("scene", OF_STATE, ids=lambda scene: scene.__name__)
def test_whoever_holds_state_sees_what_pytorch_shows(way, scene):
    check(scene, "AdamW")


@pytest.mark.parametrize("scene", [plain, views, saved_state], ids=lambda scene: scene.__name__)
def test_a_parameter_of_two_modules_is_written_once(way, scene):
    check(scene, "momentum", tied=True)


# -- memory ----------------------------------------------------------------------------------------------------------


def address(tensor):
    return tensor._buffer.ctypes.data


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", list(MAKE))
def test_a_steady_step_writes_weights_where_they_lie(compiled, monkeypatch, name, threads):
    before = alight.get_num_threads()
    alight.set_num_threads(threads)
    t = Training(alight, name)
    made, values = [], []
    make = native.aligned

    def steps(times):
        for _ in range(times):
            t.step()
            values.append(t.weight.sum().item())

    steps(6)
    monkeypatch.setattr(native, "aligned", lambda *of: made.append(of) or make(*of))
    places = [address(t.net[n].weight) for n in (0, 2)]
    steps(5)
    assert [address(t.net[n].weight) for n in (0, 2)] == places
    assert made == [] and len(set(values)) == 11
    alight.set_num_threads(before)


def test_small_steps_go_on_as_they_were(compiled, monkeypatch):
    monkeypatch.setattr(overwriting, "LARGE", 1 << 20)
    t = Training(alight)
    t.step(6)
    first = address(t.weight)
    t.step()
    assert address(t.weight) != first  # two arrays in turn


def test_an_array_that_is_held_is_left_alone(compiled):
    t = Training(alight)
    t.step(4)
    place, held = address(t.weight), t.weight._buffer
    before = held.copy()
    t.step()
    assert address(t.weight) != place and (held == before).all()
    block = t.weight._buffer.base  # whoever holds the memory under an array
    place, before = address(t.weight), t.weight._buffer.copy()
    t.step()
    assert address(t.weight) != place
    assert (
        np.frombuffer(block, np.uint8, before.nbytes, place - block.ctypes.data)
        == before.view(np.uint8).ravel()
    ).all()


def test_who_is_always_held_takes_turns_again(compiled):
    t, held = Training(alight), []
    for _ in range(40):
        t.step()
        held = [t.weight._buffer]
    made = native.Recycled.held_bytes
    for _ in range(10):
        t.step()
        held = [t.weight._buffer]
    assert native.Recycled.held_bytes == made and held


def test_what_one_run_of_a_program_gave_out_is_not_kept(compiled):
    gc.collect()  # arrays of earlier tests
    with alight.no_grad():
        x = alight.ones(77) * 3 + 1
        before = native.Recycled.held_bytes
        y = (x * 5 - 2).exp()
        y.flush("test")
    assert native.Recycled.held_bytes == before


# -- failures --------------------------------------------------------------------------------------------------------


class Words:
    """Two tables of words and one linear layer; a word that is none fails in compiled code."""

    def __init__(self):
        nn = alight.nn
        self.table, self.layer = nn.Embedding(20, 12), nn.Linear(12, 12)
        parameters = [*self.table.parameters(), *self.layer.parameters()]
        self.optimizer = alight.optim.SGD(parameters, lr=0.1, momentum=0.9)

    def step(self, words):
        loss = (self.layer(self.table(words)) ** 2).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def values(self):
        return [
            p.detach().numpy().copy() for p in (*self.table.parameters(), *self.layer.parameters())
        ]


def test_a_step_that_fails_leaves_the_old_values(compiled):
    t = Words()
    good, bad = alight.tensor([1, 2, 3, 19]), alight.tensor([1, 2, 3, 20])
    for _ in range(4):
        t.step(good)
    place, before = address(t.layer.weight), t.values()
    with pytest.raises(IndexError, match="out of range"):
        t.step(bad)
    for one, other in zip(t.values(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    for _ in range(3):
        t.step(good)
    place = address(t.layer.weight)
    t.step(good)
    assert address(t.layer.weight) == place  # it is one of those that are written over


class Interrupting:
    """Compiled code, behind which Ctrl-C comes, at one of the calls."""

    def __init__(self, enter, at, error):
        self.enter, self.at, self.error, self.calls = enter, at, error, 0

    def __call__(self, *arguments):
        status = self.enter(*arguments)
        self.calls += 1
        if self.calls == self.at:
            raise self.error
        return status


@pytest.mark.parametrize("error", [KeyboardInterrupt, TimeoutError])
@pytest.mark.parametrize("name", list(MAKE))
def test_ctrl_c_behind_compiled_code_leaves_the_new_values(compiled, monkeypatch, name, error):
    ours, other = Training(alight, name), Training(alight, name)
    ours.step(4)
    other.step(5)
    entry = native.threads.pool().library.entry
    monkeypatch.setattr(entry, "enter", Interrupting(entry.enter, 1, error))
    with pytest.raises(error):
        ours.step()
    assert (
        entry.enter.calls == 1 and not thread.recorder.overwriting and not thread.recorder.handles
    )
    for _ in range(2):
        for one, two in zip(ours.net.parameters(), other.net.parameters(), strict=True):
            np.testing.assert_array_equal(one.tolist(), two.tolist())
        ours.step(3)
        other.step(3)


@pytest.mark.parametrize("name", ["_settle", "_settle_parameters", "end"])
def test_ctrl_c_as_results_are_handed_out_leaves_the_new_values(compiled, monkeypatch, name):
    from alight.record import flush

    ours, other = Training(alight), Training(alight)
    ours.step(4)
    other.step(5)
    real, calls = getattr(flush, name), []

    def interrupted(*arguments):
        calls.append(name)
        if len(calls) < 3:  # somebody is impatient
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(flush, name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        ours.step()
    monkeypatch.undo()
    for one, two in zip(ours.net.parameters(), other.net.parameters(), strict=True):
        np.testing.assert_array_equal(one.tolist(), two.tolist())


def test_ctrl_c_before_compiled_code_leaves_the_old_values(compiled, monkeypatch):
    ours, other = Training(alight), Training(alight)
    ours.step(4)
    other.step(4)

    def enter(*arguments):
        raise KeyboardInterrupt

    entry = native.threads.pool().library.entry
    with monkeypatch.context() as patch:
        patch.setattr(entry, "enter", enter)
        with pytest.raises(KeyboardInterrupt):
            ours.step()
    assert not thread.recorder.overwriting
    thread.recorder.flush("test")  # what was pending still runs, once
    other.step()
    for one, two in zip(ours.net.parameters(), other.net.parameters(), strict=True):
        np.testing.assert_array_equal(one.tolist(), two.tolist())


def test_another_thread_waits_for_a_value_that_is_being_written(compiled, monkeypatch):
    t = Training(alight)
    t.step(4)
    other = Training(alight)
    other.step(5)
    entry, seen = native.threads.pool().library.entry, []
    real, asked = entry.enter, []
    state = t.state()
    t.step()
    other.step()

    def read():
        seen.append((t.weight.detach().tolist(), state.tolist()))

    def enter(*arguments):
        status = real(*arguments)
        if not asked:
            asked.append(threading.Thread(target=read))
            asked[0].start()
            asked[0].join(0.05)
            assert asked[0].is_alive() and not seen
        return status

    t.step()
    monkeypatch.setattr(entry, "enter", enter)
    t.step()
    asked[0].join()
    other.step()
    assert seen[0][0] == other.weight.tolist() and seen[0][1] == other.state().tolist()
