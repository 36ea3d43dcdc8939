"""Each wrong call is one specific error that names the value and the way out, and stores nothing."""

import itertools
import os
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import apsw
import pytest

from agentmem_integrations import (
    AgentMemError,
    AgentMemory,
    ClosedError,
    ConflictError,
    EmbedderMismatchError,
    EmbeddingError,
    FilterError,
    InvalidInputError,
    NotADatabaseError,
    SchemaError,
    ScopeError,
    StoreFullError,
    TextError,
    errors,
)
from agentmem_integrations.testing.embedders import HashEmbedder

Opened = Callable[..., AgentMemory]


def test_every_error_is_of_one_tree() -> None:
    found = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception) and not issubclass(e, Warning)]
    assert all(issubclass(e, AgentMemError) for e in found)
    assert all(e.__doc__ for e in found)
    assert all(re.search(rf"\b{e.__name__}\b", errors.__doc__ or "") for e in found)


# Texts


@pytest.mark.parametrize(
    "text", ["", " ", "\t\n\r", "\u3000\u2028\xa0", None, 7, b"tea", 1.5, True, object(), {}, {"text": ""}, {"content": None}, [], [[]],
             {"content": []}, {"content": [{"type": "image_url"}]}, {"content": 7}, "\0", "a\0b", "\ud800", "tea \udfff"],
)  # fmt: skip
def test_what_is_no_text_is_refused(mem: AgentMemory, text: Any) -> None:
    with pytest.raises(TextError):
        mem.add(text, user_id="ana")
    assert mem.add_batch([text], user_id="ana")[0].error is not None
    mem.add("tea", id="m", user_id="ana")
    if not isinstance(text, dict | list) and text is not None:
        with pytest.raises(TextError):
            mem.update("m", text=text)
        with pytest.raises(TextError):
            mem.search(text, user_id="ana")
    assert [m.text for m in mem.list(user_id="ana")] == ["tea"]


def test_a_text_at_the_limit_is_stored_and_one_beyond_it_is_refused(mem: AgentMemory) -> None:
    mem.add("x" * 131_072, user_id="ana")
    with pytest.raises(TextError, match=r"131,073.*131,072.*truncate=True"):
        mem.add("x" * 131_073, user_id="ana")
    assert [len(m.text) for m in mem.list(user_id="ana")] == [131_072]


def test_truncate_cuts_a_text_at_the_limit(mem: AgentMemory) -> None:
    assert mem.add("é" * 140_000, user_id="ana", truncate=True).events[0].memory.text == "é" * 131_072
    assert mem.add_batch(["y" * 140_000], user_id="ana", truncate=True)[0].error is None
    assert len(mem.update(mem.list(user_id="ana")[0].id, text="z" * 140_000, truncate=True).text) == 131_072


def test_truncate_to_nothing_but_white_space_is_refused(url: str, opened: Opened) -> None:
    with pytest.raises(TextError, match="empty"):
        opened(url, text_limit=3).add("   tea", user_id="ana", truncate=True)


def test_the_limit_can_be_set(url: str, opened: Opened) -> None:
    mem = opened(url, text_limit=5)
    mem.add("12345", user_id="ana")
    with pytest.raises(TextError, match="limit is 5"):
        mem.add("123456", user_id="ana")


# Ids


def test_naming_nobody_is_refused_with_the_ways_out(mem: AgentMemory) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: mem.add("tea"), lambda: mem.add_batch(["tea"]), lambda: mem.search("tea"), lambda: mem.list(), lambda: mem.delete(),
        lambda: mem.purge(), lambda: mem.delete(filter={"a": 1}),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(ScopeError, match=r"user_id.*SHARED"):
            call()


BAD_IDS = ["", "a\0b", "x" * 1_001, "\ud800", 7, b"ana", True, 1.5, ["ana"], {}, object()]


@pytest.mark.parametrize("bad", BAD_IDS)
@pytest.mark.parametrize("field", ["user_id", "agent_id", "session_id", "role", "name", "id"])
def test_what_is_no_id_is_refused_by_name(mem: AgentMemory, field: str, bad: Any) -> None:
    with pytest.raises(InvalidInputError, match=field):
        mem.add("tea", **{"user_id": "ana", field: bad})
    if field != "user_id":
        with pytest.raises(InvalidInputError, match=field):
            mem.add({"text": "tea", field: bad}, user_id="ana")
    if field.endswith("_id"):
        for call in (lambda **k: mem.search("tea", **k), mem.list, mem.delete, mem.purge):
            with pytest.raises(InvalidInputError, match=field):
                call(**{"user_id": "ana", field: bad})
    assert mem.list(user_id="ana") == []


