"""Shapes that change from step to step: code is shared, what is never seen again costs little, nothing grows."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from statistics import median
from time import thread_time

import numpy as np
import pytest

import alight as torch
from alight import config, nn
from alight.backends.base import programs
from alight.backends.cpu import cache, generic, native
from alight.backends.cpu.build import OWN_SHAPES, build, recall
from alight.backends.cpu.generic import Form, Number, forms, taken_apart
from alight.compiler.hot import background
from alight.ir.text import parse
from tests.record.paths import forgotten

SOFTMAX = """
program(%0: f32[{n},20], %1: f32[20,16]) {{
  %2: f32[{n},16] = dot_general(%0, %1) batch=((), ()) contract=((1,), (0,))
  %3: f32[{n}] = max(%2) axes=(1,)
  %4: f32[{n},1] = reshape(%3) shape=({n}, 1)
  %5: f32[{n},16] = expand(%4) shape=({n}, 16)
  %6: f32[{n},16] = sub(%2, %5)
  %7: f32[{n},16] = exp(%6)
  %8: f32[16] = sum(%7) axes=(0,)
  %9: f32[] = full() shape=() value={value} dtype=float32 device=cpu
  %10: f32[16] = expand(%9) shape=(16,)
  %11: f32[16] = mul(%8, %10)
  return %7, %11
}}"""


def softmax(n: int) -> object:
    return parse(SOFTMAX.format(n=n, value=1 / n))


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "cache_dir", str(tmp_path))
    monkeypatch.setattr(cache, "_cache", None)
    forms.entries.clear()
    forms.bytes = 0


def test_one_code_for_many_shapes_computes_what_each_shapes_own_does(own_cache):
    compiled = []
    for n in (33, 35, 37, 39, 41, 43, 45, 51, 53, 55, 57, 59):
        before = forms.compiled
        general = build(softmax(n), general=True)
        compiled.append(forms.compiled - before)
        assert general.general
        given = [
            np.random.default_rng(n).standard_normal(s).astype(np.float32)
            for s in ((n, 20), (20, 16))
        ]
        expected = native.Native(softmax(n), build(softmax(n), general=False))(list(given))
        for arguments in (list(given), tuple(given)):  # the quick way in, and the other one
            for a, b in zip(native.Native(softmax(n), general)(arguments), expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-5)
    # From then on it is a link.
    assert compiled[0] >= 4 and max(compiled[6:]) == 0, compiled


def test_a_shape_of_the_same_operations_is_the_third(own_cache):
    assert [build(softmax(n)).general for n in (61, 62, 63, 64)] == [False] * OWN_SHAPES + [
        True
    ] * 2


def test_what_is_kept_for_shapes_is_bounded(own_cache, monkeypatch):
    built = build(softmax(27), general=True)
    assert built.plan is None  # made again when somebody looks
    assert forms.bytes == sum(form.bytes for form in forms.entries.values()) > 0
    monkeypatch.setattr(generic, "MOST_BYTES", forms.bytes // 2)
    for n in (65, 67, 69):
        build(softmax(n), general=True)
        assert forms.bytes == sum(form.bytes for form in forms.entries.values())
        assert forms.bytes <= generic.MOST_BYTES or len(forms.entries) == 1


def test_another_process_finds_code_for_many_shapes(own_cache):
    built = build(softmax(29), general=True)
    given = [
        np.random.default_rng(1).standard_normal(s).astype(np.float32) for s in ((29, 20), (20, 16))
    ]
    expected = [a.copy() for a in native.Native(softmax(29), built)(list(given))]
    generic._leaves.clear()
    found = recall(softmax(29))
    assert found is not None and found.general and found.plan is None
    assert found.summary == built.summary
    for a, b in zip(native.made_of(softmax(29), found)(list(given)), expected, strict=True):
        np.testing.assert_array_equal(a, b)
    generic._leaves.clear()
    cache.cache()._path(found.summary.pieces[0][0]).unlink()
    assert recall(softmax(29)) is None


def test_what_runs_often_gets_code_of_its_own(own_cache, monkeypatch):
    monkeypatch.setattr(native, "MANY_RUNS", 5)
    program = softmax(19)
    often = native.General(program, build(program, general=True))
    given = [np.ones(s, np.float32) for s in ((19, 20), (20, 16))]
    expected = [a.copy() for a in often(list(given))]
    for _ in range(6):
        often(list(given))
    assert background.wait() and often.special is not None and not often.special.built.general
    for a, b in zip(often(list(given)), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


TEXT = """define void @k3_loops(ptr %args, i64 %thread, i64 %threads, ptr %team) #0 {{
entry:
  %v1 = mul i64 {a}, %thread
  %v2 = add nsw i64 %v1, {a}
  %v3 = fmul contract float %x, {f}
  %v4 = insertelement <4 x float> poison, float {f}, i64 0
  %v5 = shufflevector <4 x float> %v4, <4 x float> poison, <4 x i32> <i32 0, i32 0, i32 0, i32 0>
  call void @k1_loops(ptr %v9, i64 {a}, i64 1, ptr %team)
  ret void
}}
declare void @k1_loops(ptr, i64, i64, ptr)
"""


def test_numbers_that_change_become_parameters():
    first, second = (
        taken_apart(TEXT.format(a=a, f=f), "k3_loops")
        for a, f in ((7, "0x3FD0000000000000"), (9, "0x3FE0000000000000"))
    )
    assert first.pieces == second.pieces and first.callees == ("k1_loops",)
    assert Number("i64", "7") in first.numbers
    form = Form(first.pieces, first.numbers)
    form.widen(first.numbers)
    assert form.words(first.numbers) == []
    form.widen(second.numbers)
    words = form.words(second.numbers)
    assert sorted(words) == [9, int.from_bytes(np.float32(0.5).tobytes(), "little")]
    text = form.text(None)
    assert "mul i64 %shape." in text and "<i32 0, i32 0, i32 0, i32 0>" in text
    assert "i64 1, ptr %team, ptr %shape.c0)" in text
    form.widen(taken_apart(TEXT.format(a=7, f="0x3FE0000000000000"), "k3_loops").numbers)
    assert form.text(None) == text  # nothing new varies


MASKED = """define void @k0_loops(ptr %args, i64 %thread, i64 %threads, ptr %team) #0 {{
entry:
  %v1 = call <4 x float> @llvm.masked.load.v4f32.p0(ptr %args, i32 4, <4 x i1> <{mask}>, <4 x float> zeroinitializer)
  ret void
}}
"""


def test_a_constant_mask_becomes_a_parameter():
    masks = [
        ", ".join(f"i1 {'true' if n < count else 'false'}" for n in range(4)) for count in (1, 3)
    ]
    first, second = (taken_apart(MASKED.format(mask=mask), "k0_loops") for mask in masks)
    assert first.pieces == second.pieces
    form = Form(first.pieces, first.numbers)
    form.widen(second.numbers)
    assert [form.words(one.numbers) for one in (first, second)] == [[0b0001], [0b0111]]
    text = form.text(None)
    assert "i32 4, <4 x i1> %shape.0, <4 x float> zeroinitializer" in text
    assert "%shape.0.bits = load i4" in text and "%shape.0 = bitcast i4" in text


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 2))


def train(net: nn.Module, sizes: range) -> float:
    """Processor seconds of steps on batches of these sizes, collections of garbage apart: they fall where they will."""
    trainer = torch.optim.SGD(net.parameters(), lr=0.01)
    gc.collect()
    gc.disable()
    try:
        before = thread_time()
        for n in sizes:
            trainer.zero_grad()
            net(torch.ones(n, 20)).square().mean().backward()
            trainer.step()
        return thread_time() - before
    finally:
        gc.enable()


def test_what_is_never_repeated_costs_little_more_than_the_interpreter(monkeypatch, own_cache):
    monkeypatch.setattr(config, "hot", 3)
    net, ratios = network(), []
    train(net, range(1, 4))
    assert background.wait()
    for lap in range(5):
        seconds = []
        for tier in (0, 1):
            monkeypatch.setattr(config, "tier", tier)
            forgotten()
            seconds.append(train(net, range(100 + 30 * lap, 130 + 30 * lap)))
        ratios.append(seconds[1] / seconds[0])
    assert median(ratios) < 1.3, ratios
    assert not any(hot.tier for hot in programs.entries.values() if len(hot.program.nodes) > 20)
    forgotten()


GROWTH = """
import sys, time
import alight as torch
from alight.compiler.hot import background
from alight import nn
kind, count = sys.argv[1], int(sys.argv[2])
net = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 2))
x = torch.ones(10)
def step(n):
    return net(torch.ones(n, 20)).square().mean().item() if kind == "shapes" else (x * (n + 0.5)).sum().item()
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6
found = []
for n in range(8):
    step(5.5) if kind == "floats" else step(5)
background.wait()  # LLVM is there from here on
for part in range(4):
    before = time.process_time()
    for n in range(part * count // 4 + 1, (part + 1) * count // 4 + 1):
        step(n if kind == "floats" else 1 + n)
    found.append((time.process_time() - before, resident()))
print(found)
"""


def grown(kind: str, count: int) -> list[tuple[float, float]]:
    """Processor seconds and megabytes after each quarter of so many different steps."""
    done = subprocess.run(
        [sys.executable, "-c", GROWTH, kind, str(count)],
        env={**os.environ, "ALIGHT_TIER": "1", "ALIGHT_HOT": "3"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return eval(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_numbers_that_change_are_one_path():
    found = grown("floats", 4000)
    assert found[-1][1] - found[1][1] < 4, found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("kind", "count", "most"), [("shapes", 10_000, 450), ("floats", 100_000, 200)]
)
def test_memory_is_bounded_and_a_step_takes_as_long_as_ever(kind, count, most):
    found = grown(kind, count)
    assert found[-1][1] < most, found
    assert found[-1][0] < 1.5 * found[1][0] + 0.2, found
