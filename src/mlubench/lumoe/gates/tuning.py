"""Tunes a vision model for the picture gate: its last blocks learn to tell apart things that nobody asked to forget.

Every step shows new pictures of them, and asks which thing each shows, with an additive angular margin (ArcFace, Deng et
al. 2019, arXiv 1801.07698). What asks is a linear head, which starts as the metric that the gate would learn of the untuned
model and is not kept: of the tuned model the gate learns its metric anew. Things that set the gate's threshold are left
out, so that they stay strangers to the model.
"""

import math
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset
from transformers import PrinterCallback, Trainer, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from mlubench.core.cache import cache_root
from mlubench.core.files import digest, whole_dir
from mlubench.data.background import Background
from mlubench.lumoe.gates.learned import normalisation
from mlubench.models.encoders import VisionModel, joined
from mlubench.unlearning.trainer_setup import ProgressCallback

# The share of a model's blocks that learns, the last ones, with all that comes behind them.
SHARE = 1 / 3
# Of what the head makes of a picture.
WIDTH = 256
# A right answer must be nearer by this angle, in radians. Cosines lie too close together for a softmax as they are.
MARGIN = 0.3
SCALE = 32.0
# The head learns faster than the model.
RATE = 3e-4
HEAD_RATE = 1e-3
WARMUP = 0.1
MAX_GRADIENT = 5.0
# Pictures of each thing that the head starts from. Those that are learned from have higher numbers than any other's.
START = 4
FIRST = 1000
CHECKPOINT = 100  # steps between two


