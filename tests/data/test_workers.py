"""Workers: threads for arrays, processes for a user's dataset, the same batches and errors as PyTorch's."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import torch
import torch.utils.data as torch_data

import alight
import alight.data as alight_data
from alight.data import fetching, processes, worker
from alight.vision import datasets, transforms
from tests.data.test_loader import plain, same

pytestmark = pytest.mark.filterwarnings("ignore")
BOTH = pytest.mark.parametrize("data", [alight_data, torch_data], ids=["alight", "torch"])


class Rows:
    """Samples that `make` makes."""

    def __init__(self, make, size=16):
        self.make = make
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return self.make(index)


def way(loader):
    """The class that makes the loader's batches."""
    return type(iter(loader)._batches)


def test_who_works():
    arrays = alight_data.TensorDataset(alight.arange(8))
    assert way(alight_data.DataLoader(arrays, 2, num_workers=2)) is worker.InTurns
    pictures = datasets.ArrayImages(np.zeros((8, 4, 4), np.uint8), np.arange(8))
    pictures.transform = transforms.Compose([transforms.Resize(8), transforms.ToTensor()])
    assert way(alight_data.DataLoader(pictures, 2, num_workers=2)) is worker.InThreads
    assert way(alight_data.DataLoader(pictures, 2)) is fetching.AtOnce
    rows = Rows(lambda index: index)
    expected = processes.InProcesses if sys.platform == "linux" else worker.InTurns
    assert way(alight_data.DataLoader(rows, 2, num_workers=2)) is expected


@BOTH
def test_spawned_workers_want_what_can_be_pickled(data):
    loader = data.DataLoader(Rows(lambda i: i), num_workers=1, multiprocessing_context="spawn")
    with pytest.raises((AttributeError, pickle.PicklingError), match="ickle"):
        iter(loader)


SPAWNED = """
import random
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

class Squares(Dataset):
    def __len__(self):
        return 9

    def __getitem__(self, index):
        if index == 100:
            raise KeyError("no such square")
        draws = torch.randint(0, 100, (1,)).item(), random.randrange(100)
        return {"square": torch.tensor([index * index]), "draws": draws, "worker": get_worker_info().id}

class Parts(IterableDataset):
    def __iter__(self):
        info = get_worker_info()
        return iter(range(info.id, 8, info.num_workers))

def begin(worker_id):
    global BEGUN
    BEGUN = worker_id

def joined(samples):
    return torch.utils.data.default_collate(samples), BEGUN

if __name__ == "__main__":
    torch.manual_seed(3)
    options = {"num_workers": 2, "multiprocessing_context": METHOD}
    loader = DataLoader(
        Squares(), 2, shuffle=True, collate_fn=joined, worker_init_fn=begin, persistent_workers=True,
        prefetch_factor=1, **options,
    )
    for _ in range(2):
        for batch, begun in loader:
            print(batch["square"].tolist(), batch["draws"], batch["worker"].tolist(), begun)
    del loader
    print([batch.tolist() for batch in DataLoader(Parts(), 2, **options)])
    try:
        list(DataLoader(Squares(), sampler=[0, 100], **options))
    except KeyError as error:
        lines = str(error.args[0]).splitlines()
        print(lines[0], "|", lines[-1], "|", any("__getitem__" in line for line in lines))
"""


