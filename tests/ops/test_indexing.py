"""x[...] read and written, gather and scatter and their kin, masks: values, strides, gradients, errors."""

from __future__ import annotations

import pytest
import torch as rival

import alight
from tests.ops.rows import agree

READS = """
x[0]
x[-1]
x[1, 2]
x[1, -1]
x[:, 1]
x[0:2]
x[1:]
x[:-1]
x[:, 1:3]
x[::2]
x[:, 1::2]
x[5:]
x[2:1]
x[-2:]
x[0:100]
x[...]
x[:]
x[..., 0]
x[0, ...]
b[..., 1]
b[1, ..., 1]
b[:, None, 1]
x[None]
x[None, ..., None]
x[:, None]
x[None, 1]
v[1:3][1]
x[1:][:, 1:][0]
b[1][2][3]
x[True]
x[False]
x[True, 0]
x[None, True]
x[[0, 2]]
x[[0, 2], [1, 3]]
x[[[0, 1], [2, 0]]]
x[[0, slice(1, 2)]]
x[(0, slice(1, 2))]
x[j]
x[j, j]
x[:, j]
x[..., j]
x[j, 1]
x[1, j]
x[1:, j]
x[j, 1:3]
x[j[:, None], j]
x[torch.tensor([[0, 1], [1, 2]])]
x[torch.tensor([-1, -3])]
x[torch.tensor(1)]
x[torch.tensor(1), 2]
x[:, torch.tensor(-1)]
x[torch.tensor(1):torch.tensor(3)]
x[torch.tensor([0, 1], dtype=torch.int32)]
b[0, :, j]
b[:, 0, j]
b[:, j, 0]
b[[0, 1], :, [1, 2]]
b[[0, 1], 0, [1, 2]]
b[[0, 1], [1, 2]]
b[:, [0, 1], [1, 2]]
b[0, [0, 1], [1, 2]]
b[[[0], [1]], :, [1, 2]]
b[None, [0, 1], None]
b[[0, 1], None, [1, 2]]
b[..., [1, 2]]
b[:, j, None]
x[m]
x[m[:, 0]]
x[:, m[0]]
x[m[:, 0], 1]
x[m[:, 0], [1, 2]]
x[x > 5]
b[b[0, 0] > 1.0]
b[:, m]
x[m.tolist()]
x[[True, False, True]]
x[torch.tensor(True)]
x[torch.tensor(False)]
x[range(2)]
x[range(3), j]
x[torch.tensor([], dtype=torch.int64)]
x[[]]
e[0:0]
e[torch.tensor([], dtype=torch.int64)]
x[torch.tensor([1, 0], dtype=torch.uint8).bool().tolist()]
s[None]
s[...]
s[()]
s[True]
x[()]
s[0]
s[0, 0]
x[5]
x[0, 0, 0]
x[-4]
x[:, 9]
x[1.5]
x['a']
x[torch.tensor(1.0)]
x[torch.tensor([True, False])]
x[::-1]
x[::0]
x[[0, 1], [0, 1, 2]]
x[[0, 1], [0, 1], [0, 1]]
x[m, 0]
x[0][1]
x[j][j]
x[m][0]
x.t()[1]
x.t()[1:3].stride()
v[None, :].expand(3, 4)[1]
"""

WRITES = """
x[0] = 7
x[0] = v
x[:, 1] = 0
x[1:3] = -1
x[0:2, 1:3] = v[:2]
x[::2] = 5
x[:, ::2] = v[:2]
x[...] = 2
x[:] = v
x[...] = s
x[0, 0] = s
x[0] = v[None, None]
x[j] = v
x[j, j] = 5
x[j, j] = v[:3]
x[[0, 1]] = x[[1, 2]]
x[:, [0, 2]] = 9
x[0, [0, 2]] = v[:2]
x[1:, [0, 2]] = v[:2]
b[:, [0, 1], :] = v
b[0, :, [0, 1]] = torch.ones(2, 3)
x[m] = 0
x[m] = s
x[x > 5] = 0.5
x[m] = torch.arange(6.)
x[m] = torch.arange(5.)
x[m[:, 0]] = v
x[:, m[0]] = -2
x[m[:, 0], 1] = -2
x[torch.tensor(1)] = 4
x[None] = 3
x[True] = 3
x[False] = 3
x[[True, False, True]] = v
x[torch.tensor([-1])] = 0
x[torch.tensor([0, 0])] = torch.ones(2, 4)
x[0] = [1., 2., 3., 4.]
x[0] = (1, 2, 3, 4)
x[:, 0] = i[:, 1]
i[0] = v
i[0] = 2.7
i[m] = 2
i[j] = 3.9
x[j] = i[:3]
m[0] = True
m[0] = 2
m[j, 0] = True
x[0] = torch.zeros(3)
x[:] = torch.zeros(2, 4)
x[j] = torch.zeros(2)
x[j, 0:2] = torch.zeros(3, 3)
x[5] = 0
x[0, 0, 0] = 0
x[m[:2]] = 0
s[...] = 1
s[()] = 4
e[:] = 1
x[0:0] = 1
x.t()[0] = 5
x.diagonal()[:] = 0
x.view(-1)[3:5] = 0
x[1:][0] = 8
x[:, 1:][:, 0] = v[:3]
x.unfold(1, 2, 2)[0, 0] = 3
x[1].view(2, 2)[0] = 6
i.unbind()[1].mul_(2)
i.split(2)[0].zero_()
x.select(1, 1).fill_(3)
x.narrow(0, 1, 1).add_(1)
x.as_strided((2,), (5,)).zero_()
x.index_put_((j, j), v[:3])
x.index_put_((j, torch.tensor([0, 0, 0])), s, accumulate=True)
x.index_put_((m,), s)
x.index_put((torch.tensor([0, 0]),), v, accumulate=True)
"""

