"""Tensors as objects: constructors, numbers, attributes, dtypes, strides, copies, other libraries."""

import copy
import math
import pickle
import weakref

import numpy as np
import pytest

from tests.semantics.oracle import attempt, same

PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


@program
def constructors(torch):
    out = []
    for f in [
        lambda: torch.Tensor(2, 3).shape,
        lambda: torch.Tensor([1, 2]),
        lambda: torch.Tensor([[1.5, 2]]).dtype,
        lambda: torch.FloatTensor([1, 2, 3]),
        lambda: torch.LongTensor([1, 2]),
        lambda: torch.LongTensor(2, 3).shape,
        lambda: torch.ByteTensor([1, 0]),
        lambda: torch.BoolTensor([True]),
        lambda: torch.DoubleTensor(3).shape,
        lambda: torch.Tensor().shape,
        lambda: torch.Tensor(torch.ones(2)),
        lambda: torch.Tensor(np.ones(2)),
        lambda: torch.Tensor(5).shape,
        lambda: torch.Tensor(torch.Size([2, 2])).shape,
        lambda: torch.Tensor("a"),
        lambda: torch.Tensor(1.5),
        lambda: torch.LongTensor([1.5, 2]),
        lambda: torch.IntTensor(np.array([1, 2], dtype=np.int32)),
        lambda: torch.HalfTensor([1, 2]),
        lambda: torch.Tensor((2, 3)),
        lambda: isinstance(torch.ones(2), torch.FloatTensor),
        lambda: isinstance(torch.ones(2).long(), torch.FloatTensor),
        lambda: torch.ones(2).type(),
        lambda: torch.ones(2).type("torch.LongTensor"),
        lambda: torch.ones(2).type(torch.int32),
        lambda: torch.ones(2).type(torch.DoubleTensor),
        lambda: torch.ones(2).new(3).shape,
        lambda: torch.ones(2).new([1, 2]),
        lambda: torch.ones(2).new_tensor([1, 2]),
        lambda: torch.ones(2).new_full((2,), 3),
        lambda: torch.ones(2).new_empty((2, 3)).shape,
        lambda: torch.ones(2, dtype=torch.int64).new_zeros(2, 3),
        lambda: torch.ones(2).new_ones((2,), dtype=torch.int32),
        lambda: torch.ones(2).new_empty_strided((2, 3), (1, 2)).stride(),
        lambda: torch.empty_strided((2, 3), (1, 2)).stride(),
        lambda: torch.tensor([[1, 2], [3]]),
        lambda: torch.tensor(None),
        lambda: torch.tensor("a"),
        lambda: torch.tensor([1, 2], dtype=torch.uint8) - torch.tensor([2, 1], dtype=torch.uint8),
    ]:
        out.append(attempt(f))
    return out


@program
def numbers_with_dimensions_zero(torch):
    x = torch.tensor(3)
    y = torch.tensor(2.5)
    out = [
        f"{x:d}",
        f"{y:.3f}",
        "%d %.2f %s" % (x, y, x),  # noqa: UP031
        bool(x),
        list(range(x)),
        [10, 20, 30, 40][x],
        int(y),
        float(x),
        complex(y),
        x.__index__(),
        f"{x}",
        f"{y}",
        str(x),
        f"{torch.ones(2)}",
        int(torch.ones(1)),
        "abcdef"[x],
        np.arange(5)[x].item(),
        np.zeros(x).shape,
        x in torch.tensor([1, 2, 3]),
        7 in torch.tensor([1]),
        len(torch.ones(4, 2)),
        hash(x) == hash(x),
        x == 3,
        x == 3,
        {x: 1}[x],
        min(torch.tensor(2), torch.tensor(1)),
        max([torch.tensor(2.0), torch.tensor(5.0)]),
        sum([torch.tensor(1.0), torch.tensor(2.0)]),
        sorted([torch.tensor(3), torch.tensor(1)]),
        abs(torch.tensor(-2)),
        -x,
        +x,
        ~x,
        x // 2,
        x % 2,
        2**x,
        x**2,
        x.item() + 1,
        x.tolist(),
    ]
    out += [
        attempt(f)
        for f in (
            lambda: f"{torch.ones(2):.2f}",
            lambda: [1, 2, 3][y],
            lambda: range(y),
            lambda: int(torch.ones(2)),
            lambda: float(torch.ones(0)),
            lambda: bool(torch.ones(2)),
            lambda: bool(torch.ones(0)),
            lambda: len(x),
            lambda: iter(x),
            lambda: math.sqrt(y),
            lambda: math.floor(y),
            lambda: math.ceil(y),
            lambda: math.trunc(y),
            lambda: divmod(x, 2),
            lambda: torch.ones(3)[y],
            lambda: round(y),
            lambda: x.__delitem__(0),
        )
    ]
    return out


