// Internet addresses and networks as numbers: to compare, to look up and to write, without a port.
// IPv4 has one form only, the IPv4-mapped one (RFC 4291 section 2.5.5.2), so that a client is the
// same client whichever kind of socket it came by.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"

struct net_addr;

enum {
	NET_IP_LEN = 16,
	NET_IP_TEXT_MAX = 46, // with its NUL
};

struct net_ip {
	uint8_t bytes[NET_IP_LEN];
};

// The addresses that begin with the first `bits` of `ip`.
struct net_prefix {
	struct net_ip ip;
	unsigned bits;
};

struct net_ip net_ip_of(const struct net_addr *addr);
struct net_ip net_ip_v4(const uint8_t bytes[4]);
// "192.0.2.1" or "2001:db8::1", without brackets, port or zone. False for anything else.
MUST_CHECK bool net_ip_parse(struct bytes text, struct net_ip *ip);
// The same, IPv4 always as IPv4.
void net_ip_format(const struct net_ip *ip, char out[NET_IP_TEXT_MAX]);

// "10.0.0.0/8", "fd00::/8", or a single address; bits behind the prefix are ignored.
MUST_CHECK bool net_prefix_parse(struct bytes text, struct net_prefix *prefix);
// An IPv6 network never holds an IPv4 address, not even "::/0".
bool net_prefix_has(const struct net_prefix *prefix, const struct net_ip *ip);
