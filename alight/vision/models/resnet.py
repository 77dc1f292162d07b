"""Residual networks (He et al. 2016), with wide and grouped kin (Zagoruyko 2016, Xie et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alight import flatten, nn
from alight.errors import fail
from alight.vision.models.weights import initialised, members

ResNet18_Weights = members("ResNet18_Weights", IMAGENET1K_V1="resnet18-f37072fd.pth")
ResNet34_Weights = members("ResNet34_Weights", IMAGENET1K_V1="resnet34-b627a593.pth")
ResNet50_Weights = members(
    "ResNet50_Weights",
    IMAGENET1K_V1="resnet50-0676ba61.pth",
    IMAGENET1K_V2="resnet50-11ad3fa6.pth",
)
ResNet101_Weights = members(
    "ResNet101_Weights",
    IMAGENET1K_V1="resnet101-63fe2227.pth",
    IMAGENET1K_V2="resnet101-cd907fc2.pth",
)
ResNet152_Weights = members(
    "ResNet152_Weights",
    IMAGENET1K_V1="resnet152-394f9c45.pth",
    IMAGENET1K_V2="resnet152-f82ba261.pth",
)
ResNeXt50_32X4D_Weights = members(
    "ResNeXt50_32X4D_Weights",
    IMAGENET1K_V1="resnext50_32x4d-7cdf4587.pth",
    IMAGENET1K_V2="resnext50_32x4d-1a0047aa.pth",
)
Wide_ResNet50_2_Weights = members(
    "Wide_ResNet50_2_Weights",
    IMAGENET1K_V1="wide_resnet50_2-95faca4d.pth",
    IMAGENET1K_V2="wide_resnet50_2-9ba9bcbe.pth",
)

Norm = Callable[[int], nn.Module]


def conv3x3(
    in_planes: int, out_planes: int, stride: int = 1, groups: int = 1, dilation: int = 1
) -> nn.Conv2d:
    """A convolution of 3 x 3 that keeps the size where `stride` is 1."""
    return nn.Conv2d(
        in_planes,
        out_planes,
        kernel_size=3,
        stride=stride,
        padding=dilation,
        groups=groups,
        bias=False,
        dilation=dilation,
    )


def conv1x1(in_planes: int, out_planes: int, stride: int = 1) -> nn.Conv2d:
    """A convolution of 1 x 1."""
    return nn.Conv2d(in_planes, out_planes, kernel_size=1, stride=stride, bias=False)


class BasicBlock(nn.Module):
    """Two convolutions of 3 x 3 and a way around them."""

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        norm = nn.BatchNorm2d if norm_layer is None else norm_layer
        if groups != 1 or base_width != 64:
            fail(ValueError, "BasicBlock only supports groups=1 and base_width=64")
        if dilation > 1:
            fail(NotImplementedError, "Dilation > 1 not supported in BasicBlock")
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Any) -> Any:
        """(n, planes, h / stride, w / stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    """A narrow convolution of 3 x 3 between two of 1 x 1, and a way around them."""

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        norm = nn.BatchNorm2d if norm_layer is None else norm_layer
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = conv1x1(inplanes, width)
        self.bn1 = norm(width)
        self.conv2 = conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm(width)
        self.conv3 = conv1x1(width, planes * self.expansion)
        self.bn3 = norm(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Any) -> Any:
        """(n, 4 * planes, h / stride, w / stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ResNet(nn.Module):
    """A convolution of 7 x 7, four stages of residual blocks, one linear layer (He et al. 2016).

    Images (n, 3, h, w) to scores (n, num_classes).

    >>> import alight as torch
    >>> from alight.vision import models
    >>> from alight.vision.models.resnet import BasicBlock
    >>> net = models.ResNet(BasicBlock, [1, 1, 1, 1], num_classes=5)
    >>> net(torch.ones(2, 3, 32, 32)).shape
    torch.Size([2, 5])
    """

    def __init__(
        self,
        block: Any,
        layers: list[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: list[bool] | None = None,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        self._norm_layer: Any = nn.BatchNorm2d if norm_layer is None else norm_layer
        self.inplanes = 64
        self.dilation = 1
        dilated = replace_stride_with_dilation or [False, False, False]
        if len(dilated) != 3:
            fail(
                ValueError,
                "replace_stride_with_dilation should be None "
                f"or a 3-element tuple, got {replace_stride_with_dilation}",
            )
        self.groups = groups
        self.base_width = width_per_group
        self.conv1 = nn.Conv2d(3, self.inplanes, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(self.inplanes)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], 2, dilated[0])
        self.layer3 = self._make_layer(block, 256, layers[2], 2, dilated[1])
        self.layer4 = self._make_layer(block, 512, layers[3], 2, dilated[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        self._initialise(zero_init_residual)

    def _initialise(self, zero_init_residual: bool) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
                nn.init.constant_(module.weight, 1)
                nn.init.constant_(module.bias, 0)
        if zero_init_residual:
            for module in self.modules():
                last = {Bottleneck: "bn3", BasicBlock: "bn2"}.get(type(module))
                if last is not None:
                    nn.init.constant_(getattr(module, last).weight, 0)

    def _make_layer(
        self, block: Any, planes: int, blocks: int, stride: int = 1, dilate: bool = False
    ) -> nn.Sequential:
        norm_layer, previous = self._norm_layer, self.dilation
        if dilate:
            self.dilation *= stride
            stride = 1
        downsample = None
        if stride != 1 or self.inplanes != planes * block.expansion:
            downsample = nn.Sequential(
                conv1x1(self.inplanes, planes * block.expansion, stride),
                norm_layer(planes * block.expansion),
            )
        shared = self.groups, self.base_width
        made = [block(self.inplanes, planes, stride, downsample, *shared, previous, norm_layer)]
        self.inplanes = planes * block.expansion
        for _ in range(1, blocks):
            made.append(block(self.inplanes, planes, 1, None, *shared, self.dilation, norm_layer))
        return nn.Sequential(*made)

    def forward(self, x: Any) -> Any:
        """(n, num_classes) for images (n, 3, h, w)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(flatten(self.avgpool(x), 1))


def _resnet(
    block: Any,
    layers: list[int],
    known: Any,
    weights: Any = None,
    progress: bool = True,
    pretrained: bool = False,
    **kwargs: Any,
) -> ResNet:
    return initialised(ResNet(block, layers, **kwargs), known, weights, progress, pretrained)  # type: ignore[no-any-return]


def resnet18(weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet with 18 layers (He et al. 2016).

    Images (n, 3, h, w) to scores (n, num_classes). `weights` asks for trained ones, by an
    enumeration's member, its name, or "DEFAULT"; other keywords go to the class.
    DataNotFoundError where the file is neither here nor to be had.

    >>> import alight as torch
    >>> from alight.vision import models
    >>> net = models.resnet18(num_classes=10).eval()
    >>> net(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """
    return _resnet(BasicBlock, [2, 2, 2, 2], ResNet18_Weights, weights, progress, **kwargs)


def resnet34(weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet with 34 layers (He et al. 2016).

    Images (n, 3, h, w) to scores (n, num_classes). `weights` asks for trained ones, by an
    enumeration's member, its name, or "DEFAULT"; other keywords go to the class.
    DataNotFoundError where the file is neither here nor to be had.

    >>> from alight.vision import models
    >>> net = models.resnet34(num_classes=10)
    >>> sum(parameter.numel() for parameter in net.parameters())
    21289802
    """
    return _resnet(BasicBlock, [3, 4, 6, 3], ResNet34_Weights, weights, progress, **kwargs)


def resnet50(weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet with 50 layers (He et al. 2016).

    Images (n, 3, h, w) to scores (n, num_classes). `weights` asks for trained ones, by an
    enumeration's member, its name, or "DEFAULT"; other keywords go to the class.
    DataNotFoundError where the file is neither here nor to be had.

    >>> from alight.vision import models
    >>> models.ResNet50_Weights.DEFAULT.name  # weights="DEFAULT"
    'IMAGENET1K_V2'
    """
    return _resnet(Bottleneck, [3, 4, 6, 3], ResNet50_Weights, weights, progress, **kwargs)


def resnet101(weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet with 101 layers (He et al. 2016).

    Images (n, 3, h, w) to scores (n, num_classes). `weights` asks for trained ones, by an
    enumeration's member, its name, or "DEFAULT"; other keywords go to the class.
    DataNotFoundError where the file is neither here nor to be had.

    >>> from alight.vision import models
    >>> models.ResNet101_Weights.DEFAULT.name  # weights="DEFAULT"
    'IMAGENET1K_V2'
    """
    return _resnet(Bottleneck, [3, 4, 23, 3], ResNet101_Weights, weights, progress, **kwargs)


def resnet152(weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet with 152 layers (He et al. 2016).

    Images (n, 3, h, w) to scores (n, num_classes). `weights` asks for trained ones, by an
    enumeration's member, its name, or "DEFAULT"; other keywords go to the class.
    DataNotFoundError where the file is neither here nor to be had.

    >>> from alight.vision import models
    >>> models.ResNet152_Weights.DEFAULT.name  # weights="DEFAULT"
    'IMAGENET1K_V2'
    """
    return _resnet(Bottleneck, [3, 8, 36, 3], ResNet152_Weights, weights, progress, **kwargs)


def resnext50_32x4d(weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNeXt with 50 layers, its inner convolutions in 32 groups of 4 channels (Xie et al. 2017).

    Images (n, 3, h, w) to scores (n, num_classes). `weights` asks for trained ones, by an
    enumeration's member, its name, or "DEFAULT"; other keywords go to the class.
    DataNotFoundError where the file is neither here nor to be had.

    >>> from alight.vision import models
    >>> models.ResNeXt50_32X4D_Weights.DEFAULT.name  # weights="DEFAULT"
    'IMAGENET1K_V2'
    """
    kwargs = {"groups": 32, "width_per_group": 4, **kwargs}
    return _resnet(Bottleneck, [3, 4, 6, 3], ResNeXt50_32X4D_Weights, weights, progress, **kwargs)


def wide_resnet50_2(weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet with 50 layers, its inner convolutions twice as wide (Zagoruyko and Komodakis 2016).

    Images (n, 3, h, w) to scores (n, num_classes). `weights` asks for trained ones, by an
    enumeration's member, its name, or "DEFAULT"; other keywords go to the class.
    DataNotFoundError where the file is neither here nor to be had.

    >>> from alight.vision import models
    >>> models.Wide_ResNet50_2_Weights.DEFAULT.name  # weights="DEFAULT"
    'IMAGENET1K_V2'
    """
    kwargs = {"width_per_group": 128, **kwargs}
    return _resnet(Bottleneck, [3, 4, 6, 3], Wide_ResNet50_2_Weights, weights, progress, **kwargs)
