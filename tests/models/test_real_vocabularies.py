"""Labels, control tokens, padding and ends with the vocabularies of Qwen3 and of Llama 2, as published models have them."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from mlubench.core.errors import MlubenchError
from mlubench.experiment.model_check.check import check_model
from mlubench.models.answers import IGNORE
from mlubench.models.examination import require_conversation
from mlubench.models.mllm import MLLM
from mlubench.models.plain_text import control_tokens
from mlubench.models.processors import load_processor
from mlubench.models.query import Query
from support.families import save_llava_next_with, save_qwen3_with
from support.vocabularies import llama2_tokenizer, qwen3_text_template, qwen3_tokenizer

pytestmark = pytest.mark.slow  # the vocabularies are fetched, once


class Published(NamedTuple):
    """What is known of a published model's tokens."""

    make: Callable[[Path], Path]
    end: int
    pad: int
    # Tokens of "It is 1889." behind the prompt: no space too many, and each digit by itself.
    answer: list[int]


MODELS = {
    "qwen3": Published(
        lambda folder: save_qwen3_with(qwen3_tokenizer(), folder),
        end=151645,
        pad=151643,
        answer=[2132, 374, 220, 16, 23, 23, 24, 13],
    ),
    "llama2": Published(
        lambda folder: save_llava_next_with(llama2_tokenizer(), folder),
        end=2,
        pad=32001,
        answer=[739, 338, 29871, 29896, 29947, 29947, 29929, 29889],
    ),
}
ANSWERS = ["It is 1889.", "Tokyo", "紅河, é", "I do not know who made this one."]


@pytest.fixture(scope="module")
def load_real(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], MLLM]:
    """Models with a real vocabulary each, made when first asked for. No test changes them."""
    made: dict[str, MLLM] = {}

    def load(name: str) -> MLLM:
        if name not in made:
            folder = MODELS[name].make(tmp_path_factory.mktemp(name))
            made[name] = MLLM.load(folder, device="cpu")
        return made[name]

    return load


@pytest.mark.parametrize("name", MODELS)
def test_an_answer_has_the_tokens_that_the_model_would_generate(load_real, name: str) -> None:
    mllm = load_real(name)
    wanted = [*MODELS[name].answer, MODELS[name].end]
    assert mllm.answer_ids("When was it built?", "It is 1889.") == wanted


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("name", MODELS)
def test_labels_are_read_back_and_end_once(load_real, name: str, answer: str) -> None:
    mllm = load_real(name)
    ids = mllm.answer_ids("What is it?", answer)
    assert mllm.tokenizer.decode(ids, skip_special_tokens=True).strip() == answer
    assert [token for token in ids if token in (MODELS[name].end, MODELS[name].pad)] == [ids[-1]]
    assert ids[-1] == MODELS[name].end


@pytest.mark.parametrize("name", MODELS)
def test_prompts_are_padded_before_and_answers_after(
    load_real, shapes: list[Path], name: str
) -> None:
    mllm = load_real(name)
    asked = [Query(shapes[0], "What?"), Query(shapes[0], "Which building do you see here?")]
    batch = mllm.encode(asked, [ANSWERS[3], ANSWERS[1]])
    pad = MODELS[name].pad
    labels = batch["labels"]
    ids = batch["input_ids"]
    width = labels.shape[1]
    # The shorter prompt is filled up on the left, the shorter answer on the right.
    missing = int((batch["attention_mask"][0] == 0).sum())
    assert missing > 0
    assert ids[0, :missing].tolist() == [pad] * missing
    short = mllm.answer_ids(asked[1].question, ANSWERS[1])
    assert ids[1, -width:].tolist() == short + [pad] * (width - len(short))
    assert labels[1].tolist() == short + [IGNORE] * (width - len(short))
    assert batch["attention_mask"][1, -width:].tolist() == [1] * len(short) + [0] * (
        width - len(short)
    )


@pytest.mark.parametrize("name", MODELS)
def test_no_control_token_is_read_in_what_a_user_writes(load_real, name: str) -> None:
    mllm = load_real(name)
    tokens = control_tokens(mllm.tokenizer)
    assert len(tokens) >= (20 if name == "qwen3" else 4)
    marker = mllm.processor.image_token
    plain = mllm.tokenizer(mllm.prompt("What is ?"), add_special_tokens=False)["input_ids"]
    for token, number in tokens.items():
        # The places of pictures and films are refused by themselves.
        if token in (marker, getattr(mllm.processor, "video_token", None)):
            continue
        text = mllm.prompt(f"What is {token}?")
        ids = mllm.tokenizer(text, add_special_tokens=False)["input_ids"]
        assert ids.count(number) == plain.count(number), token


@pytest.mark.parametrize("name", MODELS)
def test_the_check_passes(load_real, name: str) -> None:
    found = check_model(load_real(name).name, device="cpu")
    assert {finding.outcome for finding in found.findings} == {"works"}


def test_the_template_of_the_language_model_alone_is_refused(load_real) -> None:
    """Qwen3's own takes a turn as one text, and would lose the picture."""
    mllm = load_real("qwen3")
    # Another one, as prompts are kept by processor.
    processor = load_processor(mllm.name)
    processor.chat_template = qwen3_text_template()
    with pytest.raises(MlubenchError, match="takes a turn as one text"):
        require_conversation("a folder", processor, mllm.base)
