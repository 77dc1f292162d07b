"""How many Python functions a call on a known path goes through: the short ways stay short."""

import gc
import sys

import pytest
import torch as rival

import alight as torch
from alight.record.recorder import thread

a, b, v = torch.ones(8, 16), torch.ones(8, 16), torch.ones(16)
x = torch.ones(2, 8, 16)

# (what, function, the most Python functions that it calls, its own among them)
ROWS = [
    ("a + b", lambda: a + b, 2),
    ("a.t()", lambda: a.t(), 2),
    ("a.view(-1)", lambda: a.view(-1), 2),
    ("x.transpose(1, 2)", lambda: x.transpose(1, 2), 2),
    ("a.unsqueeze(1)", lambda: a.unsqueeze(1), 2),
    ("a.max(dim=1)", lambda: a.max(dim=1), 9),
    ("a.add_(b)", lambda: a.add_(b), 2),
    ("a[0]", lambda: a[0], 5),
    ("a[1:3]", lambda: a[1:3], 5),
    ("x[:, -1, 2]", lambda: x[:, -1, 2], 5),
    ("a.unbind()", lambda: a.unbind(), 8),
    ("a.split(4)", lambda: a.split(4), 5),
]


def calls(function):
    """Python functions that are called until `function` returns."""
    count = 0

    def watch(frame, event, argument):
        nonlocal count
        count += event == "call"

    gc.collect()
    gc.disable()  # what it ends may call functions
    sys.setprofile(watch)
    try:
        function()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


@pytest.mark.parametrize(("function", "most"), [row[1:] for row in ROWS], ids=[r[0] for r in ROWS])
def test_a_known_call_goes_through_few_functions(function, most):
    for _ in range(2):  # each segment takes the same path
        function(), function()
        torch.zeros(1).item()
    function()  # the tensors enter
    assert calls(function) <= most


def test_parts_of_something_pending_take_one_step():
    recorder = thread.recorder
    for _ in range(2):
        y = torch.ones(6, 4, requires_grad=True) * 2
        before = recorder.here.depth
        parts = [*y.unbind(), *y.split(2), *y.split([1, 3], dim=1), *y.chunk(2)]
        assert recorder.here.depth == before + 4
        sum((i + 1.0) * part.sum() for i, part in enumerate(parts)).backward()


def test_parts_of_data_take_a_step_each_when_they_are_used():
    x = torch.ones(6, 4)
    thread.recorder.flush("begin")
    parts = x.unbind()
    assert thread.recorder.here.depth == 0
    parts[1] + parts[2]
    assert thread.recorder.here.depth == 4  # the tensor, two parts, the sum


PARTS = """
y.unbind()
y.unbind(1)
y.unbind(-1)
y.split(2)
y.split(4)
y.split([1, 5])
y.split((3, 0, 1), dim=1)
y.chunk(4)
y[1:3].unbind()
y.t().unbind()
"""


@pytest.mark.parametrize("text", PARTS.strip().splitlines())
def test_parts_of_something_pending_are_pytorchs(text):
    def seen(torch):
        x = torch.arange(24.0).reshape(6, 4).requires_grad_()
        results = []
        for _ in range(3):  # new, and on a known path
            y = x * 2
            parts = eval(text, {"y": y})
            kept = parts[-1]
            loss = sum((i + 1) * (part * part).sum() for i, part in enumerate(parts))
            results.append([part.grad_fn.name() for part in parts])
            results.append([part.stride() for part in parts])
            results.append([part.output_nr for part in parts])
            (gradient,) = torch.autograd.grad(loss, x)
            results.append(gradient.tolist())
            results.append(kept.tolist())
            y = x.detach() * 2  # written afterwards
            parts = eval(text, {"y": y})
            y += 1
            results.append([(part + 1).tolist() for part in parts])
            parts[0].mul_(3)
            results.append(y.tolist())
        return results

    assert seen(torch) == seen(rival)


def test_writes_to_parts_of_something_pending_are_refused_as_in_pytorch():
    def seen(torch):
        messages = []
        for _ in range(2):
            y = torch.ones(3, 2, requires_grad=True) * 2
            for part in (y.unbind()[1], y.split(1)[2]):
                with pytest.raises(RuntimeError) as caught:
                    part.add_(1)
                messages.append(str(caught.value).split("\n")[0])
        return messages

    assert seen(torch) == seen(rival)


@pytest.mark.parametrize("equal", [(0, 1.0), (False, True)], ids=str)
def test_a_tuple_that_equals_a_known_one_is_another_argument(equal):
    ones = torch.ones(8, 16)

    def total(axes):
        return ones.sum(axes).item()

    assert [total((0, 1)) for _ in range(3)] == [128.0] * 3
    with pytest.raises(TypeError):
        total(equal)
