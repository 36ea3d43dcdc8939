"""The sentence patterns that `chat.RuleChat` knows."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Row = Mapping[str, Any]

_SENTENCE: Final = re.compile(r"[^.!?\n]+")
_CLAUSE: Final = re.compile(r",? (?:and|but) (?=(?:i|my|we)\b)", re.IGNORECASE)
_WORD: Final = re.compile(r"\w+")
_SMALL: Final = frozenset("a an the in at as to of for is was has have had on by with and no longer not any more now since s".split())
_THIRD: Final = {"have": "has", "do": "does", "go": "goes"}


@dataclass(frozen=True, slots=True)
class _Pattern:
    said: re.Pattern[str]
    told: str | Callable[[re.Match[str]], str]
    kind: str
    importance: float


def _pattern(said: str, told: str | Callable[[re.Match[str]], str], kind: str, importance: float) -> _Pattern:
    return _Pattern(re.compile(rf"\b{said}", re.IGNORECASE), told, kind, importance)


def _third(verb: str) -> str:
    """Return a verb as it goes with he or she."""
    verb = verb.lower()
    return _THIRD.get(verb) or (verb[:-1] + "ies" if re.search(r"[^aeiou]y$", verb) else verb + "s")


# The first that matches a clause counts; {who} is the speaker
_PATTERNS: Final = (
    _pattern(r"i no longer (\w+)(.*)", lambda m: f"{{who}} no longer {_third(m[1])}{m[2]}", "semantic", 0.6),
    _pattern(r"i (?:don't|do not) (\w+)(.*?) (?:any ?more)\b", lambda m: f"{{who}} no longer {_third(m[1])}{m[2]}", "semantic", 0.6),
    _pattern(r"(?:i|we) (?:have |just |have just |'ve )?moved to (.+)", lambda m: f"{{who}} moved to {m[1]}", "core", 0.9),
    _pattern(r"i(?: now)? live (in|at|near) (.+)", lambda m: f"{{who}} lives {m[1]} {m[2]}", "core", 0.9),
    _pattern(r"i(?: now)? work (at|for|as|in) (.+)", lambda m: f"{{who}} works {m[1]} {m[2]}", "core", 0.8),
    _pattern(
        r"i (?:have )?(?:started|began)(?: working| work| a job)? (at|for|as) (.+)", lambda m: f"{{who}} works {m[1]} {m[2]}", "core", 0.8
    ),
    _pattern(r"my (favou?rite [\w ]+?) is (.+)", lambda m: f"{{who}}'s {m[1]} is {m[2]}", "semantic", 0.5),
    _pattern(r"my name is (.+)", lambda m: f"{{who}}'s name is {m[1]}", "core", 0.9),
    _pattern(r"i(?: am|'m) allergic to (.+)", lambda m: f"{{who}} is allergic to {m[1]}", "core", 0.9),
    _pattern(
        r"i(?: really| also)? (like|love|prefer|enjoy|hate|dislike) (.+)", lambda m: f"{{who}} {_third(m[1])} {m[2]}", "semantic", 0.5
    ),
    _pattern(r"i (?:have|own|bought|adopted|got) (an? .+)", lambda m: f"{{who}} has {m[1]}", "semantic", 0.5),
    _pattern(r"i(?: am|'m) (?:going|planning) to (.+)", lambda m: f"{{who}} plans to {m[1]}", "episodic", 0.5),
    _pattern(
        r"my ((?:best |older |younger )?(?:friend|wife|husband|partner|sister|brother|mother|father|son|daughter|dog|cat|boss|doctor)"
        r"(?: \w+)?) (is|was|has|lives|works|got|plays|likes|loves|moved) (.+)",
        lambda m: f"{{who}}'s {m[1]} {m[2]} {m[3]}",
        "semantic",
        0.6,
    ),
)
_ADVICE: Final = re.compile(r"\bi (?:would )?(recommend|suggest|booked|ordered|sent|created) (.+)", re.IGNORECASE)
_DONE: Final = {"recommend": "recommended", "suggest": "suggested"}

# What a person has one of at a time
_ONE_OF: Final = (
    (re.compile(r"^(.+?) (?:lives (?:in|at|near)|moved to) (.+)$"), "home"),
    (re.compile(r"^(.+?) works (?:at|for|as|in) (.+)$"), "work"),
    (re.compile(r"^(.+?'s (?:favou?rite [\w ]+?|name)) is (.+)$"), "favourite"),
)


def extract(messages: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the facts in a prompt's messages, as a reply has them."""
    return [fact for message in messages for fact in _facts(message)]


def decide(facts: Sequence[Row], memories: Sequence[Row]) -> list[dict[str, Any]]:
    """Return what to do about each fact, as a reply has it."""
    taken: set[int] = set()
    decisions = []
    for fact in facts:
        action, memory = _decision(fact["text"], [m for m in memories if m["memory"] not in taken])
        if memory is not None and action != "NONE":
            taken.add(memory)
        text = fact["text"] if action in ("UPDATE", "SUPERSEDE") else None
        decisions.append({"fact": fact["fact"], "memories": [] if memory is None else [memory], "action": action, "text": text})
    return decisions


def _facts(message: Row) -> Iterator[dict[str, Any]]:
    who = message.get("name") or ("The assistant" if message.get("role") == "assistant" else "The user")
    for sentence in _SENTENCE.findall(message["text"]):
        for clause in _CLAUSE.split(sentence):
            said = _assistant_said(clause) if message.get("role") == "assistant" else _user_said(clause)
            if said is not None:
                text, kind, importance = said
                yield {
                    "messages": [message["message"]],
                    "text": text.replace("{who}", who),
                    "kind": kind,
                    "importance": importance,
                    "confidence": 1.0,
                    "entities": [who, *re.findall(r"\b[A-Z][\w-]+", text)] if message.get("name") else re.findall(r"\b[A-Z][\w-]+", text),
                    "valid_from": None,
                    "valid_to": None,
                }


def _user_said(clause: str) -> tuple[str, str, float] | None:
    for pattern in _PATTERNS:
        if found := pattern.said.search(clause):
            told = pattern.told(found) if callable(pattern.told) else pattern.told
            return told.strip(" ,;:"), pattern.kind, pattern.importance
    return None


def _assistant_said(clause: str) -> tuple[str, str, float] | None:
    found = _ADVICE.search(clause)
    return (f"The assistant {_DONE.get(found[1].lower(), found[1].lower())} {found[2].strip()}", "episodic", 0.4) if found else None


def _decision(fact: str, memories: Sequence[Row]) -> tuple[str, int | None]:
    said = _content(fact)
    ending = re.search(r"^(.+?) no longer \w+ ?(.*)$", fact)
    for memory in memories:
        number, known = int(memory["memory"]), _content(memory["text"])
        if said == known and not ending:
            return "NONE", number
        if ending and "no longer" not in memory["text"] and _content(f"{ending[1]} {ending[2]}") <= known and ending[2]:
            return "DELETE", number
        if not ending and _one_of(fact) is not None and _one_of(fact) == _one_of(memory["text"]):
            return ("UPDATE" if known < said else "SUPERSEDE"), number
    more = next((int(m["memory"]) for m in memories if not ending and _content(m["text"]) < said and len(_content(m["text"])) > 1), None)
    return ("ADD", None) if more is None else ("UPDATE", more)


def _content(text: str) -> set[str]:
    return {word for word in _WORD.findall(text.lower()) if word not in _SMALL}


def _one_of(text: str) -> tuple[str, str] | None:
    return next(((found[1].lower(), what) for pattern, what in _ONE_OF if (found := pattern.match(text))), None)
