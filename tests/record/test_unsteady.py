"""Paths that depend on data: what precedes and what follows a place that changes becomes a path of its own."""

import random

import pytest
import torch as oracle

import alight
from alight import config
from alight.explain.report import describe_changes
from alight.record.recorder import Recorder, thread


@pytest.fixture
def recorder(monkeypatch):
    """A recorder that knows no paths; nothing is compiled."""
    monkeypatch.setattr(config, "tier", 0)
    before = thread.recorder
    thread.recorder = Recorder()
    yield thread.recorder
    thread.recorder = before


def mixture(torch, steps):
    """A layer whose experts each get another number of rows every time."""
    torch.manual_seed(0)
    chance = random.Random(0)
    gate = torch.randn(4, 3, requires_grad=True)
    experts = [torch.randn(4, 4, requires_grad=True) for _ in range(3)]
    data = torch.randn(512, 4)
    for _ in range(steps):
        start = chance.randrange(480)
        x = data[start : start + 24]
        best, which = torch.softmax(x @ gate, 1).max(1)
        out = torch.zeros_like(x)
        for number, expert in enumerate(experts):
            rows = (which == number).nonzero().squeeze(1)
            out.index_add_(0, rows, best[rows].unsqueeze(1) * (x[rows] @ expert))
        loss = ((out - x) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            for weight in (gate, *experts):
                weight -= 0.1 * weight.grad
                weight.grad = None
        yield loss.item()


def test_experts_with_other_rows_each_time_come_to_known_paths(recorder):
    numbers, known = [], []
    for number in mixture(alight, 160):
        numbers.append(number)
        known.append(recorder.positions)
    assert numbers == pytest.approx(list(mixture(oracle, 160)), rel=1e-4)
    # Each step has another combination of three numbers of rows; about 15 steps of a path for each would be new.
    assert known[-1] - known[-41] < 200
    assert any(kind == "program" for _, kind in recorder.unsteady)


def test_a_loop_of_many_lengths_is_whole(recorder):
    """Lengths that come again are paths of their own, and no place that changes for ever."""
    weight = alight.randn(3, 3, requires_grad=True)
    for length in [*range(1, 20)] * 3:
        state = alight.ones(3)
        for _ in range(length):
            state = alight.tanh(weight @ state)
        state.sum().backward()
        weight.grad = None
    assert not recorder.unsteady


def test_gradients_of_a_flushed_part_do_not_depend_on_what_came_before(recorder):
    """A history is known by what enters and what runs: not by the path that made what it starts from."""
    weight = alight.randn(4, requires_grad=True)

    def step(first):
        x = weight * 2 if first else weight + 1
        x = x.sin()
        x.sum().item()
        y = x.cos().exp()
        y.sum().item()
        y.sum().backward()
        weight.grad = None

    step(True)
    step(False)
    plans = []
    recorder.log = plans
    step(True)
    step(False)
    middle = [position for position, _ in plans if position.parent.name == "exp"]
    assert len(middle) == 2
    assert middle[0] is middle[1]


def test_indices_of_several_axes_lie_as_compiled_code_wants_them():
    rows, columns = alight.eye(3).nonzero(as_tuple=True)
    assert rows._buffer.flags.c_contiguous
    assert columns._buffer.flags.c_contiguous


def _augmented(torch, chance, images):
    made = []
    for _ in range(8):
        image = images[chance.randrange(4)]
        if chance.random() < 0.5:
            image = image.flip(-1)
        if chance.random() < 0.5:
            image = image * chance.uniform(0.5, 1.5)
        if chance.random() < 0.5:
            image = image + 1
        made.append(image)
    return torch.stack(made)


def test_choices_for_each_image_come_to_known_paths(recorder):
    """Each batch goes another way; in the end each choice ends a segment, and the batch is made of data."""
    chances = random.Random(0), random.Random(0)
    images = alight.arange(48.0).reshape(4, 3, 4)
    known = []
    for _ in range(160):
        batch = _augmented(alight, chances[0], images)
        expected = _augmented(oracle, chances[1], oracle.arange(48.0).reshape(4, 3, 4))
        assert batch.flatten().tolist() == pytest.approx(expected.flatten().tolist())
        known.append(recorder.positions)
    assert known[-1] - known[-31] < 10, known
    told = "\n".join(describe_changes(recorder))
    assert "segments end before them" in told
    assert "  stack at test_unsteady.py:" in told


def test_an_update_after_new_work_is_cut_off_and_known(recorder):
    """Where every step has a shape of its own, the optimizer's update is recorded a bounded number of times."""
    weight = alight.ones(3, requires_grad=True)
    optimizer = alight.optim.Adam([weight], lr=0.1)
    theirs = oracle.ones(3, requires_grad=True)
    their_optimizer = oracle.optim.Adam([theirs], lr=0.1)
    updates = set()
    for rows in range(1, 51):
        for torch, one, update in (
            (oracle, theirs, their_optimizer),
            (alight, weight, optimizer),
        ):
            (torch.ones(rows, 3) * one).sin().mean().backward()
            update.step()
            update.zero_grad()
        assert weight.tolist() == pytest.approx(theirs.tolist(), rel=1e-5)
    for position in _positions(recorder):
        if position.name == "Adam":
            updates.add(position)
    assert len(updates) < 40


def _positions(recorder):
    found = [*recorder.roots.values()]
    for position in found:
        found.extend([*position.children.values(), *position.cuts.values()])
    return found