# What PyTorch prints.
SPAWNED_OUTPUT = """\
[[64], [16]] [tensor([67, 28]), tensor([27, 26])] [0, 0] 0
[[0], [1]] [tensor([91, 33]), tensor([11, 85])] [1, 1] 1
[[36], [49]] [tensor([95, 11]), tensor([67, 52])] [0, 0] 0
[[4], [25]] [tensor([ 8, 44]), tensor([37, 75])] [1, 1] 1
[[9]] [tensor([18]), tensor([42])] [0] 0
[[0], [16]] [tensor([26, 72]), tensor([66, 84])] [0, 0] 0
[[64], [25]] [tensor([41, 88]), tensor([ 4, 11])] [1, 1] 1
[[49], [9]] [tensor([22, 23]), tensor([70, 77])] [0, 0] 0
[[4], [36]] [tensor([74, 56]), tensor([56, 82])] [1, 1] 1
[[1]] [tensor([79]), tensor([55])] [0] 0
[[0, 2], [1, 3], [4, 6], [5, 7]]
Caught KeyError in DataLoader worker process 1. | KeyError: 'no such square' | True
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_spawned_workers(method, tmp_path):
    script = tmp_path / "spawned.py"
    script.write_text(SPAWNED.replace("METHOD", repr(method)))
    command = [sys.executable, "-m", "alight", "run", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout == SPAWNED_OUTPUT, done.stderr


SAMPLES = {
    "tensors": lambda lib, i: lib.arange(i, i + 3),
    "no dimensions": lambda lib, i: lib.tensor(float(i)),
    "no elements": lambda lib, i: lib.zeros(0, 3),
    "bfloat16": lambda lib, i: lib.tensor([i, 0.5], dtype=lib.bfloat16).float(),
    "gradients": lambda lib, i: {"x": lib.ones(2), "name": str(i), "none": [i, (i, 2.0)]},
    "large": lambda lib, i: lib.full((100, 1000), float(i)).sum(1),
    "arrays": lambda lib, i: np.full((2, 2), i, np.int16),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_batches_cross_the_process(name):
    def program(side):
        loader = side.data.DataLoader(
            Rows(lambda index: SAMPLES[name](side.lib, index)), 5, shuffle=True, num_workers=2
        )
        return list(loader)

    same(program)


def test_large_batches_and_index_lists_do_not_block():
    loader = alight_data.DataLoader(Rows(lambda i: np.full(200, i), 30000), 15000, num_workers=1)
    assert [tuple(batch.shape) for batch in loader] == [(15000, 200)] * 2


def test_persistent_workers():
    def program(side):
        def sample(index):
            return index, float(side.lib.rand(1))

        loader = side.data.DataLoader(
            Rows(sample), 4, shuffle=True, num_workers=2, persistent_workers=True
        )
        first = iter(loader)
        epochs = [list(first), list(loader), list(loader)]
        return [*epochs, first is iter(loader)]

    same(program)


def test_persistent_workers_after_an_epoch_broken_off():
    loader = alight_data.DataLoader(
        Rows(lambda index: index), 2, num_workers=2, persistent_workers=True
    )
    next(iter(loader))
    assert [batch.tolist() for batch in loader] == [[i, i + 1] for i in range(0, 16, 2)]


def test_persistent_threads():
    images = datasets.ArrayImages(np.zeros((8, 4, 4), np.uint8), np.arange(8))
    images.transform = transforms.Compose([transforms.Resize(6), transforms.ToTensor()])
    loader = alight_data.DataLoader(images, 3, num_workers=2, persistent_workers=True)
    for _ in range(2):
        assert [labels.tolist() for _, labels in loader] == [[0, 1, 2], [3, 4, 5], [6, 7]]


def test_persistent_iterable():
    def program(side):
        class Few(side.data.IterableDataset):
            def __iter__(self):
                info = side.data.get_worker_info()
                return iter(range(info.id, 7, info.num_workers))

        loader = side.data.DataLoader(Few(), 2, num_workers=2, persistent_workers=True)
        return list(loader), list(loader)

    same(program)


@pytest.mark.parametrize("steps", [[], [transforms.Resize(6)]], ids=["in turns", "in threads"])
def test_arrays_draw_as_single_images_do(steps):
    pixels = np.arange(40 * 12, dtype=np.uint8).reshape(40, 3, 4)
    labels = np.arange(40)
    flip = transforms.RandomHorizontalFlip()
    both = transforms.Compose([*steps, flip, transforms.ToTensor()])

    def batches(kind):
        alight.manual_seed(3)
        images = kind(pixels, labels, transform=both)
        loader = alight_data.DataLoader(images, 8, shuffle=True, num_workers=2)
        return plain(list(loader)), way(loader)

    class Slow(datasets.ArrayImages):
        def __getitem__(self, index):
            return super().__getitem__(index)

    ours, theirs = batches(datasets.ArrayImages), batches(Slow)
    assert ours[0] == theirs[0]
    assert ours[1] is (worker.InThreads if steps else worker.InTurns)
    assert theirs[1] is not ours[1] or sys.platform != "linux"


class OddError(Exception):
    def __init__(self, number, text):
        super().__init__(number, text)


def failing(error):
    def make(index):
        if index == 9:
            raise error
        return index

    return make


@BOTH
@pytest.mark.parametrize("error", [ValueError("bad"), KeyError("k"), OddError(1, "odd")], ids=repr)
def test_errors_are_passed_on(data, error):
    batches = iter(data.DataLoader(Rows(failing(error)), 4, num_workers=2))
    assert next(batches).tolist() == [0, 1, 2, 3]
    next(batches)
    expected = RuntimeError if isinstance(error, OddError) else type(error)
    with pytest.raises(expected) as caught:
        next(batches)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"Caught {type(error).__name__} in DataLoader worker process 0."
    assert lines[1] == "Original Traceback (most recent call last):"
    assert any("raise error" in line for line in lines)
    assert next(batches).tolist() == [12, 13, 14, 15]


@BOTH
def test_an_error_in_worker_init_fn(data):
    def init(number):
        raise ValueError(f"worker {number}")

    loader = data.DataLoader(Rows(lambda index: index), 4, num_workers=1, worker_init_fn=init)
    with pytest.raises(ValueError, match="Caught ValueError in DataLoader worker process 0"):
        next(iter(loader))


@pytest.mark.parametrize("steps", [[], [transforms.Resize(6)]], ids=["in turns", "in threads"])
def test_errors_of_arrays(steps):
    images = datasets.ArrayImages(np.zeros((8, 4, 4), np.uint8), np.arange(8))
    images.transform = transforms.Compose([*steps, transforms.ToTensor()])
    loader = alight_data.DataLoader(alight_data.Subset(images, [0, 1, 2, 99]), 2, num_workers=2)
    batches = iter(loader)
    assert next(batches)[1].tolist() == [0, 1]
    with pytest.raises(IndexError, match="Caught IndexError in DataLoader worker process 1"):
        next(batches)


def test_worker_init_fn_and_info():
    def sample(index):
        info = alight_data.get_worker_info()
        return info.id, info.num_workers, info.seed - info.id, float(os.environ["INIT"])

    def init(number):
        os.environ["INIT"] = str(number)

    loader = alight_data.DataLoader(Rows(sample), 8, num_workers=2, worker_init_fn=init)
    ids, counts, seeds, inits = (
        [column.tolist() for column in columns] for columns in zip(*loader, strict=True)
    )
    assert ids == [[0] * 8, [1] * 8] and counts == [[2] * 8] * 2
    assert inits == [[0.0] * 8, [1.0] * 8]
    assert len(set(seeds[0] + seeds[1])) == 1
    assert alight_data.get_worker_info() is None and "INIT" not in os.environ


def test_a_worker_that_dies():
    def sample(index):
        return index if index < 9 else os._exit(3)

    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid\(s\) \d+\) exited unexpected"):
        list(alight_data.DataLoader(Rows(sample), 4, num_workers=2))


@BOTH
def test_a_worker_that_is_late(data):
    def sample(index):
        time.sleep(index * 5)
        return index

    loader = data.DataLoader(Rows(sample, 2), 1, num_workers=1, timeout=1)
    with pytest.raises(RuntimeError, match="DataLoader timed out after 1 seconds"):
        list(loader)


def test_out_of_order():
    def sample(index):
        time.sleep(0.5 * (index == 0))
        return index

    loader = alight_data.DataLoader(Rows(sample, 6), 1, num_workers=2, in_order=False)
    found = [int(batch) for batch in loader]
    assert sorted(found) == list(range(6)) and found[0] != 0


def test_dropped_iterators_leave_no_process():
    batches = iter(alight_data.DataLoader(Rows(lambda index: index), 4, num_workers=2))
    next(batches)
    members = [member.process for member in batches._batches._members]
    assert all(member.is_alive() for member in members)
    del batches
    assert not any(member.is_alive() for member in members)


PROGRAM = """
import os, sys, time
from torch.utils.data import DataLoader, Dataset

