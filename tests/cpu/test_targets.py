"""Code for machines that are not at hand: the right instructions come out, whatever this machine is."""

from __future__ import annotations

import re

import pytest

from alight.backends.cpu import jit
from alight.backends.cpu.step import step_text
from alight.backends.cpu.target import Target
from docs.listings import lenet_plan

L1, L2 = 32 << 10, 512 << 10
TARGETS = {
    "neon": (Target("aarch64-unknown-linux-gnu", "generic", "+neon,+fp-armv8", 16, 32, L1, L2), r"\bfmla\b", r"vfmadd"),
    "avx2": (Target("x86_64-unknown-linux-gnu", "x86-64-v3", "+avx2,+fma", 32, 16, L1, L2), r"vfmadd\w+ps.*ymm", r"zmm"),
    "baseline": (Target("x86_64-unknown-linux-gnu", "x86-64", "", 16, 16, L1, L2), r"\bmulps\b", r"[yz]mm|call\w*\s+fma"),
}  # fmt: skip


@pytest.mark.parametrize("name", TARGETS)
def test_lenet_for_another_machine(name):
    target, wanted, unwanted = TARGETS[name]
    kernels, _ = step_text(lenet_plan(target), target, size=100).parts
    assembly = jit.assembly(kernels.text, target)
    own = "\n".join(
        line for line in assembly.splitlines() if "alight_" not in line and "step0" not in line
    )
    assert len(re.findall(wanted, own)) > 200
    assert not re.findall(unwanted, own)
