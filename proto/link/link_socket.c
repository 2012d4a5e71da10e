// NNG does not say which descriptor a stream has, but both of its addresses, and no other TCP
// connection of this process has the same two (a connected UDP socket can have them, hence
// SO_TYPE). So the socket is looked for among the open descriptors, once for each connection of the
// link and on NNG's thread that has just made it: a new descriptor is the lowest free one, so it
// most likely lies right below the one that would be given out next. Only else are all looked at, a
// few hundred nanoseconds each.
//
// What may be done with the socket depends on what NNG does with it (link_transport_polled.c). The
// two files that decide this are the same, byte for byte, from 1.5.2 to 1.11; with any other NNG no
// socket is found, and its threads move the bytes. Asking the header at compile time, as
// admin_server.c does for a fault of 1.5's, would not do: a distribution can replace the library
// alone.
//
// The alternatives: sockets of our own for tcp:// (a second way to dial and to listen beside the
// one that TLS needs), or a newer NNG that takes a descriptor (1.7; Debian 12 has 1.5.2).

#include "proto/link/link_socket.h"

#include <dirent.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nng/nng.h>

enum {
	NEAR = 16,
	NNG_MAJOR_READ = 1,
	NNG_MINOR_FIRST = 5,
	NNG_MINOR_LAST = 11,
};

// Of the library that runs, which need not be the one that this was compiled with.
static bool source_was_read(const char *version)
{
	char *rest;
	unsigned long major = strtoul(version, &rest, 10);
	unsigned long minor = *rest == '.' ? strtoul(rest + 1, NULL, 10) : 0;
	return major == NNG_MAJOR_READ && minor >= NNG_MINOR_FIRST && minor <= NNG_MINOR_LAST;
}

static bool same_address(const nng_sockaddr *a, const struct sockaddr_storage *b)
{
	if (a->s_family == NNG_AF_INET && b->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)b;
		return a->s_in.sa_port == in->sin_port && a->s_in.sa_addr == in->sin_addr.s_addr;
	}
	if (a->s_family == NNG_AF_INET6 && b->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)b;
		return a->s_in6.sa_port == in6->sin6_port &&
			memcmp(a->s_in6.sa_addr, &in6->sin6_addr, sizeof(in6->sin6_addr)) == 0;
	}
	return false;
}

static bool is_stream(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

static bool is_between(int fd, const nng_sockaddr *local, const nng_sockaddr *remote)
{
	struct sockaddr_storage addr = { 0 };
	socklen_t len = sizeof(addr);
	if (getsockname(fd, (struct sockaddr *)&addr, &len) != 0 || !same_address(local, &addr)) {
		return false;
	}
	len = sizeof(addr);
	return getpeername(fd, (struct sockaddr *)&addr, &len) == 0 &&
		same_address(remote, &addr) && is_stream(fd);
}

// Among the few below the one that is free next. -1: not there.
static int find_near(const nng_sockaddr *local, const nng_sockaddr *remote)
{
	int next = eventfd(0, EFD_CLOEXEC);
	if (next < 0) {
		return -1;
	}
	close(next);
	for (int fd = next - 1; fd >= 0 && fd >= next - NEAR; fd--) {
		if (is_between(fd, local, remote)) {
			return fd;
		}
	}
	return -1;
}

static int find_anywhere(const nng_sockaddr *local, const nng_sockaddr *remote)
{
	DIR *dir = opendir("/proc/self/fd");
	if (dir == NULL) {
		return -1;
	}
	int found = -1;
	const struct dirent *entry;
	while (found < 0 && (entry = readdir(dir)) != NULL) {
		int fd = (int)strtol(entry->d_name, NULL, 10);
		if (entry->d_name[0] != '.' && is_between(fd, local, remote)) {
			found = fd;
		}
	}
	closedir(dir);
	return found;
}

int link_socket_of(struct nng_stream *stream)
{
	nng_sockaddr local = { 0 };
	nng_sockaddr remote = { 0 };
	if (!source_was_read(nng_version()) ||
		nng_stream_get_addr(stream, NNG_OPT_LOCADDR, &local) != 0 ||
		nng_stream_get_addr(stream, NNG_OPT_REMADDR, &remote) != 0) {
		return -1;
	}
	int near = find_near(&local, &remote);
	return near >= 0 ? near : find_anywhere(&local, &remote);
}
