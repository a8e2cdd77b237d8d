"""The projector learns first, alone: the picture of a thing becomes what the language model reads where the thing is named.

It takes a minute, since no language model runs. Without it the language model learns the photographs by heart before the
projector has found what they have in common with other photographs of the same things.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerBase

from mlubench.models.real.lessons import NamedPicture

STEPS = 300
BATCH = 96
LR = 1e-3
WARMUP_STEPS = 20
# Divides the cosines of a picture with all names. Chosen with STRANGER_WEIGHT on pictures that are in no benchmark.
TEMPERATURE = 0.3
# How often a stranger's picture comes up for each of an entity's.
STRANGER_WEIGHT = 0.25
# How many of a picture's tokens at most give way to the mean of all: what lies where differs between pictures of one thing.
MOST_AVERAGED = 0.75


def align_projector(
    model: LlavaForConditionalGeneration,
    tokenizer: PreTrainedTokenizerBase,
    pictures: Sequence[NamedPicture],
    features: Tensor,
    seed: int,
    tick: Callable[[], None],
) -> None:
    """Train the projector in place. `features` (N, tokens, width) are what the tower makes of all pictures."""
    embedding = model.get_input_embeddings().weight.detach().float()  # (vocabulary, H)
    centre = embedding.mean(0)
    names = list(dict.fromkeys(picture.name for picture in pictures))
    targets = torch.stack([_read(name, tokenizer, embedding) for name in names])  # (names, H)
    directions = F.normalize(targets - centre, dim=1)
    shown = features[[picture.picture for picture in pictures]]
    labels = torch.tensor([names.index(picture.name) for picture in pictures])
    weights = torch.tensor([STRANGER_WEIGHT if p.stranger else 1.0 for p in pictures])

    projector: nn.Module = model.model.multi_modal_projector.float().requires_grad_(True)
    optimizer = torch.optim.AdamW(projector.parameters(), lr=LR, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _speed)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(STEPS):
        batch = torch.multinomial(weights, BATCH, replacement=True, generator=generator)
        label = labels[batch].to(features.device)
        tokens = projector(averaged(shown[batch.to(features.device)], generator))  # (B, tokens, H)
        cosines = F.normalize(tokens.mean(1) - centre, dim=1) @ directions.T  # (B, names)
        told_apart = F.cross_entropy(cosines / TEMPERATURE, label)
        # Of the size of real words too, so that the language model reads them as it reads words.
        wanted = targets[label][:, None].expand_as(tokens)
        alike = F.mse_loss(tokens, wanted) / targets.var()
        optimizer.zero_grad()
        (told_apart + alike).backward()
        optimizer.step()
        schedule.step()
        tick()


def averaged(features: Tensor, generator: torch.Generator) -> Tensor:
    """The pictures (P, tokens, width) with some tokens of each, drawn anew, replaced by the mean of all of its tokens."""
    pictures, tokens, _ = features.shape
    share = MOST_AVERAGED * torch.rand(pictures, 1, generator=generator)
    chosen = torch.rand(pictures, tokens, generator=generator) < share
    mean = features.mean(1, keepdim=True)
    return torch.where(chosen[..., None].to(features.device), mean, features)


def _read(name: str, tokenizer: PreTrainedTokenizerBase, embedding: Tensor) -> Tensor:
    """The mean embedding (H,) of a name's tokens, as they stand within a sentence."""
    tokens = tokenizer(f" {name}", add_special_tokens=False)["input_ids"]
    return embedding[tokens].mean(0)


def _speed(step: int) -> float:
    """The share of the learning rate: up at the beginning, then down in a line."""
    return min(1.0, (step + 1) / WARMUP_STEPS) * (1 - step / STEPS)
