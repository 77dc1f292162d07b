"""Libraries that work on PyTorch's tensors work on alight's, under `alight run`."""

import importlib.util
from pathlib import Path

import pytest

from tests.programs.both import differences, run_all

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))
NEEDS = {
    "einops_layers": ["einops"],
    "tables": ["pandas", "sklearn"],
    "progress": ["tqdm", "matplotlib"],
}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_the_same_under_both(program):
    for package in NEEDS.get(program.stem, []):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    theirs, ours = (run_all([program], library)[str(program)] for library in ("torch", "alight"))
    assert theirs["failure"] is None and theirs["printed"].strip()
    assert ours["failure"] is None, ours["failure"]
    found = differences(ours["printed"], theirs["printed"])
    assert not found, found


ANSWERS = """
import torch, warnings
warnings.simplefilter("ignore")
from torch.utils.tensorboard import SummaryWriter
assert torch.distributed.is_available() in (True, False)
assert not torch.cuda.is_available() and not torch.accelerator.is_available()


@torch.compile
def square(x):
    return x * x


net = torch.compile(torch.nn.Linear(2, 1), mode="reduce-overhead")
print(square(torch.tensor(3.0)), net(torch.ones(1, 2)).shape, torch.compile(backend="eager")(square)(torch.tensor(2.0)))
"""


def test_what_is_not_there_answers_sensibly(tmp_path):
    program = tmp_path / "answers.py"
    program.write_text(ANSWERS)
    found = run_all([program], "alight")[str(program)]
    assert found["failure"] is None, found["failure"]
    assert found["printed"] == "tensor(9.) torch.Size([1, 1]) tensor(4.)\n"
