"""Write what torchvision gives for the table of cases: `python -m tests.vision.record`."""

import json
from pathlib import Path

import numpy as np
import torch
from torchvision import models, transforms, tv_tensors
from torchvision.transforms import v2

from tests.vision import boxes, cases

KEPT = Path(__file__).with_name("torchvision.npz")
KEPT_BOXES = Path(__file__).with_name("torchvision_boxes.json")
KEPT_MODELS = Path(__file__).with_name("torchvision_models.json")

if __name__ == "__main__":
    found = dict(cases.results(transforms, torch))
    np.savez_compressed(KEPT, **cases.packed(found))
    print(f"{len(found)} arrays, {KEPT.stat().st_size} bytes")
    KEPT_MODELS.write_text(json.dumps(cases.model_results(models, torch)) + "\n")
    print(f"{len(cases.MODELS)} models, {KEPT_MODELS.stat().st_size} bytes")

    found = dict(boxes.results(torch, v2, tv_tensors))
    KEPT_BOXES.write_text(json.dumps(found, separators=(",", ":")) + "\n")
    print(f"{len(found)} samples, {KEPT_BOXES.stat().st_size} bytes")
