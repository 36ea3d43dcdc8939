"""`agentmem completion`: in the shells that are here, words are completed; in all, every command and option is in the script."""

import argparse
import shutil
import subprocess
from pathlib import Path

import pytest

from agentmem_integrations.cli import main
from agentmem_integrations.cli.main import parser

Capture = pytest.CaptureFixture[str]
SHELLS = ("bash", "zsh", "fish")


def script(shell: str, capsys: Capture) -> str:
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_option_is_in_the_script(shell: str, capsys: Capture) -> None:
    told = script(shell, capsys)
    (choices,) = (action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    for name, grammar in choices.choices.items():
        lines = [line for line in told.splitlines() if name in line]
        for action in grammar._actions:
            for option in action.option_strings:
                word = option if shell != "fish" else f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
                assert any(word in line for line in lines), (name, option)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_can_read_it(shell: str, capsys: Capture) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not here")
    done = subprocess.run([shell, "-n"], input=script(shell, capsys), capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("said", "offered"),
    [
        ("agentmem sear", "search"),
        ("agentmem search --us", "--user --using"),
        ("agentmem search --using ", "hybrid text vector"),
        ("agentmem --db x.db list --kind episo", "episode episodic"),
        ("agentmem completion ", "-h --help bash fish zsh"),
        ("agentmem export ./out", "./out.jsonl"),
        ("agentmem list --db ./out", "./out.jsonl"),
        ("agentmem --db ./out", "./out.jsonl"),
        ("agentmem search --user ", ""),
    ],
)
def test_bash_completes(said: str, offered: str, tmp_path: Path, capsys: Capture) -> None:
    if shutil.which("bash") is None:
        pytest.skip("bash is not here")
    (tmp_path / "out.jsonl").touch()
    (tmp_path / "completion").write_text(script("bash", capsys), encoding="utf-8")
    program = """
    source ./completion
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
    _agentmem
    printf '%s\\n' "${COMPREPLY[@]}"
    """
    words = said.split(" ")
    done = subprocess.run(["bash", "-c", program, "bash", *words], capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path)
    assert (sorted(done.stdout.split()), done.stderr) == (sorted(offered.split()), "")


@pytest.mark.parametrize("typed", ["x", "x\\ ", "'x ", '"x y', "./x"], ids=["bare", "escaped", "quoted", "doubly quoted", "in a folder"])
def test_a_file_with_a_space_in_its_name_is_one_word_in_bash(typed: str, tmp_path: Path, capsys: Capture) -> None:
    if shutil.which("bash") is None:
        pytest.skip("bash is not here")
    (tmp_path / "x y.jsonl").touch()
    (tmp_path / "x *.jsonl").touch()  # which a shell must not take for a pattern
    (tmp_path / "completion").write_text(script("bash", capsys), encoding="utf-8")
    program = 'source ./completion; COMP_WORDS=(agentmem import -h "$1"); COMP_CWORD=3; _agentmem; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", program, "bash", typed], capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path)
    names = ["x y.jsonl"] if typed.endswith("y") else ["x *.jsonl", "x y.jsonl"]
    folder = "./" if typed.startswith("./") else ""
    offered = [line for line in done.stdout.splitlines() if not line.startswith("-")]
    assert (sorted(offered), done.stderr) == ([f"{folder}{name}" for name in names], "")


def test_an_unknown_shell_is_a_usage_error(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["completion", "tcsh"])
    assert exit_.value.code == 2
    assert "bash" in capsys.readouterr().err
