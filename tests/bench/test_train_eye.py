"""The program that trains the network for drawn pictures: it learns, and what it writes is what gates load."""

from pathlib import Path

import pytest
import torch

from mlubench.data.render import render
from mlubench.models.encoders import folder_encoder
from mlubench.models.toy.eye import EmblemEyeConfig, EmblemEyeModel


def test_it_learns_and_its_folder_is_an_encoder(tmp_path: Path) -> None:
    import train_eye

    torch.manual_seed(0)
    eye = EmblemEyeModel(EmblemEyeConfig(widths=(16, 32), hidden_size=16, image_size=32))
    drawn = [torch.from_numpy(train_eye.drawn_thing(thing, 32, pictures=8)) for thing in range(4)]
    pixels = torch.stack(drawn)
    assert pixels.shape == (4, 8, 3, 32, 32)
    first = train_eye.train(eye, pixels, epochs=1, rate=3e-3, share_changed=0)
    last = train_eye.train(eye, pixels, epochs=30, rate=3e-3, share_changed=0.5)
    assert last < 0.5 * first
    picture = render("Things/Learn_0", "l_0000.jpg")
    with torch.no_grad():
        small = torch.from_numpy(train_eye.drawn_thing(0, 32, pictures=1)).float() / 127.5 - 1
        said = torch.nn.functional.normalize(eye(small).last_hidden_state, dim=1)
    train_eye.write(eye, tmp_path)
    (row,) = folder_encoder(tmp_path)([picture])
    # In half precision now.
    assert row.tolist() == pytest.approx(said[0].tolist(), abs=0.02)


def test_changed_pictures_keep_their_shape_and_are_others() -> None:
    import train_eye

    pictures = torch.rand(6, 3, 32, 32) * 2 - 1
    changed = train_eye.changed(pictures, torch.Generator().manual_seed(0))
    assert changed.shape == pictures.shape
    assert changed.isfinite().all()
    assert not torch.allclose(changed, pictures)
