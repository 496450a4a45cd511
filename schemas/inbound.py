"""What other programs may tell Limen over HTTP, and how it knows that it is they."""

import msgspec


class Inbound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Webhooks that are taken. Without a file of a secret those of PagerDuty are refused.

    There are several while one secret is exchanged for another. Alertmanager shows a token of `serve.tokens`.
    """

    pagerduty_secret_files: tuple[str, ...] = ()
