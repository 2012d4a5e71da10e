#!/usr/bin/env python3
"""Every module, a .c file with a header of its name, has a unit test of its own: tests/unit/test_NAME.c.

WITHOUT holds those that have none, each with the test that reaches it. The table is there to shrink: a
module with a test may not stay in it, and a new module is not put into it without a reason.
"""

import os
import sys

import tree

ROOMS = ("common", "edge", "proto", "router")

# {why: {module: a test that reaches it}}
WITHOUT = {
    "a thin layer over libc, the kernel or a library; a test of its own would test that": {
        "common/clock": "unit/test_watchdog.c",
        "common/https_get": "integration/test_identity_providers.py",
        "common/mem": "oom/torture.c",
        "common/probe": "integration/test_options.py",
        "common/process_metrics": "integration/test_prometheus.py",
        "edge/client/listener": "unit/test_worker.c",
        "edge/tls/tls_bio": "unit/test_tls_stream.c",
        "edge/tls/transport": "unit/test_conn_tls.c",
        "proto/link/crypto_mem": "unit/test_link_hello.c",
        "proto/link/link_aio": "unit/test_link_conn.c",
        "proto/link/link_socket": "unit/test_link_conn.c",
        "proto/link/link_tls": "integration/test_link_tls.py",
        "proto/link/link_transport": "unit/test_link_conn.c",
    },
    "words and names for those who read them, compared with what the pages say": {
        "edge/client/api_refusals": "integration/test_protocol_pages.py",
        "edge/metrics_page": "integration/test_http.py",
        "edge/state/edge_metrics": "integration/test_protocol_pages.py",
        "proto/admin_command": "integration/test_weirctl.py",
        "proto/reasons": "integration/test_protocol_pages.py",
        "router/admin/admin_words": "integration/test_explain.py",
        "router/router_metrics": "integration/test_http.py",
    },
    "a part of what another test tests through its callers": {
        "common/conf/conf_check": "unit/test_edge_conf.c",
        "common/conf/conf_help": "unit/test_conf.c",
        "common/conf/conf_value": "unit/test_conf.c",
        "common/fault": "unit/test_jws_key.c",
        "edge/auth/jws_hmac": "unit/test_jws.c",
        "edge/auth/jws_sign": "unit/test_jws.c",
        "edge/client/accept": "unit/test_worker.c",
        "edge/client/conn_deadline": "unit/test_conn.c",
        "edge/client/conn_upgrade": "unit/test_conn.c",
        "edge/client/turn": "unit/test_worker.c",
        "edge/send/queued": "unit/test_conn.c",
        "edge/send/stream": "unit/test_conn.c",
        "edge/state/edge": "unit/test_worker.c",
        "edge/state/settings": "unit/test_conn.c",
        "edge/uplink/watches": "integration/test_patterns.py",
        "proto/policy/revocation_seal": "unit/test_revocations.c",
        "router/admin/admin_call": "unit/test_admin_cmd.c",
        "router/admin/admin_reply": "unit/test_weirctl_print.c",
        "router/core/journal": "unit/test_route_commit.c",
        "router/core/notices": "unit/test_hook_text.c",
        "router/core/route_out": "unit/test_route.c",
        "router/core/store_record": "unit/test_route_load.c",
        "router/ctl/weirctl_value": "unit/test_weirctl_print.c",
        "router/link/link_keys": "unit/test_link_server.c",
    },
    "whole programs, files or a server are what it is about": {
        "edge/auth/jwks_source": "integration/test_identity_providers.py",
        "edge/client/api": "integration/test_http_api.py",
        "edge/client/edge_recorder": "integration/test_explain.py",
        "edge/client/key_wait": "integration/test_identity_providers.py",
        "edge/client/memory_report": "integration/test_memory.py",
        "edge/client/sse": "integration/test_eventsource.py",
        "edge/client/testimony": "integration/test_explain.py",
        "edge/http/web_page": "integration/test_web_files.py",
        "proto/admin_path": "integration/test_weirctl.py",
        "router/admin/admin_server": "integration/test_weirctl.py",
        "router/admin/admin_verdict": "integration/test_explain.py",
        "router/ctl/weirctl_many": "integration/test_weirctl.py",
        "router/ctl/weirctl_table": "integration/test_weirctl.py",
        "router/ctl/weirctl_token": "integration/test_token.py",
        "router/ctl/weirctl_top": "integration/test_top.py",
        "router/hooks/webhook": "integration/test_webhooks.py",
        "router/router_store": "integration/test_store_file.py",
        "router/store/redis_first": "integration/test_store_redis.py",
        "router/store/redis_library": "integration/test_store_redis.py",
        "router/store/redis_link": "integration/test_store_redis.py",
        "router/store/store_file": "integration/test_store_file.py",
        "router/store/store_mark": "integration/test_store_file.py",
        "router/store/store_redis": "integration/test_store_redis.py",
        "router/ui/ui": "integration/test_ui.py",
    },
}


def modules(names):
    """{module without suffix} of files."""
    return {n[:-2] for n in names
            if n.split("/")[0] in ROOMS and n.endswith(".c") and n[:-2] + ".h" in names}


def check(root, without=None):
    names = set(tree.all_files(root))
    reaches = {module: test for group in (WITHOUT if without is None else without).values()
               for module, test in group.items()}
    known = modules(names)
    tested = {m for m in known if f"tests/unit/test_{os.path.basename(m)}.c" in names}
    complaints = [f"{m}.c: no unit test of its own (tests/unit/test_{os.path.basename(m)}.c)"
                  for m in known - tested - set(reaches)]
    complaints += [f"{m}: has a unit test, so its row in check_units.py goes"
                   for m in tested & set(reaches)]
    complaints += [f"{m}: no module, but a row in check_units.py" for m in set(reaches) - known]
    complaints += [f"{m}: tests/{t}, which is to reach it, is no file"
                   for m, t in reaches.items() if f"tests/{t}" not in names]
    return sorted(complaints)


if __name__ == "__main__":
    found = check(tree.repository_root())
    print("\n".join(found) or "ok")
    sys.exit(1 if found else 0)
