"""Which memories a command is about: the file, and whose."""

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import InvalidInputError, NotFoundError, ScopeError, shown
from ..models import SHARED, UserId
from .arguments import Arguments

if TYPE_CHECKING:
    from ..memory import AgentMemory


def open_memory(path: str, *, must_exist: bool = False, **options: Any) -> "AgentMemory":
    """Open the memory file.

    Args:
        path: The file.
        options: As for `AgentMemory`.
        must_exist: Refuse to make one: a question put to a mistyped path should say so, not leave an empty file behind.

    Raises:
        NotFoundError: `must_exist`, and there is none.
    """
    if must_exist and "://" not in path and not os.path.exists(path):  # noqa: PTH110 - pathlib raises for a name that is too long
        raise NotFoundError(f"there is no memory file {shown(path)}: name one with --db or AGENTMEM_DB; `agentmem add` makes it")
    from .. import AgentMemory  # here, so that `agentmem --help` does not load numpy

    return AgentMemory(path, **options)


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
        raise InvalidInputError(f"{option} takes a JSON object, not {shown(text)}")
    return value
