// A socket past the limits is answered by HTTP as far as there are spare descriptors, so that the
// client learns why; beyond them it is closed.

#include "edge/client/accept.h"

#include <unistd.h>

#include "edge/client/conn.h"
#include "edge/client/listener.h"
#include "edge/client/turn.h"
#include "edge/state/edge.h"
#include "edge/state/settings.h"

// NULL if there is no room; the descriptor is closed then.
static struct conn *take_in(struct turn *t, int fd, const struct net_addr *peer)
{
	turn_touch(t);
	size_t n = atomic_load_explicit(&t->edge->n_sockets, memory_order_relaxed);
	if (n >= edge_max_connections(t->edge, t->settings) + EDGE_SPARE_SOCKETS) {
		counter_add(&t->metrics.handshakes[HANDSHAKE_503], 1);
		close(fd);
		return NULL;
	}
	struct net_ip ip = net_ip_of(peer);
	if (t->settings->conf.proxy_protocol && !trusted_proxies_have(&t->edge->trusted, &ip)) {
		turn_refuse_proxy(t, &ip, HANDSHAKE_403, "not from trusted-proxies");
		close(fd);
		return NULL;
	}
	bool counted;
	enum admission admission = edge_admit(t->edge, t->settings, &ip, t->mono_ms, &counted);
	if (admission == ADMISSION_FLOOD) {
		counter_add(&t->metrics.handshakes[HANDSHAKE_503], 1);
		close(fd);
		return NULL;
	}
	return conn_new(t, fd, ip, admission, counted);
}

static void on_accepted(void *arg, int fd, const struct net_addr *peer)
{
	take_in(arg, fd, peer);
}

static void on_accepted_tls(void *arg, int fd, const struct net_addr *peer)
{
	struct turn *t = arg;
	struct conn *c = take_in(t, fd, peer);
	if (c == NULL) {
		return;
	}
	struct tls_stream *tls = tls_stream_new(t->settings->tls, fd);
	if (tls == NULL) {
		conn_close(c, CLOSE_PEER_GONE);
		return;
	}
	conn_start_tls(c, tls);
}

void accept_init(struct accept *a, struct turn *turn)
{
	*a = (struct accept){ .turn = turn };
}

void accept_stop(struct accept *a)
{
	for (unsigned i = 0; i < a->n; i++) {
		listener_free(a->listeners[i]);
	}
	a->n = 0;
}

static int add_listener(struct accept *a, struct net_addr *addr, bool exclusive, listener_fn *fn)
{
	CHECK(a->n < ACCEPT_LISTENERS_MAX);
	int result = listener_new(a->turn->loop, addr, exclusive, fn, a->turn, &a->listeners[a->n]);
	a->n += result == 0;
	return result;
}

int accept_listen(struct accept *a, struct net_addr *addr, bool exclusive)
{
	return add_listener(a, addr, exclusive, on_accepted);
}

int accept_listen_tls(struct accept *a, struct net_addr *addr, bool exclusive)
{
	transport_buffers_need_tls(&a->turn->streams.buffers);
	return add_listener(a, addr, exclusive, on_accepted_tls);
}