class Slow(Dataset):
    def __len__(self):
        return 1000

    def __getitem__(self, index):
        time.sleep(0.02)
        return index

for batch in DataLoader(Slow(), 4, num_workers=2):
    print(batch[0].item(), flush=True)
"""


def test_ctrl_c(tmp_path):
    """The terminal interrupts the whole group; only the main process speaks, and none is left."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(PROGRAM))
    command = [sys.executable, "-m", "alight", "run", str(script)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, start_new_session=True, **pipes) as running:
        assert running.stdout.readline() == "0\n"
        os.killpg(running.pid, signal.SIGINT)
        _, errors = running.communicate(timeout=30)
    assert running.returncode == 130
    assert errors.count("Traceback") == 1 and errors.rstrip().endswith("KeyboardInterrupt")
    with pytest.raises(ProcessLookupError):
        os.killpg(running.pid, 0)


CONTEXTS = [
    {"num_workers": 0, "multiprocessing_context": "fork"},
    {"num_workers": 1, "multiprocessing_context": "thread"},
]


@pytest.mark.parametrize("options", CONTEXTS, ids=str)
def test_contexts_are_checked(options):
    messages = []
    for data in (torch_data, alight_data):
        with pytest.raises(ValueError) as caught:
            data.DataLoader(Rows(None), **options)
        messages.append(str(caught.value).splitlines()[0])
    assert messages[0] == messages[1]


