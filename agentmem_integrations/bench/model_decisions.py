"""What a language model makes of simple changes: somebody says one thing, and later another that changes it.

A figure for each case is 1 if what holds afterwards is right: some fact says the new, and none says the old without the new. It is
meant for a real model (`--base-url`, `--model`); the stub adds every fact, and is right nowhere.
"""

import sys
from dataclasses import dataclass
from typing import Any, Final

from .. import AgentMemory
from ..llm.openai import OpenAIChat
from .intelligent import LATENCY_S
from .plan import Plan
from .results import Figure
from .stub_model import running


@dataclass(frozen=True, slots=True)
class Case:
    """What is said first and later, a word of the new state, and one of the old."""

    before: str
    later: str
    new: str
    old: str


CASES: Final = {
    "home": Case("I live in Porto.", "I moved to Lisbon last month.", "Lisbon", "Porto"),
    "job": Case("I work as a nurse at the city hospital.", "I quit nursing. I work as a baker now.", "baker", "nurse"),
    "favourite": Case("My favourite colour is green.", "My favourite colour is blue now.", "blue", "green"),
    "diet": Case("I am a vegetarian.", "I am not a vegetarian any more, I eat meat again.", "meat", "vegetarian"),
    "car": Case("I drive a red Toyota.", "I sold the Toyota and bought a Volvo.", "Volvo", "Toyota"),
    "phone number": Case("My phone number is 555-1234.", "My new phone number is 555-9876.", "555-9876", "555-1234"),
    "appointment": Case("My dentist appointment is on Monday.", "My dentist appointment was moved to Thursday.", "Thursday", "Monday"),
    "partner": Case("My girlfriend is called Mia.", "Mia and I broke up. My girlfriend is called Julia now.", "Julia", "Mia"),
    "editor": Case("I write all my code in Vim.", "I switched from Vim to Emacs.", "Emacs", "Vim"),
    "plan": Case("In August I will fly to Rome.", "I changed my plan: in August I will fly to Oslo, not to Rome.", "Oslo", "Rome"),
}


def measure(plan: Plan) -> list[Figure]:
    """Run the benchmark, and tell on stderr what held after each case."""
    if plan.base_url is None:
        with running(LATENCY_S) as base_url:
            return _measure(plan, base_url)
    return _measure(plan, plan.base_url)


def _measure(plan: Plan, base_url: str) -> list[Figure]:
    chat = OpenAIChat(plan.model, base_url=base_url, api_key="any", timeout_s=300)
    options: dict[str, Any] = {"llm": chat, "mode": "intelligent"}
    found: list[Figure] = []
    with plan.fresh_folder() as folder, AgentMemory(folder / "memory.db", **options) as memory:
        for name, case in CASES.items():
            for words, day in ((case.before, "2026-03-02"), (case.later, "2026-05-09")):
                memory.add({"role": "user", "name": "Ana", "content": words, "timestamp": day}, user_id=name)
            facts = [fact.text for fact in memory.list(user_id=name) if fact.kind != "episode"]
            right = any(case.new in fact for fact in facts) and not any(case.old in fact and case.new not in fact for fact in facts)
            print(f"{'right' if right else 'wrong'}  {name}: {' | '.join(facts)}", file=sys.stderr, flush=True)
            found.append(Figure(name, int(right), "right"))
    return [Figure("right in all", sum(figure.value for figure in found), f"of {len(found)}", "floor 8"), *found]
