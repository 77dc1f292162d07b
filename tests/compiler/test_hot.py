"""Programs that get hot: when they are compiled, that nobody notices, and what happens if they cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from time import process_time

import numpy as np
import pytest

import alight as torch
from alight import config, nn
from alight.backends.base import programs
from alight.compiler.hot import Hot, background
from alight.ir.text import parse
from tests.record.paths import forgotten

EXP = "program(%0: f32[9]) { %1: f32[9] = exp(%0) return %1 }"


@pytest.fixture
def hot_at_once(monkeypatch):
    """Every program is compiled at its first run."""
    monkeypatch.setattr(config, "hot", 0)
    monkeypatch.setattr(config, "tier", 1)
    forgotten()
    yield
    forgotten()


def train(steps: int, dropout: float = 0.0) -> list[float]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(20, 33), nn.ReLU(), nn.Dropout(dropout), nn.Linear(33, 7))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    x, y = torch.randn(48, 20), torch.randint(0, 7, (48,))
    losses = []
    for _ in range(steps):
        loss = nn.functional.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_training_is_the_same_in_both_tiers(hot_at_once, monkeypatch):
    compiled = train(25, dropout=0.5)
    assert any(hot.tier for hot in programs.entries.values())
    forgotten()
    monkeypatch.setattr(config, "tier", 0)
    interpreted = train(25, dropout=0.5)
    assert programs.entries and not any(hot.tier for hot in programs.entries.values())
    np.testing.assert_allclose(compiled, interpreted, rtol=2e-4)


def test_a_program_is_compiled_in_the_background_after_a_few_runs(monkeypatch):
    monkeypatch.setattr(config, "hot", 3)
    monkeypatch.setattr(config, "tier", 1)
    forgotten()
    first = train(3)
    assert background.wait()
    assert any(hot.tier == 1 for hot in programs.entries.values())
    assert train(3) == pytest.approx(first, rel=1e-5)


def test_what_only_fills_tensors_is_compiled_later(monkeypatch):
    """Making a network runs it a dozen times, and nobody waits for it."""
    monkeypatch.setattr(config, "hot", 3)
    for text, wanted in (
        (
            "program(%0: f32[]) { %1: f32[1] = reshape(%0) shape=(1,) %2: f32[9] = expand(%1) shape=(9,) return %2 }",
            30,
        ),
        (EXP, 3),
    ):
        hot = Hot(
            parse(text),
            lambda program: lambda arguments: ["cold"],
            lambda program: lambda arguments: ["hot"],
        )
        for n in range(wanted):
            assert hot([]) == ["cold"] and hot.asked == (n + 1 == wanted)
        assert background.wait() and hot([]) == ["hot"]


def test_the_first_forward_pass_is_the_program_of_all_later_ones(monkeypatch):
    monkeypatch.setattr(config, "hot", 1000)
    monkeypatch.setattr(config, "tier", 1)
    x = torch.randn(2, 1, 5, 5)
    x.tolist()
    forgotten()
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU()).eval()
    with torch.no_grad():
        for _ in range(2):
            net(x).tolist()
    convolve = [
        hot.runs
        for program, hot in programs.entries.items()
        if any(node.primitive.name == "conv" for node in program.nodes)
    ]
    assert convolve == [2]


def test_a_failed_compilation_is_remembered_with_its_reason():
    calls = []

    def refuse(program):
        calls.append(program)
        raise NotImplementedError("no such kernel")

    hot = Hot(parse(EXP), lambda program: lambda arguments: ["cold"], refuse)
    for _ in range(10):
        assert hot([]) == ["cold"]
        background.wait()
    assert len(calls) == 1 and "no such kernel" in hot.reason and hot.tier == 0


def test_an_index_out_of_range_names_the_line_when_compiled_too(hot_at_once):
    table, ids = torch.ones(5, 3), torch.tensor([0, 4])
    assert nn.functional.embedding(ids, table).sum().item() == 6
    wrong = torch.tensor([0, 5])
    with pytest.raises(IndexError, match="index out of range in self") as caught:
        nn.functional.embedding(wrong, table).sum().item()
    assert "test_hot.py" in str(caught.value)


def test_views_and_numpy_memory_stay_shared(hot_at_once):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    x = torch.from_numpy(array)
    for _ in range(3):
        x[0] += 1
    assert array[0].tolist() == [3, 4, 5]
    assert (x.t() * 2)[2].tolist() == [10, 10]


def test_outputs_that_somebody_holds_are_not_written_again(hot_at_once):
    x, seen = torch.ones(1000), []
    for n in range(6):
        y = x * n + 1
        y.sum().item()
        seen.append(y.numpy())
    assert [array[0] for array in seen] == [1, 2, 3, 4, 5, 6]


def test_two_threads_run_one_program(hot_at_once):
    x = torch.randn(300, 300)
    expected = (x @ x).sum().item()
    found: list[float] = []

    def work() -> None:
        for _ in range(20):
            found.append((x @ x).sum().item())

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == pytest.approx([expected] * 60, rel=1e-6)


SCRIPT = """
import alight as torch
from alight import nn
net = nn.Linear(30, 30)
trainer = torch.optim.SGD(net.parameters(), lr=0.1)
for n in range(20):
    trainer.zero_grad(); net(torch.randn(8, 30)).square().mean().backward(); trainer.step()
