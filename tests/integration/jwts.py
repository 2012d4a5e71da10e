"""JSON Web Tokens signed with HMAC, and tokens that are wrong in chosen ways."""

import base64
import hashlib
import hmac
import json
import time

DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


def encode_segment(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def sign(key, signed, alg):
    return encode_segment(hmac.new(key, signed.encode("ascii"), DIGESTS[alg]).digest())


def make_raw(key, header, payload, alg="HS256"):
    """Signs `header` and `payload`, which are bytes, whatever they hold."""
    signed = encode_segment(header) + "." + encode_segment(payload)
    return signed + "." + sign(key, signed, alg)


def make(key, claims, alg="HS256", header=None, ttl=3600):
    """A good token: `claims` with an `exp` that is `ttl` seconds away, unless they say otherwise (a
    claim that is None is left out)."""
    full = {"exp": int(time.time()) + ttl}
    full.update(claims)
    full = {name: value for name, value in full.items() if value is not None}
    head = {"typ": "JWT", "alg": alg}
    head.update(header or {})
    return make_raw(key, json.dumps(head).encode(), json.dumps(full).encode(), alg)
