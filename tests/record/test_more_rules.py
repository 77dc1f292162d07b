"""The recorder's rules, continued: lap marks, inputs of programs, random draws, caches, lines of errors."""

import gc
import tracemalloc

import numpy as np
import pytest

import alight as torch
from alight import config, nn, optim
from alight.compiler.hot import background
from alight.record.recorder import thread
from tests.record.test_rules import fresh, new_positions

__all__ = ["fresh"]  # the fixture


def weights():
    return torch.tensor([1.0, 2.0], requires_grad=True)


# -- where segments end --------------------------------------------------------------------------------------------------


def by_hand(w):
    with torch.no_grad():
        w -= w.grad * 0.1


def by_optimizer(w):
    optim.SGD([w], lr=0.1).step()


@pytest.mark.parametrize("mark", [by_hand, by_optimizer])
def test_an_update_ends_the_segment(fresh, mark):
    w = weights()
    (w * 3.0).sum().backward()
    assert fresh.handles
    mark(w)
    assert not fresh.handles
    assert torch.allclose(w, torch.tensor([0.7, 1.7]))


def test_the_next_batch_ends_the_segment(fresh):
    y = weights() * 3.0
    next(iter(torch.utils.data.DataLoader([1.0, 2.0])))
    assert y._slot < 0


def test_parts_of_many_are_one_path(fresh):
    """A loop over `torch.randperm(n).split(batch)` runs one program, whichever part it takes."""
    x = torch.arange(60.0).reshape(30, 2)
    rows = torch.arange(30).flip(0)
    seen = []
    for part in rows.split(3):
        before = fresh.positions
        seen.append((x[part].sum().item(), fresh.positions - before))
    assert [total for total, _ in seen] == [
        x[27 - i : 30 - i].sum().item() for i in range(0, 30, 3)
    ]
    assert not any(new for _, new in seen[2:-1])


def test_zero_grad_flushes_large_pending_work_only(fresh, monkeypatch):
    w = weights()
    optimizer = optim.SGD([w])
    y = w * 3.0
    optimizer.zero_grad()
    assert y._slot >= 0
    monkeypatch.setattr(config, "pending_bytes", 1)
    optimizer.zero_grad()
    assert y._slot < 0


def test_a_block_that_wrote_no_leaf_goes_on(fresh):
    w = weights()
    with torch.no_grad():
        y = w * 2.0
    assert fresh.handles
    assert y.tolist() == [2.0, 4.0]


def test_making_modules_and_optimizers_leaves_pending_work_alone(fresh):
    y = torch.tensor([1.0]) * 2.0
    optim.Adam(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).parameters())
    assert y._slot >= 0
    assert y.tolist() == [2.0]


def test_the_first_forward_pass_of_a_network_is_the_path_of_all_later_ones(fresh):
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU())
    x = torch.rand(5, 3)

    def lap():
        with torch.no_grad():
            return net(x).sum().item()

    assert new_positions(fresh, lap, warm=1) == 0


# -- what is an input ------------------------------------------------------------------------------------------------------


def test_indices_and_slice_starts_are_inputs(fresh):
    x, places = torch.arange(40.0), iter(range(38))

    def lap():
        i = next(places)
        return x[i].item(), x[i : i + 2].tolist()

    assert new_positions(fresh, lap) == 0
    assert lap() == (10.0, [10.0, 11.0])


def test_learning_rates_and_step_counts_are_inputs(fresh):
    w = weights()
    optimizer = optim.Adam([w], lr=0.1)
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, 0.9)

    def lap():
        optimizer.zero_grad()
        (w * w).sum().backward()
        optimizer.step()
        schedule.step()

    assert new_positions(fresh, lap) == 0


def test_data_and_small_constants_made_in_the_loop_stay_on_known_paths(fresh):
    counter = iter(range(100))

    def lap():
        x = torch.tensor([float(next(counter)), 1.0])
        return (x + torch.ones(2) * torch.arange(2)).tolist()

    assert new_positions(fresh, lap) == 0
    assert lap() == [10.0, 2.0]


