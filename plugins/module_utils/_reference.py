# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Image references, registries and platforms: parsing, defaults, formatting. Pure.

The grammar is that of the distribution specification; limits and registry names are Azure's.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from ._errors import UserError

REPOSITORY_CHARACTERS = 255
DOCKER_HUB = "docker.io"
# Other names of Docker Hub, which people copy from documentation.
DOCKER_HUB_HOSTS = frozenset([DOCKER_HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"])
# What login servers end with in Azure's own clouds; a custom cloud adds its own.
AZURE_SUFFIXES = {
    "AzureCloud": "azurecr.io",
    "AzureChinaCloud": "azurecr.cn",
    "AzureUSGovernment": "azurecr.us",
    "AzureGermanCloud": "azurecr.de",
}

# What a target may contain, to be filled in for each image. The name is the last part of the repository.
PLACEHOLDERS = ("{host}", "{repository}", "{name}", "{tag}")

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
TAG_CHARACTERS = 128  # a longer name, as a SHA-512 makes it, isn't a tag
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?")
_NAME = re.compile(r"[A-Za-z0-9]{5,50}")
# A name and the hash that a domain name label adds; anything shorter is a word in a wrong name.
_LABELED_NAME = re.compile(r"[a-z0-9]{5,50}-[a-z0-9]{8,}")
# What stands before "@", unless a digest follows: that has no slash.
_SIGN_IN = re.compile(r"^(?:.*@(?=.*/)|[^/]*://[^/]*@|[^/]*:[^/]*@(?!sha))", re.DOTALL)
NO_PASSWORD = "must not contain a user name or password; use the options for them."
_RESOURCE_ID = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)/providers/"
    r"Microsoft\.ContainerRegistry/registries/(?P<name>[^/]+)/?",
    re.IGNORECASE,
)


class InvalidReference(UserError):
    """Text that isn't an image, registry or platform. ``str()`` is one sentence."""


class Reference(NamedTuple):
    """An image: ``host/repository:tag@digest``. All parts but the repository are optional."""

    host: Optional[str]
    repository: str
    tag: Optional[str] = None
    digest: Optional[str] = None

    def __str__(self) -> str:
        text = f"{self.host}/{self.repository}" if self.host else self.repository
        text += ":" + self.tag if self.tag else ""
        return text + ("@" + self.digest if self.digest else "")


def parse_source(text: str, in_registry: bool = False) -> Reference:
    """An image to import. The tag defaults to ``latest`` if there is no digest.

    *in_registry*: the registry is given elsewhere, so the host may be missing.
    """
    text = _clean(text, "source", "docker.io/library/nginx:1.27")
    host, rest = _split_host(text)
    if host is None and not in_registry:
        raise InvalidReference(
            f"source {text!r} doesn't name a registry; put its host in front, such as docker.io/library/nginx:1.27, or set "
            "source_registry."
        )
    repository, tag, digest = _split_image(text, rest)
    if host in DOCKER_HUB_HOSTS:
        host = DOCKER_HUB
        repository = repository if "/" in repository else "library/" + repository
    if tag is None and digest is None:
        tag = "latest"
    return Reference(host, repository, tag, digest)


def completed(text: str, host: str) -> str:
    """*text*, an image to import, with *host* in front if it names none."""
    first, slash, _rest = text.strip().partition("/")
    return text if not text.strip() or slash and names_host(first) else f"{host}/{text.strip()}"


def parse_target(text: str) -> Reference:
    """A place in the target registry: ``repository[:tag]``. The repository may start with the host of another registry."""
    text = _clean(text, "target", "base/nginx:1.27")
    repository, tag, digest = _split_image(text, text)
    if digest is not None:
        raise InvalidReference(
            f"target {text!r} must not have a digest, because the source determines it; write a tag, or use "
            "untagged_repositories."
        )
    return Reference(None, repository, tag)


def is_tag(text: str) -> bool:
    """Whether *text* can be a tag's name; patterns that can't have wildcards."""
    return _TAG.fullmatch(text) is not None