BY_INDEX = """
x.gather(0, j[None])
x.gather(1, torch.tensor([[0, 0], [3, 1], [2, 2]]))
x.gather(1, torch.tensor([[0, 1]]))
torch.gather(v, 0, j)
s.gather(0, torch.tensor(0))
x.gather(0, torch.tensor([[0.0]]))
x.gather(0, j)
x.gather(1, torch.zeros(4, 1, dtype=torch.int64))
x.gather(5, j[None])
x.scatter(0, j[None], 5.0)
x.scatter(1, torch.tensor([[0], [3], [2]]), v[:3, None])
x.scatter(0, j[None], v[None])
x.scatter(0, torch.tensor([[0, 1, 2, 0]]), b[0])
x.scatter(0, j[None], s.item(), reduce='add')
x.scatter(0, j[None], 2.0, reduce='multiply')
x.scatter(1, j[None], i[:1])
x.scatter(0, j[None], value=1)
x.scatter_add(0, torch.tensor([[0, 0, 1, 1]]), v[None])
x.scatter_add(1, torch.tensor([[0, 0], [1, 1]]), b[0, :2])
x.scatter_add(1, torch.tensor([[0, 0], [1, 1]]), v[None])
v.scatter_reduce(0, torch.tensor([0, 0, 1]), x[0, :3], 'sum')
v.scatter_reduce(0, torch.tensor([0, 0, 1]), x[0, :3], 'prod')
v.scatter_reduce(0, torch.tensor([0, 0, 1]), x[0, :3], 'amax')
v.scatter_reduce(0, torch.tensor([0, 0, 1]), x[0, :3], 'amin', include_self=False)
v.scatter_reduce(0, torch.tensor([0, 0, 1]), x[0, :3], 'mean')
v.scatter_reduce(0, torch.tensor([0, 0, 1]), x[0, :3], 'mean', include_self=False)
v.scatter_reduce(0, torch.tensor([0, 0, 1]), x[0, :3], 'sum', include_self=False)
i[0].scatter_reduce(0, torch.tensor([0, 0, 1]), i[2, :3], 'mean')
v.scatter_reduce(0, torch.tensor([0, 0, 1]), x[0, :3], 'bad')
x.index_select(0, j)
x.index_select(1, torch.tensor([3, 3]))
torch.index_select(x, 0, torch.tensor(1))
s.index_select(0, torch.tensor([0]))
x.index_select(0, j.float())
x.index_select(0, j[None])
x.index_add(0, j, b[0])
x.index_add(1, torch.tensor([0, 0]), x[:, 2:])
x.index_add(0, j, b[0], alpha=2.5)
i.index_add(0, j, i, alpha=2)
x.index_add(0, j, i)
x.index_copy(0, j, b[0])
x.index_copy(0, torch.tensor([1]), v[None])
x.index_fill(0, torch.tensor([0, 2]), -1)
x.index_fill(1, torch.tensor([-1]), s)
x.index_fill(0, torch.tensor([0]), v)
x.index_reduce(0, torch.tensor([0, 0, 1]), b[0], 'prod')
x.index_reduce(0, torch.tensor([0, 0, 1]), b[0], 'amax', include_self=False)
x.take(torch.tensor([0, 5, -1]))
torch.take(x, torch.tensor([[0], [1]]))
x.take(j.int())
x.put(torch.tensor([0, 5]), v[:2])
x.put(torch.tensor([0, 0]), v[:2], accumulate=True)
x.put(torch.tensor([0, 0]), v)
x.take_along_dim(torch.tensor([[0, 1]]), 1)
x.take_along_dim(torch.tensor([5]))
x.masked_fill(m, 0.5)
x.masked_fill(m, s)
v.masked_fill(m, 1)
x.masked_fill(m[0], -float('inf'))
i.masked_fill(m, 2)
i.masked_fill(m, 2.5)
x.masked_fill(m, v)
x.masked_fill(x, 1.)
x.masked_select(m)
torch.masked_select(x, m[0])
x.masked_select(x > 3)
x.masked_scatter(m, b[0])
x.masked_scatter(m[0], b)
m.nonzero()
torch.nonzero(m)
m.nonzero(as_tuple=True)
torch.nonzero(i, as_tuple=True)
torch.argwhere(m)
s.nonzero()
torch.where(m)
torch.where(m, x, v)
torch.where(m, 1.0, x)
torch.nn.functional.one_hot(j)
torch.nn.functional.one_hot(j, 5)
x.select_scatter(v, 0, 1)
x.slice_scatter(v[None], 0, 1, 2)
x.slice_scatter(b[0, :, :2], 1, 0, 4, 2)
torch.diagonal_scatter(x, v[:3])
torch.tril_indices(3, 3)
torch.triu_indices(3, 4, 1)
torch.tril_indices(2, 3, -1)
x[0].tolist()
"""

