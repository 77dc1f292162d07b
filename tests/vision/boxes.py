"""Transforms of v2 on samples with boxes and masks: the cases, run by tests/vision/record.py under torchvision.

`results(torch, v2, tv)` gives for each case the parts of the sample as nested lists.
"""

from __future__ import annotations

IMAGE = [[[(7 * i + 3 * j + 11 * c) % 256 for j in range(14)] for i in range(11)] for c in range(3)]
BOXES = {
    "XYXY": [[1, 2, 5, 6], [3, 3, 13, 10], [0, 0, 14, 11]],
    "XYWH": [[1, 2, 4, 4], [3, 3, 10, 7], [0, 0, 14, 11]],
    "CXCYWH": [[3, 4, 4, 4], [8, 6, 10, 7], [7, 5, 14, 11]],
}

MOVES = """
v2.RandomHorizontalFlip(1.0)
v2.RandomHorizontalFlip()
v2.RandomVerticalFlip(1.0)
v2.Resize((7, 20))
v2.Resize(5)
v2.CenterCrop((6, 9))
v2.CenterCrop((13, 8))
v2.Pad(2)
v2.Pad([1, 2, 3, 4])
v2.RandomCrop((7, 7))
v2.RandomCrop((9, 9), padding=2)
v2.RandomResizedCrop((8, 8))
v2.RandomRotation(30)
v2.RandomAffine(20, translate=(0.1, 0.2), scale=(0.8, 1.2), shear=10)
v2.RandomZoomOut(p=1.0)
v2.RandomZoomOut(p=0.5)
v2.RandomIoUCrop()
v2.ScaleJitter((9, 9), (0.5, 1.5))
v2.RandomShortestSize([5, 8, 9], max_size=12)
v2.RandomResize(5, 12)
v2.ConvertBoundingBoxFormat("CXCYWH")
v2.ClampBoundingBoxes()
v2.SanitizeBoundingBoxes(min_size=5)
v2.ToDtype(torch.float32, scale=True)
v2.ToPureTensor()
v2.Compose([v2.RandomPhotometricDistort(p=1.0), v2.RandomHorizontalFlip()])
""".strip().split("\n")  # fmt: skip


def seen(name, value):
    """A part of a sample: its class, dtype and shape, what boxes say of themselves; elements, of masks a sum of them."""
    about = [type(value).__name__, str(value.dtype), list(value.shape)]
    if hasattr(value, "format"):
        about += [value.format.value, list(value.canvas_size)]
    if name == "image":  # its pixels are compared by the other cases
        return [about]
    flat = value.flatten().tolist()
    if name == "mask":
        return [about, sum(i * one for i, one in enumerate(flat, 1))]
    return [about, flat]


def sample(torch, tv, format, dtype):
    boxes = tv.BoundingBoxes(
        torch.tensor(BOXES[format], dtype=dtype), format=format, canvas_size=(11, 14)
    )
    pixels = torch.tensor(IMAGE, dtype=torch.uint8)
    return {
        "image": tv.Image(pixels),
        "boxes": boxes,
        "mask": tv.Mask((pixels[:, :, :] > 100).to(torch.uint8)),
        "labels": torch.tensor([1, 2, 3]),
        "other": torch.tensor([5]),
    }


def results(torch, v2, tv):
    """Yield (name, parts) of each case."""
    for move in MOVES:
        for i, (format, dtype) in enumerate(
            (
                ("XYXY", torch.float32),
                ("XYWH", torch.float32),
                ("CXCYWH", torch.float32),
                ("XYXY", torch.int64),
            )
        ):
            torch.manual_seed(i)
            transform = eval(move, {"v2": v2, "torch": torch})
            found = transform(sample(torch, tv, format, dtype))
            yield f"{move} {format} {i}", {name: seen(name, found[name]) for name in found}
