"""The configuration reads what it documents: an empty file, the example, secrets from the environment."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import yaml
from msgspec import inspect

from pipelines.config import EXAMPLE, config_folder, load, parse
from schemas.settings import DEFAULT_SETS, Settings

EXAMPLE_TEXT = (config_folder() / EXAMPLE).read_text(encoding="utf-8")


def read(text: str, **env: str) -> Settings:
    """Read settings from a text."""
    return parse(text.encode(), "limen.yaml", env)


def with_examples(text: str) -> str:
    """Take the marks away from the examples of the example file, and the empty values that they replace."""
    shown = re.findall(r"^ *#: (\w+):$", text, flags=re.MULTILINE)
    kept = [line for line in text.splitlines() if not re.fullmatch(rf" *({'|'.join(shown)}): (\[\]|{{}})", line)]
    return "\n".join(re.sub(r"^( *)#: ", r"\1", line) for line in kept)


def paths_of_type(kind: inspect.Type, path: str = "") -> Iterator[str]:
    """Yield the path of every setting that a type can hold, list places left out."""
    if isinstance(kind, inspect.StructType):
        for field in kind.fields:
            below = f"{path}.{field.encode_name}".lstrip(".")
            yield below
            yield from paths_of_type(field.type, below)
    elif isinstance(kind, inspect.VarTupleType):
        yield from paths_of_type(kind.item_type, path)


def paths_of_node(node: yaml.Node, path: str = "") -> Iterator[tuple[str, int]]:
    """Yield the path and the line of every name in a YAML tree, list places left out."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = f"{path}.{key.value}".lstrip(".")
            yield below, key.start_mark.line
            yield from paths_of_node(value, below)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from paths_of_node(item, path)


@pytest.mark.parametrize(
    "text", ["", "\n", "# only a comment\n", "serve:\n", "serve:\n  # port: 1\nrules:\n", "{}", "---\n"]
)
def test_an_empty_file_and_an_empty_section_mean_the_defaults(text):
    """Nothing written means every default."""
    assert read(text) == Settings()


def test_without_a_file_the_settings_are_the_defaults():
    """No path, no file needed."""
    assert load(None, {}) == Settings()


def test_the_example_equals_the_defaults():
    """The shipped example loads, and changes nothing."""
    assert load(str(config_folder() / EXAMPLE), {}) == Settings()


def test_the_examples_inside_the_example_load_too():
    """With its marks taken away every example is right, and is seen."""
    settings = read(with_examples(EXAMPLE_TEXT))
    assert [rule.name for rule in settings.rules] == [
        "refusals above a fifth",
        "errors burn their budget",
        "no language is refused twice as often",
    ]
    assert [signal.name for signal in settings.signals.custom] == ["low_confidence_rate"]
    assert settings.severities.matrix == {"bias": ("sev2", "sev1")}


def test_the_example_names_every_setting_below_a_sentence():
    """No setting is missing from the example, and right above each stands a comment that is a sentence."""
    text = with_examples(EXAMPLE_TEXT)
    lines = text.splitlines()
    named = dict(paths_of_node(yaml.compose(text, Loader=yaml.SafeLoader)))
    settings = set(paths_of_type(inspect.type_info(Settings)))
    assert settings - named.keys() == set()
    sections = {"source.kafka", "source.files"}  # their settings explain them
    bare = [path for path in settings - sections if not re.match(r"\s*# .*[.;]$", lines[named[path] - 1])]
    assert bare == []


def test_values_have_the_types_of_the_settings():
    """Each setting is read by its own type, whatever YAML would take the word for."""
    settings = read(
        'cohorts:\n  sets: [[], [region]]\n  labels: ["yes"]\nserve: {port: "9000"}\n'
        "detection: {false_pages_per_week: 1, false_notes_per_week: 1e3}\nsignals: {off: [refusal_rate]}\n"
    )
    assert settings.cohorts.sets == ((), ("region",))
    assert settings.cohorts.labels == ("yes",)
    assert settings.serve.port == 9000
    assert settings.detection.false_pages_per_week == 1.0
    assert settings.detection.false_notes_per_week == 1000.0
    assert settings.signals.off == ("refusal_rate",)


def test_a_value_takes_its_secret_from_the_environment():
    """${NAME} is replaced inside values, in numbers as well; $${NAME} stays as it is written."""
    settings = read(
        "notifiers: [{name: hook, kind: webhook, url: 'https://x.example/${KEY}?a=$${KEY}'}]\nserve: {port: '${PORT}'}",
        KEY="k-1: {not yaml}",
        PORT="8000",
    )
    assert settings.notifiers[0].url == "https://x.example/k-1: {not yaml}?a=${KEY}"
    assert settings.serve.port == 8000


def test_settings_survive_a_round_trip_through_yaml():
    """Settings written as plain YAML and read again are the same settings."""
    text = yaml.safe_dump(msgspec.to_builtins(Settings()), default_flow_style=None)
    assert read(text) == Settings()
    assert read(text).cohorts.sets == DEFAULT_SETS


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path):
    """A file saved with a byte order mark reads like one without."""
    file = tmp_path / "limen.yaml"
    file.write_bytes(b"\xef\xbb\xbfserve: {port: 1}\n")
    assert load(str(file), {}).serve.port == 1
