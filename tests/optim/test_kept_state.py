"""An optimizer's state enters segments as one; whatever a user does with it meanwhile, the numbers are PyTorch's."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest
import torch as pytorch

import alight
from alight.record.recorder import thread

LIBRARIES = (alight, pytorch)
MAKE = {
    "SGD": lambda torch, params: torch.optim.SGD(params, lr=0.1, momentum=0.9),
    "Adam": lambda torch, params: torch.optim.Adam(params, lr=0.1),
    "AdamW": lambda torch, params: torch.optim.AdamW(params, lr=0.1, amsgrad=True),
    "RMSprop": lambda torch, params: torch.optim.RMSprop(params, lr=0.1, momentum=0.5),
    "Rprop": lambda torch, params: torch.optim.Rprop(params, lr=0.1),
    "NAdam": lambda torch, params: torch.optim.NAdam(params, lr=0.1),
}
FIRST = {
    "SGD": "momentum_buffer", "Adam": "exp_avg", "AdamW": "max_exp_avg_sq", "RMSprop": "square_avg", "Rprop": "prev",
    "NAdam": "exp_avg_sq",
}  # fmt: skip


class Training:
    """Two parameters, the second without a gradient where `only_first`."""

    def __init__(self, torch, name):
        self.torch, self.name = torch, name
        values = [[0.5, -1.0, 2.0], [[1.5, 0.25], [-0.75, 1.0]]]
        self.params = [torch.tensor(one, requires_grad=True) for one in values]
        self.optimizer = MAKE[name](torch, self.params)

    def step(self, times=1, only_first=False, optimizer=None):
        for _ in range(times):
            optimizer = optimizer or self.optimizer
            optimizer.zero_grad()
            used = self.params[:1] if only_first else self.params
            sum(((p - 0.3) ** 2 + (2 * p).sin()).sum() for p in used).backward()
            optimizer.step()

    def state(self, i=0, name=None):
        return self.optimizer.state[self.params[i]][name or FIRST[self.name]]

    def numbers(self):
        states = [self.optimizer.state[p] for p in self.params if p in self.optimizer.state]
        tensors = [state[FIRST[self.name]] for state in states]
        return [np.array(one.detach().tolist()) for one in (*self.params, *tensors)]


def read(t):
    seen = t.state().sum().item()
    t.step()
    return seen


def write(t):
    t.state().mul_(0.5)
    t.step(2)


def write_pending_twice(t):
    t.state().add_(0.25)
    t.state(1).mul_(t.state(1))
    t.step(2)


def replace(t):
    t.optimizer.state[t.params[0]][FIRST[t.name]] = t.torch.ones(3)
    t.step(2)


def swap(t):
    a, b = (t.torch.full((3,), x) for x in (0.1, 0.2))
    t.optimizer.state[t.params[0]][FIRST[t.name]] = a
    t.step()
    t.optimizer.state[t.params[0]][FIRST[t.name]] = b
    t.step()
    return a.tolist()


def view_that_stays(t):
    view = t.state(1).view(-1)[1:]
    t.step(2)
    seen = view.tolist()
    view.zero_()
    t.step(2)
    return seen


def shared_memory(t):
    array = t.state().numpy()
    t.step(2)
    seen = array.tolist()
    array[:] = 0.5
    t.step(2)
    return seen


def data(t):
    t.state().data = t.torch.ones(3)
    t.state(1).data.mul_(2)
    t.params[0].data = t.torch.zeros(3)
    t.params[1].data += 1
    t.step(2)


def as_gradient(t):
    t.optimizer.zero_grad()
    for i, p in enumerate(t.params):
        p.grad = t.state(i)
    t.optimizer.step()
    t.step(2)


def in_a_loss(t):
    t.optimizer.zero_grad()
    (t.params[0] * t.state()).sum().backward()
    t.optimizer.step()
    t.step()


def missing_gradient(t):
    t.step(only_first=True)
    t.step()
    t.step(2, only_first=True)
    t.step(2)


def frozen(t):
    t.params[1].requires_grad_(False)
    t.step(2, only_first=True)
    t.params[1].requires_grad_(True)
    t.step(2)


def joins(t):
    t.params.append(t.torch.ones(2, requires_grad=True))
    t.optimizer.add_param_group({"params": t.params[-1:], "lr": 0.2})
    t.step(2)


def two_optimizers(t):
    other = MAKE[t.name](t.torch, t.params)
    for _ in range(2):
        t.step(optimizer=other)
        t.step()


def same_state_in_two(t):
    other = MAKE[t.name](t.torch, t.params[:1])
    other.state[t.params[0]] = t.optimizer.state[t.params[0]]
    for _ in range(2):
        t.step(optimizer=other)
        t.step()


def copies(t):
    twin = copy.copy(t)
    twin.params, twin.optimizer = copy.deepcopy((t.params, t.optimizer))
    twin.step(2)
    t.step()
    return twin.numbers()[2].tolist()


def saved(t):
    state = pickle.loads(pickle.dumps(t.optimizer.state_dict()))
    t.step(2)
    t.optimizer.load_state_dict(state)
    t.step(2)


def loaded_into_itself(t):
    t.optimizer.load_state_dict(t.optimizer.state_dict())
    t.step(2)


def settings(t):
    group = t.optimizer.param_groups[0]
    for rate in (0.05, 0.2, 0.05):
        group["lr"] = rate
        t.step()
    group["weight_decay"] = 0.1
    group["maximize"] = True
    t.step(2)


def other_thread(t):
    seen = []
    reader = threading.Thread(target=lambda: seen.append(t.state().tolist()))
    reader.start()
    reader.join()
    t.step(2)
    return seen


def held_alone(t):
    kept = t.state()
    t.optimizer.state.clear()
    t.step(2)
    return kept.tolist()


SCENES = (
    read, write, write_pending_twice, replace, swap, view_that_stays, shared_memory, data, as_gradient, in_a_loss,
    missing_gradient, frozen, joins, two_optimizers, same_state_in_two, copies, saved, loaded_into_itself, settings,
    other_thread, held_alone,
)  # fmt: skip


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_as_in_pytorch(scene, name):
    if scene is settings and name == "Rprop":
        pytest.skip("it takes no weight decay")
    if scene is as_gradient and name in ("SGD", "RMSprop", "Rprop"):
        pytest.skip("in PyTorch, half of what is written is read again")
    found = []
    for torch in LIBRARIES:
        t = Training(torch, name)
        t.step(3)
        seen = scene(t)
        t.step()
        found.append((seen, t.numbers()))
    (seen, ours), (theirs_seen, theirs) = found
    assert (seen is None) == (theirs_seen is None)
    if seen is not None:
        for a, b in zip(np.atleast_1d(seen), np.atleast_1d(theirs_seen), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5)


def test_state_saved_for_backward_is_written_over():
    for torch in LIBRARIES:
        t = Training(torch, "Adam")
        t.step(3)
        loss = (t.params[0] * t.state()).sum()
        t.step(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()


def test_versions_count_steps():
    t = Training(alight, "Adam")
    t.step(3)
    assert t.state()._version == 3
    t.step(2)
    assert t.state()._version == 5
    assert t.state(1)._version == 5


def test_state_goes_on_after_a_failure():
    """The state is what it was before the step whose segment failed."""
    t = Training(alight, "SGD")
    table = alight.ones(4, 2, requires_grad=True)
    t.step(2)
    before = t.numbers()
    t.optimizer.zero_grad()
    with pytest.raises(IndexError):
        rows = alight.nn.functional.embedding(alight.tensor([7]), table)
        (rows.sum() * (t.params[0] ** 2).sum()).backward()
        t.optimizer.step()
    np.testing.assert_array_equal(t.numbers()[2], before[2])


def test_nobody_keeps_old_state():
    t = Training(alight, "Adam")
    t.step(2)
    kept = t.state()._kept
    tensor, holder = weakref.ref(t.state()), weakref.ref(kept)
    del kept, t
    gc.collect()
    thread.recorder.flush("forgets the last segment")
    assert tensor() is None
    assert holder() is None


@pytest.mark.parametrize("name", MAKE)
def test_state_takes_no_steps_of_its_own(name):
    """Only the parameters enter segments one by one; all state is one object from the first step to the last."""
    t = Training(alight, name)
    t.step(2)
    recorder, first = thread.recorder, t.state()._kept
    recorder.log = []
    try:
        t.step(3)
        position, plan = recorder.log[-1]
    finally:
        recorder.log = None
    names = [step.name for step in position.path()]
    assert names.count("enter") == len(t.params)
    assert len(plan.held) == 1
    assert t.state()._kept is first is t.state(1)._kept
    t.state().sum()  # somebody else has to do with one of them
    assert t.state()._kept is None
    t.step()
    assert t.state()._kept is None  # it was pending
    t.step()
    assert t.state()._kept is t.state(1)._kept is not None


def pending_step(t, monkeypatch):
    """A step whose segment has not run yet."""
    t.optimizer.zero_grad()
    sum(((p - 0.3) ** 2 + (2 * p).sin()).sum() for p in t.params).backward()
    with monkeypatch.context() as patch:
        patch.setattr(thread.recorder, "flush", lambda reason: None)
        t.optimizer.step()
    assert t.state()._kept.recorder is thread.recorder


def test_pending_state_is_read(monkeypatch):
    """In this thread the segment runs; another thread computes what it needs and leaves the segment alone."""
    t, expected = Training(alight, "Adam"), Training(alight, "Adam")
    t.step(2)
    expected.step(3)
    pending_step(t, monkeypatch)
    seen = []
    reader = threading.Thread(target=lambda: seen.append(t.state().tolist()))
    reader.start()
    reader.join()
    assert thread.recorder.handles
    np.testing.assert_allclose(seen[0], expected.state().tolist(), rtol=1e-5)
    assert t.state(1).tolist() == expected.state(1).tolist()
    assert not thread.recorder.handles
    t.step()
    expected.step()
    for a, b in zip(t.numbers(), expected.numbers(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_state_after_a_segment_that_was_given_up(monkeypatch):
    """Ctrl-C between two halves of a step: what was computed before still stands."""
    t = Training(alight, "Adam")
    t.step(2)
    before = t.numbers()
    pending_step(t, monkeypatch)
    thread.recorder.scalars.append(0.0)  # as if a step had got no further
    thread.recorder.flush("the next thing that somebody asks for")
    for a, b in zip(t.numbers(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    t.step(2)
    assert t.state()._kept is not None


def test_a_gradient_that_is_state():
    """It is read and written in one step, on a path that knows neither."""
    for name in ("SGD", "Adam"):
        t = Training(alight, name)
        t.step(2)
        old = t.state().tolist()
        t.optimizer.zero_grad()
        t.params[0].grad = t.state()
        t.optimizer.step()
        share = (
            1.9 if name == "SGD" else 1.0
        )  # momentum 0.9, and the gradient; a mean of one and the same
        np.testing.assert_allclose(t.state().tolist(), np.multiply(old, share), rtol=1e-5)


def test_state_that_a_graph_saved_is_known_to_be_written_by_later_steps():
    refused = []
    for library in (alight, pytorch):
        p, w = (library.ones(3, requires_grad=True) for _ in range(2))
        optimizer = library.optim.Adam([p], lr=0.1)

        def step(library=library, p=p, optimizer=optimizer):
            optimizer.zero_grad()
            (p * p).sum().backward()
            optimizer.step()

        step()
        out = (w * optimizer.state[p]["exp_avg"]).sum()
        out.item()
        step()
        step()
        with pytest.raises(RuntimeError, match="modified by an inplace operation") as caught:
            out.backward()
        refused.append(caught.type)
    assert refused == [RuntimeError] * 2


def test_reading_state_leaves_its_count_of_writes():
    training = Training(alight, "Adam")
    one = training.optimizer
    for _ in range(3):
        one.zero_grad()
        sum((p * p).sum() for p in training.params).backward()
        one.step()
    state = one.state[training.params[0]]["exp_avg"]
    version = state._version
    state.tolist()
    assert state._version == version >= 3
