"""U-Net with skip connections, cropped and resized; dice and binary losses on masks."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(5)


class DoubleConv(nn.Module):
    def __init__(self, in_ch, out_ch):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(in_ch, out_ch, 3, padding=1), nn.GroupNorm(2, out_ch), nn.LeakyReLU(0.1, inplace=True),
            nn.Conv2d(out_ch, out_ch, 3, padding=1), nn.InstanceNorm2d(out_ch), nn.ReLU(inplace=True),
        )  # fmt: skip

    def forward(self, x):
        return self.conv(x)


class Up(nn.Module):
    def __init__(self, in_ch, out_ch, bilinear=True):
        super().__init__()
        if bilinear:
            self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        else:
            self.up = nn.ConvTranspose2d(in_ch // 2, in_ch // 2, 2, stride=2)
        self.conv = DoubleConv(in_ch, out_ch)

    def forward(self, x1, x2):
        x1 = self.up(x1)
        diffY = x2.size()[2] - x1.size()[2]
        diffX = x2.size()[3] - x1.size()[3]
        x1 = F.pad(x1, (diffX // 2, diffX - diffX // 2, diffY // 2, diffY - diffY // 2))
        return self.conv(torch.cat([x2, x1], dim=1))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.inc = DoubleConv(1, 4)
        self.down1 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(4, 8))
        self.down2 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(8, 8))
        self.up1 = Up(16, 4)
        self.up2 = Up(8, 4, bilinear=False)
        self.outc = nn.Conv2d(4, 1, 1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        return self.outc(self.up2(self.up1(x3, x2), x1))


def dice_coeff(pred, target, eps=1.0):
    pred = torch.sigmoid(pred)
    num = (pred * target).sum(dim=(1, 2, 3))
    return (
        (2 * num + eps) / (pred.pow(2).sum((1, 2, 3)) + target.pow(2).sum((1, 2, 3)) + eps)
    ).mean()


grid = torch.stack(torch.meshgrid(torch.arange(18.0), torch.arange(18.0), indexing="ij"))
mask = ((grid[0] - 9) ** 2 + (grid[1] - 7) ** 2 < 25).float()[None, None].repeat(2, 1, 1, 1)
image = mask + 0.3 * torch.randn_like(mask)
net = UNet()
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
criterion = nn.BCEWithLogitsLoss(pos_weight=torch.tensor([2.0]))
for i in range(4):
    pred = net(image)
    loss = criterion(pred, mask) + 1 - dice_coeff(pred, mask)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        hard = torch.sigmoid(pred) > 0.5
        iou = (hard & mask.bool()).sum().float() / (hard | mask.bool()).sum().clamp(min=1)
    print(f"{i} {loss.item():.4f} iou {iou:.2f}", pred.shape)
