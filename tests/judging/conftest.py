"""The endpoint that the tests of this folder judge through, and a judge that asks it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlubench.endpoint.client import Chat
from mlubench.endpoint.replies import ReplyCache
from mlubench.judging.llm.endpoint import EndpointSource
from mlubench.judging.llm.judge import LLMJudge
from mlubench.judging.llm.prompts import Prompts
from mlubench.settings.judging import JudgeConfig
from support.judging_endpoint import Endpoint, serving

MODEL = "gpt-4.1-mini-2025-04-14"
# The waits of tests: the same rules, a hundred times as fast.
QUICK = {"first_wait": 0.005, "longest_wait": 0.1, "cooldown": 0.05}


@pytest.fixture
def endpoint(point_at: Callable[[str], None]) -> Iterator[Endpoint]:
    with serving() as made:
        point_at(made.address)
        yield made


@pytest.fixture
def make_judge(tmp_path: Path) -> Callable[..., LLMJudge]:
    """Makes a judge with settings, its cache in the test's folder, and waits that tests can bear."""

    def make(
        model: str = MODEL, prompts: Prompts | None = None, patience: float = 1, **settings: Any
    ) -> LLMJudge:
        prompts = prompts or Prompts()
        given = JudgeConfig(**{"timeout": 1, "retries": 8, **settings})
        source = EndpointSource(model, given, structured=prompts.own_words)
        quicken(source, patience)
        return LLMJudge(f"openai:{model}", source, prompts, ReplyCache(tmp_path / "cache.sqlite"))

    return make


def quicken(source: EndpointSource, patience: float) -> None:
    chat = source.chat
    limits = replace(chat.limits, patience=patience, **QUICK)
    source._chat = Chat(
        chat.model,
        limits,
        chat.parameters,
        address=source.settings.base_url,
        spend=source.spend,
        limit_setting=chat.longest.setting,
    )
