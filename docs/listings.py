"""Makes the listings of docs/compiler.md anew: `python -m docs.listings`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import alight as torch
from alight import nn
from alight.backends.cpu import jit
from alight.backends.cpu.kernels import kernel_code, machine
from alight.backends.cpu.target import Target, host
from alight.compiler.nest import Apply, Load, Nest, Number
from alight.compiler.pipeline import Plan, plan
from alight.ir.program import Program
from alight.record.recorder import thread

PAGE = Path(__file__).parent / "compiler.md"
AVX512 = "+avx512f,+avx512vl,+avx512dq,+avx512bw,+fma,-prefer-256-bit"


def lenet_plan(target: Target) -> Plan:
    """The plan of LeNet's training step."""
    net = nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, kernel_size=5), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10),
    )  # fmt: skip
    trainer = torch.optim.SGD(net.parameters(), lr=0.1)
    x, y = torch.randn(256, 1, 28, 28), torch.randint(0, 10, (256,))
    loss = nn.functional.cross_entropy(net(x), y)
    trainer.zero_grad()
    loss.backward()
    with flushes() as log:
        trainer.step()
    return plan(log[0], machine(target))


@contextmanager
def flushes() -> Iterator[list[Program]]:
    """The largest program of each flush inside."""
    log: list[Any] = []
    found: list[Program] = []
    thread.recorder.log = log
    try:
        yield found
    finally:
        thread.recorder.log = None
    for _, made in log:
        found.append(
            max((run.program for run in made.runs), key=lambda program: len(program.nodes))
        )


def kernels_text(made: Plan) -> str:
    """One line for each kernel."""
    lines = []
    for phase, kernel, serial in zip(made.phases, made.kernels, made.serial, strict=True):
        names: dict[str, int] = {}
        for node in kernel.nodes:
            names[node.primitive.name] = names.get(node.primitive.name, 0) + 1
        what = " ".join(name if count == 1 else f"{name}*{count}" for name, count in names.items())
        shape = kernel.nest.extents if kernel.nest else made.types[kernel.writes[0]].shape
        lines.append(
            f"{phase:>3} {kernel.kind:<12}{'one thread' if serial else '':<11}{shape!s:<24}{what}"
        )
    return "\n".join(lines)


def nest_text(nest: Nest) -> str:
    """The expressions and stores of a nest."""
    lines = [f"axes {', '.join(f'a{i}: {size}' for i, size in enumerate(nest.extents))}"]
    for n, one in enumerate(nest.expressions):
        inputs = ", ".join(f"e{i}" for i in one.inputs)
        if isinstance(one.what, Apply):
            text = f"{one.what.primitive.name}({inputs})"
        else:
            text = f"{type(one.what).__name__.lower()} {_parts(one.what)}{f'({inputs})' if inputs else ''}"
        lines.append(f"e{n} = {text}")
    lines += [f"store %{s.value}[{s.index}] = e{s.expression}" for s in nest.stores]
    return "\n".join(lines)


def _parts(what: object) -> str:
    if isinstance(what, Load):
        return f"%{what.value}[{what.index}]"
    return str(what.value if isinstance(what, Number) else getattr(what, "index", ""))


def fill(page: str, name: str, text: str, kind: str = "text") -> str:
    """The page with one listing replaced."""
    block = f"<!-- listing: {name} -->\n```{kind}\n{text.strip()}\n```\n<!-- end -->"
    return re.sub(rf"<!-- listing: {name} -->.*?<!-- end -->", lambda _: block, page, flags=re.S)


def inner_loop(assembly: str) -> str:
    """The longest run of lines between a label and the jump back to it."""
    lines = [
        line.strip()
        for line in assembly.splitlines()
        if line.strip() and not line.strip().startswith((".p2", ".sec"))
    ]
    best: list[str] = []
    for at, line in enumerate(lines):
        if line.startswith(".LBB") and line.endswith(":"):
            for to in range(at + 1, len(lines)):
                if lines[to].startswith(".LBB"):
                    break
                if re.match(rf"j\w+\s+{re.escape(line[:-1])}$", lines[to]) and to - at > len(best):
                    best = lines[at : to + 1]
    return "\n".join(best)


def rewritten(page: str) -> str:
    """The page with all its listings made anew."""
    target = Target(host().triple, "x86-64-v4", AVX512, 64, 32, 32 << 10, 1 << 20)
    made = lenet_plan(target)
    pooling = next(
        k for k in made.kernels if any(n.primitive.name == "window_sum" for n in k.nodes)
    )
    code = kernel_code(pooling, "pooling", made.types, target)
    text = code.finish()
    module = jit.module_text([text], code.declared.values(), target)
    assert pooling.nest is not None
    page = fill(page, "kernels", kernels_text(made))
    page = fill(page, "nest", nest_text(pooling.nest))
    page = fill(page, "ir", text, "llvm")
    return fill(page, "assembly", inner_loop(jit.assembly(module, target)), "asm")


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text()))
