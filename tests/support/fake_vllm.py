"""A server with the paths of vLLM's documentation, whose adapters are loaded by PEFT and not by our engine.

It stands for a vLLM server in tests of the contract. No vLLM has run in them.
"""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

from peft import PeftModel
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mlubench.models.mllm import MLLM
from mlubench.models.query import Query, TurnPicture

BASE = "the-base"


class FakeVllm:
    """The server's state, and what it was asked."""

    def __init__(self, mllm: MLLM, folder: Path) -> None:
        self.mllm = mllm
        self.folder = folder
        self.adapters: dict[str, Path] = {}
        # All names that were ever loaded, in their order.
        self.loaded: list[str] = []
        self.asked: list[dict[str, Any]] = []
        # Adapters are taken and left out, as by a version that does not know their weights.
        self.ignores = False
        # Makes another answer of each.
        self.garbled: Callable[[str], str] = str
        self.down = False
        self._lock = Lock()

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/models", self.models),
                Route("/v1/load_lora_adapter", self.load, methods=["POST"]),
                Route("/v1/unload_lora_adapter", self.unload, methods=["POST"]),
                Route("/v1/chat/completions", self.chat, methods=["POST"]),
            ]
        )

    async def models(self, request: Request) -> Response:
        names = [BASE, *self.adapters]
        data = [{"id": n, "object": "model", "created": 0, "owned_by": "vllm"} for n in names]
        return JSONResponse({"object": "list", "data": data})

    async def load(self, request: Request) -> Response:
        asked = json.loads(await request.body())
        name = asked["lora_name"]
        if name in self.adapters:
            return JSONResponse({"message": f"{name} is loaded already"}, 400)
        self.adapters[name] = Path(asked["lora_path"])
        self.loaded.append(name)
        return PlainTextResponse(f"Success: LoRA adapter '{name}' added successfully.")

    async def unload(self, request: Request) -> Response:
        name = json.loads(await request.body())["lora_name"]
        if self.adapters.pop(name, None) is None:
            return JSONResponse({"message": f"there is no {name}"}, 404)
        return PlainTextResponse(f"Success: LoRA adapter '{name}' removed successfully.")

    async def chat(self, request: Request) -> Response:
        asked = json.loads(await request.body())
        self.asked.append(asked)
        if self.down:
            return JSONResponse({"message": "the engine is dead"}, 500)
        if asked["model"] not in (BASE, *self.adapters):
            return JSONResponse({"message": "there is no such model"}, 404)
        text = self.garbled(await run_in_threadpool(self._text, asked))
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        body = {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": asked["model"],
            "choices": [choice],
            "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
        }
        return JSONResponse(body)

    def _text(self, asked: dict[str, Any]) -> str:
        query = self._query(asked["messages"])
        with self._lock:
            model = self.mllm.model
            name = asked["model"]
            if name != BASE and not self.ignores:
                self.mllm.model = PeftModel.from_pretrained(model, str(self.adapters[name]))
            try:
                (text,) = self.mllm.generate([query], max_new_tokens=asked["max_tokens"])
            finally:
                if self.mllm.model is not model:
                    self.mllm.model.unload()
                    self.mllm.model = model
        return text

    def _query(self, messages: list[dict[str, Any]]) -> Query:
        questions = [m["content"] for m in messages if m["role"] == "user"]
        answers = [m["content"] for m in messages if m["role"] == "assistant"]
        texts = []
        pictures = []
        for turn, parts in enumerate(questions):
            texts.append(next(part["text"] for part in parts if part["type"] == "text"))
            for part in parts:
                if part["type"] == "image_url":
                    pictures.append(TurnPicture(turn, self._saved(part["image_url"]["url"])))
        history = tuple(zip(texts, answers, strict=False))
        if not pictures:
            return Query(None, texts[-1], history)
        first, *further = pictures
        return Query(first.path, texts[-1], history, first.turn, tuple(further))

    def _saved(self, address: str) -> Path:
        # Two requests at once must not take each other's file.
        path = self.folder / f"{uuid4().hex}.png"
        path.write_bytes(base64.b64decode(address.partition(",")[2]))
        return path
