// What all threads of an edge share: options, keys, policies, the links. Made before the workers
// start and never written afterwards, except for the few atomics; so nobody takes a lock to read
// it.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "edge/auth/jwks_source.h"
#include "edge/codec/codec.h"
#include "edge/http/address_limits.h"
#include "edge/http/api_rates.h"
#include "edge/http/client_addr.h"
#include "edge/send/pack.h"
#include "edge/state/settings.h"
#include "edge/uplink/revoked.h"
#include "edge/uplink/router_link.h"
#include "edge/uplink/siblings.h"
#include "edge/ws/ws_session.h"
#include "proto/link_hello.h"
#include "proto/names.h"
#include "proto/policy/rights.h"

struct uplink_ops;
struct worker;

enum {
	EDGE_LINKS_MAX = 1,
	// Sockets allowed past the limit, so that who finds the edge full can be refused by HTTP.
	EDGE_SPARE_SOCKETS = 64,
	EDGE_FRAGMENTS_MAX = 64, // of one message
	EDGE_INFLATE_RATIO_MAX = 100, // above a floor, see ws_deflate.h
	EDGE_LINK_KEY_MAX = 4096,
};

struct edge {
	struct settings *startup; // owned reference; what no reload changes is borrowed from it
	struct buf link_key; // owned; empty: none
	struct nng_tls_config *link_tls[EDGE_LINKS_MAX]; // owned; for tls+tcp, else NULL
	struct codec_options codec;
	struct codec_use codec_use;
	struct rights_policy policy;
	struct revoked revoked;
	struct jwks_source *jwks; // NULL: no option jwks-url
	struct ws_limits ws_limits;
	struct pack_locks pack_locks;
	struct trusted_proxies trusted;
	struct address_limits addresses;
	struct api_rates api_rates;
	uint8_t boot[LINK_BOOT_LEN]; // random
	char instance[CLIENT_PREFIX_LEN + 1]; // the first half of every client id
	size_t possible_connections; // as descriptors allow
	uint64_t base_bytes; // of memory, before the first client came

	const struct uplink_ops *link_ops; // borrowed; what `links` are
	void *links[EDGE_LINKS_MAX]; // owned
	struct siblings siblings[EDGE_LINKS_MAX]; // the edges of each router
	struct counter unknown_items[EDGE_LINKS_MAX]; // of kinds that a newer router knows
	unsigned n_links;
	struct worker *workers[ROUTER_LINK_WORKERS_MAX]; // owned
	unsigned n_workers;

	atomic_size_t n_sockets; // accepted and not closed
	atomic_size_t n_open; // of them, WebSockets
	atomic_uint n_key_waits; // of them, those that wait for a set of jwks-url
	atomic_bool stopping;
	atomic_bool draining; // an operator sent its clients away and keeps others out
	atomic_uint n_working; // workers that still have connections
	struct loop_wake *all_done; // posted when the last of them has none; borrowed
	struct counter reload_failed; // the main thread's
};

// Fills the zeroed `edge` from what it was started with: patterns are parsed, the links' keys
// loaded. Takes a reference. 0, or -1 and `*fault`.
MUST_CHECK int edge_init(struct edge *edge, struct settings *startup, struct fault *fault);
void edge_fini(struct edge *edge);
// A token is good for no longer after it was issued, leeways included; 0: there is no such limit.
uint64_t edge_token_life_ms(const struct edge *edge);
// A worker of an edge that is stopping has no connection left.
void edge_worker_done(struct edge *edge);

// It sends its clients away, to stop or because an operator said so.
bool edge_is_draining(const struct edge *edge);
// How many clients it takes.
size_t edge_max_connections(const struct edge *edge, const struct settings *settings);
// Counts a connection from `ip` against the limits of its address, and says whether it may become a
// client. `*counted`: edge_release() must follow when it goes. Trusted proxies are not counted.
MUST_CHECK enum admission edge_admit(struct edge *edge, const struct settings *settings,
	const struct net_ip *ip, uint64_t now_ms, bool *counted);
void edge_release(struct edge *edge, const struct net_ip *ip, uint64_t now_ms);
// NULL if a new client may come in now; else why not, as a word for the log and the answer.
const char *edge_refusal(const struct edge *edge, const struct settings *settings, uint64_t now_ms);
// auth_verify() at the time by the clock on the wall; a token of an unknown key lets jwks-url be
// asked for it.
enum auth_result edge_verify(struct edge *edge, const struct settings *settings, struct bytes token,
	struct identity *id, const char **claim);
// What /ready says: 200, with "ok" or what is amiss but bearable yet, or 503 with the reason.
struct edge_readiness {
	bool ready;
	char text[96];
};
struct edge_readiness edge_readiness(const struct edge *edge, const struct settings *settings,
	uint64_t now_ms);
