#!/usr/bin/env python3
"""Holds the architecture: which folder may include which, and who may see a library.

The two tables below are the diagram of the tree. A line added to them is a decision about its
shape and belongs into a commit that says why.
"""

import os
import re
import sys

import tree

# Room -> the rooms it may include, beside itself. A file lies in the longest of these that its path begins
# with. The order is that of the layers: no row names a room below it.
COMMON = {"common", "common/conf"}
PROTO = {"proto", "proto/policy", "proto/link"}
MAY_INCLUDE = {
    "common": set(),
    "common/conf": {"common"},
    "proto": {"common"},
    "proto/policy": {"common", "proto"},
    "proto/link": {"common", "proto"},
    "edge/ws": {"common"},
    "edge/codec": {"common", "proto", "proto/policy"},
    "edge/auth": {"common", "proto", "proto/policy"},
    "edge/tls": {"common"},
    "edge/http": COMMON | {"edge/ws"},
    "edge/send": {"common", "edge/ws", "edge/tls"},
    "edge/uplink": PROTO | {"common", "edge/ws", "edge/codec", "edge/auth", "edge/send"},
}
EDGE_PARTS = {room for room in MAY_INCLUDE if room.startswith("edge/")}
MAY_INCLUDE |= {
    "edge/state": COMMON | PROTO | EDGE_PARTS,
    "edge/client": COMMON | PROTO | EDGE_PARTS | {"edge/state"},
    "edge/token": COMMON | PROTO | {"edge/auth", "edge/state"},
    "edge": COMMON | PROTO | EDGE_PARTS | {"edge/state", "edge/client"},
    "router/core": COMMON | PROTO,
    "router/store": {"common"} | PROTO | {"router/core"},
    "router/link": COMMON | PROTO | {"router/core"},
    "router/hooks": COMMON | PROTO | {"router/core"},
    "router/admin": COMMON | PROTO | {"router/core"},
    "router/ui": {"common"} | PROTO | {"router/core", "router/admin"},
    "router/ctl": {"common"} | PROTO,
    "router": COMMON | PROTO | {"router/core", "router/store", "router/link", "router/hooks",
                               "router/admin", "router/ui"},
}
MAY_INCLUDE["tests"] = set(MAY_INCLUDE)

# Library headers (by prefix) -> their only includers outside tests/.
ONLY_INCLUDERS = {
    "curl/": {"common/https_get.c", "router/hooks/webhook.c"},
    "event2/": {"common/loop.c", "common/loop.h"},
    "hiredis/": {"router/store/redis_link.c"},
    "jansson.h": {
        "edge/auth/claims.c",
        "edge/auth/jws.c",
        "edge/auth/jws_key.c",
        "edge/auth/jws_pkey.c",
        "edge/auth/jws_sign.c",
        "edge/auth/jwks.c",
        "edge/token/weir_token.c",
        "router/ctl/weirctl_token.c",
    },
    "jwt.h": {"edge/auth/jws_hmac.c", "edge/auth/jws_sign.c"},
    "liburing.h": {"edge/send/send_batch.c"},
    "lmdb.h": {"router/store/store_file.c"},
    "nng/": {
        "edge/uplink/router_link.c",
        "proto/link/link_aio.c",
        "proto/link/link_socket.c",
        "proto/link/link_tls.c",
        "proto/link/link_transport.c",
        "proto/link/link_transport_nng.c",
        "proto/link/link_transport_polled.c",
        "router/admin/admin_server.c",
        "router/link/peer.c",
        "router/ctl/weirctl.c",
    },
    "openssl/": {
        "edge/http/http_upgrade.c",
        "edge/auth/jws.c",
        "edge/auth/jws_hmac.c",
        "edge/auth/jws_pkey.c",
        "edge/tls/tls_bio.c",
        "edge/tls/tls_context.c",
        "edge/tls/tls_stream.c",
        "edge/tls/tls_ticket.c",
        "proto/link/crypto_mem.c",
        "proto/link_hello.c",
        "proto/policy/revocation_seal.c",
        "router/hooks/hook_sign.c",
    },
    "zlib.h": {"edge/ws/ws_deflate.c"},
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
GENERATED = re.compile(r"^[a-z_]+\.pb-c\.h$")


def room_of(name):
    """The row of a file; "" for one that lies outside of all."""
    folder = os.path.dirname(name)
    while folder and folder not in MAY_INCLUDE:
        folder = os.path.dirname(folder)
    return folder


def may_see(room, other):
    return room == other or other in MAY_INCLUDE[room]


def check_quoted(root, name, target):
    """What is wrong with `#include "target"` in file `name`, or None."""
    if GENERATED.match(target):
        # Made from proto/*.proto.
        return None if may_see(room_of(name), "proto") else f"may not include {target}"
    if "/" not in target or not os.path.isfile(os.path.join(root, target)):
        return f'"{target}" is no path of a header from the root of the tree'
    if not may_see(room_of(name), room_of(target)):
        return f"{room_of(name)}/ may not include {target}"
    return None


def check_library(name, target):
    """What is wrong with `#include <target>` in file `name`, or None."""
    if room_of(name) == "tests":
        return None
    for prefix, includers in ONLY_INCLUDERS.items():
        if target.startswith(prefix) and name not in includers:
            return f"<{target}> is only for {', '.join(sorted(includers)) or 'nobody yet'}"
    return None


def check_file(root, name):
    text = tree.read(root, name)
    includes = [(quote == '"', target, text.count("\n", 0, match.start()) + 1)
                for match in INCLUDE.finditer(text) for quote, target in [match.groups()]]
    complaints = []
    for quoted, target, line in includes:
        wrong = check_quoted(root, name, target) if quoted else check_library(name, target)
        if wrong:
            complaints.append(f"{name}:{line}: {wrong}")
    if name.endswith(".h"):
        code = [line for line in text.splitlines() if line.strip() and not line.startswith("//")]
        if not code or code[0].strip() != "#pragma once":
            complaints.append(f"{name}:1: does not begin with #pragma once")
    else:
        own = name[:-2] + ".h"
        if os.path.isfile(os.path.join(root, own)):
            if not includes or includes[0][:2] != (True, own):
                complaints.append(f'{name}:1: does not include its own header "{own}" first')
    return complaints


def check(root):
    return [c for name in tree.c_files(root) for c in check_file(root, name)]


if __name__ == "__main__":
    found = check(tree.repository_root())
    print("\n".join(found) or "ok")
    sys.exit(1 if found else 0)
