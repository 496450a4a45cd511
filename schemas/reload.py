"""What became of the wish to take up changed settings while Limen runs."""

import msgspec


class Reloaded(msgspec.Struct, frozen=True):
    """The outcome of one reload: what was changed, or `problems`, a line each, and then nothing was.

    `changed` names settings with dots, `config_hash` is that of the settings in use afterwards.
    """

    config_hash: str
    changed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
