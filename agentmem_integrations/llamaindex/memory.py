"""Memory of an agent: its chat history and what it remembers of everything before, in one file."""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, Final

from llama_index.core.base.llms.types import ChatMessage, ContentBlock
from llama_index.core.bridge.pydantic import Field
from llama_index.core.memory.memory import (
    DEFAULT_FLUSH_SIZE,
    DEFAULT_MEMORY_BLOCKS_TEMPLATE,
    DEFAULT_TOKEN_LIMIT,
    BaseMemoryBlock,
    InsertMethod,
    Memory,
    generate_chat_store_key,
)
from llama_index.core.prompts import RichPromptTemplate
from llama_index.core.storage.chat_store.base_db import AsyncDBChatStore, MessageStatus
from llama_index.core.utils import get_tokenizer

from ..config import Mode, Using
from ..errors import InvalidInputError
from ..memory import AgentMemory
from ..models import UserId
from ..open_memory import MemoryOrPath
from ..pipeline.arguments import read_count, read_name
from .chat_store import AgentMemChatStore
from .connection import Connection, arguments_of, closed_on_error, owner
from .memory_block import MAX_TOKENS, ROLES, AgentMemMemoryBlock, read_roles
from .messages import is_to_come, with_system
from .run_sync import run_sync

# What of a memory and of its block is written down beside the file; the rest are objects of the framework or functions
SAVED: Final = ("token_limit", "token_flush_size", "chat_history_token_ratio", "session_id")
ESTIMATE: Final = "_token_size_estimate"  # how the tokens of an image are called, and of whatever else this version of `Memory` knows
THOUGHT: Final = ("tool_call", "thinking")  # blocks that a model writes beside its answer
# What `aget` is asked with: what it calls of `Memory` in the end is not told
_ASKED: Final[ContextVar[str | None]] = ContextVar("agentmem_asked", default=None)
SAVED_OF_BLOCK: Final = ("agent_id", "mode", "wait", "k", "token_limit", "min_score", "using", "roles", "priority")


