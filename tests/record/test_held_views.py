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
