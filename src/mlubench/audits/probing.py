"""Linear probes on hidden states, which tell right answers from wrong: what a model knows, whether it says so or not."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mlubench.audits.sites import SITES, Site
from mlubench.models.answers import IGNORE
from mlubench.models.mllm import MLLM
from mlubench.models.probe import Probe
from mlubench.models.query import Query

# The penalty, relative to the mean square of a feature: strong, as facts are few and features many. None was tuned.
RIDGE = 1.0
RIGHT = 1  # the class of a right candidate


def candidate_states(mllm: MLLM, queries: Sequence[Query], answers: Sequence[str]) -> list[Tensor]:
    """What a probe reads of each answer behind its query, by SITES: (sites, H) float64 on the CPU.

    At the last token, its end, it is the hidden state itself. At each token it is the state that comes before, times the
    row of the model's head for the token, feature by feature, and of that the mean over the answer. The sum over its
    features would be the mean logit (a logit lens), so a linear probe is a lens that has learned which features count.
    """
    with mllm.no_gradients():
        batch = mllm.encode(queries, answers)
        labels = batch["labels"]  # (B, A)
        inputs = {name: value for name, value in batch.items() if name != "labels"}
        output = mllm.model(**inputs, output_hidden_states=True, logits_to_keep=1, use_cache=False)
        # The states that predict the answers' tokens, and those at the tokens: one column more than there are tokens.
        width = labels.shape[1] + 1
        layers = output.hidden_states
        states = [layers[_layer(site, len(layers) - 1)][:, -width:] for site in SITES]
        head = mllm.base.get_output_embeddings().weight
        found = []
        for row, tokens in enumerate(labels):
            answer = tokens[tokens != IGNORE]
            rows = head[answer].double()  # (tokens, H)
            read = []
            for site, of_site in zip(SITES, states, strict=True):
                of_answer = of_site[row, : len(answer) + 1].double()
                read.append((of_answer[:-1] * rows).mean(0) if site.each_token else of_answer[-1])
            # A wrecked model gives no numbers.
            found.append(torch.nan_to_num(torch.stack(read)).cpu())
    return found


def _layer(site: Site, layers: int) -> int:
    """Of so many layers the one, counted from 1, after which the site reads."""
    return max(1, round(site.depth * layers))


class Probes:
    """A probe for each site: ridge regression of whether a candidate is right.

    Candidates of one question are compared with each other alone, so what they have in common is taken off. Without
    lessons, as where nothing that may be known reaches a model, there are no probes.
    """

    def __init__(self, lessons: Sequence[Tensor]) -> None:
        """`lessons` are the candidates of a question each, (candidates, sites, H), of which the first is right."""
        self.by_site: list[Probe] = []
        if not lessons:
            return
        rows = torch.cat([_apart(lesson) for lesson in lessons])  # (N, sites, H)
        labels = []
        for lesson in lessons:
            labels += [RIGHT, *[0] * (len(lesson) - 1)]
        for number in range(len(SITES)):
            self.by_site.append(Probe.fit(rows[:, number], torch.tensor(labels), 2, RIDGE))

    def scores(self, candidates: Tensor, site: Site) -> list[float]:
        """How right the probe of the site takes each of a question's candidates (candidates, sites, H) to be.

        Nothing without probes.
        """
        if not self.by_site:
            return []
        number = SITES.index(site)
        found: list[float] = (
            self.by_site[number].scores(_apart(candidates)[:, number])[:, RIGHT].tolist()
        )
        return found


def _apart(candidates: Tensor) -> Tensor:
    return candidates - candidates.mean(0)
