"""The projector's own lesson: pictures become what the language model reads where their things are named."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from mlubench.models.real.alignment import STEPS, align_projector, averaged
from mlubench.models.real.assembly import assembled
from mlubench.models.real.lessons import NamedPicture
from support.tiny_parts import save_language, save_vision


def test_some_tokens_give_way_to_the_mean_of_their_picture() -> None:
    features = torch.rand(50, 16, 3)
    mixed = averaged(features, torch.Generator().manual_seed(0))
    kept = (mixed == features).all(-1)
    means = features.mean(1, keepdim=True).expand_as(features)
    assert torch.equal(mixed[~kept], means[~kept])
    # Between none and three quarters of each picture's.
    assert kept.float().mean() == pytest.approx(1 - 0.75 / 2, abs=0.05)


def test_a_picture_becomes_what_is_read_where_its_thing_is_named(tmp_path: Path) -> None:
    vision, language = save_vision(tmp_path / "vision"), save_language(tmp_path / "language")
    model, processor = assembled(vision, language, seed=0)
    names = ["Eiffel Tower", "polar bear", "something unknown: Animals"]
    width = model.config.vision_config.hidden_size
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(3, 1, 1, width, generator=generator)
    # Six noisy pictures of each thing, of which the last is never shown.
    features = centres + 0.3 * torch.randn(3, 6, 4, width, generator=generator)
    pictures = []
    for thing, name in enumerate(names):
        for number in range(5):
            pictures.append(NamedPicture(6 * thing + number, name, stranger=thing == 2))
    ticks: list[None] = []
    align_projector(
        model,
        processor.tokenizer,
        pictures,
        features.flatten(0, 1),
        seed=0,
        tick=lambda: ticks.append(None),
    )
    assert len(ticks) == STEPS
    embedding = model.get_input_embeddings().weight.detach().float()
    words = []
    for name in names:
        tokens = processor.tokenizer(f" {name}", add_special_tokens=False)["input_ids"]
        words.append(embedding[tokens].mean(0))
    centre = embedding.mean(0)
    with torch.no_grad():
        seen = model.model.multi_modal_projector(features[:, 5]).mean(1)  # (3, H)
    cosines = F.normalize(seen - centre, dim=1) @ F.normalize(torch.stack(words) - centre, dim=1).T
    own = cosines.diagonal()
    others = cosines.masked_fill(torch.eye(3, dtype=torch.bool), -1).amax(1)
    assert (own > others + 0.1).all()
