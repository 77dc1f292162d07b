"""A LLaMA-like decoder: RMSNorm, rotary positions by complex numbers, grouped queries, SwiGLU, a cache of keys and values."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(11)
DIM, HEADS, KV_HEADS, LAYERS, VOCAB, MAX = 32, 4, 2, 2, 24, 16


class RMSNorm(torch.nn.Module):
    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def _norm(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)

    def forward(self, x):
        return self._norm(x.float()).type_as(x) * self.weight


def precompute_freqs_cis(dim, end, theta=10000.0):
    freqs = 1.0 / (theta ** (torch.arange(0, dim, 2)[: (dim // 2)].float() / dim))
    t = torch.arange(end, device=freqs.device)
    freqs = torch.outer(t, freqs).float()
    return torch.polar(torch.ones_like(freqs), freqs)


def apply_rotary_emb(xq, xk, freqs_cis):
    xq_ = torch.view_as_complex(xq.float().reshape(*xq.shape[:-1], -1, 2))
    xk_ = torch.view_as_complex(xk.float().reshape(*xk.shape[:-1], -1, 2))
    shape = [d if i == 1 or i == xq_.ndim - 1 else 1 for i, d in enumerate(xq_.shape)]
    freqs_cis = freqs_cis.view(*shape)
    xq_out = torch.view_as_real(xq_ * freqs_cis).flatten(3)
    xk_out = torch.view_as_real(xk_ * freqs_cis).flatten(3)
    return xq_out.type_as(xq), xk_out.type_as(xk)


def rotate_half(x):
    x1, x2 = x.chunk(2, dim=-1)
    return torch.cat((-x2, x1), dim=-1)


def repeat_kv(x, n_rep):
    bs, slen, n_kv_heads, head_dim = x.shape
    return (
        x[:, :, :, None, :]
        .expand(bs, slen, n_kv_heads, n_rep, head_dim)
        .reshape(bs, slen, n_kv_heads * n_rep, head_dim)
    )


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.head_dim = DIM // HEADS
        self.wq = nn.Linear(DIM, HEADS * self.head_dim, bias=False)
        self.wk = nn.Linear(DIM, KV_HEADS * self.head_dim, bias=False)
        self.wv = nn.Linear(DIM, KV_HEADS * self.head_dim, bias=False)
        self.wo = nn.Linear(HEADS * self.head_dim, DIM, bias=False)
        self.cache_k = torch.zeros(2, MAX, KV_HEADS, self.head_dim)
        self.cache_v = torch.zeros(2, MAX, KV_HEADS, self.head_dim)

    def forward(self, x, start_pos, freqs_cis, mask, use_cache):
        bsz, seqlen, _ = x.shape
        xq, xk, xv = self.wq(x), self.wk(x), self.wv(x)
        xq = xq.view(bsz, seqlen, HEADS, self.head_dim)
        xk = xk.view(bsz, seqlen, KV_HEADS, self.head_dim)
        xv = xv.view(bsz, seqlen, KV_HEADS, self.head_dim)
        xq, xk = apply_rotary_emb(xq, xk, freqs_cis=freqs_cis)
        if use_cache:
            self.cache_k[:bsz, start_pos : start_pos + seqlen] = xk
            self.cache_v[:bsz, start_pos : start_pos + seqlen] = xv
            keys, values = (
                self.cache_k[:bsz, : start_pos + seqlen],
                self.cache_v[:bsz, : start_pos + seqlen],
            )
        else:
            keys, values = xk, xv
        keys, values = repeat_kv(keys, HEADS // KV_HEADS), repeat_kv(values, HEADS // KV_HEADS)
        xq, keys, values = xq.transpose(1, 2), keys.transpose(1, 2), values.transpose(1, 2)
        scores = torch.matmul(xq, keys.transpose(2, 3)) / math.sqrt(self.head_dim)
        if mask is not None:
            scores = scores + mask
        scores = F.softmax(scores.float(), dim=-1).type_as(xq)
        output = torch.matmul(scores, values).transpose(1, 2).contiguous().view(bsz, seqlen, -1)
        return self.wo(output)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention, self.attention_norm, self.ffn_norm = Attention(), RMSNorm(DIM), RMSNorm(DIM)
        hidden = 16 * ((int(2 * 4 * DIM / 3) + 15) // 16)
        self.w1, self.w2, self.w3 = (
            nn.Linear(DIM, hidden, bias=False),
            nn.Linear(hidden, DIM, bias=False),
            nn.Linear(DIM, hidden, bias=False),
        )

    def forward(self, x, *args):
        h = x + self.attention(self.attention_norm(x), *args)
        y = self.ffn_norm(h)
        return h + self.w2(F.silu(self.w1(y)) * self.w3(y))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.tok_embeddings = nn.Embedding(VOCAB, DIM)
        self.layers = torch.nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm, self.output = RMSNorm(DIM), nn.Linear(DIM, VOCAB, bias=False)
        self.freqs_cis = precompute_freqs_cis(DIM // HEADS, MAX * 2)

    def forward(self, tokens, start_pos=0, use_cache=False):
        _bsz, seqlen = tokens.shape
        h = self.tok_embeddings(tokens)
        freqs_cis = self.freqs_cis[start_pos : start_pos + seqlen]
        mask = None
        if seqlen > 1:
            mask = torch.full((seqlen, seqlen), float("-inf"))
            mask = torch.triu(mask, diagonal=1)
            mask = torch.hstack([torch.zeros((seqlen, start_pos)), mask]).type_as(h)
        for layer in self.layers:
            h = layer(h, start_pos, freqs_cis, mask, use_cache)
        return self.output(self.norm(h)).float()


def sample_top_p(probs, p):
    probs_sort, probs_idx = torch.sort(probs, dim=-1, descending=True)
    probs_sum = torch.cumsum(probs_sort, dim=-1)
    mask = probs_sum - probs_sort > p
    probs_sort[mask] = 0.0
    probs_sort.div_(probs_sort.sum(dim=-1, keepdim=True))
    next_token = torch.multinomial(probs_sort, num_samples=1)
    return torch.gather(probs_idx, -1, next_token)


model = Transformer()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
data = (torch.arange(36).view(2, 18) * 5) % VOCAB
for step in range(4):
    logits = model(data[:, :12])
    loss = F.cross_entropy(logits.flatten(0, 1), data[:, 1:13].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step} loss {loss.item():.4f}")
with torch.inference_mode():
    whole = model(data[:, :6])
    parts = [model(data[:, :3], 0, True)] + [
        model(data[:, i : i + 1], i, True) for i in range(3, 6)
    ]
    print(
        torch.allclose(whole, torch.cat(parts, 1), atol=1e-5),
        model.layers[0].attention.cache_k[:, :6].abs().sum() > 0,
    )
    tokens = torch.full((2, 10), -1, dtype=torch.long)
    tokens[:, :3] = data[:, :3]
    prev = 0
    for cur in range(3, 10):
        logits = model(tokens[:, prev:cur], prev, True)
        next_token = (
            sample_top_p(torch.softmax(logits[:, -1] / 0.8, dim=-1), 0.9)
            if cur % 2
            else torch.argmax(logits[:, -1], dim=-1)
        )
        next_token = next_token.reshape(-1)
        tokens[:, cur] = torch.where(tokens[:, cur] != -1, tokens[:, cur], next_token)
        prev = cur
    print(tokens.tolist())
x = torch.arange(8.0).view(1, 8)
cos, sin = torch.linspace(0, 1, 8).cos(), torch.linspace(0, 1, 8).sin()
print(
    x * cos + rotate_half(x) * sin,
    model.freqs_cis.dtype,
    sum(p.numel() for p in model.parameters()),
)
alibi = torch.tensor([2 ** (-8 / HEADS * (i + 1)) for i in range(HEADS)]).view(-1, 1, 1) * (
    torch.arange(4)[None, :] - torch.arange(4)[:, None]
).clamp(max=0)
print(
    alibi[0],
    torch.repeat_interleave(torch.tensor([1, 2]), torch.tensor([2, 1])),
    torch.arange(6).view(2, 3).repeat_interleave(2, dim=0).shape,
)
