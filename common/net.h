// Addresses and listening sockets.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/check.h"

struct net_addr {
	struct sockaddr_storage sa;
	socklen_t len;
};

enum {
	NET_ADDR_TEXT_MAX = 64
};

// Parses "HOST:PORT", HOST an IPv4 address, an IPv6 address in brackets, or "localhost" (which is
// 127.0.0.1). Returns 0 or -EINVAL.
MUST_CHECK int net_addr_parse(struct net_addr *addr, const char *text);
// "127.0.0.1:8080" or "[::1]:8080".
void net_addr_format(const struct net_addr *addr, char out[NET_ADDR_TEXT_MAX]);
bool net_addr_is_loopback(const struct net_addr *addr);
uint16_t net_addr_port(const struct net_addr *addr);
void net_addr_set_port(struct net_addr *addr, uint16_t port);

// A listening, non-blocking, close-on-exec TCP socket with SO_REUSEADDR and, if asked, SO_REUSEPORT
// (several sockets of this process on one port). With TCP_NODELAY, which the connections that it
// accepts inherit. On success returns the descriptor and replaces the port 0 in `addr` by the one
// bound; else negative errno. With `reuse_port`, a port that another process listens on is still
// refused when `exclusive` is set: it is first bound without the option.
MUST_CHECK int net_listen(struct net_addr *addr, bool reuse_port, bool exclusive, int backlog);

// Sets TCP_NODELAY. Failure is not worth reporting.
void net_set_nodelay(int fd);
// Has the kernel take no more than so many bytes ahead of what it can send. For data that grows
// old. Failure is not worth reporting.
void net_limit_unsent(int fd, int bytes);
