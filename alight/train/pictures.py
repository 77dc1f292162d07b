"""The pictures of a run.

In: the rows of numbers, the test images and what the model says of them. Out: PNG files as bytes.
Drawn with Matplotlib's Agg canvas, without a display and without pyplot's global state.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

BLUE, ORANGE, RED, GREY = "#2a6fb0", "#e07b28", "#c8342b", "#666666"
COLUMNS = 10  # images in a row of predictions.png
FIRST_ROWS, WRONG_ROWS = 3, 2


def _figure(width: float, height: float, fitted: bool = True) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, facecolor="white")
    if fitted:  # everything is drawn twice
        figure.set_layout_engine("constrained")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def curves(rows: list[dict[str, Any]], title: str) -> bytes:
    """Loss and accuracy of training and test, epoch by epoch."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure = _figure(10, 4)
    figure.suptitle(title)
    epochs = [row["epoch"] for row in rows]
    for position, quantity in enumerate(("loss", "accuracy"), start=1):
        axes = figure.add_subplot(1, 2, position)
        for half, colour in (("train", BLUE), ("test", ORANGE)):
            values = [row[f"{half}_{quantity}"] for row in rows]
            last = f"{values[-1]:.3f}" if quantity == "loss" else f"{values[-1]:.1%}"
            axes.plot(epochs, values, "o-", color=colour, markersize=4, label=f"{half} ({last})")
        axes.set_title(quantity)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if quantity == "accuracy":
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    return _png(figure)


def predictions(
    images: Array, labels: Array, predicted: Array, confidence: Array, classes: list[str]
) -> bytes:
    """The first test images and the surest mistakes, with what was predicted; wrong ones framed in red."""
    first = np.arange(min(FIRST_ROWS * COLUMNS, len(images)))
    wrong = np.flatnonzero(predicted != labels)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")][: WRONG_ROWS * COLUMNS]
    titles = (
        f"The first {len(first)} test images: predicted class and its probability",
        f"The {len(wrong)} surest mistakes of {(predicted != labels).sum()} among {len(labels)} test images",
    )
    sheet = _Sheet(images.shape[1])
    for chosen, row_count, title in zip(
        (first, wrong), (FIRST_ROWS, WRONG_ROWS), titles, strict=True
    ):
        sheet.begin_part(title, row_count)
        for position, index in enumerate(chosen):
            guess, truth = classes[predicted[index]], classes[labels[index]]
            sheet.draw(position, images[index], guess, truth, confidence[index])
    return sheet.png()


class _Sheet:
    """Images in rows and columns on one pair of axes whose unit is a pixel: fifty axes take a second more."""

    heading, above, below, between = 12, 7, 6, 2  # pixels

    def __init__(self, side: int) -> None:
        self.side = side
        self.step = (side + self.between, self.above + side + self.below)
        rows = FIRST_ROWS + WRONG_ROWS
        self.width, self.height = COLUMNS * self.step[0], 2 * self.heading + rows * self.step[1]
        self.pixels = np.zeros((self.height, self.width), np.uint8)
        self.figure = _figure(13, 13 * self.height / self.width, fitted=False)
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_axis_off()
        self.top = self.end = 0

    def begin_part(self, title: str, row_count: int) -> None:
        """Leave room for `row_count` rows below a title."""
        middle = self.end + self.heading / 2
        self.axes.text(self.width / 2, middle, title, fontsize=14, ha="center", va="center")
        self.top = self.end + self.heading
        self.end = self.top + row_count * self.step[1]

    def draw(self, position: int, image: Array, guess: str, truth: str, confidence: float) -> None:
        """One image of the part, what it was taken for, and what it is."""
        from matplotlib.patches import Rectangle

        row, column = divmod(position, COLUMNS)
        left = column * self.step[0] + self.between // 2
        top, side = self.top + row * self.step[1] + self.above, self.side
        self.pixels[top : top + side, left : left + side] = image
        right = guess == truth
        frame, thickness, ink = (GREY, 0.6, "black") if right else (RED, 2.4, RED)
        self.axes.add_patch(
            Rectangle((left, top), side, side, fill=False, edgecolor=frame, linewidth=thickness)
        )
        middle = left + side / 2
        said = f"{guess}, {confidence:.0%}"
        self.axes.text(middle, top - 1.5, said, fontsize=8, color=ink, ha="center")
        if not right:
            is_truth = (middle, top + side + 1.5, f"is {truth}")
            self.axes.text(*is_truth, fontsize=8, color=GREY, ha="center", va="top")

    def png(self) -> bytes:
        """The sheet as a file."""
        extent = (0, self.width, self.height, 0)
        self.axes.imshow(self.pixels, cmap="gray_r", vmin=0, vmax=255, extent=extent, aspect="auto")
        return _png(self.figure)


def confusion(labels: Array, predicted: Array, classes: list[str]) -> bytes:
    """How many images of each class (rows) were taken for which (columns)."""
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (labels, predicted), 1)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = _figure(8.2, 7.4)
    axes = figure.add_subplot()
    shown = axes.imshow(np.sqrt(share), cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(f"{np.trace(counts)} of {counts.sum()} test images right")
    for row, column in np.argwhere(counts):
        colour = "white" if share[row, column] > 0.3 else "black"
        axes.text(
            column, row, counts[row, column], ha="center", va="center", color=colour, fontsize=9
        )
    bar = figure.colorbar(shown, shrink=0.75, ticks=np.sqrt([0, 0.01, 0.1, 0.25, 0.5, 1]))
    bar.ax.set_yticklabels(["0 %", "1 %", "10 %", "25 %", "50 %", "100 %"])
    bar.set_label("share of the true class")
    return _png(figure)
