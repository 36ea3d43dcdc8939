"""Calls that nobody should make: every public verb, every argument, every kind of wrong value.

The verbs and their arguments are read from the classes, so one that is added later takes part by itself. What a call may do:
succeed, raise an error of our tree, or pass on what the caller's own object raised (`Theirs`). Anything else is a defect, and
so is an error of ours that hides one (`HIDING`).
"""

import asyncio
import collections
import enum
import inspect
import io
import pathlib
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import apsw
import numpy as np
from hypothesis import strategies as st

from agentmem_integrations import KINDS, SHARED, AgentMemError, AgentMemory, UserMemory
from agentmem_integrations.memory import Collection
from agentmem_integrations.testing.embedders import HashEmbedder

KEEPER: Final = "the keeper of what must stay"  # no call names this user
KEPT: Final = [f"kept note {n} about the lighthouse" for n in range(20)]
LONGEST_MESSAGE: Final = 5_000
HIDING: Final = ("the write failed", "please report this")
CLOSING: Final = {"close", "aclose"}  # called last, once: afterwards there is nothing to fuzz


class Theirs(Exception):  # noqa: N818 - what a caller's own code may raise
    """Raised by the objects below, as a caller's broken object would."""


# Values


class Hostile:
    """Raises whatever is done with it."""

    def _refuse(self, *_: Any) -> Any:
        raise Theirs

    __str__ = __repr__ = __eq__ = __ne__ = __lt__ = __gt__ = __le__ = __ge__ = __len__ = __iter__ = __bool__ = __hash__ = _refuse  # type: ignore[assignment]
    __float__ = __int__ = __index__ = __getitem__ = __contains__ = __fspath__ = __enter__ = __call__ = __array__ = _refuse


class HostileAttributes:
    """Raises when an attribute is looked up."""

    def __getattr__(self, name: str) -> Any:
        raise Theirs


class HostileMapping(dict[str, Any]):
    """A dict that cannot be read."""

    def _refuse(self, *_: Any) -> Any:
        raise Theirs

    items = keys = values = get = __iter__ = __getitem__ = __contains__ = _refuse  # type: ignore[assignment]


class HostileFile:
    """A file that fails."""

    def _refuse(self, *_: Any) -> Any:
        raise Theirs

    read = write = __iter__ = _refuse


class HostileZone(tzinfo):
    """A time zone that answers nonsense."""

    def utcoffset(self, dt: datetime | None) -> Any:
        return "noon"


class Word(str):
    """A text that is no plain str."""


class Choice(enum.Enum):
    """An enum of texts."""

    ONE = "one"


class Number(enum.IntEnum):
    """An enum of numbers."""

    ONE = 1


class Message:
    """Shaped like a framework's message, and wrong inside."""

    def __init__(self, content: Any, type: Any = "human", name: Any = None) -> None:
        self.content, self.type, self.name = content, type, name


def raising() -> Iterator[str]:
    """Give two items and raise."""
    yield "one"
    yield "two"
    raise Theirs


def nested(depth: int, wrap: Callable[[Any], Any], core: Any = 1) -> Any:
    """Return `core` inside so many containers."""
    for _ in range(depth):
        core = wrap(core)
    return core


def cyclic(kind: type) -> Any:
    """Return a container that holds itself."""
    whole: Any = kind()
    whole.append(whole) if kind is list else whole.update(self=whole)
    return whole


