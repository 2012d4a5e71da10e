// Addresses are numbers here: nothing resolves a name, for a listener that waits on a name server
// is a start that hangs. "localhost" is the one exception, and it means 127.0.0.1 without asking.

#include "common/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct sockaddr_in *as_v4(const struct net_addr *addr)
{
	return (const struct sockaddr_in *)(const void *)&addr->sa;
}

static const struct sockaddr_in6 *as_v6(const struct net_addr *addr)
{
	return (const struct sockaddr_in6 *)(const void *)&addr->sa;
}

static int port_parse(const char *text, uint16_t *port)
{
	size_t len = strlen(text);
	if (len == 0 || len > 5 || strspn(text, "0123456789") != len) {
		return -EINVAL;
	}
	unsigned long value = strtoul(text, NULL, 10);
	if (value > UINT16_MAX) {
		return -EINVAL;
	}
	*port = (uint16_t)value;
	return 0;
}

static int host_parse(struct net_addr *addr, const char *host)
{
	size_t len = strlen(host);
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
		char inner[INET6_ADDRSTRLEN];
		if (len - 2 >= sizeof(inner)) {
			return -EINVAL;
		}
		memcpy(inner, host + 1, len - 2);
		inner[len - 2] = '\0';
		if (inet_pton(AF_INET6, inner, &v6.sin6_addr) != 1) {
			return -EINVAL;
		}
		memcpy(&addr->sa, &v6, sizeof(v6));
		addr->len = sizeof(v6);
		return 0;
	}
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	if (strcmp(host, "localhost") == 0) {
		host = "127.0.0.1";
	}
	if (inet_pton(AF_INET, host, &v4.sin_addr) != 1) {
		return -EINVAL;
	}
	memcpy(&addr->sa, &v4, sizeof(v4));
	addr->len = sizeof(v4);
	return 0;
}

int net_addr_parse(struct net_addr *addr, const char *text)
{
	char host[NET_ADDR_TEXT_MAX];
	uint16_t port;
	*addr = (struct net_addr){ 0 };
	const char *colon = strrchr(text, ':');
	if (colon == NULL || (size_t)(colon - text) >= sizeof(host)) {
		return -EINVAL;
	}
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	int r = port_parse(colon + 1, &port);
	if (r == 0) {
		r = host_parse(addr, host);
	}
	if (r == 0) {
		net_addr_set_port(addr, port);
	}
	return r;
}

void net_addr_format(const struct net_addr *addr, char out[NET_ADDR_TEXT_MAX])
{
	char host[INET6_ADDRSTRLEN];
	bool is_v6 = addr->sa.ss_family == AF_INET6;
	const void *ip = is_v6 ? (const void *)&as_v6(addr)->sin6_addr : &as_v4(addr)->sin_addr;
	CHECK(inet_ntop(addr->sa.ss_family, ip, host, sizeof(host)) != NULL);
	snprintf(out, NET_ADDR_TEXT_MAX, is_v6 ? "[%s]:%u" : "%s:%u", host, net_addr_port(addr));
}

bool net_addr_is_loopback(const struct net_addr *addr)
{
	if (addr->sa.ss_family == AF_INET) {
		return ntohl(as_v4(addr)->sin_addr.s_addr) >> 24 == 127;
	}
	const struct in6_addr *ip = &as_v6(addr)->sin6_addr;
	return IN6_IS_ADDR_LOOPBACK(ip) || (IN6_IS_ADDR_V4MAPPED(ip) && ip->s6_addr[12] == 127);
}

uint16_t net_addr_port(const struct net_addr *addr)
{
	bool is_v6 = addr->sa.ss_family == AF_INET6;
	return ntohs(is_v6 ? as_v6(addr)->sin6_port : as_v4(addr)->sin_port);
}

void net_addr_set_port(struct net_addr *addr, uint16_t port)
{
	if (addr->sa.ss_family == AF_INET6) {
		((struct sockaddr_in6 *)(void *)&addr->sa)->sin6_port = htons(port);
	} else {
		((struct sockaddr_in *)(void *)&addr->sa)->sin_port = htons(port);
	}
}

static int close_with(int fd, int error)
{
	close(fd);
	return error;
}

static int bound_socket(const struct net_addr *addr, bool reuse_port)
{
	int one = 1;
	int fd = socket(addr->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return -errno;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0) {
		return close_with(fd, -errno);
	}
	if (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0) {
		return close_with(fd, -errno);
	}
	if (bind(fd, (const struct sockaddr *)(const void *)&addr->sa, addr->len) < 0) {
		return close_with(fd, -errno);
	}
	return fd;
}

int net_listen(struct net_addr *addr, bool reuse_port, bool exclusive, int backlog)
{
	// Port 0 needs no trial: the kernel picks one that nobody has.
	if (reuse_port && exclusive && net_addr_port(addr) != 0) {
		int trial = bound_socket(addr, false);
		if (trial < 0) {
			return trial;
		}
		close(trial);
	}
	int fd = bound_socket(addr, reuse_port);
	if (fd < 0) {
		return fd;
	}
	net_set_nodelay(fd);
	if (listen(fd, backlog) < 0) {
		return close_with(fd, -errno);
	}
	struct net_addr bound = { .len = sizeof(bound.sa) };
	if (getsockname(fd, (struct sockaddr *)(void *)&bound.sa, &bound.len) < 0) {
		return close_with(fd, -errno);
	}
	net_addr_set_port(addr, net_addr_port(&bound));
	return fd;
}

void net_set_nodelay(int fd)
{
	int one = 1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

void net_limit_unsent(int fd, int bytes)
{
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes));
}
