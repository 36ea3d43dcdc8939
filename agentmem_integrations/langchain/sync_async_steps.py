"""One body for sync and async hooks: work is written once, as steps that name the verbs of a memory to call.

LangChain asks for two methods of everything. Here each of the two only walks the steps: one calls `search`, the other awaits
`asearch`.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from ..memory import Collection

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Verb:
    """A call of a memory's verb.

    Attributes:
        name: The sync method; its twin has an `a` in front.
        subject: Its one positional argument, if it has one.
        options: Its keyword arguments.
    """

    name: str
    subject: Any
    options: dict[str, Any]


Steps = Generator[Verb, Any, R]
"""Yields verbs, is sent what they return or thrown what they raise, and returns the result."""


def verb(name: str, subject: Any = None, /, **options: Any) -> Verb:
    """Return a call of a verb; `subject=None` for a verb without."""
    return Verb(name, subject, options)


def walk(memory: Collection, steps: Steps[R]) -> R:
    """Do the steps here."""
    answer, error = None, None
    while True:
        try:
            call = steps.send(answer) if error is None else steps.throw(error)
        except StopIteration as end:
            result: R = end.value
            return result
        answer, error = None, None
        try:
            answer = getattr(memory, call.name)(*_subject(call), **call.options)
        except Exception as e:  # noqa: BLE001 - not caught: it is raised where the steps called for it
            error = e


async def awalk(memory: Collection, steps: Steps[R]) -> R:
    """Do the steps without holding up the event loop."""
    answer, error = None, None
    while True:
        try:
            call = steps.send(answer) if error is None else steps.throw(error)
        except StopIteration as end:
            result: R = end.value
            return result
        answer, error = None, None
        try:
            answer = await getattr(memory, f"a{call.name}")(*_subject(call), **call.options)
        except Exception as e:  # noqa: BLE001 - not caught: it is raised where the steps called for it
            error = e


def _subject(call: Verb) -> tuple[Any, ...]:
    return () if call.subject is None else (call.subject,)
