"""The command line finds its commands, imports no other, and answers with exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import alight
from alight.cli import COMMANDS, main
from alight.cli.doctor import findings
from alight.cli.imports import resolve


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main([])
    assert leaving.value.code == 2
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed for name in COMMANDS)
    with pytest.raises(SystemExit) as leaving:
        main(["--version"])
    assert leaving.value.code == 0
    assert capsys.readouterr().out == f"alight {alight.__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main([name, "--help"])
    assert leaving.value.code == 0
    assert f"usage: alight {name}" in capsys.readouterr().out


def test_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["nonsense"])
    assert leaving.value.code == 2
    assert "invalid choice: 'nonsense'" in capsys.readouterr().err


def test_an_interrupted_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("alight.cli.doctor.run", interrupted)
    assert main(["doctor"]) == 130
    assert capsys.readouterr().err == "alight doctor: interrupted\n"


def test_commands_load_alone() -> None:
    program = (
        "import sys; from alight.cli import main\n"
        "try: main(['predict', '--help'])\n"
        "except SystemExit: pass\n"
        "names = ('alight.nn', 'alight.cli.run', 'alight.bench', 'matplotlib', 'PIL', 'tqdm')\n"
        "print([name for name in names if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    found = dict(findings())
    assert all(
        name in printed for name in ("alight", "python", "numpy", "cores", "tier 0", "tier 1")
    )
    assert found["alight"].startswith(alight.__version__) and found["tier 0"].startswith("ready")


def test_a_reader_that_leaves() -> None:
    command = [sys.executable, "-u", "-m", "alight", "doctor"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None and running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait() == 141


def test_explain(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import torch, sys\nprint((torch.ones(2) + 1).sum())\nsys.exit(3)")
    done = subprocess.run(
        [sys.executable, "-m", "alight", "explain", str(script)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith("tensor(4.)\n") and "script.py:2" in done.stdout


def test_names_of_torch_and_their_modules() -> None:
    expected = {
        "torch": "alight",
        "torch.nn": "alight.nn",
        "torch.nn.functional": "alight.nn.functional",
        "torch.nn.modules.linear": "alight.nn.linear",
        "torch.optim.sgd": "alight.optim",
        "torch.serialization": "alight.io.serialization",
        "torchvision": "alight.vision",
        "torchvision.datasets": "alight.vision.datasets",
    }
    assert {name: resolve(name).__name__ for name in expected} == expected
