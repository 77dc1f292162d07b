"""Image classifiers: torchvision's `models`, with its names of parameters and its initialisation.

In: options. Out: a module from (n, 3, h, w) to (n, num_classes). Trained weights are fetched as they were published.
"""

from typing import Any

from alight.errors import fail
from alight.vision.models.alexnet import AlexNet, AlexNet_Weights, alexnet
from alight.vision.models.densenet import (
    DenseNet,
    DenseNet121_Weights,
    DenseNet161_Weights,
    DenseNet169_Weights,
    DenseNet201_Weights,
    densenet121,
    densenet161,
    densenet169,
    densenet201,
)
from alight.vision.models.mobilenetv2 import MobileNet_V2_Weights, MobileNetV2, mobilenet_v2
from alight.vision.models.resnet import (
    ResNet,
    ResNet18_Weights,
    ResNet34_Weights,
    ResNet50_Weights,
    ResNet101_Weights,
    ResNet152_Weights,
    ResNeXt50_32X4D_Weights,
    Wide_ResNet50_2_Weights,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnext50_32x4d,
    wide_resnet50_2,
)
from alight.vision.models.squeezenet import (
    SqueezeNet,
    SqueezeNet1_0_Weights,
    SqueezeNet1_1_Weights,
    squeezenet1_0,
    squeezenet1_1,
)
from alight.vision.models.vgg import (
    VGG,
    VGG11_BN_Weights,
    VGG11_Weights,
    VGG13_BN_Weights,
    VGG13_Weights,
    VGG16_BN_Weights,
    VGG16_Weights,
    VGG19_BN_Weights,
    VGG19_Weights,
    vgg11,
    vgg11_bn,
    vgg13,
    vgg13_bn,
    vgg16,
    vgg16_bn,
    vgg19,
    vgg19_bn,
)

_BUILDERS = {
    function.__name__: function
    for function in (
        alexnet, densenet121, densenet161, densenet169, densenet201, mobilenet_v2, resnet18, resnet34, resnet50,
        resnet101, resnet152, resnext50_32x4d, squeezenet1_0, squeezenet1_1, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16,
        vgg16_bn, vgg19, vgg19_bn, wide_resnet50_2,
    )
}  # fmt: skip


def list_models() -> list[str]:
    """The names that `get_model` knows, in the order of the alphabet.

    >>> from alight.vision import models
    >>> models.list_models()[:3]
    ['alexnet', 'densenet121', 'densenet161']
    """
    return sorted(_BUILDERS)


def get_model(name: str, **config: Any) -> Any:
    """The model of that name, in any case; `config` goes to its function. ValueError for an
    unknown one.

    >>> from alight.vision import models
    >>> type(models.get_model("ResNet18", num_classes=10)).__name__
    'ResNet'
    """
    found = _BUILDERS.get(name.lower())
    if found is None:
        fail(ValueError, f"Unknown model {name}", [f"known: {', '.join(list_models())}"])
    return found(**config)


def __dir__() -> list[str]:
    return sorted({*globals()} - {"Any", "fail"})
