"""Image files as tensors: torchvision's `io`.

In: a path, or the bytes of an image file. Out: a uint8 tensor (c, h, w); and back. Pillow reads and writes.
"""

from __future__ import annotations

import io
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

import alight
from alight.errors import fail
from alight.io import files
from alight.vision import pictures


class ImageReadMode(Enum):
    """How many channels an image is read with.

    >>> from alight.vision import io
    >>> io.ImageReadMode.RGB.name
    'RGB'
    """

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4


_PILLOW_MODES = {
    ImageReadMode.GRAY: "L",
    ImageReadMode.GRAY_ALPHA: "LA",
    ImageReadMode.RGB: "RGB",
    ImageReadMode.RGB_ALPHA: "RGBA",
}


def read_file(path: str | Path) -> Any:
    """A file's bytes, as a uint8 tensor (bytes,).

    >>> import os, tempfile
    >>> import alight as torch
    >>> from alight.vision import io
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "a")
    ...     io.write_file(path, torch.tensor([1, 2], dtype=torch.uint8))
    ...     io.read_file(path)
    tensor([1, 2], dtype=torch.uint8)
    """
    return alight.from_numpy(np.fromfile(path, np.uint8))


def write_file(filename: str | Path, data: Any) -> None:
    """Write a uint8 tensor (bytes,) as a file.

    >>> import os, tempfile
    >>> import alight as torch
    >>> from alight.vision import io
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     io.write_file(os.path.join(folder, "a"), torch.tensor([1, 2], dtype=torch.uint8))
    """
    files.write(filename, lambda file: file.writelines([data.numpy().tobytes()]))


def read_image(path: str | Path, mode: Any = ImageReadMode.UNCHANGED) -> Any:
    """The image in a file, a uint8 tensor (c, h, w).

    >>> import os, tempfile
    >>> import alight as torch
    >>> from alight.vision import io
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "a.png")
    ...     io.write_png(torch.zeros(3, 2, 4, dtype=torch.uint8), path)
    ...     io.read_image(path).shape
    torch.Size([3, 2, 4])
    """
    return decode_image(read_file(path), mode)


def decode_image(input: Any, mode: Any = ImageReadMode.UNCHANGED) -> Any:
    """The image in the bytes of a file (bytes,), a uint8 tensor (c, h, w).

    >>> import alight as torch
    >>> from alight.vision import io
    >>> io.decode_image(io.encode_png(torch.zeros(3, 2, 4, dtype=torch.uint8))).shape
    torch.Size([3, 2, 4])
    """
    mode = ImageReadMode[mode.upper()] if isinstance(mode, str) else mode
    try:
        picture = pictures.pillow().open(io.BytesIO(input.numpy().tobytes()))
        picture.load()
    except OSError as error:
        fail(RuntimeError, f"the bytes cannot be read as an image: {error}")
    if mode is not ImageReadMode.UNCHANGED:
        picture = picture.convert(_PILLOW_MODES[mode])
    elif picture.mode not in ("L", "LA", "RGB", "RGBA"):
        picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    pixels = np.asarray(picture)
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return alight.from_numpy(np.ascontiguousarray(planes))


def encode_png(input: Any, compression_level: int = 6) -> Any:
    """A uint8 tensor (c, h, w) as the bytes of a PNG file, (bytes,).

    >>> import alight as torch
    >>> from alight.vision import io
    >>> io.encode_png(torch.zeros(3, 2, 4, dtype=torch.uint8))[:4]
    tensor([137,  80,  78,  71], dtype=torch.uint8)
    """
    return _encoded(input, "PNG", compress_level=compression_level)


def encode_jpeg(input: Any, quality: int = 75) -> Any:
    """A uint8 tensor (c, h, w) as the bytes of a JPEG file, (bytes,).

    >>> import alight as torch
    >>> from alight.vision import io
    >>> io.encode_jpeg(torch.zeros(3, 8, 8, dtype=torch.uint8))[:2]
    tensor([255, 216], dtype=torch.uint8)
    """
    return _encoded(input, "JPEG", quality=quality)


def write_png(input: Any, filename: str | Path, compression_level: int = 6) -> None:
    """Write a uint8 tensor (c, h, w) as a PNG file.

    >>> import os, tempfile
    >>> import alight as torch
    >>> from alight.vision import io
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     io.write_png(torch.zeros(3, 2, 4, dtype=torch.uint8), os.path.join(folder, "a.png"))
    """
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input: Any, filename: str | Path, quality: int = 75) -> None:
    """Write a uint8 tensor (c, h, w) as a JPEG file.

    >>> import os, tempfile
    >>> import alight as torch
    >>> from alight.vision import io
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     io.write_jpeg(torch.zeros(3, 8, 8, dtype=torch.uint8), os.path.join(folder, "a.jpg"))
    """
    write_file(filename, encode_jpeg(input, quality))


def _encoded(image: Any, form: str, **options: Any) -> Any:
    if image.dtype is not alight.uint8:
        fail(RuntimeError, "Input tensor dtype should be uint8", [f"it is {image.dtype}"])
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        fail(RuntimeError, f"The number of channels should be 1 or 3, got: {image.shape[0]}")
    buffer = io.BytesIO()
    pictures.to_picture(image).save(buffer, form, **options)
    return alight.from_numpy(np.frombuffer(buffer.getvalue(), np.uint8).copy())


def __dir__() -> list[str]:
    return list(__all__)


__all__ = [
    "ImageReadMode",
    "decode_image",
    "encode_jpeg",
    "encode_png",
    "read_file",
    "read_image",
    "write_file",
    "write_jpeg",
    "write_png",
]
