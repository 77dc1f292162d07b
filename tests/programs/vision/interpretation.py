"""Looking into networks: hooks on activations and gradients, Grad-CAM, saliency, adversarial images, integrated gradients."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(14)
net = nn.Sequential(
    nn.Conv2d(1, 4, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(4, 8, 3, padding=1),
    nn.ReLU(),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(8, 3),
)
x, y = torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 2, 1])
activations, gradients = {}, {}


def get_activation(name):
    def hook(model, input, output):
        activations[name] = output.detach()

    return hook


handles = [net[i].register_forward_hook(get_activation(f"conv{i}")) for i in (0, 3)]
handles.append(
    net[3].register_full_backward_hook(lambda m, gi, go: gradients.update(conv3=go[0].detach()))
)
out = net(x)
F.cross_entropy(out, y).backward()
print(
    {k: tuple(v.shape) for k, v in activations.items()},
    gradients["conv3"].shape,
    f"{gradients['conv3'].norm():.5f}",
)
for h in handles:
    h.remove()
print(len(net[0]._forward_hooks), len(net[3]._backward_hooks))


class GradCAM:
    def __init__(self, model, layer):
        self.model, self.saved = model, {}
        layer.register_forward_hook(self.forward_hook)

    def forward_hook(self, module, input, output):
        self.saved["a"] = output
        output.register_hook(lambda grad: self.saved.__setitem__("g", grad))

    def __call__(self, x, index=None):
        logits = self.model(x)
        index = logits.argmax(dim=1) if index is None else index
        one_hot = torch.zeros_like(logits).scatter_(1, index.unsqueeze(1), 1.0)
        self.model.zero_grad()
        logits.backward(gradient=one_hot)
        weights = self.saved["g"].mean(dim=(2, 3), keepdim=True)
        cam = F.relu((weights * self.saved["a"]).sum(1, keepdim=True))
        cam = F.interpolate(cam, size=x.shape[2:], mode="bilinear", align_corners=False)
        return (
            (cam - cam.amin((2, 3), keepdim=True)) / (cam.amax((2, 3), keepdim=True) + 1e-8)
        ).detach()


cam = GradCAM(net, net[3])(x)
print(cam.shape, f"{cam.mean():.4f} {cam.max():.4f}")


def fgsm_attack(image, epsilon, data_grad):
    perturbed = image + epsilon * data_grad.sign()
    return torch.clamp(perturbed, 0, 1)


data = x.clone()
data.requires_grad = True
output = net(data)
init_pred = output.max(1, keepdim=True)[1]
loss = F.nll_loss(F.log_softmax(output, 1), y)
net.zero_grad()
loss.backward()
data_grad = data.grad.data
for eps in (0.0, 0.1):
    adv = fgsm_attack(data, eps, data_grad)
    print(eps, f"{F.cross_entropy(net(adv), y).item():.5f}", (net(adv).max(1)[1] == y).sum().item())
delta = torch.zeros_like(x).uniform_(-0.05, 0.05)
for _ in range(3):
    delta.requires_grad_()
    with torch.enable_grad():
        loss = F.cross_entropy(net(x + delta), y)
    (grad,) = torch.autograd.grad(loss, [delta])
    delta = (delta.detach() + 0.02 * torch.sign(grad.detach())).clamp(-0.05, 0.05)
    delta = torch.min(torch.max(delta, -x), 1 - x)
print("pgd", f"{F.cross_entropy(net(x + delta), y).item():.5f}")
sal = torch.autograd.grad(net(data).gather(1, y.view(-1, 1)).squeeze().sum(), data)[0].abs().amax(1)
print("saliency", sal.shape, f"{sal.sum().item():.5f}")
baseline, steps = torch.zeros_like(x[:1]), 8
total = 0
for alpha in torch.linspace(1 / steps, 1, steps):
    point = (baseline + alpha * (x[:1] - baseline)).requires_grad_()
    total = total + torch.autograd.grad(net(point)[0, 0], point)[0]
ig = (x[:1] - baseline) * total / steps
print("ig", f"{ig.sum().item():.4f} {(net(x[:1]) - net(baseline))[0, 0].item():.4f}")
dream = torch.rand(1, 1, 8, 8, requires_grad=True)
opt = torch.optim.Adam([dream], lr=0.1)
for i in range(3):
    opt.zero_grad()
    h = dream
    for k, layer in enumerate(net):
        h = layer(h)
        if k == 3:
            break
    loss = -h[0, 2].mean() + 1e-3 * dream.pow(2).sum()
    loss.backward()
    opt.step()
print("dream", f"{loss.item():.5f}")
w = nn.Parameter(torch.ones(3))
w.register_hook(lambda g: g * 2)
mid = (w * 3).exp()
mid.retain_grad()
mid.sum().backward()
print(w.grad, mid.grad)
sizes = []
net.register_forward_pre_hook(lambda m, args: sizes.append(args[0].shape))
net(x)
print(
    sizes,
    [(n, type(m).__name__) for n, m in net.named_modules()][:3],
    net.get_submodule("3").out_channels,
    net.get_parameter("7.bias").shape,
)
mask = (net[3].weight.abs() > net[3].weight.abs().flatten().kthvalue(100).values).float()
net[3].weight.data *= mask
print("pruned", int((net[3].weight == 0).sum()), f"{mask.mean():.3f}")
q = (
    torch.fake_quantize_per_tensor_affine(net[7].weight.data, 0.05, 0, -8, 7)
    if hasattr(torch, "fake_quantize_per_tensor_affine") and False
    else (net[7].weight.data / 0.05).round().clamp(-8, 7) * 0.05
)
print(f"{(q - net[7].weight).abs().max():.4f}", q.unique().numel() <= 16)
