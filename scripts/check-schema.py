"""Validates the shipped workflows against their JSON Schema. Called by check-schema.sh."""

import copy
import json
import pathlib
import re
import sys

import jsonschema
import yaml


class CoreLoader(yaml.SafeLoader):
    """YAML 1.2's core schema as the program reads it: `yes` is text, `2e-4` a number."""


CoreLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":bool", ":float", ":timestamp", ":merge"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
CoreLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
CoreLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"), list("-+.0123456789")
)

folder = pathlib.Path("workflows")
schema = json.loads((folder / "workflow.schema.json").read_text())
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema)

failed = 0
files = [path for path in sorted(folder.rglob("*.yaml")) if "templates" not in path.parts]
for path in files:
    for error in validator.iter_errors(yaml.load(path.read_text(), CoreLoader)):
        failed += 1
        print(f"{path}: {error.json_path}: {error.message[:200]}")
if len(files) < 19:
    sys.exit(f"{len(files)} workflows are too few")

# Workflows that the reader refuses, with one change each.
sound = yaml.load((folder / "quickstart.yaml").read_text(), CoreLoader)
spoiled = {
    "version": 2, "name": "No Name", "seed": -1, "rounds": 10001, "template": "", "steps": [{"train": {"epochs": 0}}],
    "adapter": {"rank": 4096}, "model": {"base": "m", "numerics": "exakt"}, "sites": {"a": {}}, "quorum": 0, "deadline": "2 hours",
    "participants": [], "cohorts": {"c": {"data": "x", "tasks": {}}}, "unheard_of": 1, "allow_overlap": "yes",
    "coordinator": {"records": 5}, "on_bad_document": "hide", "signing": True, "matrix": {}, "repeat": {"seed": []},
}
for key, value in spoiled.items():
    changed = copy.deepcopy(sound)
    changed[key] = value
    if validator.is_valid(changed):
        failed += 1
        print(f"the schema takes {key}: {value}")
for key in schema["else"]["required"]:
    changed = {name: value for name, value in sound.items() if name != key}
    if validator.is_valid(changed):
        failed += 1
        print(f"the schema does without {key}")
if failed:
    sys.exit(f"{failed} faults")
print(f"{len(files)} workflows fit the schema, {len(spoiled) + len(schema['else']['required'])} spoiled ones do not")
