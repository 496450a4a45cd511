"""The OpenAPI document is valid, names every route of the API, and says of each answer what it really is."""

import json
import re

import pytest
from jsonschema import Draft202012Validator
from starlette.routing import Mount

from pipelines.serve.index import INDEX
from pipelines.serve.openapi import ANSWERS, BODIES


@pytest.fixture
def said(client):
    """Give the document."""
    return client.get("/api/v1/openapi.json").json()


def checked(said: dict, schema: dict) -> Draft202012Validator:
    """Give a validator of a schema of the document."""
    return Draft202012Validator(schema | {"components": said["components"]})


def test_it_is_a_document_of_its_version(said):
    """What OpenAPI 3.1 asks for is there, each schema is JSON Schema, and each reference leads to one."""
    assert (said["openapi"], said["info"]["title"]) == ("3.1.0", "Limen")
    assert said["info"]["version"]
    for schema in said["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    references = set(re.findall(r'"\$ref": ?"([^"]+)"', json.dumps(said)))
    assert references
    assert references <= {f"#/components/schemas/{name}" for name in said["components"]["schemas"]}
    operations = [(path, each) for path, methods in said["paths"].items() for each in methods.values()]
    assert len({each["operationId"] for _, each in operations}) == len(operations)
    for path, each in operations:
        assert {"operationId", "summary", "responses", "security"} <= each.keys()
        assert set(re.findall(r"{(\w+)}", path)) == {p["name"] for p in each["parameters"] if p["in"] == "path"}
        assert all("description" in answer for answer in each["responses"].values())


def test_every_route_of_the_api_is_in_it(client, said):
    """By path and method; the tables of answers and bodies name no other."""
    mount = next(each for each in client.app.routes if isinstance(each, Mount) and each.path == "/api/v1")
    routed = {
        (re.sub(r"{.*?}", "{}", f"/api/v1{route.path}"), method.lower())
        for route in mount.routes
        for method in route.methods - {"HEAD"}
    }
    named = {(re.sub(r"{.*?}", "{}", path), method) for path, methods in said["paths"].items() for method in methods}
    assert named == routed
    assert set(ANSWERS) == {each.path for each in INDEX.endpoints if each.path.startswith("/api/")}
    assert set(BODIES) == {each.path for each in INDEX.endpoints if each.method == "POST" and each.path in ANSWERS}


READ = {each.path for each in INDEX.endpoints if each.method == "GET"}


@pytest.mark.parametrize("path", [path for path in ANSWERS if path in READ and path != "/api/v1/audit"])
def test_each_answer_is_what_the_document_says(client, said, path):
    """The real answer fits its schema, and so does a refusal."""
    answers = said["paths"][path]["get"]["responses"]
    answer = client.get(path.replace("{number}", "1").replace("{id}", "i1"))
    assert answer.status_code == 200
    checked(said, answers["200"]["content"]["application/json"]["schema"]).validate(answer.json())
    refusal = client.get(path.replace("{number}", "1").replace("{id}", "i1"), params={"no": "such"})
    assert refusal.status_code == 400
    checked(said, answers["400"]["content"]["application/json"]["schema"]).validate(refusal.json())


def test_what_is_refused_because_it_is_over_already_is_in_it(said):
    """Of acts, and of a silence that somebody else has ended."""
    assert "409" in said["paths"]["/api/v1/incidents/{id}/acts"]["post"]["responses"]
    assert "409" in said["paths"]["/api/v1/silences/{id}"]["delete"]["responses"]
