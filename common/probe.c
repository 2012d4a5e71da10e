// A few blocking calls on purpose: the probe runs in a process of its own, inside a container that
// has no curl.

#include "common/probe.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/net.h"

enum {
	PROBE_TIMEOUT_S = 2
};

// "http://HOST:PORT/PATH" to its address and path; -1 if it is not that.
static int parse_url(const char *url, struct net_addr *addr, const char **path)
{
	static const char scheme[] = "http://";
	char host[NET_ADDR_TEXT_MAX];
	if (strncmp(url, scheme, sizeof(scheme) - 1) != 0) {
		return -1;
	}
	const char *start = url + sizeof(scheme) - 1;
	*path = strchr(start, '/');
	size_t len = *path != NULL ? (size_t)(*path - start) : strlen(start);
	if (*path == NULL) {
		*path = "/";
	}
	if (len >= sizeof(host)) {
		return -1;
	}
	memcpy(host, start, len);
	host[len] = '\0';
	return net_addr_parse(addr, host) == 0 ? 0 : -1;
}

// The status of the answer to one GET, or -1.
static int get_status(const struct net_addr *addr, const char *path)
{
	const struct timeval timeout = { .tv_sec = PROBE_TIMEOUT_S };
	char head[64] = { 0 };
	struct buf request = { 0 };
	int status = -1;
	int fd = socket(addr->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	buf_printf(&request, "GET %s HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n", path);
	if (connect(fd, (const struct sockaddr *)&addr->sa, addr->len) == 0 &&
		write(fd, request.data, request.len) == (ssize_t)request.len) {
		size_t len = 0;
		ssize_t got = 1;
		while (len < sizeof(head) - 1 && got > 0) {
			got = read(fd, head + len, sizeof(head) - 1 - len);
			len += got > 0 ? (size_t)got : 0;
		}
		if (strncmp(head, "HTTP/1.1 200 ", 13) == 0) {
			status = 200;
		} else if (len > 12) {
			status = 0;
		}
	}
	buf_fini(&request);
	close(fd);
	return status;
}

int probe_run(const char *url)
{
	struct net_addr addr;
	const char *path;
	if (parse_url(url, &addr, &path) != 0) {
		fprintf(stderr, "error: command line: probe: not http://ADDRESS:PORT/PATH\n");
		return 1;
	}
	int status = get_status(&addr, path);
	if (status != 200) {
		fprintf(stderr, "error: probe: %s\n",
			status < 0 ? "no answer" : "the answer is not 200");
	}
	return status == 200 ? 0 : 1;
}