def test_a_ragged_last_batch_is_a_path_of_its_own(fresh):
    w = weights()
    batches = [torch.ones(4, 2), torch.ones(4, 2), torch.ones(3, 2)]

    def epoch():
        return [(x @ w).sum().item() for x in batches]

    assert new_positions(fresh, epoch) == 0
    assert epoch() == [12.0, 12.0, 9.0]


def test_accumulating_and_fresh_gradients_take_turns(fresh):
    w = weights()
    seen = []

    def lap():
        for clear in (True, False, False):
            if clear:
                w.grad = None
            (w * 3.0).sum().backward()
        seen.append(w.grad.tolist())

    assert new_positions(fresh, lap) == 0
    assert seen == [[9.0, 9.0]] * len(seen)


def test_default_dtype_is_part_of_the_path(fresh):
    try:
        for of in (torch.float32, torch.float64) * 3:
            torch.set_default_dtype(of)
            assert (torch.ones(2) * 1.5).dtype is of
    finally:
        torch.set_default_dtype(torch.float32)


def test_an_update_is_one_step_for_any_number_of_parameters(fresh, monkeypatch):
    for count in (2, 20):
        params = [weights() for _ in range(count)]
        optimizer = optim.SGD(params, lr=0.1, momentum=0.9)
        for _ in range(3):
            optimizer.zero_grad()
            sum((p * p).sum() for p in params).backward()
            steps = []
            monkeypatch.setattr(fresh, "flush", lambda _, steps=steps: steps.append(fresh.here))
            before = fresh.here
            optimizer.step()
            monkeypatch.undo()
            fresh.flush("seen")
        path = steps[0].path()
        names = [step.name for step in path[path.index(before) + 1 :]]
        assert names == ["SGD"]  # with the buffers of the momentum
        assert all(p.grad is not None and p.grad.tolist() for p in params)  # still readable


# -- random draws ----------------------------------------------------------------------------------------------------------


def test_draws_that_nobody_reads_still_advance_the_generator(fresh):
    torch.manual_seed(0)
    torch.nn.functional.dropout(torch.ones(3), 0.5)
    torch.rand(2)
    after = torch.rand(1).item()
    torch.manual_seed(0)
    kept = torch.nn.functional.dropout(torch.ones(3), 0.5), torch.rand(2)
    assert torch.rand(1).item() == after
    assert kept[0].shape == (3,)


def test_draws_keep_their_order_however_late_they_are_read(fresh):
    torch.manual_seed(0)
    first, second = torch.rand(2), torch.rand(2)
    late = second.tolist(), first.tolist()
    torch.manual_seed(0)
    assert late == (torch.rand(2).tolist(), torch.rand(2).tolist())[::-1]


# -- bounds ----------------------------------------------------------------------------------------------------------------


def test_the_program_cache_is_bounded(fresh, monkeypatch):
    from alight.backends.base import programs

    monkeypatch.setattr(config, "cache_bytes", programs.bytes + 100_000)
    for n in range(1, 400):
        (torch.ones(n) * 2.0 + 1.0).tolist()
    assert programs.bytes <= config.cache_bytes


def test_a_failed_compilation_is_remembered(monkeypatch):
    from alight.compiler.hot import Hot, background
    from alight.ir.text import parse

    tries = []

    def refuse(program):
        tries.append(program)
        raise NotImplementedError("no code for this")

    monkeypatch.setattr(config, "check", False)
    monkeypatch.setattr(config, "tier", 1)
    monkeypatch.setattr(config, "hot", 2)
    (program,) = [made for made in _programs() if made.nodes]
    hot = Hot(parse(str(program)), lambda program: lambda arguments: ["interpreted"], refuse)
    for _ in range(6):
        assert hot([]) == ["interpreted"]
        background.wait()
    assert len(tries) == 1 and hot.tier == 0
    assert "no code for this" in hot.reason


