"""Writes inside functions that are transformed: batch norm's running statistics, arguments, tensors from outside."""

import pytest

from tests.semantics.oracle import attempt, same

PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


@program
def bn_train(torch):
    m = torch.nn.BatchNorm1d(3)
    x = torch.arange(24.0).reshape(2, 4, 3)
    return attempt(lambda: torch.vmap(m)(x))


@program
def bn_eval(torch):
    m = torch.nn.BatchNorm1d(3).eval()
    x = torch.arange(24.0).reshape(2, 4, 3)
    return attempt(lambda: torch.vmap(m)(x).detach()), m.running_mean


@program
def bn_notrack(torch):
    m = torch.nn.BatchNorm1d(3, track_running_stats=False)
    x = torch.arange(24.0).reshape(2, 4, 3)
    return attempt(lambda: torch.vmap(m)(x).detach())


@program
def f_batched_stats(torch):
    x = torch.arange(24.0).reshape(2, 4, 3) * torch.ones(1)
    rm = torch.zeros(2, 3)
    rv = torch.ones(2, 3)

    def f(x, rm, rv):
        return torch.nn.functional.batch_norm(x, rm, rv, training=True)

    return attempt(lambda: torch.vmap(f)(x, rm, rv)), rm, rv


@program
def f_stats_only(torch):
    x = torch.arange(12.0).reshape(4, 3)
    rm = torch.zeros(2, 3)
    rv = torch.ones(2, 3)

    def f(rm, rv):
        return torch.nn.functional.batch_norm(x, rm, rv, training=True)

    return attempt(lambda: torch.vmap(f)(rm, rv)), rm, rv


@program
def f_one(torch):
    x = torch.arange(24.0).reshape(2, 4, 3)
    rm = torch.zeros(2, 3)
    rv = torch.ones(3)

    def f(x, rm):
        return torch.nn.functional.batch_norm(x, rm, rv, training=True)

    return attempt(lambda: torch.vmap(f)(x, rm)), rm, rv


@program
def f_eval_batched(torch):
    x = torch.arange(24.0).reshape(2, 4, 3)
    rm = torch.zeros(2, 3)
    rv = torch.ones(2, 3)

    def f(x, rm, rv):
        return torch.nn.functional.batch_norm(x, rm, rv)

    return attempt(lambda: torch.vmap(f)(x, rm, rv)), rm


@program
def f_none(torch):
    x = torch.arange(24.0).reshape(2, 4, 3)
    return attempt(
        lambda: torch.vmap(lambda x: torch.nn.functional.batch_norm(x, None, None, training=True))(
            x
        )
    )


@program
def grad_bn(torch):
    m = torch.nn.BatchNorm1d(3)
    x = torch.arange(12.0).reshape(4, 3)

    def loss(w):
        return (torch.func.functional_call(m, {"weight": w}, (x,)) ** 2).sum()

    return (
        attempt(lambda: torch.func.grad(loss)(torch.ones(3))),
        m.running_mean,
        m.num_batches_tracked,
    )


@program
def ensembles(torch):
    torch.manual_seed(0)
    ms = [torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3)) for _ in range(2)]
    params, buffers = torch.func.stack_module_state(ms)
    x = torch.arange(12.0).reshape(4, 3) / 5

    def f(p, b, x):
        return torch.func.functional_call(ms[0], (p, b), (x,))

    r = attempt(lambda: torch.vmap(f, (0, 0, None))(params, buffers, x).detach().shape)
    return r, buffers["1.running_mean"].shape, buffers["1.num_batches_tracked"]


@program
def instance_norm(torch):
    m = torch.nn.InstanceNorm1d(3, track_running_stats=True)
    x = torch.arange(24.0).reshape(2, 1, 3, 4)
    return attempt(lambda: torch.vmap(m)(x))


@program
def arguments_written(torch):
    x = torch.arange(6.0).reshape(2, 3)
    y = torch.zeros(3, 2)

    def f(a, b):
        a.mul_(2)
        b[0] = a.sum()
        return a + b.sum()

    out = torch.vmap(f, in_dims=(0, 1))(x, y)
    return out, x, y


@program
def outside_written(torch):
    total, seen = torch.zeros(3), torch.zeros(())
    x = torch.arange(6.0).reshape(2, 3)

    def count(a):
        seen.add_(1)
        return a * seen

    def add(a):
        total.add_(a)
        return a

    out = torch.vmap(count)(x)
    return out, seen, attempt(lambda: torch.vmap(add)(x)), total


@program
def outside_written_under_grad(torch):
    seen = torch.zeros(())

    def f(a):
        seen.add_(1)
        return (a * a).sum()

    return attempt(lambda: torch.func.grad(f)(torch.ones(2))), seen


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_pytorch(name):
    same(PROGRAMS[name])
