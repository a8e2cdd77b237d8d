"""Tables of names: what can be asked for by name, and where it lives. Nothing is imported until it is used."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from mlubench.errors import unknown_name


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: where the thing is (`module:attribute`), what it does, and where it comes from."""

    target: str
    summary: str
    source: str = ""


METHODS: Mapping[str, Entry] = {
    "ga": Entry("mlubench.unlearning.methods:GA", "gradient ascent: -NLL of the forget answers", "Yao et al. 2023"),
    "gd": Entry("mlubench.unlearning.methods:GD", "gradient difference: -NLL forget + NLL retain", "Liu et al. 2022"),
    "kl": Entry(
        "mlubench.unlearning.methods:KL", "-NLL forget + KL(reference || current) on retain", "Maini et al. 2024"
    ),
    "npo": Entry(
        "mlubench.unlearning.methods:NPO", "negative preference: 2/b softplus(b(ref NLL - NLL))", "2404.05868"
    ),
    "po": Entry("mlubench.unlearning.methods:PO", "preference for refusal: NLL of a refusal", "Maini et al. 2024"),
    "dpo": Entry("mlubench.unlearning.methods:DPO", "refusal preferred to truth against the reference", "2305.18290"),
    "lumoe": Entry(
        "mlubench.lifelong.learners:Lumoe", "one LoRA expert per task on the untouched base, and a gate", "2606.12809"
    ),
}
GATES: Mapping[str, Entry] = {
    "prototype": Entry("mlubench.lumoe.gates.prototype:PrototypeGate", "nearest entity in whitened picture features"),
    "oracle": Entry("mlubench.lumoe.gates.oracle:OracleGate", "told the entity: the upper bound, reported apart"),
}
JUDGES: Mapping[str, Entry] = {
    "rules": Entry("mlubench.judging.rules:RulesJudge", "offline rules: refusal phrases, overlap, leaks, gibberish"),
    "shuffled": Entry(
        "mlubench.judging.shuffled:ShuffledJudge", "control: rules on answers dealt to the wrong samples"
    ),
}
MODELS: Mapping[str, Entry] = {
    "toy": Entry("mlubench.models.toy:toy_base", "a tiny real LLaVA trained from scratch on rendered pictures"),
}


def resolve(kind: str, table: Mapping[str, Entry], name: str) -> Any:
    """The object that `name` stands for. Raises UsageError for a name the table does not hold."""
    if name not in table:
        raise unknown_name(kind, name, table)
    module, _, attribute = table[name].target.partition(":")
    return getattr(import_module(module), attribute)
