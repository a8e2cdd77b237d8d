"""Figures for Prometheus. None of them says who is to be forgotten, or which answers an expert gave."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """What one server counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, what: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(f"mlubench_{name}", what, labels, registry=self.registry)

        self.responses = counter("responses", "Responses.", ("endpoint", "status"))
        self.prompt_tokens = counter("prompt_tokens", "Tokens of questions, with their pictures.")
        self.answer_tokens = counter("answer_tokens", "Tokens of answers.")
        self.faults = counter(
            "faults", "Refusals in place of an answer, since the gate or an expert failed."
        )
        self.left = counter("left", "Requests whose caller left before the answer.")
        self.seconds = Histogram(
            "mlubench_answer_seconds",
            "From a request's arrival to its answer.",
            registry=self.registry,
            buckets=_SECONDS,
        )

    def watch(self, name: str, what: str, value: Callable[[], float]) -> None:
        """A figure that is asked for whenever figures are."""
        Gauge(f"mlubench_{name}", what, registry=self.registry).set_function(value)

    def text(self) -> bytes:
        return generate_latest(self.registry)
