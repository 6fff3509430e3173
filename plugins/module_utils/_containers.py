# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The images of texts and data that describe containers: as a list to mirror, and replaced by their copies in a mirror. Pure."""

from __future__ import annotations

from typing import Any, Dict, Hashable, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from . import _dockerfile, _workloads
from ._errors import UserError
from ._places import Place, Span
from ._reference import InvalidReference, Reference, parse_source
from ._yaml import Scalar, changed, documents, of_data, written

SHOWN = 10  # places in one message
EXPECTED = "the text of manifests, of a compose file or of a Dockerfile, or such data"


def images(content: Any) -> Tuple[List[Dict[str, Any]], List[str]]:
    """The images of a text or of data as entries for ``acr_mirror``, sorted and each once, and why some can't be known."""
    places = _places(list(content) if isinstance(content, Iterator) else content)
    found = {place.image for place in places if place.image}
    return [_entry(image) for image in sorted(found, key=str)], _unknown(places)


def rewrite(content: Any, results: Any, pin: bool) -> Tuple[Any, List[str]]:
    """The same text or data with the images of a mirror, and why some images stay as they are. With *pin*, all images get their
    digests; otherwise, only those that had one."""
    mirror = _Mirror(results)
    content = list(content) if isinstance(content, Iterator) else content  # as from_yaml_all returns it
    places = _places(content)
    problems = _unknown(places)
    edits: Dict[Hashable, str] = {}
    for place in places:
        # What stays must not change with what it shares a value with, by an anchor.
        wanted: Dict[Hashable, str] = {span: span.value for span in place.fields.values() if isinstance(span, Span)}
        if place.image:
            try:
                wanted = place.written(mirror.place_of(place.image, pin))
            except UserError as error:
                problems.append(f"{place.where}: {place.image} {error}")
        for handle, text in wanted.items():
            if edits.setdefault(handle, text) != text:
                raise UserError(f"{place.where}: this shares a value with another image that goes elsewhere; write it out.")
    if isinstance(content, str):
        return written(str.__str__(content), edits), problems
    return changed(content, edits), problems


def sentence(start: str, problems: List[str]) -> str:
    """The *problems* in one sentence. Of many, the first are named and the rest are counted."""
    several = list(dict.fromkeys(problems))
    more = f"; and {len(several) - SHOWN} more" if len(several) > SHOWN else ""
    return f"{start}: {'; '.join(several[:SHOWN])}{more}."


def _entry(image: Reference) -> Dict[str, Any]:
    entry: Dict[str, Any] = {"source": str(image)}
    if image.tag is None:
        entry["untagged_repositories"] = [image.repository]  # or several would contend for the tag latest
    return entry


def _unknown(places: List[Place]) -> List[str]:
    return [f"{place.where}: {place.why}" for place in places if place.image is None]


def _places(content: Any) -> List[Place]:
    if isinstance(content, str):
        text = str.__str__(content)  # Ansible's own kinds of text are more than libyaml takes
        if _dockerfile.is_dockerfile(text):
            return _dockerfile.places_in(text)
        trees = list(documents(text))
    elif isinstance(content, (Mapping, list, tuple)):
        if not isinstance(content, Mapping) and any(isinstance(one, str) for one in content):
            raise UserError("Expected one text, not a list of texts; use the filter map to read each of them.")
        trees = [of_data(content)]
    else:
        raise UserError(f"Expected {EXPECTED}, not {content}.")  # undefined content says so itself here
    found = []
    for tree in trees:
        if isinstance(tree, Scalar) and tree.kind != "null":
            raise UserError(f"Expected {EXPECTED}, not {tree.text[:80]!r}.")
        found += _workloads.places_in(tree)
    return found


class _Row(NamedTuple):
    """A result: *source* is what was asked for, *target* where it is; *error* if it isn't."""

    source: Reference
    target: Reference
    digest: Optional[str]
    error: Optional[str]


class _Mirror:
    """Where the results of ``acr_mirror`` say that images are."""

    def __init__(self, results: Any) -> None:
        if isinstance(results, (str, Mapping)) or not isinstance(results, (list, tuple)):
            raise UserError("results must be the list that acr_mirror returns as results.")
        rows = [row for row in map(_row, results) if row is not None]
        # What names the mirror already may stay as it is, unless something else is mirrored from there.
        rows += [row._replace(source=row.target) for row in rows if row.error is None]
        self._rows: Dict[Tuple[Optional[str], str], List[_Row]] = {}
        for row in rows:
            self._rows.setdefault(row.source[:2], []).append(row)

    def place_of(self, image: Reference, pin: bool) -> Reference:
        """Where *image* is now. UserError, to follow its name, if that can't be said."""
        rows = [row for row in self._rows.get(image[:2], []) if _serves(row, image)]
        there = [row for row in rows if row.error is None]
        if rows and not there:
            raise UserError(f"was not mirrored ({(rows[0].error or '').rstrip('.')})")
        if not there:
            raise UserError("is in none of the results")
        row = min(there, key=lambda row: (row.target.tag is None, row.target.tag != image.tag))  # the first of the best
        if not (pin or image.digest):
            return row.target
        if row.digest is None:
            raise UserError("can't be pinned, since its result has no digest")
        return row.target._replace(digest=row.digest)


def _serves(row: _Row, image: Reference) -> bool:
    if image.digest:
        return image.digest in (row.digest, row.source.digest)
    return row.source.tag == image.tag


def _row(result: Any) -> Optional[_Row]:
    """One of the results. None for the failure of a selection, which stands for no image in particular."""
    try:
        failed = result["action"] == "failed"
        try:
            source = parse_source(result["source"])
            target = source if failed else parse_source(result["image"])
        except InvalidReference:
            if failed:
                return None
            raise
        return _Row(source, target, result["digest"] or target.digest, str(result.get("error")) if failed else None)
    except (AttributeError, InvalidReference, KeyError, TypeError):
        raise UserError(f"results must be those of acr_mirror, with source, image, digest and action, not {result}.") from None
