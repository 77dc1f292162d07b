"""What is compared with torchvision: transforms, the images that they get, and how results become arrays.

The same table runs under both libraries. Its results under torchvision are kept in `torchvision.npz`, which
`python -m tests.vision.record` writes where torchvision is installed, so that the tests need no torchvision.
"""

import json
import math
import random

import numpy as np
from PIL import Image

SEEDS = (0, 1)
COLOUR = np.random.RandomState(0).randint(0, 256, (11, 14, 3)).astype(np.uint8)
SMOOTH = np.stack(
    [np.add.outer(np.arange(11) * k, np.arange(14) * (4 - k)) * 3 % 256 for k in (1, 2, 3)], -1
).astype(np.uint8)

# name: (kinds of image, a function of the module `transforms` that makes the transform)
ALL, PICTURES, TENSORS = ("rgb", "grey", "uint8", "float"), ("rgb", "grey"), ("uint8", "float")
CASES = {
    "resize": (ALL, lambda T: T.Resize((7, 20))),
    "resize shorter side": (ALL, lambda T: T.Resize(6)),
    "resize with a limit": (ALL, lambda T: T.Resize(10, max_size=12)),
    "resize nearest": (ALL, lambda T: T.Resize(16, T.InterpolationMode.NEAREST)),
    "resize nearest exact": (TENSORS, lambda T: T.Resize(5, T.InterpolationMode.NEAREST_EXACT)),
    "resize bicubic": (ALL, lambda T: T.Resize((5, 21), T.InterpolationMode.BICUBIC)),
    "resize lanczos": (PICTURES, lambda T: T.Resize(19, T.InterpolationMode.LANCZOS)),
    "resize rough": (TENSORS, lambda T: T.Resize((5, 21), antialias=False)),
    "resize rough bicubic": (
        TENSORS,
        lambda T: T.Resize((5, 21), T.InterpolationMode.BICUBIC, antialias=False),
    ),
    "centre": (ALL, lambda T: T.CenterCrop(6)),
    "centre of less": (ALL, lambda T: T.CenterCrop((15, 9))),
    "five": (ALL, lambda T: T.FiveCrop(5)),
    "ten": (ALL, lambda T: T.TenCrop((4, 6), vertical_flip=True)),
    "pad": (ALL, lambda T: T.Pad((1, 2, 3, 4), fill=7)),
    "pad with a colour": (("rgb",), lambda T: T.Pad(2, fill=(1, 2, 3))),
    "pad edge": (ALL, lambda T: T.Pad((2, 1), padding_mode="edge")),
    "pad reflect": (ALL, lambda T: T.Pad(3, padding_mode="reflect")),
    "pad symmetric": (ALL, lambda T: T.Pad(3, padding_mode="symmetric")),
    "grey": (ALL, lambda T: T.Grayscale()),
    "grey in three": (ALL, lambda T: T.Grayscale(3)),
    "random grey": (ALL, lambda T: T.RandomGrayscale(0.5)),
    "crop": (ALL, lambda T: T.RandomCrop(7, padding=2, pad_if_needed=True)),
    "crop of less": (ALL, lambda T: T.RandomCrop((13, 9), pad_if_needed=True, fill=5)),
    "flips": (ALL, lambda T: T.Compose([T.RandomHorizontalFlip(), T.RandomVerticalFlip()])),
    "resized crop": (ALL, lambda T: T.RandomResizedCrop(8)),
    "resized crop of an odd shape": (ALL, lambda T: T.RandomResizedCrop(8, ratio=(7.0, 8.0))),
    "jitter": (ALL, lambda T: T.ColorJitter(0.4, 0.3, 0.2, 0.1)),
    "brightness": (ALL, lambda T: T.ColorJitter(brightness=(0.5, 1.5))),
    "contrast": (ALL, lambda T: T.ColorJitter(contrast=0.8)),
    "saturation": (ALL, lambda T: T.ColorJitter(saturation=0.8)),
    "hue": (ALL, lambda T: T.ColorJitter(hue=0.5)),
    "rotation": (ALL, lambda T: T.RandomRotation(30)),
    "rotation in a frame": (
        ALL,
        lambda T: T.RandomRotation((20, 70), T.InterpolationMode.BILINEAR, expand=True, fill=9),
    ),
    "rotation about a corner": (ALL, lambda T: T.RandomRotation(45, center=(0, 0))),
    "affine": (
        ALL,
        lambda T: T.RandomAffine(20, translate=(0.2, 0.1), scale=(0.8, 1.2), shear=10),
    ),
    "affine, smooth": (
        ALL,
        lambda T: T.RandomAffine(
            (5, 9), shear=(-5, 5, -8, 8), interpolation=T.InterpolationMode.BILINEAR, fill=100
        ),
    ),
    "perspective": (ALL, lambda T: T.RandomPerspective(0.5, p=0.7)),
    "perspective, nearest": (
        ALL,
        lambda T: T.RandomPerspective(
            0.6, p=1.0, interpolation=T.InterpolationMode.NEAREST, fill=3
        ),
    ),
    "erasing": (("float",), lambda T: T.RandomErasing(0.9)),
    "erasing with noise": (("float",), lambda T: T.RandomErasing(1.0, value="random")),
    "erasing with a colour": (("float",), lambda T: T.RandomErasing(1.0, value=(0.1, 0.2, 0.3))),
    "blur": (ALL, lambda T: T.GaussianBlur((5, 3), (0.3, 2.0))),
    "invert": (ALL, lambda T: T.RandomInvert()),
    "posterize": (("rgb", "grey", "uint8"), lambda T: T.RandomPosterize(3, p=0.8)),
    "solarize": (("rgb", "grey", "uint8"), lambda T: T.RandomSolarize(100, p=0.8)),
    "sharpness": (ALL, lambda T: T.RandomAdjustSharpness(1.7, p=0.8)),
    "autocontrast": (ALL, lambda T: T.RandomAutocontrast(0.8)),
    "equalize": (("rgb", "grey", "uint8"), lambda T: T.RandomEqualize(0.8)),
    "apply": (ALL, lambda T: T.RandomApply([T.RandomHorizontalFlip(), T.Pad(1)], p=0.4)),
    "choice": (ALL, lambda T: T.RandomChoice([T.Pad(1), T.CenterCrop(5), T.RandomInvert(1.0)])),
    "order": (ALL, lambda T: T.RandomOrder([T.Pad(1), T.CenterCrop(5), T.RandomVerticalFlip()])),
    "gamma": (ALL, lambda T: lambda img: T.functional.adjust_gamma(img, 0.7, 1.2)),
    "gamma up": (ALL, lambda T: lambda img: T.functional.adjust_gamma(img, 2.2)),
    "crop beyond the edge": (ALL, lambda T: lambda img: T.functional.crop(img, -2, 9, 8, 9)),
    "AugMix": (("rgb", "uint8"), lambda T: T.AugMix()),
    "AugMix, long": (("rgb", "uint8"), lambda T: T.AugMix(7, 2, 2, 0.5, all_ops=False, fill=9)),
    "elastic": (ALL, lambda T: T.ElasticTransform(40.0, 0.5)),
    "elastic, filled": (
        ("rgb", "uint8"),
        lambda T: T.ElasticTransform([20.0, 60.0], [0.4, 0.6], T.InterpolationMode.NEAREST, 7),
    ),
    "RandAugment": (
        ("rgb", "grey", "uint8"),
        lambda T: T.Compose([T.RandAugment(magnitude=m) for m in (9, 15, 30)]),
    ),
    "RandAugment, filled": (("rgb",), lambda T: T.RandAugment(4, 12, fill=50)),
    "AutoAugment": (
        ("rgb", "grey", "uint8"),
        lambda T: T.Compose([T.AutoAugment(policy) for policy in T.AutoAugmentPolicy] * 2),
    ),
    "TrivialAugment": (
        ("rgb", "grey", "uint8"),
        lambda T: T.Compose([T.TrivialAugmentWide() for _ in range(4)]),
    ),
    "for training": (
        ("rgb",),
        lambda T: T.Compose(
            [
                T.RandomResizedCrop(12),
                T.RandomHorizontalFlip(),
                T.ColorJitter(0.1, 0.1, 0.1),
                T.ToTensor(),
                T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
                T.RandomErasing(),
            ]
        ),
    ),
}


