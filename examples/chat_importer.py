"""Import a chat export, with a progress bar where somebody is looking; import it again, and nothing is stored twice.

python examples/chat_importer.py                    # makes up a chat of 2,000 messages
python examples/chat_importer.py chat.jsonl         # one JSON object a line: role, name, content, timestamp, session_id
"""

import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agentmem_integrations import AgentMemory

THINGS = "the garden", "my sister", "that new bakery", "the night train", "an old violin", "our neighbours", "the cat"
WORDS = "I keep thinking about", "Tell me more about", "Yesterday I saw", "Nobody warned me of", "I wrote a letter about"


def made_up(count: int) -> Iterator[dict[str, Any]]:
    """Yield a chat that nobody had."""
    chance, at = random.Random(1), datetime(2025, 1, 1, tzinfo=UTC)
    for number in range(count):
        at += timedelta(minutes=chance.randrange(600))
        text = f"{chance.choice(WORDS)} {chance.choice(THINGS)}, {at:%A %d %B}, message {number}"
        yield {"role": "user", "name": "Ana", "content": text, "timestamp": at.isoformat(), "session_id": f"{at:%Y-%m}"}


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the messages of a file without reading it whole."""
    with path.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines if line.strip())


def main() -> None:
    messages = read(Path(sys.argv[1])) if len(sys.argv) > 1 else made_up(2_000)
    with AgentMemory("imported.db") as memory:
        results = memory.add_batch(messages, user_id="ana", progress=sys.stderr.isatty())
        new = sum(event.event == "ADD" for result in results for event in result.events)
        bad = [result.error for result in results if result.error is not None]
        print(f"{len(results):,} messages: {new:,} new, {len(results) - new - len(bad):,} known already, {len(bad)} refused")
        for error in bad[:3]:
            print("  refused:", error)
        for hit in memory.search("What did she write about the night train?", user_id="ana", k=2):
            print(f"  {hit.memory.occurred_at:%d %b %Y}  {hit.memory.text}")


if __name__ == "__main__":
    main()