@pytest.mark.parametrize("bad", [*BAD_IDS, None])
def test_what_is_no_memory_id_is_refused(mem: AgentMemory, bad: Any) -> None:
    for call in (mem.get, mem.history, lambda memory_id: mem.update(memory_id, text="x")):
        with pytest.raises(InvalidInputError, match="id"):
            call(bad)
    if bad is not None and not isinstance(bad, list):
        for call in (mem.delete, mem.purge):
            with pytest.raises(InvalidInputError, match="id"):
                call(bad)


def test_ids_of_a_thousand_characters_are_fine(mem: AgentMemory) -> None:
    long = "é" * 1_000
    mem.add("tea", user_id=long, id=long, agent_id=long, session_id=long)
    assert [m.id for m in mem.list(user_id=long, agent_id=long, session_id=long)] == [long]
    assert mem.get(long, user_id=long) is not None


def test_ids_among_several_are_each_checked(mem: AgentMemory) -> None:
    mem.add("tea", id="m", user_id="ana")
    for bad in (["m", None], ["m", 7], ["m", ""], {"m": 1}, 7):
        with pytest.raises(InvalidInputError):
            mem.delete(bad)  # type: ignore[arg-type]
    assert mem.get("m") is not None


# Other values


@pytest.mark.parametrize("k", [0, -1, 1_001, 1.0, "10", None, True, float("nan")])
def test_k_is_a_whole_number_from_1_to_1000(mem: AgentMemory, k: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"k=.*1 to 1,000"):
        mem.search("tea", user_id="ana", k=k)


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("search", {"offset": -1}), ("search", {"offset": 995}), ("search", {"offset": "1"}), ("search", {"using": "magic"}),
    ("search", {"using": None}), ("search", {"min_score": 2}), ("search", {"min_score": "0"}), ("search", {"min_score": float("nan")}),
    ("search", {"kind": "typo"}), ("search", {"kind": ["episode", "typo"]}), ("search", {"kind": 5}), ("search", {"kind": [5]}),
    ("search", {"after": "yesterday"}), ("search", {"before": 5}), ("search", {"at": "2026-13-01"}), ("search", {"filter": "x"}),
    ("list", {"limit": 0}), ("list", {"limit": 10_001}), ("list", {"limit": "5"}), ("list", {"after": 5}), ("list", {"after": ""}),
    ("list", {"kind": "typo"}), ("list", {"kind": 5}),
    ("add", {"timestamp": "yesterday"}), ("add", {"timestamp": 1_700_000_000}), ("add", {"timestamp": "0001-01-01T00:00:00+05:00"}),
    ("add", {"timestamp": "9999-12-31T23:59:59-05:00"}), ("add", {"timestamp": timedelta(1)}), ("add", {"timestamp": ""}),
    ("add", {"kind": "typo"}), ("add", {"kind": ["episode"]}), ("add", {"importance": 1.01}), ("add", {"importance": -0.1}),
    ("add", {"importance": "high"}), ("add", {"importance": True}), ("add", {"importance": float("nan")}),
    ("add", {"ttl": 0}), ("add", {"ttl": -5}), ("add", {"ttl": "1h"}), ("add", {"ttl": float("inf")}), ("add", {"ttl": 1e300}),
    ("add", {"ttl": timedelta(0)}), ("add", {"ttl": True}), ("add", {"expires_at": "soon"}),
    ("add", {"ttl": 5, "expires_at": "2999-01-01"}),
    ("add", {"metadata": [("a", 1)]}), ("add", {"metadata": "a"}), ("add", {"metadata": {"a": object()}}), ("add", {"metadata": {1: 2}}),
    ("add", {"metadata": {"a": float("nan")}}), ("add", {"metadata": {"a": float("inf")}}), ("add", {"metadata": {"a": 2**63}}),
    ("add", {"metadata": {"a": datetime.now}}), ("add", {"metadata": {"a": {1, 2}}}), ("add", {"metadata": {"a": b"x"}}),
    ("add", {"metadata": {"a": "\0"}}), ("add", {"metadata": {"\0": 1}}), ("add", {"metadata": {"a": ["\ud800"]}}),
    ("add", {"mode": "magic"}), ("add", {"mode": 7}),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "wrong"), WRONG)
def test_a_wrong_argument_is_refused_by_name(mem: AgentMemory, verb: str, wrong: dict[str, Any]) -> None:
    positional = () if verb == "list" else ("tea",)
    with pytest.raises((InvalidInputError, FilterError), match="|".join([*wrong, "offset"])):
        getattr(mem, verb)(*positional, user_id="ana", **wrong)
    if verb == "add" and "mode" not in wrong:
        with pytest.raises(InvalidInputError):
            mem.add(["good", {"text": "tea", **wrong}], user_id="ana")
        assert mem.add_batch(["good", {"text": "tea", **wrong}], user_id="ben")[1].error is not None
        mem.add("milk", id="m", user_id="carl")
        if not wrong.keys() <= {"timestamp"}:
            with pytest.raises(InvalidInputError):
                mem.update("m", **wrong)
        assert mem.get("m").text == "milk"  # type: ignore[union-attr]
    assert mem.list(user_id="ana") == []


