"""The command `limen`: its commands, what they share, and nothing of what they do.

Exit codes: 0 all is well; 1 a check failed, or not all of the input could be read; 2 the command, a file name or the
configuration is wrong; 3 a broker, a database or an address cannot be reached.
"""

from importlib.metadata import version

import click

from pipelines.cli_demo import demo
from pipelines.cli_files import decode, replay_files
from pipelines.cli_incidents import alerts, incidents
from pipelines.cli_run import run_live
from pipelines.cli_settings import check, schema
from pipelines.cli_traffic import simulate


@click.group(context_settings={"max_content_width": 100})
@click.version_option(version("limen"), prog_name="limen")
def main() -> None:
    """Watch how LLM applications behave, and page a human when it changes.

    Exit codes: 0 all is well, 1 a check failed or not all of the input could be read, 2 the command or the
    configuration is wrong, 3 a broker, a database or an address cannot be reached.
    """


for command in (demo, run_live, replay_files, decode, simulate, incidents, alerts, check, schema):
    main.add_command(command)


if __name__ == "__main__":
    main()
