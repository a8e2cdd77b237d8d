"""Reads JSON and YAML into a stated shape; an error names the file, the place in it and what was expected there.

A file may have been cut, mended by hand, or be somebody else's. So nothing of a file is used before its shape is checked.
"""

import json
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from pydantic import TypeAdapter, ValidationError

from mlubench.core.errors import MlubenchError, UsageError

T = TypeVar("T")

MAKE_ANEW = "Delete it and run again to make it anew."
_MAKE_IT = "Check the folder, or make it with `mlubench run`."
_MEND = "Mend the file."
_NO_OBJECT = {"model_type", "dataclass_type", "model_attributes_type"}
# Settings are nested five deep. Far more is no file of ours, and would exhaust the interpreter's stack.
_DEEPEST = 100
# A few lines of aliases can stand for a value that fills the memory.
_MOST_NODES = 2_000_000
# libyaml's loader is ten times faster on a list of many entities, but not every PyYAML has it.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# What PyYAML raises beside its own errors, for a tag such as `!!int` whose text is of another form.
_BAD_VALUES = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError)


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def read_json(path: Path, shape: type[T], hint: str = MAKE_ANEW) -> T:
    """What a JSON file holds, as `shape`. MlubenchError where the file is absent, no JSON, or of another shape."""
    return of_shape(_json_value(path, hint), shape, str(path), hint)


def read_json_as_it_stands(path: Path, shape: type[T], hint: str = MAKE_ANEW) -> T:
    """The same, with every key in the order of the file: for what is hashed or written back. `shape` is a TypedDict."""
    return as_it_stands(_json_value(path, hint), shape, str(path), hint)


def as_it_stands(value: Any, shape: type[T], where: str, hint: str = MAKE_ANEW) -> T:
    """The value itself, once it is found to be of the shape, a TypedDict."""
    of_shape(value, shape, where, hint)
    checked: T = value
    return checked


def of_shape(value: object, shape: type[T], where: str, hint: str = MAKE_ANEW) -> T:
    """The value as `shape`. Raises MlubenchError: `where`, the place in the value, and what was expected there."""
    try:
        found: T = _adapter(cast(Hashable, shape)).validate_python(value)
    except ValidationError as error:
        raise MlubenchError(f"{where} cannot be used: {first_misfit(error)}", hint) from None
    except RecursionError:
        raise MlubenchError(f"{where} cannot be used: it is nested too deeply", hint) from None
    return found


def first_misfit(error: ValidationError) -> str:
    """The first place that does not fit, what was expected there, and what was got."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] in _NO_OBJECT:
        # Pydantic's words name a class of ours.
        message = "Input should be an object"
    if first["type"] != "missing":
        # Of what lacks a key, `input` is all that is there.
        message += f", got {_short(first['input'])}"
    return f"{place}: {message}" if place else message


def _short(value: object) -> str:
    try:
        return "null" if value is None else f"{value!r:.80}"
    except RecursionError:
        return f"a {type(value).__name__} that is nested too deeply"


def json_value(data: bytes | str) -> Any:
    """The value of a JSON text. Raises ValueError that says in words what is wrong with it."""
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        return json.loads(text)
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 text (byte {error.start})") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _json_value(path: Path, hint: str) -> Any:
    try:
        return json_value(path.read_bytes())
    except FileNotFoundError:
        # What is not there cannot be deleted. A caller's own hint says what to give in its place.
        absent = _MAKE_IT if hint == MAKE_ANEW else hint
        raise MlubenchError(f"{path} does not exist", absent) from None
    except OSError as error:
        raise MlubenchError(f"{path} cannot be read: {error.strerror or error}", hint) from error
    except ValueError as error:
        raise MlubenchError(f"{path} cannot be read: {error}", hint) from error


def read_yaml(path: Path, instead: str) -> dict[str, Any]:
    """The settings in a YAML file. Raises UsageError where it is absent (`instead` is the hint) or holds something else."""
    if not path.is_file():
        problem = "is not a plain file" if path.exists() else "does not exist"
        raise UsageError(f"{path} {problem}", instead)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text", "Save it as UTF-8.") from None
    values = parse_yaml(text, str(path))
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UsageError(
            f"{path} holds a {type(values).__name__}, not settings", "Write `key: value` lines."
        )
    return values


def parse_yaml(text: str, where: str, hint: str = _MEND) -> Any:
    """The value of a YAML text. UsageError, which begins with `where`, for what is no YAML or holds a key twice.

    PyYAML alone takes the last of two equal keys without a word.
    """
    with _yaml_errors(where, hint):
        _require_shallow(text, where)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _Nodes(loader, where).check(node)
            return loader.construct_document(node)
        finally:
            loader.dispose()


@contextmanager
def _yaml_errors(where: str, hint: str) -> Iterator[None]:
    try:
        yield
    except (yaml.YAMLError, *_BAD_VALUES) as error:
        one_line = " ".join(str(error).split())
        raise UsageError(f"{where} is not YAML: {one_line}", hint) from None


def _require_shallow(text: str, where: str) -> None:
    """Counted on the events of the text, since making a value of them calls itself at every level."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise UsageError(
                f"{where}, line {_line(event)}: nested more than {_DEEPEST} deep",
                "Check the brackets.",
            )


def _line(part: yaml.Node | yaml.Event) -> int:
    """Where a part of a YAML text begins, counted from 1."""
    return part.start_mark.line + 1 if part.start_mark else 1


class _Nodes:
    """Looks through the nodes of a YAML text for what no value should be made of."""

    def __init__(self, loader: Any, where: str) -> None:
        self.loader = loader
        self.where = where
        # By a node's id, how many nodes it stands for; 0 while it is being counted.
        self.sizes: dict[int, int] = {}

    def check(self, node: yaml.Node) -> int:
        """How many nodes this one stands for, aliases written out. Raises UsageError for a key that is there twice."""
        known = self.sizes.get(id(node))
        if known == 0:
            raise self._wrong(node, "a value holds itself")
        if known is not None:
            return known
        self.sizes[id(node)] = 0
        size = 1 + sum(self.check(child) for child in self._children(node))
        if size > _MOST_NODES:
            raise self._wrong(node, "its aliases stand for too large a value")
        self.sizes[id(node)] = size
        return size

    def _children(self, node: yaml.Node) -> list[yaml.Node]:
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        if isinstance(node, yaml.MappingNode):
            self._require_single_keys(node)
            return [child for pair in node.value for child in pair]
        return []

    def _require_single_keys(self, node: yaml.MappingNode) -> None:
        lines: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag.endswith(":merge"):
                continue
            # `1` and `"1"` are two keys, `1` and `0x1` are one.
            key = self.loader.construct_object(key_node)
            if key in lines:
                raise self._wrong(
                    key_node, f"the key {key_node.value!r} is there already, in line {lines[key]}"
                )
            lines[key] = _line(key_node)

    def _wrong(self, node: yaml.Node, problem: str) -> UsageError:
        return UsageError(f"{self.where}, line {_line(node)}: {problem}", _MEND)
