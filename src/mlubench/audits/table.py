"""The table of attacks: a new attack is a file in `attacks/`, a row here and a test."""

from mlubench.core.tables import Entry, Table

_ROOM = "mlubench.audits.attacks"

ATTACKS = Table(
    "attack",
    {
        "plain": Entry(f"{_ROOM}.plain:ATTACK", "the question as it stands"),
        "phrasing": Entry(f"{_ROOM}.phrasing:ATTACK", "other words, choices, turned round"),
        "prompting": Entry(f"{_ROOM}.prompting:ATTACK", "orders, roles, examples, begun answers"),
        "turns": Entry(f"{_ROOM}.turns:ATTACK", "several turns"),
        "picture": Entry(f"{_ROOM}.picture:ATTACK", "the picture changed, collages"),
        "names": Entry(f"{_ROOM}.names:ATTACK", "words alone name the entity, also misspelt"),
        "modality": Entry(f"{_ROOM}.modality:ATTACK", "picture and words that disagree"),
        "misrouting": Entry(
            f"{_ROOM}.misrouting:TO_THE_WRONG_EXPERT",
            "another forgotten thing named, whose expert answers",
        ),
        "hops": Entry(f"{_ROOM}.hops:ATTACK", "a fact through another fact"),
        "languages": Entry(f"{_ROOM}.languages:ATTACK", "German, French, Spanish"),
        "memory": Entry(f"{_ROOM}.memory:ATTACK", "what probabilities tell"),
        "probe": Entry(f"{_ROOM}.probe:ATTACK", "what linear probes read in hidden states"),
        "bypass": Entry(f"{_ROOM}.bypass:ATTACK", "the base alone"),
        "weights": Entry(f"{_ROOM}.weights:ATTACK", "rounding, pruning, noise"),
        "relearning": Entry(f"{_ROOM}.relearning:ATTACK", "a little training on other facts"),
        "lost": Entry(f"{_ROOM}.collateral:LOST", "kept facts that are lost"),
        "provoked": Entry(f"{_ROOM}.misrouting:PROVOKED", "kept facts beside what is forgotten"),
        "harmless": Entry(f"{_ROOM}.collateral:HARMLESS_REFUSED", "harmless questions refused"),
        "strangers": Entry(f"{_ROOM}.collateral:STRANGERS_REFUSED", "things of no task refused"),
        "general": Entry(f"{_ROOM}.general:LOST", "counting, colours, positions, reading: lost"),
        "general-refused": Entry(f"{_ROOM}.general:REFUSED", "the same, refused"),
    },
    group="mlubench.attacks",
)
