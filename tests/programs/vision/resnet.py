"""Residual blocks with shortcuts; freezing, replaced head, groups of parameters with rates of their own."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(2)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, in_planes, planes, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride=1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_planes != self.expansion * planes:
            self.shortcut = nn.Sequential(
                nn.Conv2d(
                    in_planes, self.expansion * planes, kernel_size=1, stride=stride, bias=False
                ),
                nn.BatchNorm2d(self.expansion * planes),
            )

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return F.relu(out)


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, in_planes, planes, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, kernel_size=1, bias=False)
        self.conv2 = nn.Conv2d(planes, planes, kernel_size=3, stride=stride, padding=1, bias=False)
        self.conv3 = nn.Conv2d(planes, self.expansion * planes, kernel_size=1, bias=False)
        self.bns = nn.ModuleList(
            [
                nn.BatchNorm2d(planes),
                nn.BatchNorm2d(planes),
                nn.BatchNorm2d(self.expansion * planes),
            ]
        )
        self.downsample = None
        if stride != 1 or in_planes != self.expansion * planes:
            self.downsample = nn.Conv2d(in_planes, self.expansion * planes, 1, stride, bias=False)

    def forward(self, x):
        identity = x
        out = F.relu(self.bns[0](self.conv1(x)), inplace=True)
        out = F.relu(self.bns[1](self.conv2(out)), inplace=True)
        out = self.bns[2](self.conv3(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        return F.relu(out + identity)


class ResNet(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.in_planes = 8
        self.conv1 = nn.Conv2d(3, 8, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer1 = self._make_layer(BasicBlock, 8, 2, 1)
        self.layer2 = self._make_layer(Bottleneck, 4, 1, 2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(16, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)

    def _make_layer(self, block, planes, num_blocks, stride):
        strides = [stride] + [1] * (num_blocks - 1)
        layers = []
        for stride in strides:
            layers.append(block(self.in_planes, planes, stride))
            self.in_planes = planes * block.expansion
        return nn.Sequential(*layers)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.layer2(self.layer1(out))
        out = torch.flatten(self.avgpool(out), 1)
        return self.fc(out)


net = ResNet().to(device)
x = torch.randn(4, 3, 16, 16, device=device)
y = torch.tensor([0, 3, 9, 1], device=device)
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
for i in range(4):
    opt.zero_grad()
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    opt.step()
    print(f"{i}: {loss:.4f} {loss.item():>10.3f}")

for p in net.parameters():
    p.requires_grad = False
net.fc = nn.Linear(net.fc.in_features, 2).to(device)
print([n for n, p in net.named_parameters() if p.requires_grad])
opt = torch.optim.SGD(filter(lambda p: p.requires_grad, net.parameters()), lr=0.1)
before = net.conv1.weight.clone()
loss = F.cross_entropy(net(x), y % 2)
opt.zero_grad()
loss.backward()
opt.step()
print(
    "%.4f" % loss, bool((before == net.conv1.weight).all()), net.conv1.weight.grad is None or "kept"
)

for p in net.layer2.parameters():
    p.requires_grad_(True)
opt = torch.optim.SGD(
    [{"params": net.layer2.parameters(), "lr": 1e-3}, {"params": net.fc.parameters()}],
    lr=1e-2,
    momentum=0.9,
)
for group in opt.param_groups:
    print(group["lr"], len(group["params"]), sorted(k for k in group if k != "params")[:3])
loss = F.cross_entropy(net(x), y % 2)
loss.backward()
opt.step()
net.train(False)
print(net.training, torch.softmax(net(x), dim=1).argmax(dim=1).shape)
print(net.bn1.num_batches_tracked, net.bn1.running_mean[:3])
state = net.state_dict()
print(len(state), list(state)[:4], state["layer1.0.bn1.running_var"].shape)
