// X-Forwarded-For grows at its right end, an address by each proxy on the way, and its left end is
// whatever the client wrote. So it is believed from the right: the peer vouches for the last
// element, and an element that is a trusted proxy's vouches for the one before it. The first that
// is not trusted is the client; what stands left of it is hearsay, and so is everything left of an
// element that is no address. Taking the left-most element instead lets every client choose its
// address.
//
// Walking the list from the left needs no array and finds the same: the last element that is not
// trusted and has nothing unreadable behind it is the right-most one. Empty elements, and ports
// that some proxies add, are passed over.
//
// X-Real-IP has no chain. It is one proxy's word and counts only when X-Forwarded-For names nobody,
// so a trusted proxy has to set one of the two, never to pass on a client's. Forwarded (RFC 7239)
// is not read: a proxy that sets it sets the older field as well, and two sources would have to
// agree.

#include "edge/http/client_addr.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

const char *trusted_proxies_check(const char *value)
{
	struct net_prefix network;
	return net_prefix_parse(bytes_str(value), &network)
		? NULL
		: "not a network (ADDRESS or ADDRESS/BITS, as 10.0.0.0/8 or fd00::/8)";
}

void trusted_proxies_init(struct trusted_proxies *t, const struct conf_list *values)
{
	t->n = values->n;
	t->networks = t->n > 0 ? xcalloc(t->n, sizeof(t->networks[0])) : NULL;
	for (size_t i = 0; i < t->n; i++) {
		CHECK(net_prefix_parse(bytes_str(values->items[i]), &t->networks[i]));
	}
}

void trusted_proxies_fini(struct trusted_proxies *t)
{
	free(t->networks);
	*t = (struct trusted_proxies){ 0 };
}

bool trusted_proxies_have(const struct trusted_proxies *t, const struct net_ip *ip)
{
	for (size_t i = 0; i < t->n; i++) {
		if (net_prefix_has(&t->networks[i], ip)) {
			return true;
		}
	}
	return false;
}

// "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80".
static bool parse_element(struct bytes text, struct net_ip *ip)
{
	struct bytes host;
	uint16_t port;
	if (net_ip_parse(text, ip)) {
		return true;
	}
	if (!http_authority_split(text, &host, &port)) {
		return false;
	}
	if (host.len >= 2 && host.data[0] == '[') {
		host = bytes_make(host.data + 1, host.len - 2);
	}
	return net_ip_parse(host, ip);
}

struct chain {
	bool has_client;
	bool has_proxy;
	struct net_ip client; // right-most that is not trusted
	struct net_ip proxy; // farthest that is
};

static void walk_forwarded(const struct trusted_proxies *t, const struct http_head *head,
	struct chain *chain)
{
	struct http_list_cursor cursor = { 0 };
	struct bytes element;
	while (http_head_list_next(head, "x-forwarded-for", &cursor, &element)) {
		struct net_ip ip;
		if (!parse_element(element, &ip)) {
			*chain = (struct chain){ 0 };
		} else if (!trusted_proxies_have(t, &ip)) {
			*chain = (struct chain){ .has_client = true, .client = ip };
		} else if (!chain->has_proxy) {
			chain->has_proxy = true;
			chain->proxy = ip;
		}
	}
}

struct net_ip client_addr_find(const struct trusted_proxies *t, struct net_ip peer,
	const struct http_head *head)
{
	struct chain chain = { 0 };
	struct bytes real;
	struct net_ip ip;
	if (!trusted_proxies_have(t, &peer)) {
		return peer;
	}
	walk_forwarded(t, head, &chain);
	if (chain.has_client) {
		return chain.client;
	}
	if (http_head_find(head, "x-real-ip", &real) == 1 && parse_element(real, &ip)) {
		return ip;
	}
	return chain.has_proxy ? chain.proxy : peer;
}

bool client_came_by_tls(const struct trusted_proxies *t, struct net_ip peer,
	const struct http_head *head)
{
	struct bytes proto;
	return trusted_proxies_have(t, &peer) &&
		http_head_find(head, "x-forwarded-proto", &proto) == 1 &&
		http_token_equal(proto, "https");
}
