"""Modules saved whole, objects of the program's classes, files of old PyTorch, memory mapped from files."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import enum
import io
import pathlib
import pickle
import struct
import types
import zipfile
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import alight
from alight import nn
from alight.errors import UnpicklingError
from alight.io import load, save
from tests.io.test_safe_loading import archive


class Net(nn.Module):
    """A module of the program's."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.act = nn.Tanh()
        self.sizes = {"in": 3}

    def forward(self, x: Any) -> Any:
        return self.act(self.layer(x))


@dataclasses.dataclass
class Config:
    """Settings of the program's."""

    width: int
    names: list[str]


class Colour(enum.Enum):
    """An enumeration of the program's."""

    RED = 1


Pair = collections.namedtuple("Pair", "left right")


class Careless:
    """A class whose constructor must not run for a file."""

    made: ClassVar[list[Any]] = []

    def __init__(self, *arguments: Any) -> None:
        Careless.made.append(arguments)


def reread(obj: Any, **options: Any) -> Any:
    file = io.BytesIO()
    save(obj, file)
    file.seek(0)
    return load(file, **options)


def test_a_module_crosses_whole() -> None:
    alight.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), Net().layer)
    with pytest.raises(UnpicklingError, match=r"GLOBAL torch\.nn\.Sequential was not an allowed"):
        reread(net)
    again = reread(net, weights_only=False)
    assert str(again) == str(net)
    x = alight.randn(4, 1, 3, 3)
    net[4] = again[4] = nn.Identity()
    assert (again(x) == net(x)).all()
    file = io.BytesIO()
    save(net, file)
    file.seek(0)
    theirs = torch.load(file, weights_only=False)
    assert isinstance(theirs, torch.nn.Sequential) and str(theirs) == str(net)
    expected = net(x)
    np.testing.assert_allclose(
        theirs(torch.from_numpy(x.numpy())).detach().numpy(), expected.detach().numpy(), rtol=1e-4, atol=1e-6
    )  # fmt: skip


def test_pytorchs_modules_are_read() -> None:
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.LayerNorm(4), torch.nn.Dropout(0.3)
    )
    file = io.BytesIO()
    torch.save(theirs, file)
    file.seek(0)
    ours = load(file, weights_only=False).eval()
    assert isinstance(ours, nn.Sequential) and str(ours) == str(theirs)
    x = torch.randn(2, 3)
    expected = theirs.eval()(x).detach().numpy()
    np.testing.assert_allclose(
        ours(alight.from_numpy(x.numpy())).detach().numpy(), expected, rtol=1e-5
    )
    ours.train()
    loss = ours(alight.ones(2, 3)).sum()
    loss.backward()
    assert ours[0].weight.grad is not None


def test_objects_of_the_program() -> None:
    net, state = Net(), argparse.Namespace(lr=0.1)
    held = {
        "net": net,
        "config": Config(3, ["a"]),
        "colour": Colour.RED,
        "pair": Pair(1, alight.ones(2)),
        "args": state,
        "space": types.SimpleNamespace(x=1),
        "path": pathlib.PurePosixPath("a/b"),
        "counts": collections.defaultdict(int, a=1),
    }
    with pytest.raises(UnpicklingError):
        reread(held)
    found = reread(held, weights_only=False)
    x = alight.randn(2, 3)
    assert (found["net"](x) == net(x)).all() and found["net"].sizes == {"in": 3}
    assert found["config"] == Config(3, ["a"]) and found["colour"] is Colour.RED
    assert isinstance(found["pair"], Pair) and found["pair"].right.tolist() == [1.0, 1.0]
    assert found["args"] == state and found["space"].x == 1
    assert str(found["path"]) == "a/b" and found["counts"]["b"] == 0


def test_constructors_do_not_run() -> None:
    class Call:
        def __reduce__(self) -> Any:
            return Careless, ("a file's argument",)

    with pytest.raises(UnpicklingError):
        load(archive(pickle.dumps(Call(), 2)), weights_only=False)
    assert Careless.made == []
    made = load(archive(pickle.dumps(Careless(1), 2)), weights_only=False)
    assert isinstance(made, Careless) and Careless.made == [(1,)]
    Careless.made.clear()


@pytest.mark.parametrize("name", ["posix.system", "subprocess.Popen", "os.path.join", "shutil.rmtree",
                                  "alight.tensor.Tensor", "functools.partial", "alight.io.files.write"])  # fmt: skip
@pytest.mark.parametrize("how", [b"(tR", b")\x81", b")\x81}b"])
def test_what_is_not_the_programs_is_refused(name: str, how: bytes) -> None:
    module, _, last = name.rpartition(".")
    content = b"\x80\x02c" + f"{module}\n{last}\n".encode() + how + b"."
    with pytest.raises(UnpicklingError):
        load(archive(content), weights_only=False)


