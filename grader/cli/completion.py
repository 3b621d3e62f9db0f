"""`grader completion SHELL`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from grader.cli import options
from grader.text import Lang, Text

HOW = {
    "bash": ("~/.bashrc", 'eval "$(grader completion bash)"'),
    "zsh": ("~/.zshrc", 'eval "$(grader completion zsh)"'),
    "fish": ("~/.config/fish/config.fish", "grader completion fish | source"),
}
"""Which file of a shell takes which line."""
VARIABLE = "_GRADER_COMPLETE"
"""Environment variable in which a shell asks click for completions."""


@click.command()
@click.argument("shell", type=click.Choice(list(HOW)))
@options.lang
def command(shell: str, lang: Lang) -> None:
    """Print what makes SHELL complete commands, options and lessons.

    \b
    bash  eval "$(grader completion bash)"      in ~/.bashrc
    zsh   eval "$(grader completion zsh)"       in ~/.zshrc
    fish  grader completion fish | source       in ~/.config/fish/config.fish
    """
    from grader.cli import cli

    found = get_completion_class(shell)
    assert found is not None
    file, line = HOW[shell]
    told = Text("To have it always, add to {file}", file=file)
    click.echo(f"# {told.to(lang)}: {line}")
    click.echo(found(cli, {}, "grader", VARIABLE).source())
