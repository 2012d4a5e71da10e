// What SIGHUP can change: options, token keys, certificates, origins. One generation of them is
// made whole, never written afterwards, and shared by reference; whoever holds one reads it without
// a lock.
#pragma once

#include <stdatomic.h>

#include "common/check.h"
#include "common/fault.h"
#include "edge/auth/auth.h"
#include "edge/http/http_upgrade.h"
#include "edge/state/edge_conf.h"

struct tls_context;

struct settings {
	struct edge_conf conf; // owned, or what it holds is `base`'s
	struct settings *base; // owned reference; NULL: its own base
	struct auth *auth; // owned; NULL: option auth=none
	struct tls_context *tls; // owned reference; NULL: no option listen-tls
	struct upgrade_policy upgrade;
	atomic_uint refs;
};

// The keys of tokens that the options name (not with auth=none), with the set `jwks` that was
// fetched from jwks-url (empty: none yet). NULL and `*fault` if any is wrong.
struct auth *settings_load_auth(const struct edge_conf *conf, struct bytes jwks,
	struct fault *fault);

// Takes over what `conf` holds and loads the files it names. One reference, or NULL and `*fault`;
// then the caller still owns what `conf` holds.
struct settings *settings_new(const struct edge_conf *conf, struct bytes jwks, struct fault *fault);
// The same options with the key files of tokens read again. The same otherwise.
struct settings *settings_renew_keys(struct settings *s, struct bytes jwks, struct fault *fault);
struct settings *settings_ref(struct settings *s);
void settings_unref(struct settings *s); // NULL is fine
