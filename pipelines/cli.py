"""The command `limen`: its commands, what they share, and nothing of what they do.

Exit codes: 0 all is well; 1 a check failed, not all of the input could be read, or not every message was delivered; 2
the command, a file name or the configuration is wrong; 3 a broker, a database or an address cannot be reached.
"""

import os
import sys
from importlib import import_module
from importlib.metadata import version

import click

from pipelines.run_spare import spare_memory

COMMANDS = {
    "alerts": "cli_incidents:alerts",
    "audit": "cli_doors:audit",
    "check": "cli_settings:check",
    "declare": "cli_report:declare",
    "decode": "cli_files:decode",
    "demo": "cli_demo:demo",
    "doctor": "cli_doctor:doctor",
    "explain": "cli_explain:explain_series",
    "incidents": "cli_acts:incidents",
    "notify": "cli_notify:notify",
    "rejects": "cli_rejects:rejects",
    "replay": "cli_files:replay_files",
    "report": "cli_report:report",
    "run": "cli_run:run_live",
    "schema": "cli_settings:schema",
    "silence": "cli_silence:silence_commands",
    "simulate": "cli_traffic:simulate",
    "store": "cli_store:store_commands",
    "test": "cli_rules:try_out",
    "token": "cli_doors:token",
}
"""Command -> its module in `pipelines` and its name there; a module is imported when needed: most take seconds."""


class Lazy(click.Group):
    """A group whose commands are imported when they are needed, and which ends well when nobody reads on."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; None where there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command = getattr(import_module(f"pipelines.{module}"), name)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> None:
        """Run a command; that the reader of its output has gone, as `head` does, is its end and no error."""
        spare_memory()  # before the module of the command is imported
        try:
            super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # What is still buffered would fail again when Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(cls=Lazy, context_settings={"max_content_width": 100})
@click.version_option(version("limen"), prog_name="limen")
def main() -> None:
    """Watch how LLM applications behave, and page a human when it changes.

    Exit codes: 0 all is well, 1 a check failed, not all of the input could be read, or not every message was
    delivered, 2 the command or the configuration is wrong, 3 a broker, a database or an address cannot be reached.
    """


if __name__ == "__main__":
    main()
