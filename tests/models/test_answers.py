"""Answers stand behind their prompts, with what else a family says of each token."""

import torch

from mlubench.models.answers import IGNORE, answer_labels, answer_token_type, append_answers


def prompt() -> dict[str, torch.Tensor]:
    """Two prompts of three tokens, the second padded on the left."""
    return {
        "input_ids": torch.tensor([[5, 6, 7], [0, 8, 9]]),
        "attention_mask": torch.tensor([[1, 1, 1], [0, 1, 1]]),
        "token_type_ids": torch.tensor([[1, 0, 0], [0, 1, 0]]),
        "pixel_values": torch.ones(2, 3, 4, 4),
    }


def test_labels_end_where_their_answer_ends() -> None:
    assert answer_labels([[1, 2], [3]]).tolist() == [[1, 2], [3, IGNORE]]


def test_answers_follow_with_the_type_of_text() -> None:
    whole = append_answers(prompt(), answer_labels([[1, 2], [3]]), pad=99)
    assert whole["input_ids"].tolist() == [[5, 6, 7, 1, 2], [0, 8, 9, 3, 99]]
    assert whole["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [0, 1, 1, 1, 0]]
    assert whole["token_type_ids"].tolist() == [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0]]
    assert whole["pixel_values"].shape == (2, 3, 4, 4)


def test_answers_may_have_a_type_of_their_own() -> None:
    whole = append_answers(prompt(), answer_labels([[1], [3]]), pad=99, token_type=1)
    assert whole["token_type_ids"].tolist() == [[1, 0, 0, 1], [0, 1, 0, 1]]


def test_an_answer_looks_at_the_tiles_that_the_prompts_end_looks_at() -> None:
    mask = torch.tensor([[0, 0], [1, 0], [1, 1]])  # three tokens, two tiles
    inputs = {**prompt(), "cross_attention_mask": mask[None, :, None].expand(2, 3, 1, 2)}
    whole = append_answers(inputs, answer_labels([[1, 2], [3]]), pad=99)
    wanted = [[0, 0], [1, 0], [1, 1], [1, 1], [1, 1]]
    assert whole["cross_attention_mask"].shape == (2, 5, 1, 2)
    assert whole["cross_attention_mask"][1, :, 0].tolist() == wanted


def test_paligemma_alone_tells_answers_from_prompts(load_family) -> None:
    assert answer_token_type(load_family("paligemma").base) == 1
    assert answer_token_type(load_family("gemma3").base) == 0
