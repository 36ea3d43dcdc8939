"""Files of conversations or documents with questions whose answers are known: LoCoMo, BEAM, and document collections.

None of them comes with this package; they are read from where the user has them.

- LoCoMo (`.json`, github.com/snap-research/locomo): dated sessions of two named speakers, questions with the turns that answer.
- BEAM (`.jsonl`, github.com/mohammadtavakoli78/BEAM, one chat a line): user and assistant, `turns` and `questions` with `evidence`.
- documents (`.json`): `{"docs": [{"id", "text"}], "queries": [{"text", "relevant": [id]}]}`, such as the Cranfield collection.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

ADVERSARIAL: Final = 5  # LoCoMo's category of questions that have no answer
TURN: Final = "turn"  # metadata that names a turn

FEW: Final = 3
"""Sessions of a memory that is young."""

Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and what answers it.

    Attributes:
        kind: As its data set has it.
        text: The words.
        answers: Names of the turns or documents; never empty.
    """

    kind: str
    text: str
    answers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Told:
    """What one owner's memory is filled with, and what is asked of it.

    Attributes:
        source: Name of the data set, and of the form it is told in.
        fold: Number of the conversation: what is fitted on it is never measured on it, in whatever form. None: a collection, whose
            questions are divided instead.
        items: What is added, each with `metadata["turn"]`.
        asked: The questions.
        weight: How much it counts when weights are fitted.
    """

    source: str
    fold: int | None
    items: list[Item]
    asked: list[Asked]
    weight: float = 1.0


def read(path: Path) -> list[Told]:
    """Return the conversations of a file as they are told; of chats also the user's turns by themselves.

    Raises:
        OSError: it cannot be read.
        ValueError: it is none of the three kinds.
    """
    name = path.stem
    try:
        if path.suffix == ".jsonl":
            chats = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
            return [told for fold, chat in enumerate(chats) for told in _beam(name, fold, chat)]
        document = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(document, dict):
            return [_documents(name, document)]
        return [_locomo(name, fold, sample) for fold, sample in enumerate(document)]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no file of LoCoMo, BEAM or documents with queries ({type(error).__name__}: {error})") from None


def variants(told: Told) -> Iterator[Told]:
    """Give a conversation in other forms, for fitting: real memories are not all told as a data set tells them.

    With roles in place of names, and each by himself, where it has names; as notes, without sessions or speakers; and a few
    sessions at a time.
    """
    if told.fold is None or told.source.endswith("user turns"):
        return
    names = list(dict.fromkeys(item["name"] for item in told.items if "name" in item))
    if names:
        roles = {name: "assistant" if n % 2 else "user" for n, name in enumerate(names)}
        items = [{k: v for k, v in item.items() if k != "name"} | {"role": roles[item["name"]]} for item in told.items]
        yield replace(told, source=f"{told.source}, roles for names", items=items, weight=0.3)
        for name in names:
            mine = [{k: v for k, v in item.items() if k != "name"} for item in told.items if item["name"] == name]
            yield replace(told, source=f"{told.source}, one of them alone", items=mine, asked=_kept(mine, iter(told.asked)), weight=0.05)
    items = [
        {k: v for k, v in item.items() if k in ("metadata", "timestamp")}
        | {"content": f"{item['name']}: {item['content']}" if "name" in item else item["content"]}
        for item in told.items
    ]
    yield replace(told, source=f"{told.source}, as notes", items=items, weight=0.3 if names else 0.1)
    sessions = list(dict.fromkeys(item["session_id"] for item in told.items))
    for first in range(0, len(sessions), FEW):
        few = set(sessions[first : first + FEW])
        items = [item for item in told.items if item["session_id"] in few]
        whole = [one for one in told.asked if one.answers <= {item["metadata"][TURN] for item in items}]
        yield replace(told, source=f"{told.source}, {FEW} sessions at a time", items=items, asked=whole, weight=0.3)


def _kept(items: list[Item], asked: Iterator[Asked]) -> list[Asked]:
    """Return the questions that something stored answers."""
    known = {item["metadata"][TURN] for item in items}
    narrowed = (replace(one, answers=one.answers & known) for one in asked)
    return [one for one in narrowed if one.answers]


def _locomo(name: str, fold: int, sample: dict[str, Any]) -> Told:
    conversation, items = sample["conversation"], []
    for session in sorted((k for k in conversation if re.fullmatch(r"session_\d+", k)), key=lambda k: int(k[8:])):
        at = _moment(conversation[f"{session}_date_time"], "%I:%M %p on %d %B, %Y")
        for turn in conversation[session]:
            text = turn["text"] + (f" [shares a photo of {turn['blip_caption']}]" if turn.get("blip_caption") else "")
            items.append({
                "role": "user", "name": turn["speaker"], "content": text, "session_id": session, "timestamp": at,
                "metadata": {TURN: str(turn["dia_id"])},
            })  # fmt: skip
    asked = (
        Asked(str(q["category"]), q["question"], frozenset(map(str, q.get("evidence") or ())))
        for q in sample["qa"] if q["category"] != ADVERSARIAL
    )  # fmt: skip
    return Told(name, fold, items, _kept(items, asked))


def _beam(name: str, fold: int, chat: dict[str, Any]) -> Iterator[Told]:
    items = []
    for turn in chat["turns"]:
        at = {"timestamp": _moment(turn["date"], "%B-%d-%Y")} if turn.get("date") else {}
        items.append({
            "role": turn["role"], "content": turn["text"], "session_id": f"batch {turn['batch']}", "metadata": {TURN: str(turn["id"])},
        } | at)  # fmt: skip
    asked = [Asked(q["type"], q["question"], frozenset(map(str, q["evidence"]))) for q in chat["questions"]]
    yield Told(name, fold, items, _kept(items, iter(asked)))
    mine = [item for item in items if item["role"] == "user"]
    yield Told(f"{name}, user turns", fold, mine, _kept(mine, iter(asked)))


def _documents(name: str, document: dict[str, Any]) -> Told:
    items = [{"content": d["text"], "metadata": {TURN: str(d["id"])}} for d in document["docs"]]
    asked = (Asked("document", q["text"], frozenset(map(str, q["relevant"]))) for q in document["queries"])
    return Told(name, None, items, _kept(items, asked))


def _moment(text: str, form: str) -> str:
    return datetime.strptime(text, form).replace(tzinfo=UTC).isoformat()
