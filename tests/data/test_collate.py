"""default_collate and default_convert make the structures and dtypes that PyTorch's make."""

from collections import OrderedDict, namedtuple

import numpy as np
import pytest
import torch
import torch.utils.data as torch_data

import alight
import alight.data as alight_data
from tests.data.test_loader import plain

Point = namedtuple("Point", "x y")

BATCHES = {
    "integers": [1, 2, 3],
    "floats": [0.5, 1.5],
    "booleans": [True, False],
    "strings": ["a", "b"],
    "numpy strings": [np.str_("a"), np.str_("b")],
    "tuples": [(1, 0.5), (2, 1.5)],
    "lists": [[1, 2], [3, 4]],
    "dictionaries": [{"x": 1, "y": (2, "z")}, {"x": 3, "y": (4, "w")}],
    "ordered": [OrderedDict(b=1, a=2), OrderedDict(b=3, a=4)],
    "named tuples": [Point(1, 2.0), Point(3, 4.0)],
    "ranges": [range(2), range(2, 4)],
    "numpy scalars": [np.float32(1), np.float32(2)],
    "numpy doubles": [np.float64(1), np.float64(2)],
    "arrays": [np.zeros((2, 2), np.int16), np.ones((2, 2), np.int16)],
    "nothing in lists": [[], []],
}


@pytest.mark.parametrize("name", BATCHES)
def test_collate(name):
    batch = BATCHES[name]
    assert plain(alight_data.default_collate(batch)) == plain(torch_data.default_collate(batch))


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "int64", "uint8", "bool", "bfloat16", "float16"]
)
def test_collate_tensors(dtype):
    def program(lib, data):
        samples = [lib.tensor([[0, 1], [1, 0]], dtype=getattr(lib, dtype)) for _ in range(3)]
        return plain(data.default_collate(samples))

    assert program(alight, alight_data) == program(torch, torch_data)


def test_collated_tensors_pass_gradients_on():
    x = alight.ones(2, requires_grad=True)
    alight_data.default_collate([x, x * 2]).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


@pytest.mark.parametrize("name", BATCHES)
def test_convert(name):
    batch = BATCHES[name]
    assert plain(alight_data.default_convert(batch)) == plain(torch_data.default_convert(batch))


@pytest.mark.parametrize(
    "batch", [[None, None], [[1], [1, 2]], [np.array(["a"]), np.array(["b"])]], ids=str
)
def test_errors(batch):
    with pytest.raises((TypeError, RuntimeError)) as theirs:
        torch_data.default_collate(batch)
    with pytest.raises(theirs.type) as ours:
        alight_data.default_collate(batch)
    assert str(ours.value).splitlines()[0] == str(theirs.value)
