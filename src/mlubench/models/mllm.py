"""One MLLM around transformers' image-text-to-text classes: the same code for the tiny LLaVA and for a 7B."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from mlubench.core.errors import MlubenchError, UsageError, first_line
from mlubench.core.files import file_sha256
from mlubench.data.mistaken import Problem
from mlubench.data.pictures import UnusablePictureError, open_picture, stamp
from mlubench.models import sharding
from mlubench.models.answers import answer_labels, answer_token_type, append_answers
from mlubench.models.chat_template import (
    History,
    adds_special_tokens,
    answer_ends,
    answer_tokens,
    prompt_text,
)
from mlubench.models.devices import pick_device
from mlubench.models.examination import require_conversation
from mlubench.models.families import Parts, parts_of
from mlubench.models.folders import local_folder
from mlubench.models.picture_tokens import tokens_by_picture
from mlubench.models.processors import load_processor
from mlubench.models.query import Query
from mlubench.models.weights import load_weights, loading_errors, require_finite
from mlubench.settings.model import Quantization

if TYPE_CHECKING:
    from peft import PeftModel
    from torch.nn import ModuleList
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin


# What processors of pictures raise for shapes that they do not take.
_REFUSALS = (ValueError, ArithmeticError, LookupError, AssertionError)


class TooLongError(MlubenchError):
    """A question leaves no room for its answer."""


@dataclass(eq=False)
class MLLM:
    """A multimodal model with its processor.

    Batches are dictionaries that go to the model whole, so that no input can get lost on the way.
    """

    # The transformers model, or a PeftModel around it once adapters are mounted.
    model: "PreTrainedModel | PeftModel"
    processor: "ProcessorMixin"
    parts: Parts
    name: str = ""
    # Where the base was loaded from; None for a model that was made in memory.
    folder: Path | None = None
    # Every pass of the language model needs all processes at once.
    sharded: bool = False
    # The revision of a base that was loaded by its id on a hub.
    revision: str | None = None
    # What the language model's matrices were brought to as they were loaded.
    quantization: Quantization = "none"
    # Decoded pictures in memory at most; 0 keeps none.
    keep_pictures: int = 20_000
    # Whether prompts stay in memory, as the same are asked again and again; a server's would only fill it.
    keep_prompts: bool = True
    # Decoded pictures with the stamp of the file that they were read from.
    _pictures: dict[Path, tuple[tuple[int, int], Image.Image]] = field(
        default_factory=dict, repr=False
    )
    _hashes: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        revision: str | None = None,
        dtype: str = "auto",
        device: str = "auto",
        quantization: Quantization = "none",
    ) -> "MLLM":
        """Load a Hugging Face folder or id: safetensors only, and never the repository's own code.

        Raises MlubenchError when the model cannot be loaded, is not whole, or cannot be asked by its chat template;
        UsageError for a device that is not here, and for a quantisation that cannot be made.
        """
        from transformers import AutoModelForImageTextToText

        target = pick_device(device)
        with loading_errors(path, revision):
            processor = load_processor(path, revision=revision)
        if quantization != "none" and sharding.wanted():
            raise UsageError(
                "a quantised base cannot be sharded", "Run it without FSDP, or unquantised."
            )
        model = load_weights(
            AutoModelForImageTextToText,
            path,
            revision=revision,
            dtype=dtype,
            quantization=quantization,
            device=target,
        )
        model.requires_grad_(False)
        parts = parts_of(model)
        require_conversation(path, processor, model)
        sharded = sharding.wanted()
        if sharded:
            # Looked at while it is whole.
            require_finite(path, model)
            model = sharding.shard(model, parts, target)
        else:
            # Looked at where that is fastest.
            model = model.to(target)
            require_finite(path, model)
        return cls(
            model.eval(),
            processor,
            parts,
            name=str(path),
            folder=local_folder(str(path), revision),
            sharded=sharded,
            revision=revision,
            quantization=quantization,
        )

    def weight_hashes(self) -> dict[str, str]:
        """SHA-256 of each weight file of the base, read once; empty where it was not loaded from disk."""
        if not self._hashes and self.folder is not None:
            for file in sorted(self.folder.glob("*.safetensors")):
                self._hashes[file.name] = file_sha256(file)
        return self._hashes

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def tokenizer(self) -> "PreTrainedTokenizerBase":
        return self.processor.tokenizer

    @property
    def base(self) -> "PreTrainedModel":
        """The transformers model itself, also when adapters are mounted on it."""
        return self.model.get_base_model() if self._has_adapters() else self.model

    @property
    def layers(self) -> "ModuleList":
        """The language model's layers, in order."""
        return self.base.get_submodule(self.parts.language[0]).layers

    def _has_adapters(self) -> bool:
        # Only a PeftModel has the attribute. Asking for it spares the import of peft.
        return hasattr(self.model, "peft_config")

    def picture(self, path: Path) -> Image.Image:
        """The decoded picture. The first `keep_pictures` stay in memory, as each is asked for many times."""
        now = stamp(path)
        kept = self._pictures.get(path)
        if kept is not None and kept[0] == now:
            return kept[1]
        picture = open_picture(path)
        if kept is not None or len(self._pictures) < self.keep_pictures:
            self._pictures[path] = (now, picture)
        return picture

    def forget_picture(self, path: Path) -> None:
        """Keep a picture no longer in memory: nobody will ask for it again."""
        self._pictures.pop(path, None)

    def require_picture(self, path: Path) -> None:
        """Raises UnusablePictureError for a picture that cannot be read, or that this model's processor does not take."""
        picture = self.picture(path)
        try:
            self.processor.image_processor(images=[picture], return_tensors="pt")
        except _REFUSALS as error:
            why = " ".join(str(error).split()) or type(error).__name__
            what = f"of {picture.width} x {picture.height} pixels is refused by the model: {why}"
            raise UnusablePictureError(path, Problem(what, "Give another picture.")) from error

    @contextmanager
    def _refusals_named(self, paths: Sequence[Path]) -> Iterator[None]:
        """Where the processor refuses a batch, the error names the first picture that it does not take.

        A batch without pictures is refused for that: PaliGemma's processor takes no question in words alone.
        """
        try:
            yield
        except _REFUSALS as error:
            if not paths:
                raise MlubenchError(
                    f"the processor of {self.name or 'this model'} takes no question in words alone: {first_line(error)}",
                    "Ask about a picture.",
                ) from error
            for path in paths:
                self.require_picture(path)
            raise

    @property
    def ends(self) -> tuple[str, ...]:
        """The tokens that end an answer, as `answer_ends` tells them."""
        return answer_ends(self.tokenizer, self.base)

    @property
    def positions(self) -> int:
        """How many tokens prompt and answer may have together."""
        return int(self.base.config.get_text_config().max_position_embeddings)

    def prompt(self, question: str, *, with_image: bool = True, history: History = ()) -> str:
        """The chat template's text up to where the answer begins. UsageError for a question with a picture marker."""
        return prompt_text(
            self.processor,
            question,
            with_image=with_image,
            history=history,
            keep=self.keep_prompts,
        )

    def prompt_of(self, query: Query) -> str:
        """The prompt of a query, with a marker for each of its pictures. Raises UsageError as `prompt` does."""
        turns = [picture.turn for picture in query.pictures]
        return prompt_text(
            self.processor,
            query.question,
            with_image=query.image is not None,
            history=query.history,
            picture_turns=turns,
            keep=self.keep_prompts,
        )

    def answer_ids(
        self, question: str, answer: str, *, with_image: bool = True, history: History = ()
    ) -> list[int]:
        """Tokens of the answer and of its end, exactly as the model would have to generate them after the prompt."""
        return list(answer_tokens(self.processor, self.ends, question, answer, with_image, history))

    def encode(
        self, queries: Sequence[Query], answers: Sequence[str] | None = None
    ) -> dict[str, Tensor]:
        """A batch for the model. All queries have pictures, or none has.

        Prompts are padded on the left to (B, P). With answers, these follow, padded on the right to (B, A), and
        `labels` (B, A) holds the answers' tokens and their ends, `IGNORE` elsewhere. So answers stand in the last A
        columns, and logits of prompts need never be computed.
        """
        with_image = queries[0].image is not None
        if any((query.image is not None) is not with_image for query in queries):
            raise MlubenchError(
                "a batch mixes queries with and without a picture", "Batch them apart."
            )
        paths = [picture.path for query in queries for picture in query.pictures]
        # A list for each row: some families count what a row holds.
        images = []
        for query in queries:
            images.append([self.picture(picture.path) for picture in query.pictures])
        texts = [self.prompt_of(query) for query in queries]
        with self._refusals_named(paths):
            encoded = self.processor(
                text=texts,
                images=images if with_image else None,
                padding=True,
                padding_side="left",
                add_special_tokens=adds_special_tokens(self.tokenizer, texts[0]),
                return_tensors="pt",
            )
        batch = dict(encoded)
        # PaliGemma's processor makes some of the prompt, in which nothing is to be learned.
        batch.pop("labels", None)
        if answers is not None:
            ids = []
            for query, answer in zip(queries, answers, strict=True):
                ids.append(
                    self.answer_ids(
                        query.question, answer, with_image=with_image, history=query.history
                    )
                )
            labels = answer_labels(ids)
            batch = append_answers(
                batch,
                labels,
                self.tokenizer.pad_token_id,
                token_type=answer_token_type(self.base),
            )
            batch["labels"] = labels
        return self._to_model(batch)

    def _to_model(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The batch on the model's device, pixels in its precision: not every tower casts them itself."""
        moved = {}
        for name, value in batch.items():
            dtype = self.base.dtype if value.is_floating_point() else value.dtype
            moved[name] = value.to(self.device, dtype)
        return moved

    def generate(
        self,
        queries: Sequence[Query],
        *,
        max_new_tokens: int,
        temperature: float = 0.0,
        stop: Callable[[], bool] | None = None,
    ) -> list[str]:
        """Answers to a batch, in its order. A sharded model answers a batch of every process at once.

        At a `temperature` of 0 each token is the likeliest; above, it is drawn by torch's own generator.
        `stop` is asked after each token and ends all answers where they are. TooLongError where the longest prompt
        leaves no room for `max_new_tokens`: cutting answers would cut those of its neighbours too.
        """
        batch = self.encode(queries)
        width = batch["input_ids"].shape[1]
        self.require_room(width, max_new_tokens)
        criteria = [] if stop is None else [_stop_all(stop)]
        drawing: dict[str, bool | float] = {"do_sample": False}
        if temperature > 0:
            # From all tokens: transformers would leave out the less likely ones.
            drawing = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
        with self.no_gradients():
            ids = self.model.generate(
                **batch,
                max_new_tokens=max_new_tokens,
                num_beams=1,
                **drawing,
                pad_token_id=self.tokenizer.pad_token_id,
                synced_gpus=self.sharded,
                stopping_criteria=criteria,
            )  # (B, P + new tokens)
        return [self.text_of(row) for row in ids[:, width:]]

    def text_of(self, tokens: Sequence[int] | Tensor) -> str:
        """An answer's tokens as the text that its reader sees."""
        text: str = self.tokenizer.decode(tokens, skip_special_tokens=True)
        return text.strip()

    def require_room(self, tokens: int, max_new_tokens: int) -> None:
        """Raises TooLongError where a question of so many tokens leaves no room for its answer."""
        if tokens + max_new_tokens > self.positions:
            raise TooLongError(
                f"the question takes {tokens:,} tokens, and {self.positions:,} are all there is for it and the answer",
                "Ask a shorter one, or for a shorter answer.",
            )

    def no_gradients(self) -> AbstractContextManager[None]:
        """Inference mode, but `no_grad` on a sharded base.

        What FSDP gathers in inference mode could take part in no training later.
        """
        return torch.no_grad() if self.sharded else torch.inference_mode()

    @torch.inference_mode()
    def picture_features(self, pictures: Iterable[Path], *, batch: int = 64) -> Tensor:
        """What the untouched vision tower and projector say of each picture, (N, hidden) float32 on the CPU.

        A row is the mean over the picture's tokens, scaled to length 1. Adapters are switched off meanwhile.
        """
        paths = list(pictures)
        rows: list[Tensor] = []
        with self.adapters_off():
            for start in range(0, len(paths), batch):
                for tokens in self.picture_tokens(paths[start : start + batch]):
                    rows.append(F.normalize(tokens.float().mean(0), dim=0).cpu())
        return torch.stack(rows) if rows else torch.zeros(0, 0)

    def picture_tokens(self, paths: Sequence[Path]) -> Sequence[Tensor]:
        """What tower and projector make of each picture, (tokens, hidden) each; their numbers of tokens may differ."""
        images = [self.picture(path) for path in paths]
        with self._refusals_named(paths):
            return self._tokens(images)

    def pixels(self, pictures: Sequence[Image.Image]) -> dict[str, Tensor]:
        """Decoded pictures as the vision tower takes them."""
        nested = [[picture] for picture in pictures]
        made = self.processor.image_processor(images=nested, return_tensors="pt")
        # Some say more in lists, as how many tiles there are.
        return self._to_model({n: v for n, v in made.items() if isinstance(v, Tensor)})

    def mean_tokens(self, pictures: Sequence[Image.Image]) -> Tensor:
        """The mean over each picture's projected tokens, (N, hidden). Adapters are switched off meanwhile."""
        with self.adapters_off():
            tokens = self._tokens(pictures)
        return torch.stack([of_picture.float().mean(0) for of_picture in tokens])

    def _tokens(self, pictures: Sequence[Image.Image]) -> Sequence[Tensor]:
        found = tokens_by_picture(self.base, self.parts, self.pixels(pictures), len(pictures))
        if found is not None:
            return found
        one_by_one: list[Tensor] = []
        for picture in pictures:
            one_by_one += self._tokens([picture])
        return one_by_one

    @contextmanager
    def adapters_off(self) -> Iterator[None]:
        """The untouched base answers within; afterwards the adapters are on again."""
        if self._has_adapters():
            with self.model.disable_adapter():
                yield
        else:
            yield


def _stop_all(stop: Callable[[], bool]) -> Callable[[Tensor, object], Tensor]:
    """transformers' stopping criterion: for each row, whether it ends here. All rows end together."""

    def criterion(ids: Tensor, scores: object) -> Tensor:
        return torch.full_like(ids[:, 0], stop()).bool()

    return criterion