def test_metadata_that_goes_too_deep_or_in_circles_is_refused(mem: AgentMemory) -> None:
    circle: dict[str, Any] = {}
    circle["me"] = circle
    deep: Any = 1
    for _ in range(40):
        deep = [deep]
    for metadata in (circle, {"deep": deep}):
        with pytest.raises(InvalidInputError, match="nested"):
            mem.add("tea", user_id="ana", metadata=metadata)


def test_any_mapping_will_do_as_metadata(mem: AgentMemory) -> None:
    mem.add("tea", user_id="ana", metadata=MappingProxyType({"a": MappingProxyType({"b": (1, 2)})}))
    (memory,) = mem.list(user_id="ana", filter={"a": {"b": [1, 2]}})
    assert memory.metadata == {"a": {"b": [1, 2]}}


def test_an_unknown_key_of_an_item_is_named(mem: AgentMemory) -> None:
    with pytest.raises(InvalidInputError, match=r"'tags'.*metadata"):
        mem.add({"text": "tea", "tags": ["x"]}, user_id="ana")


def test_on_error_is_one_of_two_words(mem: AgentMemory) -> None:
    with pytest.raises(InvalidInputError, match="on_error"):
        mem.add_batch(["tea"], user_id="ana", on_error="ignore")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {"durability": "none"}, {"durability": None}, {"durability": []}, {"mode": "magic"}, {"twins": "some"}, {"namespace": ""},
        {"namespace": None}, {"namespace": 5}, {"namespace": "a\0"}, {"namespace": "x" * 1_001}, {"text_limit": 0},
        {"text_limit": "1"}, {"matrix_budget": -1},
        {"embedder": "nonsense"}, {"embedder": 5}, {"embedder": object()}, {"embedder": HashEmbedder},
    ],
    ids=lambda o: next(iter(o)),
)  # fmt: skip
def test_a_wrong_option_is_refused_by_name(path: str, options: dict[str, Any]) -> None:
    with pytest.raises((InvalidInputError, EmbeddingError), match=next(iter(options))):
        AgentMemory(path, **{"embedder": HashEmbedder(), **options})


@pytest.mark.parametrize("wrong", [None, 5, b"memory.db", "", "a\0b", ["memory.db"], "redis://localhost/0", "mysql://x", ":memory:"])
def test_a_path_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInputError, match="memory"):
        AgentMemory(wrong, embedder=HashEmbedder())
    assert list(tmp_path.iterdir()) == []


# Files


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotADatabaseError, match="directory"):
        AgentMemory(tmp_path)


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreFullError, match="nowhere"):
        AgentMemory(tmp_path / "nowhere" / "memory.db")


def test_a_file_inside_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreFullError):
        AgentMemory(tmp_path / "file" / "memory.db")


@pytest.mark.parametrize("content", [b"hello", b"x" * 100_000, os.urandom(8_192), b"SQLite format 3\0" + b"\xff" * 8_176], ids=range(4))
def test_a_file_that_is_no_database_is_refused_and_left_alone(path: str, content: bytes) -> None:
    Path(path).write_bytes(content)
    with pytest.raises(NotADatabaseError, match=r"memory\.db"):
        AgentMemory(path, embedder=HashEmbedder())
    assert Path(path).read_bytes() == content


def test_an_empty_file_becomes_a_memory(path: str, opened: Opened) -> None:
    Path(path).touch()
    assert opened(path).add("tea", user_id="ana").status == "done"


def test_another_programs_database_is_refused_and_left_alone(path: str) -> None:
    with apsw.Connection(path) as other:
        other.execute("create table theirs (a); insert into theirs values (1)")
    other.close()
    before = Path(path).read_bytes()
    with pytest.raises(NotADatabaseError, match="another program"):
        AgentMemory(path, embedder=HashEmbedder())
    assert Path(path).read_bytes() == before
    assert [p.name for p in Path(path).parent.iterdir()] == ["memory.db"]


def test_a_newer_schema_is_refused_with_the_way_out(path: str, opened: Opened) -> None:
    opened(path).close()
    connection = apsw.Connection(path)
    version = connection.pragma("user_version")
    connection.pragma("user_version", int(version) + 1)  # type: ignore[call-overload]
    connection.close()
    with pytest.raises(SchemaError, match=rf"{int(version) + 1}.*upgrade"):  # type: ignore[call-overload]
        opened(path)


