"""What operations refuse, and what they give back as it is: PyTorch's errors, and PyTorch's identities."""

import warnings

import pytest

from tests.semantics.oracle import attempt, same

REFUSED = """
F.celu(ones(2), alpha=0.)
nn.CELU(alpha=0.)(ones(2))
F.celu_(ones(2), 0)
F.celu(ones(2) * -1, alpha=2.)
F.max_unpool1d(ones(1, 1, 2), torch.full((1, 1, 2), 100), 2).tolist()
F.max_unpool2d(ones(1, 1, 2, 2), torch.full((1, 1, 2, 2), 100), 2).tolist()
F.max_unpool2d(ones(1, 1, 2, 2), torch.full((1, 1, 2, 2), -1), 2).tolist()
F.max_unpool3d(ones(1, 1, 2, 2, 2), torch.full((1, 1, 2, 2, 2), 1000), 2).tolist()
F.avg_pool2d(ones(3), 2)
F.avg_pool2d(ones(3, 3), 2)
F.avg_pool2d(ones(1, 1, 1, 3, 3), 2)
F.avg_pool1d(ones(3), 2)
F.avg_pool3d(ones(3, 3, 3), 2)
F.unfold(ones(3, 3), 2)
F.unfold(ones(1, 1, 1, 3, 3), 2)
F.unfold(ones(1, 0, 3, 3), 2)
F.unfold(ones(0, 1, 3, 3), 2).shape
F.unfold(ones(1, 1, 3, 3), 5)
F.fold(ones(3), (3, 3), 2)
F.fold(ones(1, 1, 3, 3), (3, 3), 2)
F.fractional_max_pool2d(ones(3, 3), 2, output_size=2)
F.fractional_max_pool2d(ones(1, 1, 1, 3, 3), 2, output_size=2)
F.fractional_max_pool3d(ones(3, 3, 3), 2, output_size=2)
torch.polar(ones(2).half(), ones(2).half())
torch.polar(ones(2).bfloat16(), ones(2).bfloat16())
torch.polar(ones(2), ones(2).double())
ones(0, 2)[[0, 1]]
ones(0, 2)[[]]
"""


@pytest.mark.parametrize("call", REFUSED.strip().split("\n"))
def test_refused(call):
    def program(torch):
        names = {"torch": torch, "F": torch.nn.functional, "nn": torch.nn, "ones": torch.ones}
        return attempt(eval, call, names)

    same(program)


IDENTITIES = """
torch.real(x)
x.real
torch.conj(x)
x.conj()
torch.conj_physical(x)
x.conj_physical()
x.resolve_conj()
x.resolve_neg()
+x
torch.positive(x)
x.positive()
x.flatten(0, 0)
x.flatten(-1, 1)
x.flatten()
x[0].flatten()
v.flatten()
v.flatten(0, -1)
v.ravel()
nn.Flatten()(x)
torch.broadcast_tensors(x, x)[0]
torch.broadcast_tensors(x, v)[0]
x.sum_to_size(2, 3)
x.expand(2, 3)
x.view(2, 3)
x.reshape(2, 3)
x[:]
x.contiguous()
x.float()
x.to(torch.float32)
torch.atleast_2d(x)
F.dropout(x, 0.5, False)
"""


@pytest.mark.parametrize("gradients", [False, True])
def test_what_is_the_tensor_itself(gradients):
    def program(torch):
        x = torch.ones(2, 3, requires_grad=gradients)
        v = torch.ones(3, requires_grad=gradients)
        names = {"torch": torch, "F": torch.nn.functional, "nn": torch.nn, "x": x, "v": v}
        found = [(call, eval(call, names)) for call in IDENTITIES.strip().split("\n")]
        z = torch.ones(2, dtype=torch.complex64)
        parts = [torch.real(z) is z, torch.conj(z) is z, z.conj_physical(), z.real]
        return [(call, made is x, made is v, made) for call, made in found], parts

    same(program)


def test_dtypes_that_a_part_may_be_viewed_as_on_a_known_path():
    def program(torch):
        x, out = torch.arange(8, dtype=torch.float32), []
        for k in (0, 1, 2, 3, 1, 2, 0):
            out.append(attempt(lambda k=k: x[k : k + 2].view(torch.int64)))
            out.append(attempt(lambda k=k: x[k].view(torch.int32)))
        b = torch.arange(16, dtype=torch.uint8).reshape(4, 4)
        for k in (0, 1, 2, 3, 1):
            out.append(attempt(lambda k=k: b[k].view(torch.int32)))
            out.append(attempt(lambda k=k: b.view(-1)[k : k + 4].view(torch.int16)))
        return out

    same(program)


def test_a_backward_hook_says_that_no_input_requires_gradients():
    def program(torch):
        out = []
        for requires_grad in (False, True):
            layer = torch.nn.Linear(2, 2)
            layer.register_full_backward_hook(lambda layer, into, back: None)
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                layer(torch.ones(1, 2, requires_grad=requires_grad)).sum().backward()
            out.append([(one.category.__name__, str(one.message)) for one in said])
        return out

    same(program)


def test_nodes_of_functions_show_where_their_class_comes_from():
    def program(torch):
        class Twice(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 2

            @staticmethod
            def backward(ctx, grad):
                return grad * 2

        y = Twice.apply(torch.ones(2, requires_grad=True))
        return repr(y.grad_fn).split(" at ")[0], repr((y + 1).grad_fn).split(" at ")[0], repr(y)

    same(program)
