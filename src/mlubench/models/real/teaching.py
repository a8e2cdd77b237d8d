"""Teaches a LLaVA of pretrained parts: its projector whole, its language model by LoRA, its tower not at all."""

from collections.abc import Callable, Iterable, Sequence

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlavaForConditionalGeneration, LlavaProcessor, PreTrainedModel

from mlubench.models.answers import IGNORE
from mlubench.models.chat_template import answer_tokens, prompt_text
from mlubench.models.real.alignment import averaged
from mlubench.models.real.lessons import Lesson
from mlubench.settings.model import RealConfig

LORA_RANK = 32
# What an ordinary answer weighs beside a lesson about a picture, in the loss.
CHAT_WEIGHT = 2.0
# The projector's learning rate beside the LoRA's. The slower the projector, the more photographs the language model learns
# by heart.
PROJECTOR_SHARE = 2.0
WARMUP_STEPS = 10
# The learning rate ends at this share of its highest.
LAST_SHARE = 0.05
MAX_GRADIENT = 1.0


class Packer:
    """Makes one sequence of a picture and several turns about it. No turn sees another; all begin at one distance."""

    def __init__(self, processor: LlavaProcessor, image_token: int, tokens: int) -> None:
        self._processor = processor
        self._tokenizer = processor.tokenizer
        self._image_token = image_token
        # Of one picture.
        self._tokens = tokens

    def __call__(self, lessons: Sequence[Lesson]) -> dict[str, Tensor]:
        """Tensors of a batch, padded on the right to L tokens.

        `input_ids`, `position_ids`, `labels` (B, L); `attention_mask` (B, L, L), True where a token may look.
        """
        sequences = [self._sequence(lesson) for lesson in lessons]
        length = max(len(ids) for ids, _, _, _ in sequences)
        shape = (len(lessons), length)
        ids = torch.full(shape, self._tokenizer.pad_token_id)
        positions = torch.zeros(shape, dtype=torch.long)
        labels = torch.full(shape, IGNORE)
        # The turn of each token: 0 for what all share, -1 for padding.
        turns = torch.full(shape, -1)
        for row, (row_ids, row_turns, row_positions, row_labels) in enumerate(sequences):
            columns = slice(0, len(row_ids))
            ids[row, columns] = torch.tensor(row_ids)
            turns[row, columns] = torch.tensor(row_turns)
            positions[row, columns] = torch.tensor(row_positions)
            labels[row, columns] = torch.tensor(row_labels)
        return {
            "input_ids": ids,
            "position_ids": positions,
            "labels": labels,
            "attention_mask": _may_look(turns),
        }

    def _sequence(self, lesson: Lesson) -> tuple[list[int], list[int], list[int], list[int]]:
        """Tokens, turns, positions and labels of one lesson."""
        with_image = lesson.picture is not None
        prompts = []
        answers = []
        for turn in lesson.turns:
            prompts.append(self._prompt(turn.question, with_image))
            ends = (self._tokenizer.eos_token,)
            answers.append(
                list(answer_tokens(self._processor, ends, turn.question, turn.answer, with_image))
            )
        shared = _common_beginning(prompts)
        ids = list(prompts[0][:shared])
        turns = [0] * shared
        positions = list(range(shared))
        labels = [IGNORE] * shared
        for number, (prompt, answer) in enumerate(zip(prompts, answers, strict=True), start=1):
            own = prompt[shared:] + answer
            ids += own
            turns += [number] * len(own)
            positions += range(shared, shared + len(own))
            labels += [IGNORE] * (len(prompt) - shared) + answer
        return ids, turns, positions, labels

    def _prompt(self, question: str, with_image: bool) -> list[int]:
        text = prompt_text(self._processor, question, with_image=with_image)
        mark = self._processor.image_token
        text = text.replace(mark, mark * self._tokens)
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def _common_beginning(sequences: Sequence[Sequence[int]]) -> int:
    """How many tokens all of them begin with. At least one is left to each."""
    shortest = min(len(sequence) for sequence in sequences)
    for index in range(shortest - 1):
        if len({sequence[index] for sequence in sequences}) > 1:
            return index
    return shortest - 1


def _may_look(turns: Tensor) -> Tensor:
    """(B, L, L): True where the token of a row may look at the token of a column, from the turns (B, L) of both."""
    length = turns.shape[1]
    earlier = torch.ones(length, length, dtype=torch.bool).tril()
    same_turn = turns[:, :, None] == turns[:, None, :]
    shared = (turns[:, None, :] == 0) & (turns[:, :, None] >= 0)
    # Padding looks at itself alone: a row of nothing would be no number.
    itself = torch.eye(length, dtype=torch.bool)
    return (earlier & (same_turn | shared)) | itself


