// A generation of settings is replaced, not changed: the main thread makes a new one beside that in
// use, and only when every file it names was good do the workers get it, each at a turn of its own
// loop (worker_offer). Until the last of them has, the old one lives on by its references.
//
// A lock around one set of options was rejected: the hot path reads several of them for each
// message. So were options that are atomics one by one: keys and origins are more than a word.

#include "edge/state/settings.h"

#include <stdlib.h>

#include "common/mem.h"
#include "edge/send/pack.h"
#include "edge/tls/tls_context.h"

static const char *const *list_items(const struct conf_list *list)
{
	return (const char *const *)list->items;
}

struct auth *settings_load_auth(const struct edge_conf *conf, struct bytes jwks,
	struct fault *fault)
{
	const struct auth_options options = {
		.keys = list_items(&conf->jwt_key),
		.n_keys = conf->jwt_key.n,
		.jwks_file = conf->jwks_file,
		.jwks_url = conf->jwks_url,
		.jwks = jwks,
		.issuer = conf->jwt_issuer,
		.audience = conf->jwt_audience,
		.user_claim = conf->jwt_user_claim,
		.username_claim = conf->jwt_username_claim,
		.roles_claim = conf->jwt_roles_claim,
		.rights_claim = conf->jwt_rights_claim,
		.leeway_ms = conf->jwt_leeway_ms,
		.max_lifetime_ms = conf->jwt_max_lifetime_ms,
		.admin_role = conf->admin_role,
	};
	return auth_new(&options, fault);
}

// What `conf` holds is the new generation's, or that of `base`.
static struct settings *make(const struct edge_conf *conf, struct settings *base, struct bytes jwks,
	struct fault *fault)
{
	struct auth *auth = NULL;
	struct tls_context *tls = NULL;
	if (conf->auth == EDGE_AUTH_JWT) {
		auth = settings_load_auth(conf, jwks, fault);
		if (auth == NULL) {
			return NULL;
		}
	}
	if (base != NULL) {
		tls = base->tls != NULL ? tls_context_ref(base->tls) : NULL;
	} else if (conf->listen_tls[0] != '\0') {
		const struct tls_files files = {
			.cert = conf->tls_cert,
			.key = conf->tls_key,
			.client_ca = conf->tls_client_ca,
			.ticket_keys = conf->tls_ticket_key_file,
		};
		tls = tls_context_new(&files, fault);
		if (tls == NULL) {
			auth_free(auth);
			return NULL;
		}
	}
	struct settings *s = xcalloc(1, sizeof(*s));
	s->conf = *conf;
	s->base = base != NULL ? settings_ref(base) : NULL;
	s->auth = auth;
	s->tls = tls;
	s->upgrade = (struct upgrade_policy){
		.allowed_origins = list_items(&s->conf.allowed_origins),
		.n_allowed_origins = s->conf.allowed_origins.n,
		.local_only = conf->auth == EDGE_AUTH_NONE && !conf->insecure,
	};
	if (conf->compression == EDGE_COMPRESSION_SHARED) {
		s->upgrade.compression =
			(struct ws_offer_policy){ PACK_WINDOW_BITS, PACK_WINDOW_BITS };
	}
	atomic_init(&s->refs, 1);
	return s;
}

struct settings *settings_new(const struct edge_conf *conf, struct bytes jwks, struct fault *fault)
{
	return make(conf, NULL, jwks, fault);
}

struct settings *settings_renew_keys(struct settings *s, struct bytes jwks, struct fault *fault)
{
	return make(&s->conf, s->base != NULL ? s->base : s, jwks, fault);
}

struct settings *settings_ref(struct settings *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void settings_unref(struct settings *s)
{
	while (s != NULL && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) {
		struct settings *base = s->base;
		auth_free(s->auth);
		tls_context_unref(s->tls);
		if (base == NULL) {
			edge_conf_fini(&s->conf);
		}
		free(s);
		s = base;
	}
}