def image(kind, lib):
    """An image of a kind; colours are smooth, so that a rounded place does not change much."""
    if kind == "rgb":
        return Image.fromarray(SMOOTH)
    if kind == "grey":
        return Image.fromarray(COLOUR[:, :, 0])
    planes = np.ascontiguousarray(SMOOTH.transpose(2, 0, 1))
    if kind == "uint8":
        return lib.from_numpy(planes)
    return lib.from_numpy(planes.astype(np.float32) / 255)


def arrays(result):
    """A result, or each member of a tuple of them, as arrays."""
    if isinstance(result, tuple):
        return [array for member in result for array in arrays(member)]
    return [np.asarray(result) if isinstance(result, Image.Image) else result.numpy()]


def results(transforms, lib):
    """All results under one library, by name, with the next random numbers after each."""
    for name, (kinds, make) in CASES.items():
        for kind in kinds:
            for seed in SEEDS:
                lib.manual_seed(seed)
                random.seed(seed)
                found = arrays(make(transforms)(image(kind, lib)))
                after = np.array([float(lib.rand(1)), random.random()])
                for number, array in enumerate([*found, after]):
                    last = number == len(found)
                    yield f"{name}/{kind}/{seed}/{'after' if last else number}", array


def packed(found):
    """Results by name as a few arrays: one for each dtype, and a table of names and shapes."""
    table = [[name, array.dtype.name, list(array.shape)] for name, array in found.items()]
    kept = {
        dtype: np.concatenate([a.ravel() for a in found.values() if a.dtype.name == dtype])
        for dtype in sorted({row[1] for row in table})
    }
    return {"table": np.array(json.dumps(table)), **kept}


