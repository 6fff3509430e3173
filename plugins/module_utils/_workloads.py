# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which fields of Kubernetes manifests, Helm values and compose files name images. Pure."""

from __future__ import annotations

import re
from typing import Any, Dict, Hashable, List, Optional, Set, Tuple

from ._places import Place, Unknown, complete, states_version, substitute
from ._reference import Reference, names_host
from ._yaml import Scalar, Tree

# Objects whose content is text, schemas or rules, and whose images nobody runs.
_OPAQUE = frozenset(["ConfigMap", "CustomResourceDefinition", "Secret"])
# Fields that describe an object, and the one whose images are disks of Ceph.
_IGNORED = frozenset(["annotations", "labels", "metadata", "rbd"])
# Fields with containers as Kubernetes defines them, so that an image without a tag is the latest.
_CONTAINERS = frozenset(["container", "containers", "ephemeralContainers", "initContainers", "script", "sidecars", "steps"])
_SPLIT = ("registry", "repository", "tag", "digest", "sha")
_COMPOSE = frozenset(["configs", "include", "models", "name", "networks", "secrets", "services", "version", "volumes"])
_FLAG = re.compile(r"--?[\w.-]+=", re.ASCII)
# An image with registry and version, amid other text.
_AMID = re.compile(r"(?<![^\s=,;\"'])[\w-]+(?:\.[\w-]+)+(?::\d+)?(?:/[\w.-]+)+(?::\w|@sha256:)", re.ASCII)


def places_in(tree: Tree) -> List[Place]:
    """The places of one document that name images, or may do so, each once and in their order."""
    finder = _Finder()
    if _is_compose(tree):
        finder.compose(tree)
    else:
        finder.visit(tree, "", "", False)
    return list(finder.found.values())


def _is_compose(tree: Tree) -> bool:
    """Whether a document is a compose file: services, and nothing that only other documents have."""
    if not isinstance(tree, dict) or not isinstance(tree.get("services"), dict):
        return False
    known = all(key in _COMPOSE or key.startswith("x-") for key in tree)
    return known and all(isinstance(service, dict) or _absent(service) for service in tree["services"].values())


