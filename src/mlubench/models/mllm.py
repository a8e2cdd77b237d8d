"""One MLLM around transformers' image-text-to-text classes: the same code for the tiny LLaVA and for a 7B."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import file_sha256
from mlubench.data.pictures import open_picture, stamp
from mlubench.models import sharding
from mlubench.models.families import Parts, parts_of
from mlubench.models.processors import load_processor
from mlubench.models.turns import Turns, adds_special_tokens, answer_tokens, prompt_text

IGNORE = -100  # the label of a position that no loss may count


@dataclass(frozen=True, slots=True)
class Query:
    """A question about a picture; `image` is None for a question in words alone.

    `history` holds the turns before it, as (question, answer); the picture stands in the first of all turns.
    """

    image: Path | None
    question: str
    history: Turns = ()


def pick_device(wish: str) -> torch.device:
    """`auto` is a GPU when there is one, to each process its own. Raises UsageError for one that torch cannot use."""
    if wish == "auto":
        own = int(os.environ.get("LOCAL_RANK", "0"))
        return torch.device("cuda", own) if torch.cuda.is_available() else torch.device("cpu")
    try:
        device = torch.device(wish)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError):
        raise UsageError(
            f"device {wish!r} is not here", "Use auto, cpu, or a GPU that torch can see, as cuda:0."
        ) from None
    return device


def local_folder(path: str, revision: str | None = None) -> Path:
    """Where the weights of a folder or a hub's id lie on this machine; an empty path where that is not known."""
    if Path(path).is_dir():
        return Path(path)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(path, revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return Path()


@dataclass(eq=False)
class MLLM:
    """A multimodal model with its processor.

    `model` is the transformers model, or a PeftModel around it once adapters are mounted. Batches are dictionaries that
    go to the model whole, so that no input can get lost on the way.
    """

    model: Any
    processor: Any
    parts: Parts
    name: str = ""
    folder: Path = Path()
    sharded: bool = False  # every pass of the language model needs all processes at once
    revision: str | None = None
    _pictures: dict[Path, tuple[tuple[int, int], Image.Image]] = field(
        default_factory=dict, repr=False
    )
    _hashes: dict[str, str] = field(default_factory=dict, repr=False)
    keep_pictures: int = 20_000

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        revision: str | None = None,
        dtype: str = "auto",
        device: str = "auto",
    ) -> "MLLM":
        """Load a Hugging Face folder or id: safetensors only, and never the repository's own code."""
        from transformers import AutoModelForImageTextToText

        where = pick_device(device)
        options = {"revision": revision, "trust_remote_code": False}
        try:
            processor = load_processor(path, **options)
            model = AutoModelForImageTextToText.from_pretrained(
                path, dtype=dtype, use_safetensors=True, **options
            )
        except (OSError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise MlubenchError(
                f"model {path} cannot be loaded: {first}",
                "Give a local Hugging Face folder: -s model.path=FOLDER.",
            ) from error
        model.requires_grad_(False)
        parts, sharded = parts_of(model), sharding.wanted()
        model = sharding.shard(model, parts, where) if sharded else model.to(where)
        folder = local_folder(str(path), revision)
        return cls(model.eval(), processor, parts, str(path), folder, sharded, revision)

    def weight_hashes(self) -> dict[str, str]:
        """SHA-256 of each weight file of the base, read once; empty where it was not loaded from disk."""
        if not self._hashes and self.folder != Path():
            self._hashes = {
                f.name: file_sha256(f) for f in sorted(self.folder.glob("*.safetensors"))
            }
        return self._hashes

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def tokenizer(self) -> Any:
        return self.processor.tokenizer

    @property
    def base(self) -> Any:
        """The transformers model itself, also when adapters are mounted on it."""
        return self.model.get_base_model() if hasattr(self.model, "peft_config") else self.model

    @property
    def layers(self) -> Any:
        """The language model's layers, in order."""
        return self.base.get_submodule(self.parts.language[0]).layers

    def picture(self, path: Path) -> Image.Image:
        """The decoded picture; the first `keep_pictures` stay in memory, as each is asked for many times."""
        kept, now = self._pictures.get(path), stamp(path)
        if kept and kept[0] == now:
            return kept[1]
        picture = open_picture(path)
        if kept or len(self._pictures) < self.keep_pictures:
            self._pictures[path] = now, picture
        return picture

    @property
    def ends(self) -> tuple[str, ...]:
        """The tokens that end an answer: the tokenizer's own first, then what else the model stops at."""
        ids = self.base.generation_config.eos_token_id
        also = self.tokenizer.convert_ids_to_tokens(
            ids if isinstance(ids, list) else [ids] if ids is not None else []
        )
        return tuple(dict.fromkeys((self.tokenizer.eos_token, *also)))

    def prompt(self, question: str, *, with_image: bool = True, history: Turns = ()) -> str:
        """The chat template's text up to where the answer begins. UsageError for a question with a picture marker."""
        return prompt_text(self.processor, question, with_image=with_image, history=history)

    def answer_ids(
        self, question: str, answer: str, *, with_image: bool = True, history: Turns = ()
    ) -> list[int]:
        """Tokens of the answer and of its end, exactly as the model would have to generate them after the prompt."""
        return list(answer_tokens(self.processor, self.ends, question, answer, with_image, history))

    def encode(
        self, queries: Sequence[Query], answers: Sequence[str] | None = None
    ) -> dict[str, torch.Tensor]:
        """A batch for the model. All queries have a picture, or none has.

        Prompts are padded on the left to (B, P); with answers, these follow, padded on the right to (B, A), and `labels`
        is (B, A): the answer's tokens and its end, `IGNORE` elsewhere. So answers stand in the last A columns, and logits
        of prompts need never be computed.
        """
        with_image = queries[0].image is not None
        images = [self.picture(q.image) for q in queries if q.image is not None]
        if len(images) not in (0, len(queries)):
            raise MlubenchError(
                "a batch mixes queries with and without a picture", "Batch them apart."
            )
        texts = [self.prompt(q.question, with_image=with_image, history=q.history) for q in queries]
        batch = dict(
            self.processor(
                text=texts,
                images=images or None,
                padding=True,
                padding_side="left",
                add_special_tokens=adds_special_tokens(self.tokenizer, texts[0]),
                return_tensors="pt",
            )
        )
        if answers is not None:
            told = zip(queries, answers, strict=True)
            ids = [
                self.answer_ids(q.question, a, with_image=with_image, history=q.history)
                for q, a in told
            ]
            self._append(batch, ids)
        return {name: value.to(self.device) for name, value in batch.items()}

    def _append(self, batch: dict[str, torch.Tensor], answers: list[list[int]]) -> None:
        shape, width = batch["input_ids"].shape, max(map(len, answers))
        labels = torch.full((len(answers), width), IGNORE)
        for row, ids in enumerate(answers):
            labels[row, : len(ids)] = torch.tensor(ids)
        real = labels != IGNORE
        # Whatever the processor gives per token besides the ids (Qwen's token types) is 0 for text.
        for name in [
            n
            for n, v in batch.items()
            if v.shape == shape and n not in ("input_ids", "attention_mask")
        ]:
            batch[name] = torch.cat(
                [batch[name], torch.zeros_like(labels, dtype=batch[name].dtype)], 1
            )
        batch["input_ids"] = torch.cat(
            [batch["input_ids"], labels.masked_fill(~real, self.tokenizer.pad_token_id)], 1
        )
        batch["attention_mask"] = torch.cat(
            [batch["attention_mask"], real.to(batch["attention_mask"].dtype)], 1
        )
        batch["labels"] = labels

    def generate(
        self,
        queries: Sequence[Query],
        *,
        max_new_tokens: int,
        stop: Callable[[], bool] | None = None,
    ) -> list[str]:
        """Greedy answers to a batch, in its order. A sharded model answers a batch of every process at once.

        `stop` is asked after each token and ends all answers where they are. MlubenchError where the longest prompt leaves
        no room for `max_new_tokens`: cutting answers would cut those of its neighbours too.
        """
        batch = self.encode(queries)
        width = batch["input_ids"].shape[1]
        if width + max_new_tokens > self.positions:
            raise MlubenchError(
                f"the question takes {width:,} tokens, and {self.positions:,} are all there is for it and the answer",
                "Ask a shorter one, or for a shorter answer.",
            )
        with self.no_gradients():
            ids = self.model.generate(
                **batch,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                num_beams=1,
                pad_token_id=self.tokenizer.pad_token_id,
                synced_gpus=self.sharded,
                stopping_criteria=[]
                if stop is None
                else [lambda ids, _: torch.full_like(ids[:, 0], stop()).bool()],
            )
        texts = self.tokenizer.batch_decode(ids[:, width:], skip_special_tokens=True)
        return [text.strip() for text in texts]

    def no_gradients(self) -> AbstractContextManager[Any]:
        """Inference mode, but on a sharded base: what is gathered in it could not take part in a training later."""
        return torch.no_grad() if self.sharded else torch.inference_mode()

    @property
    def positions(self) -> int:
        """How many tokens prompt and answer may have together."""
        return int(self.base.config.get_text_config().max_position_embeddings)

    @torch.inference_mode()
    def picture_features(self, pictures: Iterable[Path], *, batch: int = 64) -> torch.Tensor:
        """What the untouched vision tower and projector say of each picture, (N, hidden) float32 on the CPU.

        The mean over the picture's tokens, scaled to length 1. Adapters are switched off meanwhile.
        """
        paths, rows = list(pictures), []
        with self.adapters_off():
            for start in range(0, len(paths), batch):
                images = [self.picture(p) for p in paths[start : start + batch]]
                inputs = self.processor.image_processor(images=images, return_tensors="pt").to(
                    self.device
                )
                tokens = self.base.get_image_features(**inputs).pooler_output
                rows += [
                    torch.nn.functional.normalize(t.float().mean(0), dim=0).cpu() for t in tokens
                ]
        return torch.stack(rows) if rows else torch.zeros(0, 0)

    @contextmanager
    def adapters_off(self) -> Iterator[None]:
        if hasattr(self.model, "peft_config"):
            with self.model.disable_adapter():
                yield
        else:
            yield


def answer_logits(model: Any, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (B, A, V) that predict the answers' tokens, and those tokens as labels (B, A), `IGNORE` where there is none.

    Only the answers' columns go through the language model's head.
    """
    labels = batch["labels"]
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    logits = model(**inputs, logits_to_keep=labels.shape[1] + 1, use_cache=False).logits
    return logits[:, :-1], labels
