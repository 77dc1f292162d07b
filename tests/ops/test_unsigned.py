"""uint16, uint32 and uint64 against PyTorch: what is there, and the errors of what is not."""

import copy
import io

import numpy as np
import pytest
import torch

import alight

BIG = {"uint16": 2**16 - 1, "uint32": 2**32 - 1, "uint64": 2**64 - 1}

# Expressions of x, y (vectors), m (2 by 2), i (int32), u (uint8), b (bool), f (float32), D (the dtype), top (its largest).
ROWS = """
repr(x); repr(t.tensor([top, 0], dtype=D)); repr(t.tensor(5, dtype=D)); t.tensor([top, 1], dtype=D); t.tensor(-1, dtype=t.int64).to(D)
t.tensor([top + 1], dtype=t.uint16); t.zeros(2, dtype=D); t.full((2,), top, dtype=D); t.ones_like(x); x.new_tensor([1]); t.arange(3, dtype=D)
t.eye(2, dtype=D); t.linspace(0, 3, 4, dtype=D); t.randperm(4, dtype=D); x.to(t.int8); x.to(t.float64); x.bool(); x.half(); f.to(D); i.to(D)
t.tensor([3.7]).to(D); x.to(t.uint16); x.to(t.uint64); x.type(); x + y; x - y; x * y; x / y; x // y; x % y; x ** 2; x + 1; x + 2.5; x * 2; x + i
i + x; x * u; x * b; x * f; x + t.tensor(2); x & y; x | 3; x ^ y; ~x; x << 1; x >> 1; x == y; x != 2; x < y; x >= 2; x.eq(i); t.maximum(x, y)
t.logical_and(x, y); t.logical_not(x); t.equal(x, x.clone()); t.isclose(x, y); -x; abs(x); x.sign(); x.sqrt(); x.log(); x.sum(); x.sum(dtype=t.int64)
i.sum(dtype=D); m.sum(1, keepdim=True); x.prod(); x.cumsum(0); x.max(); m.max(1); x.argmax(); x.amax(); x.sort(); x.sort(descending=True); x.argsort(); x.unique()
x.median(); x.topk(2); x.any(); m.all(1); x.nonzero(); t.argwhere(x); x.count_nonzero(); x.bincount(); x.mean(); x.float().mean(); x[1]; x[1:3]
x[t.tensor([0, 2])]; x[b]; t.arange(5)[y]; t.arange(9)[x[0]]; x.gather(0, t.tensor([0, 1])); x.index_select(0, t.tensor([0])); x.masked_fill(b, 7)
x.masked_select(b); x.clamp(2, 50); x.flip(0); x.roll(1); x.repeat(2); x.expand(2, 4); m.T; x.view(2, 2); x.split(2); t.cat([x, y]); t.cat([x, i]); t.stack([x, y])
t.where(b, x, y); t.where(b, x, 3); m @ m; t.dot(x, y); m.tril(); m.trace(); t.diag(x); t.meshgrid(x, y, indexing="ij"); t.nn.functional.pad(x, (1, 1)); x.diff()
t.promote_types(D, D); t.promote_types(D, t.float32); t.promote_types(D, t.int32); t.promote_types(t.bool, D); t.can_cast(D, t.int8); t.can_cast(t.float32, D)
t.result_type(x, 2); t.result_type(x, 2.0); t.result_type(x, i); t.iinfo(D).max; t.iinfo(D).bits; t.finfo(D); D.itemsize; D.is_signed; x.element_size(); x.nbytes
int(x[1]); float(x[1]); bool(x[1]); 2 in x; [int(v) for v in x]; f"{x[3]:d}"; x.numpy(); t.from_numpy(x.numpy()); t.tensor(np.array([1, top], dtype=d)); x.tolist()
x.clone().requires_grad_(); x.clone().random_(); x.clone().fill_(7); x.clone().zero_(); x.clone().copy_(f); x.clone().add_(1); x.clone().mul_(2); x.clone().bitwise_and_(y)
t.searchsorted(x, y); t.isin(x, y); x.view(t.int16 if d == "uint16" else t.int32 if d == "uint32" else t.int64); copy.deepcopy(x); t.randint(0, 1, (3,), dtype=D)
"""  # fmt: skip


def environment(t, d):
    D = getattr(t, d)
    x, y = t.tensor([1, 2, 3, 200], dtype=D), t.tensor([3, 2, 1, 7], dtype=D)
    return {
        "t": t, "d": d, "D": D, "top": BIG[d], "np": np, "copy": copy, "x": x, "y": y, "m": x.reshape(2, 2),
        "i": t.tensor([1, 2, 3, 4], dtype=t.int32), "u": t.tensor([1, 2, 3, 4], dtype=t.uint8),
        "b": t.tensor([True, False, True, True]), "f": t.tensor([1.0, 2.0, 3.0, 4.0]),
    }  # fmt: skip


def shown(value):
    if isinstance(value, tuple | list):
        return [shown(one) for one in value]
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.tolist()
    if hasattr(value, "tolist"):
        elements = value.tolist()
        if value.dtype.is_floating_point:
            elements = np.round(np.array(elements, float), 5).tolist()
        return str(value.dtype), tuple(value.shape), elements
    return str(value)


def outcome(t, d, row):
    try:
        return shown(eval(row, environment(t, d)))
    except Exception as error:
        return type(error).__name__, str(error).split("\n")[0]


@pytest.mark.parametrize("d", BIG)
def test_like_pytorch(d):
    rows = [row.strip() for line in ROWS.strip().splitlines() for row in line.split(";")]
    differing = {}
    for row in rows:
        ours, theirs = outcome(alight, d, row), outcome(torch, d, row)
        if ours != theirs:
            differing[row] = (ours, theirs)
    assert not differing


@pytest.mark.parametrize("d", BIG)
def test_writes(d):
    found = []
    for t in (alight, torch):
        x = t.tensor([1, 2, 3, BIG[d]], dtype=getattr(t, d))
        view = x[1:]
        view[0] = 9
        x[2:] = t.tensor([5, 6], dtype=t.int32)
        shared = t.from_numpy(np.array([1, 2], dtype=d))
        shared[0] = BIG[d] >> 1
        found.append((shown(x), shown(view), shown(shared.numpy())))
        with pytest.raises(NotImplementedError, match="index_put"):
            x[t.tensor([0, 1])] = view[:2].clone()
    assert found[0] == found[1]


@pytest.mark.parametrize("d", BIG)
def test_files_are_exchanged(d):
    tensor = torch.tensor([1, BIG[d]], dtype=getattr(torch, d))
    ours = alight.tensor([1, BIG[d]], dtype=getattr(alight, d))
    written, read = io.BytesIO(), io.BytesIO()
    torch.save({"x": tensor}, written)
    alight.save({"x": ours, "dtype": ours.dtype}, read)
    written.seek(0), read.seek(0)
    assert shown(alight.load(written)["x"]) == shown(ours)
    back = torch.load(read)
    assert shown(back["x"]) == shown(tensor) and str(back["dtype"]) == f"torch.{d}"


def test_they_run_hot():
    """Also after the compiler has looked at the program."""
    for _ in range(8):
        x = alight.tensor([1, 65535], dtype=alight.uint16)
        assert ((x * 2) & 7).tolist() == [2, 6]
        assert x.float().sum().item() == 65536
