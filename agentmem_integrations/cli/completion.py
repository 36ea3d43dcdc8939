"""`agentmem completion`: scripts that complete the command line, made of its own grammar so that they cannot fall behind."""

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from .arguments import Arguments, Command
from .exit_status import OK
from .output import Output

FILES: Final = ("db", "file")  # arguments that name a file

# Line by line, since a name may have spaces in it; what was typed of it may have them quoted. No mapfile: macOS has bash 3.2
_BASH_FILES: Final = (
    "_agentmem_files() {",
    r"  local start=${word//\\/} found",
    r"""  start=${start#\"} start=${start#\'}""",
    """  while IFS= read -r found; do COMPREPLY+=("$found"); done < <(compgen -f -- "$start")""",
    "}",
)


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a command.

    Attributes:
        names: `--kind`, or `-k`.
        about: Its help, without what would have to be quoted in a shell.
        values: What may follow it; empty for anything.
        takes: What follows it; None for nothing.
        file: A file's name follows it.
    """

    names: tuple[str, ...]
    about: str
    values: tuple[str, ...]
    takes: str | None
    file: bool


@dataclass(frozen=True, slots=True)
class Completed:
    """A command, its options, and whether files or certain words are its other arguments."""

    name: str
    about: str
    options: tuple[Option, ...]
    values: tuple[str, ...]
    file: bool


def completion(args: Arguments, out: Output) -> int:
    """Print the script for a shell."""
    script = {"bash": bash, "zsh": zsh, "fish": fish}[args.shell](commands(args.grammar))
    if out.json:
        out.document({"shell": args.shell, "script": script})
    else:
        out.line(script)
    return OK


def commands(grammar: argparse.ArgumentParser) -> list[Completed]:
    """Read the commands and their options off the grammar, for which argparse has no public way."""
    (choices,) = (action for action in grammar._actions if isinstance(action, argparse._SubParsersAction))
    abouts = {action.dest: action.help or "" for action in choices._choices_actions}
    return [_command(name, abouts[name], options) for name, options in choices.choices.items()]


def _command(name: str, about: str, grammar: argparse.ArgumentParser) -> Completed:
    options = tuple(_option(action) for action in grammar._actions if action.option_strings)
    others = [action for action in grammar._actions if not action.option_strings]
    values = tuple(str(choice) for action in others for choice in action.choices or ())
    return Completed(name, _plain(about), options, values, any(action.dest in FILES for action in others))


def _option(action: argparse.Action) -> Option:
    takes = None if action.nargs == 0 else str(action.metavar or action.dest)
    values: Any = action.choices or ()
    return Option(tuple(action.option_strings), _plain(action.help or ""), tuple(map(str, values)), takes, action.dest in FILES)


def _plain(text: str) -> str:
    """Return the first clause of a help text, without what a shell would take for its own."""
    clause = re.split(r"[(:;]", text, maxsplit=1)[0].strip()
    return "".join(c for c in clause.replace("'", "\u2019") if c not in '"[]\\`$%')


def bash(found: list[Completed]) -> str:
    """Return the script for bash: words only."""
    lines = [
        "# Load with: source <(agentmem completion bash)",
        *_BASH_FILES,
        "_agentmem() {",
        "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= w",
    ]
    lines += [
        '  for w in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do case $w in '
        + "|".join(c.name for c in found)
        + ") command=$w; break;; esac; done"
    ]
    lines += ["  COMPREPLY=()", "  case $command,$before in", "    ,--db) _agentmem_files; return;;"]  # also before the command
    for command in found:
        for option in command.options:
            pattern = "|".join(f"{command.name},{name}" for name in option.names)
            if option.file:
                lines.append(f"    {pattern}) _agentmem_files; return;;")
            elif option.takes is not None:
                lines.append(f'    {pattern}) COMPREPLY=($(compgen -W "{" ".join(option.values)}" -- "$word")); return;;')
    lines += ["  esac", "  case $command in"]
    for command in found:
        words = " ".join([*command.values, *(name for option in command.options for name in option.names)])
        files = "; [[ $word == -* ]] || _agentmem_files" if command.file else ""
        lines.append(f'    {command.name}) COMPREPLY=($(compgen -W "{words}" -- "$word")){files};;')
    lines.append(f'    *) COMPREPLY=($(compgen -W "{" ".join(c.name for c in found)} --help --version" -- "$word"));;')
    return "\n".join([*lines, "  esac", "}", "complete -o filenames -F _agentmem agentmem"])


def zsh(found: list[Completed]) -> str:
    """Return the script for zsh: words with what they mean."""
    lines = ["#compdef agentmem", "# Load with: source <(agentmem completion zsh), after compinit", "_agentmem() {", "  local -a found"]
    lines += ["  if (( CURRENT == 2 )); then", "    found=("]
    lines += [f"      '{command.name}:{command.about}'" for command in found]
    lines += [
        "    )",
        "    _describe command found",
        "    return",
        "  fi",
        "  local command=$words[2]",
        "  shift words; (( CURRENT-- ))",
        "  case $command in",
    ]
    for command in found:
        others = "'*:file:_files'" if command.file else f"'1:word:({' '.join(command.values)})'" if command.values else ""
        lines.append(f"    {command.name}) _arguments {' '.join(filter(None, [*_zsh_options(command), others]))};;")
    return "\n".join([*lines, "  esac", "}", "compdef _agentmem agentmem"])


def _zsh_options(command: Completed) -> Iterator[str]:
    for option in command.options:
        values = "_files" if option.file else f"({' '.join(option.values)})" if option.values else " "
        for name in option.names:
            yield f"'{name}[{option.about}]" + (f":{option.takes}:{values}'" if option.takes is not None else "'")


def fish(found: list[Completed]) -> str:
    """Return the script for fish: words with what they mean."""
    names = " ".join(command.name for command in found)
    lines = ["# Load with: agentmem completion fish | source", "complete -c agentmem -f"]
    for command in found:
        lines.append(f"complete -c agentmem -n 'not __fish_seen_subcommand_from {names}' -a {command.name} -d '{command.about}'")
        seen = f"complete -c agentmem -n '__fish_seen_subcommand_from {command.name}'"
        lines += [f"{seen} {_fish_option(option)}" for option in command.options]
        if command.values:
            lines.append(f"{seen} -a '{' '.join(command.values)}'")
        if command.file:
            lines.append(f"{seen} -F")
    return "\n".join(lines)


def _fish_option(option: Option) -> str:
    names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
    values = " -r -F" if option.file else f" -x -a '{' '.join(option.values)}'" if option.takes is not None else ""
    return f"{names}{values} -d '{option.about}'"


def _completion_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("shell", choices=("bash", "zsh", "fish"), metavar="SHELL", help="bash, zsh or fish")


COMPLETION: Final = Command(
    "completion", "print a script that completes the words of this command in a shell", _completion_options, completion
)
