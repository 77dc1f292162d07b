"""Encoder and decoder with attention, teacher forcing, masks, greedy and beam search."""

import random

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(3)
random.seed(3)
SOS, EOS, PAD, VOCAB, MAX = 0, 1, 2, 12, 7


class EncoderRNN(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.embedding = nn.Embedding(input_size, hidden_size)
        self.gru = nn.GRU(hidden_size, hidden_size, batch_first=True)
        self.dropout = nn.Dropout(0.0)

    def forward(self, input):
        embedded = self.dropout(self.embedding(input))
        return self.gru(embedded)


class BahdanauAttention(nn.Module):
    def __init__(self, hidden_size):
        super().__init__()
        self.Wa = nn.Linear(hidden_size, hidden_size)
        self.Ua = nn.Linear(hidden_size, hidden_size)
        self.Va = nn.Linear(hidden_size, 1)

    def forward(self, query, keys, mask=None):
        scores = self.Va(torch.tanh(self.Wa(query) + self.Ua(keys))).squeeze(2).unsqueeze(1)
        if mask is not None:
            scores = scores.masked_fill(mask.unsqueeze(1), -float("inf"))
        weights = F.softmax(scores, dim=-1)
        return torch.bmm(weights, keys), weights


class AttnDecoderRNN(nn.Module):
    def __init__(self, hidden_size, output_size):
        super().__init__()
        self.embedding = nn.Embedding(output_size, hidden_size)
        self.attention = BahdanauAttention(hidden_size)
        self.gru = nn.GRU(2 * hidden_size, hidden_size, batch_first=True)
        self.out = nn.Linear(hidden_size, output_size)

    def forward(self, encoder_outputs, encoder_hidden, target=None, mask=None):
        batch_size = encoder_outputs.size(0)
        decoder_input = torch.empty(batch_size, 1, dtype=torch.long).fill_(SOS)
        decoder_hidden, outputs, attentions = encoder_hidden, [], []
        for i in range(MAX):
            output, decoder_hidden, weights = self.step(
                decoder_input, decoder_hidden, encoder_outputs, mask
            )
            outputs.append(output)
            attentions.append(weights)
            if target is not None and random.random() < 0.7:
                decoder_input = target[:, i].unsqueeze(1)
            else:
                _, topi = output.topk(1)
                decoder_input = topi.squeeze(-1).detach()
        outputs = F.log_softmax(torch.cat(outputs, dim=1), dim=-1)
        return outputs, decoder_hidden, torch.cat(attentions, dim=1)

    def step(self, input, hidden, encoder_outputs, mask):
        embedded = self.embedding(input)
        context, weights = self.attention(hidden.permute(1, 0, 2), encoder_outputs, mask)
        output, hidden = self.gru(torch.cat((embedded, context), dim=2), hidden)
        return self.out(output), hidden, weights


src = torch.randint(3, VOCAB, (5, MAX))
lens = torch.tensor([7, 5, 6, 4, 7])
mask = torch.arange(MAX)[None, :] >= lens[:, None]
src[mask] = PAD
tgt = src.flip(1).clone()
encoder, decoder = EncoderRNN(VOCAB, 16), AttnDecoderRNN(16, VOCAB)
enc_opt = torch.optim.Adam(encoder.parameters(), lr=0.01)
dec_opt = torch.optim.Adam(decoder.parameters(), lr=0.01)
criterion = nn.NLLLoss(ignore_index=PAD)
for epoch in range(4):
    enc_opt.zero_grad()
    dec_opt.zero_grad()
    enc_out, enc_hidden = encoder(src)
    out, _, attn = decoder(enc_out, enc_hidden, tgt, mask)
    loss = criterion(out.view(-1, out.size(-1)), tgt.view(-1))
    loss.backward()
    enc_opt.step()
    dec_opt.step()
    print(
        f"{epoch} loss {loss:.4f} attention {attn[1, 0].sum():.1f} {attn[1, :, 5:].abs().max():.1f}"
    )


def beam_search(encoder, decoder, source, width=3, length=5):
    enc_out, hidden = encoder(source.unsqueeze(0))
    beams = [([SOS], 0.0, hidden)]
    for _ in range(length):
        candidates = []
        for tokens, score, h in beams:
            if tokens[-1] == EOS:
                candidates.append((tokens, score, h))
                continue
            out, new_h, _ = decoder.step(torch.tensor([[tokens[-1]]]), h, enc_out, None)
            logp, idx = F.log_softmax(out[0, 0], dim=-1).topk(width)
            for lp, ix in zip(logp, idx):
                candidates.append((tokens + [ix.item()], score + lp.item(), new_h))
        beams = sorted(candidates, key=lambda c: c[1], reverse=True)[:width]
    return beams


encoder.eval()
decoder.eval()
with torch.no_grad():
    for tokens, score, _ in beam_search(encoder, decoder, src[0]):
        print(tokens, "%.3f" % score)
    out, _, _ = decoder(*encoder(src))
    print(out.argmax(-1)[0].tolist(), (out.argmax(-1) == tgt)[tgt != PAD].float().mean())
