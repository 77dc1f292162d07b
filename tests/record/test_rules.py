"""The recorder's rules, one test each: what keeps a lazy front end fast, bounded, and unseen."""

import gc
import threading
import time
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

import alight as torch
from alight import config
from alight.compiler.hot import background
from alight.record.trie import Position
from tests.record.paths import forgotten


@pytest.fixture(autouse=True)
def fresh():
    recorder = forgotten()
    yield recorder
    recorder.flush("test ends")


def new_positions(recorder, lap, warm=4, laps=6):
    """Positions recorded by laps after the path has been walked a few times."""
    for _ in range(warm):
        lap()
    before = recorder.positions
    for _ in range(laps):
        lap()
    return recorder.positions - before


def training_step(read=False):
    w = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    x = torch.tensor([[1.0, -1.0]])

    def lap():
        loss = torch.relu(x @ w).sum()
        w.grad = None
        loss.backward()
        with torch.no_grad():
            w.sub_(w.grad * 0.01)
        return loss.item() if read else loss

    return lap


def test_a_known_loop_records_nothing_new(fresh):
    assert new_positions(fresh, training_step()) == 0


def test_reading_the_loss_stays_on_known_paths(fresh):
    assert new_positions(fresh, training_step(read=True)) == 0


def test_printing_inside_the_step_stays_on_known_paths(fresh):
    w = torch.tensor([1.0, 2.0], requires_grad=True)

    def lap():
        loss = (w * w).sum()
        str(loss.item())
        w.grad = None
        loss.backward()
        with torch.no_grad():
            w.sub_(w.grad * 0.01)

    assert new_positions(fresh, lap) == 0


def test_what_is_alive_is_not_part_of_the_key(fresh):
    x = torch.tensor([1.0, 2.0])
    kept = []

    def lap():
        a = x * 2.0
        b = a + 1.0
        if len(kept) % 2:
            kept.append(a)  # alive in every other lap only
        else:
            kept.append(None)
        return b.tolist()

    lap()
    before = fresh.positions
    for _ in range(10):
        lap()
    assert fresh.positions == before
    assert [k.tolist() for k in kept if k is not None] == [[2.0, 4.0]] * 5


def test_a_tensor_kept_late_is_computed(fresh):
    x = torch.tensor([1.0, 2.0])
    for i in range(4):
        hidden = x * 3.0
        total = hidden.sum()
        if i < 3:
            del hidden
        total.item()
    assert hidden.tolist() == [3.0, 6.0]


def test_programs_do_not_depend_on_what_else_is_pending(fresh):
    from alight.backends.base import programs

    x, other = torch.tensor([1.0, 2.0]), torch.tensor([[3.0]])
    (x * 2.0 + 1.0).tolist()
    known = set(programs.entries)
    unrelated = other * 7.0
    y = x * 2.0 + 1.0
    y.tolist()
    new = [program for program in programs.entries if program not in known]
    assert len(new) == 1 and len(new[0].nodes) <= 3  # the unrelated product alone
    assert unrelated.tolist() == [[21.0]]


def test_scalars_are_inputs_or_in_the_key_with_their_type(fresh):
    x = torch.tensor([1.0, 2.0])

    def lap(k):
        return (x * k).tolist()

    lap(0.5), lap(3), lap(True)
    before = fresh.positions
    assert lap(0.25) == [0.25, 0.5] and lap(7) == [7.0, 14.0] and lap(1.0) == [1.0, 2.0]
    assert lap(True) == [1.0, 2.0] and lap(0.0) == [0.0, 0.0] and str(lap(-0.0)) == "[-0.0, -0.0]"
    assert fresh.positions == before
    i = torch.tensor([1, 2])
    assert (
        (i * 2).dtype == torch.int64
        and (i * 2.0).dtype == torch.float32
        and (i * True).dtype == torch.int64
    )


def test_ambient_state_is_part_of_the_path(fresh):
    w = torch.tensor([1.0], requires_grad=True)
    flags = []
    for k in range(6):
        with torch.set_grad_enabled(k % 2 == 0):
            flags.append((w * 2.0).requires_grad)
    assert flags == [True, False] * 3


def test_pending_bytes_are_bounded(fresh, monkeypatch):
    monkeypatch.setattr(config, "pending_bytes", 1 << 20)
    x = torch.tensor(np.ones((256, 256), np.float32))
    peak = 0
    total = torch.tensor(0.0)
    for _ in range(200):
        y = x * 2.0
        total += y.sum()
        peak = max(peak, fresh.here.counts.bytes)
    assert peak <= 5 << 20
    assert total.item() == 200 * 2 * 256 * 256


def test_a_loop_that_never_asks_is_cut_where_it_comes_round(fresh):
    x = torch.tensor([1.0, 2.0])
    total = torch.tensor(0.0)
    depths = []
    for _ in range(4000):
        total += (x * 2.0).sum()
        depths.append(fresh.here.depth)
    assert max(depths) < 2000
    before = fresh.positions
    for _ in range(2000):
        total += (x * 2.0).sum()
    assert fresh.positions == before
    assert total.item() == 36000.0