def test_tensors_do_not_get_a_state() -> None:
    """A tensor's own attributes say where its memory is."""
    file = io.BytesIO()
    torch.save(torch.ones(3), file)
    with zipfile.ZipFile(file) as opened:
        content = opened.read("archive/data.pkl")
        records = {"data/0": opened.read("archive/data/0")}
    state = b"}X\x07\x00\x00\x00_buffer" + b"K\x00sb."
    with pytest.raises(UnpicklingError):
        load(archive(content[:-1] + state, records), weights_only=False)


# -- files of PyTorch before 1.6


def old(obj: Any, **options: Any) -> Any:
    file = io.BytesIO()
    torch.save(obj, file, _use_new_zipfile_serialization=False)
    file.seek(0)
    return load(file, **options)


def test_old_files_are_read() -> None:
    weights = torch.arange(6.0).view(2, 3)
    found = old(
        {
            "w": weights,
            "row": weights[1],
            "half": torch.tensor([1.5, 2.0]).bfloat16(),
            "flags": torch.tensor([True, False]),
            "empty": torch.zeros(0, 3),
            "epoch": 3,
            "names": ["a", ("b", None)],
            "param": torch.nn.Parameter(torch.ones(2)),
        }
    )
    assert found["w"].tolist() == weights.tolist() and found["row"].tolist() == [3, 4, 5]
    found["w"][1, 0] = 9.0
    assert found["row"].tolist() == [9, 4, 5]
    assert found["half"].tolist() == [1.5, 2.0] and found["half"].dtype is alight.bfloat16
    assert found["flags"].tolist() == [True, False] and found["empty"].shape == (0, 3)
    assert found["epoch"] == 3 and found["names"] == ["a", ("b", None)]
    assert isinstance(found["param"], nn.Parameter) and found["param"].requires_grad


def test_old_states_and_modules_are_read() -> None:
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    trainer = torch.optim.Adam(theirs.parameters())
    theirs(torch.randn(5, 3)).sum().backward()
    trainer.step()
    ours = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    ours.load_state_dict(old(theirs.state_dict()))
    state = old(trainer.state_dict())
    alight.optim.Adam(ours.parameters()).load_state_dict(state)
    assert state["state"][0]["exp_avg"].shape == (4, 3)
    whole = old(theirs, weights_only=False)
    assert str(whole) == str(theirs)
    x = alight.ones(2, 3)
    whole.eval(), ours.eval()
    assert (whole(x) == ours(x)).all()
    with pytest.raises(UnpicklingError):
        old(theirs)


def test_old_files_that_are_damaged(tmp_path: pathlib.Path) -> None:
    file = io.BytesIO()
    torch.save({"a": torch.arange(10.0)}, file, _use_new_zipfile_serialization=False)
    content = file.getvalue()
    for cut in (len(content) - 8, len(content) - 41, len(content) // 2, 30, 14):
        with pytest.raises(RuntimeError):
            load(io.BytesIO(content[:cut]))
    longer = content[:-48] + struct.pack("<q", 2**40) + content[-40:]
    with pytest.raises(RuntimeError, match="unexpected EOF"):
        load(io.BytesIO(longer))
    path = tmp_path / "old.pt"
    path.write_bytes(content)
    with pytest.raises(RuntimeError, match="mmap can only be used with files saved with"):
        load(path, mmap=True)


# -- mapped memory and storages


def test_mapped_files(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "big.pt"
    weights = torch.arange(6.0).view(2, 3)
    torch.save(
        {"w": weights, "row": weights[1], "n": torch.zeros(0), "b": torch.ones(3).bool()}, path
    )
    before = path.read_bytes()
    found = load(path, mmap=True)
    assert found["w"].tolist() == weights.tolist() and found["b"].tolist() == [True] * 3
    found["w"][1, 0] = 9.0
    assert found["row"].tolist() == [9.0, 4.0, 5.0]
    assert (found["w"] @ found["w"].T).shape == (2, 2)
    del found
    assert path.read_bytes() == before
    with pytest.raises(ValueError, match="f must be a file path in order to use the mmap argument"):
        load(io.BytesIO(before), mmap=True)
    path.write_bytes(before.replace(b"PK\x03\x04", b"PK\x03\x05"))
    with pytest.raises(RuntimeError):
        load(path, mmap=True)


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_storages_cross() -> None:
    file = io.BytesIO()
    torch.save(torch.arange(4.0).storage(), file)
    file.seek(0)
    found = load(file)
    assert found.tolist() == [0.0, 1.0, 2.0, 3.0] and found.dtype is alight.float32
    file = io.BytesIO()
    save(alight.arange(3).storage(), file)
    file.seek(0)
    assert torch.load(file).tolist() == [0, 1, 2]


def test_unsafe_names() -> None:
    from alight.io import serialization

    file = io.BytesIO()
    torch.save({"net": torch.nn.ReLU(), "path": pathlib.PurePosixPath("a")}, file)
    for library in (torch, alight):
        file.seek(0)
        names = library.serialization.get_unsafe_globals_in_checkpoint(file)
        assert set(names) == {"pathlib.PurePosixPath", "torch.nn.modules.activation.ReLU"}
    assert serialization.get_safe_globals() == []
