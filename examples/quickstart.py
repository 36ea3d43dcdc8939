"""Remember, ask, and remember again: run it twice, and the second time it knows everything already."""

import asyncio

from agentmem_integrations import AgentMemory

TALK = [
    {"role": "user", "name": "Ana", "timestamp": "2026-03-02T09:00:00Z", "content": "I live in Porto, near the river"},
    {"role": "user", "name": "Ana", "timestamp": "2026-03-02T09:01:00Z", "content": "I am allergic to peanuts"},
    {"role": "assistant", "timestamp": "2026-03-02T09:02:00Z", "content": "No peanuts in any recipe, then"},
    {"role": "user", "name": "Ana", "timestamp": "2026-05-09T18:30:00Z", "content": "I moved to Lisbon for a job at the opera"},
]
QUESTIONS = ("Where does Ana work?", "Is there food she must avoid?", "Which city did she move to?")


async def others(memory: AgentMemory) -> list[str]:
    """What another user finds: nothing of Ana's."""
    await memory.aadd("I collect maps of the moon", user_id="ben")
    return [hit.memory.text for hit in await memory.asearch("Where does Ana work?", user_id="ben")]


def main() -> None:
    with AgentMemory("quickstart.db") as memory:
        ana = memory.for_user("ana")
        result = ana.add(TALK, session_id="hello")
        print("stored:", ", ".join(event.event for event in result.events))

        for question in QUESTIONS:
            print(f"\n{question}")
            for hit in ana.search(question, k=2):
                parts = ", ".join(f"{name} {value:.2f}" for name, value in hit.parts.items())
                print(f"  {hit.score:.2f}  {hit.memory.occurred_at:%d %b %Y}  {hit.memory.text}  ({parts})")

        print("\nBen asks the same:", asyncio.run(others(memory)))
        print(f"\nquickstart.db holds {memory.stats()['memories']} memories. Run this again: nothing is stored twice.")


if __name__ == "__main__":
    main()