print("done")
"""


@pytest.mark.usefixtures("hot_at_once")
def test_an_error_in_what_the_interpreter_does_for_compiled_code_names_its_line():
    matrix = torch.ones(2, 2)
    doubled = matrix * 2.0
    inverse = torch.linalg.inv(doubled)  # recorded here
    with pytest.raises(torch.linalg.LinAlgError, match="singular") as caught:
        (inverse + 1.0).tolist()
    recorded = caught.traceback[0].frame.code.firstlineno + 5
    assert f"recorded at test_hot.py:{recorded}  inverse = torch.linalg.inv" in str(caught.value)


@pytest.mark.parametrize("hot", ["1", "3", "19"])
def test_a_script_may_end_while_something_is_compiled(hot):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "ALIGHT_HOT": hot},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def held_up():
    """The longest processor time for which this thread got no turn while the compiler worked in the background."""
    longest, last = 0.0, process_time()  # what others do meanwhile does not count
    while background.pending:
        now = process_time()
        longest, last = max(longest, now - last), now
    return longest


def test_a_script_is_not_held_up_while_something_is_compiled(monkeypatch, tmp_path):
    from alight.backends.cpu import cache

    monkeypatch.setattr(config, "hot", 2)
    monkeypatch.setattr(config, "tier", 1)
    longest = []
    for attempt in range(4):
        monkeypatch.setattr(config, "cache_dir", str(tmp_path / str(attempt)))
        monkeypatch.setattr(cache, "_cache", None)
        forgotten()
        train(2, dropout=0.1 * attempt)
        assert background.pending
        longest.append(held_up())
        if longest[-1] < 0.05:
            break
    assert longest[-1] < 0.05, longest


def test_a_steady_step_allocates_no_arrays(hot_at_once, monkeypatch):
    from alight.backends.cpu import native

    net = nn.Sequential(nn.Linear(20, 33), nn.Tanh(), nn.Linear(33, 7))
    trainer = torch.optim.Adam(net.parameters(), lr=0.01)
    x, y = torch.randn(48, 20), torch.randint(0, 7, (48,))

    def step() -> float:
        loss = nn.functional.cross_entropy(net(x), y)
        trainer.zero_grad()
        loss.backward()
        trainer.step()
        return loss.item()

    for _ in range(6):
        step()
    made: list[object] = []
    monkeypatch.setattr(native.Recycled, "new", lambda output: made.append(output.shape))
    arena = [id(one) for one in native.arenas.free]
    losses = [step() for _ in range(10)]
    assert made == [] and [id(one) for one in native.arenas.free] == arena
    assert losses == sorted(losses, reverse=True)


def test_arrays_of_outputs_are_taken_together_while_nobody_holds_them():
    from alight.backends.cpu import native

    outputs = native.Outputs([native.Recycled((3,), np.dtype(np.float32)) for _ in range(4)])
    weights = outputs.take()[:2]  # a loop holds two of the arrays until the next round
    for _ in range(6):
        taken = outputs.take()
        assert all(one is not other for one in taken for other in weights)
        weights = taken[:2]
        del taken
    assert outputs.misses <= 3
    losses: list[object] = []
    for turn in range(200):  # somebody else holds some arrays for a while
        taken = outputs.take()
        assert all(one is not other for one in taken for other in (*weights, *losses))
        weights = taken[:2]
        losses = [*losses, taken[3]] if turn % 5 else []
        del taken
    assert outputs.misses == native.MISSES
    losses.clear()
    before = {id(array) for output in outputs.outputs for array in output.arrays}
    assert {id(one) for one in outputs.take()} <= before
