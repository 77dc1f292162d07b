"""The odd spellings that scripts of all ages use."""

import collections
import copy
import pickle

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(6)
x = torch.Tensor(2, 3).fill_(1.5)
print(
    x,
    x.size(),
    x.size(0),
    x.size()[1],
    *x.size(),
    x.dim(),
    len(x),
    x.shape[-1],
    x.numel(),
    x.nelement(),
)
print(
    torch.Tensor([1, 2, 3]),
    torch.FloatTensor([[1, 2]]),
    torch.LongTensor([3, 4]).type(),
    torch.ByteTensor([1]).dtype,
    torch.DoubleTensor(2).zero_(),
)
print(
    torch.zeros(*x.size()),
    torch.ones(x.size()),
    torch.zeros(x.shape[0], 1),
    torch.zeros((2, 1)),
    torch.zeros([1, 2]),
)
print(
    isinstance(x, torch.Tensor),
    isinstance(x, torch.FloatTensor),
    x.type(),
    torch.is_tensor(x),
    type(x),
    x.type() == "torch.FloatTensor",
)
print(
    "%d items, %.2f mean, %s" % (torch.tensor(5), torch.tensor(2.5), torch.tensor([1, 2])),
    f"{torch.tensor(3.14159):.2f} {torch.tensor(7)} {torch.tensor([1.0])}",
)
print(
    "{:.1f} {} {:>6}".format(torch.tensor(2.25), torch.tensor(1), torch.tensor(3).item()),
    str(torch.tensor(1.0)),
    repr(torch.tensor([True])),
)
logits, y = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
out = logits
print(
    out.max(1)[1],
    torch.max(out, 1)[1].eq(y).sum(),
    out.data.max(1, keepdim=True)[1].eq(y.data.view_as(out.data.max(1, keepdim=True)[1])).sum(),
    (out.argmax(1) == y).float().mean().item(),
)
_, pred = torch.max(out.data, 1)
correct = (pred == y).sum().item()
maxk = 2
_, top = out.topk(maxk, 1, True, True)
top = top.t()
hits = top.eq(y.view(1, -1).expand_as(top))
print(correct, [hits[:k].reshape(-1).float().sum(0, keepdim=True).mul_(100.0 / 4) for k in (1, 2)])
print(
    [int(v) for v in y],
    [v.item() for v in y],
    list(y),
    y.tolist(),
    sorted(y, reverse=True),
    max(y),
    min(logits[0]),
    sum(y),
    tuple(y[:2]),
)
for i, (a, b) in enumerate(zip(logits, y)):
    if b == 0:
        print(i, a.shape, b, bool(a[0] > a[1]))
seen = {y[0]: "first"}
print(
    seen[y[0]] if y[0] in seen else "not the same object",
    y[1] in y,
    5 in y,
    [k for k in {torch.tensor(1): 2}.values()],
)
a, b = torch.tensor([1.0, 2.0])
print(
    a + b,
    a < b,
    a if a > b else b,
    not a,
    int(a),
    float(b),
    round(float(b), 1),
    range(int(y.max()))[-1],
    [10, 20, 30][y[2]],
    abs(-a),
    -b,
    +a,
    a**2,
    2**b,
    1 / b,
    3 // b,
    7 % b,
    divmod(7, 2),
)
print(
    torch.tensor(3.7).long(),
    torch.tensor([1.5, -1.5]).int(),
    torch.tensor([0, 1]).bool(),
    torch.tensor(1).type(torch.FloatTensor),
    torch.tensor(1).type("torch.DoubleTensor"),
    torch.tensor(2).double().type_as(x),
    torch.tensor([1]).to(x),
)
x = torch.arange(12.0).view(3, 4)
print(
    x[1],
    x[:, 1],
    x[-1, -1],
    x[0, 1:3],
    x[..., 0],
    x[None].shape,
    x[:, None].shape,
    x[[0, 2]],
    x[[0, 1], [1, 2]],
    x[x > 7],
    x[torch.tensor([True, False, True])],
    x[:, [True, False, True, False]].shape,
)
x[0] = -1
x[:, 3] = torch.tensor([7.0, 8.0, 9.0])
x[x < 0] = 0
x[1:, 0] += 10
x[2, 1] *= 2
print(x)
mask = x.gt(5).type_as(x) * x.le(9).float()
print(
    mask, mask.nonzero().size(), mask.sum() / mask.numel(), (x.ge(3) & x.lt(9)).any(), x.ne(0).all()
)
print(
    x.t().contiguous().view(-1)[:3],
    x.transpose(0, 1).shape,
    x.permute(1, 0).is_contiguous(),
    x.unsqueeze(0).squeeze().shape,
    x.expand(2, 3, 4).shape,
    x.repeat(2, 1).shape,
    x.view(x.size(0), -1).shape,
    x.flatten().shape,
    x.reshape(2, -1).shape,
    x.T.shape,
    x.chunk(2, 1)[1].shape,
    torch.split(x, [1, 2])[1].shape,
    torch.stack([x, x]).shape,
    torch.unbind(x)[0].shape,
)
net = nn.Sequential(
    collections.OrderedDict(
        [("fc1", nn.Linear(4, 5)), ("act", nn.ReLU()), ("fc2", nn.Linear(5, 2))]
    )
)
print(
    list(net.parameters())[0][0, 0],
    net[0].weight.data[0, 0],
    net.fc1.bias.shape,
    net._modules["fc2"],
    net.act,
    len(net),
    list(net.children())[2].out_features,
    [m.__class__.__name__ for m in net.modules()],
    dict(net.named_parameters())["fc2.bias"],
)


