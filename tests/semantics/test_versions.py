"""What backward saved and somebody wrote over: through the base, through a view, through `.data`
and versions."""

import pytest

from tests.semantics.oracle import attempt, same

PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


def made(torch, n=4, k=2.0):
    x = torch.arange(1.0, n + 1).requires_grad_()
    return x, x * k


def gradient(x, z):
    def f():
        z.sum().backward()
        return x.grad

    return attempt(f)


@program
def base_under_view(torch):
    x, y = made(torch)
    v = y[1:]
    z = v * v
    y.add_(1)
    return gradient(x, z), v._version, y._version


@program
def base_under_dead_view(torch):
    x, y = made(torch)
    z = y[1:] * y[1:]
    y.mul_(3)
    return gradient(x, z)


@program
def view_over_base(torch):
    x, y = made(torch)
    z = y * y
    y[1:].add_(1)
    return gradient(x, z)


@program
def sibling(torch):
    x, y = made(torch)
    z = y[1:].exp()
    w = y[1:] * y[1:]
    y[0] = 1
    return gradient(x, z), gradient(x, w)


@program
def exp_result_view(torch):
    x, y = made(torch)
    z = y.exp()
    v = z[1:]
    v.add_(1)
    return gradient(x, z)


@program
def view_t(torch):
    x = torch.ones(2, 2, requires_grad=True)
    w = torch.ones(2, 2)
    z = x @ w.t()
    w.add_(1)
    return gradient(x, z)


@program
def view_t_keep(torch):
    x = torch.ones(2, 2, requires_grad=True)
    w = torch.ones(2, 2)
    t = w.t()
    z = x @ t
    w.add_(1)
    return gradient(x, z)


@program
def linear_w(torch):
    x = torch.ones(2, 2, requires_grad=True)
    w = torch.ones(2, 2)
    z = torch.nn.functional.linear(x, w)
    w.add_(1)
    return gradient(x, z)


@program
def linear_w3(torch):
    x = torch.ones(2, 2, 2, requires_grad=True)
    w = torch.ones(2, 2)
    z = torch.nn.functional.linear(x, w)
    w.add_(1)
    return gradient(x, z)


@program
def matmul3(torch):
    x = torch.ones(3, 2, 2, requires_grad=True)
    w = torch.ones(2, 2)
    z = torch.matmul(x, w)
    w.add_(1)
    return gradient(x, z)


@program
def bcast(torch):
    x = torch.ones(3, 2, 2, requires_grad=True)
    w = torch.ones(2, 2)
    z = x * w
    w.add_(1)
    return gradient(x, z)


@program
def data_written(torch):
    x = torch.ones(3, requires_grad=True)
    y = x.exp()
    y.data[0] = 5
    return gradient(x, y), y


@program
def data_written2(torch):
    x = torch.ones(3, requires_grad=True)
    y = x * x
    x.data.mul_(2)
    return gradient(x, y), y, x._version


@program
def data_view(torch):
    x, y = made(torch)
    z = y[1:] * y[1:]
    y.data.mul_(2)
    return gradient(x, z), y, y._version


@program
def data_view2(torch):
    x, y = made(torch)
    v = y[1:]
    z = v * v
    v.data.mul_(2)
    return gradient(x, z), y, y._version, v


@program
def detach_written(torch):
    x, y = made(torch)
    z = y * y
    y.detach().mul_(2)
    return gradient(x, z), y, y._version


@program
def nograd_view(torch):
    x, y = made(torch)
    z = y * y
    with torch.no_grad():
        y[1:].mul_(2)
    return gradient(x, z), y, y._version


@program
def reshape_copy(torch):
    x = torch.ones(2, 3, requires_grad=True)
    y = (x * 2).t()
    r = y.reshape(6)
    z = r * r
    y.add_(1)
    return gradient(x, z)


@program
def contiguous_(torch):
    x = torch.ones(2, 3, requires_grad=True)
    y = x * 2
    r = y.contiguous()
    z = r * r
    y.add_(1)
    return gradient(x, z)


@program
def leafparam(torch):
    w = torch.ones(3, requires_grad=True)
    z = w * w
    with torch.no_grad():
        w[0].add_(1)
    return gradient(w, z)


@program
def leafparam_view(torch):
    w = torch.ones(3, requires_grad=True)
    z = w[1:] * w[1:]
    with torch.no_grad():
        w.add_(1)
    return gradient(w, z)


@program
def plain_base(torch):
    b = torch.ones(4)
    x = torch.ones(3, requires_grad=True)
    z = x * b[1:]
    b[0] = 9
    return gradient(x, z)


@program
def mulinplace(torch):
    x, y = made(torch)
    w = torch.ones(4, requires_grad=True)
    y.mul_(w)
    y.add_(1)
    return gradient(x, y), w.grad


@program
def expand_(torch):
    b = torch.ones(1)
    x = torch.ones(3, requires_grad=True)
    z = x * b.expand(3)
    b.add_(1)
    return gradient(x, z)


@program
def unbind_(torch):
    b = torch.ones(2, 3)
    x = torch.ones(3, requires_grad=True)
    u = b.unbind()
    z = x * u[0]
    b.add_(1)
    return gradient(x, z)


@program
def detach_saved(torch):
    x, y = made(torch)
    z = x * y.detach()
    y.add_(1)
    return gradient(x, z)


@program
def retained_twice(torch):
    x, y = made(torch)
    z = y * y
    z.sum().backward(retain_graph=True)
    y.add_(1)
    return gradient(x, z), x.grad


