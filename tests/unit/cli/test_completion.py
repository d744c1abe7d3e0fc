"""Scripts for shells, run by the shell itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mistique_core.cli.completion import SHELLS
from mistique_core.cli.main import build_parser, main


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gets_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the commands of other installed packages; the shell itself, where it is installed, can parse it."""
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for command in ("doctor", "diagnose", "demo"):
        assert command in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)


def test_bash_completes_commands_and_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As bash asks for it: the words so far, and which one is being typed."""
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "mistique.bash"
    script.write_text(capsys.readouterr().out)

    def complete(*words: str) -> list[str]:
        typed = " ".join(f"'{word}'" for word in words)
        program = f"""
            source {script}
            COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}
            function=$(complete -p mistique | sed -E 's/.*-F ([^ ]+).*/\\1/')
            $function; printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
        return sorted(done.stdout.split())

    assert complete("mistique", "do") == ["doctor"]
    assert complete("mistique", "doctor", "--") == ["--help", "--json", "--read-only"]


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    """A per cent sign that is not doubled would end it."""
    parsers = [build_parser()]
    seen = 0
    while parsers:
        parser = parsers.pop()
        assert parser.format_help()
        seen += 1
        for action in parser._actions:
            if isinstance(action.choices, dict):
                parsers += list(action.choices.values())
    assert seen > 20
