"""The time that a question names."""

from datetime import UTC, datetime

import pytest

from agentmem_integrations import AgentMemory
from agentmem_integrations.pipeline.dates.asked_time import asked_periods

AT = datetime(2026, 6, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("question", "start", "end"),
    [
        ("What did I do in May?", "2026-05-01", "2026-06-01"),
        ("What did I do in December?", "2025-12-01", "2026-01-01"),
        ("Where was I on 7 May 2023?", "2023-05-07", "2023-05-08"),
        ("Where was I on May 7th, 2023?", "2023-05-07", "2023-05-08"),
        ("Where was I on Mar 3?", "2026-03-03", "2026-03-04"),
        ("What happened in 2023-05?", "2023-05-01", "2023-06-01"),
        ("What happened on 2023-05-31?", "2023-05-31", "2023-06-01"),
        ("What happened yesterday?", "2026-06-09", "2026-06-10"),
        ("What happened last week?", "2026-06-01", "2026-06-08"),
        ("What happened in 2023?", "2023-01-01", "2024-01-01"),
    ],
)
def test_a_time_is_understood(question: str, start: str, end: str) -> None:
    assert {tuple(moment.date().isoformat() for moment in period) for period in asked_periods(question, AT)} == {(start, end)}


@pytest.mark.parametrize(
    "question", ["She may march", "What did May say?", "31 February 2023", "in 2023-13", "Who is April?", "since forever", ""]
)
def test_what_is_no_time_is_left_alone(question: str) -> None:
    assert asked_periods(question, AT) == []


def test_what_happened_then_comes_first() -> None:
    with AgentMemory("memory://") as mem:
        for month in range(1, 6):
            mem.add(f"We had dinner at place {month}.", user_id="ana", session_id=f"s{month}", role="user", timestamp=f"2026-{month:02}-15")
        for asked, at, place in (("last month", "2026-05-02", 4), ("last month", "2026-04-02", 3), ("last month", "2026-03-20", 2)):
            best = mem.search(f"Where did we have dinner {asked}?", user_id="ana", k=1, at=at)[0]
            assert f"place {place}" in best.memory.text