IN_PLACE = """
x.scatter_(0, j[None], 5.0)
x.scatter_add_(0, j[None], v[None, :3])
x.index_add_(0, j, b[0])
x.index_copy_(0, j, b[0])
x.index_fill_(0, j, 2.5)
x.masked_fill_(m, 3)
x.masked_scatter_(m, b[0])
x.put_(torch.tensor([0, 5]), v[:2])
x.fill_(2)
x.fill_(s)
x.fill_(v)
x.zero_()
x.copy_(v)
x.copy_(i)
i.copy_(x)
x.copy_(torch.zeros(5))
x.tril_()
x.triu_(1)
x.squeeze_()
x.unsqueeze_(0)
x.t_()
x.transpose_(0, 1)
x.swapaxes_(0, 1)
x.squeeze_(0)
v.resize_(2)
v.resize_(4).sum()
v.resize_(2, 2)
v.resize_as_(x[0])
v.fill_diagonal_(1)
x.fill_diagonal_(1)
"""


@pytest.mark.parametrize("program", READS.strip().splitlines())
def test_read(program):
    agree(program)


@pytest.mark.parametrize("program", WRITES.strip().splitlines())
def test_write(program):
    target = program.split("[")[0].split(".")[0]
    agree(
        f"{target} = {target} * 1 if {target}.is_floating_point() else {target}; {program}; {target}"
    )


@pytest.mark.parametrize("program", BY_INDEX.strip().splitlines())
def test_by_index(program):
    agree(program)


@pytest.mark.parametrize("program", IN_PLACE.strip().splitlines())
def test_in_place(program):
    target = program.split(".")[0]
    agree(
        f"{target} = {target}.clone(); {program}; ({target}, {target}._version)",
        grad="resize" not in program,
    )


# -- an index of a form that was seen before --------------------------------------------------------------------------

AGAIN = [
    ("x[i]", [0, 2, -1, 3, -4, 1]),
    ("x[i, 1]", [0, 2, -1, 3, 1]),
    ("x[1:i]", [3, 2, 1, 0, 100, -1, 3]),
    ("x[i:i + 2]", [0, 1, 2, 3, -2, 100, 0]),
    ("x[i:3]", [0, 3, 4, -1, 1]),
    ("x[..., i:i + 1]", [0, 3, 4, -1, 2]),
    ("x[None, i, None]", [0, 2, 3, -3]),
    ("x[i:i]", [0, 5, -1]),
    ("x[True, i]", [0, 1, 7]),
    ("x[i::2]", [0, 1, 2, 9]),
    ("x[:, i][0]", [0, 3, 4, -4, -5]),
    ("x.split(i, 1)[-1]", [3, 1, 4, 3]),
    ("x.split([i, 4 - i], dim=-1)[0]", [3, 1, 4, 0]),
    ("x.unbind(i)[0]", [0, 1, -1, 2, 0]),
]


@pytest.mark.parametrize(("text", "places"), AGAIN, ids=[text for text, _ in AGAIN])
def test_one_form_of_an_index_at_many_places(text, places):
    def taken(torch):
        x, results = torch.arange(12.0).reshape(3, 4), []
        for place in places:
            try:
                part = eval(text, {"x": x, "i": place})
                results.append((part.tolist(), part.stride(), tuple(part.shape)))
            except (IndexError, RuntimeError) as error:
                results.append((type(error), str(error).split("\n")[0]))
        return results

    assert taken(alight) == taken(rival)


def test_a_known_index_keeps_gradients_apart_from_none():
    x = alight.ones(3, requires_grad=True)
    for _ in range(2):
        with alight.no_grad():
            assert not x[1].requires_grad
        assert x[1].requires_grad
        assert [one.requires_grad for one in x.unbind()] == [True] * 3
