"""The loader gives PyTorch's batches in PyTorch's order, and leaves the random stream where PyTorch does."""

import itertools
import random

import numpy as np
import pytest
import torch
import torch.utils.data as torch_data

import alight
import alight.data as alight_data

SIZE = 103


class Side:
    """The same program on either side: the library, its data package, and its values as plain Python."""

    def __init__(self, lib, data):
        self.lib, self.data = lib, data

    def generator(self, seed):
        return self.lib.Generator().manual_seed(seed)

    def arrays(self):
        rows = np.arange(SIZE * 3, dtype=np.float32).reshape(SIZE, 3)
        return self.lib.tensor(rows.tolist()), self.lib.arange(SIZE)


SIDES = (Side(torch, torch_data), Side(alight, alight_data))


def plain(value):
    """Tensors as (dtype, list), inside containers too, so that both sides compare."""
    if hasattr(value, "tolist"):
        return str(value.dtype).split(".")[-1], value.tolist()
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return type(value).__name__, [plain(member) for member in value]
    return value


def on_both(program):
    """What `program(side)` gives under each library, from the same seed, and the streams afterwards."""
    results = []
    for side in SIDES:
        side.lib.manual_seed(7)
        random.seed(7)
        np.random.seed(7)
        value = plain(program(side))
        results.append(
            (value, side.lib.get_rng_state().tolist(), random.random(), np.random.rand())
        )
    return results


def same(program):
    theirs, ours = on_both(program)
    assert ours == theirs


class Rows:
    """A user's map-style dataset, sample by sample."""

    def __init__(self, draw=None):
        self.draw = draw

    def __len__(self):
        return 23

    def __getitem__(self, index):
        return index if self.draw is None else (index, self.draw())


OPTIONS = [
    {"batch_size": 10},
    {"batch_size": 10, "shuffle": True},
    {"batch_size": 10, "shuffle": True, "drop_last": True},
    {"batch_size": SIZE, "shuffle": True},
    {"batch_size": 10, "shuffle": True, "num_workers": 2},
    {"shuffle": True},
    {"batch_size": None, "shuffle": True},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("given", [False, True], ids=["default", "generator"])
@pytest.mark.filterwarnings("ignore")
def test_two_epochs(options, given):
    def program(side):
        generator = side.generator(5) if given else None
        dataset = side.data.TensorDataset(*side.arrays())
        loader = side.data.DataLoader(dataset, generator=generator, **options)
        epochs = [list(loader), list(loader), len(loader)]
        return epochs, generator.get_state() if given else 0

    same(program)


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_an_epoch_broken_off(taken):
    def program(side):
        loader = side.data.DataLoader(side.data.TensorDataset(*side.arrays()), 10, shuffle=True)
        first = list(itertools.islice(iter(loader), taken))
        return first, list(loader)

    same(program)


def test_samplers():
    def program(side):
        data = side.data
        samplers = [
            data.SequentialSampler(range(5)),
            data.RandomSampler(range(9)),
            data.RandomSampler(range(9), num_samples=4),
            data.RandomSampler(range(9), num_samples=30),
            data.RandomSampler(range(9), replacement=True, num_samples=100),
            data.RandomSampler(range(9), replacement=True, generator=side.generator(3)),
            data.SubsetRandomSampler([3, 1, 4, 15]),
            data.WeightedRandomSampler([0.1, 0.2, 0.7], 20),
            data.WeightedRandomSampler([0.1, 0.2, 0.7], 2, replacement=False),
        ]
        batches = data.BatchSampler(data.RandomSampler(range(11)), 4, True)
        return [(list(sampler), len(sampler)) for sampler in [*samplers, batches]]

    same(program)


def test_distributed_shares():
    def program(side):
        shares = [
            (3, rank, shuffle, drop)
            for rank in range(3)
            for shuffle in (True, False)
            for drop in (True, False)
        ]
        found = []
        for count, rank, shuffle, drop in [*shares, (30, 29, True, False)]:
            sampler = side.data.DistributedSampler(
                range(10), count, rank, shuffle=shuffle, seed=3, drop_last=drop
            )
            found.append(list(sampler))
            sampler.set_epoch(1)
            found.append([list(sampler), len(sampler)])
        return found

    same(program)


def test_stacked_datasets():
    def program(side):
        x, y = side.arrays()
        pairs = side.data.TensorDataset(x, y)
        both = side.data.StackDataset(pairs, y)
        named = side.data.StackDataset(x=x, label=side.data.Subset(y, range(SIZE)))
        loaders = [side.data.DataLoader(dataset, 40, shuffle=True) for dataset in (both, named)]
        return both[3], named[5], [list(loader) for loader in loaders], len(named)

    same(program)


STACK_ERRORS = [
    lambda data: data.StackDataset(),
    lambda data: data.StackDataset([1], x=[1]),
    lambda data: data.StackDataset([1], [1, 2]),
    lambda data: data.DistributedSampler(range(3), 2, 2),
]


@pytest.mark.parametrize("number", range(len(STACK_ERRORS)))
def test_errors_of_stacks_and_shares(number):
    messages = []
    for side in SIDES:
        with pytest.raises(ValueError) as caught:
            STACK_ERRORS[number](side.data)
        messages.append(str(caught.value).splitlines()[0])
    assert messages[0] == messages[1]


def test_given_samplers_reach_the_loader():
    def program(side):
        dataset = side.data.TensorDataset(*side.arrays())
        subset = side.data.Subset(dataset, list(range(50, 80)))
        weighted = side.data.WeightedRandomSampler([1.0] * SIZE, 12)
        batches = side.data.BatchSampler(side.data.SubsetRandomSampler(range(30)), 7, False)
        loaders = [
            side.data.DataLoader(dataset, 5, sampler=weighted),
            side.data.DataLoader(subset, batch_sampler=batches),
            side.data.DataLoader(subset, 8, shuffle=True),
            side.data.DataLoader(side.data.ConcatDataset([dataset, subset]), 50, shuffle=True),
            side.data.DataLoader(dataset, batch_sampler=[[1, 2], [0]]),
        ]
        return [list(loader) for loader in loaders]

    same(program)


def test_random_split():
    def program(side):
        generator = side.generator(42)
        parts = side.data.random_split(range(10), [3, 7])
        shares = side.data.random_split(range(33), [0.3, 0.3, 0.4], generator=generator)
        return [list(part.indices) for part in [*parts, *shares]]

    same(program)


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.filterwarnings("ignore")
def test_draws_inside_samples(workers):
    """Random numbers of the library, of Python and of NumPy, drawn sample by sample, in workers too."""

    def program(side):
        def draw():
            return float(side.lib.rand(1)), random.random(), np.random.rand()

        loader = side.data.DataLoader(Rows(draw), 4, shuffle=True, num_workers=workers)
        return list(loader), list(loader)

    same(program)


class Count:
    """An iterable dataset split among workers in the documented way."""

    def __iter__(self):
        info = self.info()
        start, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(start, 20, step))