@pytest.mark.parametrize("kind", ["training", "total", "evaluation"])
def test_loops_that_never_ask_run_in_constant_memory_and_time(fresh, kind):
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    x = torch.tensor([3.0, 4.0])
    total = torch.tensor(0.0)

    def training():
        w.grad = None
        (w * x).sum().backward()
        with torch.no_grad():
            w.sub_(w.grad * 1e-6)

    def running_total():
        nonlocal total
        total += (x * 2.0).sum()

    def evaluation():
        nonlocal total
        with torch.no_grad():
            total += (w * x).sum()

    lap = {"training": training, "total": running_total, "evaluation": evaluation}[kind]

    def laps(n):
        start = time.thread_time()
        for _ in range(n):
            lap()
        return time.thread_time() - start

    laps(3000)
    background.wait()  # what is hot by now is compiled
    gc.collect()
    tracemalloc.start()
    first_bytes, first = tracemalloc.get_traced_memory()[0], laps(2000)
    laps(6000)
    last = laps(2000)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - first_bytes
    tracemalloc.stop()
    assert grown < 300_000
    assert last < 2.5 * first + 0.05


def _positions(recorder) -> Iterator[Position]:
    waiting = list(recorder.roots.values())
    while waiting:
        position = waiting.pop()
        yield position
        waiting += [*position.children.values(), *position.cuts.values()]


def test_distinct_shapes_and_floats_are_bounded(fresh, monkeypatch):
    most = 2_000_000
    monkeypatch.setattr(config, "cache_bytes", 2 * most)
    usual = torch.tensor([1.0, 2.0])
    (usual + 1.0).sum().item()
    forgotten_once = False
    for n in range(3000):
        x = torch.tensor(np.zeros(n % 1500 + 1, np.float32))
        (x * 2.0).sum().item()
        assert fresh.bytes < most + 100_000
        before = fresh.positions
        (usual + 1.0).sum().item()  # a path in use is never forgotten
        assert fresh.positions == before
        forgotten_once |= fresh.bytes < most // 2 + 100_000 and n > 1000
    found = list(_positions(fresh))
    assert forgotten_once
    assert fresh.bytes == sum(position.weight for position in found)
    assert fresh.positions == len(found) - len(fresh.roots)
    x = torch.tensor([1.0])
    (x * 0.5).item()
    before = fresh.positions
    for n in range(5000):
        (x * (n * 0.1)).item()
    assert fresh.positions == before


def test_a_lap_larger_than_all_that_may_be_kept_is_recorded_once(fresh, monkeypatch):
    monkeypatch.setattr(config, "cache_bytes", 20_000)

    def lap() -> None:
        x = torch.ones(3)
        for n in range(1, 30):
            x = torch.cat([x, torch.ones(n)])
        x.sum().item()

    for _ in range(3):
        lap()
    assert new_positions(fresh, lap) == 0


def test_each_thread_has_its_own_segment(fresh):
    results, barrier = {}, threading.Barrier(4)

    def work(k):
        x = torch.tensor([float(k)])
        barrier.wait()
        for _ in range(200):
            x = x * 1.0 + 1.0
        results[k] = x.item()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert results == {k: k + 200.0 for k in range(4)}


def test_a_pending_tensor_of_another_thread_can_be_used(fresh):
    made = {}

    def work():
        made["y"] = torch.tensor([1.0, 2.0]) * 3.0

    t = threading.Thread(target=work)
    t.start()
    t.join()
    assert (made["y"] + 1.0).tolist() == [4.0, 7.0]


def test_shape_errors_are_raised_at_the_call(fresh):
    x, y = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 2.0, 3.0]])
    with pytest.raises(RuntimeError, match="must match the size of tensor b") as caught:
        x + y  # this very line
    frames = [
        entry.path.name if hasattr(entry.path, "name") else str(entry.path)
        for entry in caught.traceback
    ]
    assert str(frames[0]).endswith("test_rules.py")
    assert not any("recorder" in str(frame) or "operation" in str(frame) for frame in frames)
    assert (x + 1.0).tolist() == [[2.0, 3.0]]  # the failed step left nothing


def test_a_failed_step_leaves_the_segment_whole(fresh):
    x = torch.tensor([1.0, 2.0])
    y = x * 2.0
    with pytest.raises(RuntimeError):
        y @ torch.tensor([[1.0]])
    z = y + 1.0
    assert z.tolist() == [3.0, 5.0]


def test_paths_share_prefixes(fresh):
    x = torch.tensor([1.0])
    for k in (0, 1, 0, 1):
        y = x * 2.0
        z = y + 1.0 if k else y - 1.0
        z.item()

    assert len(list(_positions(fresh))) == fresh.positions + len(fresh.roots)
    assert fresh.positions == 4  # enter, mul, add, sub


def test_input_that_is_output_and_the_same_tensor_twice(fresh):
    x = torch.tensor([1.0, 2.0])
    for _ in range(3):
        assert (x + x).tolist() == [2.0, 4.0]
    y = torch.tensor([5.0, 6.0])
    assert (x + y).tolist() == [6.0, 8.0] and (y + y).tolist() == [10.0, 12.0]
    for _k in range(4):
        x += x
    assert x.tolist() == [16.0, 32.0]
