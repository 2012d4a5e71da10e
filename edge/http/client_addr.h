// Whose address a connection's is: the peer's, or, if the peer is a proxy that is trusted, the one
// it names in the request; and whether that proxy was asked over TLS. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/check.h"
#include "common/conf/conf.h"
#include "common/http_head.h"
#include "common/net_ip.h"

struct trusted_proxies {
	struct net_prefix *networks; // owned
	size_t n;
};

// Option trusted-proxies: NULL, or what is wrong with one of its values.
const char *trusted_proxies_check(const char *value);
// Of values that have passed the check.
void trusted_proxies_init(struct trusted_proxies *t, const struct conf_list *values);
void trusted_proxies_fini(struct trusted_proxies *t); // zeroed is fine
bool trusted_proxies_have(const struct trusted_proxies *t, const struct net_ip *ip);

// The client behind `peer`: the right-most address of X-Forwarded-For that is not itself a trusted
// proxy's, else X-Real-IP, else the farthest proxy; `peer` if that is not trusted.
struct net_ip client_addr_find(const struct trusted_proxies *t, struct net_ip peer,
	const struct http_head *head);

// True if `peer` is trusted and says that the client came to it by TLS.
bool client_came_by_tls(const struct trusted_proxies *t, struct net_ip peer,
	const struct http_head *head);