@pytest.mark.parametrize(
    "options", [{}, {"num_workers": 3}, {"drop_last": True, "num_workers": 2}], ids=str
)
@pytest.mark.filterwarnings("ignore")
def test_iterable(options):
    def program(side):
        kind = type(
            "Kind",
            (Count, side.data.IterableDataset),
            {"info": staticmethod(side.data.get_worker_info)},
        )
        return list(side.data.DataLoader(kind(), 4, **options)), list(
            side.data.DataLoader(kind(), None)
        )

    same(program)


def test_changes_between_batches_are_seen():
    x = alight.zeros(4, 1)
    batches = iter(alight_data.DataLoader(alight_data.TensorDataset(x), 2))
    assert next(batches)[0].tolist() == [[0.0], [0.0]]
    x.fill_(5.0)
    assert next(batches)[0].tolist() == [[5.0], [5.0]]


def test_a_batch_is_nobody_elses_memory():
    x = alight.zeros(4, 1)
    (batch,) = next(iter(alight_data.DataLoader(alight_data.TensorDataset(x), 4)))
    batch += 1
    assert x.tolist() == [[0.0]] * 4


def test_an_overridden_getitem_wins_over_the_arrays():
    class Doubled(alight_data.TensorDataset):
        def __getitem__(self, index):
            return super().__getitem__(index)[0] * 2

    (batch,) = alight_data.DataLoader(Doubled(alight.arange(3)), 3)
    assert batch.tolist() == [0, 2, 4]


def test_gradients_flow_through_a_batch():
    x = alight.ones(3, 2, requires_grad=True)
    (batch,) = next(iter(alight_data.DataLoader(alight_data.TensorDataset(x), 2)))
    batch.sum().backward()
    assert x.grad.tolist() == [[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]


ERRORS = [
    {"batch_size": 0},
    {"batch_size": None, "drop_last": True},
    {"num_workers": -1},
    {"timeout": -1},
    {"prefetch_factor": 2},
    {"persistent_workers": True},
    {"shuffle": True, "sampler": [0]},
    {"batch_sampler": [[0]], "batch_size": 4},
    {"batch_sampler": [[0]], "shuffle": True},
]


@pytest.mark.parametrize("options", ERRORS, ids=str)
def test_errors_are_pytorchs(options):
    with pytest.raises(ValueError) as theirs:
        torch_data.DataLoader(Rows(), **options)
    with pytest.raises(ValueError) as ours:
        alight_data.DataLoader(Rows(), **options)
    assert str(ours.value).splitlines()[0] == str(theirs.value)


def test_settings_are_fixed():
    loader = alight_data.DataLoader(Rows(), 4)
    with pytest.raises(
        ValueError, match="batch_size attribute should not be set after DataLoader is initialized"
    ):
        loader.batch_size = 8


def test_an_empty_dataset_cannot_be_shuffled():
    with pytest.raises(
        ValueError, match="num_samples should be a positive integer value, but got num_samples=0"
    ):
        alight_data.DataLoader([], shuffle=True)
