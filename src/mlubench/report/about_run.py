"""What a reader must know of a run before its scores, and what it takes to repeat it."""

from mlubench.report.labels import PUBLISHED_PROTOCOL, STAND_INS, label
from mlubench.report.score_table import duration
from mlubench.runs.results import Results
from mlubench.statistics.scores import METRICS


def notices(results: Results) -> list[str]:
    """What a reader must know before the scores: stand-ins, what is missing, and which judge is shown."""
    found = []
    if results.run.benchmark.protocol == "published":
        found.append(PUBLISHED_PROTOCOL)
    if results.run.stand_ins:
        found.append(STAND_INS)
    # Those that the run was asked for count too: one that has not started yet has no results.
    methods = {*results.run.methods, *results.methods}
    expected = len(results.steps()) * len(methods) * len(METRICS) * len(results.judges)
    if not results.methods:
        found.append("No archived model has been tested yet: only the base can be shown.")
    elif len(results.cells) < expected:
        found.append(f"This run is partial: {len(results.cells)} of {expected} scores are there.")
    if len(results.judges) > 1:
        found.append(
            f"Several judges scored this run ({', '.join(results.judges)}); "
            f"figures and breakdowns show {results.judges[0]}."
        )
    return found


def facts(results: Results) -> list[tuple[str, str]]:
    """What a reader needs to repeat the run, as (name, value); what the run does not say is left out."""
    run = results.run
    benchmark = run.benchmark
    fact_count = None
    if benchmark.facts is not None:
        fact_count = str(benchmark.facts)
        if benchmark.facts_dropped:
            fact_count += f" ({benchmark.facts_dropped} dropped)"
    versions = [f"{name} {version}" for name, version in run.versions.items()]
    found = [
        ("Preset", run.preset),
        ("Seed", run.seed),
        ("Benchmark", benchmark.kind),
        ("Sequence", " → ".join(results.tasks)),
        ("Facts", fact_count),
        ("Benchmark digest", benchmark.digest),
        ("Model", run.model),
        ("Methods", ", ".join(label(method) for method in results.methods)),
        ("Pictures in training", run.train_images),
        ("Judges", ", ".join(judge for judge in results.judges if judge)),
        ("Device", run.device),
        ("Finished", run.finished),
        ("Took", duration(run.seconds)),
        ("Versions", ", ".join(versions)),
    ]
    # A seed of 0 is said: only None and "" are missing.
    return [(name, str(value)) for name, value in found if value not in (None, "")]
