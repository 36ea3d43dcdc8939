"""A stub of a language model in a process of its own: it finds one fact in every message of a user, and decides to add every fact.

    python -m agentmem_integrations.bench.stub_model --latency 0.05

prints the base URL of an OpenAI-compatible endpoint, and serves until its standard input ends.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from ..testing.chat import asked_about
from ..testing.openai_server import OpenAIServer
from ..testing.server_process import running_module


def answer(body: Mapping[str, Any]) -> str:
    """Return the reply to one request: JSON as the prompts ask for it."""
    rows = asked_about(message["content"] for message in body["messages"])
    new = [row["fact"] for row in rows if "fact" in row]
    if new:
        return json.dumps({"decisions": [{"fact": number, "memories": [], "action": "ADD", "text": None} for number in new]})
    return json.dumps({"facts": [_fact(row) for row in rows if row.get("role") == "user"]})


def _fact(row: Mapping[str, Any]) -> dict[str, Any]:
    told = {"messages": [row["message"]], "text": row["text"][:500], "kind": "semantic", "importance": 0.5}
    return {**told, "confidence": 1, "entities": [], "valid_from": None, "valid_to": None}


def running(latency_s: float) -> AbstractContextManager[str]:
    """Run the stub beside this process; the context is its base URL."""
    return running_module(__name__, ["--latency", str(latency_s)])


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.05, metavar="SECONDS")
    given = parser.parse_args(arguments)
    with OpenAIServer(latency_s=given.latency, reply=answer, record=False) as server:
        print(server.base_url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
