// Each worker has its own socket on the port (SO_REUSEPORT), so accepting needs no lock and no hand
// over. It knows nothing of limits; a connection over a limit is refused by HTTP, later.
//
// When descriptors run out, accept(2) leaves the client in the backlog and the socket readable, and
// a loop that only logs would spin. So one descriptor is kept in reserve: it is given up to accept
// and close one client, which is better than leaving it to wait, and then accepting pauses.

#include "edge/client/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

enum {
	BACKLOG = 1024,
	ACCEPTS_PER_TURN = 64,
	PAUSE_MS = 100,
};

struct listener {
	struct loop *loop; // borrowed
	struct loop_io io;
	struct loop_timer resume;
	struct log_limit full_log;
	int fd;
	int spare_fd; // given up when there are no others
	listener_fn *fn;
	void *arg;
};

static int spare_open(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg);

static void watch(struct listener *l)
{
	loop_io_start(l->loop, &l->io, l->fd, LOOP_READ, on_acceptable, l);
}

static void on_resume(void *arg)
{
	watch(arg);
}

static void out_of_descriptors(struct listener *l, int error)
{
	uint32_t suppressed;
	if (log_limit_pass(&l->full_log, clock_mono_ms(), &suppressed)) {
		log_error("accept_failed", LOG_STR("error", strerror(error)),
			LOG_UINT("suppressed", suppressed));
	}
	if (l->spare_fd >= 0) {
		close(l->spare_fd);
		int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0) {
			close(fd);
		}
		l->spare_fd = spare_open();
	}
	loop_io_stop(&l->io);
	loop_timer_start(&l->resume, PAUSE_MS);
}

static bool lacks_resources(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;
	(void)what;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		struct net_addr peer = { .len = sizeof(peer.sa) };
		int client = accept4(fd, (struct sockaddr *)&peer.sa, &peer.len,
			SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client >= 0) {
			l->fn(l->arg, client, &peer);
		} else if (errno == EAGAIN) {
			return;
		} else if (lacks_resources(errno)) {
			out_of_descriptors(l, errno);
			return;
		}
		// Else the client went away while it waited (ECONNABORTED and its like): the next
		// one.
	}
}

int listener_new(struct loop *loop, struct net_addr *addr, bool exclusive, listener_fn *fn,
	void *arg, struct listener **made)
{
	int fd = net_listen(addr, true, exclusive, BACKLOG);
	if (fd < 0) {
		return fd;
	}
	struct listener *l = xcalloc(1, sizeof(*l));
	l->loop = loop;
	l->fd = fd;
	l->spare_fd = spare_open();
	l->fn = fn;
	l->arg = arg;
	loop_timer_init(loop, &l->resume, on_resume, l);
	watch(l);
	*made = l;
	return 0;
}

void listener_free(struct listener *l)
{
	if (l == NULL) {
		return;
	}
	loop_io_stop(&l->io);
	loop_timer_stop(&l->resume);
	close(l->fd);
	if (l->spare_fd >= 0) {
		close(l->spare_fd);
	}
	free(l);
}
