"""Minutes, hours, days, weeks, months and years, counted from an instant, as ISO text."""

from datetime import date, datetime, timedelta

from ..models import Precision

Meaning = tuple[str, Precision]
"""ISO text, and the unit that it names."""


def shifted(now: datetime, count: int, unit: Precision) -> Meaning:
    """Return the minute, hour, day, ... that lies `count` of them from `now`; a negative count lies before.

    Raises:
        ValueError, OverflowError: before the year 1 or after 9999.
    """
    match unit:
        case "minute":
            return f"{now + timedelta(minutes=count):%Y-%m-%dT%H:%M}", unit
        case "hour":
            return f"{now + timedelta(hours=count):%Y-%m-%dT%H:00}", unit
        case "day":
            return day(now.date() + timedelta(days=count))
        case "week" | "weekend":
            first = monday(now.date()) + timedelta(weeks=count)
            last = first + timedelta(days=6)
            return f"{first + timedelta(days=5) if unit == 'weekend' else first}/{last}", unit
        case "month":
            years, before = divmod(now.month - 1 + count, 12)
            return month(now.year + years, before + 1)
        case "year":
            return f"{date(now.year + count, 1, 1).year:04}", unit


def day(of: date) -> Meaning:
    """Return one day."""
    return of.isoformat(), "day"


def month(year: int, number: int) -> Meaning:
    """Return one month, 1 to 12."""
    return date(year, number, 1).isoformat()[:7], "month"


def clock(of_day: str, hour: int, minute: int, half: str) -> Meaning | None:
    """Return a time of a day; None if no clock shows it.

    Args:
        of_day: ISO date.
        hour: 0 to 23, or 1 to 12 with `half`.
        minute: 0 to 59.
        half: `a` for a.m., `p` for p.m., or empty.
    """
    if minute > 59 or hour > 23 or (half and not 1 <= hour <= 12):
        return None
    hour = hour % 12 + (12 if half == "p" else 0) if half else hour
    return f"{of_day}T{hour:02}:{minute:02}", "minute"


def monday(of: date) -> date:
    """Return the first day of a date's week."""
    return of - timedelta(days=of.weekday())