HOSTILE: Final[dict[str, Callable[[], Any]]] = {
    "None": lambda: None,
    "True": lambda: True,
    "zero": lambda: 0,
    "minus one": lambda: -1,
    "2**63": lambda: 2**63,
    "10**5000": lambda: 10**5000,
    "-10**5000": lambda: -(10**5000),
    "tiny": lambda: 5e-324,
    "huge": lambda: 1.7e308,
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "complex": lambda: 1j,
    "decimal": lambda: Decimal("NaN"),
    "empty": str,
    "blank": lambda: " \t\n",
    "NUL": lambda: "a\0b",
    "surrogate": lambda: "a\ud800b",
    "escaped byte": lambda: "a\udcffb",
    "every plane": lambda: "".join(chr(plane * 0x10000 + 0xFFF0) for plane in range(17)) + "\u202e\ufeff\U0001f9d1\u200d\U0001f680",
    "long": lambda: "x" * 200_000,
    "long id": lambda: "x" * 1_001,
    "digits": lambda: "9" * 100_000,
    "path": lambda: "../" * 40 + "x" * 300,
    "folder": lambda: ".",
    "words only": lambda: Word("tea"),
    "bytes": lambda: b"tea",
    "bytearray": lambda: bytearray(b"tea"),
    "object": object,
    "class": lambda: str,
    "function": lambda: repr,
    "enum": lambda: Choice.ONE,
    "int enum": lambda: Number.ONE,
    "empty list": list,
    "empty dict": dict,
    "tuple": lambda: ("a", 1, None),
    "set": lambda: {"a", 1},
    "frozenset": lambda: frozenset({"a"}),
    "generator": lambda: (n for n in ("a", "b")),
    "raising generator": raising,
    "range": lambda: range(3_000),
    "deep list": lambda: nested(100_000, lambda v: [v]),
    "deep dict": lambda: nested(100_000, lambda v: {"a": v}),
    "deep filter": lambda: nested(100_000, lambda v: {"$not": v}, {"a": 1}),
    "doubling list": lambda: nested(28, lambda v: [v, v]),
    "doubling filter": lambda: nested(28, lambda v: {"$and": [v, v]}, {"a": 1}),
    "doubling metadata": lambda: nested(28, lambda v: {"a": v, "b": v}),
    "wide dict": lambda: {f"k{n}": n for n in range(200_000)},
    "wide filter": lambda: {"$or": [{"a": n} for n in range(100_000)]},
    "long $in": lambda: {"a": {"$in": range(10**9)}},
    "many kinds of $in": lambda: {"a": {"$in": [None, True, [1], {"b": 2}] * 3_000}},
    "cyclic list": lambda: cyclic(list),
    "cyclic dict": lambda: cyclic(dict),
    "keys that are no text": lambda: {1: "a", None: "b", (1,): "c"},
    "operators": lambda: {"$and": 1, "$eq": {"$gt": []}, "a": {"$gt": {"$lt": 1}, "b": 2}},
    "proxy": lambda: MappingProxyType({"a": 1}),
    "counter": lambda: collections.Counter("abc"),
    "item": lambda: {"content": "tea", "metadata": 5, "ttl": -1},
    "item of parts": lambda: {"content": [{"text": 1}, {"text": ["x"]}, 5, None], "tool_calls": np.zeros(3)},
    "year 1": lambda: datetime(1, 1, 1),  # noqa: DTZ001 - naive on purpose
    "year 1 east": lambda: datetime.min.replace(tzinfo=timezone(timedelta(hours=23, minutes=59))),
    "year 9999": lambda: datetime.max.replace(tzinfo=UTC),
    "year 9999 west": lambda: datetime.max.replace(tzinfo=timezone(-timedelta(hours=23, seconds=1))),
    "odd zone": lambda: datetime(2026, 1, 1, tzinfo=timezone(timedelta(microseconds=1))),
    "hostile zone": lambda: datetime(2026, 1, 1, tzinfo=HostileZone()),
    "date": lambda: date.max,
    "time": lambda: time.max,
    "longest": lambda: timedelta.max,
    "shortest": lambda: timedelta.min,
    "ISO": lambda: "0001-01-01T00:00:00+23:59",
    "week": lambda: "2026-W53-7",
    "numbers": lambda: np.arange(3),
    "NaNs": lambda: np.full(64, np.nan),
    "numpy number": lambda: np.int64(3),
    "numpy fraction": lambda: np.float64(0.5),
    "numpy truth": lambda: np.bool_(True),
    "long doubles": lambda: np.full(64, np.finfo(np.longdouble).max),
    "zero vector": lambda: [0.0] * 64,
    "subnormal vector": lambda: [5e-324] * 64,
    "endless vector": lambda: {"content": "tea", "vector": range(10**12)},
    "endless list": lambda: [{"content": range(10**12)}],
    "huge vector": lambda: [1.7e308] * 64,
    "ragged": lambda: [[1.0], [1.0, 2.0]],
    "hostile": Hostile,
    "list of hostile": lambda: [Hostile()],
    "dict of hostile": lambda: {"content": Hostile(), "a": Hostile()},
    "hostile attributes": HostileAttributes,
    "hostile mapping": HostileMapping,
    "message": lambda: Message(5),
    "message of nonsense": lambda: Message("tea", type=5, name=Hostile()),
    "embedder of nonsense": lambda: type("E", (), {"embed_documents": len, "embed_query": len, "dim": "x", "name": Hostile()})(),
    "embedder without size": lambda: type("E", (), {"embed_documents": list, "embed_query": list, "dim": -1})(),
    "buffer": lambda: io.BytesIO(b"not an export\n"),
    "lines of text": lambda: io.StringIO('{"format": "agentmem-export"}\n'),
    "hostile file": HostileFile,
    "file name": lambda: pathlib.PurePath("left behind"),
    "shared": lambda: SHARED,
    "FTS5": lambda: '"unclosed NEAR( scope : "1" OR body:* -a ^b AND NOT {context} + *',
    "SQL": lambda: "'); DROP TABLE memories; --",
    "LIKE": lambda: "%_\\%",
    "format": lambda: "{where} %s %(x)s {0}",
}


