"""The notes' recurrent network from scratch: a Python loop over time, hand-written SGD with clipping."""


def make(compiled, hidden, steps, vocab=28, batch=32):
    torch.manual_seed(0)

    def normal(*shape):
        return (torch.randn(*shape) * 0.01).requires_grad_()

    w_xh, w_hh, b_h = (
        normal(vocab, hidden),
        normal(hidden, hidden),
        torch.zeros(hidden, requires_grad=True),
    )
    w_hq, b_q = normal(hidden, vocab), torch.zeros(vocab, requires_grad=True)
    params = [w_xh, w_hh, b_h, w_hq, b_q]
    x, y = torch.randint(0, vocab, (batch, steps)), torch.randint(0, vocab, (batch, steps))

    def forward(inputs):
        state, outputs = torch.zeros(batch, hidden), []
        for one in inputs:
            state = torch.tanh(one @ w_xh + state @ w_hh + b_h)
            outputs.append(state @ w_hq + b_q)
        return torch.cat(outputs, dim=0)

    forward = compiled(forward)

    def step():
        inputs = F.one_hot(x.T, vocab).float()
        value = F.cross_entropy(forward(inputs), y.T.reshape(-1))
        value.backward()
        with torch.no_grad():
            norm = torch.sqrt(sum(torch.sum(p.grad**2) for p in params))
            if norm > 1:
                for p in params:
                    p.grad *= 1 / norm
            for p in params:
                p -= 0.5 * p.grad
                p.grad.zero_()
        return value.item()

    return step
