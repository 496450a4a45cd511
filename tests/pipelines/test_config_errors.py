"""Everything that is wrong with a configuration is told at once, each thing with its file, its line and what to do."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.config import load, parse
from pipelines.config_yaml import BYTES_MAX, ConfigError, Problem


def problems(text: str | bytes, **env: str) -> list[str]:
    """Give what is said about a wrong configuration, one line each."""
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(ConfigError) as caught:
        parse(data, "f.yaml", env)
    return str(caught.value).splitlines()


WRONG = [
    # not YAML, or more than plain data
    ("a: [", "f.yaml:1: is not YAML: expected the node content, but found '<stream end>'"),
    ("serve:\n\tport: 1", "f.yaml:2: is not YAML: found character '\\t' that cannot start any token"),
    ("serve: {port: 1}\x01", "f.yaml:1: is not YAML: it holds a control character"),
    (b"serve:\n  host: \xff", "f.yaml:2: is not UTF-8 text; save the file as UTF-8"),
    (
        "serve: &a {port: 1}",
        "f.yaml:1: anchors and aliases (& and *) are not supported; write the value out, or put it in quotes",
    ),
    (
        "serve: !!python/object:os.system {}",
        "f.yaml:1: tags (!) are not supported; write plain values, or put the text in quotes",
    ),
    ("serve: {port: 1}\n---\n{}", "f.yaml:2: has a second document; one file holds one configuration"),
    ("[" * 5_000, "f.yaml:1: is nested more than 12 deep"),
    ("x" * (BYTES_MAX + 1), f"f.yaml: has {BYTES_MAX + 1} bytes; a configuration has at most {BYTES_MAX}"),
    # names
    ("serve:\n  prot: 1", 'f.yaml:2: unknown setting "prot" in serve; did you mean "port"?'),
    ("notifers: []", 'f.yaml:1: unknown setting "notifers" in the settings; did you mean "notifiers"?'),
    ("privacy: {x: 1}", 'f.yaml:1: unknown setting "x" in privacy; known are capture'),
    ("serve: {port: 1}\nserve: {port: 2}", "f.yaml:2: serve is set a second time; line 1 sets it first"),
    ("serve:\n  port: 1\n  port: 2", "f.yaml:3: serve.port is set a second time; line 2 sets it first"),
    ("{[a]: 1}", "f.yaml:1: a name in the settings must be a plain word"),
    ("rules:\n  - name: a\n    above: 1", "f.yaml:2: rules[0] needs signal"),
    # the dead-letter topic
    (
        "source:\n  kafka: {topic: a, dead_letter_topic: a}",
        (
            "f.yaml:2: source.kafka.dead_letter_topic is the topic that is read, and letters would be rejected again "
            "and again; name another topic"
        ),
    ),
    (
        "source: {kafka: {dead_letter_topic: a}}\nstorage: {rejects_max: 0}",
        (
            "f.yaml:2: storage.rejects_max is 0, so that no reject is kept, and none goes to "
            "source.kafka.dead_letter_topic; set it to 1 or more"
        ),
    ),
    # types and bounds
    ("- serve", "f.yaml:1: the configuration must be a section of `name: value` lines"),
    ("serve: 5", "f.yaml:1: serve must be a section of `name: value` lines"),
    ("rules: {}", "f.yaml:1: rules must be a list, as [a, b] or as lines that begin with a dash"),
    ("serve:\n  port: [1]", "f.yaml:2: serve.port must be a single value, not a list or a section"),
    ("serve:\n  port:", "f.yaml:2: serve.port has no value; write one, or leave the line out for the default"),
    ("serve: {port: 1.5}", "f.yaml:1: serve.port must be a whole number, written in decimal digits"),
    ("serve: {port: 0x50}", "f.yaml:1: serve.port must be a whole number, written in decimal digits"),
    ("serve: {port: 12:30}", "f.yaml:1: serve.port must be a whole number, written in decimal digits"),
    ("serve: {port: 65536}", "f.yaml:1: serve.port must be at most 65535"),
    ("serve: {port: -1}", "f.yaml:1: serve.port must be at least 0"),
    ("detection: {false_pages_per_week: 0}", "f.yaml:1: detection.false_pages_per_week must be more than 0"),
    ("detection: {false_notes_per_week: 1e999}", "f.yaml:1: detection.false_notes_per_week must be a finite number"),
    ("source: {idle_seconds: .nan}", "f.yaml:1: source.idle_seconds must be a number, written in decimal digits"),
    ("privacy: {capture: yes}", "f.yaml:1: privacy.capture must be true or false"),
    (
        "owners: {default: no}",
        "f.yaml:1: owners.default must be text, and YAML takes no for something else; put it in quotes",
    ),
    (
        "owners: {default: 1.10}",
        "f.yaml:1: owners.default must be text, and YAML takes 1.10 for something else; put it in quotes",
    ),
    ("source: {kind: nats}", "f.yaml:1: source.kind must be one of files, kafka"),
    ("severities: {matrix: {bias: [sev1]}}", "f.yaml:1: severities.matrix.bias must be a list of exactly 2 values"),
    (
        "signals: {custom: [{name: Big, field: a}]}",
        "f.yaml:1: signals.custom[0].name must have the form ^[a-z][a-z0-9_]{0,62}$",
    ),
    # secrets
    ("owners: {default: '${WHO}'}", "f.yaml:1: owners.default needs the environment variable WHO, which is not set"),
    (
        "storage: {url: 'sqlite://me:secret@host/db'}",
        "f.yaml:1: storage.url holds a password in plain text; put it in the environment and write ${NAME}",
    ),
    # what does not fit together
    ("source: {kind: files}", "f.yaml:1: source.files.paths is empty, and source.kind is files; name a file"),
    (
        "cohorts:\n  sets:\n    - []\n    - [regoin]",
        'f.yaml:4: cohorts.sets names the unknown dimension "regoin"; did you mean "region"?',
    ),
    ("cohorts: {sets: [[tenant, tenant]]}", "f.yaml:1: cohorts.sets names a dimension twice in one set"),
    ("cohorts: {sets: [[tenant, region], [region, tenant]]}", "f.yaml:1: cohorts.sets has the same set twice"),
    ("cohorts: {labels: [tenant]}", 'f.yaml:1: "tenant" is a dimension already, not a label'),
    (
        "detection: {false_tickets_per_week: 0.5}",
        "f.yaml:1: detection must allow at least as many tickets as pages a week, and as many notes as tickets",
    ),
    ("owners: {by_category: {baas: x}}", 'f.yaml:1: there is no category "baas"; did you mean "bias"?'),
    (
        "rules: [{name: a, signal: refusal_rate}]",
        'f.yaml:1: rule "a" has no limit; give it above, below, rise, drop or objective',
    ),
    (
        "rules: [{name: a, signal: refusal_rat, above: 1}]",
        'f.yaml:1: rule "a" names the unknown signal "refusal_rat"; did you mean "refusal_rate"?',
    ),
    (
        "rules:\n  - {name: a, signal: refusal_rate, above: 0.5}\n  - {name: a, signal: error_rate, above: 0.5}",
        'f.yaml:3: the name "a" is taken by an earlier entry of rules',
    ),
    (
        "rules: [{name: a, signal: refusal_rate, above: 0.5, match: {tenannt: x}}]",
        'f.yaml:1: rule "a" names the unknown dimension "tenannt"; did you mean "tenant"?',
    ),
    (
        "rules:\n  - name: a\n    signal: traffic\n    drop: 0.5",
        (
            'f.yaml:3: rule "a" looks at traffic, of which nothing is expected; rise and drop are for rates, counts '
            "and levels"
        ),
    ),
    (
        "rules:\n  - {name: a, signal: error_rate, rise: 0.3, window_minutes: 90}",
        (
            'f.yaml:2: rule "a" is held against what is expected, for which 60 minutes are kept at most; '
            "set window_minutes to 60 or less"
        ),
    ),
    (
        "rules:\n  - {name: a, signal: error_rate, above: 0.5, match: {surface: []}}",
        'f.yaml:2: rule "a" matches no value of surface; name one, or leave it out',
    ),
    (
        "rules:\n  - name: a\n    signal: error_rate\n    above: 0.5\n    match:\n      region: [eu, 'eu-.*|us']",
        (
            "f.yaml:6: rule \"a\" matches region by 'eu-.*|us'; regular expressions are not read: write a list of "
            "values, in which * stands for any characters"
        ),
    ),
    (
        "rules: [{name: a, signal: error_rate, gap: surface, above: 2, window_minutes: 60, match: {region: [a, b]}}]",
        'f.yaml:1: rule "a" compares groups within one value of region; name one, without *, and make a rule of each',
    ),
    (
        "rules: [{name: a, signal: error_rate, above: 0.5}]\nsignals: {off: [error_rate]}",
        'f.yaml:1: rule "a" looks at error_rate, which signals.off turns off',
    ),
    (
        "rules: [{name: a, signal: error_rate, above: 0.5, by: [language, surface]}]",
        'f.yaml:1: rule "a" looks at [language, surface], which is not among cohorts.sets; add it there',
    ),
    (
        "signals: {custom: [{name: latency_ms, field: labels.a}]}",
        'f.yaml:1: the name "latency_ms" is taken by another signal; choose another name',
    ),
    (
        "signals: {custom: [{name: events, field: labels.a}]}",
        'f.yaml:1: the name "events" is taken by Limen itself; choose another name',
    ),
    (
        "signals: {custom: [{name: a, field: lables.plan}]}",
        'f.yaml:1: "lables" is no field of an event; did you mean "labels"?',
    ),
    ("signals: {off: [refusal]}", 'f.yaml:1: there is no signal "refusal"; did you mean "refusal_rate"?'),
    (
        "notifiers: [{name: h, kind: webhook}]",
        'f.yaml:1: notifier "h" is of kind webhook and needs exactly one of url and url_file',
    ),
    (
        "notifiers: [{name: h, kind: webhook, url: 'ftp://x'}]",
        'f.yaml:1: the url of notifier "h" must begin with https:// or http:// and a host',
    ),
    (
        "notifiers: [{name: h, url: 'https://x.example'}]",
        'f.yaml:1: notifier "h" is of kind log and takes no url',
    ),
    (
        "notifiers: [{name: h, kind: webhook, url: 'http://hooks.example/a'}]",
        (
            'f.yaml:1: the url of notifier "h" begins with http, which is spoken to this machine, '
            "and inside a network to hosts in allow_hosts; use https"
        ),
    ),
    (
        "notifiers: [{name: h, kind: webhook, url: 'https://ana@x.example/a'}]",
        (
            'f.yaml:1: the url of notifier "h" holds a user or a password, which is never sent; leave it out, '
            "and name the file of a secret that signs messages in secret_file"
        ),
    ),
    (
        "notifiers: [{name: h, kind: slack, url: 'https://ana@x.example/a'}]",
        (
            'f.yaml:1: the url of notifier "h" holds a user or a password, which is never sent; leave it out, '
            "and name the file of an address that is secret in url_file"
        ),
    ),
    (
        "notifiers: [{name: h, kind: alertmanager, urls: ['http://ana@127.0.0.1:9093']}]",
        'f.yaml:1: an address in urls of notifier "h" holds a user or a password, which is never sent; leave it out',
    ),
    (
        "notifiers: [{name: h, kind: webhook, url: 'https://[x'}]",
        'f.yaml:1: the url of notifier "h" cannot be read; write https://, a host, and if need be a port and a path',
    ),
    (
        "notifiers: [{name: h, kind: webhook, url: 'https://x.example:99999/'}]",
        'f.yaml:1: the url of notifier "h" cannot be read; write https://, a host, and if need be a port and a path',
    ),
    (
        "serve: {public_url: limen.example}",
        "f.yaml:1: serve.public_url must begin with https:// or http:// and a host",
    ),
    (
        "notifiers: [{name: h, kind: alertmanager}]",
        'f.yaml:1: notifier "h" is of kind alertmanager and needs urls',
    ),
    (
        "notifiers: [{name: h, kind: alertmanager, urls: ['http://10.0.0.9:9093']}]",
        (
            'f.yaml:1: an address in urls of notifier "h" begins with http, which is spoken to this machine, '
            "and inside a network to hosts in allow_hosts; use https"
        ),
    ),
    (
        "notifiers: [{name: h, kind: pagerduty}]",
        'f.yaml:1: notifier "h" is of kind pagerduty and needs key_file',
    ),
    (
        "notifiers: [{name: h, kind: slack, url: 'https://x.example', key_file: k}]",
        'f.yaml:1: notifier "h" is of kind slack and takes no key_file',
    ),
    (
        "notifiers: [{name: h, kind: kafka, topic: 'a b'}]",
        "f.yaml:1: notifiers[0].topic must have the form ^[A-Za-z0-9._-]{1,249}$",
    ),
    (
        "notifiers: [{name: h, kind: email}]",
        'f.yaml:1: notifier "h" is of kind email and needs mail',
    ),
    (
        "notifiers: [{name: h, kind: email, mail: {host: m.example, sender: a@x.example, to: ['b@x\\nBcc: c@x']}}]",
        "f.yaml:1: mail of notifier \"h\" writes to 'b@x\\\\nBcc: c@x', which is no plain address of mail",
    ),
    (
        "notifiers: [{name: h, kind: email, mail: {host: m.example, security: none, sender: a@x.io, to: [b@x.io]}}]",
        'f.yaml:1: mail of notifier "h" has security none, which is for this machine only; use starttls',
    ),
    ("notifiers: [{name: ''}]", "f.yaml:1: an entry of notifiers has an empty name; give it one"),
    (
        "rules: [{name: anomaly, signal: refusal_rate, above: 0.1}]",
        'f.yaml:1: the name "anomaly" is that of all evidence that is no limit; choose another name',
    ),
    (
        "rules: [{name: a, signal: refusal_rate, above: 0.1, below: 0.5}]",
        'f.yaml:1: rule "a" is broken by every value: above must not be less than below',
    ),
    (
        "rules: [{name: a, signal: refusal_rate, above: 5}]",
        'f.yaml:1: rule "a" can never fire: no rate is above 5; write a share below 1, such as 0.05 for 5 %',
    ),
    (
        "rules: [{name: a, signal: refusal_rate, rise: 0.5, above: 1}]",
        'f.yaml:1: rule "a" can never fire: no rate is above 1; write a share below 1, such as 0.05 for 5 %',
    ),
    (
        "rules: [{name: a, signal: traffic, below: 0}]",
        'f.yaml:1: rule "a" can never fire: no traffic is below 0; write a number above 0',
    ),
    (
        "rules: [{name: a, signal: 'evaluation:', above: 0.5}]",
        'f.yaml:1: rule "a" names the unknown signal "evaluation:"; did you mean "escalation_rate"?',
    ),
    (
        "rules: [{name: a, signal: refusal_rate, above: 0.5, match: {region: ''}}]",
        'f.yaml:1: rule "a" matches an empty region, which no event has; name one',
    ),
    (
        "rules: [{name: a, signal: tool_mix, below: 0.5}]",
        'f.yaml:1: rule "a" looks at tool_mix, a mix, which has no one value to limit',
    ),
    (
        "rules: [{name: a, signal: error_rate, objective: 0.99, above: 2}]",
        'f.yaml:1: rule "a" has an objective, which takes no above, below, rise, drop or gap; make two rules of it',
    ),
    (
        "rules:\n  - name: a\n    signal: latency_ms\n    objective: 0.99",
        'f.yaml:3: rule "a" looks at latency_ms, which is no rate; only rates have objectives and gaps',
    ),
    (
        "rules: [{name: a, signal: 'evaluation:toxicity', gap: language, above: 2, window_minutes: 60}]",
        'f.yaml:1: rule "a" looks at evaluation:toxicity, which is no rate; only rates have objectives and gaps',
    ),
    ("rules: [{name: a, signal: error_rate, objective: 1}]", "f.yaml:1: rules[0].objective must be at most 0.99999"),
    ("rules: [{name: a, signal: error_rate, objective: 0.01}]", "f.yaml:1: rules[0].objective must be at least 0.5"),
    (
        "rules:\n  - name: a\n    signal: error_rate\n    objective: 0.99\n    window_minutes: 60",
        'f.yaml:5: rule "a" has an objective, which has its own windows; leave window_minutes out',
    ),
    (
        "rules: [{name: a, signal: error_rate, gap: language, window_minutes: 60}]",
        'f.yaml:1: rule "a" compares groups; give it above, the ratio that it allows, from 1 on, and no below',
    ),
    (
        "rules: [{name: a, signal: error_rate, gap: language, above: 0.5, window_minutes: 60}]",
        'f.yaml:1: rule "a" compares groups; give it above, the ratio that it allows, from 1 on, and no below',
    ),
    (
        "rules: [{name: a, signal: error_rate, gap: language, above: 2}]",
        'f.yaml:1: rule "a" compares groups by whole hours; set window_minutes to a multiple of 60, such as 1440',
    ),
    (
        "rules: [{name: a, signal: error_rate, gap: region, by: [tenant], above: 2, window_minutes: 60}]",
        'f.yaml:1: rule "a" compares the values of region with each other; leave by out, and use match',
    ),
    (
        "rules: [{name: a, signal: error_rate, gap: region, match: {region: eu}, above: 2, window_minutes: 60}]",
        'f.yaml:1: rule "a" compares the values of region with each other; leave it out of match',
    ),
    (
        "rules: [{name: a, signal: 'safety_trigger_rate:x', gap: region, above: 2, window_minutes: 60}]",
        'f.yaml:1: rule "a" looks at safety_trigger_rate:x, which is not counted by group; take another rate',
    ),
    (
        "rules: [{name: a, signal: error_rate, gap: langauge, above: 2, window_minutes: 60}]",
        'f.yaml:1: rule "a" names the unknown dimension "langauge"; did you mean "language"?',
    ),
    (
        "rules: [{name: a, signal: error_rate, gap: language, match: {surface: chat}, above: 2, window_minutes: 60}]",
        'f.yaml:1: rule "a" looks at [language, surface], which is not among cohorts.sets; add it there',
    ),
    ("storage: {url: mysql://h/db}", "f.yaml:1: storage.url must begin with sqlite://"),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[said[:60] for _, said in WRONG])
def test_a_wrong_configuration_is_told_in_these_words(text, said):
    """One mistake gives exactly one line, which names the place and the way out."""
    assert problems(text) == [said]


def test_every_mistake_is_told_at_once_in_the_order_of_the_file():
    """Mistakes of reading and mistakes of fit come together, and one mistake is told once."""
    text = """
