"""A linear-chain CRF: the forward algorithm by logsumexp, Viterbi by maxima and back pointers."""

import torch
import torch.nn as nn

torch.manual_seed(6)
START, STOP = 3, 4


def log_sum_exp(vec):
    max_score = vec[0, torch.max(vec, 1)[1].item()]
    max_score_broadcast = max_score.view(1, -1).expand(1, vec.size()[1])
    return max_score + torch.log(torch.sum(torch.exp(vec - max_score_broadcast)))


class CRF(nn.Module):
    def __init__(self, tagset_size=5):
        super().__init__()
        self.tagset_size = tagset_size
        self.emit = nn.Linear(4, tagset_size)
        self.transitions = nn.Parameter(torch.randn(tagset_size, tagset_size))
        self.transitions.data[START, :] = -10000
        self.transitions.data[:, STOP] = -10000

    def _forward_alg(self, feats):
        init_alphas = torch.full((1, self.tagset_size), -10000.0)
        init_alphas[0][START] = 0.0
        forward_var = init_alphas
        for feat in feats:
            alphas_t = []
            for next_tag in range(self.tagset_size):
                emit_score = feat[next_tag].view(1, -1).expand(1, self.tagset_size)
                trans_score = self.transitions[next_tag].view(1, -1)
                next_tag_var = forward_var + trans_score + emit_score
                alphas_t.append(log_sum_exp(next_tag_var).view(1))
            forward_var = torch.cat(alphas_t).view(1, -1)
        return log_sum_exp(forward_var + self.transitions[STOP])

    def _score_sentence(self, feats, tags):
        score = torch.zeros(1)
        tags = torch.cat([torch.tensor([START], dtype=torch.long), tags])
        for i, feat in enumerate(feats):
            score = score + self.transitions[tags[i + 1], tags[i]] + feat[tags[i + 1]]
        return score + self.transitions[STOP, tags[-1]]

    def _viterbi_decode(self, feats):
        backpointers = []
        forward_var = torch.full((1, self.tagset_size), -10000.0)
        forward_var[0][START] = 0
        for feat in feats:
            bptrs_t, viterbivars_t = [], []
            for next_tag in range(self.tagset_size):
                next_tag_var = forward_var + self.transitions[next_tag]
                best_tag_id = torch.argmax(next_tag_var).item()
                bptrs_t.append(best_tag_id)
                viterbivars_t.append(next_tag_var[0][best_tag_id].view(1))
            forward_var = (torch.cat(viterbivars_t) + feat).view(1, -1)
            backpointers.append(bptrs_t)
        terminal_var = forward_var + self.transitions[STOP]
        best_tag_id = torch.argmax(terminal_var).item()
        path_score = terminal_var[0][best_tag_id]
        best_path = [best_tag_id]
        for bptrs_t in reversed(backpointers):
            best_tag_id = bptrs_t[best_tag_id]
            best_path.append(best_tag_id)
        assert best_path.pop() == START
        best_path.reverse()
        return path_score, best_path

    def neg_log_likelihood(self, x, tags):
        feats = self.emit(x)
        return self._forward_alg(feats) - self._score_sentence(feats, tags)

    def fast_partition(self, feats):
        alpha = torch.full((self.tagset_size,), -10000.0)
        alpha[START] = 0
        for feat in feats:
            alpha = torch.logsumexp(alpha[None, :] + self.transitions, dim=1) + feat
        return torch.logsumexp(alpha + self.transitions[STOP], 0)


model = CRF()
x, tags = torch.randn(4, 4), torch.tensor([0, 1, 2, 1], dtype=torch.long)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=1e-4)
with torch.no_grad():
    print(model._viterbi_decode(model.emit(x)))
for epoch in range(3):
    model.zero_grad()
    loss = model.neg_log_likelihood(x, tags)
    loss.backward()
    optimizer.step()
    print(f"{epoch} {loss.item():.4f}", loss.shape)
with torch.no_grad():
    feats = model.emit(x)
    print(
        model._viterbi_decode(feats)[1],
        torch.allclose(model._forward_alg(feats), model.fast_partition(feats)),
    )
print(model.transitions.grad[0, :3])
