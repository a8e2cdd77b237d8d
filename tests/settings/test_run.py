"""Configuration: presets, files, overrides, and errors that come all at once and say what to write instead."""

import re
from pathlib import Path

import pytest
import yaml

from mlubench.core.errors import UsageError
from mlubench.settings.loading import dump, load, parse, preset_names, preset_summaries
from mlubench.settings.run import Config

PAPERS_MODELS = ("llava-v1.6-7b", "llava-v1.6-13b", "qwen3-vl-4b")
# What a preset cannot know by itself.
NEEDED = {
    name: ["benchmark.root=data"]
    for name in ("official-rendered", *PAPERS_MODELS, *map("{}-published".format, PAPERS_MODELS))
}


def wrong(name: str | None, *overrides: str) -> str:
    with pytest.raises(UsageError) as caught:
        load(name, list(overrides))
    return str(caught.value)


@pytest.mark.parametrize("name", preset_names())
def test_preset_loads_and_comes_back_from_its_dump(name: str) -> None:
    config = load(name, NEEDED.get(name))
    assert config.preset == name
    assert parse(yaml.safe_load(dump(config))) == config


@pytest.mark.parametrize("name", preset_names())
def test_preset_begins_with_what_it_is(name: str) -> None:
    assert len(preset_summaries()[name]) > 20


def test_default_preset_is_toy_with_all_seven_methods() -> None:
    config = load(None)
    assert config.preset == "toy"
    assert config.methods == ["ga", "gd", "kl", "npo", "po", "dpo", "lumoe"]


def test_release_preset_asks_for_its_root() -> None:
    assert "-s benchmark.root=DIR" in wrong("official-rendered")


@pytest.mark.parametrize("name", NEEDED)
def test_a_draft_may_lack_the_root(name: str) -> None:
    assert load(name, draft=True).benchmark.root is None
    assert load(name, ["benchmark.root=data"], draft=True) == load(name, ["benchmark.root=data"])


@pytest.mark.parametrize("written", ["off", '"off"', "band", "always"])
def test_off_may_be_written_plainly(written: str) -> None:
    """YAML reads a plain `off` as false."""
    config = load("smoke", [f"gates.second_look={written}"])
    assert config.gates.second_look == written.strip('"')
    assert parse(yaml.safe_load(dump(config))) == config
    assert "second_look" in wrong("smoke", "gates.second_look=true")


def test_dump_holds_every_setting_and_odd_names(tmp_path: Path) -> None:
    config = load("smoke", ["benchmark.kind=release", f"benchmark.root={tmp_path}/Pokémon"])
    assert "Pokémon" in dump(config)
    assert set(yaml.safe_load(dump(config))) == set(Config.model_fields)


def test_overrides_are_yaml_and_the_later_wins() -> None:
    config = load(
        "smoke",
        [
            "seed=3",
            "benchmark.order=[C, A]",
            "train.lr=1e-3",
            "evaluate.limit=null",
            "seed=4",
            "train.images=blind",
        ],
    )
    assert (config.seed, config.benchmark.order, config.evaluate.limit) == (4, ["C", "A"], None)
    assert (config.train.lr, config.train.images) == (0.001, "blind")
    assert (
        config.benchmark.entities == load("smoke").benchmark.entities
    )  # the rest of the group stays


def test_file_is_read_and_named_by_its_stem(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("seed: 5\ntrain: {epochs: 2}\n")
    config = load(str(path), ["train.batch=3"])
    assert (config.preset, config.seed, config.train.epochs, config.train.batch) == (
        "mine",
        5,
        2,
        3,
    )
    path.write_text("")
    assert load(str(path)) == Config(preset="mine")


def test_a_file_is_laid_over_the_preset_that_it_names(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("preset: smoke\nseed: 5\nmodel: {toy: {width: 96}}\n")
    smoke = load("smoke", ["seed=5", "model.toy.width=96"])
    assert load(str(path)) == smoke.model_copy(update={"preset": "mine"})
    path.write_text("preset: smok\n")
    assert wrong(str(path)) == "unknown preset 'smok'. Did you mean 'smoke'?"
    path.write_text("preset: [smoke]\n")
    assert wrong(str(path)).startswith("unknown preset \"['smoke']\"")


def test_the_file_that_a_run_wrote_is_whole_by_itself(tmp_path: Path) -> None:
    """Its preset says where the settings came from, which may be a file that is gone."""
    config = load("toy", ["seed=3"]).model_copy(update={"preset": "mine"})
    (tmp_path / "config.yaml").write_text(dump(config))
    assert load(str(tmp_path / "config.yaml")) == config


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "train={lr: 1, lr: 2}",
            "-s train={lr: 1, lr: 2}: the value, line 1: the key 'lr' is there already",
        ),
        ("seed=" + "[" * 5000, "the value is not YAML"),
        ("seed=2020-13-45", "the value is not YAML: month"),
    ],
    ids=["twice", "deep", "date"],
)
def test_a_value_that_is_no_yaml_is_named(override: str, said: str) -> None:
    assert said in wrong("smoke", override)


