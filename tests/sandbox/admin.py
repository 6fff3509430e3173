# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The admin endpoint: plain HTTP and JSON on loopback, for tests, benchmarks and the curious (see handle.py).

A bad request is answered 400 with ``{"error": text}``.
"""
from __future__ import annotations

import asyncio
import datetime
import random
import secrets
import time
import uuid
from dataclasses import asdict
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from . import entra, images
from .knobs import Knobs
from .model import ScopedToken
from .roles import role
from .settings import changed, check, merge
from .state import State
from .store import Store, dotnet_time
from .tenants import TENANT_1, Principal, object_id

STATE: web.AppKey[State] = web.AppKey("state", State)
MOVING: web.AppKey[dict[Any, Any]] = web.AppKey("moving", dict)  # (host, repository, tag) -> the task, its moves
_REGISTRY_FIELDS = ("sku", "tags", "one_scope_per_token", "cache_rules", "referrers_api")


def make_app(state: State) -> web.Application:
    """The admin endpoint's application."""
    app = web.Application(middlewares=[_plain_errors], client_max_size=1 << 26)
    app[STATE] = state
    app[MOVING] = {}
    app.add_routes(
        [
            web.get("/log", _log),
            web.delete("/log", _clear_log),
            web.get("/knobs", _knobs),
            web.patch("/knobs", _turn),
            web.post("/reset", _reset),
            web.post("/registries", _create_registry),
            web.patch("/registries/{name}", _patch_registry),
            web.patch("/upstreams/{host}", _patch_upstream),
            web.post("/principals", _create_principal),
            web.patch("/principals/{name}", _patch_principal),
            web.post("/principals/{name}/certificate", _certificate),
            web.post("/federated", _federated),
            web.post("/images", _push),
            web.post("/bulk", _bulk),
            web.get("/tags", _tags),
            web.post("/tags", _set_tag),
            web.get("/manifests", _manifests),
            web.post("/locks", _lock),
            web.post("/moving", _moving),
            web.get("/operations", _operations),
            web.post("/operations", _operations),
            web.get("/metadata/identity/oauth2/token", _managed_identity),
            web.get("/msi/token", _managed_identity),
            web.get("/msi/header", _msi_header),
        ]
    )
    return app


@web.middleware
async def _plain_errors(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        return await handler(request)
    except KeyError as missing:
        return web.json_response({"error": f"unknown or missing: {missing.args[0]}"}, status=400)
    except (TypeError, ValueError) as wrong:
        return web.json_response({"error": str(wrong)}, status=400)


def _store(state: State, body: dict[str, Any]) -> Store:
    return state.store_of(body["host"])


async def _log(request: web.Request) -> web.Response:
    """``GET /log?since=N``: the requests after number N."""
    return web.json_response(request.app[STATE].log.since(int(request.query.get("since", 0))))


async def _clear_log(request: web.Request) -> web.Response:
    request.app[STATE].log.clear()
    return web.json_response({})


async def _knobs(request: web.Request) -> web.Response:
    return web.json_response(request.app[STATE].knobs.as_json())


async def _turn(request: web.Request) -> web.Response:
    state = request.app[STATE]
    state.knobs.update(await request.json())
    return web.json_response(state.knobs.as_json())


async def _reset(request: web.Request) -> web.Response:
    """Knobs, log, operations and settings back to the start; ``{"registries": [names]}`` are emptied too."""
    state = request.app[STATE]
    body = await request.json() if request.can_read_body else {}
    stores = [state.store_of(name) for name in body.get("registries", [])]
    tasks = list(state.tasks)
    for task in tasks:  # an import of before must not land after
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    request.app[MOVING].clear()
    state.knobs = Knobs()
    state.log.clear()
    state.operations.clear()
    state.restore()
    for store in stores:
        store.clear()
    return web.json_response({})


async def _create_registry(request: web.Request) -> web.Response:
    """``{"name", "subscription"?, "group"?, "location"?, "sku"?, "cloud"?, "login_server"?, "properties"?, …}``."""
    state = request.app[STATE]
    registry = await state.create_registry(**await request.json())
    return web.json_response({"login_server": registry.login_server, "resource_id": registry.resource_id})


async def _patch_registry(request: web.Request) -> web.Response:
    """``properties`` and ``flags`` merge; ``tokens`` {user: {passwords, scopes}} and ``abac_repositories`` replace."""
    state = request.app[STATE]
    registry = state.registries[request.match_info["name"]]
    body = await request.json()
    check(body, {*_REGISTRY_FIELDS, "properties", "flags", "tokens", "abac_repositories"}, "setting of a registry")
    flags = changed(registry.flags, body.get("flags", {}), "flag of a registry")
    registry.properties = merge(registry.properties, body.get("properties", {}))
    registry.flags = flags
    if "tokens" in body:
        registry.tokens = {
            user: ScopedToken(list(token["passwords"]), {p: set(a) for p, a in token["scopes"].items()})
            for user, token in body["tokens"].items()
        }
    if "abac_repositories" in body:
        registry.abac_repositories = {client: set(p) for client, p in body["abac_repositories"].items()}
    for name in _REGISTRY_FIELDS:
        if name in body:
            setattr(registry, name, body[name])
    return web.json_response({"login_server": registry.login_server, "properties": registry.properties})


async def _patch_upstream(request: web.Request) -> web.Response:
    """``flags`` merge, ``users`` {name: password} and ``private`` [prefixes] replace."""
    upstream = request.app[STATE].upstreams[request.match_info["host"]]
    body = await request.json()
    check(body, {"flags", "users", "private"}, "setting of an upstream")
    upstream.flags = changed(upstream.flags, body.get("flags", {}), "flag of an upstream")
    if "users" in body:
        upstream.users = dict(body["users"])
    if "private" in body:
        upstream.private = tuple(body["private"])
    return web.json_response({"flags": asdict(upstream.flags)})


async def _create_principal(request: web.Request) -> web.Response:
    """``{"name", "tenant"?, "secret"?, "grants"?: {registry or "subscription/*": [roles]}}``."""
    state = request.app[STATE]
    body = await request.json()
    if body["name"] in state.principals:
        raise ValueError(f"principal {body['name']} exists")
    client = str(uuid.uuid4())
    principal = Principal(body["name"], client, body.get("tenant", TENANT_1), object_id(client))
    principal.secrets.append(body.get("secret") or secrets.token_urlsafe(24))
    state.principals[principal.name] = principal
    _change_principal(principal, body)
    return web.json_response({"client_id": client, "object_id": principal.object_id, "secret": principal.secrets[0]})


async def _patch_principal(request: web.Request) -> web.Response:
    """``secrets``, ``certificates`` (PEM), ``federated`` [{issuer, subject, audience?}] and ``grants`` replace."""
    principal = request.app[STATE].principals[request.match_info["name"]]
    _change_principal(principal, await request.json())
    return web.json_response({})


def _change_principal(principal: Principal, body: dict[str, Any]) -> None:
    for name in ("secrets", "certificates", "federated"):
        if name in body:
            setattr(principal, name, list(body[name]))
    if "grants" in body:
        principal.grants = {where: [name for name in names if role(name)] for where, names in body["grants"].items()}


async def _certificate(request: web.Request) -> web.Response:
    """Make a key and a certificate, register it with the principal, and return both as one PEM text."""
    principal = request.app[STATE].principals[request.match_info["name"]]
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, principal.name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM).decode()
    principal.certificates.append(public)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return web.json_response({"pem": private + public})


