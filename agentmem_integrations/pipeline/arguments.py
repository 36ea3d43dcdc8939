"""Reads what callers pass: ids, texts, times, vectors. Each value is either good or named in an error."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import numpy as np

from ..config import ID_LIMIT, MAX_DIM, MAX_K, METADATA_LIMIT
from ..errors import FilterError, InvalidInputError, ScopeError, TextError, VectorError, shown
from ..filters import canonical, check_json
from ..models import KINDS, SHARED, Scope
from ..ports import Vector

LONGEST_TIME: Final = 100  # characters of an ISO 8601 text, with room to spare
JSON_GROWTH: Final = 32  # JSON is at most so many times as long as `check_json` counts: -2.2250738585072014e-308 counts as 1


def read_name(value: Any, what: str) -> str | None:
    """Return an id, role, name or namespace as given; None stays None.

    Raises:
        InvalidInputError: not text, empty, longer than `ID_LIMIT`, with a NUL, or not encodable.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidInputError(f"{what}={shown(value)} is a {type(value).__name__}: pass a string")
    if not 0 < len(value) <= ID_LIMIT:
        raise InvalidInputError(f"{what} has {len(value)} characters: 1 to {ID_LIMIT} are allowed")
    if "\x00" in value:
        raise InvalidInputError(f"{what}={shown(value)} contains a NUL character: remove it")
    if not value.isascii() and not _encodable(value):
        raise InvalidInputError(f"{what}={shown(value)} contains a lone surrogate, which is no text: remove it")
    return value


def read_scope(namespace: str, user_id: Any, agent_id: Any, session_id: Any, *, shared_by_default: bool = False) -> Scope:
    """Return whose memory a call is about.

    Args:
        namespace: The collection.
        user_id: The owner, `SHARED`, or None.
        agent_id: Narrows; None means any.
        session_id: Narrows; None means any.
        shared_by_default: Naming nobody is fine (document collections).

    Raises:
        ScopeError: nobody was named.
        InvalidInputError: an id that is no id.
    """
    agent, session = read_name(agent_id, "agent_id"), read_name(session_id, "session_id")
    if user_id is None:
        if agent is None and session is None and not shared_by_default:
            raise ScopeError("whose memory? Pass user_id=... (or agent_id, session_id), or user_id=SHARED for nobody's")
        user_id = SHARED
    return Scope(namespace, SHARED if user_id is SHARED else str(read_name(user_id, "user_id")), agent, session)


def read_text(text: Any, limit: int, truncate: bool = False) -> str:
    """Return the words to store.

    Raises:
        TextError: not text, blank, too long (unless `truncate`), with a NUL, or not encodable.
    """
    if not isinstance(text, str):
        raise TextError(f"the text is a {type(text).__name__}: pass a string")
    if len(text) > limit:
        if not truncate:
            raise TextError(f"the text has {len(text):,} characters, the limit is {limit:,}: split it, or pass truncate=True")
        text = text[:limit]
    if not text or text.isspace():
        raise TextError("the text is empty: there is nothing to remember")
    if "\x00" in text:
        raise TextError(f"the text contains a NUL character at position {text.index(chr(0))}: remove it")
    if not text.isascii() and not _encodable(text):
        raise TextError("the text contains a lone surrogate, which cannot be stored as UTF-8: decode it properly first")
    return str(text)


def words_of(content: Any) -> Any:
    """Return the text of a message's content, which chat APIs also send as a list of parts."""
    if not isinstance(content, list):
        return content
    parts = [p if isinstance(p, str) else p.get("text") for p in content if isinstance(p, str | Mapping)]
    return "\n".join(p for p in parts if isinstance(p, str))


def read_question(text: Any, limit: int) -> str:
    """Return the words of a question.

    Raises:
        TextError: see `read_text`.
    """
    if isinstance(text, str):
        if not text.strip():
            raise TextError("the question is empty: pass what is to be found; list() returns memories without one")
        if len(text) > limit:
            raise TextError(f"the question has {len(text):,} characters, the limit is {limit:,}: ask something shorter")
    return read_text(text, limit)


