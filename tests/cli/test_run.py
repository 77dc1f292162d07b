"""`alight run`: scripts behave as under Python itself, with alight where they ask for PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def execute(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *words]
    home = str(Path(__file__).resolve().parents[2])
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": home, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def run(
    script: str, *arguments: str, at: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the text of a script under alight."""
    (at / "script.py").write_text(script)
    return execute("-m", "alight", "run", "script.py", *arguments, cwd=at, **environment)


def output(script: str, at: Path) -> str:
    done = run(script, at=at)
    assert done.returncode == 0, done.stderr
    return done.stdout


SAME_OBJECTS = """
import torch, torchvision
import torch.nn as nn, torch.nn.functional as F, torch.utils.data, torchvision.transforms as T
from torch import nn as also_nn
from torch.nn.modules.module import Module
from torch.nn.parameter import Parameter
from torch.optim.optimizer import Optimizer
from torch.utils.data import DataLoader
from torch.utils.data.dataset import TensorDataset
from torch.serialization import add_safe_globals
import alight, alight.vision, importlib

assert torch is alight and torchvision is alight.vision and nn is also_nn is alight.nn
assert F is alight.nn.functional and T is alight.vision.transforms
assert Module is alight.nn.Module and Parameter is alight.nn.Parameter
assert issubclass(torch.optim.SGD, Optimizer) and torch.utils.data.DataLoader is DataLoader
assert isinstance(alight.ones(2), torch.Tensor) and torch.nn.Linear is alight.nn.Linear
assert alight.__spec__.name == alight.__name__ == "alight"
assert alight.nn.__spec__.name == "alight.nn" and alight.nn.__package__ == "alight.nn"
assert importlib.import_module("torch.nn.functional") is F
assert importlib.util.find_spec("torch.optim") is not None
print(torch.ones(2) + 1)
"""


def test_imports_give_alights_own_modules(tmp_path: Path) -> None:
    assert output(SAME_OBJECTS, tmp_path) == "tensor([2., 2.])\n"


def test_modules_that_are_not_there(tmp_path: Path) -> None:
    script = "import torch\ntry:\n    import torch.nonsense.more\nexcept ModuleNotFoundError as error:\n    print(error.name, error)"
    assert (
        output(script, tmp_path)
        == "torch.nonsense No module named 'torch.nonsense' (alight does not have it)\n"
    )
    done = run("from torch import nonsense", at=tmp_path)
    assert "ImportError: cannot import name 'nonsense' from 'alight'" in done.stderr


def test_only_this_process_is_served(tmp_path: Path) -> None:
    script = "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', 'import torch; print(torch.__file__)'], capture_output=True, text=True).stdout)"
    assert "alight" not in output(script, tmp_path)


AS_PYTHON = '''"""The script's own words."""
import sys, os, atexit, pickle, dataclasses, typing
import sibling

x: int = 3

@dataclasses.dataclass
class Point:
    x: int

def function(a: Point) -> None: ...

atexit.register(print, "at exit")
print(sys.argv, __name__, __file__, __doc__, __package__, __spec__, __annotations__, sibling.value)
print(sys.path[0], os.getcwd(), sorted(name for name in vars() if name.startswith("__")))
print(function.__annotations__, type(__loader__).__name__, sys.modules["__main__"].x)
print(pickle.loads(pickle.dumps(Point(4))), Point.__module__)
if __name__ == "__main__":
    sys.exit(7)
'''


@pytest.mark.parametrize("where", ["script.py", "./folder/script.py"])
def test_a_script_sees_what_python_shows(tmp_path: Path, where: str) -> None:
    path = tmp_path / where
    path.parent.mkdir(exist_ok=True)
    path.write_text(AS_PYTHON)
    path.with_name("sibling.py").write_text("value = 'sibling'")
    words = [where, "--epochs", "3", "-h", "--", "a b"]
    plain = execute(*words, cwd=tmp_path)
    ours = execute("-m", "alight", "run", *words, cwd=tmp_path)
    assert ours.stdout == plain.stdout and "sibling" in ours.stdout
    assert ours.returncode == plain.returncode == 7


FAILING = {
    "an error": "def inner():\n    return 1 / 0\n\ninner()\n",
    "a chain": "def inner():\n    return 1 / 0\ntry:\n    inner()\nexcept ZeroDivisionError as error:\n    raise ValueError('so') from error\n",
    "a context": "try:\n    1 / 0\nexcept ZeroDivisionError:\n    {}['key']\n",
    "a syntax error": "x = 1\ny = = 2\n",
    "a text at exit": "import sys\nsys.exit('leaving')\n",
    "a missing module": "import no_such_module\n",
    "an import that fails": "import sibling\n",
    "a hook": "import sys\nsys.excepthook = lambda *_: print('hooked', _[0], file=sys.stderr)\n1 / 0\n",
}  # fmt: skip