@program
def attributes(torch):
    x = torch.arange(6.0).reshape(2, 3)
    c = torch.tensor([[1 + 2j, 3 - 1j]])
    return [
        attempt(f)
        for f in [
            lambda: x.T,
            lambda: x.mT,
            lambda: c.H,
            lambda: c.mH,
            lambda: c.real,
            lambda: c.imag,
            lambda: x.real,
            lambda: x.imag,
            lambda: x.itemsize,
            lambda: x.nbytes,
            lambda: x.is_cuda,
            lambda: x.names,
            lambda: x.ndim,
            lambda: x.is_sparse,
            lambda: x.is_quantized,
            lambda: x.is_leaf,
            lambda: x.grad,
            lambda: repr(x.layout),
            lambda: repr(x.device),
            lambda: x.output_nr,
            lambda: x.name,
            lambda: x.is_cpu,
            lambda: x.is_meta,
            lambda: x.is_conj(),
            lambda: x.is_neg(),
            lambda: x.is_inference(),
            lambda: x.is_shared(),
            lambda: x.is_pinned(),
            lambda: x.is_coalesced(),
            lambda: x.dense_dim(),
            lambda: x.sparse_dim(),
            lambda: x.has_names(),
            lambda: x.retains_grad,
            lambda: x.get_device(),
            lambda: x.dim_order(),
            lambda: x.is_set_to(x),
            lambda: x.is_same_size(x),
            lambda: x.type(),
            lambda: x.element_size(),
            lambda: x.storage_offset(),
            lambda: x.stride(0),
            lambda: x.stride(-1),
            lambda: x.size(-1),
            lambda: x.shape[1:],
            lambda: x.shape + (1,),  # noqa: RUF005
            lambda: x.shape.numel(),
            lambda: x.size(5),
            lambda: x.stride(5),
            lambda: x.T.is_contiguous(),
            lambda: x.T.contiguous().stride(),
            lambda: x.shape == (2, 3),
            lambda: x.shape == [2, 3],
            lambda: str(x.shape),
            lambda: torch.Size([1, 2]).index(2),
            lambda: torch.Size([1.5]),
            lambda: x.untyped_storage().nbytes(),
            lambda: x.storage().size(),
            lambda: x[1].storage_offset(),
            lambda: x[1].untyped_storage().data_ptr() == x.untyped_storage().data_ptr(),
            lambda: x.storage()[1],
            lambda: x.t().storage().tolist(),
            lambda: x[1].data_ptr() - x.data_ptr(),
            lambda: repr(x.storage()),
            lambda: x.pin_memory(),
            lambda: x.sum_to_size(1, 3),
            lambda: x.clone().apply_(lambda v: v * 2),
            lambda: x.clone().map_(x, lambda a, b: a + b),
        ]
    ]


