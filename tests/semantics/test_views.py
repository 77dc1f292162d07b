"""Views and writes: aliases of aliases, writes with and without gradients, versions, memory shared with NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from tests.semantics.oracle import attempt, same

PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


@program
def write_through_a_view_of_a_view(torch):
    x = torch.arange(24.0).reshape(2, 3, 4)
    row = x[1][:, 1:][2]
    row[0] = -1
    row += 10
    x[1, 2, 3] = 7
    return x, row


@program
def base_written_after_the_view(torch):
    x = torch.arange(6.0).view(2, 3)
    a, b, c = x[0], x.t(), x.reshape(-1)[2:5]
    x.mul_(2)
    x[0, 1] = 100
    return a, b, c, x


@program
def view_written_after_the_base_was_used(torch):
    x = torch.ones(3)
    before = x + 1
    x[1:].zero_()
    return before, x, x + 1


@program
def overlapping_views(torch):
    x = torch.arange(6.0)
    a, b = x[0:4], x[2:6]
    a += 1
    b *= 10
    a[3] = 5
    return a, b, x


@program
def a_view_onto_itself(torch):
    x = torch.arange(6.0)
    x[1:] += x[:-1].clone()
    x[:3] = x[3:]
    return x


@program
def swapped_rows(torch):
    x = torch.arange(6.0).view(3, 2)
    x[[0, 2]] = x[[2, 0]]
    first = x[0].clone()
    x[0] = x[1]
    x[1] = first
    return x


@program
def transposed_permuted_expanded(torch):
    x = torch.zeros(2, 3)
    x.t()[1] = torch.tensor([1.0, 2.0])
    x.permute(1, 0)[2, 0] = 3
    x.unsqueeze(1).squeeze(1)[0, 0] = 4
    x.view(3, 2)[2] = 9
    x.diagonal().add_(1)
    x.flatten()[4] = -5
    wide = x[:, :1].expand(2, 4)
    x[0, 0] = 11
    return x, wide, attempt(lambda: wide.add_(1))


@program
def reshape_copies_or_not(torch):
    x = torch.arange(6.0).view(2, 3)
    x.reshape(3, 2)[0, 0] = 100
    x.t().reshape(6)[1] = -100
    x.contiguous()[0, 1] = 50
    x.t().contiguous()[0, 0] = -1
    x.clone()[0] = 0
    x.flatten()[5] = 8
    return x


@program
def steps_in_slices(torch):
    x = torch.arange(10.0)
    x[::3] = -1
    x[1::2] *= 2
    every = x[::2]
    every[1:3] = 0
    return x, every


@program
def chunks_and_unbind(torch):
    x = torch.arange(12.0).view(3, 4)
    left, right = x.chunk(2, dim=1)
    left.zero_()
    for i, row in enumerate(x):
        row += i
    for column in x.unbind(1):
        column[0] = 42
    first, *_ = x.split(1)
    first[0, 3] = 5
    return x, right


@program
def loops_over_indices(torch):
    x = torch.zeros(4, 4)
    for i in range(4):
        for j in range(4):
            x[i, j] = i * 4 + j
    total = torch.zeros(())
    for i in range(4):
        total += x[i, 3 - i]
    return x, total


@program
def moving_windows(torch):
    x = torch.arange(10.0)
    out = []
    for i in range(0, 10, 4):
        part = x[i : i + 4]
        part += i
        out.append(part.sum().item())
    return out, x


@program
def gradients_through_parts(torch):
    x = torch.arange(6.0).view(2, 3).requires_grad_()
    y = (x[0] * x[1]).sum() + x[:, 1:].prod() + x.t()[2, 0]
    y.backward()
    return y, x.grad


@program
def gradients_through_a_write(torch):
    x = torch.arange(4.0, requires_grad=True)
    v = torch.tensor([5.0, 6.0], requires_grad=True)
    y = x * 2
    y[1:3] = v * 3
    y[0] *= 4
    z = (y * y).sum()
    z.backward()
    return y, x.grad, v.grad


@program
def gradients_through_writes_to_views(torch):
    x = torch.ones(2, 3, requires_grad=True)
    y = x * 1
    row = y[0]
    row.mul_(3)
    corner = y.t()[2]
    corner.add_(row[0] * 2)
    y.sum().backward()
    return y, row, corner, x.grad


@program
def gradients_of_a_view_taken_before_a_write(torch):
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    part = y[1:]
    y.mul_(5)
    (part.sum() + y[0]).backward()
    return part, x.grad


@program
def gradients_through_an_index_write(torch):
    x = torch.arange(4.0, requires_grad=True)
    y = torch.zeros(3)
    y[torch.tensor([0, 2])] = x[1:3] * 2
    y[y > 3] = 1.5
    (y * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    return y, x.grad


@program
def a_buffer_that_collects_results(torch):
    w = torch.tensor(2.0, requires_grad=True)
    out = torch.zeros(3)
    for i in range(3):
        out[i] = w**i
    out.sum().backward()
    return out, w.grad, out.requires_grad


@program
def leaf_writes_are_refused(torch):
    x = torch.ones(3, requires_grad=True)
    found = [
        attempt(lambda: x.add_(1)),
        attempt(lambda: x.__setitem__(0, 1)),
        attempt(lambda: x[0:2].zero_()),
        attempt(lambda: x.view(3, 1).mul_(2)),
    ]
    with torch.no_grad():
        x[0] = 5
        x[1:].mul_(3)
    return found, x, x.is_leaf


@program
def a_view_made_a_leaf(torch):
    x = torch.arange(4.0).view(2, 2).requires_grad_()
    for _ in range(2):
        (x * x).sum().backward()
        with torch.no_grad():
            x -= 0.25 * x.grad
            x.grad.zero_()
    return x, x.grad, x.is_leaf


@program
def detach_and_data_share_memory(torch):
    x = torch.ones(3, requires_grad=True)
    y = (x * x).sum()
    x.detach()[0] = 5
    x.data[1] = 6
    d = x.detach()
    d.mul_(2)
    return x, d, d.requires_grad, attempt(lambda: y.backward() or x.grad)[0]


@program
def data_replaced(torch):
    w = torch.ones(3, requires_grad=True)
    old, new = w.detach(), torch.arange(3.0)
    w.data = new
    new[0] = 9
    w.data[1] = 7
    (w * w).sum().backward()
    w.data -= 0.5 * w.grad
    return w, new, old, w.grad, attempt(lambda: setattr(w, "data", 3))


@program
def versions(torch):
    x = torch.zeros(4)
    v = x[1:]
    counts = [x._version]
    x.add_(1)
    counts.append((x._version, v._version))
    v.mul_(2)
    x[0] = 1
    x.detach()[1] = 3
    counts.append((x._version, v._version))
    return counts


@program
def writes_that_are_not_recorded(torch):
    found = []
    for how in ("no_grad", "detach", "data", "view"):
        x = torch.ones(3, requires_grad=True)
        y = x * 2
        with torch.no_grad():
            part = {"no_grad": y, "detach": y.detach(), "data": y.data, "view": y.view(3, 1)}[how]
            part[0] = 5
        (y * y).sum().backward()
        found.append((y, x.grad, y._version))
    return found


@program
def data_is_written_without_notice(torch):
    x = torch.ones(3, requires_grad=True)
    y = x.exp()
    y.data[0] = 5
    x.data.mul_(2)
    y.sum().backward()
    return y, x, x._version, y._version, x.grad


@program
def a_needed_value_overwritten(torch):
    x = torch.ones(3, requires_grad=True)
    y = x.exp()
    y[0] = 5
    return attempt(lambda: y.sum().backward())


@program
def shape_changed_in_place(torch):
    x = torch.arange(6.0).view(2, 3)
    row = x[0]
    x.t_()
    row[1] = 50
    x[2, 1] = -1
    x.unsqueeze_(0).squeeze_()
    y = torch.arange(4.0)
    z = torch.ones(2)
    y.set_(z)
    z[0] = 5
    y[1] = 6
    return x, row, x.stride(), y, z


@program
def detach_in_place(torch):
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.detach_()
    z = (y * 3).requires_grad
    return y.requires_grad, y.is_leaf, z, attempt(lambda: (x * 2)[0].detach_())


@program
def views_are_views_of_the_base(torch):
    x = torch.ones(2, 2)
    return x[0]._base is x, x.t()._base is x, x.clone()._base is None, x[0].view(1, 2).shape


@program
def arrays_see_writes(torch):
    x = torch.arange(6.0)
    array = x.numpy()
    x[0] = 10
    found = [array.tolist()]
    array[1] = 20
    found.append(x.tolist())
    x[2:4].mul_(2)
    x.view(2, 3)[1, 2] = -1
    found.append(array.tolist())
    part = x[3:].numpy()
    part[0] = 99
    x += 1
    found.append((array.tolist(), part.tolist(), x.tolist()))
    return found


@program
def tensors_see_arrays(torch):
    array = np.arange(6.0).reshape(2, 3)
    x = torch.from_numpy(array)
    row, column = x[0], x.t()[1]
    array[0, 1] = 50
    found = [row.tolist(), column.tolist(), (x * 2).tolist()]
    row += 1
    column.zero_()
    found.append(array.tolist())
    array *= 2
    found.append((x.sum().item(), row.tolist()))
    y = torch.as_tensor(array)
    y[1] = -1
    found.append((array.tolist(), x.tolist()))
    z = torch.tensor(array)
    z[0] = 7
    found.append(array.tolist())
    return found


@program
def an_array_in_a_loop(torch):
    array = np.zeros(3)
    x = torch.from_numpy(array)
    seen = []
    for i in range(4):
        array += i
        seen.append((x * 10).sum().item())
        x[i % 3] += 0.5
    return seen, array.tolist()


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_pytorch(name):
    same(PROGRAMS[name])


def test_a_loop_over_places_stays_on_its_path():
    import alight as torch
    from alight.record.recorder import thread

    x = torch.arange(1000.0)
    recorder = thread.recorder
    for i in range(200):
        (x[i] + x[2 * i : 2 * i + 5].sum()).item()
        if i == 20:
            positions = recorder.positions
    assert recorder.positions == positions


WRITTEN_LATER = {
    "view": "y.view(6, 4)",
    "view of a view": "y.transpose(0, 1).transpose(0, 1).view(-1)",
    "split": "y.split(2)[1]",
    "unbind": "y.unbind(1)[2]",
    "part of a split": "y.split([1, 3])[1].t()",
    "reshape": "y.reshape(2, 12)",
}
WRITES = {
    "add_": "y.add_(1)",
    "through an index": "y[1] = 7",
    "through another view": "y.view(-1)[3:9].mul_(2)",
    "twice": "y.mul_(3), y[:, 1].zero_()",
    "optimizer": "step(y)",
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("make", WRITTEN_LATER)
@pytest.mark.parametrize("flushed", [False, True], ids=["pending", "flushed"])
def test_views_show_what_is_written_later(make, write, flushed):
    """A view held by its name alone, made in the segment that writes or in an earlier one, on new and on known paths."""
    import torch as rival

    import alight

    def run(library):
        seen = []

        def step(y):
            y.grad = library.full_like(y, 2.0)
            library.optim.SGD([y], lr=0.5).step()

        for _ in range(4):
            y = library.arange(24.0).reshape(4, 6) + 1
            scope = {"y": y, "step": step}
            view = eval(WRITTEN_LATER[make], scope)
            other = y * 2
            if flushed:
                seen.append(other.sum().item())
            exec(WRITES[write], scope)
            doubled = view * 2
            y.sub_(5)
            seen.append([view.tolist(), doubled.tolist(), y.tolist(), other.tolist()])
        return seen

    assert run(alight) == run(rival)
