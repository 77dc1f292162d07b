"""How many Python functions a call on a known path goes through: the short ways stay short."""

import sys

import pytest

import alight as torch

a, b, v = torch.ones(8, 16), torch.ones(8, 16), torch.ones(16)
x = torch.ones(2, 8, 16)

# (what, function, the most Python functions that it calls, its own among them)
ROWS = [
    ("a + b", lambda: a + b, 2),
    ("a.t()", lambda: a.t(), 3),
    ("a.view(-1)", lambda: a.view(-1), 3),
    ("x.transpose(1, 2)", lambda: x.transpose(1, 2), 3),
    ("a.unsqueeze(1)", lambda: a.unsqueeze(1), 3),
    ("a.max(dim=1)", lambda: a.max(dim=1), 9),
    ("a.add_(b)", lambda: a.add_(b), 2),
    ("a[0]", lambda: a[0], 5),
    ("a[1:3]", lambda: a[1:3], 5),
    ("x[:, -1, 2]", lambda: x[:, -1, 2], 5),
    ("a.unbind()", lambda: a.unbind(), 5),
    ("a.split(4)", lambda: a.split(4), 5),
]


def calls(function):
    """Python functions that are called until `function` returns."""
    count = 0

    def watch(frame, event, argument):
        nonlocal count
        count += event == "call"

    sys.setprofile(watch)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(("function", "most"), [row[1:] for row in ROWS], ids=[r[0] for r in ROWS])
def test_a_known_call_goes_through_few_functions(function, most):
    for _ in range(2):  # each segment takes the same path
        function(), function()
        torch.zeros(1).item()
    function()  # the tensors enter
    assert calls(function) <= most