source:
  kind: nofka
  kafka: {topic: 5, poll_records_max: 0}
cohorts:
  sets: [[], [regoin]]
serve:
  port: http
  port: 3
rules:
  - name: a
    abvoe: 2
  - name: b
    signal: refusal_rate
notifers: []
"""
    assert problems(text) == [
        "f.yaml:3: source.kind must be one of files, kafka",
        "f.yaml:4: source.kafka.poll_records_max must be at least 1",
        "f.yaml:4: source.kafka.topic must be text, and YAML takes 5 for something else; put it in quotes",
        'f.yaml:6: cohorts.sets names the unknown dimension "regoin"; did you mean "region"?',
        "f.yaml:8: serve.port must be a whole number, written in decimal digits",
        "f.yaml:9: serve.port is set a second time; line 8 sets it first",
        "f.yaml:11: rules[0] needs signal",
        'f.yaml:12: unknown setting "abvoe" in rules[0]; did you mean "above"?',
        'f.yaml:13: rule "b" has no limit; give it above, below, rise, drop or objective',
        'f.yaml:15: unknown setting "notifers" in the settings; did you mean "notifiers"?',
    ]


def test_an_error_never_shows_what_the_environment_holds():
    """A secret that is put in the wrong place stays out of the error."""
    (said,) = problems("serve: {port: '${KEY}'}", KEY="hunter2")
    assert said == "f.yaml:1: serve.port must be a whole number, written in decimal digits"


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read_is_one_line(name, tmp_path: Path):
    """A missing file and a directory are told with the system's reason."""
    path = str(tmp_path / name)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    reason = "Is a directory" if name == "." else "No such file or directory"
    assert str(caught.value) == f"{path}: cannot be read ({reason}); name a readable file"


