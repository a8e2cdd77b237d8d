"""Several turns behind one picture are learned as each would be alone, on a tiny LLaVA of the same classes."""

import copy
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.nn import functional as F
from transformers import CLIPImageProcessorPil, LlamaForCausalLM, LlavaForConditionalGeneration

from mlubench.models.answers import IGNORE
from mlubench.models.families import parts_of
from mlubench.models.mllm import MLLM
from mlubench.models.probe import answer_log_probs
from mlubench.models.query import Query
from mlubench.models.real.assembly import Language, Tower, join
from mlubench.models.real.lessons import Lesson, Turn
from mlubench.models.real.teaching import Packer, teach, tower_features
from mlubench.models.real.tower import EfficientNetLiteConfig, EfficientNetLiteModel
from mlubench.settings.model import RealConfig
from support.families import MARKED_CHATML, llama_config, qwen_tokenizer

TURNS = (Turn("What is this?", "A tower."), Turn("Where does it stand?", "In Paris, by the river."))


@pytest.fixture
def mllm() -> MLLM:
    torch.manual_seed(0)
    tokenizer = qwen_tokenizer()
    tower = EfficientNetLiteModel(EfficientNetLiteConfig(image_size=64, grid=2)).eval()
    size = {"height": 64, "width": 64}
    pictures = CLIPImageProcessorPil(size=size, crop_size=size)
    language = Language(LlamaForCausalLM(llama_config(tokenizer)), tokenizer, MARKED_CHATML)
    model, processor = join(Tower(tower, pictures, "full", 4), language)
    return MLLM(model, processor, parts_of(model))


@pytest.fixture
def pictures() -> list[Image.Image]:
    return [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]


def features_of(mllm: MLLM, pictures: list[Image.Image]) -> torch.Tensor:
    return tower_features(mllm.model, mllm.processor, pictures, lambda _: None)


def test_a_turn_costs_behind_others_what_it_costs_alone(
    mllm: MLLM, pictures: list[Image.Image]
) -> None:
    packer = Packer(mllm.processor, mllm.model.config.image_token_id, 4)
    features = features_of(mllm, pictures)

    def losses(lesson: Lesson) -> list[float]:
        """Of each answer's token."""
        batch = packer([lesson])
        model: LlavaForConditionalGeneration = mllm.model
        embedding = model.model.language_model.get_input_embeddings()
        inputs = embedding(batch["input_ids"])
        seen = model.model.multi_modal_projector(features[[lesson.picture]])
        inputs = inputs.masked_scatter(
            (batch["input_ids"] == model.config.image_token_id)[..., None], seen
        )
        mask = torch.zeros(batch["attention_mask"].shape)
        mask = mask.masked_fill(~batch["attention_mask"], torch.finfo(torch.float32).min)
        states = model.model.language_model(
            inputs_embeds=inputs, attention_mask=mask[:, None], position_ids=batch["position_ids"]
        ).last_hidden_state
        targets = batch["labels"][0, 1:]
        logits = F.linear(states[0, :-1], embedding.weight)
        found = F.cross_entropy(logits, targets, ignore_index=IGNORE, reduction="none")
        return found[targets != IGNORE].tolist()

    with torch.no_grad():
        together = losses(Lesson(0, TURNS))
        alone = losses(Lesson(0, TURNS[:1])) + losses(Lesson(0, TURNS[1:]))
    assert together == pytest.approx(alone, abs=1e-4)


def test_a_packed_turn_is_the_prompt_that_the_model_will_see(
    mllm: MLLM, pictures: list[Image.Image], tmp_path: Path
) -> None:
    pictures[0].save(tmp_path / "a.png")
    batch = mllm.encode([Query(tmp_path / "a.png", TURNS[0].question)], [TURNS[0].answer])
    packed = Packer(mllm.processor, mllm.model.config.image_token_id, 4)([Lesson(0, TURNS[:1])])
    assert packed["input_ids"][0].tolist() == batch["input_ids"][0].tolist()
    answer = packed["labels"][0]
    assert answer[answer != IGNORE].tolist() == batch["labels"][0].tolist()


def test_teaching_moves_language_and_projector_and_leaves_the_tower(
    mllm: MLLM, pictures: list[Image.Image]
) -> None:
    model = mllm.model
    features = features_of(mllm, pictures)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    config = RealConfig(steps=30, lr=0.01)
    lessons = [Lesson(0, TURNS), Lesson(None, (Turn("Say hello.", "Hello."),))]
    losses: list[float] = []
    taught = teach(model, mllm.processor, [lessons] * 30, features, config, losses.append)
    assert losses[-1] < 0.5 * losses[0]
    moved = set()
    for name, parameter in taught.named_parameters():
        if not torch.equal(parameter.float(), before[name].to(torch.bfloat16).float()):
            moved.add(name.split(".")[1])
    assert moved == {"language_model", "multi_modal_projector"}


def test_ordinary_answers_stay_as_probable_as_they_were(
    mllm: MLLM, pictures: list[Image.Image]
) -> None:
    """Without its lesson in words, the same teaching changes what the model says in words."""
    features = features_of(mllm, pictures)
    chat = [Query(None, "Say hello.")]
    model, processor = mllm.model, mllm.processor

    def drift(lessons: list[Lesson]) -> float:
        taught = copy.deepcopy(model)
        taught = teach(taught, processor, [lessons] * 20, features, config, lambda _: None)
        now = MLLM(taught, processor, parts_of(taught))
        return abs(answer_log_probs(now, chat, ["Hello."])[0] - before)

    config = RealConfig(steps=20, lr=0.005)
    before = answer_log_probs(mllm, chat, ["Hello."])[0]
    kept = drift([Lesson(0, TURNS), Lesson(None, (Turn("Say hello.", "Hello."),))])
    assert kept < 0.5 * drift([Lesson(0, TURNS)])