def _programs():
    from alight.backends.base import programs

    known = set(programs.entries)
    (torch.tensor([1.0, 2.0]) * 5.0 - 4.0).tolist()
    return set(programs.entries) - known


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["training", "total", "evaluation"])
def test_100_000_laps_that_never_ask_for_a_value(fresh, kind):
    w, x = weights(), torch.tensor([3.0, 4.0])
    total = torch.tensor(0.0)
    optimizer = optim.SGD([w], lr=1e-6)
    held = []
    for i in range(100_000):
        if kind == "training":
            optimizer.zero_grad()
            (w * x).sum().backward()
            optimizer.step()
        elif kind == "total":
            total += (x * 2.0).sum()
        else:
            with torch.no_grad():
                total += (w * x).sum()
        if i in (10_000, 99_999):
            background.wait()  # a compiled program stays, but only once
            gc.collect()
            if i == 10_000:
                tracemalloc.start()
            held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held[1] - held[0] < 500_000
    assert np.isfinite(total.item())


# -- lines of errors ---------------------------------------------------------------------------------------------------


def test_an_error_of_values_names_the_line_that_recorded_it(fresh):
    table = torch.tensor([1.0, 2.0])

    def look(i):
        y = table[torch.tensor([i])]  # recorded here
        return y * 2.0

    assert look(1).tolist() == [4.0]
    bad = look(5)
    with pytest.raises(
        IndexError, match="index 5 is out of bounds for dimension 0 with size 2"
    ) as caught:
        bad.tolist()
    recorded = look.__code__.co_firstlineno + 1
    assert f"recorded at test_more_rules.py:{recorded}" in str(caught.value)


def test_equal_programs_from_two_lines_are_blamed_on_the_right_one(fresh):
    table, good, bad = torch.tensor([1.0, 2.0]), torch.tensor([0]), torch.tensor([7])
    table.index_select(0, good).tolist()
    with pytest.raises(IndexError) as caught:
        table.index_select(0, bad).tolist()
    here = caught.traceback[0].lineno + 1
    assert f"test_more_rules.py:{here}" in str(caught.value)


def test_what_does_not_need_the_failing_step_still_works(fresh):
    x = torch.tensor([1.0, 2.0])
    fine, bad = x * 2.0, x[torch.tensor([9])]
    with pytest.raises(IndexError):
        bad.tolist()
    assert fine.tolist() == [2.0, 4.0]
    assert thread.recorder is fresh


def test_parameters_that_took_the_data_of_something_computed_stay_on_known_paths(fresh):
    net = nn.Linear(3, 2)
    mask = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    masked = net.weight * mask
    net.weight.data = masked.data
    vector = nn.utils.parameters_to_vector(net.parameters()) * 2
    nn.utils.vector_to_parameters(vector, net.parameters())
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def lap():
        optimizer.zero_grad()
        net(torch.ones(4, 3)).square().mean().backward()
        optimizer.step()

    for _ in range(3):
        lap()
    assert new_positions(fresh, lap) == 0
    assert masked.grad_fn is not None
    assert net.weight.is_leaf


def test_everything_is_written_without_a_view(fresh):
    y, row = torch.zeros(2, 3), torch.tensor([1.0, 2.0, 3.0])
    first = y[0]
    y[:] = row
    assert all(ref() is None or ref() is first for ref in y._views)
    y[:] = 2
    assert first.tolist() == [2.0, 2.0, 2.0]
    w = torch.ones(3, requires_grad=True)
    z = torch.zeros(3)
    z[:] = w * 2
    z.sum().backward()
    assert w.grad.tolist() == [2.0, 2.0, 2.0]


def test_data_of_what_died_stays_on_known_paths(fresh):
    w = weights()
    state = [torch.zeros(2)]

    def lap():
        state[0] = (state[0] * 0.9 + w * 0.1).data
        w.grad = None
        ((w * 3 - state[0]) ** 2).sum().backward()
        with torch.no_grad():
            w.sub_(w.grad * 0.1)

    assert new_positions(fresh, lap) == 0
    kept = w * 2
    seen = kept.data
    seen.sum().item()
    (seen * 1).sum().item()
    kept.sum().backward()
    assert w.grad is not None
