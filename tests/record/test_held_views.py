"""What is stored at a flush: what somebody holds, itself or through a view, and not what only dead views show."""

from __future__ import annotations

import itertools

import pytest

import alight as torch
from docs.listings import flushes

KEEP = ("nothing", "base", "view", "view of it", "another", "all")


def step(keep, x):
    """A flush with a tensor and its views; returns those that are kept."""
    base = x * 2
    view = base[1:]
    inner = view.t()
    first, _ = base.split(2)
    total = inner.sum()
    held = {
        "nothing": [], "base": [base], "view": [view], "view of it": [inner], "another": [first],
        "all": [base, view, inner, first],
    }[keep]  # fmt: skip
    del base, view, inner, first, _
    total.item()
    return held


def expected(keep, x):
    base = [[2 * v for v in row] for row in x]
    turned = [list(column) for column in zip(*base[1:], strict=True)]
    found = {"base": base, "view": base[1:], "view of it": turned, "another": base[:2]}
    return [*found.values()] if keep == "all" else [found[keep]] if keep in found else []


@pytest.mark.parametrize("order", [*itertools.permutations(KEEP, 2)], ids="-".join)
def test_views_that_are_held_at_some_flushes_only(order):
    x = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0], [10.0, 11.0, 12.0]]
    given = torch.tensor(x)
    for keep in (*order, *order, order[1], order[0]):
        held = step(keep, given)
        assert [one.tolist() for one in held] == expected(keep, x)


def test_dead_views_do_not_keep_what_they_view():
    given = torch.tensor([[1.0] * 6] * 4)
    for _ in range(3):
        with flushes() as log:
            a, b = (given + 1).split(3, dim=1)
            total = (a.t() @ b).view(-1)[2:].sum()
            del a, b
            total.item()
        (program,) = log
        assert len(program.outputs) == 1


def test_a_view_written_after_its_base_is_held_no_more():
    given = torch.ones(3, 2)
    for n in range(4):
        view = (given * 3)[1]
        view += n
        kept = view if n % 2 else None
        del view
        (given + n).sum().item()
        if kept is not None:
            assert kept.tolist() == [3.0 + n] * 2


def written_with_gradients(x, w):
    y = x @ w
    y += 1
    y = y.relu()
    w.grad = None
    y.sum().backward()
    return w.grad.sum().item()


def written_several_times(x, w):
    y = (x @ w).detach()
    y += 1
    y *= 2
    y[y > 0] = -1
    y = y + 0
    return y.sum().item()


def written_through_views(x, w):
    y = (x @ w).detach()
    v = y.reshape(-1)
    v[v > 0] = -1
    v += 1
    y = v.reshape(3, 2) * 2
    del v
    return y.sum().item()


@pytest.mark.parametrize(
    "lap", [written_with_gradients, written_several_times, written_through_views]
)
def test_a_known_path_is_not_planned_again_for_what_was_written_and_died(lap, monkeypatch):
    x, w = torch.ones(3, 2), torch.ones(2, 2, requires_grad=True)
    first = [lap(x, w) for _ in range(3)]

    def planned(*given):
        raise AssertionError("planned again")

    monkeypatch.setattr("alight.record.flush._plan_again", planned)
    assert [lap(x, w) for _ in range(3)] == first


def test_views_made_for_one_write_are_not_told_of_later_ones():
    y = torch.zeros(3, 4)
    held, row = y[1], y[2][1:]
    for i in range(3):
        for j in range(4):
            y[i, j] = torch.tensor(float(4 * i + j)) * 2 + 1
    assert len([ref for ref in y._views if ref() is not None]) == 3  # held, row and what row views
    assert held.tolist() == [9.0, 11.0, 13.0, 15.0]
    assert row.tolist() == [19.0, 21.0, 23.0]
    w = torch.ones(2, requires_grad=True)
    y[0, 1:3] = w * 5
    y[0][0] = 7.0
    (held.sum() + y[0].sum()).backward()
    assert w.grad.tolist() == [5.0, 5.0]
    assert y[0].tolist() == [7.0, 5.0, 5.0, 7.0]
