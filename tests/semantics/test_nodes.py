"""What nodes are called and what they keep: `grad_fn.name()`, `grad_fn._saved_self` and its like."""

import pytest

from tests.semantics.oracle import attempt, same

SAVED = """
(x*y).grad_fn._saved_self
(x*y).grad_fn._saved_other
(x*2).grad_fn._saved_self
x.exp().grad_fn._saved_result
x.sin().grad_fn._saved_self
(x**3).grad_fn._saved_exponent
(x**3).grad_fn._saved_self
w.sum(1).grad_fn._saved_dim
w.sum(-1).grad_fn._saved_dim
w.sum(1,keepdim=True).grad_fn._saved_keepdim
w.sum(1).grad_fn._saved_self_sym_sizes
w.sum().grad_fn._saved_self_sym_sizes
w.softmax(1).grad_fn._saved_result
w.softmax(-1).grad_fn._saved_dim
w.log_softmax(1).grad_fn._saved_dim
(x/y).grad_fn._saved_other
(x/y).grad_fn._saved_self
w.mm(w).grad_fn._saved_self
w.mm(w).grad_fn._saved_mat2
x.tanh().grad_fn._saved_result
x.sigmoid().grad_fn._saved_result
x.relu().grad_fn._saved_result
x.log().grad_fn._saved_self
x.add(y,alpha=3).grad_fn._saved_alpha
x.abs().grad_fn._saved_self
x.sqrt().grad_fn._saved_result
x.sin().grad_fn._saved_nothing
x.cumsum(0).grad_fn._saved_dim
torch.nn.functional.leaky_relu(x,0.2).grad_fn._saved_negative_slope
torch.nn.functional.gelu(x).grad_fn._saved_approximate
x.clamp(0.5,1.5).grad_fn._saved_min
w.prod(1).grad_fn._saved_dim
"""
OF_VIEWS = """
w.transpose(0,1).grad_fn._saved_dim0
w.transpose(0,-1).grad_fn._saved_dim1
w.unsqueeze(0).grad_fn._saved_dim
w.permute(1,0).grad_fn._saved_dims
"""
NAMES = """
torch.grad(x * x)
torch.grad(x.sin())
torch.grad(x / x)
torch.grad(w @ w)
w.clamp(w, w)
w.clamp(0, 1)
torch.copysign(x, 2.0)
x.squeeze((0,))
w.index_fill(0, torch.tensor([0]), x[0])
w.scatter(0, torch.tensor([[0]]), 2.0)
x.round(decimals=2)
x.round()
torch.diag(x)
torch.diag(w)
torch.einsum("i,j->ij", x, x)
torch.einsum("ij,jk->ik", w, w)
torch.einsum("ij->", w)
torch.inner(x, x)
torch.tensordot(w, w, 1)
w.T
w.H
w.mH
torch.trapezoid(x)
torch.trapezoid(x, x)
torch.cumulative_trapezoid(x)
torch.diff(x)
torch.diff(x, n=0)
torch.quantile(x, 0.5)
torch.matrix_exp(w)
torch.linalg.matrix_power(w, 3)
torch.linalg.matrix_power(w, -1)
torch.linalg.matrix_norm(w, "nuc")
torch.linalg.cond(w)
torch.linalg.multi_dot([w, w])
torch.logdet(w)
torch.linalg.lu_factor(w)[0]
torch.fft.fft(x)
torch.fft.ifft(x)
torch.fft.ihfft(x)
torch.fft.ihfftn(x)
torch.fft.ihfftn(w)
torch.fft.ihfft2(w)
torch.special.ndtr(x)
torch.cov(w)
torch.corrcoef(w)
torch.corrcoef(x)
torch.corrcoef(w[:1])
torch.linalg.cholesky(w @ w.T)
torch.linalg.vecdot(w, w)
torch.linalg.vander(x)
F.max_pool1d(w[None], 2)
F.avg_pool1d(w[None], 2)
F.adaptive_avg_pool1d(w[None], 1)
F.adaptive_max_pool1d(w[None], 1)
F.adaptive_max_pool2d(w[None], 1)
F.conv1d(w, w[None])
F.conv2d(w[None], w[None, None])
F.unfold(w[None, None], 2)
x.unfold(0, 2, 1)
F.pairwise_distance(w, w)
F.cosine_similarity(w, w)
F.bilinear(w, w, w[None])
F.cross_entropy(w, w, reduction="sum")
F.kl_div(x, x.detach(), reduction="none")
F.kl_div(x, x.detach(), reduction="none", log_target=True)
F.kl_div(x, x.detach(), reduction="batchmean", log_target=True)
F.poisson_nll_loss(x, x.detach(), reduction="none")
F.poisson_nll_loss(x, x.detach(), full=True, reduction="none")
F.poisson_nll_loss(x, x.detach(), full=True)
F.gaussian_nll_loss(x, x.detach(), x.detach(), reduction="none")
F.gaussian_nll_loss(x, x.detach(), x.detach(), full=True, reduction="none")
F.multilabel_soft_margin_loss(w, w.detach())
F.grid_sample(w[None, None], w[None, :, None], align_corners=False)
F.local_response_norm(w[None], 2)
torch.nanmedian(x)
torch.combinations(x)
torch.pdist(w)
torch.norm(w, "nuc")
torch.norm(w)
torch.fft.ihfft2(w, dim=0)
torch.masked.prod(x.sum() * 2)
torch.masked.prod(x[0], 0)
torch.masked.median(x, 0)
F.rrelu(x)
F.smooth_l1_loss(x, x.detach(), beta=0)
F.smooth_l1_loss(x, x.detach(), beta=0, reduction="none")
F.smooth_l1_loss(x, x.detach())
F.adaptive_avg_pool2d(w[None], 1)
F.adaptive_avg_pool2d(w[None], (1, 2))
F.adaptive_avg_pool3d(w[None, None], (1, 1, 1))
"""
PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


