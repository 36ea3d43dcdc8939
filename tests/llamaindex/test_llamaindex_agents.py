"""Real agents of LlamaIndex on a scripted model: several sessions, two users, restored contexts."""

import asyncio
import contextlib
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from llama_index.core import Document, MockEmbedding, VectorStoreIndex
from llama_index.core.agent.workflow import AgentWorkflow, CodeActAgent, FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ToolCallBlock
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.memory import InsertMethod
from llama_index.core.workflow import Context, JsonPickleSerializer, JsonSerializer
from workflows.errors import WorkflowRuntimeError

from agentmem_integrations import AgentMemory, InvalidInputError
from agentmem_integrations.llamaindex import AgentMemMemory, AgentMemToolSpec
from agentmem_integrations.testing.chat import RuleChat, ScriptedChat
from agentmem_integrations.testing.embedders import FailingEmbedder, HashEmbedder

Open = Callable[..., AgentMemory]
Run = Callable[..., str]
KINDS = ("function", "react", "workflow")


class Model:
    """A model that answers what it finds in its prompt: the PIN that was said, or that it knows none."""

    def __init__(self, react: bool = False, tool: str | None = None) -> None:
        self.prompts: list[list[ChatMessage]] = []
        self._react = react
        self._tool = tool

    def __call__(self, messages: Sequence[ChatMessage], **options: Any) -> ChatMessage:
        self.prompts.append(list(messages))
        seen = "\n".join(message.content or "" for message in messages)
        if self._tool and not any(message.role == "tool" for message in messages):
            call = ToolCallBlock(tool_call_id="c1", tool_name=self._tool, tool_kwargs={"query": "PIN"})
            return ChatMessage(role="assistant", blocks=[call])
        pins = re.findall(r"PIN is (\d+)", seen)
        answer = f"I know {' and '.join(sorted(set(pins)))}." if pins else "I know none."
        return ChatMessage(role="assistant", content=f"Thought: I can answer.\nAnswer: {answer}" if self._react else answer)

    @property
    def llm(self) -> MockFunctionCallingLLM:
        return MockFunctionCallingLLM(response_generator=self, is_chat_model=True)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def agent_of(kind: str, model: Model, tools: Sequence[Any] = (add,)) -> FunctionAgent | ReActAgent | AgentWorkflow:
    if kind == "react":
        model._react = True
        return ReActAgent(tools=list(tools), llm=model.llm, system_prompt="You know PINs.")
    agent = FunctionAgent(name="first", description="the first", tools=list(tools), llm=model.llm, system_prompt="You know PINs.")
    return agent if kind == "function" else AgentWorkflow(agents=[agent], root_agent="first")


async def ask(agent: Any, text: str, **options: Any) -> str:
    return str(await agent.run(text, **options))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", InsertMethod)
