"""The run folder: what a run leaves behind.

In: numbers, states and pictures. Out: config.json, metrics.csv, checkpoint.pt, model.safetensors and the pictures.
The invariant: every file appears whole or not at all; config.json and checkpoint.pt are enough to go on.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import alight
from alight.errors import fail
from alight.io import files, safetensors

RUNS = Path("runs")


class RunFolder:
    """The files of one run, by name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_file = path / "config.json"
        self.metrics_file = path / "metrics.csv"
        self.checkpoint_file = path / "checkpoint.pt"
        self.model_file = path / "model.safetensors"

    def write(self, name: str, content: bytes) -> None:
        """Put `content` under `name`; a reader sees the old file or the new one, never a part."""
        self.path.mkdir(parents=True, exist_ok=True)
        files.write(self.path / name, lambda file: file.writelines([content]))

    def write_config(self, config: dict[str, Any]) -> None:
        """Keep what decides the run's numbers."""
        self.write(self.config_file.name, (json.dumps(config, indent=2) + "\n").encode())

    def read_config(self) -> dict[str, Any]:
        """What `write_config` kept."""
        try:
            return json.loads(self.config_file.read_text())  # type: ignore[no-any-return]
        except FileNotFoundError:
            fail(FileNotFoundError, f"{self.path} is not a run folder: it has no config.json")

    def write_metrics(self, rows: list[dict[str, Any]]) -> None:
        """One line for each epoch."""
        text = io.StringIO()
        table = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        self.write(self.metrics_file.name, text.getvalue().encode())

    def write_checkpoint(self, state: dict[str, Any]) -> None:
        """Keep everything that is needed to go on."""
        self.path.mkdir(parents=True, exist_ok=True)
        alight.save(state, self.checkpoint_file)

    def write_model(self, model: Any) -> None:
        """Keep the trained parameters and buffers by themselves."""
        safetensors.save_file(model.state_dict(), self.model_file)

    def read_model(self, model: Any) -> None:
        """Give `model` what `write_model` kept."""
        try:
            model.load_state_dict(safetensors.load_file(self.model_file))
        except FileNotFoundError:
            fail(
                FileNotFoundError, f"{self.path} has no model.safetensors: the run is not finished"
            )

    def read_checkpoint(self) -> dict[str, Any]:
        """What `write_checkpoint` kept."""
        try:
            return alight.load(self.checkpoint_file)  # type: ignore[no-any-return]
        except FileNotFoundError:
            fail(FileNotFoundError, f"{self.path} has no checkpoint.pt to go on from")


def check_is_free(wanted: str) -> None:
    """Refuse a folder that already holds a run."""
    if RunFolder(Path(wanted)).config_file.exists():
        sentence = f"{wanted} already holds a run"
        fail(FileExistsError, sentence, try_=f"--resume {wanted}, or another --out")


def next_free(name: str) -> RunFolder:
    """A folder for a new run: `name` with the next free number."""
    number = 1
    while (RUNS / f"{name}-{number}").exists():
        number += 1
    return RunFolder(RUNS / f"{name}-{number}")


def latest() -> RunFolder:
    """The run whose checkpoint is the newest."""
    checkpoints = sorted(RUNS.glob("*/checkpoint.pt"), key=lambda path: path.stat().st_mtime)
    if not checkpoints:
        fail(FileNotFoundError, f"there is no run to resume in {RUNS}/", try_="--resume FOLDER")
    return RunFolder(checkpoints[-1].parent)
