"""Rule packs are files of rules beside the settings: what comes later replaces, and every mistake names its file."""

from pathlib import Path

import msgspec
import pytest

from pipelines.config import config_folder, load, parse
from pipelines.config_live import changed, config_hash
from pipelines.config_packs import RULES_MAX
from pipelines.config_yaml import BYTES_MAX, ConfigError
from schemas.people import ROLES
from schemas.rule import Role, Rule
from schemas.settings import Settings

RULE = "- {name: a, signal: error_rate, above: 0.5}"


def read(folder: Path, settings: str, **packs: str) -> Settings:
    """Read settings from a folder with some packs."""
    for name, text in packs.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    (folder / "limen.yaml").write_text(settings, encoding="utf-8")
    return load(str(folder / "limen.yaml"), {})


def problems(folder: Path, settings: str, **packs: str) -> list[str]:
    """Give what is said about wrong settings and packs, without the folder."""
    with pytest.raises(ConfigError) as caught:
        read(folder, settings, **packs)
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def test_without_packs_there_are_no_rules():
    """An empty file detects as it always did: published figures rest on that."""
    assert parse(b"", "limen.yaml", {}) == Settings()
    assert Settings().rules == Settings().rule_packs == ()


def test_what_comes_later_replaces_what_has_its_name(tmp_path):
    """Packs in their order, then the rules of the settings; a rule that is turned off stays off."""
    settings = "rule_packs: [one.yaml, two.yaml]\nrules:\n- {name: c, signal: error_rate, enabled: false}"
    found = read(
        tmp_path,
        settings,
        one=f"rules:\n{RULE}\n- {{name: b, signal: error_rate, above: 0.5}}",
        two="rules:\n- {name: b, signal: refusal_rate, above: 0.2}\n- {name: c, signal: error_rate, above: 0.3}",
    )
    assert [(rule.name, rule.above, rule.enabled) for rule in found.rules] == [
        ("a", 0.5, True), ("b", 0.2, True), ("c", None, False)
    ]  # fmt: skip


@pytest.mark.playbook("S1", "S3")
def test_the_shipped_pack_halves_its_limits_on_sensitive_surfaces(tmp_path):
    """Without such surfaces nothing is made; the derived rules are those of the pack at half the limit and time."""
    plain = read(tmp_path, "rule_packs: [triggers]")
    assert not [rule for rule in plain.rules if "surface" in rule.match]
    stricter = read(tmp_path, "rule_packs: [triggers]\ncohorts: {sensitive_surfaces: [code, 'mail-*']}")
    by_name = {rule.name: rule for rule in stricter.rules}
    assert stricter.rules[: len(plain.rules)] == plain.rules
    made = [rule for rule in stricter.rules if rule.name.endswith("_sensitive")]
    assert len(made) == sum(rule.halved_on_sensitive for rule in plain.rules) == 19
    for rule in made:
        base = by_name[rule.name.removesuffix("_sensitive")]
        assert rule.match == {"surface": ("code", "mail-*")}
        assert rule.for_minutes == base.for_minutes // 2
        for name in ("above", "rise", "drop"):
            assert getattr(rule, name) == (getattr(base, name) and getattr(base, name) / 2)
        kept = ("signal", "severity", "category", "owner", "role", "path", "decide_minutes", "runbook", "minimum_n")
        assert [getattr(rule, name) for name in kept] == [getattr(base, name) for name in kept]


@pytest.mark.playbook("S1")
def test_the_numbers_of_the_playbook():
    """Quality down 10 % is sev3, errors up 30 % are sev2, any confirmed leak or unauthorised act is sev1 at once."""
    pack = msgspec.structs.asdict
    rules = {rule.name: pack(rule) for rule in parse(b"rule_packs: [triggers]", "limen.yaml", {}).rules}
    wanted = {
        "quality_drop": {"signal": "task_success_rate", "drop": 0.1, "severity": "sev3"},
        "error_rise": {"signal": "error_rate", "rise": 0.3, "severity": "sev2"},
        "leak": {"signal": "leak_hit_rate", "above": 0.0, "minimum_n": 1, "for_minutes": 0, "severity": "sev1"},
        "unauthorised_action": {
            "signal": "unauthorised_tool_rate", "above": 0.0, "minimum_n": 1, "for_minutes": 0, "severity": "sev1"
        },
    }  # fmt: skip
    for name, fields in wanted.items():
        assert {field: rules[name][field] for field in fields} == fields


TRIGGERS = (
    "policy violation", "tool-call spike", "prompt injection", "unsafe escape", "refusal spike",
    "repeated refusal failure", "unauthorised action", "changes of state", "leak", "cost spike", "latency spike",
    "quality drop", "silence", "retries", "abandonment", "complaint cluster", "over-refusal",
    "disclosure of instructions", "settings tampering", "fabricated tool result", "canary failure",
    "evaluation failure", "group gap", "drop in safety hits",
)  # fmt: skip
"""Every trigger that the playbook asks for."""