async def _federated(request: web.Request) -> web.Response:
    """A token as an external issuer gives it: ``{"issuer", "subject", "audience"?, "seconds"?}``."""
    body = await request.json()
    now = int(time.time())
    claims = {
        "iss": body["issuer"],
        "sub": body["subject"],
        "aud": body.get("audience", "api://AzureADTokenExchange"),
        "iat": now,
        "exp": now + int(body.get("seconds", 600)),
    }
    return web.json_response({"token": request.app[STATE].signer.issue(claims)})


async def _push(request: web.Request) -> web.Response:
    """``{"host", "repository", "tags"?, "kind"?, "seed"?, "options"?}``; kinds as images.build(), and ``schema1``.

    Answers ``{"digest", "children": [digests], "extras": [{"tag", "digest"}]}``.
    """
    body = await request.json()
    store = _store(request.app[STATE], body)
    kind, seed = body.get("kind", "single"), int(body.get("seed", 0))
    if kind == "schema1":
        built = images.Built(images.Image(images.schema1(seed), images.DOCKER_SCHEMA1))
    else:
        built = await asyncio.to_thread(images.build, kind, seed, **body.get("options", {}))
    work = [(built.image, body.get("tags", []))]
    work += [(extra, [tag] if tag else []) for tag, extra in built.extras]
    await store.add(body["repository"], work)
    return web.json_response(
        {
            "digest": built.image.digest,
            "children": [c.digest for c in built.image.children],
            "extras": [{"tag": tag, "digest": extra.digest} for tag, extra in built.extras],
        }
    )