def test_a_damaged_file_is_an_error_of_the_tree(path: str, opened: Opened) -> None:
    with opened(path) as mem:
        mem.add_batch([f"note {n}" for n in range(500)], user_id="ana")
    content = bytearray(Path(path).read_bytes())
    content[8_192:-8_192] = b"\xee" * (len(content) - 16_384)
    Path(path).write_bytes(content)
    with pytest.raises(SchemaError, match="backup"), opened(path) as mem:
        mem.list(user_id="ana")


@pytest.mark.parametrize("other", [HashEmbedder(dim=32), HashEmbedder(name="another"), "static"], ids=["dim", "name", "static"])
def test_another_embedders_file_is_refused(path: str, opened: Opened, other: Any) -> None:
    with opened(path) as mem:
        mem.add("tea", user_id="ana")
    with pytest.raises(EmbedderMismatchError, match=r"'default'.*hash.*64"):
        opened(path, embedder=other)
    assert opened(path).search("tea", user_id="ana")


def test_another_twin_policy_is_refused(path: str, opened: Opened) -> None:
    mem = opened(path, twins="keep")
    with pytest.raises(ConflictError, match="keep"):
        opened(path, twins="merge")
    assert opened(path).add_batch(["a", "a"])[1].events[0].event == "ADD"
    with pytest.raises(ConflictError):
        mem.collection("default", embedder=HashEmbedder(), twins="merge")


NO_PERMISSION = """
import os, sys
from agentmem_integrations import AgentMemory, StoreFullError
from agentmem_integrations.testing.embedders import HashEmbedder
folder = sys.argv[1]
import agentmem_integrations.storage.sqlite.store
if os.geteuid() == 0:
    os.seteuid(65534)
for path in (folder + "/readonly.db", folder + "/new.db"):
    try:
        AgentMemory(path, embedder=HashEmbedder())
    except StoreFullError as error:
        assert "permission" in str(error), error
        assert path in str(error)
    else:
        raise SystemExit("it was opened")
"""


@pytest.mark.posix("changes permission bits and the user")
def test_a_read_only_path_is_refused(tmp_path: Path, run_python: Callable[..., str]) -> None:
    (tmp_path / "readonly.db").touch()
    (tmp_path / "readonly.db").chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        run_python(NO_PERMISSION, str(tmp_path))
    finally:
        tmp_path.chmod(0o755)
    assert [p.name for p in tmp_path.iterdir()] == ["readonly.db"]


# Closed


def test_a_closed_memory_says_so(mem: AgentMemory) -> None:
    ana, other = mem.for_user("ana"), mem.collection("other", embedder=HashEmbedder())
    mem.close()
    calls: list[Callable[[Any], Any]] = [
        lambda m: m.add("tea", user_id="ana"), lambda m: m.add_batch(["tea"], user_id="ana"), lambda m: m.search("tea", user_id="ana"),
        lambda m: m.list(user_id="ana"), lambda m: m.get("x"), lambda m: m.history("x"), lambda m: m.stats(),
        lambda m: m.update("x", text="y"), lambda m: m.delete("x"), lambda m: m.purge("x"),
    ]  # fmt: skip
    for memory, call in itertools.product((mem, ana, other), calls):
        with pytest.raises(ClosedError, match="closed"):
            call(memory)
    for call in (mem.flush, lambda: mem.collection("x", embedder=None)):
        with pytest.raises(ClosedError):
            call()


async def test_a_closed_memory_says_so_to_awaiting_callers(mem: AgentMemory) -> None:
    await mem.aclose()
    for call in (lambda: mem.aadd("tea", user_id="ana"), lambda: mem.asearch("tea", user_id="ana"), lambda: mem.adelete("x"), mem.aflush):
        with pytest.raises(ClosedError):
            await call()  # type: ignore[no-untyped-call]


def test_closing_twice_is_fine(mem: AgentMemory) -> None:
    mem.close()
    mem.close()


@pytest.mark.parametrize("question", ["", " \n\t"])
def test_an_empty_question_is_called_a_question(mem: AgentMemory, question: str) -> None:
    for using in ("hybrid", "vector", "text"):
        with pytest.raises(TextError, match=r"^the question is empty: pass what is to be found"):
            mem.search(question, user_id="ana", using=using)
    with pytest.raises(TextError, match=r"^the question is empty"):
        mem.warm(user_id="ana", queries=[question])
    with pytest.raises(TextError, match=r"^the question has 131,073 characters, the limit is 131,072: ask"):
        mem.search("w" * 131_073, user_id="ana")
