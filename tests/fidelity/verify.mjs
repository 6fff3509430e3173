// Copyright (c) 2026 registryops.acr contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
//
// What Sigstore's own library for JavaScript has to say about signatures: reads the cases of tests/signing/cases.py as JSON from
// standard input, and writes for each of them an empty text, or what is wrong with it.

import { createHash, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(process.argv[2] + "/");
const { bundleFromJSON } = require("@sigstore/bundle");
const { TrustedRoot } = require("@sigstore/protobuf-specs");
const { Verifier, toSignedEntity, toTrustMaterial } = require("@sigstore/verify");

const CODE_SIGNING = "1.3.6.1.5.5.7.3.3";
const SIGNATURE = "dev.cosignproject.cosign/signature";
const SIGN = "https://sigstore.dev/cosign/sign/v1";
const base64 = (text) => Buffer.from(text, "base64");

// Shell patterns: a star is anything, all else is itself.
const whole = (pattern) => "^" + pattern.split("*").map((part) => part.replace(/[.?+^$()[\]{}|\\/]/g, "\\$&")).join(".*") + "$";

// The signature of a payload's layer as a bundle.
function simple({ signer, content, annotations, hash }) {
  const digest = createHash(hash).update(base64(content)).digest("base64");
  const found = {
    mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
    verificationMaterial: { publicKey: { hint: "key" }, tlogEntries: [] },
    messageSignature: { messageDigest: { algorithm: hash.replace("sha", "SHA2_"), digest }, signature: annotations[SIGNATURE] },
  };
  if (!signer.key) {
    const pem = annotations["dev.sigstore.cosign/certificate"].replace(/-----[A-Z ]+-----|\s/g, "");
    found.mediaType = "application/vnd.dev.sigstore.bundle+json;version=0.1"; // later ones need more than the log's promise
    const { SignedEntryTimestamp, Payload } = JSON.parse(annotations["dev.sigstore.cosign/bundle"]);
    found.verificationMaterial = {
      x509CertificateChain: { certificates: [{ rawBytes: pem }] },
      tlogEntries: [{
        logIndex: String(Payload.logIndex),
        logId: { keyId: Buffer.from(Payload.logID, "hex").toString("base64") },
        kindVersion: { kind: "hashedrekord", version: "0.0.1" },
        integratedTime: String(Payload.integratedTime),
        inclusionPromise: { signedEntryTimestamp: SignedEntryTimestamp },
        canonicalizedBody: Payload.body,
      }],
    };
  }
  return found;
}

function check(one, digest, manifest) {
  const { signer, format, content } = one;
  const document = format === "bundle" ? JSON.parse(base64(content)) : simple(one);
  const material = document.verificationMaterial;
  if (signer.key && !material.publicKey) throw new Error("not signed with a key");
  const leaf = (material.certificate ?? material.x509CertificateChain?.certificates[0])?.rawBytes;
  if (leaf && !new X509Certificate(base64(leaf)).keyUsage.includes(CODE_SIGNING)) throw new Error("not for signing code");
  const signed = format === "bundle" ? base64(manifest) : base64(content);
  const none = { tlogs: [], certificateAuthorities: [], ctlogs: [], timestampAuthorities: [] };
  const root = TrustedRoot.fromJSON(signer.trust_root ?? none);
  const der = signer.key && base64(signer.key.replace(/-----[A-Z ]+-----|\s/g, ""));
  const hint = material.publicKey?.hint;
  const keys = signer.key ? { [hint]: { rawBytes: der, validFor: { start: new Date(0) } } } : {};
  const options = signer.key ? { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 } : {};
  const policy = signer.key
    ? undefined
    : { subjectAlternativeName: whole(signer.identity), extensions: { issuer: signer.issuer } };
  const entity = toSignedEntity(bundleFromJSON(document), signed);
  new Verifier(toTrustMaterial(root, keys), options).verify(entity, policy);
  if (document.messageSignature && format === "bundle") return;
  const claims = JSON.parse(format === "bundle" ? base64(document.dsseEnvelope.payload) : base64(content));
  const of = format === "bundle" ? "sha256:" + claims.subject[0].digest.sha256 : claims.critical.image["docker-manifest-digest"];
  if (of !== digest) throw new Error("of another image");
  if (format === "bundle" && claims.predicateType !== SIGN) throw new Error("an attestation");
  if (format === "simple" && claims.critical.type !== "cosign container image signature") throw new Error("not of an image");
  const repository = claims.critical?.identity["docker-reference"] ?? "";
  if (signer.repository && !repository.match(whole(signer.repository))) throw new Error("of another repository");
}

const { cases, digest, manifest } = JSON.parse(readFileSync(0));
const verdicts = cases.map((one) => {
  try {
    check(one, digest, manifest);
    return "";
  } catch (error) {
    return String(error.message || error);
  }
});
process.stdout.write(JSON.stringify(verdicts));
