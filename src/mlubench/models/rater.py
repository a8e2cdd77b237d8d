"""A local instruct model that rates texts: the probabilities of the digits 0, 1 and 2 where the score would stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mlubench.core.errors import MlubenchError, first_line
from mlubench.core.reply_text import closed
from mlubench.models.chat_template import adds_special_tokens
from mlubench.models.devices import pick_device
from mlubench.models.examination import QUESTION, TEMPLATE_ERRORS
from mlubench.models.plain_text import as_plain_text
from mlubench.models.plugins import register_model_classes
from mlubench.models.processors import load_processor
from mlubench.models.weights import load_weights, loading_errors, require_finite

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin

DIGITS = ("0", "1", "2")
# What the answer is made to begin with. The first is taken after which the tokenizer writes each digit as one token.
OPENINGS = ("[[", '{"score": ', "Score: ", "")


@dataclass(frozen=True, slots=True)
class Rater:
    """An instruct model, and what turns a text into its prompt and tokens."""

    model: "PreTrainedModel"
    # An MLLM's processor. For a model of text alone it is the tokenizer once more.
    processor: "ProcessorMixin | PreTrainedTokenizerBase"
    tokenizer: "PreTrainedTokenizerBase"

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "auto") -> "Rater":
        """Load a Hugging Face folder or id that holds a language model, alone or in an MLLM.

        Only safetensors are read, and the repository's own code never runs. Raises MlubenchError when it cannot be loaded.
        """
        from transformers import (
            MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
            AutoConfig,
            AutoModelForCausalLM,
            AutoModelForImageTextToText,
            AutoTokenizer,
        )

        target = pick_device(device)
        register_model_classes()
        with loading_errors(folder):
            config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
            if type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
                model_class = AutoModelForImageTextToText
                processor = load_processor(folder)
                tokenizer = processor.tokenizer
            else:
                model_class = AutoModelForCausalLM
                processor = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
                tokenizer = processor
        model = load_weights(model_class, folder)
        # Many models of text have no padding token. The mask covers it, so any token serves.
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        model.requires_grad_(False)
        model = model.to(target)
        require_finite(folder, model)
        rater = cls(model.eval(), processor, tokenizer)
        rater._require_template(folder)
        return rater

    def _require_template(self, folder: str | Path) -> None:
        """Raises MlubenchError where the chat template cannot ask."""
        try:
            prompt = self._prompt(QUESTION)
        except TEMPLATE_ERRORS as error:
            raise MlubenchError(
                f"the chat template of model {folder} fails: {first_line(error)}",
                "Give another model, or another chat_template.jinja in its folder.",
            ) from error
        if QUESTION not in prompt:
            raise MlubenchError(
                f"the chat template of model {folder} loses what it is asked",
                "Give another model, or another chat_template.jinja in its folder.",
            )

    @torch.inference_mode()
    def rate(self, texts: Sequence[str]) -> list[tuple[float, ...]]:
        """For each text the probabilities of 0, 1 and 2 as the next token, (N, 3); they sum to 1 with all other tokens."""
        opening, digit_ids = self._opening_and_digit_ids()
        prompts = [self._prompt(text) + opening for text in texts]
        # Padded on the left, so that the last column predicts the digit of every row.
        batch = self.tokenizer(
            prompts,
            padding=True,
            padding_side="left",
            add_special_tokens=adds_special_tokens(self.tokenizer, prompts[0]),
            return_tensors="pt",
        )
        # Not the whole batch: some tokenizers add token types, which a language model does not take.
        output = self.model(
            input_ids=batch["input_ids"].to(self.model.device),
            attention_mask=batch["attention_mask"].to(self.model.device),
            logits_to_keep=1,
            use_cache=False,
        )
        logits = output.logits[:, -1].float()  # (N, V)
        probabilities = logits.softmax(-1)[:, digit_ids]  # (N, 3)
        return [tuple(row) for row in probabilities.tolist()]

    def _opening_and_digit_ids(self) -> tuple[str, list[int]]:
        """The opening and the tokens of the three digits after it. MlubenchError where no opening keeps them apart."""
        for opening in OPENINGS:
            prompt = self._prompt("?") + opening
            prompt_ids = self._token_ids(prompt)
            digit_ids: list[int] = []
            for digit in DIGITS:
                *before, last = self._token_ids(prompt + digit)
                # Otherwise the tokenizer has joined the digit with the text before it, or cut it up.
                if before == prompt_ids:
                    digit_ids.append(last)
            if len(set(digit_ids)) == len(DIGITS):
                return opening, digit_ids
        raise MlubenchError("the tokenizer has no tokens for 0, 1 and 2", "Give another model.")

    def _token_ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _prompt(self, text: str) -> str:
        """The chat template's text up to where the answer begins; the text as it is where the model has no template."""
        # So that the text that is judged cannot end its turn.
        text = as_plain_text(self.tokenizer, text)
        template = getattr(self.processor, "chat_template", None)
        if template is None:
            return f"{text}\n"
        # Processors of MLLMs take a message in parts, tokenizers as one text.
        content = text if self.processor is self.tokenizer else [{"type": "text", "text": text}]
        turns = [{"role": "user", "content": content}]
        # Only to templates that ask for it: processors warn of what they do not know.
        options = {"enable_thinking": False} if "enable_thinking" in str(template) else {}
        prompt = self.processor.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=True, **options
        )
        # Some templates begin the thinking all the same: a digit there would be no verdict.
        return closed(str(prompt))