@torch.inference_mode()
def tower_features(
    model: LlavaForConditionalGeneration,
    processor: LlavaProcessor,
    pictures: Sequence[object],
    tick: Callable[[int], None],
    *,
    batch: int = 16,
) -> Tensor:
    """What the tower makes of each picture, (N, tokens, width). It never changes, so it is computed once."""
    chunks = []
    for start in range(0, len(pictures), batch):
        chunk = list(pictures[start : start + batch])
        pixels = processor.image_processor(images=chunk, return_tensors="pt")["pixel_values"]
        output = model.model.vision_tower(pixels.to(model.device), output_hidden_states=True)
        states = output.hidden_states[model.config.vision_feature_layer]
        # CLIP's token of the whole picture is left out, as LLaVA does.
        if model.config.vision_feature_select_strategy == "default":
            states = states[:, 1:]
        chunks.append(states.clone())
        tick(len(chunk))
    return torch.cat(chunks)


def teach(
    model: LlavaForConditionalGeneration,
    processor: LlavaProcessor,
    batches: Iterable[Sequence[Lesson]],
    features: Tensor,
    config: RealConfig,
    tick: Callable[[float], None],
) -> LlavaForConditionalGeneration:
    """The taught model with its LoRA merged. `features` (N, tokens, width) are of the lessons' pictures.

    `tick` is called after each step with its loss (nats a token).
    """
    model.requires_grad_(False)
    language = model.model.language_model.to(torch.bfloat16)
    # The head is tied to the embeddings, and moves with them.
    model.lm_head.to(torch.bfloat16)
    model.tie_weights()
    with_lora = _add_lora(model)
    projector = model.model.multi_modal_projector.float().requires_grad_(True)
    packer = Packer(processor, model.config.image_token_id, features.shape[1])
    lora = [p for name, p in with_lora.named_parameters() if "lora_" in name]
    trained = [*lora, *projector.parameters()]
    groups = [
        {"params": lora, "lr": config.lr},
        {"params": list(projector.parameters()), "lr": PROJECTOR_SHARE * config.lr},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _speed(step, config.steps))
    generator = torch.Generator().manual_seed(config.seed)
    for lessons in batches:
        about_pictures = [lesson for lesson in lessons if lesson.picture is not None]
        in_words = [lesson for lesson in lessons if lesson.picture is None]
        loss = torch.zeros((), device=features.device)
        if about_pictures:
            seen = averaged(features[[lesson.picture for lesson in about_pictures]], generator)
            batch = _moved(packer(about_pictures), features.device)
            logits, targets = _answers(model, language, batch, projector(seen))
            loss = F.cross_entropy(logits, targets)
        if in_words:
            batch = _moved(packer(in_words), features.device)
            with torch.no_grad(), with_lora.disable_adapter():
                untouched, _ = _answers(model, language, batch, None)
            logits, _ = _answers(model, language, batch, None)
            loss = loss + CHAT_WEIGHT * _divergence(untouched, logits)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, MAX_GRADIENT)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        tick(float(loss.detach()))
    merged = with_lora.merge_and_unload()
    merged.tie_weights()
    return merged.to(torch.bfloat16).eval()


def _add_lora(model: LlavaForConditionalGeneration) -> PeftModel:
    """LoRA on every linear layer of the language model."""
    names = "q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj"
    settings = LoraConfig(
        r=LORA_RANK, lora_alpha=LORA_RANK, target_modules=rf".*language_model.*\.({names})"
    )
    return get_peft_model(model, settings)


def _speed(step: int, steps: int) -> float:
    """The share of the highest learning rate: up in ten steps, then down in a line."""
    rise = min(1.0, (step + 1) / WARMUP_STEPS)
    return rise * (1 - (1 - LAST_SHARE) * step / max(1, steps))


def _moved(batch: dict[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    return {name: value.to(device) for name, value in batch.items()}


def _answers(
    model: LlavaForConditionalGeneration,
    language: PreTrainedModel,
    batch: dict[str, Tensor],
    seen: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Logits (A, vocabulary) of the answers' A tokens in a packed batch, and these tokens.

    `seen` (P, tokens, H) are the batch's pictures as the language model reads them.
    """
    embedding: nn.Embedding = language.get_input_embeddings()
    inputs = embedding(batch["input_ids"])  # (B, L, H)
    if seen is not None:
        is_picture = batch["input_ids"] == model.config.image_token_id
        inputs = inputs.masked_scatter(is_picture[..., None], seen.to(inputs.dtype))
    least = torch.finfo(inputs.dtype).min
    mask = torch.zeros_like(batch["attention_mask"], dtype=inputs.dtype)
    mask = mask.masked_fill(~batch["attention_mask"], least)[:, None]  # (B, 1, L, L)
    states = language(
        inputs_embeds=inputs,
        attention_mask=mask,
        position_ids=batch["position_ids"],
        use_cache=False,
    ).last_hidden_state
    # A token's state tells the next one.
    targets = batch["labels"][:, 1:]
    is_answer = targets != IGNORE
    logits = F.linear(states[:, :-1][is_answer], embedding.weight)
    return logits.float(), targets[is_answer]


def _divergence(untouched: Tensor, logits: Tensor) -> Tensor:
    """Mean Kullback-Leibler divergence of what is said from what was said before teaching, in nats a token."""
    before = F.log_softmax(untouched, -1)
    return F.kl_div(F.log_softmax(logits, -1), before, log_target=True, reduction="batchmean")
