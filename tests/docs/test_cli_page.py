"""docs/cli.md names every command and option there is, and its commands print what it shows."""

import argparse
import io
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from agentmem_integrations.cli import main
from agentmem_integrations.cli.main import parser

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### `agentmem (\w+)`\n(.*?)(?=^##|\Z)", PAGE, flags=re.DOTALL | re.MULTILINE))
COMMON = PAGE[PAGE.index("## Common options") : PAGE.index("## Add and find")]
SKIPPED = "<!-- not run -->\n\n"
VARYING = (
    (r"01[0-9a-f]{6}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d\.\d+\+00:00)", "<now>"),
    (r"^\d{4}-\d\d-\d\d \d\d:\d\d  ", "<now>  "),
    (r"[\d,]+ bytes", "<n> bytes"),
    (r"\b0\.\d+", "<score>"),
    (r"on \S+-\S+$|CPython [\d.]+|SQLite: [\d.]+|v\d+\.\d+\.\d+", "<version>"),
)


def grammars() -> dict[str, argparse.ArgumentParser]:
    (choices,) = (action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    return dict(choices.choices)


def test_every_command_has_a_section_with_an_example_and_none_is_made_up() -> None:
    assert sorted(SECTIONS) == sorted(grammars())
    assert [name for name, section in SECTIONS.items() if f"$ agentmem {name}" not in section] == []


@pytest.mark.parametrize("command", sorted(grammars()))
def test_every_option_is_documented(command: str) -> None:
    told = SECTIONS[command] + COMMON
    longest = [max(action.option_strings, key=len) for action in grammars()[command]._actions if action.option_strings]
    assert [name for name in longest if not re.search(rf"`{name}[ `]", told)] == []


@pytest.mark.parametrize("command", sorted(grammars()))
def test_no_option_is_documented_that_is_not_there(command: str) -> None:
    there = {name for action in grammars()[command]._actions for name in action.option_strings}
    tabled = set(re.findall(r"^\| `(-[\w-]+)", SECTIONS[command], flags=re.MULTILINE))
    assert tabled <= there


def test_the_index_names_the_page() -> None:
    assert "(cli.md)" in (ROOT / "docs" / "README.md").read_text(encoding="utf-8")


def test_the_environment_variables_are_named() -> None:
    sources = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "agentmem_integrations" / "cli").glob("*.py"))
    variables = set(re.findall(r"\b((?:AGENTMEM|OPENAI)_[A-Z_]+)\b", sources))
    assert {"AGENTMEM_DB", "AGENTMEM_NAMESPACE", "AGENTMEM_EMBEDDER", "OPENAI_API_KEY"} <= variables
    assert [name for name in sorted(variables) if f"`{name}`" not in PAGE] == []


def runnable() -> list[tuple[str, str]]:
    """Every command of the page with what it is to print, in order."""
    found = []
    for skipped, block in re.findall(rf"({re.escape(SKIPPED)})?^```console\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE):
        if not skipped:
            found += re.findall(r"^\$ (agentmem .*)\n((?:(?!\$ ).*\n)*)", block, flags=re.MULTILINE)
    return found


def test_the_commands_print_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ("DB", "NAMESPACE", "EMBEDDER", "RERANKER")
    for variable in (*(f"AGENTMEM_{name}" for name in settings), "OPENAI_API_KEY", "OPENAI_BASE_URL", "NO_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    example = re.search(r"`(\w+\.jsonl)`:\n\n```json\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert example is not None
    Path(example[1]).write_text(example[2], encoding="utf-8")
    commands = runnable()
    assert len(commands) > len(SECTIONS)
    for command, shown in commands:
        said, _, source = command.partition(" < ")
        stdin: Any = io.StringIO(Path(source).read_text(encoding="utf-8") if source else "")
        monkeypatch.setattr(sys, "stdin", stdin)
        status = main(shlex.split(said)[1:])
        told = capsys.readouterr()
        assert status == 0, f"{command}: {told.out}{told.err}"
        assert re.fullmatch(pattern(shown), settled(told.out)), f"{command}\nprints\n{told.out}\nand the page shows\n{shown}"


def settled(text: str) -> str:
    for varying, name in VARYING:
        text = re.sub(varying, name, text, flags=re.MULTILINE)
    return text


def pattern(shown: str) -> str:
    """What may differ is left out, and three dots stand for anything."""
    return re.escape(settled(shown)).replace(r"\.\.\.", r"[\s\S]*")