def valid_digest(text: Any) -> bool:
    """Whether *text* is a digest whose algorithm is known here."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def filled(text: str, host: str, repository: str, tag: str) -> str:
    """*text* with its placeholders replaced by what they stand for. The colon before a port, which no repository can have,
    becomes an underscore."""
    name = repository.rpartition("/")[2]
    for placeholder, value in zip(PLACEHOLDERS, (host.replace(":", "_"), repository, name, tag)):
        text = text.replace(placeholder, value)
    return text


def parse_pattern(text: str) -> Tuple[str, Optional[str]]:
    """A target whose placeholders are still to be filled: its repository and tag."""
    unknown = [found for found in re.findall(r"\{[^{}]*\}", text or "") if found not in PLACEHOLDERS]
    if unknown:
        known = ", ".join(PLACEHOLDERS[:-1]) + f" and {PLACEHOLDERS[-1]}"
        raise InvalidReference(f"{text!r} has an unknown placeholder {unknown[0]}; there are {known}.")
    tag = parse_target(filled(text or "", "host", "repository", "tag")).tag
    repository = text.strip()
    return (repository, None) if tag is None else repository.rpartition(":")[::2]


def parse_place(text: str) -> Tuple[str, str]:
    """What credentials are for: a host, and the namespace there ("" for all of it). Written ``host[/namespace]``, or as a URL
    such as ``https://index.docker.io/v1/``, as in Docker's own configuration."""
    text = text.strip()
    _refuse_password(text if "/" in text else text + "/", "registry")
    url = re.match(r"https?://", text, re.IGNORECASE)
    host, _slash, namespace = text[url.end() if url else 0:].partition("/")
    namespace = namespace.strip("/")
    if not names_host(host) or not _HOST.fullmatch(host_name(host)):
        raise InvalidReference(
            f"registry {text!r} doesn't name a host; write one, such as docker.io, or host and namespace, such as "
            "docker.io/contoso."
        )
    host = host_name(host)
    if host in DOCKER_HUB_HOSTS:
        host = DOCKER_HUB
    if namespace in ("v1", "v2") and (url or host == DOCKER_HUB):  # the path of the API, not a namespace
        namespace = ""
    return host, namespace


def host_name(text: str) -> str:
    """``host[:port]`` in its canonical form: lower case, no trailing dot, no port 443."""
    found = re.fullmatch(r"(.*?)\.?(?::0*([0-9]{1,5}))?", text.lower(), re.DOTALL)
    name, port = found.groups() if found else (text, None)
    return str(name) if port in (None, "443") else f"{name}:{port}"


def api_host(host: str) -> str:
    """The host that serves a registry's API."""
    return "registry-1.docker.io" if host == DOCKER_HUB else host


def _clean(given: Any, what: str, example: str) -> str:
    text = given.strip() if isinstance(given, str) else ""
    if not text:
        raise InvalidReference(f"{what} is empty; write something like {example}.")
    _refuse_password(text, what)
    if "://" in text:
        raise InvalidReference(
            f"{what} {text!r} must not start with {text.split('://')[0] + '://'!r}; write {text.split('://', 1)[1]!r}."
        )
    return text


def misread(what: str, value: object, hidden: bool = False) -> str:
    """What to say of a text that YAML read as a fraction or a boolean; *hidden*: don't repeat it."""
    found = "what is given" if hidden else str(value).lower()
    read, example = ("boolean", "yes") if isinstance(value, bool) else ("number", "3.10")
    return f"{what} must be text, but {found} was read as a {read} ({example} would be, too). Quote it, as in '{example}'."


def without_password(text: str) -> str:
    """*text* without the user name and password that may stand before its host."""
    return _SIGN_IN.sub("", text, 1)


def _refuse_password(text: str, what: str) -> None:
    """Refuses ``user:password@host/…`` without repeating it."""
    if _SIGN_IN.match(text):
        raise InvalidReference(f"{what} {NO_PASSWORD}")


def _split_host(text: str) -> Tuple[Optional[str], str]:
    first, slash, rest = text.partition("/")
    if slash and names_host(first):
        host = host_name(first)
        if not _HOST.fullmatch(host):
            raise InvalidReference(f"{text!r} starts with an invalid host name: {first!r}.")
        port = host.rpartition(":")[2] if re.search(r":[0-9]+$", host) else "1"
        if not 0 < int(port) < 65536:
            raise InvalidReference(f"{text!r} has an invalid port: {port}.")
        return host, rest
    return None, text


def names_host(text: str) -> bool:
    """Whether the part before a reference's first slash is a host, by the rule that all image tools follow."""
    return "." in text or ":" in text or text == "localhost"


def _split_image(text: str, rest: str) -> Tuple[str, Optional[str], Optional[str]]:
    name, at, digest = rest.partition("@")
    if at and not valid_digest(digest):
        raise InvalidReference(f"{text!r} has an invalid digest; a digest is sha256: followed by 64 lowercase hex digits.")
    head, slash, last = name.rpartition("/")
    last, colon, tag = last.partition(":")
    repository = head + slash + last
    if colon and not _TAG.fullmatch(tag):
        raise InvalidReference(
            f"{text!r} has an invalid tag {tag!r}; a tag has up to 128 letters, digits, '_', '.' and '-', and can't start with "
            "'.' or '-'."
        )
    if not _REPOSITORY.fullmatch(repository):
        hint = "; it must be lowercase" if _REPOSITORY.fullmatch(repository.lower()) else ""
        raise InvalidReference(f"{text!r} has an invalid repository name {repository!r}{hint}.")
    if len(repository) > REPOSITORY_CHARACTERS:
        raise InvalidReference(f"{text!r} has a repository name of more than {REPOSITORY_CHARACTERS} characters.")
    return repository, tag if colon else None, digest if at else None