@pytest.mark.parametrize("name", FAILING)
def test_errors_look_as_under_python(tmp_path: Path, name: str) -> None:
    (tmp_path / "script.py").write_text(FAILING[name])
    (tmp_path / "sibling.py").write_text("def f():\n    raise OSError('sibling')\nf()\n")
    plain = execute("script.py", cwd=tmp_path)
    ours = execute("-m", "alight", "run", "script.py", cwd=tmp_path)
    assert ours.stderr == plain.stderr and plain.stderr
    assert ours.returncode == plain.returncode == 1


WORDED = """import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(self, x):
        return self.layer(x)

Net()(torch.ones(2, 5))
"""


def test_alights_errors_show_the_users_lines_alone(tmp_path: Path) -> None:
    done = run(WORDED, at=tmp_path)
    lines = done.stderr.splitlines()
    places = [line.split(", ", 1)[1] for line in lines if line.startswith("  File")]
    assert places == ["line 12, in <module>", "line 10, in forward"]
    assert "mat1 and mat2 shapes cannot be multiplied (2x5 and 3x4)" in done.stderr
    assert str(Path(__file__).resolve().parents[2] / "alight") not in done.stderr
    full = run(WORDED, at=tmp_path, ALIGHT_FULL_TRACEBACK="1")
    assert len(full.stderr) > len(done.stderr) and "errors.py" in full.stderr


def test_faults_of_alight_keep_their_frames(tmp_path: Path) -> None:
    script = "import alight.record.meta as meta\nmeta.contiguous_strides(3)\n"
    assert "record/meta.py" in run(script, at=tmp_path).stderr
    script = "from alight.errors import internal\ninternal('a fault')\n"
    assert "errors.py" in run(script, at=tmp_path).stderr


def test_ctrl_c(tmp_path: Path) -> None:
    done = run("raise KeyboardInterrupt", at=tmp_path)
    assert done.returncode == 130 and done.stderr.endswith("KeyboardInterrupt\n")


def test_what_is_no_script(tmp_path: Path) -> None:
    missing = execute("-m", "alight", "run", "missing.py", cwd=tmp_path)
    assert missing.returncode == 2 and "No such file or directory" in missing.stderr
    folder = execute("-m", "alight", "run", ".", cwd=tmp_path)
    assert folder.returncode == 2 and "Is a directory" in folder.stderr
    nothing = execute("-m", "alight", "run", cwd=tmp_path)
    assert nothing.returncode == 2 and "usage: alight run (SCRIPT | -m" in nothing.stderr
    module = execute("-m", "alight", "run", "-m", "project.missing", cwd=tmp_path)
    assert module.returncode == 2 and "No module named project.missing" in module.stderr


MODULE = """
import sys, torch
from .sizes import SIZE
print(__name__, __package__, __spec__.name, sys.path[0], *sys.argv, torch.ones(SIZE).sum().item())
"""


@pytest.mark.parametrize(("name", "file"), [("project.train", "train"), ("project", "__main__")])
def test_a_module_runs_as_under_python(tmp_path: Path, name: str, file: str) -> None:
    package = tmp_path / "project"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "sizes.py").write_text("SIZE = 3")
    (package / f"{file}.py").write_text(MODULE)
    ours = execute("-m", "alight", "run", "-m", name, "-m", "--epochs", "3", cwd=tmp_path)
    theirs = execute("-m", name, "-m", "--epochs", "3", cwd=tmp_path)
    assert ours.returncode == 0, ours.stderr
    assert ours.stdout == theirs.stdout and ours.stdout.startswith("__main__ project project.")


def test_spawned_processes_are_served_too(tmp_path: Path) -> None:
    script = """
import torch
import torch.multiprocessing as mp

def work(i, n, results):
    results.put((i, torch.__name__, torch.ones(2) * (i + n)))

def fail(i):
    raise ValueError("boom")

if __name__ == "__main__":
    results = mp.get_context("spawn").SimpleQueue()
    mp.spawn(work, args=(3, results), nprocs=2)
    print(sorted((i, name, x.tolist()) for i, name, x in (results.get() for _ in range(2))))
    try:
        mp.spawn(fail, nprocs=1)
    except mp.ProcessRaisedException as error:
        print(str(error).splitlines()[2], str(error).splitlines()[-1])
"""
    assert output(script, tmp_path).splitlines() == [
        "[(0, 'alight', [3.0, 3.0]), (1, 'alight', [4.0, 4.0])]",
        "-- Process 0 terminated with the following error: ValueError: boom",
    ]


def test_programs_see_the_version_of_the_api(tmp_path: Path) -> None:
    """Checks that choose a branch by torch.__version__ choose that of the PyTorch whose API this is."""
    script = tmp_path / "version.py"
    script.write_text(
        "import torch\n"
        "v = torch.__version__\n"
        "print(v >= '2.2', v < '1.9', v >= (1, 8), [int(p) for p in v.split('.')[:2]], v == '2.13.0')\n"
        "print(v.startswith('2.13.0+alight'), torch.version.__version__ == v)\n"
    )
    command = [sys.executable, "-m", "alight", "run", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout == "True False True [2, 13] False\nTrue True\n", done.stderr
