"""Soft actor-critic: squashed Gaussians, twin critics, tuned temperature; PPO's advantages; a world model by ensembles."""

import copy
import itertools

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Independent, Normal, TanhTransform, TransformedDistribution

torch.manual_seed(15)
np.random.seed(15)
OBS, ACT = 3, 2


def mlp(sizes, activation=nn.ReLU, output_activation=nn.Identity):
    layers = []
    for j in range(len(sizes) - 1):
        act = activation if j < len(sizes) - 2 else output_activation
        layers += [nn.Linear(sizes[j], sizes[j + 1]), act()]
    return nn.Sequential(*layers)


class SquashedGaussianActor(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = mlp([OBS, 32, 32], nn.ReLU, nn.ReLU)
        self.mu_layer, self.log_std_layer = nn.Linear(32, ACT), nn.Linear(32, ACT)

    def forward(self, obs, deterministic=False, with_logprob=True):
        net_out = self.net(obs)
        mu = self.mu_layer(net_out)
        log_std = torch.clamp(self.log_std_layer(net_out), -20, 2)
        std = torch.exp(log_std)
        pi_distribution = Normal(mu, std)
        pi_action = mu if deterministic else pi_distribution.rsample()
        logp_pi = None
        if with_logprob:
            logp_pi = pi_distribution.log_prob(pi_action).sum(axis=-1)
            logp_pi -= (2 * (np.log(2) - pi_action - F.softplus(-2 * pi_action))).sum(axis=1)
        return torch.tanh(pi_action), logp_pi


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.q1, self.q2 = mlp([OBS + ACT, 32, 1]), mlp([OBS + ACT, 32, 1])

    def forward(self, obs, act):
        sa = torch.cat([obs, act], dim=-1)
        return torch.squeeze(self.q1(sa), -1), torch.squeeze(self.q2(sa), -1)


pi, q = SquashedGaussianActor(), Critic()
q_targ = copy.deepcopy(q)
for p in q_targ.parameters():
    p.requires_grad = False
log_alpha = torch.zeros(1, requires_grad=True)
pi_optimizer = torch.optim.Adam(pi.parameters(), lr=3e-3)
q_optimizer = torch.optim.Adam(itertools.chain(q.q1.parameters(), q.q2.parameters()), lr=3e-3)
alpha_optimizer = torch.optim.Adam([log_alpha], lr=3e-3)
buffer = {
    k: np.random.randn(50, *s).astype(np.float32)
    for k, s in dict(obs=(OBS,), obs2=(OBS,), act=(ACT,), rew=(), done=()).items()
}
buffer["done"] = (buffer["done"] > 1).astype(np.float32)
for step in range(4):
    idxs = np.random.randint(0, 50, size=16)
    batch = {k: torch.as_tensor(v[idxs], dtype=torch.float32) for k, v in buffer.items()}
    o, a, r, o2, d = batch["obs"], batch["act"].tanh(), batch["rew"], batch["obs2"], batch["done"]
    alpha = log_alpha.exp().detach()
    with torch.no_grad():
        a2, logp_a2 = pi(o2)
        q_pi_targ = torch.min(*q_targ(o2, a2))
        backup = r + 0.99 * (1 - d) * (q_pi_targ - alpha * logp_a2)
    q1, q2 = q(o, a)
    loss_q = ((q1 - backup) ** 2).mean() + ((q2 - backup) ** 2).mean()
    q_optimizer.zero_grad()
    loss_q.backward()
    q_optimizer.step()
    for p in q.parameters():
        p.requires_grad = False
    a_pi, logp_pi = pi(o)
    loss_pi = (alpha * logp_pi - torch.min(*q(o, a_pi))).mean()
    pi_optimizer.zero_grad()
    loss_pi.backward()
    pi_optimizer.step()
    for p in q.parameters():
        p.requires_grad = True
    alpha_loss = -(log_alpha * (logp_pi + -ACT).detach()).mean()
    alpha_optimizer.zero_grad()
    alpha_loss.backward()
    alpha_optimizer.step()
    with torch.no_grad():
        for p, p_targ in zip(q.parameters(), q_targ.parameters()):
            p_targ.data.mul_(0.995)
            p_targ.data.add_((1 - 0.995) * p.data)
    print(
        f"q {loss_q.item():.4f} pi {loss_pi.item():.4f} alpha {log_alpha.exp().item():.4f} backup {backup.mean():.4f}"
    )
dist = TransformedDistribution(
    Independent(Normal(torch.zeros(2, ACT), 0.5 * torch.ones(2, ACT)), 1),
    [TanhTransform(cache_size=1)],
)
sample = dist.rsample()
print(dist.log_prob(sample).shape, dist.batch_shape, dist.event_shape, (sample.abs() < 1).all())

rewards, values, masks = torch.randn(6), torch.randn(7), torch.tensor([1.0, 1, 1, 0, 1, 1])
gae, advantages = 0.0, torch.zeros(6)
for t in reversed(range(6)):
    delta = rewards[t] + 0.99 * values[t + 1] * masks[t] - values[t]
    gae = delta + 0.99 * 0.95 * masks[t] * gae
    advantages[t] = gae
returns = advantages + values[:-1]
print(advantages, returns.mean(), (advantages - advantages.mean()) / (advantages.std() + 1e-8))
ensemble = [mlp([OBS + ACT, 16, OBS]) for _ in range(3)]
opt = torch.optim.Adam([p for m in ensemble for p in m.parameters()], lr=1e-2)
inputs, target = torch.randn(20, OBS + ACT), torch.randn(20, OBS)
for _ in range(3):
    loss = sum(F.mse_loss(m(inputs), target) for m in ensemble)
    opt.zero_grad()
    loss.backward()
    opt.step()
preds = torch.stack([m(inputs) for m in ensemble])
print(f"{loss.item():.4f} {preds.var(0).mean().item():.5f}", preds.shape)
elites = torch.randn(30, 4)
mean, std = torch.zeros(4), torch.ones(4)
for _ in range(3):
    samples = mean + std * torch.randn(30, 4)
    scores = -(samples - 1).pow(2).sum(-1)
    elite = samples[scores.topk(5).indices]
    mean, std = elite.mean(0), elite.std(0)
print("cem", f"{(mean - 1).norm().item():.4f}")
