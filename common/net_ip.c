// Nothing but arithmetic: no socket, no name, no option. One form for both families means that
// nobody who compares has to think of "::ffff:192.0.2.1", which a dual-stack socket, a proxy or a
// client may each write for 192.0.2.1; a list of networks that did not match it could be walked
// around.
//
// The price is a rule: ::/0, or any IPv6 network short enough to hold the mapped addresses, would
// hold all of IPv4 as well. Who trusts an IPv6 network has not trusted the IPv4 internet, so such a
// network matches IPv6 only, as it would if the families were kept apart.
//
// Text is inet_pton(3)'s: it refuses leading zeros, zones, and all that other parsers read
// differently. A pair of structs by family was the alternative; every user would have needed both
// branches.

#include "common/net_ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "common/ascii.h"
#include "common/net.h"

enum {
	MAPPED_BITS = 96,
	IP_BITS = 128,
};

static const uint8_t mapped[MAPPED_BITS / 8] = { [10] = 0xff, [11] = 0xff };

static bool is_v4(const struct net_ip *ip)
{
	return memcmp(ip->bytes, mapped, sizeof(mapped)) == 0;
}

struct net_ip net_ip_v4(const uint8_t bytes[4])
{
	struct net_ip ip;
	memcpy(ip.bytes, mapped, sizeof(mapped));
	memcpy(ip.bytes + sizeof(mapped), bytes, 4);
	return ip;
}

struct net_ip net_ip_of(const struct net_addr *addr)
{
	struct net_ip ip;
	if (addr->sa.ss_family == AF_INET) {
		uint8_t v4[4];
		const struct sockaddr_in *sin = (const void *)&addr->sa;
		memcpy(v4, &sin->sin_addr, sizeof(v4));
		return net_ip_v4(v4);
	}
	CHECK(addr->sa.ss_family == AF_INET6);
	const struct sockaddr_in6 *sin6 = (const void *)&addr->sa;
	memcpy(ip.bytes, &sin6->sin6_addr, sizeof(ip.bytes));
	return ip;
}

bool net_ip_parse(struct bytes text, struct net_ip *ip)
{
	char copy[NET_IP_TEXT_MAX];
	uint8_t v4[4];
	if (text.len == 0 || text.len >= sizeof(copy) ||
		memchr(text.data, '\0', text.len) != NULL) {
		return false;
	}
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	if (inet_pton(AF_INET, copy, v4) == 1) {
		*ip = net_ip_v4(v4);
		return true;
	}
	return inet_pton(AF_INET6, copy, ip->bytes) == 1;
}

void net_ip_format(const struct net_ip *ip, char out[NET_IP_TEXT_MAX])
{
	const void *at = is_v4(ip) ? ip->bytes + sizeof(mapped) : ip->bytes;
	CHECK(inet_ntop(is_v4(ip) ? AF_INET : AF_INET6, at, out, NET_IP_TEXT_MAX) != NULL);
}

// One to three digits without a leading zero.
static bool parse_bits(struct bytes text, unsigned max, unsigned *bits)
{
	uint64_t value;
	if (text.len > 3 || (text.len > 1 && text.data[0] == '0') || !ascii_uint(text, &value)) {
		return false;
	}
	*bits = (unsigned)value;
	return value <= max;
}

bool net_prefix_parse(struct bytes text, struct net_prefix *prefix)
{
	struct bytes ip;
	struct bytes bits;
	bool has_bits = bytes_cut(text, '/', &ip, &bits);
	if (!net_ip_parse(ip, &prefix->ip)) {
		return false;
	}
	// What counts is how it was written: ::ffff:10.0.0.0/104 is an IPv6 network's notation.
	bool written_as_v4 = memchr(ip.data, ':', ip.len) == NULL;
	unsigned offset = written_as_v4 ? MAPPED_BITS : 0;
	prefix->bits = IP_BITS - offset;
	if (has_bits && !parse_bits(bits, IP_BITS - offset, &prefix->bits)) {
		return false;
	}
	prefix->bits += offset;
	return true;
}

bool net_prefix_has(const struct net_prefix *prefix, const struct net_ip *ip)
{
	if (is_v4(ip) && prefix->bits < MAPPED_BITS) {
		return false;
	}
	size_t whole = prefix->bits / 8;
	unsigned rest = prefix->bits % 8;
	if (memcmp(prefix->ip.bytes, ip->bytes, whole) != 0) {
		return false;
	}
	return rest == 0 || (prefix->ip.bytes[whole] ^ ip->bytes[whole]) >> (8 - rest) == 0;
}
