"""A local instruct model that rates texts: the probabilities of the digits 0, 1 and 2 where the score would stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mlubench.core.errors import MlubenchError
from mlubench.models.devices import pick_device
from mlubench.models.processors import load_processor

DIGITS = ("0", "1", "2")
# What the answer is made to begin with; the first behind which the tokenizer writes each digit as a token of its own.
OPENINGS = ("[[", '{"score": ', "Score: ", "")


@dataclass(frozen=True, slots=True)
class Rater:
    """`processor` is that of an MLLM, or the tokenizer of a model of text alone."""

    model: Any
    processor: Any
    tokenizer: Any

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "auto") -> "Rater":
        """A Hugging Face folder or id with a language model, alone or in an MLLM: safetensors only, no code of its own."""
        from transformers import (
            MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
            AutoConfig,
            AutoModelForCausalLM,
            AutoModelForImageTextToText,
            AutoTokenizer,
        )

        where, safe = pick_device(device), {"trust_remote_code": False}
        try:
            config = AutoConfig.from_pretrained(folder, **safe)
            pictures = type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
            kind = AutoModelForImageTextToText if pictures else AutoModelForCausalLM
            processor = (
                load_processor(folder, **safe)
                if pictures
                else AutoTokenizer.from_pretrained(folder, **safe)
            )
            model = kind.from_pretrained(folder, dtype="auto", use_safetensors=True, **safe)
        except (OSError, ValueError, KeyError) as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise MlubenchError(
                f"model {folder} cannot be loaded: {first}", "Give a Hugging Face folder."
            ) from error
        tokenizer = processor.tokenizer if pictures else processor
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        return cls(model.requires_grad_(False).to(where).eval(), processor, tokenizer)

    @torch.inference_mode()
    def rate(self, texts: Sequence[str]) -> list[tuple[float, ...]]:
        """For each text the probabilities of 0, 1 and 2 as the next token, (N, 3); they sum to 1 with all other tokens."""
        opening, ids = self._digits()
        prompts = [self._prompt(text) + opening for text in texts]
        special = self.tokenizer.bos_token is None or not prompts[0].startswith(
            self.tokenizer.bos_token
        )
        batch = self.tokenizer(
            prompts,
            padding=True,
            padding_side="left",
            add_special_tokens=special,
            return_tensors="pt",
        )
        inputs = {
            k: v.to(self.model.device)
            for k, v in batch.items()
            if k in ("input_ids", "attention_mask")
        }
        logits = self.model(**inputs, logits_to_keep=1, use_cache=False).logits[:, -1]
        return [tuple(row) for row in logits.float().softmax(-1)[:, ids].tolist()]

    def _digits(self) -> tuple[str, list[int]]:
        """The opening and the tokens of the three digits behind it. MlubenchError where no opening keeps them apart."""
        for opening in OPENINGS:
            before = self._ids(self._prompt("?") + opening)
            behind = [self._ids(self._prompt("?") + opening + digit) for digit in DIGITS]
            ids = [after[-1] for after in behind]
            if all(after[:-1] == before for after in behind) and len(set(ids)) == len(DIGITS):
                return opening, ids
        raise MlubenchError("the tokenizer has no tokens for 0, 1 and 2", "Give another model.")

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _prompt(self, text: str) -> str:
        """The chat template's text up to where the answer begins; the text as it is where the model has no template."""
        for token in self.tokenizer.all_special_tokens:
            text = text.replace(
                token, f"{token[0]} {token[1:]}"
            )  # what is judged cannot end its turn
        if getattr(self.processor, "chat_template", None) is None:
            return f"{text}\n"
        # Processors of MLLMs take a message in parts, tokenizers as one text.
        content = text if self.processor is self.tokenizer else [{"type": "text", "text": text}]
        turns = [{"role": "user", "content": content}]
        return str(
            self.processor.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        )