async def test_what_one_session_heard_the_next_knows(opened: Open, url: str, kind: str, method: InsertMethod) -> None:
    mem, model = opened(url), Model()
    first = AgentMemMemory.from_defaults(mem, user_id="ana", session_id="s1", insert_method=method)
    assert await ask(agent_of(kind, model), "My PIN is 1234", memory=first) == "I know 1234."
    second = AgentMemMemory.from_defaults(mem, user_id="ana", session_id="s2", insert_method=method)
    assert await ask(agent_of(kind, model), "What did I say my PIN was?", memory=second) == "I know 1234."
    roles = [message.role.value for message in await second.aget_all()]
    assert roles == ["user", "assistant"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_conversation_goes_on_turn_by_turn(opened: Open, url: str, kind: str) -> None:
    mem, model = opened(url), Model()
    agent = agent_of(kind, model)
    memory = AgentMemMemory.from_defaults(mem, user_id="ana", session_id="s1")
    for text in ("Hello", "My PIN is 1234", "And my PIN?"):
        answer = await ask(agent, text, memory=memory)
    assert answer == "I know 1234."
    history = [m for m in await memory.aget_all() if m.role == "user"]
    assert [m.content for m in history] == ["Hello", "My PIN is 1234", "And my PIN?"]
    assert len(await memory.aget_all()) == 6


@pytest.mark.parametrize("kind", KINDS)
async def test_two_users_at_once_on_one_file_never_hear_of_each_other(opened: Open, path: str, kind: str) -> None:
    mem = opened(path)
    pins = {f"user{n}": str(1000 + n) for n in range(6)}

    async def talk(who: str, session: str, text: str) -> str:
        memory = AgentMemMemory.from_defaults(mem, user_id=who, session_id=session)
        return await ask(agent_of(kind, Model()), text, memory=memory)

    await asyncio.gather(*(talk(who, "one", f"My PIN is {pin}") for who, pin in pins.items()))
    answers = await asyncio.gather(*(talk(who, "two", "What did I say my PIN was?") for who in pins))
    assert answers == [f"I know {pin}." for pin in pins.values()]
    assert await talk("eve", "one", "What did they say my PIN was?") == "I know none."


@pytest.mark.parametrize("kind", ["function", "workflow"])
async def test_tools_run_between_and_one_recall_serves_the_whole_turn(
    opened: Open, url: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mem = opened(url)
    mem.add("My PIN is 1234", user_id="ana", session_id="old")
    asked: list[str] = []
    search = AgentMemory.asearch

    async def counted(self: AgentMemory, query: str, **options: Any) -> Any:
        asked.append(query)
        return await search(self, query, **options)

    monkeypatch.setattr(AgentMemory, "asearch", counted)
    model = Model(tool="lookup")

    def lookup(query: str) -> str:
        """Look something up."""
        return "nothing"

    memory = AgentMemMemory.from_defaults(mem, user_id="ana", session_id="s1")
    assert await ask(agent_of(kind, model, [lookup]), "What is it, my PIN?", memory=memory) == "I know 1234."
    assert asked == ["What is it, my PIN?"]
    assert len(model.prompts) == 2
    shown = [next(m for m in reversed(prompt) if m.role == "user") for prompt in model.prompts]
    assert shown[0] == shown[1]  # the provider's cache serves the second call
    assert [m.role.value for m in await memory.aget_all()] == ["user", "assistant", "tool", "assistant"]


@pytest.mark.parametrize("kind", ["function", "workflow"])
async def test_the_prompt_has_one_system_message(opened: Open, url: str, kind: str) -> None:
    mem, model = opened(url), Model()
    mem.add("My PIN is 1234", user_id="ana")
    memory = AgentMemMemory.from_defaults(mem, user_id="ana")
    await ask(agent_of(kind, model), "What is it, my PIN?", memory=memory)
    assert [m.role.value for m in model.prompts[0]] == ["system", "user"]
    assert model.prompts[0][0].content == "You know PINs."


async def test_an_agent_with_the_tools_remembers_and_recalls(opened: Open, url: str) -> None:
    mem = opened(url)
    mem.add("My PIN is 1234", user_id="ana")
    mem.add("My PIN is 9876", user_id="ben")
    tools = AgentMemToolSpec(mem, user_id="ana").to_tool_list()
    agent = FunctionAgent(tools=tools, llm=Model(tool="recall").llm)
    assert await ask(agent, "What is it?") == "I know 1234."


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("embedder", [HashEmbedder, FailingEmbedder])
async def test_a_failing_model_or_embedder_never_stops_an_agent(opened: Open, path: str, kind: str, embedder: Callable[[], Any]) -> None:
    broken = RuntimeError("down")
    mem = opened(path, embedder=embedder(), llm=ScriptedChat(lambda request: broken), mode="intelligent")
    for wait in (True, False):
        memory = AgentMemMemory.from_defaults(mem, user_id="ana", session_id=f"s{wait}", wait=wait)
        assert await ask(agent_of(kind, Model()), "My PIN is 1234", memory=memory) == "I know 1234."
    assert {m.text for m in mem.list(user_id="ana")} >= {"My PIN is 1234"}
    assert mem.jobs(user_id="ana")
    last = AgentMemMemory.from_defaults(mem, user_id="ana", session_id="last")
    assert await ask(agent_of(kind, Model()), "What was my PIN?", memory=last) == "I know 1234."


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("serializer", [JsonSerializer, JsonPickleSerializer])
async def test_a_context_is_saved_and_restored(opened: Open, url: str, kind: str, serializer: Callable[[], JsonSerializer]) -> None:
    mem = opened(url, llm=RuleChat())
    memory = AgentMemMemory.from_defaults(
        mem,
        user_id="ana",
        session_id="s1",
        mode="intelligent",
        k=3,
        recall_tokens=500,
        token_limit=5_000,
        insert_method=InsertMethod.SYSTEM,
    )
    agent = agent_of(kind, Model())
    context = Context(agent)
    await ask(agent, "My PIN is 1234", ctx=context, memory=memory)
    saved = json.loads(json.dumps(context.to_dict(serializer=serializer())))
    assert "1234" not in json.dumps(memory.to_dict())  # it says where the words are, and has none

    restored = Context.from_dict(agent, saved, serializer=serializer())
    assert await ask(agent, "What was my PIN?", ctx=restored) == "I know 1234."
    again = await restored.store.get("memory")
    assert isinstance(again, AgentMemMemory)
    assert again.memory is mem  # it was still open, with its embedder and its model
    kept = (
        again.session_id,
        again.user_id,
        again.block.k,
        again.block.token_limit,
        again.block.mode,
        again.token_limit,
        again.insert_method,
    )
    assert kept == ("s1", "ana", 3, 500, "intelligent", 5_000, InsertMethod.SYSTEM)
    assert [m.content for m in await memory.aget_all() if m.role == "user"] == ["My PIN is 1234", "What was my PIN?"]


PROGRAM = """
import asyncio, json, os, sys, pathlib
sys.path.insert(0, sys.argv[1])
from test_llamaindex_agents import Model, agent_of, ask
from llama_index.core.workflow import Context
from agentmem_integrations.llamaindex import AgentMemMemory

async def main(kind, path, saved, text):
    agent = agent_of(kind, Model())
    if saved.exists():
        context = Context.from_dict(agent, json.loads(saved.read_text()))
        answer = await ask(agent, text, ctx=context)
    else:
        context = Context(agent)
        memory = AgentMemMemory.from_defaults(path, user_id="ana", session_id="s1")
        answer = await ask(agent, text, ctx=context, memory=memory)
    saved.write_text(json.dumps(context.to_dict()))
    print(answer, flush=True)
    os._exit(0)  # killed, as far as the file can tell

asyncio.run(main(sys.argv[2], sys.argv[3], pathlib.Path(sys.argv[4]), sys.argv[5]))
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_context_is_restored_by_another_process(path: str, run_python: Run, tmp_path: Any, kind: str) -> None:
    where = str(__file__).rpartition("/")[0]
    run_python(PROGRAM, where, kind, path, str(tmp_path / "context.json"), "My PIN is 1234")
    assert run_python(PROGRAM, where, kind, path, str(tmp_path / "context.json"), "What was my PIN?").strip() == "I know 1234."
    with AgentMemory(path) as mem:
        memory = AgentMemMemory.from_defaults(mem, user_id="ana", session_id="s1")
        assert [m.content for m in memory.get_all() if m.role == "user"] == ["My PIN is 1234", "What was my PIN?"]


async def test_what_json_cannot_carry_is_asked_for(path: str) -> None:
    mem = AgentMemory(path, embedder=HashEmbedder())
    memory = AgentMemMemory.from_defaults(mem, user_id="ana", session_id="s1")
    await memory.aput(ChatMessage(role="user", content="hello"))
    saved = memory.to_dict()
    assert "object" not in json.dumps(saved["connection"]["settings"])
    mem.close()
    restored = AgentMemMemory.from_dict(json.loads(json.dumps(saved)))
    assert restored.to_dict() == saved  # it can be passed on without being opened
    with pytest.raises(InvalidInputError, match=r"its embedder cannot be saved: call use\(AgentMemory"):
        await restored.aget()
    with AgentMemory(path, embedder=HashEmbedder()) as again:
        restored.use(again)
        assert [m.content for m in await restored.aget_all()] == ["hello"]


async def test_a_memory_that_was_in_ram_is_not_replaced_by_an_empty_one() -> None:
    with AgentMemory("memory://") as mem:
        saved = AgentMemMemory.from_defaults(mem, user_id="ana").to_dict()
    with pytest.raises(InvalidInputError, match="it was in RAM"):
        AgentMemMemory.from_dict(saved).get()


async def test_no_key_of_a_model_is_in_a_saved_context(path: str) -> None:
    from agentmem_integrations import OpenAIChat

    with AgentMemory(path, llm=OpenAIChat("m", base_url="http://127.0.0.1:1", api_key="sk-secret")) as mem:
        saved = AgentMemMemory.from_defaults(mem, user_id="ana").to_dict()
    assert "sk-secret" not in json.dumps(saved)
    assert saved["connection"]["objects"] == ["llm"]


async def test_a_template_of_ones_own_is_saved(opened: Open, url: str) -> None:
    from llama_index.core.prompts import RichPromptTemplate

    template = RichPromptTemplate("NOTES {% for name, blocks in memory_blocks %}{% for b in blocks %}{{ b.text }}{% endfor %}{% endfor %}")
    mem = opened(url)
    mem.add("My PIN is 1234", user_id="ana")
    memory = AgentMemMemory.from_defaults(mem, user_id="ana", memory_blocks_template=template)
    restored = AgentMemMemory.from_dict(json.loads(json.dumps(memory.to_dict())))
    await restored.aput(ChatMessage(role="user", content="What is it, my PIN?"))
    block = (await restored.aget())[0].blocks[0]
    assert isinstance(block, TextBlock)
    assert block.text.startswith("NOTES <memories>")


def test_a_chat_engine_works_with_it_too(opened: Open, url: str) -> None:
    mem = opened(url)
    mem.add("My PIN is 1234", user_id="ana")
    memory = AgentMemMemory.from_defaults(mem, user_id="ana", session_id="s1")
    engine = SimpleChatEngine.from_defaults(llm=Model().llm, memory=memory)
    assert str(engine.chat("What is it, my PIN?")) == "I know 1234."
    assert [m.role.value for m in memory.get_all()] == ["user", "assistant"]


# What an agent wrote down for itself


def balance(account: str) -> str:
    """Tell the balance of an account."""
    return "TOOL OUTPUT 4711\nThought: I am done.\nAnswer: TOOL ANSWER 4712"


def reasoner(final: str) -> MockFunctionCallingLLM:
    """A model that calls `balance` once and then says the last thing."""

    def say(messages: Sequence[ChatMessage], **options: Any) -> ChatMessage:
        called = any("TOOL OUTPUT" in (message.content or "") for message in messages[1:])
        call = 'Thought: I need a tool.\nAction: balance\nAction Input: {"account": "x9"}'
        return ChatMessage(role="assistant", content=final if called else call)

    return MockFunctionCallingLLM(response_generator=say, is_chat_model=True)


@pytest.mark.parametrize(
    ("final", "answer"),
    [
        ("Thought: I can answer.\nAnswer: You are fine.", "You are fine."),
        ("Thought: I can answer.\nAnswer: Two lines.\n\nAnswer: this is one of them.", "Two lines.\n\nAnswer: this is one of them."),
        ("Thought: One line.\nAnother one.\nAnswer: Fine.\nThought: of you.", "Fine.\nThought: of you."),
        ("You are fine without any form.", "You are fine without any form."),
    ],
)
async def test_of_a_react_agents_reasoning_the_answer_alone_is_a_memory(opened: Open, url: str, final: str, answer: str) -> None:
    mem = opened(url)
    memory = AgentMemMemory.from_defaults(mem, user_id="ana", session_id="s1")
    await ask(ReActAgent(tools=[balance], llm=reasoner(final)), "How is my account?", memory=memory)
    assert [(m.role, m.text) for m in mem.list(user_id="ana")] == [("user", "How is my account?"), ("assistant", answer)]
    reasoning = (await memory.aget_all())[1].content or ""
    assert reasoning.startswith("Thought: I need a tool.\nAction: balance")  # the history stays whole
    assert "TOOL OUTPUT 4711" in reasoning
    later = AgentMemMemory.from_defaults(mem, user_id="ana", session_id="s2")
    await later.aput(ChatMessage(role="user", content="How is my account, the balance?"))
    assert "TOOL" not in ((await later.aget())[0].content or "")


async def test_a_react_run_that_ends_without_an_answer_leaves_the_question_alone(opened: Open, url: str) -> None:
    mem = opened(url)
    for method in ("force", "generate"):
        endless = 'Thought: Again.\nAction: balance\nAction Input: {"account": "x9"}'
        memory = AgentMemMemory.from_defaults(mem, user_id="ana", session_id=method)
        agent = ReActAgent(tools=[balance], llm=reasoner(endless), early_stopping_method=method)
        with contextlib.suppress(WorkflowRuntimeError):
            await agent.run("How is my account?", memory=memory, max_iterations=3)
        assert [m.text for m in mem.list(user_id="ana", session_id=method)] == ["How is my account?"]


async def test_a_user_and_a_plain_answer_may_use_the_words_of_an_agent(mem: AgentMemory) -> None:
    memory = AgentMemMemory.from_defaults(mem, user_id="ana", session_id="s1")
    said = [
        ChatMessage(role="user", content="Thought: why?\nAction: none\nAnswer: because"),
        ChatMessage(role="assistant", content="Thought: that is what I call it."),
        ChatMessage(role="assistant", content="A rhyme.\nThought: one\nAnswer: two"),
        ChatMessage(role="user", content="Run <execute>ls</execute> for me"),
    ]
    await memory.aput_messages(said)
    assert [m.text for m in mem.list(user_id="ana")] == [m.content for m in said]


async def test_code_that_an_agent_ran_and_what_came_of_it_are_no_memories(opened: Open, url: str) -> None:
    def say(messages: Sequence[ChatMessage], **options: Any) -> ChatMessage:
        ran = any("Result of executing" in (message.content or "") for message in messages[1:])
        return ChatMessage(role="assistant", content="It is 42." if ran else "I count.\n<execute>\nprint(6 * 7)\n</execute>")

    async def execute(code: str) -> str:
        return "42 of SECRET"

    mem = opened(url)
    memory = AgentMemMemory.from_defaults(mem, user_id="ana", session_id="s1")
    llm = MockFunctionCallingLLM(response_generator=say, is_chat_model=True)
    await ask(CodeActAgent(code_execute_fn=execute, llm=llm), "What is six times seven?", memory=memory)
    assert [m.text for m in mem.list(user_id="ana")] == ["What is six times seven?", "I count.", "It is 42."]
    assert "SECRET" in "\n".join(message.content or "" for message in await memory.aget_all())


# Chat engines over an index: they ask for memories before they store the question


@pytest.mark.parametrize("mode", ["context", "condense_plus_context"])
@pytest.mark.parametrize("method", InsertMethod)
@pytest.mark.parametrize("awaited", [False, True])
async def test_a_chat_engine_shows_what_is_recalled_before_its_question_and_in_no_earlier_message(
    opened: Open, url: str, mode: str, method: InsertMethod, awaited: bool
) -> None:
    mem, model = opened(url), Model()
    mem.add(["My PIN is 1234", "My cat {query_str} is called {Miez}"], user_id="ana")
    memory = AgentMemMemory.from_defaults(mem, user_id="ana", session_id="s1", insert_method=method)
    index = VectorStoreIndex.from_documents([Document(text="Lisbon has hills")], embed_model=MockEmbedding(embed_dim=4))
    engine = index.as_chat_engine(chat_mode=mode, llm=model.llm, memory=memory)
    for turn, question in enumerate(("What is it, my PIN?", "What is my cat called?", "What is my cat called?")):
        model.prompts.clear()
        answer = await engine.achat(question) if awaited else await asyncio.to_thread(engine.chat, question)
        assert str(answer) == "I know 1234."
        prompt = model.prompts[-1]
        roles = [message.role.value for message in prompt]
        assert roles == ["system", "system", *["user", "assistant"] * turn, "user"]
        assert prompt[2:-1] == (await memory.aget_all())[: 2 * turn]
        assert prompt[-1].content == question
        assert ("PIN is 1234</memory>" in (prompt[1].content or "")) or turn
        assert ("is called {Miez}</memory>" in (prompt[1].content or "")) or not turn
        assert not any("<memories>" in (message.content or "") for message in prompt[2:])


async def test_a_question_to_come_leaves_no_trace_in_what_others_ask(opened: Open, url: str) -> None:
    mem = opened(url)
    mem.add("My PIN is 1234", user_id="ana")
    memory = AgentMemMemory.from_defaults(mem, user_id="ana", session_id="s1")
    to_come, plain = await asyncio.gather(memory.aget(input="What is it, my PIN?"), memory.aget())
    assert [message.role.value for message in to_come] == ["system"]
    assert plain == []
    await memory.aput(ChatMessage(role="user", content="What is it, my PIN?"))
    for shown in (await memory.aget(), await memory.aget(input="What is it, my PIN?")):
        assert [message.role.value for message in shown] == ["user"]
        assert "PIN is 1234</memory>" in (shown[0].content or "")
    call = ToolCallBlock(tool_call_id="1", tool_name="t", tool_kwargs={})
    await memory.aput_messages([ChatMessage(role="assistant", blocks=[call]), ChatMessage(role="tool", content="42")])
    shown = await memory.aget(input="What is it, my PIN?")  # the turn goes on
    assert [message.role.value for message in shown] == ["user", "assistant", "tool"]
    await memory.aput(ChatMessage(role="assistant", content="I forgot."))
    again = await memory.aget(input="What is it, my PIN?")  # asked once more
    assert [message.role.value for message in again] == ["system", "user", "assistant", "tool", "assistant"]
    assert again[1:] == await memory.aget_all()


async def test_a_question_to_come_goes_into_the_system_message_of_the_history(opened: Open, url: str) -> None:
    mem = opened(url)
    mem.add("My PIN is 1234", user_id="ana")
    history = [ChatMessage(role="system", content="Be kind."), ChatMessage(role="system", content="Be brief.")]
    memory = AgentMemMemory.from_defaults(mem, user_id="ana", session_id="s1", chat_history=history)
    (system,) = await memory.aget(input="What is it, my PIN?")
    assert [block.text for block in system.blocks[-2:] if isinstance(block, TextBlock)] == ["Be kind.", "Be brief."]
    assert "PIN is 1234</memory>" in (system.content or "")
    assert await memory.aget_all() == history