class AgentMemMemory(Memory):
    """LlamaIndex's `Memory` on the file of an `AgentMemory`: `AgentMemMemory.from_defaults("memory.db", user_id="ana")`.

    The chat history is in the file with every `put`, and so is what was said, for all later sessions of the user. What the
    latest user message is about is recalled once for each message, within a number of tokens, and put into what `get` returns;
    it never becomes part of the history. Works wherever a `Memory` does: `FunctionAgent`, `ReActAgent`, `AgentWorkflow`, chat
    engines. Made by `from_defaults`.

    Failing models delay vectors and facts, and never an agent. A file that cannot be written raises `StorageError`.
    """

    # Declared anew, as earlier versions of `Memory` take their own store alone
    sql_store: AsyncDBChatStore = Field(default=None, exclude=True)  # type: ignore[assignment]  # without one it is refused below

    def model_post_init(self, context: Any) -> None:
        """Check that it was made by `from_defaults`.

        Raises:
            ValueError: it was not; as pydantic's `ValidationError`.
        """
        super().model_post_init(context)
        if not isinstance(self.sql_store, AgentMemChatStore) or not any(isinstance(b, AgentMemMemoryBlock) for b in self.memory_blocks):
            raise InvalidInputError("make it with AgentMemMemory.from_defaults('memory.db', user_id=...)")

    @classmethod
    def class_name(cls) -> str:
        """Return the name of this class."""
        return "AgentMemMemory"

    @classmethod
    def from_defaults(  # type: ignore[override]  # as `Memory` itself overrides `BaseMemory`: each kind of memory takes its own
        cls,
        memory: MemoryOrPath | Connection,
        *,
        user_id: UserId | None = None,
        session_id: str | None = None,
        agent_id: str | None = None,
        mode: Mode | None = None,
        wait: bool = False,
        k: int = 6,
        recall_tokens: int = 1_000,
        min_score: float = 0.0,
        using: Using = "hybrid",
        roles: Sequence[str] = ROLES,
        insert_method: InsertMethod = InsertMethod.USER,
        chat_history: list[ChatMessage] | None = None,
        token_limit: int = DEFAULT_TOKEN_LIMIT,
        token_flush_size: int = DEFAULT_FLUSH_SIZE,
        chat_history_token_ratio: float = 0.7,
        memory_blocks: list[BaseMemoryBlock[Any]] | None = None,
        memory_blocks_template: RichPromptTemplate = DEFAULT_MEMORY_BLOCKS_TEMPLATE,
        tokenizer_fn: Callable[[str], list[Any]] | None = None,
        priority: int = 1,
        **settings: Any,
    ) -> "AgentMemMemory":
        """Make a memory for one conversation of one user.

        Args:
            memory: An open `AgentMemory`, which is shared and stays yours to close, or a path.
            user_id: Whose conversation; `SHARED` for nobody's.
            session_id: Which conversation; the same again goes on with its history. Default: a new one.
            agent_id: What is remembered is stored for this agent, and nothing else is recalled.
            mode: How messages are added, see `AgentMemory.add`; default the memory's own.
            wait: `intelligent` only: `put` waits until the facts are drawn. Otherwise they follow in the background.
            k: Memories that are recalled at most; 1 to 1,000.
            recall_tokens: Tokens they may have together.
            min_score: Only memories that are at least as near, 0 to 1.
            using: `hybrid`, `vector` or `text`.
            roles: Whose messages are remembered.
            insert_method: `USER` puts what is recalled into the latest user message, so that all before it stays as it was and
                providers can cache it; `SYSTEM` into the system message, of which there is exactly one then. Where a chat engine
                asks with a message that it stores only afterwards, `USER` does the same as `SYSTEM`.
            chat_history: Begin the session with these messages instead of what is stored of it.
            token_limit: Tokens of history and recalled memories together; older messages leave `get`, and stay in the file.
            token_flush_size: As many tokens leave at a time.
            chat_history_token_ratio: The history's share.
            memory_blocks: Blocks of your own, beside.
            memory_blocks_template: How blocks are put into the message.
            tokenizer_fn: Counts tokens; default LlamaIndex's own.
            priority: Of what is recalled, among the blocks: 0 is never cut.
            settings: How a path is opened, as for `AgentMemory`: `llm=`, `embedder=`, ...; and `image_token_size_estimate` and its like,
                as `Memory` has them.

        Raises:
            ScopeError: no `user_id`.
            InvalidInputError: an argument that makes no sense.
            StorageError: the path cannot be a memory file.
        """
        read_count(recall_tokens, "recall_tokens", 0, MAX_TOKENS), read_count(token_limit, "token_limit", 1, MAX_TOKENS)
        read_name(session_id or None, "session_id")
        estimates = {name: settings.pop(name) for name in list(settings) if name.endswith(ESTIMATE)}
        connection = memory if isinstance(memory, Connection) else Connection(memory, settings, arguments_of(cls.from_defaults))
        with closed_on_error(None if connection is memory else connection):
            block = AgentMemMemoryBlock(
                connection, user_id=user_id, agent_id=agent_id, mode=mode, wait=wait, k=k,
                token_limit=recall_tokens, min_score=min_score, using=using, roles=read_roles(roles, "roles"), tokenizer_fn=tokenizer_fn,
                priority=priority, write_through=False, accept_short_term_memory=False,
            )  # fmt: skip
            if connection.is_open:
                block.check()
        made = cls(
            token_limit=token_limit, token_flush_size=token_flush_size if token_flush_size <= token_limit else int(token_limit * 0.7),
            chat_history_token_ratio=chat_history_token_ratio, tokenizer_fn=tokenizer_fn or get_tokenizer(),
            sql_store=AgentMemChatStore(connection, user_id=owner(block.user_id)), session_id=session_id or generate_chat_store_key(),
            memory_blocks=[block, *(memory_blocks or [])], memory_blocks_template=memory_blocks_template, insert_method=insert_method,
            **estimates,
        )  # fmt: skip
        if chat_history is not None:
            made.set(chat_history)
        return made

    # The memory it is on

    @property
    def block(self) -> AgentMemMemoryBlock:
        """What remembers and recalls."""
        return next(block for block in self.memory_blocks if isinstance(block, AgentMemMemoryBlock))

    @property
    def memory(self) -> AgentMemory:
        """The open memory."""
        return self.block.memory

    @property
    def user_id(self) -> UserId:
        """Whose memory this is."""
        return owner(self.block.user_id)

    def use(self, memory: AgentMemory) -> None:
        """Go on with this open memory: for one restored from JSON that was opened with an embedder or model of your own."""
        self.block._connection.use(memory)

    def close(self) -> None:
        """Close the memory, if it was opened here from a path."""
        self.block._connection.close()

    # Write through

    async def aput(self, message: ChatMessage) -> None:
        """Store a message in the history, and remember it."""
        await self.aput_messages([message])

    async def aput_messages(self, messages: list[ChatMessage]) -> None:
        """Store messages in the history, and remember them."""
        if messages:
            await super().aput_messages(messages)
            await self._remember(messages)

    async def aset(self, messages: list[ChatMessage]) -> None:
        """Let these be the history, and remember them."""
        await super().aset(messages)
        self.block.forget_recalled()
        await self.block.remember_new(messages, session_id=self.session_id)

    async def areset(self, status: MessageStatus | None = None) -> None:
        """Delete the history of this session; what was remembered stays."""
        await super().areset(status)
        self.block.forget_recalled()

    async def aget(self, input: str | ChatMessage | None = None, **block_kwargs: Any) -> list[ChatMessage]:
        """Return the history with what is recalled for the latest user message, or for `input`."""
        asked = input.content if isinstance(input, ChatMessage) else input
        before = _ASKED.set(asked)
        try:
            return await super().aget(input=asked, **block_kwargs)
        finally:
            _ASKED.reset(before)

    async def _remember(self, messages: list[ChatMessage]) -> None:
        if any(message.role == "user" for message in messages):
            self.block.forget_recalled()
        await self.block.remember(messages, session_id=self.session_id)

    def _estimate_token_count(self, message_or_blocks: Any) -> int:
        """Return the tokens of messages or blocks, those of tool calls and of thoughts too.

        Versions of `Memory` up to 0.14.25 take these for nothing, and then a history of tool calls grows without end.
        """
        counted = super()._estimate_token_count
        items = message_or_blocks if isinstance(message_or_blocks, list) else [message_or_blocks]
        blocks = [block for item in items if isinstance(item, ChatMessage) for block in item.blocks]
        missed = [block for block in blocks if block.block_type in THOUGHT and not counted(ChatMessage(blocks=[block]))]
        texts = [getattr(block, "content", None) or block.model_dump_json() for block in missed]
        return int(counted(message_or_blocks)) + sum(len(self.tokenizer_fn(text)) for text in texts)

    def _insert_memory_content(
        self, chat_history: list[ChatMessage], memory_content: list[ContentBlock], chat_message_data: list[ChatMessage]
    ) -> list[ChatMessage]:
        # An earlier message of the user is not what was recalled for, and one more would stand right before the question
        to_come = bool(memory_content) and is_to_come(_ASKED.get(), chat_history)
        if self.insert_method is InsertMethod.SYSTEM or to_come:
            return with_system([*chat_message_data, *chat_history], memory_content)
        return super()._insert_memory_content(chat_history, memory_content, chat_message_data)

    # For those who do not await

    def get(self, input: str | ChatMessage | None = None, **block_kwargs: Any) -> list[ChatMessage]:
        """Return what `aget` returns."""
        return run_sync(self.aget(input, **block_kwargs))

    def get_all(self, status: MessageStatus | None = None) -> list[ChatMessage]:
        """Return the whole history, or what has a status; nothing is recalled."""
        return run_sync(self.aget_all(status))

    def put(self, message: ChatMessage) -> None:
        """Store a message in the history, and remember it."""
        run_sync(self.aput(message))

    def put_messages(self, messages: list[ChatMessage]) -> None:
        """Store messages in the history, and remember them."""
        run_sync(self.aput_messages(messages))

    def set(self, messages: list[ChatMessage]) -> None:
        """Let these be the history, and remember them."""
        run_sync(self.aset(messages))

    def reset(self, status: MessageStatus | None = None) -> None:
        """Delete the history of this session; what was remembered stays."""
        run_sync(self.areset(status))

    # In a `Context`

    def to_dict(self, **kwargs: Any) -> dict[str, Any]:
        """Return what restores this memory, as JSON: where the file is and how it was opened, not what is in it.

        What `from_dict` cannot have back: blocks of your own and a tokenizer, which are not JSON; and an embedder or a language
        model that is an object, unless the memory is still open in this process. Then call `use`.
        """
        saved = {name: getattr(self, name) for name in type(self).model_fields if name in SAVED or name.endswith(ESTIMATE)}
        saved["block"] = {name: getattr(self.block, name) for name in SAVED_OF_BLOCK} | {"roles": list(self.block.roles)}
        saved |= {"connection": self.block._connection.to_dict(), "user_id": self.block.user_id, "insert_method": self.insert_method.value}
        if self.memory_blocks_template is not DEFAULT_MEMORY_BLOCKS_TEMPLATE:
            saved["memory_blocks_template"] = self.memory_blocks_template.template_str
        return {**saved, "class_name": self.class_name()}

    @classmethod
    def from_dict(cls, data: dict[str, Any], **kwargs: Any) -> "AgentMemMemory":
        """Return the memory that was saved; the file is opened when it is needed."""
        block = dict(data["block"])
        if (template := data.get("memory_blocks_template")) is not None:
            kwargs.setdefault("memory_blocks_template", RichPromptTemplate(template))
        return cls.from_defaults(
            Connection.restored(data["connection"]), user_id=owner(data["user_id"]), recall_tokens=block.pop("token_limit"),
            insert_method=InsertMethod(data["insert_method"]), **block,
            **{name: value for name, value in data.items() if name in SAVED or name.endswith(ESTIMATE)}, **kwargs,
        )  # fmt: skip

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> "AgentMemMemory":
        """Return the same memory: what is open cannot be copied, and a workflow that copies its state means the same memory."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what `to_dict` says."""
        return type(self).from_dict, (self.to_dict(),)
