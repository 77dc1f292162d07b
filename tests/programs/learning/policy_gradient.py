"""REINFORCE, actor-critic and PPO's clipped objective with torch.distributions."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Categorical, Normal

torch.manual_seed(543)


class Policy(nn.Module):
    def __init__(self):
        super(Policy, self).__init__()
        self.affine1 = nn.Linear(4, 16)
        self.action_head = nn.Linear(16, 2)
        self.value_head = nn.Linear(16, 1)
        self.saved_actions, self.rewards = [], []

    def forward(self, x):
        x = F.relu(self.affine1(x))
        return F.softmax(self.action_head(x), dim=-1), self.value_head(x)


model = Policy()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
eps = torch.finfo(torch.float32).eps


def select_action(state):
    state = torch.as_tensor(state, dtype=torch.float)
    probs, value = model(state)
    m = Categorical(probs)
    action = m.sample()
    model.saved_actions.append((m.log_prob(action), value, m.entropy()))
    return action.item()


for episode in range(4):
    state = [0.1, -0.2, 0.3, 0.05 * episode]
    for t in range(8):
        action = select_action(state)
        state = [s * 0.9 + (0.1 if action else -0.1) for s in state]
        model.rewards.append(1.0 if action == t % 2 else 0.0)
    R, returns = 0, []
    for r in model.rewards[::-1]:
        R = r + 0.99 * R
        returns.insert(0, R)
    returns = torch.tensor(returns)
    returns = (returns - returns.mean()) / (returns.std() + eps)
    policy_losses, value_losses, entropies = [], [], []
    for (log_prob, value, entropy), R in zip(model.saved_actions, returns):
        advantage = R - value.item()
        policy_losses.append(-log_prob * advantage)
        value_losses.append(F.smooth_l1_loss(value, torch.tensor([R])))
        entropies.append(entropy)
    optimizer.zero_grad()
    loss = (
        torch.stack(policy_losses).sum()
        + torch.stack(value_losses).sum()
        - 0.01 * torch.stack(entropies).mean()
    )
    loss.backward()
    optimizer.step()
    print("episode {} loss {:.4f} reward {:.1f}".format(episode, loss.item(), sum(model.rewards)))
    del model.rewards[:]
    del model.saved_actions[:]


class GaussianActor(nn.Module):
    def __init__(self):
        super().__init__()
        self.mu = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 2))
        self.log_std = nn.Parameter(-0.5 * torch.ones(2))

    def dist(self, obs):
        return Normal(self.mu(obs), torch.exp(self.log_std))


pi, v = GaussianActor(), nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 1))
opt = torch.optim.Adam(
    [{"params": pi.parameters(), "lr": 3e-3}, {"params": v.parameters(), "lr": 1e-2}]
)
obs = torch.randn(20, 3)
with torch.no_grad():
    d = pi.dist(obs)
    act = d.sample()
    logp_old = d.log_prob(act).sum(axis=-1)
ret = -(act - obs[:, :2]).pow(2).sum(-1)
adv = ret - v(obs).squeeze(-1).detach()
for i in range(4):
    d = pi.dist(obs)
    logp = d.log_prob(act).sum(axis=-1)
    ratio = torch.exp(logp - logp_old)
    clip_adv = torch.clamp(ratio, 1 - 0.2, 1 + 0.2) * adv
    loss_pi = -(torch.min(ratio * adv, clip_adv)).mean()
    loss_v = ((v(obs).squeeze(-1) - ret) ** 2).mean()
    approx_kl = (logp_old - logp).mean().item()
    clipfrac = (ratio.gt(1.2) | ratio.lt(0.8)).float().mean().item()
    opt.zero_grad()
    (loss_pi + 0.5 * loss_v).backward()
    opt.step()
    print(
        f"pi {loss_pi.item():.4f} v {loss_v.item():.4f} kl {approx_kl:.4f} clip {clipfrac:.2f} ent {d.entropy().mean().item():.4f}"
    )
