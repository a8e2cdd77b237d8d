"""Stands in for lmms-eval 0.7 in contract tests: takes the settings that it takes, asks as it asks, writes what it writes.

The forms are those of a true lmms-eval 0.7.3, whose model `openai` asked our server about tasks of a local data set.
"""

import base64
import http.client
import json
import sys
from pathlib import Path
from typing import Any

import yaml


def install(folder: Path) -> None:
    """Put the program into `folder`, which belongs on the PATH."""
    folder.mkdir()
    program = folder / "lmms-eval"
    program.write_text(
        f"#!{sys.executable}\nimport runpy\nrunpy.run_path({__file__!r}, run_name='__main__')\n"
    )
    program.chmod(0o755)


def main(arguments: list[str]) -> None:
    command, option, file = arguments
    assert (command, option) == ("eval", "--config")
    settings = yaml.safe_load(Path(file).read_text())
    assert settings["model"] == "openai"
    assert settings["log_samples"] is True
    model = dict(part.split("=", 1) for part in settings["model_args"].split(","))
    assert _status(model, None) == 401
    scores: dict[str, float] = {}
    counts: dict[str, int] = {}
    output = Path(settings["output_path"]) / model["model"]
    output.mkdir()
    for task in settings["tasks"].split(","):
        path = Path(settings["include_path"]) / f"{task}.json"
        if not path.is_file():
            logged = (
                "\x1b[32m2026-01-01 00:00:00\x1b[0m | \x1b[31mERROR   \x1b[0m | lmms_eval:614 - "
            )
            sys.exit(f"{logged}Tasks not found: {task}")
        docs = json.loads(path.read_text())[: settings.get("limit")]
        samples = [_sample(model, doc) for doc in docs]
        scores[task] = sum(sample["told"] for sample in samples) / len(samples)
        counts[task] = len(samples)
        text = "".join(json.dumps(sample) + "\n" for sample in samples)
        (output / f"20260101_000000_samples_{task}.jsonl").write_text(text)
    results = {
        "results": {task: _metrics(task, score) for task, score in scores.items()},
        "higher_is_better": {task: {"told": True} for task in scores},
        "n-samples": {task: {"original": 9, "effective": count} for task, count in counts.items()},
        "lmms_eval_version": "0.7.3",
    }
    (output / "20260101_000000_results.json").write_text(json.dumps(results))


def _metrics(task: str, score: float) -> dict[str, object]:
    return {
        "alias": task,
        "told,none": score,
        "told_stderr,none": 0.1,
        "told_stderr_clt,none": 0.1,
        "told_stderr_clustered,none": "N/A",
    }


def _sample(model: dict[str, str], doc: dict[str, str]) -> dict[str, Any]:
    response = _answer(model, doc)
    told = float(doc["answer"].casefold() in response.casefold())
    return {"target": doc["answer"], "filtered_resps": response, "told": told}


def _answer(model: dict[str, str], doc: dict[str, str]) -> str:
    picture = base64.b64encode(Path(doc["image"]).read_bytes()).decode()
    content = [
        {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{picture}"}},
        {"type": "text", "text": doc["question"]},
    ]
    body = {
        "model": model["model"],
        "messages": [{"role": "user", "content": content}],
        "max_tokens": 64,
        "temperature": 0,
    }
    status, reply = _post(model, model["api_key"], body)
    if status != 200:
        message = reply["error"]["message"]
        return f"[LMMS_EVAL_REQUEST_FAILED after {model['max_retries']} retries] {message}"
    answer: str = reply["choices"][0]["message"]["content"]
    return answer


def _status(model: dict[str, str], key: str | None) -> int:
    return _post(model, key, {})[0]


def _post(model: dict[str, str], key: str | None, body: object) -> tuple[int, Any]:
    host, _, root = model["base_url"].removeprefix("http://").partition("/")
    headers = {"content-type": "application/json"}
    if key is not None:
        headers["authorization"] = f"Bearer {key}"
    connection = http.client.HTTPConnection(host, timeout=120)
    try:
        connection.request("POST", f"/{root}/chat/completions", json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


if __name__ == "__main__":
    main(sys.argv[1:])
