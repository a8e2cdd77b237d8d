"""Where linear probes read a language model: after which share of its layers, at which tokens of an answer. No torch."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Site:
    """One place that a probe reads."""

    name: str
    # The share of the layers that is below it, above 0 and up to 1.
    depth: float
    # Whether each token of the answer is read, and not the last alone: see `probing.candidate_states`.
    each_token: bool


def _sites(words: str, *, each_token: bool) -> tuple[Site, ...]:
    return (
        Site(f"{words}, a third up", 1 / 3, each_token),
        Site(f"{words}, two thirds up", 2 / 3, each_token),
        Site(f"{words}, last layer", 1.0, each_token),
    )


SITES = (*_sites("last token", each_token=False), *_sites("each token", each_token=True))
