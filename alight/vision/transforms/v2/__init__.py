"""torchvision's `transforms.v2`: transforms of samples, that is of images among other things.

In: a PIL picture or a tensor, or tuples, lists and dicts that hold some among labels and the like. Out: the same, the
images transformed alike, and with them the boxes and masks of `alight.vision.tv_tensors` where pixels move. Which of
several plain tensors is the image: the first one, unless there is a picture, an Image or a Video.

Differs: perspective and elastic transforms refuse boxes. AugMix, AutoAugment, RandAugment and TrivialAugmentWide draw as
their older forms do.
"""

from __future__ import annotations

from typing import Any

from alight.errors import not_implemented
from alight.vision.transforms.images import InterpolationMode
from alight.vision.transforms.v2 import functional
from alight.vision.transforms.v2.batches import CutMix, MixUp
from alight.vision.transforms.v2.containers import Compose, RandomApply, RandomChoice, RandomOrder
from alight.vision.transforms.v2.detection import (
    JPEG,
    ClampBoundingBoxes,
    ConvertBoundingBoxFormat,
    RandomChannelPermutation,
    RandomIoUCrop,
    RandomPhotometricDistort,
    RandomResize,
    RandomShortestSize,
    RandomZoomOut,
    SanitizeBoundingBoxes,
    ScaleJitter,
    UniformTemporalSubsample,
)
from alight.vision.transforms.v2.samples import (
    RGB,
    ConvertImageDtype,
    GaussianNoise,
    Identity,
    Lambda,
    RandomCrop,
    ToDtype,
    ToImage,
    ToPureTensor,
    ToTensor,
    Transform,
    of_v1,
)

# These are the transforms of `alight.vision.transforms`, on samples.
_SHARED = (
    "AugMix", "AutoAugment", "CenterCrop", "ColorJitter", "ElasticTransform", "FiveCrop", "GaussianBlur", "Grayscale",
    "LinearTransformation", "Normalize", "PILToTensor", "Pad", "RandAugment", "RandomAdjustSharpness", "RandomAffine",
    "RandomAutocontrast", "RandomEqualize", "RandomErasing", "RandomGrayscale", "RandomHorizontalFlip", "RandomInvert",
    "RandomPerspective", "RandomPosterize", "RandomResizedCrop", "RandomRotation", "RandomSolarize",
    "RandomVerticalFlip", "Resize", "TenCrop", "ToPILImage", "TrivialAugmentWide",
)  # fmt: skip
_made: dict[str, Any] = {}


def __getattr__(name: str) -> Any:
    if name in _SHARED:
        if name not in _made:
            from alight.vision import transforms

            _made[name] = of_v1(getattr(transforms, name))
        return _made[name]
    if name == "AutoAugmentPolicy":
        from alight.vision.transforms.searched import AutoAugmentPolicy

        return AutoAugmentPolicy
    if "KeyPoints" in name:
        not_implemented(f"transforms.v2.{name}", "a tensor of points, moved by hand")
    raise AttributeError(f"module 'torchvision.transforms.v2' has no attribute {name!r}")


__all__ = [
    "UniformTemporalSubsample",
    "ScaleJitter",
    "SanitizeBoundingBoxes",
    "RandomZoomOut",
    "RandomShortestSize",
    "RandomResize",
    "RandomPhotometricDistort",
    "RandomIoUCrop",
    "RandomChannelPermutation",
    "ConvertBoundingBoxFormat",
    "ClampBoundingBoxes",
    "JPEG",
    "RGB",
    "Compose",
    "ConvertImageDtype",
    "CutMix",
    "GaussianNoise",
    "Identity",
    "InterpolationMode",
    "Lambda",
    "MixUp",
    "RandomApply",
    "RandomChoice",
    "RandomCrop",
    "RandomOrder",
    "ToDtype",
    "ToImage",
    "ToPureTensor",
    "ToTensor",
    "Transform",
    "functional",
    *_SHARED,
]