def init(m):
    if type(m) == nn.Linear:
        nn.init.xavier_uniform_(m.weight)
        m.bias.data.fill_(0.01)
    classname = m.__class__.__name__
    if classname.find("Linear") != -1 and hasattr(m, "bias"):
        getattr(m, "weight").data.mul_(2)


net.apply(init)
print(
    sum(p.data.sum() for p in net.parameters()),
    hasattr(net, "fc3"),
    getattr(net, "fc3", None),
    isinstance(net[1], (nn.ReLU, nn.Tanh)),
    isinstance(net, nn.Module),
    issubclass(nn.Linear, nn.Module),
)
setattr(net, "fc2", nn.Linear(5, 1))
del net.act
net.add_module("last", nn.Sigmoid())
print(
    net, next(net.parameters()).device, next(iter(net.state_dict())), next(net.parameters()).is_cuda
)
with torch.set_grad_enabled(False):
    print(net(torch.ones(1, 4)).requires_grad, torch.is_grad_enabled())
w = torch.randn(3, requires_grad=True)
loss = (w * 2).sum()
print(
    loss.data,
    loss.item(),
    loss.detach(),
    loss.data.cpu().numpy(),
    loss.requires_grad,
    w.is_leaf,
    loss.grad_fn is not None,
)
loss.backward()
w.data -= 0.1 * w.grad.data
w.grad.data.zero_()
w.data.sub_(0.1).add_(0.2)
print(w.grad, w.data.numpy().shape, np.array(w.tolist()).dtype, w.detach().numpy() is not None)
arr = np.ones((2, 2), dtype=np.float32)
t = torch.from_numpy(arr)
np.add(arr, 1, out=arr)
print(
    t,
    t.numpy() is not arr,
    np.mean(t.numpy()),
    torch.tensor(arr).sum(),
    torch.as_tensor(arr)[0, 0],
    torch.from_numpy(np.arange(3)).dtype,
    torch.Tensor(np.arange(3)).dtype,
    np.asarray(t).dtype,
    np.sqrt(t.numpy())[0],
)
q = copy.deepcopy(net)
print(
    q is net,
    all(torch.equal(a, b) for a, b in zip(q.parameters(), net.parameters())),
    torch.equal(pickle.loads(pickle.dumps(t)), t),
)
print(
    torch.cuda.is_available() and "cuda" or "cpu",
    torch.device("cpu"),
    torch.__version__[0].isdigit(),
    torch.get_default_dtype(),
    torch.float32,
    torch.Size([2, 3]),
    torch.Size((2, 3)).numel(),
)
if torch.cuda.is_available():
    x = x.cuda()
print(
    x.cpu().data.numpy().tolist()[0],
    x.to("cpu").device,
    x.to(torch.device("cpu"), torch.float64).dtype,
    x.half().dtype,
    x.new(2).shape,
    x.new_tensor([1]).dtype,
    x.new_full((1,), 3),
)
print(
    F.one_hot(y, 3)[:2],
    F.relu(-x).sum(),
    F.sigmoid(torch.zeros(1)),
    F.tanh(torch.zeros(1)),
    torch.zeros(2, 2).scatter_(1, torch.LongTensor([[0], [1]]), 1),
    torch.eye(3)[y][:1],
)
print(
    torch.where(x > 5, x, torch.zeros_like(x))[0],
    torch.clamp(x, 0, 5)[0],
    x.clamp_(max=6).max(),
    torch.addmm(torch.zeros(3, 3), x, x.t()).shape,
    torch.bmm(x[None], x.t()[None]).shape,
    torch.einsum("ij,kj->ik", x, x).trace(),
    torch.outer(y, y)[0],
    torch.cat([x, x], -1).shape,
    torch.cat((y, y)).shape,
)
print(
    torch.manual_seed(3).device,
    torch.initial_seed(),
    torch.rand(2),
    torch.randn(1, 2),
    torch.randperm(4),
    torch.randint(0, 9, (2,)),
    torch.normal(0.0, 1.0, (2,)),
    torch.bernoulli(torch.full((3,), 0.5)).shape,
    torch.empty(2, 2).uniform_(0, 1).shape,
)
