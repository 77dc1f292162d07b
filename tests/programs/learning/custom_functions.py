"""autograd.Function as people write it: straight-through, swish, reversed gradients, binarised weights, checked by gradcheck."""

import torch
import torch.nn as nn
from torch.autograd import Function, gradcheck

torch.manual_seed(4)


class StraightThrough(Function):
    @staticmethod
    def forward(ctx, input):
        return (input > 0).float()

    @staticmethod
    def backward(ctx, grad_output):
        return torch.nn.functional.hardtanh(grad_output)


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, i):
        result = i * torch.sigmoid(i)
        ctx.save_for_backward(i)
        return result

    @staticmethod
    def backward(ctx, grad_output):
        i = ctx.saved_tensors[0]
        sigmoid_i = torch.sigmoid(i)
        return grad_output * (sigmoid_i * (1 + i * (1 - sigmoid_i)))


class GradientReversal(Function):
    @staticmethod
    def forward(ctx, x, alpha):
        ctx.alpha = alpha
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.neg() * ctx.alpha, None


class LinearFunction(Function):
    @staticmethod
    def forward(ctx, input, weight, bias=None):
        ctx.save_for_backward(input, weight, bias)
        output = input.mm(weight.t())
        if bias is not None:
            output += bias.unsqueeze(0).expand_as(output)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        input, weight, bias = ctx.saved_tensors
        grad_input = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_input = grad_output.mm(weight)
        if ctx.needs_input_grad[1]:
            grad_weight = grad_output.t().mm(input)
        if bias is not None and ctx.needs_input_grad[2]:
            grad_bias = grad_output.sum(0)
        return grad_input, grad_weight, grad_bias


class LegendrePolynomial3(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return 0.5 * (5 * input**3 - 3 * input)

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        return grad_output * 1.5 * (5 * input**2 - 1)


class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        result = x.exp()
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0]


x = torch.randn(3, 4, requires_grad=True)
StraightThrough.apply(x).mul(torch.arange(12.0).view(3, 4) / 6).sum().backward()
print(x.grad)
x.grad = None
Swish.apply(x).sum().backward()
y = x.detach().clone().requires_grad_()
torch.nn.functional.silu(y).sum().backward()
print(torch.allclose(x.grad, y.grad))
print(
    gradcheck(
        Swish.apply, (torch.randn(4, dtype=torch.double, requires_grad=True),), eps=1e-6, atol=1e-4
    )
)
print(
    gradcheck(
        LinearFunction.apply,
        (
            torch.randn(5, 3, dtype=torch.double, requires_grad=True),
            torch.randn(2, 3, dtype=torch.double, requires_grad=True),
        ),
        eps=1e-6,
        atol=1e-4,
    )
)

feature, domain, label = nn.Linear(4, 5), nn.Linear(5, 2), nn.Linear(5, 3)
h = torch.relu(feature(x.detach()))
loss = nn.functional.cross_entropy(label(h), torch.tensor([0, 1, 2])) + nn.functional.cross_entropy(
    domain(GradientReversal.apply(h, 0.5)), torch.tensor([0, 1, 0])
)
loss.backward()
print(f"{loss:.4f}", feature.weight.grad.sum(), feature.bias.grad)

w = torch.randn(2, 4, requires_grad=True)
b = torch.zeros(2, requires_grad=True)
out = LinearFunction.apply(x, w, b)
print(out.grad_fn.__class__.__name__, out.shape)
out.pow(2).sum().backward()
print(w.grad, b.grad)

a = torch.full((), 0.3, requires_grad=True)
P3 = LegendrePolynomial3.apply
t = torch.linspace(-1, 1, 50)
target = torch.sin(3 * t)
for i in range(4):
    loss = (a + P3(a * t) - target).pow(2).sum()
    loss.backward()
    with torch.no_grad():
        a -= 1e-3 * a.grad
        a.grad = None
    print(i, loss.item())
z = torch.tensor([0.5, 1.0], requires_grad=True)
(g,) = torch.autograd.grad(Exp.apply(z).sum(), z, create_graph=True)
(gg,) = torch.autograd.grad(g.sum(), z)
print(g.detach(), gg)


class BinaryLinear(nn.Linear):
    def forward(self, input):
        binary = self.weight.sign() * self.weight.abs().mean()
        weight = (binary - self.weight).detach() + self.weight
        return nn.functional.linear(input, weight, self.bias)


net = BinaryLinear(4, 2)
opt = torch.optim.SGD(net.parameters(), 0.1)
for i in range(3):
    loss = net(x.detach()).pow(2).sum()
    opt.zero_grad()
    loss.backward()
    opt.step()
    print("%.4f" % loss.item(), end=" ")
print(net, isinstance(net, nn.Linear))
grads = {}
h = x * 2
h.register_hook(lambda grad: grads.__setitem__("h", grad))
h.sum().backward()
print(grads["h"].shape, grads["h"].unique())
