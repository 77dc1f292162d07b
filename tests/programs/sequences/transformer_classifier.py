"""nn.TransformerEncoder with sine positions and padding masks, classifying; a whole nn.Transformer translating."""

import math

import torch
import torch.nn as nn

torch.manual_seed(5)


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, dropout=0.0, max_len=50):
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(max_len, 1, d_model)
        pe[:, 0, 0::2] = torch.sin(position * div_term)
        pe[:, 0, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe, persistent=False)

    def forward(self, x):
        x = x + self.pe[: x.size(0)]
        return self.dropout(x)


class Classifier(nn.Module):
    def __init__(self, ntoken, d_model, nhead, d_hid, nlayers, classes):
        super().__init__()
        self.d_model = d_model
        self.embedding = nn.Embedding(ntoken, d_model)
        self.pos_encoder = PositionalEncoding(d_model)
        encoder_layers = nn.TransformerEncoderLayer(d_model, nhead, d_hid, 0.0)
        self.transformer_encoder = nn.TransformerEncoder(
            encoder_layers, nlayers, enable_nested_tensor=False
        )
        self.linear = nn.Linear(d_model, classes)
        self.init_weights()

    def init_weights(self):
        initrange = 0.1
        self.embedding.weight.data.uniform_(-initrange, initrange)
        self.linear.bias.data.zero_()
        self.linear.weight.data.uniform_(-initrange, initrange)

    def forward(self, src, mask=None, padding=None):
        src = self.pos_encoder(self.embedding(src) * math.sqrt(self.d_model))
        output = self.transformer_encoder(src, mask, src_key_padding_mask=padding)
        keep = (~padding).t().unsqueeze(-1).float()
        return self.linear((output * keep).sum(0) / keep.sum(0))


tokens = torch.randint(1, 15, (9, 4))
tokens[6:, 1] = 0
padding = tokens.t() == 0
labels = torch.tensor([0, 1, 2, 0])
model = Classifier(15, 16, 2, 24, 2, 3)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
sched = torch.optim.lr_scheduler.StepLR(opt, 1.0, gamma=0.95)
for i in range(3):
    loss = nn.CrossEntropyLoss()(model(tokens, padding=padding), labels)
    opt.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    opt.step()
    sched.step()
    print(f"{i} {loss.item():.4f} lr {sched.get_last_lr()[0]:.4f}")
model.eval()
print(model(tokens, padding=padding).argmax(-1), "pe" in "".join(model.state_dict()))

translate = nn.Transformer(
    d_model=16,
    nhead=4,
    num_encoder_layers=1,
    num_decoder_layers=2,
    dim_feedforward=32,
    dropout=0.0,
    batch_first=True,
)
src, tgt = torch.randn(2, 5, 16), torch.randn(2, 4, 16)
mask = nn.Transformer.generate_square_subsequent_mask(4)
out = translate(src, tgt, tgt_mask=mask)
out.mean().backward()
print(
    mask,
    out.shape,
    f"{out.std():.4f}",
    translate.decoder.layers[0].self_attn.in_proj_weight.grad.abs().sum() > 0,
)

attention = nn.MultiheadAttention(16, 4, batch_first=True)
y, weights = attention(
    src, src, src, key_padding_mask=torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
)
print(y.shape, weights[1, 0], attention.out_proj)
