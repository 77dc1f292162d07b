"""Write what torchvision gives for the table of cases: `python -m tests.vision.record`."""

from pathlib import Path

import numpy as np
import torch
from torchvision import transforms

from tests.vision import cases

KEPT = Path(__file__).with_name("torchvision.npz")

if __name__ == "__main__":
    found = dict(cases.results(transforms, torch))
    np.savez_compressed(KEPT, **cases.packed(found))
    print(f"{len(found)} arrays, {KEPT.stat().st_size} bytes")
