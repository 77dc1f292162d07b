"""Image transforms: torchvision's `transforms`, on PIL pictures, on tensors, and on whole stacks of images.

In: a PIL picture, an array or a tensor; or a `Stack` of images of one size. Out: the same, transformed.
"""

from importlib import import_module
from typing import Any

from alight.vision.transforms import functional
from alight.vision.transforms.crops import (
    CenterCrop,
    RandomCrop,
    RandomHorizontalFlip,
    RandomVerticalFlip,
)
from alight.vision.transforms.fixed import (
    ConvertImageDtype,
    FiveCrop,
    Grayscale,
    LinearTransformation,
    TenCrop,
)
from alight.vision.transforms.images import InterpolationMode
from alight.vision.transforms.mixed import AugMix, ElasticTransform
from alight.vision.transforms.policies import RandAugment, TrivialAugmentWide
from alight.vision.transforms.random import (
    GaussianBlur,
    RandomAffine,
    RandomApply,
    RandomChoice,
    RandomErasing,
    RandomOrder,
    RandomPerspective,
    RandomResizedCrop,
    RandomRotation,
)
from alight.vision.transforms.random_color import (
    ColorJitter,
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomEqualize,
    RandomGrayscale,
    RandomInvert,
    RandomPosterize,
    RandomSolarize,
)
from alight.vision.transforms.searched import AutoAugment, AutoAugmentPolicy
from alight.vision.transforms.stacks import (
    Compose,
    Lambda,
    Normalize,
    Pad,
    PILToTensor,
    Resize,
    Stack,
    StackTransform,
    ToPILImage,
    ToTensor,
    draw_words,
    has_stack_form,
    is_slow,
    transform_stack,
)


def __getattr__(name: str) -> Any:
    if name == "v2":
        return import_module("alight.vision.transforms.v2")
    raise AttributeError(f"module 'torchvision.transforms' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, "functional", "v2"})


__all__ = [
    "AugMix",
    "AutoAugment",
    "AutoAugmentPolicy",
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "ConvertImageDtype",
    "ElasticTransform",
    "FiveCrop",
    "GaussianBlur",
    "Grayscale",
    "InterpolationMode",
    "Lambda",
    "LinearTransformation",
    "Normalize",
    "PILToTensor",
    "Pad",
    "RandAugment",
    "RandomAdjustSharpness",
    "RandomAffine",
    "RandomApply",
    "RandomAutocontrast",
    "RandomChoice",
    "RandomCrop",
    "RandomEqualize",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomInvert",
    "RandomOrder",
    "RandomPerspective",
    "RandomPosterize",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomSolarize",
    "RandomVerticalFlip",
    "Resize",
    "Stack",
    "StackTransform",
    "TenCrop",
    "ToPILImage",
    "ToTensor",
    "TrivialAugmentWide",
    "draw_words",
    "functional",
    "has_stack_form",
    "is_slow",
    "transform_stack",
]