def read_moment(value: Any, what: str, *, end_of_day: bool = False) -> datetime | None:
    """Return an aware UTC datetime of an ISO text, a date or a datetime; a naive one is taken as UTC.

    Args:
        value: What the caller passed; None stays None.
        what: The argument's name.
        end_of_day: A bare date means its last instant, not its first.

    Raises:
        InvalidInputError: none of these, or out of range.
    """
    if value is None:
        return None
    original = value
    try:
        if isinstance(value, str):
            value = _date_or_datetime(value)
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime.combine(value, time.max if end_of_day else time.min)
        if isinstance(value, datetime):
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError, TypeError) as e:  # TypeError: a tzinfo that answers nonsense
        raise InvalidInputError(f"{what}={shown(original)} is no time ({e}): use ISO 8601 such as '2026-05-02T10:00:00Z'") from None
    raise InvalidInputError(f"{what}={shown(original)} is a {type(original).__name__}: pass an ISO 8601 text or a datetime")


def read_expiry(ttl: Any, expires_at: Any, now: datetime) -> datetime | None:
    """Return when a memory expires, from its time to live (seconds or timedelta) or the instant itself."""
    if ttl is None:
        return read_moment(expires_at, "expires_at")
    if expires_at is not None:
        raise InvalidInputError("ttl and expires_at were both given: pass one of them")
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
        raise InvalidInputError(f"ttl={shown(ttl)}: pass a positive number of seconds or a timedelta")
    try:
        return now + timedelta(seconds=seconds)
    except OverflowError:
        raise InvalidInputError(f"ttl={shown(ttl)} ends after the year 9999: leave it out for memories that never expire") from None


def read_metadata(value: Any) -> dict[str, Any]:
    """Return the caller's JSON object.

    Raises:
        InvalidInputError: not a dict, something JSON cannot give back unchanged, or longer than `METADATA_LIMIT`.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidInputError(f"metadata is a {type(value).__name__}: pass a dict")
    try:
        size = check_json(value, "metadata", METADATA_LIMIT)
    except FilterError as e:
        raise InvalidInputError(_blamed(value) or str(e)) from None
    plain: dict[str, Any] = {key: plain_json(item) for key, item in value.items()}
    if size * JSON_GROWTH > METADATA_LIMIT and (length := len(canonical(plain).encode())) > METADATA_LIMIT:
        raise InvalidInputError(f"metadata has {length:,} bytes of JSON, the limit is {METADATA_LIMIT:,}: keep large values elsewhere")
    return plain


def _blamed(metadata: Mapping[Any, Any]) -> str | None:
    """Return what is wrong with the first value that is refused; None if it is none of them, or they are too large together.

    By its place: a key may be a secret, as every word of a memory may.
    """
    room = METADATA_LIMIT
    for place, item in enumerate(metadata.values(), 1):
        try:
            room -= check_json(item, f"value {place} of the metadata", METADATA_LIMIT)
        except FilterError as e:
            return str(e)
        if room < 0:  # without end, perhaps
            return None
    return None


def read_value(value: Any) -> Any:
    """Return any JSON value, as it will be read back; None stays None.

    Raises:
        InvalidInputError: something JSON cannot give back unchanged, or larger than `ITEM_LIMIT`.
    """
    if value is None:
        return None
    try:
        check_json(value, "value")
    except FilterError as e:
        raise InvalidInputError(str(e)) from None
    return plain_json(value)


def read_kind(value: Any) -> str:
    """Return one of `KINDS`; None means `episode`."""
    if value is None:
        return "episode"
    if not isinstance(value, str) or value not in KINDS:
        raise InvalidInputError(f"kind={shown(value)} is unknown: use one of {', '.join(KINDS)}")
    return str(value)


def read_kinds(value: Any) -> tuple[str, ...] | None:
    """Return the kinds a search is narrowed to, of one kind or a list of them."""
    if value is None:
        return None
    kinds = (value,) if isinstance(value, str) else value
    if not isinstance(kinds, Iterable):
        raise InvalidInputError(f"kind={shown(value)}: pass a kind or a list of kinds")
    return tuple(read_kind(k) for k in kinds)


def read_fraction(value: Any, what: str) -> float | None:
    """Return a number from 0 to 1; None stays None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InvalidInputError(f"{what}={shown(value)}: pass a number from 0 to 1")
    return float(value)


