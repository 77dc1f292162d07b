"""Checkpoints cross between alight and PyTorch unchanged, in both directions."""

from __future__ import annotations

import io
import math
import pickle
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import alight
from alight import dtypes
from alight.device import META
from alight.io import load, save
from alight.io.elements import host_array, tensor_over
from alight.record.owners import root_of

DTYPES = [of for of in dtypes.ALL if of.kind in "buifc"]


def through(obj: Any, write: Any, read: Any, **arguments: Any) -> Any:
    """What `read` makes of `obj` as `write` wrote it."""
    file = io.BytesIO()
    write(obj, file)
    file.seek(0)
    return read(file, **arguments)


def to_alight(obj: Any, **arguments: Any) -> Any:
    return through(obj, torch.save, load, **arguments)


def to_torch(obj: Any, **arguments: Any) -> Any:
    return through(obj, save, torch.load, **arguments)


def numbers(of: dtypes.dtype) -> np.ndarray[Any, Any]:
    """Twelve elements of a dtype, its limits and special values among them."""
    if of is dtypes.bool_:
        return np.arange(12) % 3 == 0
    if of.kind in "ui":
        limits = np.iinfo(of.name)
        return np.array([limits.min, limits.max, *range(10)], of.name)
    real = np.array([0.0, -0.0, 1.5, -2.25, math.inf, -math.inf, math.nan, 1e-3, 3, 4, 5, 6])
    if of is dtypes.bfloat16:
        return torch.tensor(real).bfloat16().float().numpy()
    return (real * (1 + 2j) if of.is_complex else real).astype(of.name)


def torch_numbers(of: dtypes.dtype) -> torch.Tensor:
    return torch.from_numpy(numbers(of)).to(getattr(torch, of.name))


