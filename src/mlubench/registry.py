"""Tables of names: what can be asked for by name, and where it lives. Nothing is imported until it is used."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from mlubench.errors import unknown_name


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: where the thing is (`module:attribute`), what it does, its paper on arXiv, and a method's formula."""

    target: str
    summary: str
    source: str = ""
    formula: str = ""


_LOSSES = "mlubench.unlearning.methods"
METHODS: Mapping[str, Entry] = {
    "ga": Entry(f"{_LOSSES}.ga:GA", "gradient ascent", "2310.10683", "-NLL(forget)"),
    "gd": Entry(f"{_LOSSES}.gd:GD", "gradient difference", "2203.12817", "-NLL(forget) + NLL(retain)"),
    "kl": Entry(
        f"{_LOSSES}.kl:KL", "KL to the reference, at answers", "2401.06121", "-NLL(forget) + KL(ref || now)(retain)"
    ),
    "npo": Entry(
        f"{_LOSSES}.npo:NPO", "negative preference", "2404.05868", "2/b softplus(b(log p - log p_ref))(forget)"
    ),
    "po": Entry(f"{_LOSSES}.po:PO", "preference for a refusal", "2401.06121", "NLL(refusal)"),
    "dpo": Entry(
        f"{_LOSSES}.dpo:DPO", "refusal preferred to truth", "2305.18290", "softplus(-b(log p/p_ref(refusal) - (truth)))"
    ),
    "lumoe": Entry(
        "mlubench.lifelong.learners:Lumoe", "one LoRA expert per task on the untouched base, and a gate", "2606.12809"
    ),
    "kl_all": Entry(f"{_LOSSES}.kl:KLAll", "KL to the reference, everywhere", "2606.12809", "as kl, at every position"),
    "po_retain": Entry(f"{_LOSSES}.po:PORetain", "refusal, rest held", "2401.06121", "NLL(refusal) + NLL(retain)"),
    "gd_refusal": Entry(
        f"{_LOSSES}.gd_refusal:GDRefusal", "gradient difference and refusal", "2401.06121", "gd + w NLL(refusal)"
    ),
    "simnpo": Entry(
        f"{_LOSSES}.simnpo:SimNPO", "NPO without a reference", "2410.07163", "-2/b log sigmoid(b(NLL/|y| - d))(forget)"
    ),
    "rmu": Entry(
        f"{_LOSSES}.rmu:RMU", "misdirected states", "2403.03218", "|h - c u|^2(forget) + a|h - h_ref|^2(retain)"
    ),
    "task_vector": Entry(
        f"{_LOSSES}.task_vector:TaskVector", "negated task vector", "2212.04089", "W0 - a(W - W0), W from NLL(forget)"
    ),
}
GATES: Mapping[str, Entry] = {
    "prototype": Entry(
        "mlubench.lumoe.gates.prototype:PrototypeGate", "nearest entity in whitened picture features, if near enough"
    ),
    "mention": Entry("mlubench.lumoe.gates.mention:MentionGate", "names and aliases in the question, also misspelt"),
    "hybrid": Entry(
        "mlubench.lumoe.gates.hybrid:HybridGate", "prototype on the picture, mention on the question (default)"
    ),
    "mllm": Entry("mlubench.lumoe.gates.mllm:MllmGate", "a model at an endpoint: which class, then whom", "2606.12809"),
    "self": Entry("mlubench.lumoe.gates.own:SelfGate", "the two questions of mllm, asked of the base itself"),
    "oracle": Entry("mlubench.lumoe.gates.oracle:OracleGate", "told the entity: the upper bound, reported apart"),
}
JUDGES: Mapping[str, Entry] = {
    "rules": Entry("mlubench.judging.rules:RulesJudge", "offline rules: refusal phrases, overlap, leaks, gibberish"),
    "shuffled": Entry(
        "mlubench.judging.shuffled:ShuffledJudge", "control: rules on answers dealt to the wrong samples"
    ),
    "openai:<model>": Entry(
        "mlubench.lifelong.asked_judges:openai_judge", "a model at an OpenAI-compatible endpoint, by the rubric"
    ),
    "local:<path>": Entry(
        "mlubench.lifelong.asked_judges:local_judge", "a model in a Hugging Face folder, by how likely it says 0, 1, 2"
    ),
}
MODELS: Mapping[str, Entry] = {
    "toy": Entry("mlubench.models.toy:toy_base", "a tiny real LLaVA trained from scratch on rendered pictures"),
}


def row_of(kind: str, table: Mapping[str, Entry], name: str) -> tuple[Entry, str]:
    """The row that `name` stands for, and the argument in it: a row `openai:<model>` holds every `openai:` with one.

    Raises UsageError for a name the table does not hold.
    """
    prefix, sign, argument = name.partition(":")
    for row, entry in table.items():
        if (row == name and "<" not in row) or (argument and row.startswith(f"{prefix}{sign}<")):
            return entry, argument
    raise unknown_name(kind, name, table)


def resolve(kind: str, table: Mapping[str, Entry], name: str) -> Any:
    """The object that `name` stands for, without its argument. Raises UsageError for a name the table does not hold."""
    module, _, attribute = row_of(kind, table, name)[0].target.partition(":")
    return getattr(import_module(module), attribute)
