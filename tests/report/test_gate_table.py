"""What the gate in use states stands below the gates, with the requests that it thinks ill of."""

from mlubench.report.gate_table import gate_note
from mlubench.runs.gate_rows import GateRow, StatedRow
from mlubench.runs.results import Results


def test_the_gate_in_use_states_its_errors_as_it_was_last_fitted() -> None:
    def row(after: str, words: str, *, configured: bool = True) -> GateRow:
        stated = StatedRow(in_words=words, flagged={f"Animals/{after}": "it has 2 pictures"})
        return GateRow(gate="hybrid", after=after, configured=configured, stated=stated)

    gates = [row("A", "first"), row("B", "last"), row("B", "another", configured=False)]
    note = gate_note(Results(schema_version=1, gates=gates))
    assert "The gate in use states: last Animals/B: it has 2 pictures." in note
    assert "first" not in note and "another" not in note


def test_older_results_state_nothing() -> None:
    note = gate_note(Results(schema_version=1, gates=[GateRow(gate="hybrid", configured=True)]))
    assert "states" not in note