def elements(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    return (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).detach().numpy()


@pytest.mark.parametrize("of", DTYPES, ids=lambda of: of.name)
def test_every_dtype_crosses(of: dtypes.dtype) -> None:
    with np.errstate(invalid="ignore"):
        array, expected = numbers(of), torch_numbers(of)
    here = to_alight(expected)
    assert here.dtype is of
    np.testing.assert_array_equal(host_array(here), elements(expected))
    there = to_torch(tensor_over(array.copy(), of))
    assert there.dtype is expected.dtype
    np.testing.assert_array_equal(elements(there), elements(expected))


@pytest.mark.parametrize("shape", [(), (0,), (1,), (0, 3), (3, 0, 2), (2, 1, 3)])
def test_shapes_cross(shape: tuple[int, ...]) -> None:
    expected = torch.arange(math.prod(shape), dtype=torch.float32).view(shape)
    here = to_alight(expected)
    assert tuple(here.shape) == shape
    np.testing.assert_array_equal(here.numpy(), expected.numpy())
    there = to_torch(alight.from_numpy(expected.numpy().copy()))
    assert there.shape == expected.shape and torch.equal(there, expected)


PLAIN: list[Any] = [
    None, True, False, 0, 255, 256, 65535, 65536, -1, 2**31 - 1, -(2**31), 2**31, 2**100, -(2**2000),
    0.1, -0.0, math.inf, "", "text", "Grüße \U0001f600", "x" * 70000, b"", b"\x00\xff", 1 - 2j,
    (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], [[]], {}, {"a": {"b": [1, (2, None)]}}, {1: 2, (3, "x"): 4},
    set(), {1, "a"}, OrderedDict(b=1, a=2), Counter("hello"), bytearray(b"ab"),
]  # fmt: skip


@pytest.mark.parametrize("obj", PLAIN, ids=lambda obj: "set" if obj == {1, "a"} else repr(obj)[:20])
def test_plain_data_cross(obj: Any) -> None:
    here, there = to_alight(obj), to_torch(obj, weights_only=not isinstance(obj, Counter))
    for found in (here, there, through(obj, save, load)):
        assert type(found) is type(obj) and found == obj


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_binary_protocol_is_read(protocol: int) -> None:
    obj = {"plain": PLAIN, "frozen": frozenset([1, 2]), "slice": slice(1, None), "range": range(3)}
    file = io.BytesIO()
    torch.save(obj, file, pickle_protocol=protocol)
    file.seek(0)
    assert load(file) == obj


def test_numpy_numbers_and_arrays_cross() -> None:
    obj = {
        "scalar": np.float32(0.1),
        "array": np.arange(6).reshape(2, 3),
        "order": np.ones((2, 3), order="F"),
    }
    for found in (to_alight(obj), to_torch(obj, weights_only=False)):
        assert found["scalar"] == obj["scalar"] and type(found["scalar"]) is np.float32
        np.testing.assert_array_equal(found["array"], obj["array"])
        np.testing.assert_array_equal(found["order"], obj["order"])


def test_sizes_dtypes_and_devices_cross() -> None:
    here = to_alight(
        [torch.Size([1, 2]), torch.bfloat16, torch.device("cuda:1"), torch.device("cpu")]
    )
    assert here == [
        alight.Size([1, 2]),
        dtypes.bfloat16,
        alight.device("cuda:1"),
        alight.device("cpu"),
    ]
    assert isinstance(here[0], alight.Size)
    there = to_torch(here)
    assert there == [
        torch.Size([1, 2]),
        torch.bfloat16,
        torch.device("cuda:1"),
        torch.device("cpu"),
    ]


def test_a_list_that_holds_itself() -> None:
    inner: list[Any] = []
    outer = (inner, 1)
    inner.append(outer)
    for found in (
        to_alight(outer),
        to_torch(outer, weights_only=False),
        through(outer, save, load),
    ):
        assert found[0][0] is found


def test_one_object_twice_stays_one() -> None:
    shared = [1]
    found = through({"a": shared, "b": shared}, save, load)
    assert found["a"] is found["b"]


def test_a_state_dict_and_its_metadata_cross() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    here = to_alight(model.state_dict())
    assert type(here) is OrderedDict and here._metadata == model.state_dict()._metadata
    there = to_torch(here)
    assert list(there) == list(model.state_dict()) and there._metadata == here._metadata
    model.load_state_dict(there)


def test_an_optimizers_state_crosses() -> None:
    model = torch.nn.Linear(3, 4)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    expected = optimizer.state_dict()
    here = to_alight(expected)
    assert here["param_groups"] == expected["param_groups"]
    there = to_torch(here)
    for key, state in expected["state"].items():
        assert all(torch.equal(there["state"][key][name], state[name]) for name in state)


def test_gradient_flags_and_parameters_cross() -> None:
    obj = [
        torch.ones(2, requires_grad=True),
        torch.nn.Parameter(torch.ones(2)),
        torch.nn.Parameter(torch.ones(2), False),
    ]
    here = to_alight(obj)
    assert [one.requires_grad for one in here] == [True, True, False]
    assert [isinstance(one, alight.nn.Parameter) for one in here] == [False, True, True]
    there = to_torch(here)
    assert [one.requires_grad for one in there] == [True, True, False]
    assert [isinstance(one, torch.nn.Parameter) for one in there] == [False, True, True]


def test_attributes_of_tensors_cross() -> None:
    tensor, parameter = torch.ones(2), torch.nn.Parameter(torch.ones(2))
    tensor.note, parameter.note = "mine", {"group": 3}  # type: ignore[attr-defined]
    here = to_alight([tensor, parameter])
    assert here[0].note == "mine" and here[1].note == {"group": 3}
    there = to_torch(here)
    assert there[0].note == "mine" and there[1].note == {"group": 3}


VIEWS = {
    "rows": lambda x: x[1:3],
    "columns": lambda x: x[:, 2:5],
    "one row": lambda x: x[2],
    "one column": lambda x: x[:, 3],
    "one element": lambda x: x[1, 2],
    "last columns": lambda x: x[1:, 4:],
    "transposed": lambda x: x.t(),
    "transposed part": lambda x: x[1:3, 1:4].t(),
    "reshaped": lambda x: x.view(2, 2, 6),
    "permuted": lambda x: x.view(2, 2, 6).permute(2, 0, 1),
    "every second": lambda x: x[:, ::2],
    "expanded": lambda x: x[1].expand(3, 6),
    "expanded inside": lambda x: x[:, None, :].expand(4, 2, 6),
    "nothing": lambda x: x[4:],
}


@pytest.mark.parametrize("first", ["whole", "view"])
@pytest.mark.parametrize("name", VIEWS)
def test_views_of_one_storage_stay_views(name: str, first: str) -> None:
    whole = torch.arange(24.0).view(4, 6)
    pair = {"whole": whole, "view": VIEWS[name](whole)}
    expected = {key: pair[key] for key in sorted(pair, key=lambda key: key != first)}
    here = to_alight(expected)
    np.testing.assert_array_equal(here["view"].numpy(), pair["view"].numpy())
    for found in (here, through(here, save, load)):
        found["whole"].fill_(-1)
        assert bool((found["view"] == -1).all())
    there = to_torch(here)
    there["whole"].fill_(-2)
    assert there["view"].shape == pair["view"].shape and bool((there["view"] == -2).all())


def test_own_views_share_memory_in_pytorch() -> None:
    for name, view in VIEWS.items():
        whole = alight.from_numpy(np.arange(24, dtype=np.float32)).view(4, 6)
        there = to_torch({"whole": whole, "view": view(whole)})
        np.testing.assert_array_equal(
            there["view"].numpy(), view(torch.arange(24.0).view(4, 6)).numpy(), err_msg=name
        )
        there["whole"].fill_(-1)
        assert bool((there["view"] == -1).all()), name


def test_a_tensor_alone_is_no_view() -> None:
    """Optimizers write loaded tensors in place; that must not go through a view."""
    found = to_alight({"weight": torch.ones(3, 4), "bias": torch.ones(3)})
    assert all(root_of(tensor) is tensor for tensor in found.values())


def test_a_tied_weight_stays_tied() -> None:
    weight = torch.nn.Parameter(torch.ones(3, 4))
    here = to_alight({"encoder": weight.detach(), "decoder": weight.detach()})
    assert root_of(here["encoder"]) is root_of(here["decoder"])
    there = to_torch(here)
    assert there["encoder"].data_ptr() == there["decoder"].data_ptr()


def test_memory_shared_with_numpy() -> None:
    array = np.arange(24, dtype=np.float32).reshape(4, 6)
    for part in (array.T, array[::2, 1:], array[:, :3].T):
        there = to_torch(alight.from_numpy(part))
        np.testing.assert_array_equal(there.numpy(), part)


def test_meta_tensors_cross() -> None:
    here = to_alight(torch.empty(2, 3, device="meta"))
    assert here.device == META and tuple(here.shape) == (2, 3)
    there = to_torch(here)
    assert there.is_meta and there.shape == (2, 3)


def test_map_location() -> None:
    tensor = torch.ones(2)
    for where in (
        "cpu",
        torch.device("cpu").type,
        alight.device("cpu"),
        {"cpu": "cpu"},
        lambda storage, _: storage,
    ):
        assert to_alight(tensor, map_location=where).device == alight.device("cpu")
    assert to_alight(tensor, map_location="meta").is_meta
    seen = []
    to_alight(tensor, map_location=lambda storage, where: seen.append((len(storage), where)))
    assert seen == [(2, "cpu")]
    for where in ("cuda", {"cpu": "cuda:0"}, lambda storage, _: storage.cuda()):
        with pytest.raises(RuntimeError, match="CUDA"):
            to_alight(tensor, map_location=where).tolist()


def test_a_checkpoint_from_a_gpu() -> None:
    file = io.BytesIO()
    save({"a": alight.from_numpy(np.ones(2, np.float32))}, file)
    content = file.getvalue().replace(b"X\x03\x00\x00\x00cpu", b"X\x03\x00\x00\x00xpu")
    content = _with_new_checksums(content)
    with pytest.raises(RuntimeError, match="Attempting to deserialize object on a XPU device"):
        load(io.BytesIO(content))
    assert load(io.BytesIO(content), map_location="cpu")["a"].tolist() == [1, 1]


def _with_new_checksums(content: bytes) -> bytes:
    import zipfile

    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(content)).read("archive/data.pkl")
    out, archive = io.BytesIO(), zipfile.ZipFile(io.BytesIO(content))
    with zipfile.ZipFile(out, "w") as changed:
        for info in archive.infolist():
            with archive.open(info) as record:
                record._expected_crc = None  # type: ignore[attr-defined]
                changed.writestr(info.filename, record.read())
    return out.getvalue()


