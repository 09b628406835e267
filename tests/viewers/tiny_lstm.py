"""A small language model's training loop; its text is random, and nothing is marked."""

import torch
from torch import nn

WORDS, BPTT, BATCH, HIDDEN = 200, 20, 8, 48


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Embedding(WORDS, 32)
        self.rnn = nn.LSTM(32, HIDDEN)
        self.decoder = nn.Linear(HIDDEN, WORDS)

    def forward(self, words, hidden):
        output, hidden = self.rnn(self.encoder(words), hidden)
        return self.decoder(output), hidden


def repackage_hidden(hidden):
    return tuple(state.detach() for state in hidden)


def get_batch(source, i):
    return source[i : i + BPTT], source[i + 1 : i + 1 + BPTT].reshape(-1)


def train(model, criterion, source, lr=0.5):
    hidden = (torch.zeros(1, BATCH, HIDDEN), torch.zeros(1, BATCH, HIDDEN))
    for i in range(0, source.size(0) - 1, BPTT):
        data, targets = get_batch(source, i)
        hidden = repackage_hidden(hidden)
        model.zero_grad()
        output, hidden = model(data, hidden)
        loss = criterion(output.view(-1, WORDS), targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        for p in model.parameters():
            p.data.add_(p.grad, alpha=-lr)
    return loss.item()


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    source = torch.randint(0, WORDS, (BPTT * 60 + 1, BATCH))
    print(f"{train(Model(), nn.CrossEntropyLoss(), source):.4f}")
