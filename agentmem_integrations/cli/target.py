"""Which memories a command is about: the file, and whose."""

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..config import MEMORY_URL
from ..errors import EmbedderMismatchError, InvalidInputError, NotFoundError, ScopeError, StorageError, shown
from ..models import SHARED, UserId
from .arguments import Arguments

if TYPE_CHECKING:
    from ..memory import AgentMemory


def open_memory(path: str, **options: Any) -> "AgentMemory":
    """Open the memory file, with options as for `AgentMemory`."""
    from .. import AgentMemory  # here, so that `agentmem --help` does not load numpy

    return AgentMemory(path, **options)


def open_collection(args: Arguments, *, must_exist: bool = False, embeds: bool = False, **options: Any) -> "AgentMemory":
    """Open the collection that the options name.

    Args:
        args: What was said.
        must_exist: Make neither file nor collection: a question put to a mistyped one should say so, not leave it behind empty.
        embeds: With the embedder. Else without one: then the collection opens whichever made its vectors.
        options: More of `AgentMemory`'s.

    Raises:
        InvalidInputError: it would be gone when the command ends.
        NotFoundError: `must_exist`, and there is none.
        EmbedderMismatchError: another embedder made its vectors.
    """
    path, namespace = args.path(), args.collection()
    if path == MEMORY_URL:
        raise InvalidInputError(
            f"{MEMORY_URL} lasts as long as its process: this command would find nothing in it, and keep nothing. "
            f"Name a file with --db or AGENTMEM_DB"
        )
    if "://" not in path:
        if is_special(path):  # SQLite would find a device empty, and fail later
            raise InvalidInputError(f"{path} is a device, a pipe or a socket: name a file with --db or AGENTMEM_DB")
        if must_exist:
            _check_there(path, namespace)
    try:
        return open_memory(path, namespace=namespace, embedder=args.embedder_spec() if embeds else None, **options)
    except EmbedderMismatchError as error:
        raise EmbedderMismatchError(f"{error}. Here: --embedder with that one, or --embedder none to go by words alone") from error


def is_special(path: str) -> bool:
    """Say whether something lies there that is neither a file nor a directory."""
    # os.path, because pathlib raises for a name that is too long
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)  # noqa: PTH110, PTH112, PTH113


def _check_there(path: str, namespace: str) -> None:
    if not os.path.exists(path):  # noqa: PTH110 - pathlib raises for a name that is too long
        raise NotFoundError(f"there is no memory file {shown(path)}: name one with --db or AGENTMEM_DB; `agentmem add` makes it")
    from ..build import look_at_file

    try:
        state = look_at_file(path, check=False)
    except StorageError:  # opening it says what is wrong with it
        return
    if not state.schema:
        raise NotFoundError(f"{shown(path)} is empty: restore a backup if there was something in it; `agentmem add` begins anew")
    there = list(state.collections)
    if there and namespace not in there:
        names = ", ".join(map(shown, there[:10])) + (", ..." if len(there) > 10 else "")
        raise NotFoundError(f"there is no collection {shown(namespace)} in {shown(path)}: --namespace takes one of {names}")


def owner(args: Arguments) -> UserId | None:
    """Return the user that was named, if any.

    Raises:
        ScopeError: both `--user` and `--shared`.
    """
    if args.shared and args.user is not None:
        raise ScopeError(f"--user {args.user} and --shared contradict each other: pass one of them")
    return SHARED if args.shared else args.user


def scope(args: Arguments) -> dict[str, Any]:
    """Return whose memory it is, as the arguments of a verb; it must have been said.

    Raises:
        ScopeError: nobody was named, or two.
    """
    user = owner(args)
    if user is None and args.agent is None and args.session is None:
        raise ScopeError("whose memory? Pass --user ID (or --agent, --session), or --shared for memory that belongs to nobody")
    return {"user_id": user, "agent_id": args.agent, "session_id": args.session}


def whose(args: Arguments) -> str:
    """Return the same in words."""
    parts = [args.user or ("nobody in particular" if args.shared else "")]
    parts += [f"{what} {id}" for what, id in (("agent", args.agent), ("session", args.session)) if id is not None]
    return ", ".join(filter(None, parts))


def json_object(text: str | None, option: str) -> Mapping[str, Any] | None:
    """Read the JSON object that was given to an option.

    Raises:
        InvalidInputError: it is something else.
    """
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        example = f"""{option} '{{"city": "Lisbon"}}'"""
        raise InvalidInputError(f"{option} is not JSON ({error}): quote it for the shell, as in {example}") from None
    if not isinstance(value, Mapping):
        raise InvalidInputError(f"{option} takes a JSON object, such as '{{}}', and not a {type(value).__name__}")
    return value
