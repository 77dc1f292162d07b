"""Making and converting tensors: values, dtypes, what stays the same object, errors."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch as rival

import alight
from tests.ops.rows import agree

MAKING = """
torch.tensor(3)
torch.tensor(2.5)
torch.tensor(True)
torch.tensor(1j)
torch.tensor([])
torch.tensor([[]])
torch.tensor([1, 2])
torch.tensor([1, 2.5])
torch.tensor([True, False])
torch.tensor([True, 2])
torch.tensor([[1, 2], [3, 4]], dtype=torch.float64)
torch.tensor([1.7, -1.7], dtype=torch.int64)
torch.tensor([0, 2], dtype=torch.bool)
torch.tensor([1 + 2j])
torch.tensor((1, 2))
torch.tensor([(1, 2), [3, 4]])
torch.tensor(range(3))
torch.tensor([torch.tensor(1.0), 2])
torch.tensor([torch.tensor(1), torch.tensor(2)])
torch.tensor([1., 2.], requires_grad=True)
torch.tensor(v)
torch.tensor([[1, 2], [3]])
torch.tensor('a')
torch.tensor(['a'])
torch.tensor([None])
torch.tensor([2 ** 70])
torch.tensor([300], dtype=torch.uint8)
torch.tensor(-1, dtype=torch.uint8)
torch.as_tensor([1, 2])
torch.as_tensor(v) is v
torch.as_tensor(v, dtype=torch.float64)
torch.zeros(2, 3)
torch.zeros((2, 3))
torch.zeros([2])
torch.zeros(())
torch.zeros(torch.Size([2]))
torch.zeros(size=(2,))
torch.zeros(2, dtype=torch.int32)
torch.zeros(0, 3)
torch.zeros(2, dtype=torch.bool)
torch.ones(2, requires_grad=True)
torch.ones(3, dtype=torch.complex64)
torch.zeros(-1)
torch.zeros(2, 3.0)
torch.empty(2, 3).shape
torch.full((2,), 3)
torch.full((2,), 2.5)
torch.full((2,), True)
torch.full((2, 2), 1j)
torch.full((2,), 3, dtype=torch.float32)
torch.full((), 7.0)
torch.full((2,), s.item())
torch.zeros_like(x)
torch.ones_like(i)
torch.ones_like(x.t()).stride()
torch.full_like(x, 2)
torch.full_like(i, 2.7)
torch.full_like(x, 2, dtype=torch.int64)
torch.zeros_like(x, requires_grad=True)
torch.empty_like(i).dtype
torch.zeros_like(i, dtype=torch.float16)
x.new_zeros(2)
i.new_ones(2, 2)
x.new_full((2,), 3)
x.new_tensor([1, 2])
i.new_tensor([1.5, 2.0])
x.new_empty((2, 2)).shape
i.new_zeros((2,), dtype=torch.float32)
x.new_ones(3, requires_grad=True)
torch.arange(5)
torch.arange(1, 5)
torch.arange(1, 10, 3)
torch.arange(5, 0, -2)
torch.arange(0.5, 3)
torch.arange(0, 1, 0.1)
torch.arange(3.0)
torch.arange(3, dtype=torch.float32)
torch.arange(0, 2, 0.5, dtype=torch.float64)
torch.arange(1, 2.5, 0.3)
torch.arange(0)
torch.arange(torch.tensor(3))
torch.arange(start=1, end=3)
torch.arange(3, 0)
torch.arange(0, 1, -1)
torch.arange(0, 1, 0)
torch.arange(3, requires_grad=True)
torch.arange(3., requires_grad=True)
torch.linspace(0, 1, 5)
torch.linspace(-3, 10, 7)
torch.linspace(0, 1, 1)
torch.linspace(0, 1, 0)
torch.linspace(1, 0, 4, dtype=torch.float64)
torch.linspace(0, 10, 5, dtype=torch.int64)
torch.linspace(0, 1, -1)
torch.linspace(start=0, end=1, steps=3)
torch.logspace(0, 2, 3)
torch.logspace(0, 3, 4, base=2)
torch.eye(3)
torch.eye(2, 3)
torch.eye(2, dtype=torch.int64)
torch.eye(-1)
torch.complex(v, v)
torch.polar(torch.ones(2), torch.zeros(2))
torch.Tensor(2, 3).shape
torch.Tensor([1, 2])
torch.Tensor([[1, 2], [3, 4]])
torch.Tensor()
torch.Tensor(torch.Size([2])).shape
torch.FloatTensor([1, 2])
torch.LongTensor([1, 2])
torch.LongTensor([1.7])
torch.LongTensor(2, 3).shape
torch.DoubleTensor([1])
torch.BoolTensor([True, False])
torch.ByteTensor([1, 255])
isinstance(x, torch.FloatTensor), isinstance(i, torch.FloatTensor), isinstance(i, torch.LongTensor)
torch.scalar_tensor(2)
torch.zeros(2, out=torch.empty(2))
torch.is_tensor(x), torch.is_floating_point(x), torch.is_complex(x), torch.numel(x), s.is_nonzero()
torch.get_default_dtype()
torch.typename(x)
torch.tensor([1.5]).dtype, torch.tensor([1]).dtype, torch.tensor([1j]).dtype
torch.finfo(torch.float32).eps, torch.iinfo(torch.int32).max
torch.promote_types(torch.int64, torch.float16)
torch.result_type(i, 2.0), torch.result_type(i, s), torch.can_cast(torch.float32, torch.int32)
"""

CONVERTING = """
x.float() is x
x.to(torch.float32) is x
x.to('cpu') is x
x.to(x) is x
x.to(torch.device('cpu'), torch.float32) is x
x.to(torch.float32, copy=True) is x
x.cpu() is x
x.type(torch.float32) is x
x.type_as(x) is x
i.long() is i
m.bool() is m
x.contiguous() is x
x.double()
x.half()
x.bfloat16()
x.int()
x.long()
x.short()
x.char()
x.byte()
x.bool()
i.float()
i.double()
i.bool()
m.long()
m.float()
x.to(torch.float64)
x.to(dtype=torch.int32)
x.to('cpu', torch.float64)
x.to(device='cpu', dtype=torch.int64)
x.to(i)
x.to(i, non_blocking=True)
x.to(torch.int64, False, True)
x.t().double().stride()
x.to(torch.complex64)
(-v).to(torch.uint8).dtype
torch.tensor([3.9, -3.9]).long()
torch.tensor([300]).to(torch.uint8)
torch.tensor([-1]).to(torch.uint8)
torch.tensor([2.0 ** 31]).to(torch.int64)
torch.tensor([float('nan')]).bool()
x.type()
i.type()
m.type()
x.type('torch.DoubleTensor')
x.type('torch.LongTensor')
x.type(torch.int64)
x.type(torch.LongTensor)
x.type('bad')
i.type_as(x)
x.cuda()
x.to('cuda')
x.to('cuda:0')
torch.zeros(2, device='cuda')
x.to('bad')
x.is_cuda, x.device, x.layout, x.get_device(), x.is_sparse
torch.device('cuda:1'), torch.device('cpu') == x.device, torch.device('cuda', 0).index
x.detach().numpy().tolist()
x.numpy()
s.item()
x.item()
e.item()
x.tolist()
i.tolist()
s.tolist()
m.tolist()
float(s), int(s), bool(s)
complex(s)
float(x)
bool(x)
bool(e)
int(i[0, 1]), [10, 20, 30][i[0, 1]]
[10, 20][s]
len(s)
iter(s)
x.size(0), x.size(-1), x.ndim, x.nbytes, x.element_size(), x.itemsize
x.size(5)
s.size(0)
torch.zeros(2, 3, device='meta').shape
torch.zeros(2, 3, device='meta')
(torch.zeros(2, 3, device='meta') @ torch.zeros(3, 4, device='meta')).shape
torch.zeros(2, device='meta').item()
x.to('meta').is_meta
f"{s:.2f}", f"{s}", str(torch.tensor(2))
2 in i, 99 in i
v.sum() == 4.0
hash(x) == hash(x)
x.dtype.is_floating_point, i.dtype.is_signed, x.dtype.itemsize
"""


@pytest.mark.parametrize("program", MAKING.strip().splitlines())
def test_making(program):
    agree(program)


@pytest.mark.parametrize("program", CONVERTING.strip().splitlines())
def test_converting(program):
    agree(program)


@pytest.mark.parametrize(
    "dtype",
    [
        "bool",
        "uint8",
        "int8",
        "int16",
        "int32",
        "int64",
        "float16",
        "float32",
        "float64",
        "complex64",
        "complex128",
    ],
)
def test_arrays_share_memory_both_ways(dtype):
    array = np.arange(6).astype(dtype).reshape(2, 3)
    tensor = alight.from_numpy(array)
    assert str(tensor.dtype) == f"torch.{dtype}" and tensor.tolist() == array.tolist()
    array[0, 0] = 1
    assert tensor[0, 0].item() == 1
    tensor[1, 2] = 0
    assert array[1, 2] == 0
    assert np.shares_memory(tensor.numpy(), array)
    assert np.asarray(tensor).dtype == dtype


def test_arrays_in_other_layouts():
    array = np.arange(12).reshape(3, 4)
    assert alight.from_numpy(array.T).stride() == (1, 4)
    assert alight.from_numpy(array[:, ::2]).stride() == (4, 2)
    with pytest.raises(ValueError, match="negative"):
        alight.from_numpy(array[::-1])
    with pytest.raises(TypeError, match=r"can't convert np\.ndarray of type"):
        alight.from_numpy(np.array(["a"]))
    with pytest.raises(TypeError, match=r"expected np\.ndarray"):
        alight.from_numpy([1])


def test_arrays_keep_their_dtype_in_tensor():
    assert alight.tensor(np.array([1.0, 2.0])).dtype is alight.float64
    assert alight.tensor(np.float32(3)).dtype is alight.float32
    assert alight.tensor([np.array([1.0, 2.0]), np.array([3.0, 4.0])]).dtype is alight.float64
    assert alight.tensor([np.float64(1)]).dtype is alight.float64
    assert alight.Tensor(np.array([1.0])).dtype is alight.float32


@pytest.mark.parametrize("again", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_and_pickles(again):
    x = alight.tensor([[1.0, 2.0]], requires_grad=True)
    made = again(x)
    assert made.tolist() == x.tolist() and made.requires_grad and made.is_leaf and made is not x
    half = again(alight.tensor([1.5], dtype=alight.bfloat16))
    assert half.dtype is alight.bfloat16 and half.tolist() == [1.5]
    view = again(alight.arange(4)[1:3])
    assert view.tolist() == [1, 2]
    ring = again([x, x])
    assert ring[0] is ring[1]


def test_deepcopy_of_a_result_is_refused():
    x = alight.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="Only Tensors created explicitly by the user"):
        copy.deepcopy(x * 2)


def test_default_dtype():
    alight.set_default_dtype(alight.float64)
    try:
        assert alight.zeros(1).dtype is alight.float64
        assert alight.tensor([1.0]).dtype is alight.float64
        assert (alight.arange(3) / 2).dtype is alight.float64
    finally:
        alight.set_default_dtype(alight.float32)


def test_the_step_of_a_loop_is_no_new_path():
    """torch.full((n,), t) in a sampling loop: the number is an input of the program, as a rate is."""
    from alight.record.recorder import thread

    places = set()
    for t in range(5, 9):
        assert (alight.full((2,), t, dtype=alight.int64) * 2 + 1).tolist() == [2 * t + 1] * 2
        made = alight.full((2,), t) + 1
        places.add(thread.recorder.here)
        made.tolist()
    assert len(places) == 1
    assert alight.full((2,), 2**40).tolist() == [2**40] * 2
    for of, value in (("uint8", 300), ("int8", -129), ("int32", 2**31), ("uint16", 70000)):
        with pytest.raises(RuntimeError, match="without overflow"):
            alight.full((2,), value, dtype=getattr(alight, of))


# -- made again: by what was remembered of the first time ---------------------------------------------------------------

AGAIN = """
torch.zeros(2, 3)
torch.zeros((2, 3))
torch.zeros([2, 3])
torch.zeros(2.0)
torch.zeros((2.0,))
torch.zeros(1)
torch.ones(2, 3, dtype=torch.int64)
torch.ones(2, 3, dtype=int)
torch.ones(2, 3, device='cpu')
torch.ones(2, 3, device=torch.device('cpu'))
torch.ones(())
torch.ones(-1)
torch.ones(2, requires_grad=True)
torch.ones(2, 2, out=torch.zeros(2, 2))
torch.zeros(size=(2,))
torch.zeros_like(torch.ones(2, 3).t())
torch.zeros_like(torch.ones(2, 3), dtype=torch.bool)
torch.ones_like(torch.ones(2, dtype=torch.int32))
torch.ones_like(torch.ones(2, requires_grad=True))
torch.arange(4)
torch.arange(4, 2)
torch.arange(4.0)
torch.arange(0, 4, 1.0)
torch.arange(1, 4, dtype=torch.float32)
torch.full((2,), 0)
torch.full((2,), 0.0)
torch.full((2,), -0.0)
torch.full((2,), False)
torch.full((2,), 3)
"""


@pytest.mark.parametrize("text", AGAIN.strip().splitlines())
def test_made_again(text):
    def made(torch, default):
        torch.set_default_dtype(getattr(torch, default))
        try:
            x = eval(text, {"torch": torch})
            with torch.no_grad():
                x += 1  # what is remembered is not the tensor
            signs = (1 / (x - 1)).tolist() if x.dtype.is_floating_point else x.tolist()
            return x.tolist(), signs, str(x.dtype), x.stride(), x.requires_grad, x.is_leaf
        except (RuntimeError, TypeError) as error:
            return type(error)
        finally:
            torch.set_default_dtype(torch.float32)

    defaults = ["float32", "float32", "float64", "float32"]
    assert [made(alight, one) for one in defaults] == [made(rival, one) for one in defaults]


SIZES = (
    "", "True", "False", "True, 2", "2, True", "(True,)", "(2, True)", "[True]", "(2.0,)", "2.0", "2, 2.0", "2.0, 2",
    "None", "'a'", "torch.tensor(2)", "torch.tensor([2])", "torch.tensor([2, 3])", "torch.tensor(2.0)", "-1", "size=()",
    "size=2", "size=True", "size=[True]", "size=(2, 'a')", "size=None", "()", "[[2]]", "2, (3,)", "(2,), 3", "(2, None)",
    "range(2)", "iter([2])", "{2}", "torch.Size([2])", "(torch.tensor([2]), 3)", "[2, torch.tensor([2, 2])]",
    "np.int64(2)", "np.bool_(True)", "np.array([2])",
)  # fmt: skip
WITH_SIZES = (
    "torch.zeros", "torch.ones", "torch.empty", "torch.rand", "torch.randn", "torch.ones(1).new_zeros",
    "torch.ones(1).new_ones", "torch.ones(1).new_empty",
)  # fmt: skip
COUNTS = """
torch.zeros(2, size=(2,))
torch.full(2, 1)
torch.full(True, 1)
torch.full((True,), 1)
torch.full([2, True], 1)
torch.full((2,), None)
torch.full((2,), 'a')
torch.full((2,), torch.tensor([1]))
torch.full((2,), torch.tensor(1))
torch.full((2,), np.float32(1.5))
torch.full_like(torch.ones(2), None)
torch.full_like(3, 3)
torch.ones(1).new_full(2, 1)
torch.ones(1).new_full((True,), 1)
torch.zeros_like(3)
torch.ones_like([1.0])
torch.empty_like(None)
torch.rand_like(True)
torch.randn_like(2)
torch.randint_like(torch.ones(2), True)
torch.randint_like(torch.ones(2), 2.0)
torch.randint()
torch.randint(3)
torch.randint(0, 3)
torch.randint(0, 3, 2)
torch.randint(0, 3, True)
torch.randint(True, (2,))
torch.randint(3.0, (2,))
torch.randint(0, True, (2,))
torch.randint(3, True)
torch.randint(3, (True,))
torch.randint(3, [2, True])
torch.randint(0, 3, (2.0,))
torch.randint(high=3, size=(2,))
torch.randint(3, size=(2,))
torch.randint(low=0, high=3, size=())
torch.randint((2,))
torch.randperm(True)
torch.randperm(2.0)
torch.randperm((3,))
torch.randperm(torch.tensor(3))
torch.eye(True)
torch.eye(2, True)
torch.eye(2, 3.0)
torch.eye(2.0)
torch.eye(torch.tensor(3))
torch.empty_strided((2,), (True,))
torch.empty_strided(2, 1)
torch.empty_permuted((True,), (0,))
torch.empty_permuted((2,), (True,))
torch.arange()
torch.arange(end=3)
torch.linspace(0, 1, True)
torch.linspace(0, 1, 2.0)
torch.linspace('a', 1, 3)
torch.logspace(0, 1, True)
torch.linspace(0, 1, torch.tensor(3))
torch.tril_indices(3, True)
torch.triu_indices(3, 3, True)
torch.tril_indices(3, 2.0)
torch.hann_window(True)
torch.hamming_window(2.0)
torch.kaiser_window(None)
torch.bartlett_window(3, 1)
torch.normal(1.0, 1.0)
torch.normal(1.0, 1.0, 2)
torch.normal(1.0, 1.0, (True,))
torch.normal(torch.ones(2), 1.0, (2,))
torch.normal(1.0, 1.0, ())
torch.FloatTensor(True)
torch.FloatTensor(2.0)
torch.Tensor(True)
torch.multinomial(torch.ones(2), True)
torch.multinomial(torch.ones(2), 2.0)
"""


def _made(call, library):
    """The shape and dtype of what a call makes, or the type and first line of its error."""
    try:
        made = eval(call, {"torch": library, "np": np})
    except Exception as error:
        return type(error).__name__, str(error).splitlines()[0]
    return tuple(made.shape), str(made.dtype)


@pytest.mark.parametrize("name", WITH_SIZES)
def test_a_size_is_what_pytorch_takes_for_one(name):
    for size in SIZES:
        call = f"{name}({size})"
        assert _made(call, alight) == _made(call, rival), call


@pytest.mark.parametrize("call", COUNTS.strip().splitlines())
def test_counts_and_numbers_are_what_pytorch_takes_for_them(call):
    assert _made(call, alight) == _made(call, rival)


def test_a_size_that_is_refused_is_refused_where_equal_numbers_are_known():
    for _ in range(2):
        assert alight.zeros(1).shape == (1,)
        assert alight.zeros((2, True)).shape == (2, 1)
        for size in ((True,), [True], 1.0, (1.0,)):
            with pytest.raises(TypeError, match="must be tuple of ints"):
                alight.zeros(size)
            with pytest.raises(TypeError, match="must be tuple of ints"):
                alight.rand(size)


@pytest.mark.parametrize("name", ["float", "double", "half"])
def test_a_cast_may_ask_for_an_order_in_memory(name):
    for library in (alight, rival):
        x = library.ones(2, 3, 2, 3)
        cast = getattr(x, name)(memory_format=library.channels_last)
        assert cast.stride() == (18, 1, 9, 3) and cast.dtype is getattr(x, name)().dtype
        assert getattr(x, name)(memory_format=library.contiguous_format).stride() == (18, 6, 3, 1)


def test_a_masked_median_leaves_nan_out_with_and_without_a_mask():
    for library in (alight, rival):
        x = library.tensor([1.0, float("nan"), 3.0])
        assert library.masked.median(x, 0).item() == 1
        assert library.masked.median(x, 0, mask=library.tensor([True, True, True])).item() == 1