def test_under_pytorch_the_same_options_exist():
    ours = set(alight_data.DataLoader.__init__.__code__.co_varnames)
    known = torch_data.DataLoader.__init__.__code__
    assert set(known.co_varnames[: known.co_argcount + known.co_kwonlyargcount]) <= ours
    assert torch.__version__


@pytest.mark.parametrize("workers", [0, 2])
def test_joined_arrays_draw_as_single_images_do(workers):
    pixels = np.arange(30 * 12, dtype=np.uint8).reshape(30, 3, 4)
    both = transforms.Compose([transforms.RandomHorizontalFlip(), transforms.ToTensor()])

    class Slow(datasets.ArrayImages):
        def __getitem__(self, index):
            return super().__getitem__(index)

    def batches(kind):
        parts = [
            kind(pixels[part], np.arange(30)[part], transform=both)
            for part in (slice(9), slice(9, 30))
        ]
        joined = alight_data.ConcatDataset([alight_data.ConcatDataset(parts[:1]), parts[1]])
        alight.manual_seed(3)
        arrays = fetching.arrays_of(alight_data.DataLoader(joined, 8))
        loader = alight_data.DataLoader(joined, 8, shuffle=True, num_workers=workers)
        return plain(list(loader)), arrays is not None

    (ours, fast), (theirs, slow) = batches(datasets.ArrayImages), batches(Slow)
    assert ours == theirs and fast and not slow
    mixed = alight_data.ConcatDataset(
        [alight_data.TensorDataset(alight.arange(3)), alight_data.TensorDataset(alight.zeros(3))]
    )
    assert fetching.arrays_of(alight_data.DataLoader(mixed, 2)) is None
