"""Tunes EfficientNet-lite0 to tell logos apart, on those that teach a gate; for `logos.py`."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from transformers import CLIPImageProcessorPil

from logos_pictures import SIZE, Logos, draw
from mlubench.models.plugins import register_model_classes
from mlubench.models.real.assembly import LITE_MEAN, LITE_STD, VISION
from mlubench.models.real.fetch import part_named, require
from mlubench.models.real.tower import EfficientNetLiteModel, from_checkpoint

BATCH = 192
RATE = 1e-3
# Cosines lie between -1 and 1, too close together for a softmax; the right one must win by a margin (CosFace, Wang et al. 2018).
COSINE_SCALE = 20
MARGIN = 0.2
# Pictures to tune on have numbers that no request has.
FIRST_PICTURE = 1000


def untuned() -> EfficientNetLiteModel:
    """The network with ImageNet's weights. `mlubench parts fetch` brings them."""
    folder = require(part_named(VISION))
    return from_checkpoint(torch.load(folder / "weights.pth", weights_only=True))


def as_pixels(pictures: Tensor) -> Tensor:
    """Pictures (B, H, W, 3) of 0 to 255 as the network takes them, (B, 3, H, W)."""
    return (pictures.permute(0, 3, 1, 2).float() - 255 * LITE_MEAN) / (255 * LITE_STD)


class _Lessons(IterableDataset[tuple[Tensor, int]]):
    """Ever new pictures of the logos, each with the place of its logo among those that teach."""

    def __init__(self, logos: Logos, teach: Sequence[int]) -> None:
        self._logos = logos
        self._teach = teach

    def __iter__(self) -> Iterator[tuple[Tensor, int]]:
        worker = get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        rng = np.random.default_rng(first)
        picture = FIRST_PICTURE + first
        while True:
            for place in rng.permutation(len(self._teach)).tolist():
                shown = draw(self._logos, self._teach[place], picture, test=False)
                yield torch.from_numpy(np.array(shown)), place
            picture += step


def tune(
    net: EfficientNetLiteModel,
    logos: Logos,
    teach: Sequence[int],
    steps: int,
    device: str,
    workers: int,
) -> None:
    """Train the network to say which of the logos a picture shows, by the mean of its tokens."""
    net.to(device).requires_grad_(True)
    rng = torch.Generator().manual_seed(0)
    start = 0.05 * torch.randn(len(teach), net.config.hidden_size, generator=rng)
    vectors = torch.nn.Parameter(start.to(device))
    parameters = [*net.parameters(), vectors]
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, RATE, total_steps=steps, pct_start=0.1
    )
    lessons = DataLoader(
        _Lessons(logos, teach), batch_size=BATCH, num_workers=workers if workers > 1 else 0
    )
    for step, (pictures, places) in enumerate(lessons, start=1):
        places = places.to(device)
        said = net(as_pixels(pictures.to(device))).last_hidden_state.mean(1)
        cosines = F.normalize(said, dim=1) @ F.normalize(vectors, dim=1).T
        margins = MARGIN * F.one_hot(places, len(teach))
        loss = F.cross_entropy(COSINE_SCALE * (cosines - margins), places)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        if not math.isfinite(loss.item()):
            raise RuntimeError(f"the loss is {loss.item()} at step {step}")
        if step == steps:
            break
    net.requires_grad_(False)


def save(net: EfficientNetLiteModel, folder: Path) -> None:
    """As a folder that `gates.encoder` takes."""
    net.to("cpu").save_pretrained(folder)
    size = {"height": SIZE, "width": SIZE}
    CLIPImageProcessorPil(
        size=size, crop_size=size, image_mean=[LITE_MEAN] * 3, image_std=[LITE_STD] * 3
    ).save_pretrained(folder)


def load(folder: Path) -> EfficientNetLiteModel:
    """What `save` wrote."""
    register_model_classes()
    return EfficientNetLiteModel.from_pretrained(folder)
