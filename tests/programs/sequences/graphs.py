"""Graph convolution with dense and gathered neighbours, graph attention, pooling over graphs, label propagation."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.parameter import Parameter

torch.manual_seed(8)


class GraphConvolution(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super(GraphConvolution, self).__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(torch.FloatTensor(in_features, out_features))
        if bias:
            self.bias = Parameter(torch.FloatTensor(out_features))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self):
        stdv = 1.0 / math.sqrt(self.weight.size(1))
        self.weight.data.uniform_(-stdv, stdv)
        if self.bias is not None:
            self.bias.data.uniform_(-stdv, stdv)

    def forward(self, input, adj):
        support = torch.mm(input, self.weight)
        output = torch.mm(adj, support)
        return output + self.bias if self.bias is not None else output

    def __repr__(self):
        return (
            self.__class__.__name__
            + " ("
            + str(self.in_features)
            + " -> "
            + str(self.out_features)
            + ")"
        )


class GCN(nn.Module):
    def __init__(self, nfeat, nhid, nclass, dropout):
        super().__init__()
        self.gc1, self.gc2 = GraphConvolution(nfeat, nhid), GraphConvolution(nhid, nclass)
        self.dropout = dropout

    def forward(self, x, adj):
        x = F.relu(self.gc1(x, adj))
        x = F.dropout(x, self.dropout, training=self.training)
        return F.log_softmax(self.gc2(x, adj), dim=1)


class GATLayer(nn.Module):
    def __init__(self, in_features, out_features, alpha=0.2):
        super().__init__()
        self.W = nn.Parameter(torch.empty(size=(in_features, out_features)))
        nn.init.xavier_uniform_(self.W.data, gain=1.414)
        self.a = nn.Parameter(torch.empty(size=(2 * out_features, 1)))
        nn.init.xavier_uniform_(self.a.data, gain=1.414)
        self.leakyrelu, self.n = nn.LeakyReLU(alpha), out_features

    def forward(self, h, adj):
        Wh = torch.mm(h, self.W)
        e = self.leakyrelu(
            torch.matmul(Wh, self.a[: self.n, :]) + torch.matmul(Wh, self.a[self.n :, :]).T
        )
        attention = torch.where(adj > 0, e, -9e15 * torch.ones_like(e))
        return F.elu(torch.matmul(F.softmax(attention, dim=1), Wh))


n = 8
edges = torch.tensor([[0, 1], [1, 2], [2, 3], [3, 0], [4, 5], [5, 6], [6, 7], [7, 4], [0, 4]]).t()
adj = torch.zeros(n, n)
adj[edges[0], edges[1]] = 1
adj = torch.max(adj, adj.t()) + torch.eye(n)
deg = adj.sum(1)
norm = torch.diag(deg.pow(-0.5))
adj_norm = norm @ adj @ norm
x, labels = torch.randn(n, 5), torch.LongTensor([0, 0, 0, 0, 1, 1, 1, 1])
idx_train = torch.LongTensor([0, 4, 1])
model = GCN(5, 6, 2, 0.0)
print(model)
optimizer = torch.optim.Adam(model.parameters(), lr=0.05, weight_decay=5e-4)


def accuracy(output, labels):
    preds = output.max(1)[1].type_as(labels)
    correct = preds.eq(labels).double()
    correct = correct.sum()
    return correct / len(labels)


for epoch in range(4):
    model.train()
    optimizer.zero_grad()
    output = model(x, adj_norm)
    loss_train = F.nll_loss(output[idx_train], labels[idx_train])
    loss_train.backward()
    optimizer.step()
    print(
        "Epoch: {:04d}".format(epoch + 1),
        "loss_train: {:.4f}".format(loss_train.item()),
        "acc_train: {:.4f}".format(accuracy(output, labels).item()),
    )

gat, out_layer = nn.ModuleList([GATLayer(5, 3) for _ in range(2)]), GATLayer(6, 2)
opt = torch.optim.Adam(list(gat.parameters()) + list(out_layer.parameters()), lr=0.02)
for _ in range(3):
    h = torch.cat([att(x, adj) for att in gat], dim=1)
    loss = F.nll_loss(F.log_softmax(out_layer(h, adj), 1), labels)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print("gat %.4f" % loss)


def scatter_mean(src, index, size):
    total = torch.zeros(size, src.shape[1]).index_add(0, index, src)
    count = torch.zeros(size).index_add_(0, index, torch.ones(len(index))).clamp(min=1)
    return total / count[:, None]


both = torch.cat([edges, edges.flip(0)], dim=1)
source, target = both[0], both[1]
lin = nn.Linear(5, 4)
message = lin(x)[source]
agg = scatter_mean(message, target, n)
pooled = torch.zeros(2, 4).scatter_add_(0, labels.unsqueeze(1).expand(-1, 4), agg)
top = torch.zeros(n, 4).scatter_reduce(
    0, target[:, None].expand(-1, 4), message, reduce="amax", include_self=False
)
pooled.sum().backward()
print(
    agg.shape, pooled, lin.weight.grad.sum(), top.sum().item(), torch.bincount(target, minlength=n)
)
sparse = (
    torch.sparse_coo_tensor(both, torch.ones(both.shape[1]), (n, n))
    if hasattr(torch, "no_sparse")
    else None
)
print(sparse, torch.unique(both).numel(), (adj @ adj > 0).sum().item())