# -- registries ------------------------------------------------------------------------------------------------------


class RegistryId(NamedTuple):
    """An Azure registry as a user names it. *kind*: ``name``, ``login_server`` or ``resource_id``.

    *name* is None if it can't be derived from the login server. *endpoint* is the regional endpoint that was named instead of
    the login server, if any.
    """

    kind: str
    name: Optional[str] = None
    login_server: Optional[str] = None
    subscription: Optional[str] = None
    resource_group: Optional[str] = None
    endpoint: Optional[str] = None

    @property
    def resource_id(self) -> str:
        """The resource ID as Azure writes it; only for the kind ``resource_id``."""
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
        return f"{group}/providers/Microsoft.ContainerRegistry/registries/{self.name}"


def parse_registry(text: str, suffixes: List[str]) -> RegistryId:
    """A registry given by name, login server, regional endpoint or resource ID, or by the first label of its login server if
    that has a hash (``contosoprod-h4x0…``). *suffixes*: those of the cloud in use."""
    if not isinstance(text, str) or not text.strip():
        raise InvalidReference("The registry is empty; give its name, login server or resource ID.")
    text = text.strip()
    _refuse_password(text if "/" in text else text + "/", "The registry")
    if text.startswith("/"):
        found = _RESOURCE_ID.fullmatch(text)
        if not found:
            raise InvalidReference(
                f"{text!r} isn't the resource ID of a container registry, which looks like /subscriptions/{{id}}/resourceGroups/"
                "{group}/providers/Microsoft.ContainerRegistry/registries/{name}."
            )
        return RegistryId("resource_id", found["name"], None, found["subscription"], found["group"])
    host = host_name(re.sub(r"^https://", "", text, flags=re.IGNORECASE).rstrip("/"))
    suffixes = suffixes + list(AZURE_SUFFIXES.values())
    if "." not in host:
        if _LABELED_NAME.fullmatch(host):
            host = f"{host}.{suffixes[0]}"
        elif _NAME.fullmatch(host):
            return RegistryId("name", host)
        else:
            raise InvalidReference(f"{text!r} isn't the name of a registry, which has 5 to 50 letters and digits.")
    if not _HOST.fullmatch(host) or ":" in host:
        raise InvalidReference(f"{text!r} isn't a login server, which looks like contosoprod.{suffixes[0]}.")
    for suffix in suffixes:
        if host.endswith("." + suffix):
            label = host[: -len(suffix) - 1]
            label, *regional = label.split(".")
            if regional and regional[1:] != ["geo"]:
                break
            # A domain name label adds a hash to the name, which itself has only letters and digits.
            name, endpoint = label.partition("-")[0], host if regional else None
            return RegistryId("login_server", name, f"{label}.{suffix}", endpoint=endpoint)
    return RegistryId("login_server", None, host)


# -- platforms -------------------------------------------------------------------------------------------------------

_ARCHITECTURES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "i386": "386", "armhf": "arm", "armel": "arm"}
_DEFAULT_VARIANTS = {"arm64": "v8", "arm": "v7"}


class Platform(NamedTuple):
    """What an image runs on. *variant* is normalised: empty if it is the architecture's default."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""

    @classmethod
    def of(cls, content: Dict[str, Any]) -> Platform:
        """The platform in a descriptor of an index, or in an image's configuration."""
        architecture = str(content.get("architecture") or "unknown").lower()
        variant = str(content.get("variant") or ("v6" if architecture == "armel" else "")).lower()
        architecture = _ARCHITECTURES.get(architecture, architecture)
        return cls(
            str(content.get("os") or "unknown").lower(),
            architecture,
            "" if variant == _DEFAULT_VARIANTS.get(architecture) else variant,
            str(content.get("os.version") or ""),
        )

    def matches(self, offered: Platform) -> bool:
        """Whether an image for *offered* satisfies a request for this platform."""
        same = (self.os, self.architecture, self.variant) == (offered.os, offered.architecture, offered.variant)
        return same and (not self.os_version or (offered.os_version + ".").startswith(self.os_version + "."))

    def __str__(self) -> str:
        os = f"{self.os}({self.os_version})" if self.os_version else self.os
        return "/".join(part for part in (os, self.architecture, self.variant) if part)


def parse_platform(text: str) -> Platform:
    """``os/architecture[/variant]``; a Windows version goes in parentheses, as in ``windows(10.0.20348)/amd64``."""
    found = re.fullmatch(r"([A-Za-z0-9]+)(?:\(([0-9.]+)\))?/([A-Za-z0-9_-]+)(?:/([A-Za-z0-9.]+))?", str(text).strip())
    if not found:
        raise InvalidReference(f"platform {text!r} is invalid; write something like linux/amd64 or linux/arm/v7.")
    os, version, architecture, variant = found.groups()
    return Platform.of({"os": os, "architecture": architecture, "variant": variant, "os.version": version})