def read_flag(value: Any, what: str) -> bool:
    """Return True or False; anything else, such as "no", is more likely a mistake than meant."""
    if not isinstance(value, bool):
        raise InvalidInputError(f"{what}={shown(value)}: pass True or False")
    return value


def read_choice(value: Any, what: str, choices: Sequence[str]) -> str:
    """Return one of a few fixed words."""
    if not isinstance(value, str) or value not in choices:
        raise InvalidInputError(f"{what}={shown(value)}: use one of {', '.join(map(repr, choices))}")
    return value


def read_count(value: Any, what: str, least: int = 1, most: int = MAX_K) -> int:
    """Return a whole number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidInputError(f"{what}={shown(value)}: pass a whole number from {least} to {most:,}")
    return value


def read_vector(value: Any, dim: int | None) -> Vector:
    """Return a caller's vector as float32 of unit length.

    Raises:
        VectorError: not numbers, wrong length, zero, or not finite.
    """
    try:
        given = None if isinstance(value, Sequence) and len(value) > MAX_DIM else np.asarray(value)
    except (ValueError, TypeError, OverflowError):
        raise VectorError("the vector is not a flat list of numbers") from None
    if given is None:
        raise VectorError(f"the vector has {len(value):,} numbers, more than any embedder gives")
    if given.dtype.kind not in "iuf":
        raise VectorError("the vector is not a list of numbers")
    with np.errstate(over="ignore"):  # of long doubles; infinity is refused below
        vector = given.astype(np.float64)
    if vector.ndim != 1 or not len(vector):
        raise VectorError(f"the vector has the shape {vector.shape}: pass a flat list of numbers")
    if dim is None:
        raise VectorError("this collection has no embedder, so nobody knows its vectors: open it with the embedder that made them")
    if len(vector) != dim:
        raise VectorError(f"the vector has {len(vector)} numbers, this collection's have {dim}")
    largest = float(np.abs(vector).max())
    if not math.isfinite(largest) or largest == 0:
        raise VectorError("the vector is zero or not finite: nothing can be compared with it")
    vector /= largest  # first, so that squares of huge numbers do not overflow
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def read_ids(value: Any) -> tuple[str, ...]:
    """Return ids of one id or several."""
    ids = (value,) if isinstance(value, str) else value
    if not isinstance(ids, Iterable) or isinstance(ids, Mapping):
        raise InvalidInputError(f"id={shown(value)}: pass an id or a list of ids")
    return tuple(str(read_name(i if i is not None else "", "id")) for i in ids)


def plain_json(value: Any) -> Any:
    """Return JSON made of dicts and lists alone, as it will be read back; a copy, which the caller cannot change later."""
    if isinstance(value, Mapping):
        return {key: plain_json(item) for key, item in value.items()}
    return [plain_json(item) for item in value] if isinstance(value, list | tuple) else value


def _date_or_datetime(text: str) -> date:
    if len(text) > LONGEST_TIME:
        raise ValueError(f"{len(text):,} characters")
    try:
        return date.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat(text)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_queue(value: Any) -> tuple[int, float] | None:
    """Return texts in a batch and milliseconds it may wait; None stays None."""
    if value is None:
        return None
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise InvalidInputError(f"queue={shown(value)}: pass texts in a batch and milliseconds it may wait, such as queue=(32, 10)")
    batch, wait = value
    if isinstance(wait, bool) or not isinstance(wait, int | float) or not 0 <= wait <= 60_000:
        raise InvalidInputError(f"queue={shown(value)}: the wait is 0 to 60,000 milliseconds")
    return read_count(batch, "queue[0]", 1, 100_000), float(wait)
