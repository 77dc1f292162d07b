"""Writes docs/performance.md and its picture from one run of `alight bench --json`: `python -m bench.report FILE`.

The picture is a roofline: what each row reaches of the machine's arithmetic, beside PyTorch. Peaks are measured here.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path
from typing import Any

from alight.bench.rows import ROWS

DOCS = Path(__file__).resolve().parents[1] / "docs"
RIVALS = ("torch", "torch.compile", "jax")
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def milliseconds(found: dict[str, Any], library: str) -> str:
    """A median, or a dash."""
    return f"{found[library]['median'] * 1e3:.3f}" if library in found else "-"


def table(results: dict[str, Any], peak: float, threads: int) -> str:
    """The rows in Markdown."""
    lines = [
        "| row | alight ms | PyTorch eager | torch.compile | JAX | of the best rival | of peak | first step, compiled after, from disk s | MB, PyTorch's |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row, found in results.items():
        if "alight" not in found:
            continue
        own = found["alight"]
        rivals = [found[name]["median"] for name in RIVALS if name in found]
        ratio = f"{own['median'] / min(rivals):.2f}" if rivals else "-"
        flops = ROWS[row].flops
        reached = f"{flops / own['median'] / (peak * threads * 1e9):.0%}" if flops else "-"
        others = " | ".join(milliseconds(found, name) for name in RIVALS)
        memory = (
            f"{own['bytes'] / 1e6:.0f}, {found['torch']['bytes'] / 1e6:.0f}"
            if "torch" in found
            else "-"
        )
        lines.append(
            f"| {row} | {milliseconds(found, 'alight')} | {others} | **{ratio}** | {reached} | "
            f"{own['first']:.2f}, {own['settled']:.2f}, {own['recalled']:.2f} | {memory} |"
        )
    return "\n".join(lines)


def picture(results: dict[str, Any], peak: float, threads: int, path: Path) -> None:
    """GFLOP/s of the rows that count their arithmetic, under the machine's roof."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = [row for row in results if ROWS[row].flops and "alight" in results[row]]
    figure, axes = plt.subplots(figsize=(8, 0.4 * len(rows) + 1.2))
    for n, row in enumerate(rows):
        for offset, library, colour in ((-0.18, "alight", "#d9622b"), (0.18, "torch", "#8a8f98")):
            if library in results[row]:
                rate = ROWS[row].flops / results[row][library]["median"] / 1e9
                axes.barh(n + offset, rate, 0.34, color=colour, label=library if n == 0 else None)
    axes.axvline(peak * threads, color="black", linewidth=1, linestyle="--")
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()
    axes.set_xlabel(f"GFLOP/s of a whole step (dashed: {threads} cores' multiply-adds alone)")
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path)


def main(file: str, threads: int = 2) -> None:
    """Fill the page's table and draw the picture."""
    from bench.kernels import peak

    results = json.loads(Path(file).read_text())
    best = peak("float")
    page = DOCS / "performance.md"
    text = page.read_text()
    head = (
        f"{processor()}, {threads} threads; one core's multiply-adds reach {best:.0f} GFLOP/s.\n\n"
    )
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n{head}{table(results, best, threads)}\n{END}{after}")
    picture(results, best, threads, DOCS / "performance.svg")


if __name__ == "__main__":
    main(sys.argv[1])