def test_weights_of_a_merge_are_positive_numbers() -> None:
    assert load("smoke", ["lumoe.weights.A=0.5"]).lumoe.weights == {"A": 0.5}
    for weight in ("0", "-1", ".inf", ".nan", "half"):  # 0 would be an expert left out unsaid
        assert "lumoe.weights.A" in wrong("smoke", f"lumoe.weights.A={weight}")


def test_every_error_comes_at_once() -> None:
    said = wrong(
        "smoke", "train.epochs=0", "train.images=sometimes", "seed=many", "evaluate.limt=3"
    )
    for where in ("train.epochs", "train.images", "seed", "evaluate.limt"):
        assert where in said


@pytest.mark.parametrize(
    ("override", "near"),
    [
        ("methods=[ga, lumo]", "lumoe"),
        ("gate=prototyp", "prototype"),
        ("judge=rule", "rules"),
        ("train.per_method={np: {lr: 0.1}}", "npo"),
    ],
)
def test_wrong_names_suggest_the_right_one(override: str, near: str) -> None:
    assert f"Did you mean {near!r}?" in wrong("smoke", override)


def test_wrong_preset_suggests_the_right_one() -> None:
    assert wrong("smok") == "unknown preset 'smok'. Did you mean 'smoke'?"


@pytest.mark.parametrize(
    "override", ["sed=1", "train.epoch=3", "benchmark.sead=1", "model.toy.widht=64"]
)
def test_misspelt_settings_are_errors_that_name_them(override: str) -> None:
    assert override.partition("=")[0] in wrong("smoke", override)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("seed", "key.path=value"),
        ("=3", "key.path=value"),
        ("train.lr.deep=3", "lr is a value"),
        ("methods=[ga", "not YAML"),
        ("methods=[]", "methods"),
        ("methods=[ga, ga]", "twice"),
        ("benchmark.order=[A, A]", "twice"),
        ("train.lr=0", "train.lr"),
        ("benchmark.kind=release", "benchmark.root"),
        ("train.per_method={ga: {lr: -1}}", "lr"),
        ("train.per_method={ga: {epoch: 1}}", "epoch"),
        ("train.per_method={ga: {per_method: {}}}", "cannot hold per_method"),
    ],
)
def test_wrong_overrides(override: str, said: str) -> None:
    assert said in wrong("smoke", override)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"seed: [1", "is not YAML"),
        (b"- 1\n- 2\n", "holds a list"),
        (b"just words", "holds a str"),
        (b"seed: \xff\xfe", "bad.yaml"),
        (b"!!python/object/apply:os.getcwd []", "is not YAML"),
    ],
    ids=["cut", "list", "words", "not-utf8", "code"],
)
def test_bad_files_are_wrong_use(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    assert said in wrong(str(path))


def test_absent_file_is_wrong_use(tmp_path: Path) -> None:
    assert "does not exist" in wrong(str(tmp_path / "absent.yaml"))


def test_per_method_lays_over_single_settings() -> None:
    train = load(
        "smoke", ["train.lr=0.002", "train.per_method={ga: {lr: 0.5, lora: {r: 2}}}"]
    ).train
    assert (train.for_method("ga").lr, train.for_method("ga").lora.r) == (0.5, 2)
    assert train.for_method("ga").epochs == train.epochs
    assert train.for_method("npo") == train.model_copy(update={"per_method": {}})


def test_error_is_one_line_once_spaces_are_folded() -> None:
    said = wrong("smoke", "train.per_method={ga: {lr: -1, epochs: 0}}")
    assert re.search(r"lr\b.*greater than 0", said, re.S)
    assert "epochs" in said
    assert "errors.pydantic.dev" not in said


@pytest.mark.parametrize(
    "override", ["gates.on_error=ask", "gates.mllm.retry=3", "gates.similarity=300"]
)
def test_wrong_gate_settings_are_named(override: str) -> None:
    assert override.partition("=")[0] in wrong("smoke", override)


def test_the_base_answers_only_before_a_second_look() -> None:
    left = ["gates.on_hit=second-look"]
    assert load("smoke", left).gates.on_hit == "second-look"
    assert "on_hit" in wrong("smoke", *left, "gates.second_look=off")


def test_what_stays_in_memory_is_a_number_of_experts_or_of_megabytes() -> None:
    assert [
        load("smoke", [f"lumoe.resident={r}"]).lumoe.resident for r in ("4", "512MB", "null")
    ] == [
        4,
        "512MB",
        None,
    ]
    for wrong in ("0", "MB", "0MB", "1.5", "4 experts"):
        with pytest.raises(UsageError, match=r"lumoe\.resident"):
            load("smoke", [f"lumoe.resident={wrong}"])