@pytest.mark.playbook("S3", "S2")
def test_every_trigger_is_shipped_whole():
    """Each has a rule that says so, with all that a person needs: category, severity, role, path, deadline, runbook."""
    rules = parse(b"rule_packs: [triggers]", "limen.yaml", {}).rules
    for trigger in TRIGGERS:
        assert [rule for rule in rules if trigger in rule.summary], trigger
    for rule in rules:
        assert all((rule.severity, rule.category, rule.role, rule.path, rule.runbook)), rule.name
        assert rule.decide_minutes == {"sev1": 15, "sev2": 60, "sev3": 240}[rule.severity], rule.name


def test_a_pack_that_changes_is_taken_up_at_a_reload(tmp_path):
    """Its rules are settings: what differs is seen, and none of it needs a restart."""
    before = read(tmp_path, "rule_packs: [own.yaml]", own=f"rules:\n{RULE}")
    (tmp_path / "own.yaml").write_text(f"rules:\n{RULE.replace('0.5', '0.7')}", encoding="utf-8")
    after = load(str(tmp_path / "limen.yaml"), {}, running=before)
    assert changed(before, after) == ("rules",)
    assert config_hash(before) != config_hash(after)


def test_roles_of_rules_are_the_roles_that_people_hold():
    """The names are written out once more for the reader of settings, and are the same."""
    assert Role.__args__ == ROLES


def test_a_mistake_in_a_pack_is_told_at_its_line_with_those_of_the_settings(tmp_path):
    """Files that cannot be read, broken YAML, unknown names and bad values: all at once."""
    said = problems(
        tmp_path,
        "rule_packs: [trigers, gone.yaml, bad.yaml, own.yaml]\nserve: {prot: 1}",
        bad="rules: [",
        own="rules:\n- {name: a, signal: error_rat, above: 1}\n- {name: b, signal: error_rate, above: x}\nrule: []",
    )
    assert said == [
        "bad.yaml:1: is not YAML: expected the node content, but found '<stream end>'",
        (
            'limen.yaml:1: rule_packs: Limen ships no pack "trigers"; did you mean "triggers"?; a file of your own is '
            "named with its ending .yaml"
        ),
        "limen.yaml:1: rule_packs: gone.yaml cannot be read (No such file or directory); name a readable file",
        'limen.yaml:2: unknown setting "prot" in serve; did you mean "port"?',
        'own.yaml:2: rule "a" names the unknown signal "error_rat"; did you mean "error_rate"?',
        "own.yaml:3: rules[1].above must be a number, written in decimal digits",
        'own.yaml:4: unknown setting "rule" in the settings; did you mean "rules"?',
    ]


def test_a_name_twice_in_one_file_is_a_mistake(tmp_path):
    """Between files it replaces; within one it would be silently lost."""
    said = problems(tmp_path, "rule_packs: [own.yaml]", own=f"rules:\n{RULE}\n{RULE}")
    assert said == ['own.yaml:3: the name "a" is taken by an earlier entry of rules']


HOSTILE = {
    "ten megabytes": "#" * 10_000_000,
    "aliases": "a: &a [x,x]\nb: &b [*a,*a]\nrules: [*b,*b]",
    "deep": "rules: " + "[" * 5_000,
    "tags": "rules: !!python/object:os.system [ls]",
    "documents": "rules: []\n---\nrules: []",
    "binary": "rules: \x00",
    "rules": "rules:\n" + "".join(f"- {{name: r{k}, signal: error_rate, above: 0.5}}\n" for k in range(RULES_MAX + 1)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_packs_are_refused(tmp_path, name):
    """Each with one line, and with nothing of it in force."""
    (said,) = problems(tmp_path, "rule_packs: [own.yaml]", own=HOSTILE[name])
    assert said.startswith("limen.yaml:1: there are 1001 rules" if name == "rules" else "own.yaml")
    if name == "ten megabytes":
        assert str(BYTES_MAX) in said


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("signal: latency_ms, below: 5", "only of a rate it is known what is lacking below a bound"),
        ("signal: error_rate, gap: region, above: 2, window_minutes: 60", "it compares groups"),
        ("signal: error_rate, above: 0.1, match: {surface: a}", "it names its surfaces"),
    ],
)
def test_what_has_no_half_is_refused(tmp_path, rule, said):
    """It would be as strict as before, or stricter than anybody meant."""
    (problem,) = problems(tmp_path, f"rules:\n- {{name: a, halved_on_sensitive: true, {rule}}}")
    assert problem.startswith(f'limen.yaml:2: rule "a" cannot be halved on sensitive surfaces: {said}')


def test_signals_of_a_template_are_named_by_it(tmp_path):
    """A category that there is none is a mistake, and so is an objective for several signals at once."""
    said = problems(
        tmp_path,
        "rules:\n- {name: a, signal: 'safety_trigger_rate:<biass>', above: 1}\n"
        "- {name: b, signal: 'safety_trigger_rate:<bias>', objective: 0.9}",
    )
    assert said == [
        'limen.yaml:2: rule "a" looks at all signals of the category "biass", and there is none; did you mean "bias"?',
        'limen.yaml:3: rule "b" has an objective or a gap, which are of one signal; name it',
    ]


def test_the_shipped_packs_lie_beside_the_example():
    """A wheel carries the folder of the example, and so the packs."""
    assert [path.name for path in sorted((config_folder() / "rules").glob("*.yaml"))] == ["triggers.yaml"]
    assert isinstance(parse(b"rule_packs: [triggers]", "limen.yaml", {}).rules[0], Rule)
