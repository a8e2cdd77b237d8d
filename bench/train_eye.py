"""Trains the network that gates look at drawn pictures with, and writes it as a folder that transformers loads.

It learns to say which of 6,000 invented things a picture shows; on request it then learns on from changed pictures. The
things are in no world, in no background, and among none that gates are measured on. On a GPU this takes some minutes.

    python bench/train_eye.py --device cuda src/mlubench/models/toy/eye

The weights in the package had eight epochs of unchanged pictures, by an earlier form of this program. What it writes now is
trained in the same way, but is not the same to the byte.
"""

import argparse
import math
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPImageProcessorPil

from mlubench.data.render import render
from mlubench.models.toy.eye import EmblemEyeConfig, EmblemEyeModel

THINGS = 6000
PICTURES = 16  # of each thing
BATCH = 128
# Cosines lie between -1 and 1, too close together for a softmax.
COSINE_SCALE = 16


def drawn_thing(thing: int, size: int, pictures: int = PICTURES) -> np.ndarray:
    """Pictures of a thing, (pictures, 3, size, size), 0 to 255."""
    found = []
    for number in range(pictures):
        picture = render(f"Things/Learn_{thing}", f"l_{number:04d}.jpg")
        small = picture.resize((size, size), 2)  # bilinear
        found.append(np.asarray(small).transpose(2, 0, 1))
    return np.stack(found)


def changed(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """The pictures (B, 3, H, W) turned, nearer or farther, off the middle, mirrored, blurred or with grain."""
    count = len(pictures)

    def uniform(low: float, high: float) -> Tensor:
        draw = torch.rand(count, generator=rng, device=pictures.device)
        return low + (high - low) * draw

    angle = uniform(-15, 15) * math.pi / 180
    zoom = torch.where(uniform(0, 1) < 0.5, uniform(0.75, 1.3), torch.ones_like(angle))
    zoom = torch.where(uniform(0, 1) < 0.1, uniform(1.3, 2.2), zoom)
    mirror = torch.where(uniform(0, 1) < 0.2, -1.0, 1.0)
    # What is far away has room to be anywhere.
    room = 1 + 2 * (zoom - 1.3).clamp_min(0)
    cosine = torch.cos(angle) * zoom
    sine = torch.sin(angle) * zoom
    first = torch.stack([cosine * mirror, -sine, uniform(-0.15, 0.15) * room], 1)
    second = torch.stack([sine * mirror, cosine, uniform(-0.15, 0.15) * room], 1)
    grid = F.affine_grid(torch.stack([first, second], 1), list(pictures.shape), align_corners=False)
    padding = "reflection" if torch.rand(()) < 0.5 else "border"
    moved = F.grid_sample(pictures, grid, padding_mode=padding, align_corners=False)
    small = F.interpolate(moved, scale_factor=0.55, mode="bilinear", antialias=True)
    blurred = F.interpolate(small, size=moved.shape[2:], mode="bilinear")
    is_blurred = (uniform(0, 1) < 0.2)[:, None, None, None]
    grain = uniform(0, 0.06) * (uniform(0, 1) < 0.3)
    moved = torch.where(is_blurred, blurred, moved)
    return moved + torch.randn_like(moved) * grain[:, None, None, None]


def train(
    eye: EmblemEyeModel, pixels: Tensor, *, epochs: int, rate: float, share_changed: float
) -> float:
    """Train on pixels (things, pictures, 3, H, W), 0 to 255, of which a share is changed. Returns the last epoch's loss."""
    device = eye.device
    rng = torch.Generator(device=device).manual_seed(0)
    things, pictures = pixels.shape[:2]
    flat = pixels.flatten(0, 1)
    labels = torch.arange(things, device=device).repeat_interleave(pictures)
    start = 0.05 * torch.randn(things, eye.config.hidden_size, generator=rng, device=device)
    vectors = torch.nn.Parameter(start)
    parameters = [*eye.parameters(), vectors]
    optimiser = torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.98), weight_decay=0.05)
    steps = epochs * math.ceil(len(flat) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rate, total_steps=steps, pct_start=0.15
    )
    eye.train()
    total = torch.zeros((), device=device)
    for _ in range(epochs):
        total.zero_()
        for rows in torch.randperm(len(flat), generator=rng, device=device).split(BATCH):
            batch = flat[rows].float() / 127.5 - 1
            which = torch.rand(len(batch), generator=rng, device=device) < share_changed
            batch = torch.where(which[:, None, None, None], changed(batch, rng), batch)
            batch = batch.roll(torch.randint(-2, 3, (2,)).tolist(), (2, 3))
            said = F.normalize(eye(batch).last_hidden_state, dim=1)
            cosines = said @ F.normalize(vectors, dim=1).T
            loss = F.cross_entropy(COSINE_SCALE * cosines, labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.detach()
    eye.eval()
    return float(total) / math.ceil(len(flat) / BATCH)


def write(eye: EmblemEyeModel, folder: Path) -> None:
    """Weights in half precision, and the image processor that goes with them."""
    eye.to("cpu").half().save_pretrained(folder)
    size = {"height": eye.config.image_size, "width": eye.config.image_size}
    processor = CLIPImageProcessorPil(
        size=size, crop_size=size, image_mean=[0.5] * 3, image_std=[0.5] * 3, resample=2
    )
    processor.save_pretrained(folder)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--things", type=int, default=THINGS)
    parser.add_argument(
        "--epochs",
        type=int,
        nargs=2,
        default=(8, 0),
        help="on unchanged pictures, and on changed ones",
    )
    args = parser.parse_args(words)
    torch.manual_seed(0)
    eye = EmblemEyeModel(EmblemEyeConfig()).to(args.device)
    draw = partial(drawn_thing, size=eye.config.image_size)
    with ProcessPoolExecutor() as pool:
        drawn = np.stack(list(pool.map(draw, range(args.things), chunksize=25)))
    pixels = torch.from_numpy(drawn).to(args.device)
    plain, after = args.epochs
    print("loss", train(eye, pixels, epochs=plain, rate=3e-3, share_changed=0))
    if after:
        # Changed pictures of half the things are enough to learn on from.
        half = pixels[: math.ceil(args.things / 2)]
        print("loss", train(eye, half, epochs=after, rate=1.5e-3, share_changed=0.6))
    write(eye, args.folder)


if __name__ == "__main__":
    main()