async def _bulk(request: web.Request) -> web.Response:
    """Many small images: ``{"host", "repositories": count or names, "tags", "digests", "referrers"?, "seed"?,
    "prefix"?, "kind"?}``; tags and digests count per repository, ``referrers`` SBOMs for each digest.

    Tags are ``1.0.0``, ``1.0.1``, …; every digest has its share of them. Answers ``{repository: {tag: digest}}``.
    """
    body = await request.json()
    store = _store(request.app[STATE], body)
    names = body["repositories"]
    if isinstance(names, int):
        names = [f"{body.get('prefix', 'bulk/repo')}-{number:04d}" for number in range(names)]
    seed, tag_count = int(body.get("seed", 0)), int(body.get("tags", 1))
    digest_count, referrers = int(body.get("digests", tag_count)), int(body.get("referrers", 0))
    if not 0 < digest_count <= tag_count:
        raise ValueError("digests: at least 1, at most as many as tags")
    kind = body.get("kind", "single")
    options = {"layers": 1, "size": 16} if kind == "single" else {"size": 16}

    def build(number: int, name: str) -> list[tuple[images.Image, list[str]]]:
        work: list[tuple[images.Image, list[str]]] = []
        for n in range(digest_count):
            image = images.build(kind, (seed * 1000 + number) * 10_000 + n, name=name, **options).image
            work.append((image, [f"{t // 100 + 1}.{t // 10 % 10}.{t % 10}" for t in range(n, tag_count, digest_count)]))
            work += [(images.sbom(image, name=f"{name}-{r}"), []) for r in range(referrers)]
        return work

    answer: dict[str, dict[str, str]] = {}
    for number, name in enumerate(names):
        work = await asyncio.to_thread(build, number, name)
        await store.add(name, work)
        answer[name] = {tag: image.digest for image, tags in work for tag in tags}
    return web.json_response(answer)


async def _tags(request: web.Request) -> web.Response:
    """``GET /tags?host=&repository=`` -> ``{tag: digest}``; an unknown repository has none."""
    store = request.app[STATE].store_of(request.query["host"])
    found = store.tags.get(request.query["repository"], {})
    return web.json_response({name: tag.digest for name, tag in sorted(found.items())})


async def _manifests(request: web.Request) -> web.Response:
    """``GET /manifests?host=&repository=`` -> ``{digest: {media_type, children, subject, created, updated}}``."""
    store = request.app[STATE].store_of(request.query["host"])
    found = store.manifests.get(request.query["repository"], {})
    return web.json_response(
        {
            digest: {
                "media_type": m.media_type,
                "children": m.children,
                "subject": m.subject,
                "created": dotnet_time(m.created),
                "updated": dotnet_time(m.updated),
            }
            for digest, m in sorted(found.items())
        }
    )


async def _set_tag(request: web.Request) -> web.Response:
    """``{"host", "repository", "tag", "digest"}``: point a tag (null: remove it); ``"dangling": true`` points it at a
    digest that is not there; ``{"host", "repository", "digest", "lose": true}`` makes a manifest vanish."""
    body = await request.json()
    store, repository, digest = _store(request.app[STATE], body), body["repository"], body.get("digest")
    if body.get("lose"):
        store.lose_manifest(repository, digest)
    elif body.get("dangling"):
        store.set_tag(repository, body["tag"], digest or "sha256:" + secrets.token_hex(32))
    elif digest is None:
        store.delete_tag(repository, body["tag"])
    else:
        if digest not in store.manifests[repository]:
            raise ValueError(f"{repository} has no manifest {digest}")
        store.set_tag(repository, body["tag"], digest)
    return web.json_response({})


async def _lock(request: web.Request) -> web.Response:
    """``{"host", "repository", "tag" or "digest" or neither, "attributes": {"writeEnabled": false, …}}``."""
    body = await request.json()
    store, repository = _store(request.app[STATE], body), body["repository"]
    if "tag" in body:
        attributes = store.tags[repository][body["tag"]].attrs
    elif "digest" in body:
        attributes = store.manifests[repository][body["digest"]].attrs
    else:
        attributes = store.repo_attrs[repository]
    check(body["attributes"], attributes, "attribute")
    attributes.update(body["attributes"])
    return web.json_response(attributes)


async def _moving(request: web.Request) -> web.Response:
    """``{"host", "repository", "tag", "interval_seconds", "digests": [..]}``: a tag that keeps moving through these
    digests (none given: a fresh image each time); ``"stop": true`` ends it, with ``{"moves": [[seconds, digest], ..]}``."""
    body = await request.json()
    store, repository, tag = _store(request.app[STATE], body), body["repository"], body["tag"]
    running = request.app[MOVING]
    key = (body["host"], repository, tag)
    task, moves = running.pop(key, (None, []))
    if task is not None:
        task.cancel()
    if body.get("stop"):
        return web.json_response({"moves": moves})
    digests, interval = list(body.get("digests", [])), float(body["interval_seconds"])

    moves = []

    async def move() -> None:
        turn = 0
        fresh = random.Random(repr(key))
        while True:
            await asyncio.sleep(interval)
            if digests:
                store.set_tag(repository, tag, digests[turn % len(digests)])
                moves.append((time.time(), digests[turn % len(digests)]))
            else:
                await store.add(repository, [(images.single(fresh.getrandbits(40)), [tag])])
            turn += 1

    running[key] = request.app[STATE].run(move()), moves
    return web.json_response({})


async def _operations(request: web.Request) -> web.Response:
    return web.json_response([o.as_json() for o in request.app[STATE].operations.values()])


async def _managed_identity(request: web.Request) -> web.Response:
    return await entra.managed_identity(request.app[STATE], request)


async def _msi_header(request: web.Request) -> web.Response:
    return web.json_response({"header": request.app[STATE].msi_header})
