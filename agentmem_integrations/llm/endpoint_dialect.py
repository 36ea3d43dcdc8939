"""How an endpoint wants to be asked: which parameters it knows, and how it can be held to a JSON schema.

Servers differ, and models on one server do. The best form is tried first; a refusal says what to leave out, and what then works
is remembered.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..endpoint.endpoint_errors import Trouble
from ..ports import ChatRequest

Format = Literal["schema", "json", "text"]
LimitName = Literal["max_completion_tokens", "max_tokens"]

REFUSALS = (400, 422)  # what servers answer to a parameter they do not know


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way of asking.

    Attributes:
        limit_name: What the longest answer is called: OpenAI's reasoning models know only the newer name, others only the older.
        format: `schema`: the decoder is held to the schema; `json`: to JSON, and the schema stands in the prompt; `text`:
            it only stands in the prompt.
        temperature: It may be set: OpenAI's reasoning models refuse it.
    """

    limit_name: LimitName
    format: Format = "schema"
    temperature: bool = True

    def body(self, model: str, request: ChatRequest) -> dict[str, Any]:
        """Return the request as the endpoint wants it."""
        messages = [{"role": m.role, "content": m.content} for m in request.messages]
        body: dict[str, Any] = {"model": model, "messages": messages}
        if request.max_tokens is not None:
            body[self.limit_name] = request.max_tokens
        if request.temperature is not None and self.temperature:
            body["temperature"] = request.temperature
        if request.schema is not None:
            if self.format == "schema":
                schema = {"name": request.schema_name, "strict": True, "schema": request.schema}
                body["response_format"] = {"type": "json_schema", "json_schema": schema}
            else:
                body["messages"] = with_schema(messages, request.schema)
                if self.format == "json":
                    body["response_format"] = {"type": "json_object"}
        return body

    def knows_more_than(self, other: "Dialect") -> bool:
        """Whether a refusal must have led from the other to this one."""
        order = ("schema", "json", "text")
        further = order.index(self.format) > order.index(other.format)
        return further or (other.temperature and not self.temperature) or self.limit_name != other.limit_name

    def after(self, trouble: Trouble, request: ChatRequest) -> "Dialect | None":
        """Return what to try after a refusal; None if nothing that was sent can be the reason."""
        if trouble.status not in REFUSALS or trouble.too_long or trouble.code == "context_length_exceeded":
            return None
        if trouble.param == "temperature" and request.temperature is not None and self.temperature:
            return replace(self, temperature=False)
        if trouble.param == self.limit_name and self.limit_name == "max_completion_tokens":
            return replace(self, limit_name="max_tokens")
        if trouble.param == self.limit_name == "max_tokens":
            return replace(self, limit_name="max_completion_tokens")
        about_format = trouble.param is None or trouble.param.startswith("response_format")
        if request.schema is not None and about_format and trouble.code != "model_not_found" and self.format != "text":
            return replace(self, format="json" if self.format == "schema" else "text")
        return None


def with_schema(messages: list[dict[str, str]], schema: Mapping[str, Any]) -> list[dict[str, str]]:
    """Say what the answer must look like in the first system message, and not in one of its own: some templates take only one."""
    demand = f"Answer with nothing but one JSON object that fits this JSON schema:\n{json.dumps(schema, ensure_ascii=False)}"
    if messages and messages[0]["role"] == "system":
        return [{"role": "system", "content": f"{messages[0]['content']}\n\n{demand}"}, *messages[1:]]
    return [{"role": "system", "content": demand}, *messages]