@dataclass(frozen=True, slots=True)
class Tuning:
    """How long and on what."""

    pictures: int = 20_000
    batch: int = 32
    seed: int = 0

    @property
    def steps(self) -> int:
        return max(1, self.pictures // self.batch)


def tune(vision: VisionModel, background: Background, tuning: Tuning, work: Path) -> None:
    """Train the model in place. An interrupted training goes on from the folder `work`."""
    learner = _Learner(vision, background)
    trainer = _TuningTrainer(
        learner,
        args=_arguments(tuning, work),
        train_dataset=_NewPictures(vision, background, tuning),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(ProgressCallback("telling other things apart"))
    checkpoint = get_last_checkpoint(str(work)) if work.is_dir() else None
    trainer.train(resume_from_checkpoint=checkpoint)
    vision.model.requires_grad_(False)


def tuned_folder(
    vision: VisionModel, background: Background, tuning: Tuning, out: Path
) -> dict[str, object]:
    """Tune the model and write it to `out`, as a folder for `gates.encoder`. What was done is in its manifest.

    An interrupted call goes on where the last checkpoint was written, in the cache.
    """
    facts = {
        "tuned": [name for name, _ in _last_blocks(vision.model)],
        "from": vision.id,
        "background": background.name,
        "background_id": background.id,
        "things": len(background.teaching()),
        **asdict(tuning),
    }
    work = cache_root() / "tuning" / digest(facts)
    tune(vision, background, tuning, work)
    with whole_dir(out, facts) as folder:
        vision.model.save_pretrained(folder)
        vision.processor.save_pretrained(folder)
    shutil.rmtree(work, ignore_errors=True)
    return facts


def _last_blocks(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """The parameters of the last third of the blocks and of what comes behind them."""
    lists = [(name, module) for name, module in model.named_modules() if _is_list(module)]
    longest, blocks = max(lists, key=lambda pair: len(pair[1]), default=("", None))
    names = [name for name, _ in model.named_parameters()]
    if blocks is None:
        return list(model.named_parameters())
    first = len(blocks) - math.ceil(SHARE * len(blocks))
    begins = next(n for n, name in enumerate(names) if name.startswith(f"{longest}.{first}."))
    return list(model.named_parameters())[begins:]


def _is_list(module: nn.Module) -> bool:
    return isinstance(module, nn.ModuleList | nn.Sequential)


class _Learner(nn.Module):
    """The model with the head that asks which thing a picture shows."""

    def __init__(self, vision: VisionModel, background: Background) -> None:
        super().__init__()
        self.model = vision.model.requires_grad_(False)
        self._vision = vision
        for _, weight in _last_blocks(vision.model):
            weight.requires_grad_(True)
        rows = _rows_to_start_from(vision, background)
        self.head, self.things = _start(rows)

    def train(self, mode: bool = True) -> "_Learner":
        # Statistics of batch norm and all dropout stay as they are when a gate looks.
        return super().train(False)

    def forward(self, pixels: Tensor, thing: Tensor) -> dict[str, Tensor]:
        seen = F.normalize(self.head(joined(self._vision.states(pixels))), dim=1)
        cosines = seen @ F.normalize(self.things, dim=1).T
        return {"loss": F.cross_entropy(SCALE * with_margin(cosines, thing), thing)}


def with_margin(cosines: Tensor, thing: Tensor) -> Tensor:
    """The cosines (B, T) of pictures to things, where that to the right thing (B,) is of a wider angle."""
    # Where the cosine is 1 or -1 the angle has no gradient.
    angles = torch.acos(cosines.clamp(-1 + 1e-6, 1 - 1e-6))
    widened = torch.cos((angles + MARGIN).clamp(max=math.pi))
    return torch.where(F.one_hot(thing, cosines.shape[1]).bool(), widened, cosines)


def _rows_to_start_from(vision: VisionModel, background: Background) -> Tensor:
    """What the untuned model says of some pictures of each thing. (T, P, D)"""
    encoder = vision.encoder()
    count = min(START, background.pictures)
    rows = []
    for thing in background.teaching():
        rows.append(encoder([background.picture(thing, number) for number in range(count)]))
    return torch.stack(rows)


def _start(rows: Tensor) -> tuple[nn.Linear, nn.Parameter]:
    """The head, which makes of a row the directions in which things differ most in the metric, and where it puts things."""
    mean, directions, gains = normalisation(rows)
    width = rows.shape[-1]
    metric = torch.eye(width) + directions.T @ (gains[:, None] * directions)  # (D, D)
    things = (rows.mean(1) - mean) @ metric  # (T, D)
    _, _, axes = torch.linalg.svd(things - things.mean(0), full_matrices=False)
    axes = axes[:WIDTH]
    # So that what the head makes of a thing is about 1 long.
    length = (things @ axes.T).norm(dim=1).mean().clamp_min(1e-6)
    head = nn.Linear(width, len(axes))
    with torch.no_grad():
        head.weight.copy_(axes @ metric / length)
        head.bias.copy_(-(head.weight @ mean))
        start = F.normalize(head(rows.mean(1)), dim=1)
    return head, nn.Parameter(start)


class _NewPictures(Dataset[dict[str, Any]]):
    """A new picture of a thing for each number, every thing about equally often."""

    def __init__(self, vision: VisionModel, background: Background, tuning: Tuning) -> None:
        self._vision = vision
        self._background = background
        self._things = background.teaching()
        self._order = _order(len(self._things), tuning.steps * tuning.batch, tuning.seed)

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, number: int) -> dict[str, Any]:
        thing = self._order[number]
        picture = self._background.picture(self._things[thing], FIRST + number)
        return {"pixels": self._vision.pixels([picture])[0], "thing": thing}


def _order(things: int, pictures: int, seed: int) -> list[int]:
    """Which thing each picture shows: all of them in one order, then all in another."""
    generator = torch.Generator().manual_seed(seed)
    order: list[int] = []
    while len(order) < pictures:
        order += torch.randperm(things, generator=generator).tolist()
    return order[:pictures]


def _arguments(tuning: Tuning, work: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(work),
        use_cpu=True,
        max_steps=tuning.steps,
        per_device_train_batch_size=tuning.batch,
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        label_names=[],
        seed=tuning.seed,
        weight_decay=1e-4,
        lr_scheduler_type="cosine",
        warmup_steps=round(WARMUP * tuning.steps),
        max_grad_norm=MAX_GRADIENT,
        save_steps=CHECKPOINT,
        save_total_limit=1,
        report_to=[],
        logging_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )


class _TuningTrainer(Trainer):
    """transformers' Trainer with a rate for the model and one for its head."""

    def create_optimizer(self, *_: Any, **__: Any) -> torch.optim.Optimizer:
        learner = self.model
        model = [weight for weight in learner.model.parameters() if weight.requires_grad]
        head = [*learner.head.parameters(), learner.things]
        groups = [{"params": model, "lr": RATE}, {"params": head, "lr": HEAD_RATE}]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=self.args.weight_decay)
        return self.optimizer