class Library:
    """A library, and one differentiable gradient."""

    def __init__(self, torch, x, w):
        self.torch, self.leaves = torch, (x, w)

    def __getattr__(self, name):
        return getattr(self.torch, name)

    def grad(self, y):
        found = self.torch.autograd.grad(y.sum(), self.leaves, create_graph=True, allow_unused=True)
        return next(one for one in found if one is not None)


def tensors(torch):
    x = (torch.arange(3.0) + 1).requires_grad_()
    y = torch.ones(3, requires_grad=True) * 2
    w = (torch.arange(4.0) + 1).reshape(2, 2).requires_grad_()
    lib = Library(torch, x, w)
    return {"torch": lib, "x": x, "y": y, "w": w, "F": torch.nn.functional}


@pytest.mark.parametrize("case", SAVED.strip().split("\n"))
def test_saved(case):
    same(lambda torch: attempt(lambda: eval(case, tensors(torch))))


@pytest.mark.parametrize("case", OF_VIEWS.strip().split("\n"))
def test_saved_of_views(case, segment):
    if segment:
        pytest.skip("a view of a segment that has ended is taken again")
    same(lambda torch: attempt(lambda: eval(case, tensors(torch))))


@pytest.mark.parametrize("case", NAMES.strip().split("\n"))
def test_names(case):
    same(lambda torch: eval(case, tensors(torch)).grad_fn.name())


@program
def names_of_compositions(torch):
    """Operations that alight composes end in a node of PyTorch's name."""
    x = torch.ones(3, 3, requires_grad=True)
    v, keep = x[0], x > 0
    made = [
        torch.expand_copy(v, (2, 3)), torch.diagonal_copy(x), torch.alias_copy(x), torch.as_strided_copy(x, (2,), (1,)),
        torch.narrow_copy(x, 0, 0, 2), torch.view_copy(x, (9,)), torch.permute_copy(x, (1, 0)), torch.t_copy(x),
        torch.transpose_copy(x, 0, 1), torch.unbind_copy(x)[1], torch.split_copy(x, 2)[0], torch.unfold_copy(x, 0, 2, 1),
        torch.squeeze_copy(x), torch.squeeze_copy(x, 0), torch.unsqueeze_copy(x, 0), torch.select_copy(x, 0, 1),
        torch.split_with_sizes_copy(x, [1, 2])[0], torch.slice_copy(x, 0, 1),
        x.diagonal_scatter(torch.zeros(3)), x.select_scatter(torch.zeros(3), 0, 1), x.slice_scatter(torch.zeros(1, 3), 0, 0, 1),
        x.as_strided_scatter(torch.zeros(2), (2,), (1,)), x.masked_select(keep), torch.normal(x, 1.0), torch.normal(1.0, x),
        torch.normal(x, x), torch.bernoulli(x * 0.5), torch.unsafe_split(x, 2)[0], torch.unsafe_chunk(x, 2)[1],
        torch.unsafe_split_with_sizes(x, [1, 2])[0], torch.linalg.vecdot(v, v), torch.linalg.vecdot(x, x), x.sum_to_size(1, 3),
        x.sum_to_size(3), torch.atleast_2d(v), torch.atleast_3d(v), torch.atleast_3d(x),
        torch.masked.sum(v[0]), torch.masked.amax(v[0]),
    ]  # fmt: skip
    P, L, U = torch.linalg.lu(x.detach() + torch.eye(3) + 0 * x)
    made += [L, U, *torch.lu_unpack(*torch.linalg.lu_factor(x + torch.eye(3)))[1:]]
    parts = torch.unsafe_split(x * 1, 1)
    parts[0].mul_(2)  # nobody watches
    return [one.grad_fn.name() for one in made], P.requires_grad, [tuple(one.shape) for one in made]


@program
def freed(torch):
    x = torch.ones(2, requires_grad=True)
    y = x.exp()
    f = y.grad_fn
    y.sum().backward()
    return attempt(lambda: f._saved_result)


@program
def flushed(torch):
    x = torch.ones(2, requires_grad=True)
    y = (x * 2).exp()
    z = y * x
    z.tolist()
    return (
        z.grad_fn._saved_self,
        z.grad_fn._saved_other,
        y.grad_fn._saved_result,
        "_saved_self" in dir(z.grad_fn),
    )


@program
def written_over_with_leave(torch):
    x = torch.ones(2, requires_grad=True)
    with torch.autograd.graph.allow_mutation_on_saved_tensors():
        y = x.exp()
        z = y.sum()
        y.zero_()
        z.backward()
    return x.grad


@program
def versions_by_hand(torch):
    x = torch.ones(2, requires_grad=True) * 1
    y = x.sin()
    torch.autograd.graph.increment_version(x)
    return x._version, attempt(lambda: y.sum().backward())


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_pytorch(name):
    same(PROGRAMS[name])
