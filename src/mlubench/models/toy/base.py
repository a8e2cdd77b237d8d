"""A tiny real LLaVA, trained from scratch on rendered pictures, so that the whole experiment runs where no weights are.

It is saved in the ordinary Hugging Face format and from then on loaded by the same code as a 7B.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import tokenizers
import torch
import transformers
from safetensors import SafetensorError
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from mlubench.core.cache import cache_root, made_once
from mlubench.core.errors import MlubenchError
from mlubench.core.files import digest, disk_errors, require_made, whole_dir
from mlubench.core.progress import progress_bar
from mlubench.data.pictures import content_hash
from mlubench.data.refusals import REFUSALS, refusal_for
from mlubench.data.render import RENDERER_VERSION
from mlubench.models.devices import pick_device
from mlubench.models.families import parts_of
from mlubench.models.folders import read_weight_headers
from mlubench.models.llava import start_projector
from mlubench.models.mllm import MLLM
from mlubench.models.room import Use, require_room
from mlubench.models.toy.lessons import Collator, make_batches, make_lessons
from mlubench.models.toy.teaching import sight_steps, teach_to_answer, teach_to_see
from mlubench.settings.model import ToyConfig
from mlubench.types import Benchmark, Entity, Sample

# Raised whenever the code of this folder would make another model from the same settings.
RECIPE = 1
HEAD_WIDTH = 32  # of an attention head
# LLaVA 1.5's way of writing a conversation.
TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'user' %}USER: {% for c in m.content %}"
    "{% if c.type == 'image' %}<image>\n{% else %}{{ c.text }}{% endif %}{% endfor %} "
    "{% else %}ASSISTANT: {% for c in m.content %}{{ c.text }}{% endfor %}</s>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


def toy_base(
    config: ToyConfig,
    benchmark: Benchmark,
    *,
    device: str = "auto",
    progress: bool = True,
    cached_only: bool = False,
    without: Collection[Entity] = (),
) -> Path:
    """The folder of the tiny LLaVA that knows `benchmark`, trained now unless the cache has it or `cached_only` is set.

    It never sees the entities in `without`, neither their pictures nor their facts. But for that all is as it would be
    with them: the seed, the number of steps, and the words of the tokenizer.

    Its name is the hash of all that made it. A training that was interrupted leaves nothing and begins again.
    """
    # Other versions of these can train another model from the same numbers.
    versions = [torch.__version__, transformers.__version__, tokenizers.__version__]
    made_of = {
        "toy": config.model_dump(),
        "benchmark": benchmark.digest,
        "render": RENDERER_VERSION,
        "recipe": RECIPE,
        "versions": versions,
        "photographs": _photograph_hashes(benchmark),
        "refusals": REFUSALS,
    }
    if without:
        # A base of all of them keeps the name that it had before there was a choice.
        made_of |= {"without": sorted(entity.key for entity in without)}
    folder = cache_root() / "models" / f"toy-{digest(made_of)}"

    def make() -> None:
        with whole_dir(folder, {"made_of": made_of}) as out:
            _train(config, benchmark, out, without, device=device, progress=progress)

    if not cached_only:
        made_once(folder, make)
    require_made(folder)
    try:
        read_weight_headers(folder)
    except MlubenchError as error:
        hint = "Delete this folder of the cache: the next run trains the base anew."
        raise MlubenchError(error.what, hint) from None
    return folder


def _photograph_hashes(benchmark: Benchmark) -> list[str] | None:
    """Hashes of the photographs that the base is to learn from; None where it learns from drawings of its own."""
    if benchmark.stand_ins:
        return None
    fit = [s for s in benchmark.samples if s.role == "fit"]
    return [content_hash(path) for path in benchmark.pictures(fit)]


def _train(
    config: ToyConfig,
    benchmark: Benchmark,
    out: Path,
    without: Collection[Entity],
    *,
    device: str,
    progress: bool,
) -> None:
    """Build the model, teach it to see and then to answer, and save it with its processor."""
    torch.manual_seed(config.seed)  # for the model's first weights
    answers = [s.truth for s in benchmark.samples]
    questions = sorted({s.question for s in benchmark.samples})
    processor = build_processor(config, answers, questions)
    model = build_model(config, processor.tokenizer).to(pick_device(device))
    uses = [Use(s, benchmark.picture(s), (s.truth,)) for s in benchmark.samples]
    require_room(MLLM(model, processor, parts_of(model)), uses)
    taught = make_lessons(config, _without(benchmark, without), processor, questions)
    with progress_bar(disable=not progress) as bar:
        steps = sight_steps(len(taught.pixels), config.sight_epochs)
        seeing = bar.add_task("tiny LLaVA: learning to see", total=steps)
        teach_to_see(
            model.model.vision_tower,
            taught.pixels,
            taught.entities,
            epochs=config.sight_epochs,
            seed=config.seed,
            tick=lambda: bar.advance(seeing),
        )
        answering = bar.add_task("tiny LLaVA: learning to answer", total=config.steps)
        collate = Collator(processor, taught.pixels)
        # One after another as they are used: together their pictures would take much memory.
        batches = (collate(batch) for batch in make_batches(taught.lessons, config))
        teach_to_answer(model, batches, config, tick=lambda: bar.advance(answering))
    with disk_errors(out, SafetensorError):
        model.to("cpu").save_pretrained(out)
    processor.save_pretrained(out)


def _without(benchmark: Benchmark, entities: Collection[Entity]) -> Benchmark:
    """The benchmark without any sample of these entities."""

    def left(samples: Iterable[Sample]) -> tuple[Sample, ...]:
        return tuple(sample for sample in samples if sample.entity not in entities)

    tasks = [
        replace(task, forget=left(task.forget), retain=left(task.retain)) for task in benchmark
    ]
    return replace(benchmark, tasks=tuple(tasks))


def build_processor(
    config: ToyConfig, answers: Sequence[str], questions: Sequence[str]
) -> LlavaProcessor:
    """Byte-level BPE learned from the texts (so any text can be asked), CLIP's picture processor, a chat template."""
    special = ["<pad>", "<s>", "</s>", "<image>"]
    bpe = tokenizers.Tokenizer(tokenizers.models.BPE())
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=config.vocabulary,
        special_tokens=special,
        show_progress=False,
        initial_alphabet=alphabet,
    )
    refusals = [refusal_for(question) for question in questions]
    # An answer follows "ASSISTANT:" and a space, and its words should be learned in that form.
    texts = [f" {answer}" for answer in [*answers, *refusals]]
    texts += [f"USER: \n{question} ASSISTANT:" for question in questions]
    bpe.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        additional_special_tokens=["<image>"],
    )
    size = {"height": config.image_size, "width": config.image_size}
    pictures = CLIPImageProcessorPil(size=size, crop_size=size)
    return LlavaProcessor(
        pictures,
        tokenizer,
        patch_size=config.patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,  # CLIP's summary token, which "default" leaves out again
        chat_template=TEMPLATE,
    )


def build_model(
    config: ToyConfig, tokenizer: PreTrainedTokenizerFast
) -> LlavaForConditionalGeneration:
    """A LlavaForConditionalGeneration with random weights, small enough to train in a minute."""
    vision = CLIPVisionConfig(
        hidden_size=config.vision_width,
        intermediate_size=4 * config.vision_width,
        num_hidden_layers=config.vision_layers,
        num_attention_heads=max(1, config.vision_width // HEAD_WIDTH),
        image_size=config.image_size,
        patch_size=config.patch,
        projection_dim=config.vision_width,
    )
    heads = max(1, config.width // HEAD_WIDTH)
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=config.width,
        intermediate_size=8 * config.width // 3,  # Llama's ratio for a gated layer
        num_hidden_layers=config.layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        initializer_range=0.06,  # the usual 0.02 is meant for models ten times as wide
    )
    whole = LlavaConfig(
        vision_config=vision,
        text_config=text,
        vision_feature_layer=-1,
        tie_word_embeddings=True,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    model = LlavaForConditionalGeneration(whole)
    start_projector(model)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    return model