@program
def dtypes(torch):
    out = []
    ds = [
        torch.bool,
        torch.uint8,
        torch.int8,
        torch.int16,
        torch.int32,
        torch.int64,
        torch.bfloat16,
        torch.float32,
        torch.float64,
        torch.complex64,
        torch.complex128,
    ]
    for d in ds:
        out.append((repr(d), d.itemsize, d.is_floating_point, d.is_complex, d.is_signed))
        out.append(attempt(lambda d=d: repr(torch.finfo(d))))
        out.append(attempt(lambda d=d: repr(torch.iinfo(d))))
        for b in ds:
            out.append(
                (
                    repr(torch.promote_types(d, b)),
                    torch.can_cast(d, b),
                    repr(torch.result_type(torch.ones(2, dtype=d), torch.ones((), dtype=b))),
                    repr(torch.result_type(torch.ones(2, dtype=d), torch.ones(2, dtype=b))),
                )
            )
        for s in (True, 1, 1.0, 1j):
            out.append(
                (
                    repr(torch.result_type(torch.ones(2, dtype=d), s)),
                    repr(torch.result_type(s, torch.ones((), dtype=d))),
                )
            )
    return out


@program
def defaults(torch):
    out = [repr(torch.get_default_dtype())]
    torch.set_default_dtype(torch.float64)
    try:
        out += [
            torch.ones(2),
            torch.tensor(1.5),
            torch.tensor([1.5]).dtype,
            torch.arange(2.0).dtype,
            (torch.tensor([1, 2]) * 1.5).dtype,
            torch.tensor(1 + 1j).dtype,
            torch.zeros(1) / 2,
            torch.nn.Linear(2, 3).weight.dtype,
            repr(torch.ones(2)),
            repr(torch.ones(2, dtype=torch.float32)),
            torch.eye(2).dtype,
            torch.randn(2).dtype,
            torch.Tensor([1]).dtype,
            torch.linspace(0, 1, 3).dtype,
            (torch.tensor([1]) / 2).dtype,
        ]
    finally:
        torch.set_default_dtype(torch.float32)
    out.append(attempt(lambda: torch.set_default_dtype(torch.int32)))
    out.append(attempt(lambda: torch.set_num_threads(0)))
    torch.use_deterministic_algorithms(True)
    out.append(torch.are_deterministic_algorithms_enabled())
    torch.use_deterministic_algorithms(False)
    out += [
        torch.get_float32_matmul_precision(),
        repr(torch.get_default_device()),
        torch.get_num_interop_threads() > 0,
    ]
    return out


@program
def strides(torch):
    x = torch.arange(12.0).reshape(3, 4)
    return [
        attempt(f)
        for f in [
            lambda: x.as_strided((2, 2), (4, 1), 1),
            lambda: x.t().as_strided((2, 2), (1, 1), 1),
            lambda: x.t().clone().as_strided((2, 2), (1, 1), 1),
            lambda: x.expand(2, 3, 4).add_(1),
            lambda: x.expand(2, 3, 4).stride(),
            lambda: x.t().view(12),
            lambda: x.view(-1, 5),
            lambda: x.view(-1, -1),
            lambda: x.unfold(0, 2, 1).stride(),
            lambda: x.diagonal().stride(),
            lambda: x[::2].stride(),
            lambda: x[:, None].stride(),
            lambda: x.t()[1].storage_offset(),
            lambda: x.view(torch.int32)[0, 0],
            lambda: x._is_view(),
            lambda: x[0]._is_view(),
            lambda: torch.ones(1, 2, 3, 4).to(memory_format=torch.channels_last).stride(),
            lambda: torch.empty(1, 2, 3, 4, memory_format=torch.channels_last).stride(),
            lambda: torch.zeros_like(torch.ones(2, 3).t()).stride(),
            lambda: (torch.ones(2, 3).t() + 1).stride(),
            lambda: (torch.ones(2, 3).t() > 1).stride(),
            lambda: torch.ones(2, 3).t().clone(memory_format=torch.contiguous_format).stride(),
            lambda: torch.ones(2, 0, 3).stride(),
            lambda: torch.ones(1, 1).expand(3, 1).stride(),
            lambda: x.contiguous() is x,
            lambda: x.float() is x,
            lambda: x.detach() is x,
            lambda: x.detach().data_ptr() == x.data_ptr(),
            lambda: (x.expand(2, 3, 4) + 0).stride(),
        ]
    ]


