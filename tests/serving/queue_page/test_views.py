"""When a request is due, in words."""

from dataclasses import replace
from datetime import UTC, datetime

from mlubench.requests.queue import DeletionRequest
from mlubench.serving.queue_page.views import Due

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROW = DeletionRequest(
    id="req-1",
    key="key",
    content="content",
    entity="Movies/It",
    state="received",
    received="2026-02-01T00:00:00.000+00:00",
    due="2026-03-03T12:00:00+00:00",
)


def test_days_are_counted_while_somebody_has_to_do_something() -> None:
    assert Due.of(ROW, NOW).words == "2026-03-03, in 2 days"
    late = Due.of(replace(ROW, due="2026-03-01T11:00:00+00:00"), NOW)
    assert (late.words, late.is_overdue) == ("2026-03-01, overdue", True)
    active = Due.of(replace(ROW, due="2026-02-01T11:00:00+00:00", state="active"), NOW)
    assert (active.words, active.is_overdue) == ("2026-02-01", False)
