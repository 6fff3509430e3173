# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes docs/schema/images.json, with which editors check and complete lists of images, from what `acr_mirror` documents.

It takes what people should write: of what Ansible also accepts, a dictionary as text is left out.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.registryops.acr.plugins.modules.acr_mirror import DOCUMENTATION

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "docs/schema/images.json"
TEMPLATE = {"type": "string", "pattern": r"\{\{|\{%"}  # becomes any type when Ansible fills it in
TRUTH = ("yes", "no", "on", "off", "true", "false", "y", "n", "t", "f", "1", "0")  # what Ansible takes as text, in any case
ANY_CASE = "|".join("".join(f"[{c.upper()}{c}]" if c.isalpha() else c for c in word) for word in TRUTH)
TYPES: dict[str, dict[str, Any]] = {
    "str": {"type": ["string", "number"]},
    "bool": {"anyOf": [{"type": "boolean"}, {"enum": [0, 1]}, {"type": "string", "pattern": f"^({ANY_CASE})$"}]},
    "int": {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^[0-9]+$"}]},
    "raw": {},
}


def plain(text: str) -> str:
    """Ansible's markup as text: names of options without the list that they are in."""

    def bare(match: re.Match[str]) -> str:
        content = re.sub(r"\\(.)", r"\1", match[2])
        if match[1] in ("O", "RV"):
            content = re.sub(r"^(images\[\]|credentials\[\]|defaults)\.", "", content.rpartition("#module:")[2] or content)
        return f"`{content}`" if match[1] != "M" else content

    return re.sub(r"\b(O|V|C|M|RV)\(((?:\\.|[^)\\])*)\)", bare, text)


def described(option: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    texts = option["description"]
    facts: dict[str, Any] = {"description": plain("\n".join([texts] if isinstance(texts, str) else texts))}
    if "default" in option:
        facts["default"] = option["default"]
    return {**facts, **schema}


def value(option: dict[str, Any], required: bool) -> dict[str, Any]:
    """The schema of an option's value."""
    if option["type"] == "dict":
        schema = {"anyOf": [mapping(option["suboptions"]) if "suboptions" in option else {"type": "object"}, TEMPLATE]}
    elif option["type"] == "list" and option.get("elements") == "dict":
        schema = {"anyOf": [{"type": "array", "items": mapping(option["suboptions"])}, TEMPLATE]}
    elif option["type"] == "list":
        schema = {"anyOf": [{"type": "array", "items": TYPES[option["elements"]]}, TYPES[option["elements"]]]}
    elif "choices" in option:
        schema = {"anyOf": [{"enum": option["choices"]}, TEMPLATE]}
    elif option["type"] in ("bool", "int"):
        schema = {"anyOf": [*TYPES[option["type"]]["anyOf"], TEMPLATE]}
    else:
        schema = dict(TYPES[option["type"]])
    if not required and "anyOf" in schema:
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    elif not required and "type" in schema:
        schema["type"] = [*schema["type"], "null"]
    return described(option, schema)


def mapping(options: dict[str, Any], needed: tuple[str, ...] = ()) -> dict[str, Any]:
    required = sorted({name for name, option in options.items() if option.get("required")} | set(needed))
    properties = {name: value(option, name in required) for name, option in options.items()}
    schema: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**schema, "required": required} if required else schema


def schema() -> dict[str, Any]:
    options = yaml.safe_load(DOCUMENTATION)["options"]
    entry = mapping(options["images"]["suboptions"])
    entry["properties"]["source"] = value(options["images"]["suboptions"]["source"], required=True)  # if it is there at all
    entry["oneOf"] = [{"required": ["source"]}, {"required": ["repositories"]}]
    variables = {
        f"acr_mirror_{name}": value(options[name], required=True)
        for name in ("defaults", "credentials", "default_host", "target_prefix", "blocked")
    }
    images = {"anyOf": [{"$ref": "#/definitions/images"}, {**TEMPLATE, "description": "An expression that becomes a list."}]}
    homepage = yaml.safe_load((ROOT / "galaxy.yml").read_text())["repository"]
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": f"{homepage}/raw/main/{PLACE.relative_to(ROOT)}",
        "title": "Images for registryops.acr",
        "description": "A list for the option images of registryops.acr.acr_mirror, or variables of the role registryops.acr.mirror.",
        "if": {"type": "array"},
        "then": {"$ref": "#/definitions/images"},
        "else": {"type": "object", "properties": {"acr_mirror_images": images, **variables}},
        "definitions": {
            "images": described(options["images"], {"type": "array", "items": {"$ref": "#/definitions/image"}}),
            "image": {"if": {"type": "string"}, "then": {"$ref": "#/definitions/text"}, "else": {"$ref": "#/definitions/entry"}},
            "text": {
                "description": "An image, such as docker.io/library/nginx:1.27: short for an entry with only a source.",
                "type": "string",
                "minLength": 1,
            },
            "entry": entry,
        },
    }


def text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PLACE.parent.mkdir(exist_ok=True)
    PLACE.write_text(text())
