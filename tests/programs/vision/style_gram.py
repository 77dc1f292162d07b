"""Style transfer: an image is the parameter; Gram matrices, total variation, LBFGS with a closure."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(8)


class GramMatrix(nn.Module):
    def forward(self, input):
        a, b, c, d = input.size()
        features = input.view(a * b, c * d)
        G = torch.mm(features, features.t())
        return G.div(a * b * c * d)


class StyleLoss(nn.Module):
    def __init__(self, target_feature):
        super().__init__()
        self.target = GramMatrix()(target_feature).detach()

    def forward(self, input):
        self.loss = F.mse_loss(GramMatrix()(input), self.target)
        return input


class ContentLoss(nn.Module):
    def __init__(self, target):
        super().__init__()
        self.target = target.detach()

    def forward(self, input):
        self.loss = F.mse_loss(input, self.target)
        return input


class Normalization(nn.Module):
    def __init__(self, mean, std):
        super().__init__()
        self.mean = torch.tensor(mean).view(-1, 1, 1)
        self.std = torch.tensor(std).view(-1, 1, 1)

    def forward(self, img):
        return (img - self.mean) / self.std


style, content = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
model = nn.Sequential(Normalization([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
style_losses, content_losses = [], []
i = 0
for layer in [nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace=False), nn.Conv2d(6, 6, 3, padding=1)]:
    if isinstance(layer, nn.Conv2d):
        i += 1
        name = "conv_{}".format(i)
    else:
        name = "relu_{}".format(i)
    model.add_module(name, layer)
    if name == "conv_1":
        style_loss = StyleLoss(model(style).detach())
        model.add_module("style_loss_1", style_loss)
        style_losses.append(style_loss)
    if name == "conv_2":
        content_loss = ContentLoss(model(content))
        model.add_module("content_loss_1", content_loss)
        content_losses.append(content_loss)
model.requires_grad_(False)
print(list(model._modules))
input_img = content.clone()
input_img.requires_grad_(True)
optimizer = torch.optim.LBFGS([input_img], max_iter=5, lr=0.5)
run = [0]
while run[0] < 10:

    def closure():
        with torch.no_grad():
            input_img.clamp_(0, 1)
        optimizer.zero_grad()
        model(input_img)
        style_score = sum(sl.loss for sl in style_losses) * 1e3
        content_score = sum(cl.loss for cl in content_losses)
        tv = 0.5 * (
            torch.abs(input_img[:, :, 1:, :] - input_img[:, :, :-1, :]).mean()
            + torch.abs(input_img[:, :, :, 1:] - input_img[:, :, :, :-1]).mean()
        )
        loss = style_score + content_score + 0.1 * tv
        loss.backward()
        run[0] += 1
        if run[0] % 3 == 0:
            print(
                "run {}: style {:.4f} content {:.4f}".format(
                    run, style_score.item(), content_score.item()
                )
            )
        return loss

    optimizer.step(closure)
with torch.no_grad():
    input_img.clamp_(0, 1)
print(input_img.mean().item(), input_img.grad.shape)
