"""A backend for Matplotlib whose way to show a figure is a PNG file.

In: `plt.show()` on a machine without a display. Out: `figures/<program>-<number>.png`, and its path printed; the
figures are closed, as they are when the user closes their windows.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from matplotlib._pylab_helpers import Gcf
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg

FOLDER = Path("figures")
DOTS_PER_INCH = 150

# The running script's name, read now: at the program's end, when the last figures are written, Python has lost it.
PROGRAM = Path(getattr(sys.modules.get("__main__"), "__file__", None) or "figure").stem

_numbers = count(1)


class FigureManager(FigureManagerBase):
    """Shows figures by writing them into files."""

    @classmethod
    def pyplot_show(cls, *, block: bool | None = None) -> None:
        """Write all open figures, and close them."""
        for manager in Gcf.get_all_fig_managers():
            figure = manager.canvas.figure
            if figure.axes:
                path = FOLDER / f"{PROGRAM}-{next(_numbers)}.png"
                try:
                    FOLDER.mkdir(exist_ok=True)
                    figure.savefig(path, dpi=DOTS_PER_INCH, bbox_inches="tight")
                    print(f"figure: {path}", flush=True)
                except OSError as error:  # a folder that cannot be written must not end a training
                    print(f"figure not written: {error}", flush=True)
        Gcf.destroy_all()


class FigureCanvas(FigureCanvasAgg):
    """The canvas of these figures."""

    manager_class = FigureManager
