"""Presets, YAML files and `key.path=value` overrides, as one checked configuration: every error at once."""

from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from mlubench.core.errors import UsageError, all_errors, unknown_name
from mlubench.core.reading import parse_yaml, read_yaml
from mlubench.settings.places import absolute_if_folder
from mlubench.settings.reference import setting_rows
from mlubench.settings.run import Config

WRONG = "wrong configuration: "
_PRESETS = resources.files("mlubench.settings.presets")


def preset_names() -> list[str]:
    files = [file.name for file in _PRESETS.iterdir()]
    return sorted(name.removesuffix(".yaml") for name in files if name.endswith(".yaml"))


def preset_summaries() -> dict[str, str]:
    """Each preset and the comment that its file begins with."""
    summaries = {}
    for name in preset_names():
        first_line = _preset_text(name).splitlines()[0]
        summaries[name] = first_line.lstrip("# ")
    return summaries


def _preset_text(name: str) -> str:
    return _PRESETS.joinpath(f"{name}.yaml").read_text(encoding="utf-8")


def load(name: str | None, overrides: list[str] | None = None, *, draft: bool = False) -> Config:
    """The configuration of preset `name` (default `toy`) or of a YAML file, with `key.path=value` overrides.

    A draft may lack what only the user has, `benchmark.root`. Raises UsageError that lists every wrong setting at once.
    """
    values = _read(name or "toy")
    for override in overrides or []:
        _apply(values, override)
    kind, sign, folder = str(values.get("judge", "")).partition(":")
    if kind == "local" and sign:
        # The name of a judge is part of a run, which may be gone on with from another working directory.
        values["judge"] = f"local:{absolute_if_folder(folder)}"
    return parse(values, draft=draft)


def parse(values: dict[str, Any], *, draft: bool = False) -> Config:
    """Validated configuration. Raises UsageError that lists every wrong setting at once."""
    try:
        return Config.model_validate(values, context={"draft": draft})
    except (ValidationError, TypeError) as error:
        raise UsageError(f"{WRONG}{all_errors(error)}", _hint(error)) from None


def _hint(error: ValidationError | TypeError) -> str:
    """Where settings are listed, and the name that is nearest to the first one that is unknown."""
    listed = "`mlubench list settings` names all, with what they mean."
    wrong = error.errors() if isinstance(error, ValidationError) else []
    unknown = [".".join(map(str, row["loc"])) for row in wrong if row["type"] == "extra_forbidden"]
    if not unknown:
        return listed
    near = get_close_matches(unknown[0], [row.name for row in setting_rows()], n=1)
    return f"Did you mean {near[0]!r}? {listed}" if near else listed


def overridden(config: Config, overrides: list[str]) -> Config:
    """The configuration with `key.path=value` laid over it."""
    values = config.model_dump(mode="json")
    for override in overrides:
        _apply(values, override)
    return parse(values)


def dump(config: Config) -> str:
    """The whole configuration as YAML, as written to RUN/config.yaml."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def flat(config: Config) -> dict[str, object]:
    """Each setting by its `key.path`; a list counts as one setting."""
    found: dict[str, object] = {}

    def add(group: dict[str, object], above: str) -> None:
        for key, value in group.items():
            if isinstance(value, dict):
                add(value, f"{above}{key}.")
            else:
                found[f"{above}{key}"] = value

    add(config.model_dump(mode="json"), "")
    return found


def _read(name: str) -> dict[str, Any]:
    """The settings of a preset or of a YAML file. A file's own are laid over those of the `preset` that it names."""
    if not name.endswith((".yaml", ".yml")):
        return _preset(name)
    hint = f"Give a YAML file or a preset: {', '.join(preset_names())}."
    values = read_yaml(Path(name), hint)
    # A run's config.yaml says everything; its `preset` only tells where that came from.
    if Config.model_fields.keys() <= values.keys():
        return values
    settings = {"preset": Path(name).stem}
    if "preset" in values:
        settings = {**_preset(str(values["preset"])), **settings}
        del values["preset"]
    _lay_over(settings, values)
    return settings


def _preset(name: str) -> dict[str, Any]:
    if name not in preset_names():
        raise unknown_name("preset", name, preset_names())
    return {"preset": name, **yaml.safe_load(_preset_text(name))}


def _lay_over(settings: dict[str, Any], values: dict[str, Any]) -> None:
    """Set what `values` say in `settings`, group by group."""
    for key, value in values.items():
        inner = settings.get(key)
        if isinstance(inner, dict) and isinstance(value, dict):
            _lay_over(inner, value)
        else:
            settings[key] = value


def _apply(values: dict[str, Any], override: str) -> None:
    """Set the value at `key.path` in `values`, and make the groups on the way that are not there."""
    path, sign, text = override.partition("=")
    if not sign or not path.strip():
        raise UsageError(
            f"-s takes key.path=value, got {override!r}", "For example: -s benchmark.seed=3."
        )
    *groups, key = path.strip().split(".")
    group = values
    for name in groups:
        inner = group.setdefault(name, {})
        if not isinstance(inner, dict):
            raise UsageError(
                f"-s {override}: {name} is a value, not a group of settings", "Check the key."
            )
        group = inner
    group[key] = parse_yaml(
        text, f"-s {override}: the value", "Quote it, for example -s 'methods=[ga, npo]'."
    )
