"""`x.view(dtype)`: the bytes as another dtype, with PyTorch's errors
writes go through."""

import pytest

from tests.semantics.oracle import attempt, same

CASES = """
x.view(torch.uint8)
x.view(torch.uint8).stride()
x.view(torch.float64)
torch.tensor(1.).view(torch.uint8)
torch.tensor(1).view(torch.float64)
torch.tensor(1.).view(torch.int32)
x.t().view(torch.int16)
x.t().view(torch.int32)
x[:, ::2].view(torch.float64)
y[1:9].view(torch.float32)
y[4:12].view(torch.int32)
y[4:12].view(torch.int32).storage_offset()
y[4:12].view(torch.int32).stride()
y[:6].view(torch.int32)
y.reshape(2,8).t().view(torch.int32)
z.view(torch.int32)
torch.zeros(8,8,dtype=torch.uint8)[:, :4].view(torch.int32).stride()
r.view(torch.int16).requires_grad
r.view(torch.int16).is_leaf
torch.ones(2,3,dtype=torch.complex64).view(torch.float32)
torch.ones(2,4).view(torch.complex64)
torch.zeros(0,3).view(torch.uint8).shape
torch.zeros(3,0).view(torch.float64).shape
torch.zeros(2,1)[:, :1].view(torch.uint8).shape
torch.zeros(4,1,dtype=torch.uint8).expand(4,4).view(torch.int32)
r.view(torch.uint8).add_(1)
(r*1).view(torch.int32).add_(1)
torch.arange(4,dtype=torch.int64).view(torch.int32)[::2]
torch.tensor([1.5,2,3,4],dtype=torch.bfloat16).view(torch.int16)
torch.tensor([1.5,2,3,4],dtype=torch.bfloat16).view(torch.uint8)
torch.arange(1,9,dtype=torch.uint8).view(torch.bfloat16)
torch.tensor([1.5,2,3,4],dtype=torch.float16).view(torch.bfloat16)
torch.tensor([1.5,2,3,4],dtype=torch.float16).view(torch.int64)
torch.tensor([True,False,True,False]).view(torch.int32)
x.view('a')
torch.arange(10,dtype=torch.int16)[2:][2:].view(torch.int64)
torch.arange(10,dtype=torch.int16)[1:][2:].view(torch.int64)
x.view(dtype=torch.int32).shape
torch.randn(4).view(torch.int32).view(torch.float32).shape
"""
PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


@pytest.mark.parametrize("case", CASES.strip().split("\n"))
def test_case(case):
    def run(torch):
        names = {
            "torch": torch,
            "x": torch.arange(6.0).reshape(2, 3),
            "y": torch.arange(16, dtype=torch.uint8),
            "z": torch.zeros(3, 6, dtype=torch.uint8)[:, :4],
            "r": torch.arange(6.0).reshape(2, 3).requires_grad_(),
        }
        return attempt(lambda: eval(case, names))

    same(run)


@program
def writes(torch):
    w = torch.zeros(4)
    v = w.view(torch.int16)
    v[0] = 5
    w.view(torch.float64)[1] = 2.5
    u = w.view(torch.uint8)
    w[0] = 1.0
    u[3] = 64
    return w, v, u, w._version, u._version, w.view(torch.int64), w.sum()


@program
def numpy_(torch):
    w = torch.zeros(4)
    a = w.view(torch.uint8).numpy()
    a[3] = 64
    w[1] = 1
    return w, a.tolist()


@program
def offs(torch):
    y = torch.arange(16, dtype=torch.uint8)
    out = []
    for i in range(12):
        out.append(attempt(lambda i=i: y[i : i + 4].view(torch.int32)))
    return out


@program
def tiers(torch):
    out = []
    for i in range(6):
        x = torch.arange(8.0) * i
        out.append(
            (x.view(torch.int32) >> 3).view(torch.uint8).float().sum()
            + x.view(torch.float64).view(torch.float32).sum()
        )
    return out


@program
def under_vmap(torch):
    x = torch.arange(6.0).reshape(2, 3)
    return torch.vmap(lambda row: row.view(torch.int32) + 1)(x)


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_pytorch(name):
    same(PROGRAMS[name])
