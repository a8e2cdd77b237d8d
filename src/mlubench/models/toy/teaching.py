"""How the tiny LLaVA learns: first to see, then to answer."""

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from mlubench.models.answers import IGNORE, answer_logits
from mlubench.settings.model import ToyConfig

if TYPE_CHECKING:
    from transformers import CLIPVisionModel, LlavaForConditionalGeneration

# Pictures in a step of learning to see.
SIGHT_BATCH = 64
SIGHT_RATE = 2e-3
# Cosines lie between -1 and 1, too close together for a softmax. CLIP learns this factor, here it is fixed.
COSINE_SCALE = 16


def _no_tick() -> None:
    """What is called after a step where nobody watches."""


def sight_steps(pictures: int, epochs: int) -> int:
    """How many steps `teach_to_see` takes."""
    return epochs * math.ceil(pictures / SIGHT_BATCH)


def teach_to_see(
    tower: "CLIPVisionModel",
    pixels: torch.Tensor,
    entities: torch.Tensor,
    *,
    epochs: int,
    seed: int,
    tick: Callable[[], object] = _no_tick,
) -> None:
    """Train the vision tower alone to tell the entities apart, as a LLaVA's tower has been by CLIP's own training.

    `pixels` (N, 3, H, W) show the entities numbered in `entities` (N,). As in CLIP, what is trained is the cosine between
    a picture (the mean of its patch tokens) and each entity's vector. The vectors are thrown away.
    `tick` is called after each step.
    """
    rng = torch.Generator().manual_seed(seed)
    classes = int(entities.max()) + 1
    start = 0.05 * torch.randn(classes, tower.config.hidden_size, generator=rng)
    vectors = torch.nn.Parameter(start.to(tower.device))  # (E, H)
    parameters = [*tower.parameters(), vectors]
    optimiser = torch.optim.AdamW(parameters, lr=SIGHT_RATE, betas=(0.9, 0.98), weight_decay=0.05)
    # At least one step, since the schedule takes no fewer: without epochs nothing is learned.
    total_steps = max(1, sight_steps(len(pixels), epochs))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, SIGHT_RATE, total_steps=total_steps, pct_start=0.15
    )
    for _ in range(epochs):
        for rows in torch.randperm(len(pixels), generator=rng).split(SIGHT_BATCH):
            # Up to two pixels each way, the whole batch alike, so that entities are not told by exact places.
            shift = torch.randint(-2, 3, (2,), generator=rng).tolist()
            pictures = pixels[rows].roll(shift, (2, 3)).to(tower.device)  # (B, 3, H, W)
            tokens = tower(pictures).last_hidden_state  # (B, 1 + patches, H)
            # The first token is CLIP's summary of the picture, which LLaVA leaves out too.
            states = tokens[:, 1:].mean(1)  # (B, H)
            cosines = F.normalize(states, dim=1) @ F.normalize(vectors, dim=1).T  # (B, E)
            loss = F.cross_entropy(COSINE_SCALE * cosines, entities[rows].to(tower.device))
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            schedule.step()
            tick()


def teach_to_answer(
    model: "LlavaForConditionalGeneration",
    batches: Iterable[dict[str, torch.Tensor]],
    config: ToyConfig,
    tick: Callable[[], object] = _no_tick,
) -> None:
    """Train projector and language model on the answers' tokens; the tower stays frozen, as in LLaVA's own recipe.

    Matrices go by Muon and the rest by AdamW: measured, AdamW alone needs several times as many steps.
    """
    model.model.vision_tower.requires_grad_(False)
    trained: list[torch.nn.Parameter] = []
    matrices: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        trained.append(parameter)
        # Muon is for the matrices within layers. The embeddings are a matrix too, but a table of rows.
        if parameter.ndim == 2 and ("layers." in name or "projector" in name):
            matrices.append(parameter)
        else:
            others.append(parameter)
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.Muon(matrices, lr=config.muon_lr, momentum=0.95, weight_decay=0.01),
        torch.optim.AdamW(others, lr=config.lr, betas=(0.9, 0.98), weight_decay=0.01),
    ]
    warm_up = max(1, config.steps // 10)

    def rate_factor(step: int) -> float:
        """Linear over the warm-up, times half a cosine over all steps."""
        warmth = min(1.0, (step + 1) / warm_up)
        return warmth * (0.5 + 0.5 * math.cos(math.pi * step / config.steps))

    schedules = [
        torch.optim.lr_scheduler.LambdaLR(optimiser, rate_factor) for optimiser in optimisers
    ]
    for batch in batches:
        inputs = {name: value.to(model.device) for name, value in batch.items()}
        logits, labels = answer_logits(model, inputs)  # (B, A, V), (B, A)
        loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORE)
        model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        for optimiser, schedule in zip(optimisers, schedules, strict=True):
            optimiser.step()
            schedule.step()
        tick()
