"""`alight explain`: what a person reads about a script, and the picture of its busiest program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from alight.backends.cpu.build import build
from alight.backends.cpu.native import Native
from alight.backends.cpu.peaks import peaks
from alight.explain.graph import graph_of
from alight.explain.kernels import describe_native
from alight.ir.text import parse

SCRIPT = """
import torch
from torch import nn
net = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 2))
trainer = torch.optim.SGD(net.parameters(), lr=0.1)
for n in (5, 6, 7, 5, 6, 7, 5, 6, 7):
    trainer.zero_grad()
    net(torch.ones(n, 20)).square().mean().backward()
    trainer.step()
print(torch.sort(torch.ones(3))[0].tolist())
"""
TEXT = """
program(%0: f32[64,20], %1: f32[20,16]) {
  %2: f32[64,16] = dot_general(%0, %1) batch=((), ()) contract=((1,), (0,))
  %3: f32[64,16] = tanh(%2)
  %4: f32[16] = sum(%3) axes=(0,)
  %5: f32[1,16] = reshape(%4) shape=(1, 16)
  %6: f32[64,16] = expand(%5) shape=(64, 16)
  %7: f32[64,16] = div(%3, %6)
  return %7
}"""


def test_a_script_is_explained_and_drawn(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "alight", "explain", "--graph", str(tmp_path / "out.svg"), str(tmp_path / "script.py")],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert "optimizer step" in done.stdout and "come in" in done.stdout
    assert "its code serves many shapes" in done.stdout or "found on disk" in done.stdout
    picture = ElementTree.parse(tmp_path / "out.svg").getroot()
    assert picture.tag.endswith("svg")


def test_the_picture_has_every_operation_and_every_kernel() -> None:
    native = Native(parse(TEXT))
    text = graph_of(native)
    picture = ElementTree.fromstring(text)
    words = ["".join(one.itertext()) for one in picture.iter() if one.tag.endswith("text")]
    for node in native.plan.program.nodes:
        assert any(word.startswith(f"%{node.outputs[0]} {node.primitive.name}(") for word in words)
    boxes = [one for one in picture.iter() if one.tag.endswith("rect") and one.get("rx")]
    assert len(boxes) == len(native.plan.kernels)
    width, height = (float(picture.get(side, 0)) for side in ("width", "height"))
    assert all(float(box.get("y", 0)) + float(box.get("height", 0)) <= height for box in boxes)
    assert all(float(box.get("x", 0)) + float(box.get("width", 0)) <= width for box in boxes)


def test_kernels_are_measured_against_this_machine() -> None:
    best = peaks()
    assert best.gflops > best.gflops_double > 0.1 and best.gigabytes > 0.1
    lines = describe_native(Native(parse(TEXT)), times=True)
    assert "one core reaches" in lines[1]
    assert any("GFLOP/s" in line and "%" in line for line in lines[2:])


def test_code_for_many_shapes_is_measured_as_code_for_one() -> None:
    program = parse(TEXT)
    general = Native(program, build(program, general=True))
    given = [np.ones((64, 20), np.float32), np.ones((20, 16), np.float32)]
    assert general(given)[0].shape == (64, 16)
    assert len(describe_native(general, times=True)) == 2 + len(general.plan.kernels)