@program
def conv(torch):
    x = torch.ones(1, 1, 3, 3, requires_grad=True)
    w = torch.ones(1, 1, 2, 2, requires_grad=True)
    z = torch.nn.functional.conv2d(x, w)
    with torch.no_grad():
        w[0].add_(1)
    return gradient(x, z)


@program
def relu_inpl(torch):
    x, y = made(torch)
    z = y.relu()
    z[0] = 3
    return gradient(x, z)


@program
def setitem_saved(torch):
    x, y = made(torch)
    v = y[1:]
    z = v.sin()
    y[0] = 3
    return gradient(x, z)


@program
def versions(torch):
    x = torch.zeros(4)
    v = x[1:]
    d = x.detach()
    dd = x.data
    r = [x._version, v._version, d._version, dd._version]
    d.add_(1)
    r += [x._version, v._version, d._version, dd._version]
    dd.add_(1)
    r += [x._version, v._version, d._version, dd._version]
    v.add_(1)
    r += [x._version, v._version, d._version, dd._version]
    dd[1:].add_(1)
    r += [x._version, v._version, d._version, dd._version, dd[1:]._version]
    e = x.data
    r += [e._version]
    f = x.view(2, 2)
    f.zero_()
    r += [f._version, x._version]
    x.copy_(torch.ones(4))
    r += [x._version]
    x[0] = 1
    r += [x._version]
    x.data = torch.ones(4)
    r += [x._version, v._version]
    torch.add(x, x, out=x)
    r += [x._version]
    x.fill_(0)
    x.zero_()
    x.uniform_()
    r += [x._version]
    return r


@program
def data_after_flush(torch):
    x, y = made(torch)
    z = y * y
    z.tolist()
    y.data.mul_(2)
    return gradient(x, z), y, y._version


@program
def data_after_flush2(torch):
    x, y = made(torch)
    v = y[1:]
    z = v.exp()
    z.tolist()
    z.data.zero_()
    return gradient(x, z), y, y._version


@program
def flush_base(torch):
    x, y = made(torch)
    z = y[1:] * y[1:]
    z.tolist()
    y.add_(1)
    return gradient(x, z)


@program
def flush_linear(torch):
    x = torch.ones(2, 2, 2, requires_grad=True)
    w = torch.ones(2, 2)
    z = torch.nn.functional.linear(x, w)
    z.tolist()
    w.add_(1)
    return gradient(x, z)


@program
def hist_detach(torch):
    x = torch.zeros(3)
    w = torch.ones(3, requires_grad=True)
    d = x.detach()
    d.mul_(0).add_(w * 2)
    d.tolist()
    (d * 3).sum().backward()
    return w.grad, x.requires_grad, d.requires_grad, x


@program
def hist_detach2(torch):
    x = torch.zeros(3)
    w = torch.ones(3, requires_grad=True)
    d = x.detach()
    d[1:] = w[1:] * 2
    d.tolist()
    x.add_(1)
    x.tolist()
    (d * 3).sum().backward()
    return w.grad, x.requires_grad, d.requires_grad, x


@program
def hist_detach3(torch):
    x = torch.zeros(3, requires_grad=True)
    y = x * 2
    w = torch.ones(3, requires_grad=True)
    d = y.detach()
    d.mul_(w)
    d.tolist()
    o = (d * 3).sum() + y.sum()
    o.backward()
    return w.grad, x.grad


@program
def leafview(torch):
    x = torch.ones(2, 3, requires_grad=True)
    d = x.detach()
    r = d.reshape(3, 2)
    out = [attempt(lambda: r.copy_(torch.ones(3, 2, requires_grad=True)))]
    out += [
        r.requires_grad,
        d.requires_grad,
        x.requires_grad,
        r.is_leaf,
        d.is_leaf,
        r.grad_fn is None,
        d.grad_fn is None,
    ]
    out += [
        attempt(lambda: r.add_(1)),
        attempt(lambda: d.add_(1)),
        attempt(lambda: d.masked_fill_(d > 0, 1)),
        attempt(lambda: x.masked_fill_(d > 0, 1)),
        attempt(lambda: d.__setitem__(d > 1, 2)),
    ]
    return out


@program
def sil(torch):
    x = torch.arange(6.0).reshape(3, 2).requires_grad_()
    u = x[None]
    s = u.sin()
    o = s.sum()
    x.data.mul_(2)
    o.backward()
    return x.grad


@program
def sil2(torch):
    x = torch.arange(6.0).reshape(3, 2).requires_grad_()
    u = x[None]
    s = u.sin()
    o = s.sum()
    u.data.mul_(2)
    o.backward()
    return x.grad


@program
def written_views_read_again(torch):
    x = (torch.arange(6.0) / 4).reshape(2, 3).requires_grad_()
    d = x.data
    d.mul_(3)
    y = x @ torch.ones(3, 2)
    z = (y * x[:, 1:]).sum()
    d[..., 1:] = x[:, :2].clone() * 2
    z.tolist()
    z.backward()
    return x, x.grad, d


@program
def one_of_several_detached(torch):
    x = torch.ones(2, 3, requires_grad=True) * 1
    part = x.unbind()[0]
    part.data.add_(1)
    return attempt(lambda: part.detach().add_(1)), x


@program
def data_takes_gradients_with_its_views(torch):
    x = torch.arange(6.0).reshape(2, 3).requires_grad_()
    d = x.data.mul_(2)
    turned, other = d.transpose(0, 1), x.view(6)
    d.copy_(x)
    (turned * turned.detach()).sum().backward()
    return d.requires_grad, turned.requires_grad, other.sum(), x.grad


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_pytorch(name):
    same(PROGRAMS[name])
