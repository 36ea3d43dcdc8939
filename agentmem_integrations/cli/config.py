"""`agentmem config`: the settings, and where each comes from."""

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Final

from ..config import Settings
from .arguments import Arguments, Command, common
from .exit_status import OK
from .output import Output, clean

SECRETS: Final = {"OPENAI_API_KEY": "the key for openai:<model>"}
VARIABLES: Final = {
    "OPENAI_BASE_URL": "where openai:<model> is asked",
    "NO_COLOR": "no bold and dim text",
}
"""What the environment settles beside the options."""

OPTIONS: Final = {
    "path": ("db", "AGENTMEM_DB"),
    "namespace": ("namespace", "AGENTMEM_NAMESPACE"),
    "embedder": ("with_embedder", "AGENTMEM_EMBEDDER"),
    "reranker": ("with_reranker", "AGENTMEM_RERANKER"),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        name: As in `AgentMemory(...)`, or an environment variable.
        value: What is in force; of a secret only whether it is set.
        source: `option`, `environment` or `default`.
    """

    name: str
    value: Any
    source: str


def config(args: Arguments, out: Output) -> int:
    """Show the settings."""
    found = list(settings(args))
    if out.json:
        out.document({setting.name: {"value": setting.value, "source": setting.source} for setting in found})
        return OK
    widest = max(len(setting.name) for setting in found)
    for setting in found:
        value = "none" if setting.value is None else clean(str(setting.value))
        out.line(f"{setting.name:<{widest}}  {value}  {out.dim(f'({_source(setting)})')}")
    return OK


def settings(args: Arguments) -> Iterator[Setting]:
    """Give all settings of a command that opens a memory."""
    said = {"path": args.path(), "namespace": args.collection(), "embedder": args.embedder_spec(), "reranker": args.reranker_spec()}
    for field in fields(Settings):
        if field.name in said:
            option, variable = OPTIONS[field.name]
            source = "option" if getattr(args, option) is not None else "environment" if os.environ.get(variable) else "default"
            yield Setting(field.name, said[field.name], source)
        else:
            yield Setting(field.name, field.default, "default")
    for variable in SECRETS:
        yield Setting(variable, "set" if os.environ.get(variable) else "not set", _whence(variable))
    for variable in VARIABLES:
        yield Setting(variable, _without_password(os.environ.get(variable) or None), _whence(variable))


def _whence(variable: str) -> str:
    return "environment" if os.environ.get(variable) else "default"


def _without_password(value: str | None) -> str | None:
    """Return a URL without the name and password that may stand in it."""
    if value is None or "@" not in value:
        return value
    scheme, separator, rest = value.partition("://")
    return f"{scheme}{separator}...@{rest.rpartition('@')[2]}"


def _source(setting: Setting) -> str:
    if setting.name in OPTIONS and setting.source != "default":
        option, variable = OPTIONS[setting.name]
        return f"--{option.removeprefix('with_')}" if setting.source == "option" else f"${variable}"
    return setting.source


def _config_options(command: argparse.ArgumentParser) -> None:
    common(command, owner=False, narrow=False, embedder=True)


CONFIG: Final = Command("config", "show the settings, and where each comes from", _config_options, config)
