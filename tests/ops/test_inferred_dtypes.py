"""What `torch.tensor` infers from lists of Python's numbers, NumPy's and tensors, and Python's types as dtypes."""

import numpy as np
import pytest
import torch

import alight

LISTS = [
    "[np.float32(1), 2]", "[np.float64(1)]", "[np.float64(1), np.float32(2)]", "[np.int32(1), 2]", "[np.int32(1)]",
    "[np.int32(1), 2.5]", "[np.float16(1), 2]", "[np.bool_(True)]", "[np.array([1.0, 2.0], dtype=np.float32), [1, 2]]",
    "[np.array([1, 2], dtype=np.int32)]", "[True, 2]", "[1, 2.5]", "[[np.float32(1)], [np.float32(2)]]",
    "[t.tensor(1.0, dtype=t.float64)]", "[t.tensor(1.0), t.tensor(2)]", "[1, t.tensor(2.5)]", "[t.tensor([3])]",
    "[]",
]  # fmt: skip
CALLS = [
    "t.tensor([1], dtype=float)", "t.zeros(2, dtype=int)", "t.arange(3, dtype=float)", "t.rand(2, dtype=float)",
    "t.full((2,), 1, dtype=bool)", "t.ones(2).to(int)", "t.ones_like(t.ones(2), dtype=int)", "t.ones(2).sum(dtype=float)",
    "t.eye(2, dtype=int)", "t.linspace(0, 1, 2, dtype=float)", "t.ones(2).new_zeros(2, dtype=int)",
    "t.randint(3, (2,), dtype=float)", "t.softmax(t.ones(2), 0, dtype=float)",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:Creating a tensor from a list of numpy.ndarrays")
@pytest.mark.parametrize("text", LISTS)
def test_lists(text):
    ours, theirs = (t.tensor(eval(text, {"np": np, "t": t})) for t in (alight, torch))
    assert (ours.tolist(), str(ours.dtype)) == (theirs.tolist(), str(theirs.dtype))


@pytest.mark.parametrize("text", CALLS)
def test_types_of_python(text):
    ours, theirs = (eval(text, {"t": t}) for t in (alight, torch))
    assert str(ours.dtype) == str(theirs.dtype) and ours.shape == tuple(theirs.shape)


@pytest.mark.parametrize("name", ["ones", "zeros", "tensor"])
def test_what_is_no_dtype(name):
    for t in (alight, torch):
        with pytest.raises(
            TypeError, match=rf"{name}\(\): argument 'dtype' must be torch.dtype, not str"
        ):
            getattr(t, name)(2, dtype="float32")
