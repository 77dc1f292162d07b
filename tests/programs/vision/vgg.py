"""VGG blocks from a list of sizes, trained for a few steps; parameters visited in the ways people do."""

import torch
import torch.nn as nn
import torch.optim as optim
from torch.autograd import Variable

torch.manual_seed(1)
cfg = {"tiny": [8, "M", 16, "M", 16, 16, "M"]}


class VGG(nn.Module):
    def __init__(self, features, num_classes=5):
        super(VGG, self).__init__()
        self.features = features
        self.classifier = nn.Sequential(
            nn.Linear(16 * 2 * 2, 32),
            nn.ReLU(True),
            nn.Dropout(p=0.0),
            nn.Linear(32, num_classes),
        )
        self._initialize_weights()

    def forward(self, x):
        x = self.features(x)
        x = x.view(x.size(0), -1)
        return self.classifier(x)

    def _initialize_weights(self):
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, (2.0 / n) ** 0.5)
                if m.bias is not None:
                    m.bias.data.zero_()
            elif isinstance(m, nn.BatchNorm2d):
                m.weight.data.fill_(1)
                m.bias.data.zero_()
            elif isinstance(m, nn.Linear):
                m.weight.data.normal_(0, 0.01)
                m.bias.data.zero_()


def make_layers(cfg, batch_norm=True):
    layers = []
    in_channels = 3
    for v in cfg:
        if v == "M":
            layers += [nn.MaxPool2d(kernel_size=2, stride=2)]
        else:
            conv2d = nn.Conv2d(in_channels, v, kernel_size=3, padding=1)
            layers += (
                [conv2d, nn.BatchNorm2d(v), nn.ReLU(inplace=True)]
                if batch_norm
                else [conv2d, nn.ReLU(inplace=True)]
            )
            in_channels = v
    return nn.Sequential(*layers)


use_gpu = torch.cuda.is_available()
net = VGG(make_layers(cfg["tiny"]))
if use_gpu:
    net = net.cuda()
print(net)
criterion = nn.CrossEntropyLoss()
optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
scheduler = optim.lr_scheduler.MultiStepLR(optimizer, milestones=[2, 4], gamma=0.1)
inputs, targets = torch.randn(8, 3, 16, 16), torch.randint(0, 5, (8,))
for epoch in range(5):
    net.train()
    x, y = Variable(inputs), Variable(targets)
    optimizer.zero_grad()
    outputs = net(x)
    loss = criterion(outputs, y)
    loss.backward()
    optimizer.step()
    scheduler.step()
    _, predicted = torch.max(outputs.data, 1)
    correct = predicted.eq(y.data).cpu().sum()
    print(
        "Epoch: %d | Loss: %.3f | Acc: %d/%d lr %.4f"
        % (epoch, loss.data, correct, y.size(0), scheduler.get_last_lr()[0])
    )

net.eval()
with torch.no_grad():
    out = net(inputs)
print(out.shape, out.max(1)[1].tolist(), out.sum().item())
print(sum(p.numel() for p in net.parameters() if p.requires_grad), len(list(net.modules())))
print([name for name, _ in net.named_children()], list(net._modules.keys()))
for name, child in net.classifier._modules.items():
    print(name, child.__class__.__name__, child.__class__.__name__.find("Linear"))