@pytest.mark.skipif(os.name != "posix", reason="there is no /dev/zero")
def test_an_endless_file_is_read_to_the_cap_only():
    """A file without an end is refused after the size cap."""
    with pytest.raises(ConfigError, match="a configuration has at most"):
        load("/dev/zero", {})


@given(st.one_of(st.binary(max_size=200), st.text(alphabet="serv:port {}[]-#&*!|>'\"\n\t%@`,?", max_size=80)))
def test_any_bytes_are_settings_or_a_list_of_problems(data):
    """Whatever a file holds, reading it ends in settings or in named problems."""
    problems_found: list[Problem] = []
    settings = None
    try:
        settings = parse(data.encode() if isinstance(data, str) else data, "f.yaml", {})
    except ConfigError as error:
        problems_found = error.problems
    assert (settings is not None) != bool(problems_found)


@pytest.mark.parametrize(
    ("name", "held", "said"),
    [
        ("secret_file", None, "cannot be read (No such file or directory); name a readable file"),
        ("secret_file", b"hunter2", "must hold whsec_ and base64 of 24 to 64 bytes"),
        ("secret_file", b"\xff", "cannot be read (no UTF-8 text); name a readable file"),
        ("url_file", None, "cannot be read (No such file or directory); name a readable file"),
    ],
)
def test_a_file_of_a_secret_is_looked_into_where_it_is_needed(tmp_path, name, held, said):
    """It is told with its line, and not what it holds; whoever sends nothing does not need it."""
    if held is not None:
        (tmp_path / "key").write_bytes(held)
    file = tmp_path / "f.yaml"
    url = "" if name == "url_file" else "url: https://hooks.example/"
    file.write_text(f"notifiers:\n  - name: hook\n    kind: webhook\n    {url}\n    {name}: {tmp_path}/key\n", "utf-8")
    assert load(str(file), {}).notifiers[0].name == "hook"
    with pytest.raises(ConfigError) as caught:
        load(str(file), {}, files=True)
    assert str(caught.value) == f'{file}:5: the {name} of notifier "hook", {tmp_path}/key, {said}'


def test_an_address_in_a_file_must_be_one(tmp_path):
    """What it holds may be a secret, and is not told."""
    (tmp_path / "address").write_text("hooks.example\n", "utf-8")
    file = tmp_path / "f.yaml"
    file.write_text(f"notifiers: [{{name: hook, kind: webhook, url_file: '{tmp_path}/address'}}]", "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(str(file), {}, files=True)
    assert str(caught.value).startswith(f"{file}:1: the address in the url_file of notifier")
    assert "hooks.example" not in str(caught.value)
