"""Speed that does not depend on the clock: kernels, meetings of threads and copies of the notes' training steps."""

from __future__ import annotations

import pytest

import alight as torch
from alight import nn
from alight.backends.cpu.kernels import machine
from alight.backends.cpu.target import host
from alight.compiler.pipeline import plan
from alight.ir.text import parse
from docs.listings import flushes


def step_plan(net, shape, classes=10, optimizer=None):
    """The plan of a classifier's training step."""
    trainer = (optimizer or torch.optim.SGD)(net.parameters(), lr=0.1)
    x, y = torch.randn(*shape), torch.randint(0, classes, shape[:1])
    loss = nn.functional.cross_entropy(net(x), y)
    trainer.zero_grad()
    loss.backward()
    with flushes() as log:
        trainer.step()
    return plan(log[0], machine(host()))


def counts(made):
    """(kernels, meetings, calls of the interpreter, copies into another order)."""
    kinds = [kernel.kind for kernel in made.kernels]
    copies = [
        k
        for k in made.kernels
        if k.kind == "loops" and {n.primitive.name for n in k.nodes} <= {"detach", "conv"}
    ]
    return len(kinds), made.phases[-1], kinds.count("interpreter"), len(copies)


LENET = [
    nn.Conv2d(1, 6, 5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Sigmoid(), nn.AvgPool2d(2),
    nn.Flatten(), nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10),
]  # fmt: skip

ROWS = {
    "softmax": ([nn.Linear(784, 10)], (256, 784), (6, 3, 0, 0)),
    "mlp": ([nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10)], (256, 784), (10, 6, 0, 0)),
    "lenet": (LENET, (256, 1, 28, 28), (27, 19, 0, 1)),  # one copy: the images, batch innermost
}


@pytest.mark.parametrize("name", ROWS)
def test_steps_are_no_longer_than_this(name):
    layers, shape, most = ROWS[name]
    found = counts(step_plan(nn.Sequential(*layers), shape))
    assert all(a <= b for a, b in zip(found, most, strict=True)), (
        f"{found}, where {most} is known to be enough"
    )


def test_threads_share_the_reading_of_a_matrix():
    net = nn.Sequential(nn.Linear(128, 512), nn.ReLU(), nn.Linear(512, 16))
    with torch.no_grad(), flushes() as log:
        net(torch.randn(1, 128)).tolist()
    made = plan(log[-1], machine(host(), 2))
    alone = [s for k, s in zip(made.kernels, made.serial, strict=True) if k.kind == "product"]
    assert alone == [False, True]


def test_equal_layers_are_one_piece_of_code():
    def different(depth):
        net = nn.Sequential(
            *[nn.Sequential(nn.Linear(64, 64), nn.Tanh()) for _ in range(depth)], nn.Linear(64, 10)
        )
        return len({kernel.key() for kernel in step_plan(net, (32, 64)).kernels})

    assert different(12) <= different(4) + 1


def test_what_cannot_be_divided_runs_on_one_thread():
    text = """
program(%0: f32[100,300], %1: f32[300,300]) {
  %2: f32[100,300] = dot_general(%0, %1) batch=((), ()) contract=((1,), (0,))
  %3: f32[100,300] = exp(%2)
  %4: f32[] = sum(%3) axes=(0, 1)
  %5: f32[100,300] = dot_general(%3, %1) batch=((), ()) contract=((1,), (0,))
  return %4, %5
}
"""
    made = plan(parse(text), machine(host(), 2))
    alone = {k.kind: s for k, s in zip(made.kernels, made.serial, strict=True)}
    assert alone == {"product": False, "loops": True}  # it may write where it reads
