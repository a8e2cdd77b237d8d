"""Presets, YAML files and `key.path=value` overrides, as one checked configuration: every error at once."""

from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from mlubench.core.errors import UsageError, all_errors, unknown_name
from mlubench.core.files import read_yaml
from mlubench.settings.run import Config

WRONG = "wrong configuration: "


def preset_names() -> list[str]:
    files = resources.files("mlubench.settings.presets").iterdir()
    return sorted(f.name.removesuffix(".yaml") for f in files if f.name.endswith(".yaml"))


def preset_summaries() -> dict[str, str]:
    """Each preset and the comment that its file begins with."""
    folder = resources.files("mlubench.settings.presets")
    return {
        n: folder.joinpath(f"{n}.yaml").read_text().splitlines()[0].lstrip("# ")
        for n in preset_names()
    }


def load(name: str | None, overrides: list[str] | None = None, *, draft: bool = False) -> Config:
    """The configuration of preset `name` (default `toy`) or of a YAML file, with `key.path=value` overrides.

    A draft may lack what only the user has, `benchmark.root`. Raises UsageError that lists every wrong setting at once.
    """
    values = _read(name or "toy")
    for override in overrides or []:
        _apply(values, override)
    return parse(values, draft=draft)


def parse(values: dict[str, Any], *, draft: bool = False) -> Config:
    """Validated configuration. Raises UsageError that lists every wrong setting at once."""
    try:
        return Config.model_validate(values, context={"draft": draft})
    except (ValidationError, TypeError) as error:
        raise UsageError(
            f"{WRONG}{all_errors(error)}", "See `mlubench run --help` and the README's settings."
        ) from None


def _read(name: str) -> dict[str, Any]:
    if name.endswith((".yaml", ".yml")):
        instead = f"Give a YAML file or a preset: {', '.join(preset_names())}."
        return {"preset": Path(name).stem, **read_yaml(Path(name), instead)}
    if name not in preset_names():
        raise unknown_name("preset", name, preset_names())
    text = resources.files("mlubench.settings.presets").joinpath(f"{name}.yaml").read_text()
    return {"preset": name, **yaml.safe_load(text)}


def _apply(values: dict[str, Any], override: str) -> None:
    path, sign, text = override.partition("=")
    if not sign or not path.strip():
        raise UsageError(
            f"-s takes key.path=value, got {override!r}", "For example: -s benchmark.seed=3."
        )
    *parents, last = path.strip().split(".")
    here = values
    for part in parents:
        below = here.setdefault(part, {})
        if not isinstance(below, dict):
            raise UsageError(
                f"-s {override}: {part} is a value, not a group of settings", "Check the key."
            )
        here = below
    try:
        here[last] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise UsageError(
            f"-s {override}: the value is not YAML", "Quote it, for example -s 'methods=[ga, npo]'."
        ) from None


def overridden(config: Config, overrides: list[str]) -> Config:
    """The configuration with `key.path=value` laid over it."""
    values = config.model_dump(mode="json")
    for override in overrides:
        _apply(values, override)
    return parse(values)


def dump(config: Config) -> str:
    """The whole configuration as YAML, as written to RUN/config.yaml."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
