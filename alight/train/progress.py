"""The progress bar of an epoch, and a polite answer to Ctrl-C.

In: images done, loss and accuracy so far. Out: tqdm's bar with rate and time left; nothing without tqdm or
without a terminal, where a line after each epoch says as much.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any


class Bar:
    """One epoch's bar."""

    def __init__(self, total: int, title: str, done: int = 0) -> None:
        self.is_shown = False  # whether there is a bar to see
        try:
            from tqdm import tqdm
        except ImportError:
            return
        self._bar: Any = tqdm(
            total=total,
            desc=title,
            initial=done,
            unit="img",
            unit_scale=True,
            dynamic_ncols=True,
            disable=None,  # no bar in a file or a pipe
        )
        self.is_shown = not self._bar.disable  # closing it disables it

    def update(self, done: int, loss: float, accuracy: float) -> None:
        """Show that `done` images are done."""
        if self.is_shown:
            self._bar.set_postfix_str(f"loss {loss:.4f}, accuracy {accuracy:.2%}", refresh=False)
            self._bar.update(done - self._bar.n)

    def note(self, text: str) -> None:
        """Add the epoch's result behind the bar."""
        if self.is_shown:
            self._bar.set_postfix_str(text)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self.is_shown:
            self._bar.close()


class Stop:
    """Whether the user has asked to stop."""

    requested = False

    def __call__(self) -> bool:
        return self.requested


@contextlib.contextmanager
def stop_on_interrupt() -> Iterator[Stop]:
    """Inside the block a first Ctrl-C only asks to stop after the batch; a second one interrupts at once."""
    stop = Stop()

    def ask(number: int, frame: FrameType | None) -> None:
        stop.requested = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