class _Finder:
    """*found*: the places, by where they are written."""

    def __init__(self) -> None:
        self.found: Dict[Tuple[Hashable, ...], Place] = {}
        self._seen: Set[Tuple[int, bool]] = set()

    def compose(self, tree: Any) -> None:
        for name, service in tree["services"].items():
            if not isinstance(service, dict):
                continue
            owner = f"service {name}"
            build = service.get("build")
            if isinstance(build, dict) and isinstance(build.get("dockerfile_inline"), Scalar):
                inline = build["dockerfile_inline"]
                self._add(owner, "build.dockerfile_inline", [("image", inline)], why="a Dockerfile inside YAML isn't read")
            image = service.get("image")
            if isinstance(image, Scalar) and _absent(build):  # or it is the name of what is built
                self._add_composed(owner, "image", image)
            volumes = service.get("volumes")
            for number, volume in enumerate(volumes if isinstance(volumes, list) else []):
                if isinstance(volume, dict) and _text(volume.get("type")) == "image" and isinstance(volume.get("source"), Scalar):
                    self._add_composed(owner, f"volumes[{number}].source", volume["source"])

    def visit(self, tree: Tree, owner: str, path: str, short: bool) -> None:
        """Searches a tree. *owner* is the object that it belongs to, *path* its place there. *short*: it is one or more containers,
        whose images need no tag."""
        if isinstance(tree, Scalar) or (id(tree), short) in self._seen:
            return
        self._seen.add((id(tree), short))
        if isinstance(tree, list):
            for number, child in enumerate(tree):
                self.visit(child, owner, f"{path}[{number}]", short)
            return
        ignored = _IGNORED
        if _text(tree.get("kind")) and _text(tree.get("apiVersion")):
            if _text(tree["kind"]) in _OPAQUE:
                return
            owner, path, ignored = _name(tree), "", _IGNORED | {"status"}
        if "image" in tree:
            self._mentioned(tree, owner, path)
        if isinstance(tree.get("repository"), Scalar) and "tag" in tree:
            self._split(owner, path, tree, _SPLIT, False)
        for key, child in tree.items():
            if key not in ignored and not self._field(key, child, tree, owner, _join(path, key), short):
                self.visit(child, owner, _join(path, key), key in _CONTAINERS)

    def _field(self, key: str, value: Tree, holder: Dict[str, Any], owner: str, path: str, short: bool) -> bool:
        """Adds what a field named *key* is if that name speaks of images. Whether nothing is left to look into."""
        sure = key == "image"
        if sure and isinstance(value, Scalar) and isinstance(holder.get("tag"), Scalar) and not states_version(value.text):
            self._split(owner, path, holder, ("image", "registry", "tag", "digest", "sha"), sure)
        elif sure or key == "imageName" or key.endswith(("Image", "_image")):
            if isinstance(value, dict) and isinstance(value.get("repository"), Scalar):
                self._split(owner, path, value, _SPLIT, sure)
            elif isinstance(value, dict) and isinstance(value.get("reference"), Scalar):
                self._whole(owner, path + ".reference", value["reference"], sure, True)
            elif isinstance(value, dict) and isinstance(value.get("name"), Scalar) and "tag" in value:
                self._split(owner, path, value, ("registry", "name", "tag", "digest", "sha"), sure)
            elif isinstance(value, dict) and isinstance(value.get("name"), Scalar):
                self._whole(owner, path + ".name", value["name"], False, False)
            else:
                return self._scalars(owner, path, value, sure, short)
        elif key == "images":
            return self._scalars(owner, path, value, False, False)
        else:
            return False
        return True

    def _scalars(self, owner: str, path: str, value: Tree, sure: bool, short: bool) -> bool:
        """Adds the images that a field holds as one text, or as several. Whether nothing is left to look into."""
        if isinstance(value, Scalar):
            self._whole(owner, path, value, sure, short)
            return True
        several = {}
        if isinstance(value, list):
            several = {f"{path}[{number}]": child for number, child in enumerate(value)}
        elif path.endswith("images"):
            several = {_join(path, name): child for name, child in value.items()}
        for place, child in several.items():
            if isinstance(child, Scalar):
                self._whole(owner, place, child, False, False)
            elif isinstance(child, dict) and {"newName", "newTag"} & set(child) and isinstance(child.get("name"), Scalar):
                self._add(owner, place, [("image", child["name"])], why="it changes other images; read what kustomize builds")
        return False

    def _whole(self, owner: str, path: str, scalar: Scalar, sure: bool, short: bool) -> None:
        """A place that holds a whole image or, unless *sure*, something else."""
        if _absent(scalar) or (scalar.kind != "text" and not sure):
            return
        fields = [("image", scalar)]
        try:
            image = complete(_known(scalar))
            if not (short or states_version(scalar.text)):
                raise Unknown(f"{scalar.text!r} has no tag, and something else may add one")
            self._add(owner, path, fields, image)
        except Unknown as unknown:
            if sure or _may_name(scalar):
                self._add(owner, path, fields, why=str(unknown))

    def _split(self, owner: str, path: str, holder: Dict[str, Any], names: Tuple[str, ...], sure: bool) -> None:
        """A place that holds an image in several fields."""
        parts = [(name, holder[name]) for name in names if isinstance(holder.get(name), Scalar)]
        fields = [(name, part) for name, part in parts if part.kind != "null"]
        texts = {name: part for name, part in parts if not _absent(part)}
        name = texts.get("repository") or texts.get("name") or texts.get("image")
        if name is None:
            return
        try:
            text = "/".join(_known(part) for part in (texts.get("registry"), name) if part is not None)
            if "tag" in texts:
                text += ":" + _known(texts["tag"])
            if "digest" in texts:
                text += "@" + _known(texts["digest"])
            elif "sha" in texts:
                text += "@sha256:" + _known(texts["sha"])
            if not states_version(text):
                raise Unknown(f"{text!r} has no tag, and something else may add one")
            self._add(owner, path, fields, complete(text))
        except Unknown as unknown:
            if sure or (_may_name(name) and "://" not in name.text):
                self._add(owner, path, fields, why=str(unknown))

    def _mentioned(self, tree: Dict[str, Any], owner: str, path: str) -> None:
        """The images that a container's command, arguments and variables name. Text with registry and version is nothing else."""
        for key in ("command", "args"):
            words = tree.get(key)
            for number, word in enumerate(words if isinstance(words, list) else []):
                self._mention(owner, f"{_join(path, key)}[{number}]", word)
        variables = tree.get("env")
        for number, variable in enumerate(variables if isinstance(variables, list) else []):
            if isinstance(variable, dict):
                self._mention(owner, f"{_join(path, 'env')}[{number}].value", variable.get("value"))

    def _mention(self, owner: str, path: str, word: Any) -> None:
        text = _text(word) or ""
        flag = _FLAG.match(text)
        prefix = flag[0] if flag else ""
        text = text[len(prefix):]
        host, slash, rest = text.partition("/")
        if slash and "." in host and states_version(rest):
            try:
                self._add(owner, path, [("image", word)], complete(text), prefix=prefix)
                return
            except Unknown:
                pass
        if _AMID.search(text):
            self._add(owner, path, [("image", word)], why="it has images amid other text")

    def _add_composed(self, owner: str, path: str, scalar: Scalar) -> None:
        if _absent(scalar):
            return
        try:
            self._add(owner, path, [("image", scalar)], complete(substitute(_known(scalar), {})))
        except Unknown as unknown:
            self._add(owner, path, [("image", scalar)], why=str(unknown))

    def _add(
        self,
        owner: str,
        path: str,
        parts: List[Tuple[str, Scalar]],
        image: Optional[Reference] = None,
        why: str = "",
        prefix: str = "",
    ) -> None:
        line = parts[0][1].line
        where = ", ".join(part for part in (f"line {line}" if line else "", owner) if part)
        place = Place(f"{where}: {path}" if where else path, {name: part.handle for name, part in parts}, image, why, prefix)
        key = tuple(place.fields.values())
        if key not in self.found or self.found[key].image is None:  # an alias may be known better where it is used
            self.found[key] = place


def _known(scalar: Scalar) -> str:
    if scalar.kind == "other":
        raise Unknown(f"{scalar.text!r} isn't text to YAML; quote it")
    return scalar.text


def _may_name(scalar: Scalar) -> bool:
    """Whether text that isn't known to be an image is more likely one, with something missing, than anything else."""
    text = scalar.text
    if "$" in text or "{{" in text:
        return True
    try:
        complete(text)
    except Unknown:
        return names_host(text.partition("/")[0]) and "://" not in text and "/" in text
    return True


def _name(tree: Dict[str, Any]) -> str:
    """An object by its kind and name."""
    metadata = tree.get("metadata")
    name = metadata.get("name", metadata.get("generateName")) if isinstance(metadata, dict) else None
    return " ".join(part for part in (_text(tree["kind"]), _text(name)) if part)


def _text(value: Any) -> Optional[str]:
    return value.text if isinstance(value, Scalar) and value.kind == "text" else None


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, Scalar) and (value.kind == "null" or not value.text))


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
