"""A vision transformer: patches by convolution and by unfold, class token, positions, attention by hand."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(10)


class PatchEmbed(nn.Module):
    def __init__(self, img_size=16, patch_size=4, in_chans=3, embed_dim=16):
        super().__init__()
        self.n_patches = (img_size // patch_size) ** 2
        self.proj = nn.Conv2d(in_chans, embed_dim, kernel_size=patch_size, stride=patch_size)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class Attention(nn.Module):
    def __init__(self, dim, n_heads=4, attn_p=0.0):
        super().__init__()
        self.n_heads, self.head_dim = n_heads, dim // n_heads
        self.scale = self.head_dim**-0.5
        self.qkv = nn.Linear(dim, dim * 3, bias=True)
        self.proj = nn.Linear(dim, dim)
        self.attn_drop = nn.Dropout(attn_p)

    def forward(self, x):
        n_samples, n_tokens, dim = x.shape
        qkv = (
            self.qkv(x)
            .reshape(n_samples, n_tokens, 3, self.n_heads, self.head_dim)
            .permute(2, 0, 3, 1, 4)
        )
        q, k, v = qkv[0], qkv[1], qkv[2]
        dp = (q @ k.transpose(-2, -1)) * self.scale
        attn = self.attn_drop(dp.softmax(dim=-1))
        return self.proj((attn @ v).transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, dim, n_heads, mlp_ratio=2.0, p=0.0):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, n_heads, p)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(dim, int(dim * mlp_ratio)),
            nn.GELU(),
            nn.Dropout(p),
            nn.Linear(int(dim * mlp_ratio), dim),
        )

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    def __init__(self, embed_dim=16, depth=2, n_classes=5):
        super().__init__()
        self.patch_embed = PatchEmbed(embed_dim=embed_dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.patch_embed.n_patches, embed_dim))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.blocks = nn.ModuleList([Block(embed_dim, 4) for _ in range(depth)])
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, n_classes)

    def forward(self, x):
        n = x.shape[0]
        x = self.patch_embed(x)
        x = torch.cat((self.cls_token.expand(n, -1, -1), x), dim=1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


net = VisionTransformer()
images, labels = torch.randn(6, 3, 16, 16), torch.arange(6) % 5
opt = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.05)
warm = torch.optim.lr_scheduler.LambdaLR(
    opt, lambda step: min(1.0, (step + 1) / 3) * 0.5 * (1 + math.cos(math.pi * step / 10))
)
for step in range(5):
    loss = F.cross_entropy(net(images), labels, label_smoothing=0.1)
    opt.zero_grad(set_to_none=True)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(net.parameters(), max_norm=1.0)
    opt.step()
    warm.step()
    print(f"step {step} loss {loss.item():.4f} norm {norm:.4f} lr {opt.param_groups[0]['lr']:.5f}")
patches = F.unfold(images, kernel_size=4, stride=4)
print(patches.shape, torch.allclose(F.fold(patches, (16, 16), 4, stride=4), images))
again = images.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).reshape(6, 16, -1)
print(torch.equal(again, patches.transpose(1, 2)), net.cls_token.grad.norm())
