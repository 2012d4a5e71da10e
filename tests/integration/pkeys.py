"""Key pairs and what they sign, by the `openssl` program: another hand than the one under test."""

import base64
import json
import os
import subprocess
import time

import jwts

# Algorithm -> arguments of `openssl genpkey`, and bytes of half a signature by curve.
KINDS = {
    "RS256": (["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], 0),
    "PS256": (["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], 0),
    "ES256": (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], 32),
    "ES384": (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], 48),
    "ES512": (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"], 66),
    "EdDSA": (["-algorithm", "ED25519"], 0),
}
KINDS.update({"RS384": KINDS["RS256"], "RS512": KINDS["RS256"], "PS384": KINDS["PS256"],
              "PS512": KINDS["PS256"]})
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
              "EdDSA")


def openssl(*words, data=b""):
    return subprocess.run(["openssl", *words], input=data, capture_output=True, timeout=60,
                          check=True).stdout


class Pair:
    """A key pair in files of `folder`: `private`, `public`."""

    def __init__(self, folder, name, alg="RS256", kind=None):
        self.alg = alg
        self.private = os.path.join(folder, name + ".pem")
        self.public = os.path.join(folder, name + ".pub")
        openssl("genpkey", *(kind or KINDS[alg][0]), "-out", self.private)
        os.chmod(self.private, 0o600)
        openssl("pkey", "-in", self.private, "-pubout", "-out", self.public)
        self._input = os.path.join(folder, name + ".input")

    def option(self, alg=None, kid=None):
        """A value of jwt-key."""
        return f"{alg or self.alg}:{kid + '=' if kid else ''}{self.public}"

    def signature(self, alg, text):
        if alg == "EdDSA":
            with open(self._input, "wb") as f:
                f.write(text)
            return openssl("pkeyutl", "-sign", "-inkey", self.private, "-rawin", "-in", self._input)
        words = ["dgst", "-sha" + alg[2:], "-sign", self.private]
        if alg.startswith("PS"):
            words += ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]
        signature = openssl(*words, data=text)
        return halves(signature, KINDS[alg][1]) if alg.startswith("ES") else signature

    def make(self, claims, alg=None, header=None, ttl=3600):
        """A token, as jwts.make()."""
        alg = alg or self.alg
        full = {"exp": int(time.time()) + ttl, **claims}
        full = {name: value for name, value in full.items() if value is not None}
        head = {"typ": "JWT", "alg": alg, **(header or {})}
        text = ".".join(jwts.encode_segment(json.dumps(part).encode()) for part in (head, full))
        return text + "." + jwts.encode_segment(self.signature(alg, text.encode()))

    def jwk(self, **members):
        """The public half, by reading the DER of it."""
        der = openssl("pkey", "-pubin", "-in", self.public, "-outform", "DER")
        half = {"ES256": ("P-256", 32), "ES384": ("P-384", 48), "ES512": ("P-521", 66)}
        if self.alg in half:
            curve, size = half[self.alg]
            point = {"x": der[-2 * size:-size], "y": der[-size:]}
            return {"kty": "EC", "crv": curve, **encoded(point), **members}
        if self.alg == "EdDSA":
            return {"kty": "OKP", "crv": "Ed25519", **encoded({"x": der[-32:]}), **members}
        text = openssl("rsa", "-pubin", "-in", self.public, "-noout", "-modulus")
        modulus = bytes.fromhex(text.decode().strip().partition("=")[2])
        return {"kty": "RSA", **encoded({"n": modulus, "e": b"\x01\0\x01"}), **members}


def encoded(members):
    return {name: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
            for name, data in members.items()}


def halves(der, size):
    """SEQUENCE { INTEGER r, INTEGER s } -> both in their full length."""
    at = 3 if der[1] == 0x81 else 2
    parts = []
    for _ in range(2):
        length = der[at + 1]
        parts.append(int.from_bytes(der[at + 2:at + 2 + length], "big").to_bytes(size, "big"))
        at += 2 + length
    return b"".join(parts)
