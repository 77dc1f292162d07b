"""Where scripts import things from, in all their variety."""

import torch.nn.functional as F
from torch import Tensor, nn, optim
from torch.nn import Module, Linear, Parameter, Sequential, ModuleList, init
from torch.nn.init import xavier_uniform_, kaiming_normal_, constant_, xavier_normal_
from torch.optim import Adam, SGD, lr_scheduler, Optimizer
from torch.optim.lr_scheduler import (
    StepLR,
    ReduceLROnPlateau,
    CosineAnnealingLR,
    _LRScheduler,
    LambdaLR,
)
from torch.autograd import Variable, Function, grad
from torch.nn.modules.utils import _pair, _single, _triple, _ntuple
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.loss import _Loss, _WeightedLoss
from torch.nn.modules import Module as M2
from torch.nn.modules.linear import Linear as L3
from torch.nn.modules.rnn import RNNBase
from torch.nn.modules.activation import MultiheadAttention
from torch.nn.common_types import _size_2_t
from torch.nn.parameter import Parameter as P2
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.nn.utils.rnn import (
    pack_padded_sequence,
    pad_packed_sequence,
    pad_sequence,
    PackedSequence,
)
from torch.nn.utils.clip_grad import clip_grad_norm_ as c2
from torch.utils.data import (
    Dataset,
    DataLoader,
    TensorDataset,
    random_split,
    Subset,
    ConcatDataset,
    IterableDataset,
    Sampler,
)
from torch.utils.data.dataloader import default_collate, DataLoader as DL
from torch.utils.data.sampler import SubsetRandomSampler, RandomSampler, SequentialSampler
from torch.utils.data.dataset import Dataset as D2, random_split as rs
from torch.utils.data.distributed import DistributedSampler
from torch.utils.checkpoint import checkpoint
from torch.utils import data
import torch.backends.cudnn as cudnn
import torch.multiprocessing as mp
import torch.distributed as dist
import torch.cuda
import torch.cuda.amp
from torch.cuda.amp import autocast, GradScaler
from torch.amp import autocast as ac2
import torch.jit
from torch.types import Number
from torch.distributions import Categorical, Normal
from torch.distributions.normal import Normal as N2
from torch.fft import fft, rfft
import torch.linalg as LA
import torch.special
import torch.autograd.functional
from torch.autograd.function import once_differentiable
from torch.testing import assert_close
import torch.optim as optim
import torch.optim.swa_utils
import torch.nn.utils.prune as prune
import torch.nn.utils.parametrizations
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.serialization import add_safe_globals
from torch.random import fork_rng
from torch.overrides import has_torch_function
from torch.optim.optimizer import Optimizer as O2
from torch.optim.adam import Adam as A2
from torch.utils._pytree import tree_map
from torch.nn.functional import relu, softmax, cross_entropy
from torch import sigmoid, tanh, float32, long, device, no_grad, manual_seed, from_numpy, as_tensor
from torch import FloatTensor, LongTensor
from torch import einsum, cat, stack, zeros, ones
from torch.nn.modules.container import Sequential as S2, ModuleDict
from torch.nn.modules.normalization import LayerNorm
from torch.nn.modules.transformer import TransformerEncoderLayer
from torch.utils.data._utils.collate import default_collate as dc

torch.manual_seed(0)
net = nn.Sequential(
    nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), Linear(2 * 4 * 4, 3)
)
print(
    [isinstance(m, _ConvNd) for m in net],
    [isinstance(m, _BatchNorm) for m in net],
    isinstance(net, M2),
    L3 is nn.Linear,
    P2 is nn.Parameter is Parameter,
)
print(
    _pair(3),
    _triple((1, 2, 3)),
    _ntuple(2)(1),
    issubclass(nn.MSELoss, _Loss),
    issubclass(nn.NLLLoss, _WeightedLoss),
    issubclass(nn.LSTM, RNNBase),
    O2 is Optimizer,
)
print(
    torch.nn.modules.conv.Conv2d is nn.Conv2d,
    isinstance(net[0], torch.nn.modules.conv.Conv2d),
    torch.nn.modules.batchnorm.BatchNorm2d is nn.BatchNorm2d,
)
xavier_uniform_(net[4].weight)
constant_(net[4].bias, 0.5)
print(
    net(torch.ones(1, 1, 6, 6)).shape,
    softmax(torch.zeros(2), 0),
    c2 is torch.nn.utils.clip_grad_norm_,
    A2 is Adam,
    D2 is Dataset,
    DL is DataLoader,
)
print(
    tree_map(lambda v: v + 1, {"a": [1, 2]}),
    next(iter(SubsetRandomSampler([3]))),
    dc([1, 2]),
    default_collate([torch.ones(1), torch.zeros(1)]),
)
assert_close(torch.ones(2), torch.ones(2))
with fork_rng():
    torch.rand(1)
with no_grad():
    print(
        relu(torch.tensor([-1.0, 1.0])),
        sigmoid(torch.zeros(1)),
        tanh(torch.zeros(1)),
        einsum("i,i", ones(2), ones(2)),
        device("cpu"),
        float32,
        long,
    )
scheduler = StepLR(SGD(net.parameters(), lr=0.1), 1)
print(
    issubclass(_LRScheduler, lr_scheduler.LRScheduler),
    isinstance(scheduler, lr_scheduler.LRScheduler),
    dist.is_available() in (True, False),
    torch.cuda.is_available(),
)
print(
    isinstance(torch.nn.utils.rnn.pack_padded_sequence(torch.ones(2, 1, 1), [2]), PackedSequence),
    issubclass(Number, object) if isinstance(Number, type) else True,
)