def test_big_endian_files_are_read() -> None:
    import zipfile

    out = io.BytesIO()
    file = io.BytesIO()
    torch.save({"a": torch.arange(4.0), "b": torch.arange(3).bfloat16()}, file)
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(out, "w") as changed:
        for info in archive.infolist():
            content = archive.read(info)
            if info.filename.endswith("data/0"):
                content = np.frombuffer(content, "<f4").astype(">f4").tobytes()
            if info.filename.endswith("data/1"):
                content = np.frombuffer(content, "<u2").astype(">u2").tobytes()
            changed.writestr(
                info.filename, b"big" if info.filename.endswith("byteorder") else content
            )
    out.seek(0)
    found = load(out)
    assert found["a"].tolist() == [0, 1, 2, 3] and found["b"].tolist() == [0, 1, 2]


def test_records_are_aligned(tmp_path: Path) -> None:
    """Readers that map a file into memory want elements at multiples of 64 bytes."""
    path = tmp_path / "a name of some length.pt"
    save([alight.from_numpy(np.arange(n + 1)) for n in range(20)], path)
    found = torch.load(path, mmap=True)
    assert all(tensor.data_ptr() % 64 == 0 for tensor in found)
    assert [tensor.tolist() for tensor in found] == [list(range(n + 1)) for n in range(20)]


def test_equal_contents_make_equal_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        save({"a": alight.from_numpy(np.ones(3))}, tmp_path / name / "file.pt")
    assert (tmp_path / "one" / "file.pt").read_bytes() == (
        tmp_path / "two" / "file.pt"
    ).read_bytes()


class Point:
    """A class of the user's."""

    def __init__(self, x: int) -> None:
        self.x = x


def test_classes_of_the_user(tmp_path: Path) -> None:
    from alight.io import serialization

    path = tmp_path / "point.pt"
    save({"point": Point(3)}, path)
    with pytest.raises(pickle.UnpicklingError, match=r"GLOBAL \S*Point was not an allowed global"):
        load(path)
    names = serialization.get_unsafe_globals_in_checkpoint(path)
    assert names == [f"{Point.__module__}.Point"]
    assert load(path, weights_only=False)["point"].x == 3  # a class that is here already
    with serialization.safe_globals([Point]):
        assert serialization.get_safe_globals() == [Point]
        assert load(path)["point"].x == 3
    assert serialization.get_safe_globals() == []
    serialization.add_safe_globals([(Point, f"{Point.__module__}.Point")])
    assert load(path)["point"].x == 3
    serialization.clear_safe_globals()
    with pytest.raises(RuntimeError):
        load(path)
