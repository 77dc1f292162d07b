"""Programs that an earlier process compiled: found by what they compute, run at once, without planning or LLVM."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from alight import config
from alight.backends.cpu import cache, elf, jit
from alight.backends.cpu.build import Summary, build, recall
from alight.backends.cpu.code import Code
from alight.backends.cpu.native import Native
from alight.backends.cpu.target import host
from alight.compiler.signature import signature
from alight.ir.text import parse

SCRIPT = """
import json, sys
import alight as torch
from alight import nn
from alight.backends.base import programs
from alight.compiler.hot import background
torch.manual_seed(1)
net = nn.Sequential(nn.Linear(30, 17), nn.ReLU(), nn.Linear(17, 3))
trainer = torch.optim.SGD(net.parameters(), lr=0.1)
x, losses = torch.randn(8, 30), []
for n in range(6):
    trainer.zero_grad(); loss = net(x).square().mean(); loss.backward(); trainer.step()
    losses.append(loss.item())
    background.wait()
largest = max(programs.entries.values(), key=lambda hot: len(hot.program.nodes))
print(json.dumps([losses, largest.recalled, largest.tier, "llvmlite" in sys.modules, "alight.compiler.fuse" in sys.modules]))
"""


def run_script(folder: Path) -> list:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "ALIGHT_CACHE_DIR": str(folder), "ALIGHT_HOT": "3", "ALIGHT_TIER": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return json.loads(done.stdout)


def test_a_second_process_plans_nothing(tmp_path):
    first, again = run_script(tmp_path), run_script(tmp_path)
    assert first[1:] == [False, 1, True, True]
    assert again[1:3] == [True, 1]
    if sys.platform == "linux" and os.uname().machine == "x86_64":
        assert again[3:] == [False, False]
    np.testing.assert_allclose(first[0], again[0], rtol=1e-5)


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "cache_dir", str(tmp_path))
    monkeypatch.setattr(cache, "_cache", None)


TEXT = "program(%0: f32[5,40]) {{ %1: f32[5,40] = mul(%0, %0) %2: f32[{shape}] = sum(%1) axes=({axes},) return %2 }}"


def program(axes=0, shape=40):
    return parse(TEXT.format(axes=axes, shape=shape))


def test_code_comes_back_whole_or_not_at_all(own_cache):
    assert recall(program()) is None
    built = build(program(), general=False)  # other tests may have compiled other shapes of it
    found = recall(program())
    assert found is not None and found.summary == built.summary and found.plan is None
    given = np.arange(200, dtype=np.float32).reshape(5, 40)
    (result,) = Native(program(), found)([given])
    np.testing.assert_allclose(result, (given**2).sum(0))
    assert len(Native(program(), found).plan.kernels) == len(found.summary.kernels)
    assert recall(program(1, 5)) is None
    for key in (found.summary.parts[0][0],):  # a part is gone
        cache.cache()._path(key).unlink()
    assert recall(program()) is None


def test_a_damaged_summary_is_a_miss(own_cache):
    from alight.backends.cpu.build import _key

    build(program(), general=False)
    cache.store(_key(program()), b"{}")
    assert recall(program()) is None


def test_a_summary_is_the_same_text_and_back():
    summary = Summary(
        (("key", (("a", "a"), ("b", "k3"))),), ("step0",), ("a", ""), 64, True, False, ((0, -1),)
    )
    assert Summary.parse(summary.text()) == summary


def test_what_a_program_computes_is_in_its_signature_and_nothing_else():
    texts = [
        "program(%0: f32[4]) { %1: f32[4] = exp(%0)  # a.py:1\n return %1 }",
        "program(%0: f32[4]) { %1: f32[4] = exp(%0)  # b.py:9\n return %1 }",
        "program(%0: f64[4]) { %1: f64[4] = exp(%0) return %1 }",
        "program(%0: f32[5]) { %1: f32[5] = exp(%0) return %1 }",
        "program(%0: f32[4]) { %1: f32[4] = neg(%0) return %1 }",
        "program(%0: f32[4]) { %1: f32[4] = exp(%0) return %1, %1 }",
        "program() { %0: f32[] = full() value=0.0 return %0 }",
        "program() { %0: f32[] = full() value=-0.0 return %0 }",
        "program() { %0: f32[] = full() value=1.0 return %0 }",
    ]
    found = [signature(parse(text)) for text in texts]
    assert found[0] == found[1] and len(set(found)) == len(texts) - 1


def answer() -> bytes:
    code = Code("answer", [("i64", "x")], "i64")
    value = code.add(code.call("i64", "labs", code["x"]), 2)
    text = code.finish(value)
    return jit.object_code(jit.module_text([text], code.declared.values(), host()))


@pytest.mark.skipif(host().triple.split("-")[0] != "x86_64", reason="another format")
def test_objects_are_linked_without_llvm():
    code = answer()
    placed = elf.place(code, ["answer"], {})
    linked = jit._linked_by_llvm(code, ["answer"], {})
    if sys.platform == "linux":
        assert placed is not None
    for module in filter(None, (placed, linked)):
        run = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(module.addresses["answer"])
        assert run(-5) == 7
    assert elf.place(code, ["question"], {}) is None
    assert elf.place(b"nonsense", [], {}) is None
    assert elf.place(code[:100], ["answer"], {}) is None


def test_programs_of_one_process_share_functions(own_cache):
    text = "program(%0: f32[5,40]) {{ %1: f32[5,40] = {0}(%0, %0) %2: f32[40] = sum(%1) axes=(0,) {1}return %2{2} }}"
    more = "%3: f32[5] = prod(%0) axes=(1,) "
    first = build(parse(text.format("mul", "", "")), general=False)
    second = build(parse(text.format("mul", more, ", %3")), general=False)
    other = build(parse(text.format("sub", "", "")), general=False)
    (name,) = first.summary.kernels
    (again,) = (k for k in second.summary.kernels if second.addresses[k] == first.addresses[name])
    assert other.addresses[other.summary.kernels[0]] != first.addresses[name]
    assert sum(len(names) for _, names in second.summary.parts) == 3  # and the step
    shared = dict(second.summary.parts)[first.summary.parts[0][0]]
    assert shared == ((name, again),)
    del first
    given = np.linspace(0.5, 1.5, 200, dtype=np.float32).reshape(5, 40)
    found = recall(parse(text.format("mul", more, ", %3")))
    assert found is not None and found.summary == second.summary
    for built in (second, found):
        result = Native(parse(text.format("mul", more, ", %3")), built)([given])
        np.testing.assert_allclose(result[0], (given**2).sum(0), rtol=1e-6)
        np.testing.assert_allclose(result[1], given.prod(1), rtol=1e-5)
