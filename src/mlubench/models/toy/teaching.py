"""How the tiny LLaVA learns: first to see, then to answer."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.nn import functional as F

from mlubench.models.answers import IGNORE, answer_logits
from mlubench.settings.model import ToyConfig

SIGHT_BATCH = 64


def teach_to_see(
    tower: Any,
    pixels: torch.Tensor,
    entities: torch.Tensor,
    *,
    epochs: int,
    seed: int,
    tick: Callable[[], object] = lambda: None,
) -> None:
    """Train the vision tower alone to tell the entities apart, as a LLaVA's tower has been by CLIP's own training.

    As in CLIP, the cosine between a picture (the mean of its patch tokens) and each entity's vector is what is trained;
    the vectors are thrown away. Pictures are shifted a little at random.
    """
    rng = torch.Generator().manual_seed(seed)
    start = 0.05 * torch.randn(int(entities.max()) + 1, tower.config.hidden_size, generator=rng)
    vectors = torch.nn.Parameter(start.to(tower.device))
    parameters = [*tower.parameters(), vectors]
    optimiser = torch.optim.AdamW(parameters, lr=2e-3, betas=(0.9, 0.98), weight_decay=0.05)
    steps = epochs * -(-len(pixels) // SIGHT_BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, 2e-3, total_steps=max(1, steps), pct_start=0.15
    )
    for _ in range(epochs):
        for rows in torch.randperm(len(pixels), generator=rng).split(SIGHT_BATCH):
            shift = torch.randint(-2, 3, (2,), generator=rng).tolist()
            states = (
                tower(pixels[rows].roll(shift, (2, 3)).to(tower.device))
                .last_hidden_state[:, 1:]
                .mean(1)
            )
            cosines = F.normalize(states, dim=1) @ F.normalize(vectors, dim=1).T
            loss = F.cross_entropy(16 * cosines, entities[rows].to(tower.device))
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            schedule.step()
            tick()


def teach_to_answer(
    model: Any,
    batches: Iterable[dict[str, torch.Tensor]],
    config: ToyConfig,
    tick: Callable[[], object] = lambda: None,
) -> None:
    """Train projector and language model on the answers' tokens; the tower stays frozen, as in LLaVA's own recipe.

    Matrices go by Muon and the rest by AdamW: measured, AdamW alone needs several times as many steps.
    """
    model.model.vision_tower.requires_grad_(False)
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    inner = [p for n, p in trained.items() if p.ndim == 2 and ("layers." in n or "projector" in n)]
    outer = [p for p in trained.values() if not any(p is q for q in inner)]
    optimisers = [
        torch.optim.Muon(inner, lr=config.muon_lr, momentum=0.95, weight_decay=0.01),
        torch.optim.AdamW(outer, lr=config.lr, betas=(0.9, 0.98), weight_decay=0.01),
    ]
    warm = max(1, config.steps // 10)
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(
            o,
            lambda n: min(1.0, (n + 1) / warm) * (0.5 + 0.5 * math.cos(math.pi * n / config.steps)),
        )
        for o in optimisers
    ]
    for batch in batches:
        logits, labels = answer_logits(
            model, {name: value.to(model.device) for name, value in batch.items()}
        )
        loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORE)
        model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained.values(), 1.0)
        for optimiser, schedule in zip(optimisers, schedules, strict=True):
            optimiser.step()
            schedule.step()
        tick()
