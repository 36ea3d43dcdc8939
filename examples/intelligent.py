"""Let a language model draw facts from what is said, and keep them up to date.

python examples/intelligent.py                                          # offline: a stand-in that knows a few sentence patterns
OPENAI_API_KEY=... python examples/intelligent.py --model gpt-5-mini     # a real model
python examples/intelligent.py --model qwen2.5 --base-url http://127.0.0.1:11434/v1     # a local one
"""

import argparse
from typing import Any

from agentmem_integrations import AgentMemory

TALK = (
    ("2026-03-02", "Hi! I live in Porto. My favourite tea is oolong."),
    ("2026-05-09", "I moved to Lisbon last week. I work as a carpenter."),
    ("2026-06-01", "Thanks, that was helpful!"),
    ("2026-08-20", "My favourite tea is sencha now."),
)


def model_of(args: argparse.Namespace) -> Any:
    if args.model is None:
        from agentmem_integrations.testing.chat import RuleChat

        return RuleChat()
    from agentmem_integrations.llm.openai import OpenAIChat

    return OpenAIChat(args.model, base_url=args.base_url)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    parser.add_argument("--base-url")
    args = parser.parse_args()
    with AgentMemory("memory://", llm=model_of(args), mode="intelligent") as memory:
        ana = memory.for_user("ana")
        for day, words in TALK:
            result = ana.add({"role": "user", "name": "Ana", "timestamp": day, "content": words})
            print(f"\n{day}  {words}\n  {result.status}{f': {result.error}' if result.error else ''}")
            for event in result.events:
                if event.memory.kind != "episode":
                    print(f"  {event.event:<9} {event.memory.text}")

        print("\nWhat holds now:")
        for fact in ana.list():
            if fact.kind != "episode":
                print(f"  {fact.text}")
        for question, at in (("What is her favourite tea?", None), ("What is her favourite tea?", "2026-04-01")):
            (hit, *_) = ana.search(question, kind=("core", "semantic"), at=at)
            print(f"\n{question} ({at or 'now'})\n  {hit.memory.text}")
        asked = memory.stats()["llm"]
        print(f"\n{asked['calls']} calls of {asked['model']}")


if __name__ == "__main__":
    main()
