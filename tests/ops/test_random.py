"""Random operations give PyTorch's numbers, leave the stream where PyTorch leaves it, and refuse what it refuses."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

import alight
from tests.ops.rows import close, described, evaluate

PROGRAMS = """
torch.rand(5)
torch.rand(2, 3)
torch.rand((2, 3), dtype=torch.float64)
torch.rand(3, dtype=torch.float16)
torch.rand(3, dtype=torch.bfloat16)
torch.rand(0), torch.rand(())
torch.rand(3, requires_grad=True)
torch.rand(size=(2,))
torch.randn(5)
torch.randn(37)
torch.randn(7), torch.randn(3)
torch.randn(4, 5)
torch.randn([3, 20], dtype=torch.float64)
torch.randn(20, dtype=torch.complex64)
torch.randint(10, (5,))
torch.randint(3, 10, (2, 3))
torch.randint(0, 2 ** 40, (4,))
torch.randint(-5, 5, (4,), dtype=torch.int32)
torch.randint(0, 2, size=(4,))
torch.randint(high=5, size=(3,))
torch.randint(0, 10, (4,), dtype=torch.float32)
torch.randint(5, 5, (3,))
torch.randperm(10)
torch.randperm(5, dtype=torch.int32)
torch.randperm(0), torch.randperm(1), torch.rand(1)
torch.randperm(-1)
torch.normal(0, 0.01, (2, 3))
torch.normal(0.0, 1.0, size=(20,))
torch.normal(torch.arange(3.), torch.ones(3))
torch.normal(torch.arange(3.), 2.0)
torch.normal(1.0, torch.arange(1., 4.))
torch.normal(torch.zeros(2, 1), torch.ones(3))
torch.normal(0, -1, (2,))
torch.rand_like(torch.zeros(2, 3))
torch.randn_like(torch.zeros(3, dtype=torch.float64))
torch.randint_like(torch.zeros(3), 10)
torch.randint_like(torch.zeros(3), 2, 5)
torch.bernoulli(torch.tensor([0.1, 0.5, 0.9]))
torch.bernoulli(torch.full((20,), 0.3, dtype=torch.float64))
torch.bernoulli(torch.zeros(5), 0.5)
torch.bernoulli(torch.tensor([2.0]))
torch.multinomial(torch.ones(10), 4)
torch.multinomial(torch.tensor([[1., 2., 3.], [3., 0., 1.]]), 2)
torch.multinomial(torch.tensor([0.2, 0.3, 0.5]), 6, replacement=True)
torch.multinomial(torch.tensor([[1., 2.], [3., 0.]]), 3, True)
torch.multinomial(torch.ones(2), 3)
torch.multinomial(-torch.ones(2), 1)
torch.empty(20).uniform_(-0.2, 0.2)
torch.empty(5).uniform_(1, 0)
torch.empty(3, 4).normal_(0, 0.01)
torch.empty(20).normal_(mean=2, std=3)
torch.empty(4).exponential_()
torch.empty(4).exponential_(2.5)
torch.empty(4).geometric_(0.3)
torch.empty(4, dtype=torch.float64).cauchy_(1, 2)
torch.empty(4).log_normal_()
torch.empty(20).bernoulli_(0.3)
torch.zeros(4, dtype=torch.int64).bernoulli_(0.5)
torch.empty(3).bernoulli_(torch.tensor([0., 1., 0.5]))
torch.empty(4, dtype=torch.int64).random_()
torch.empty(4).random_()
torch.empty(4, dtype=torch.int32).random_(10)
torch.empty(4, dtype=torch.int64).random_(5, 8)
torch.empty(4, dtype=torch.uint8).random_()
torch.empty(4, dtype=torch.int64).normal_()
torch.empty(4, 6).t().normal_()
torch.empty(4, 6).t().uniform_()
torch.zeros(4, 6)[:, ::2].normal_()
torch.zeros(6, 6)[1:3].uniform_()
x = torch.zeros(3, 4); x[1].uniform_(); x
x = torch.zeros(3, 4); x.t()[1].normal_(); x
x = torch.zeros(3); y = x.view(3, 1); x.uniform_(); y
x = torch.ones(3); y = x + 1; x.uniform_(); (x, y)
x = torch.ones(3); z = x * 2; z.normal_(); z
x = torch.zeros(2, requires_grad=True); x.uniform_()
x = torch.zeros(20, requires_grad=True); x.data.normal_(); x
x = torch.zeros(3); x.data.uniform_(); (x._version, x)
torch.manual_seed(5).initial_seed(), torch.initial_seed()
torch.manual_seed(-1).initial_seed()
g = torch.Generator().manual_seed(3); (torch.rand(2, generator=g), torch.rand(2), torch.randn(20, generator=g))
g = torch.Generator(); g.manual_seed(3); (torch.randperm(4, generator=g), torch.randint(5, (3,), generator=g))
g = torch.Generator().manual_seed(1); torch.empty(3).normal_(generator=g)
s = torch.get_rng_state(); a = torch.rand(3); torch.set_rng_state(s); (a, torch.rand(3))
torch.get_rng_state().shape, torch.get_rng_state().dtype, torch.get_rng_state().sum()
s = torch.random.get_rng_state(); torch.random.manual_seed(4); torch.randn(3)
torch.Generator().device, torch.Generator().initial_seed()
torch.set_rng_state(torch.zeros(3))
torch.rand(2, 3).sum(), torch.rand(3) @ torch.rand(3)
torch.nn.init.uniform_(torch.empty(5)) if hasattr(torch.nn, 'init') else 0
"""


def outcome(library, program):
    library.manual_seed(7)
    try:
        result = described(evaluate(program, {"torch": library}))
    except Exception as error:
        result = type(error).__name__, str(error).split("\n")[0]
    return result, library.rand(2).tolist()


@pytest.mark.parametrize("program", PROGRAMS.strip().splitlines())
def test_random(program):
    ours, theirs = outcome(alight, program), outcome(torch, program)
    assert close(ours, theirs), f"\n{program}\nalight:  {ours}\nPyTorch: {theirs}"


def test_fork_leaves_the_stream():
    alight.manual_seed(0)
    with alight.random.fork_rng():
        alight.rand(10)
    first = alight.rand(2)
    alight.manual_seed(0)
    assert first.tolist() == alight.rand(2).tolist()


def test_generators_are_copied_and_pickled():
    generator = alight.Generator().manual_seed(5)
    alight.rand(3, generator=generator)
    expected = alight.rand(4, generator=generator.clone_state()).tolist()
    restored = pickle.loads(pickle.dumps(generator))
    assert alight.rand(4, generator=restored).tolist() == expected
    state = generator.get_state()
    other = alight.Generator()
    other.set_state(state)
    assert alight.rand(4, generator=other).tolist() == expected


def test_states_are_pytorchs():
    alight.manual_seed(3)
    torch.manual_seed(3)
    alight.randn(7), torch.randn(7)
    assert alight.get_rng_state().tolist() == torch.get_rng_state().tolist()
    alight.set_rng_state(alight.tensor(torch.get_rng_state().tolist(), dtype=alight.uint8))
    assert alight.randn(3).tolist() == pytest.approx(torch.randn(3).tolist(), abs=1e-7)


def test_draws_happen_at_the_call():
    alight.manual_seed(0)
    a = alight.rand(2)
    b = a * 2 + alight.rand(2)
    c = alight.rand(2)
    alight.manual_seed(0)
    d, e, f = alight.rand(2), alight.rand(2), alight.rand(2)
    assert c.tolist() == f.tolist() and b.tolist() == (d * 2 + e).tolist()


def test_deepcopy_of_random_parameters_is_equal():
    x = alight.empty(4).normal_().requires_grad_()
    assert copy.deepcopy(x).tolist() == x.tolist()


FEW = """
torch.rand(n)
torch.rand(n, dtype=torch.float64)
torch.rand((n, 1))
torch.randn(n)
torch.randn(n, dtype=torch.float64)
torch.randn((1, n), dtype=torch.bfloat16)
torch.randint(0, 10, (n,))
torch.randint(-7, 5, (n,))
torch.randint(0, 1 << 28, (n,))
torch.randint(0, (1 << 28) - 1, (n,))
torch.randint(0, 100, (n,), dtype=torch.int32)
torch.randperm(n)
torch.normal(0.0, 1.0, (n,))
torch.normal(1.0, 2.5, (n,))
torch.empty(n).uniform_()
torch.empty(n).uniform_(-1, 2)
torch.empty(n).normal_()
torch.empty(n).log_normal_()
torch.empty(n, 2).t().normal_()
torch.randn(n, dtype=torch.complex64)
"""


@pytest.mark.parametrize("call", FEW.strip().splitlines())
def test_few_numbers_are_those_of_the_stream(call):
    """Counts on both sides of where plain Python hands over to NumPy, and what they leave in the generator."""
    made = []
    for library in (alight, torch):
        library.manual_seed(3)
        drawn = []
        for n in (*range(16), 3, 1, 47, 48, 49, 50, 7):
            one = eval(call, {"torch": library, "n": n})
            drawn.append((str(one.dtype), tuple(one.shape), one.tolist(), str(one.tolist())))
        made.append((drawn, bytes(library.get_rng_state().tolist())))
    assert made[0][0] == made[1][0]
    assert made[0][1] == made[1][1]