BOMBS: Final = {"long $in", "doubling metadata", "doubling filter", "deep filter", "wide filter", "wide dict"}
"""Those that take a second and more where they are taken apart."""


@dataclass(frozen=True)
class Made:
    """Names a hostile value, which is made anew for each call: some can be used once, and none should be printed."""

    name: str

    def __repr__(self) -> str:
        return f"<{self.name}>"


def made(value: Any) -> Any:
    """Return the value with all that is named in it made."""
    if isinstance(value, Made):
        return HOSTILE[value.name]()
    if type(value) is dict:
        return {key: made(item) for key, item in value.items()}
    return [made(item) for item in value] if type(value) is list else value


letters = st.characters(exclude_categories=())  # all of Unicode, lone surrogates too
pieces = st.sampled_from([
    '"', "*", "NEAR(", ")", "-", ":", "^", "scope", "body:", "context", "{body}", " AND ", " OR ", " NOT ", "%", "_", "'", ";", "--", "\\",
    "DROP TABLE memories", "tea", "Lisbon", "茶", "รหัส", "é", "\0", "\ud800", "\U0010ffff", "1", "NULL", "$and", "?", "?1", "@a",
])  # fmt: skip
texts = st.lists(pieces | st.text(letters, max_size=5), min_size=1, max_size=5).map("".join)
hostile = st.sampled_from(sorted(HOSTILE)).map(Made)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
anything = st.recursive(
    hostile | scalars | st.datetimes() | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | scalars, inner, max_size=3),
    max_leaves=6,
)
json_values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6)
metadata = st.dictionaries(texts, json_values, max_size=3)
operators = st.sampled_from(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$contains", "$not", "$like"])
comparisons = json_values | st.dictionaries(operators, json_values | st.lists(json_values, max_size=3), max_size=2)
filters = st.recursive(
    st.dictionaries(texts, comparisons, max_size=2),
    lambda inner: (
        st.dictionaries(st.sampled_from(["$and", "$or"]), st.lists(inner, min_size=1, max_size=3), min_size=1, max_size=1)
        | inner.map(lambda f: {"$not": f})
    ),
    max_leaves=4,
)
users = st.sampled_from(["ana", "ben", "' OR 1=1 --", "ana\n", "SHARED", '["ana"]'])
ids = st.sampled_from(["m1", "m2", "m3", "'", "%"])
moments = st.sampled_from(["2026-05-02", "2026-05-02T10:00:00Z", "0001-01-01", "9999-12-31"]) | st.datetimes() | st.dates()
items = texts | st.fixed_dictionaries(
    {"content": texts},
    optional={"id": ids, "metadata": metadata, "timestamp": moments, "name": texts, "vector": anything, "kind": anything},
)
SOUND: Final[dict[str, st.SearchStrategy[Any]]] = {
    "path": st.sampled_from(["one.jsonl", "two.db", Path("three.jsonl"), "no such folder/x"]),
    "content": items | st.lists(items, max_size=3),
    "items": st.lists(items, max_size=4),
    "query": texts,
    "text": texts,
    "id": ids | st.lists(ids, max_size=3),
    "user_id": users,
    "agent_id": texts,
    "session_id": texts,
    "namespace": texts,
    "role": texts,
    "name": texts,
    "metadata": metadata,
    "filter": filters,
    "kind": st.sampled_from(KINDS),
    "after": ids | moments,
    "before": moments,
    "at": moments,
    "timestamp": moments,
    "expires_at": moments,
    "ttl": st.floats(min_value=1e-6, max_value=1e6) | st.timedeltas(),
    "importance": st.floats(0, 1),
    "min_score": st.floats(0, 1),
    "k": st.integers(1, 1_000),
    "limit": st.integers(1, 1_000),
    "offset": st.integers(0, 50),
    "using": st.sampled_from(["hybrid", "vector", "text"]),
    "mode": st.sampled_from(["fast", "batch"]),
    "embedder": st.none(),
}
"""Values that get past an argument's own check, so that the others and what comes behind them are reached as well."""

SIMPLE: Final[dict[str, Any]] = {
    "path": "one.jsonl", "content": "tea", "items": ["tea", {"content": "milk", "id": "m2"}], "query": "tea", "text": "green tea",
    "id": "m1", "user_id": "ana", "name": "other", "embedder": None,
}  # fmt: skip


# Entries


@dataclass(frozen=True)
class Entry:
    """A public verb of one of the three faces.

    Attributes:
        face: The class.
        verb: The method's name.
        arguments: Names of its arguments.
        needed: Those without a default.
    """

    face: type
    verb: str
    arguments: tuple[str, ...]
    needed: tuple[str, ...]

    def __repr__(self) -> str:
        return f"{self.face.__name__}.{self.verb}"


def entries() -> list[Entry]:
    """Return every public verb of every face, and the constructor."""
    found = [_entry(AgentMemory, "__init__", inspect.signature(AgentMemory.__init__))]
    for face in (AgentMemory, Collection, UserMemory):
        for verb, method in inspect.getmembers(face, callable):
            if not verb.startswith("_") and verb not in CLOSING:
                found.append(_entry(face, verb, inspect.signature(method)))
    return found


def _entry(face: type, verb: str, signature: inspect.Signature) -> Entry:
    parameters = [p for p in signature.parameters.values() if p.name != "self"]
    named = [p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    arguments = [p.name for p in named]
    if len(named) < len(parameters):  # an alias takes what the verb takes that it names
        alias = re.search(r"Alias of `(\w+)`", inspect.getdoc(getattr(face, verb)) or "")
        assert alias, f"{verb} takes **options: say of what, as in 'Alias of `add`'"
        arguments += [name for name in inspect.signature(getattr(face, alias[1])).parameters if name not in {"self", *arguments}]
    return Entry(face, verb, tuple(arguments), tuple(p.name for p in named if p.default is p.empty))


ENTRIES: Final = entries()


@dataclass
class Call:
    """A call to be made."""

    entry: Entry
    arguments: dict[str, Any]

    def __repr__(self) -> str:
        return f"{self.entry}({', '.join(f'{name}={value!r}' for name, value in self.arguments.items())})"


@st.composite
def calls(draw: st.DrawFn) -> Call:
    """A call whose arguments are sound, but for a few."""
    entry = draw(st.sampled_from(ENTRIES))
    wrong = draw(st.lists(st.sampled_from(entry.arguments), max_size=2)) if entry.arguments else []
    given = {*entry.needed, *wrong, *(name for name in entry.arguments if name in SOUND and draw(st.integers(0, 3)) == 0)}
    if "user_id" in entry.arguments and draw(st.integers(0, 9)):
        given.add("user_id")
    return Call(entry, {
        name: draw(anything if name in wrong else SOUND.get(name, anything)) for name in entry.arguments if name in given
    })  # fmt: skip


def sweep() -> Iterator[Call]:
    """Give for every argument of every verb a call with every hostile value in it, and none wrong otherwise."""
    for entry in ENTRIES:
        base = {name: SIMPLE.get(name, Made("object")) for name in entry.needed}
        if "user_id" in entry.arguments and entry.face is not UserMemory:
            base["user_id"] = "ana"
        yield Call(entry, base)
        for argument in entry.arguments:
            for name in HOSTILE:
                yield Call(entry, {**base, argument: Made(name)})


def several(rng: random.Random, count: int) -> Iterator[Call]:
    """Give so many calls, each with up to four hostile values; those that take seconds were in the sweep."""
    quick = [name for name in HOSTILE if name not in BOMBS]
    for _ in range(count):
        entry = rng.choice(ENTRIES)
        arguments = {name: SIMPLE.get(name, Made("object")) for name in entry.needed}
        if "user_id" in entry.arguments and entry.face is not UserMemory:
            arguments["user_id"] = "ana"
        for argument in rng.sample(entry.arguments, min(len(entry.arguments), rng.randrange(5))):
            arguments[argument] = SIMPLE[argument] if argument in SIMPLE and rng.random() < 0.3 else Made(rng.choice(quick))
        yield Call(entry, arguments)


# Making the calls


@dataclass
class House:
    """A store with memories that must stay, and the three faces to it.

    Args:
        folder: Where the file is; every relative path of a call leads there too, if it is the current folder.
    """

    folder: Path
    made: collections.Counter[str] = field(default_factory=collections.Counter)
    outcomes: collections.Counter[str] = field(default_factory=collections.Counter)

    def __post_init__(self) -> None:
        self.path = str(self.folder / "memory.db")
        self.loop = asyncio.new_event_loop()
        self.open()
        self.mem.add_batch(
            [{"content": text, "id": f"kept {n}", "metadata": {"n": n}} for n, text in enumerate(KEPT)], user_id=KEEPER, on_error="raise"
        )
        self.kept = self.mem.list(user_id=KEEPER)

    def open(self) -> None:
        """Open the faces."""
        self.mem = AgentMemory(self.path, embedder=HashEmbedder())
        self.faces: dict[type, Any] = {
            AgentMemory: self.mem,
            Collection: self.mem.collection("documents", embedder=HashEmbedder(), twins="keep"),
            UserMemory: self.mem.for_user("ana"),
        }

    def close(self) -> None:
        """Close everything."""
        self.mem.close()
        self.loop.close()

    def make(self, call: Call) -> None:
        """Make a call; raise what must not come out of it."""
        self.made[repr(call.entry)] += 1
        arguments = {name: made(value) for name, value in call.arguments.items()}
        try:
            if call.entry.verb == "__init__":
                AgentMemory(**arguments).close()
            elif inspect.iscoroutinefunction(method := getattr(self.faces[call.entry.face], call.entry.verb)):
                self.loop.run_until_complete(method(**arguments))
            else:
                method(**arguments)
        except AgentMemError as error:
            if hidden := next((words for words in HIDING if words in str(error)), None):
                raise AssertionError(f"{call} hides something behind {hidden!r}") from error
            if len(str(error)) > LONGEST_MESSAGE:
                raise AssertionError(f"{call} raises an endless message") from error
            self.outcomes[type(error).__name__] += 1
        except Theirs:
            self.outcomes["the caller's own error"] += 1
        except BaseException as error:
            error.add_note(f"raised by {call!r}"[:2_000])
            raise
        else:
            self.outcomes["done"] += 1

    def check(self) -> None:
        """Fail if the store is damaged, or what must stay was touched."""
        assert self.mem.list(user_id=KEEPER) == self.kept
        hits = self.mem.search("lighthouse", user_id=KEEPER, k=100, using="text")
        assert {hit.memory.text for hit in hits} == set(KEPT)
        assert self.mem.search(KEPT[7], user_id=KEEPER, using="vector")[0].memory.text == KEPT[7]
        damage(self.path)


def damage(path: str) -> None:
    """Fail if the file is not sound."""
    connection = apsw.Connection(path)
    connection.set_busy_timeout(10_000)  # vectors of questions are kept while nobody waits
    try:
        assert connection.pragma("integrity_check") == "ok"
        assert connection.pragma("foreign_key_check") is None
        connection.execute("INSERT INTO memories_fts (memories_fts, rank) VALUES ('integrity-check', 1)")
        lost = "SELECT count(*) FROM vectors WHERE memory NOT IN (SELECT no FROM memories WHERE deleted_at IS NULL)"
        assert connection.execute(lost).get == 0
    finally:
        connection.close()


def told(house: House) -> str:
    """Return what was done, in words."""
    outcomes: Mapping[str, int] = dict(house.outcomes.most_common())
    return f"{house.made.total():,} calls of {len(house.made)} verbs: {outcomes}"
