"""Linear probes on hidden states: whether a model knows a forgotten truth inside, though it neither says nor favours it."""

from mlubench.audits.attack import AMONG_RIVALS, Attack, Way, among_rivals
from mlubench.audits.sites import SITES, Site


def _read_at(site: Site) -> Way:
    return Way(site.name, among_rivals, chance=AMONG_RIVALS, probe=site)


ATTACK = Attack(
    meaning="how often a linear probe, trained on kept facts, takes the truth for the rightest of four, above chance",
    ways=tuple(_read_at(site) for site in SITES),
    access="weights",
)