def unpacked(kept):
    """Results by name, from what `packed` made of them."""
    used, found = {}, {}
    for name, dtype, shape in json.loads(str(kept["table"])):
        start = used.get(dtype, 0)
        used[dtype] = start + math.prod(shape)
        found[name] = kept[dtype][start : used[dtype]].reshape(shape)
    return found


MODELS = {
    "alexnet": {},
    "vgg11": {"num_classes": 10},
    "vgg11_bn": {"num_classes": 3},
    "resnet18": {},
    "resnet34": {"num_classes": 7},
    "resnet50": {"zero_init_residual": True},
    "resnext50_32x4d": {},
    "wide_resnet50_2": {"replace_stride_with_dilation": [False, True, True]},
    "squeezenet1_0": {},
    "squeezenet1_1": {"num_classes": 5},
    "mobilenet_v2": {"width_mult": 0.5},
    "densenet121": {"num_classes": 4},
}
RUN = ("resnet18", "squeezenet1_1", "mobilenet_v2")  # these also see an image


def described(model):
    """A model's parameters and buffers, in order: name, shape, and the first element."""
    return [
        [name, list(value.shape), float(value.reshape(-1)[0])]
        for name, value in model.state_dict().items()
    ]


def model_results(models, lib):
    """The names, shapes and first elements of each model's parameters from seed 0, and scores of some."""
    found = {}
    for name, options in MODELS.items():
        lib.manual_seed(0)
        model = getattr(models, name)(**options).eval()
        scores = []
        if name in RUN:
            with lib.no_grad():
                scores = model(lib.ones(1, 3, 64, 64) * 0.5)[0, :5].tolist()
        found[name] = {"state": described(model), "scores": scores}
    return found