@program
def overlaps(torch):
    x = torch.arange(6.0)
    out = [
        attempt(lambda: x[1:].add_(x[:-1])),
        attempt(lambda: x.add_(x)),
        attempt(lambda: x[:3].add_(x[3:])),
        attempt(lambda: x[:3].copy_(x[3:])),
    ]
    y = torch.arange(4.0).reshape(2, 2)
    out += [
        attempt(lambda: y.add_(y.t())),
        attempt(lambda: y.mul_(y)),
        attempt(lambda: y[0].add_(y[1])),
    ]
    w = torch.zeros(3)
    e = w.expand(2, 3)
    e[0] += 5
    out.append((w, e))
    e[1] = torch.tensor([1.0, 2.0, 3.0])
    out.append((w, e))
    e.zero_()
    out.append(w)
    d = torch.ones(2, requires_grad=True)
    t = d.detach()
    t += 1
    out.append((d, t))
    (d * t).sum().backward()
    out.append(d.grad)
    z = torch.ones(3, requires_grad=True)
    q = torch.zeros(3)
    part = q[1:]
    q[0:2] = z[:2] * 2
    out.append(part.requires_grad)
    part.sum().backward()
    out.append(z.grad)
    r = torch.arange(6.0)
    v = r[2:4]
    out.append(r.resize_(2, 2).clone())
    out.append(r.resize_(2, 3).clone())
    v.zero_()
    out.append(r)
    return out


@program
def other_libraries(torch):
    x = torch.arange(6.0).reshape(2, 3)
    a = np.zeros(3)
    a += 1
    out = [a.tolist()]
    a[0] = torch.tensor(5.0)
    out.append(a.tolist())
    out += [
        attempt(f)
        for f in (
            lambda: np.add(x, 1),
            lambda: np.sin(x),
            lambda: np.concatenate([x, x]).tolist(),
            lambda: np.isnan(x),
            lambda: np.exp(torch.tensor(0.0)),
            lambda: np.allclose(x, x),
            lambda: np.asarray(x).tolist(),
            lambda: np.array(x, dtype=np.int32).tolist(),
            lambda: torch.from_dlpack(np.arange(3)),
            lambda: np.from_dlpack(x).tolist(),
            lambda: x.clone().requires_grad_().__dlpack__(),
            lambda: torch.from_dlpack(x),
            lambda: torch.frombuffer(bytearray(8), dtype=torch.int32),
            lambda: torch.from_numpy(np.ones(3)[::-1]),
            lambda: np.float64(2) * x,
            lambda: x + np.float32(1),
            lambda: torch.as_tensor(np.float64(1)),
            lambda: a[torch.tensor(1)].item(),
        )
    ]
    y = torch.from_dlpack(x)
    y[0, 0] = 9
    out.append(x)
    return out


@program
def copies_and_pickles(torch):
    x = torch.arange(3.0, requires_grad=True)
    x.grad = torch.ones(3)
    y = copy.deepcopy(x)
    z = pickle.loads(pickle.dumps(x))
    r = weakref.ref(x)
    out = [
        y,
        y.grad,
        y.requires_grad,
        z,
        z.requires_grad,
        r() is x,
        copy.copy(x).requires_grad,
        pickle.loads(pickle.dumps(torch.ones(2, dtype=torch.bfloat16))),
        pickle.loads(pickle.dumps(torch.Size([1, 2]))),
        repr(pickle.loads(pickle.dumps(torch.float32))),
        repr(pickle.loads(pickle.dumps(torch.device("cpu")))),
    ]
    p = torch.nn.Parameter(torch.ones(2))
    q = copy.deepcopy(p)
    out += [type(q).__name__, type(pickle.loads(pickle.dumps(p))).__name__, q.requires_grad]
    a = torch.zeros(4)
    both = copy.deepcopy([a, a])
    out.append(both[0] is both[1])
    del x
    out.append(r() is None)
    return out


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_pytorch(name):
    same(PROGRAMS[name])
