// An unauthenticated peer is cheap: at most UNAUTHENTICATED_MAX of them exist, and a frame of
// theirs is at most HELLO_MAX long. How long they may take is the owner's to say. When there are so
// many, the one that has said nothing for longest makes place for the next: an edge says HELLO at
// once. A share for each address was rejected: behind one there may be many edges, or a proxy.
//
// A polled connection (tcp://) is read on the routing thread, and its frames go to the owner as
// they are. What NNG's threads read goes through the ingress; how much of one peer may lie there is
// bounded by INGRESS_MAX, and a conforming edge stays below it because of its window.
//
// Peers are freed in two steps, closed now and freed at the end of the turn, because events of
// theirs may still lie in what was taken from the ingress; these find no peer by their number and
// are dropped.

#include "router/link/peer.h"

#include <stdlib.h>
#include <string.h>

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/random.h"
#include "proto/link/link_aio.h"
#include "proto/link/link_conn.h"
#include "proto/link/link_socket.h"
#include "proto/link/link_window.h"
#include "proto/link_items.h"
#include "router/link/edge_link.h"
#include "router/link/ingress.h"
#include "router/link/link_keys.h"

enum {
	HELLO_MAX = 64 << 10, // 256 default rights of 256 bytes do not fit; nobody has so many
	UNAUTHENTICATED_MAX = 1024,
	QUIET_MS = 250, // an edge has said HELLO by then
	ACCEPT_RETRY_MS = 20,
	// What one peer may have lying in the ingress: its window, and control frames.
	INGRESS_MAX = LINK_WINDOW_BYTES + (64 << 10),
};

LIST_HEAD(peer_list, peer);

struct peers {
	struct peers_options options;
	const struct peer_ops *ops;
	void *arg;
	struct loop *loop;
	struct ingress *ingress;
	nng_stream_listener *listener;
	nng_aio *accept_aio;
	nng_aio *accept_delay;
	char *url;
	struct map by_id;
	struct peer_list open;
	struct peer_list closed; // until the end of the turn
	uint64_t last_id;
	unsigned n_unauthenticated;
};

static struct bytes peer_key(const struct map_node *node)
{
	const struct peer *peer = CONTAINER_OF(node, struct peer, node);
	return bytes_make(&peer->id, sizeof(peer->id));
}

// ---- callbacks of connections

static bool on_frame(void *arg, struct link_conn *conn, const struct link_frame *frame)
{
	struct peer *peer = arg;
	struct peers *peers = peer->peers;
	if (link_conn_is_polled(conn)) { // on the routing thread
		if (!peer->closed) {
			peers->ops->on_frame(peers->arg, peer, frame);
		}
		return !peer->closed;
	}
	size_t size = LINK_HEAD_LEN + frame->body.len;
	if (atomic_fetch_add(&peer->ingress_bytes, size) + size > INGRESS_MAX) {
		return false; // more than its window allows
	}
	struct ingress_event event = {
		.kind = INGRESS_FRAME,
		.peer = peer->id,
		.frame = *frame,
	};
	ingress_put(peers->ingress, &event);
	return true;
}

static void on_drained(void *arg, struct link_conn *conn)
{
	struct peer *peer = arg;
	(void)conn;
	struct edge_link *edge = atomic_load(&peer->draining);
	if (edge != NULL) {
		edge_link_on_drained(edge);
	}
}

static void on_full(void *arg, struct link_conn *conn)
{
	(void)arg;
	link_conn_wait_writable(conn);
}

static void on_closed(void *arg, struct link_conn *conn)
{
	struct peer *peer = arg;
	(void)conn;
	struct ingress_event event = { .kind = INGRESS_CLOSED, .peer = peer->id };
	ingress_put(peer->peers->ingress, &event);
}

static const struct link_conn_ops conn_ops = {
	.on_frame = on_frame,
	.on_drained = on_drained,
	.on_full = on_full,
	.on_closed = on_closed,
};

// ---- a peer

void peer_send(struct peer *peer, enum link_frame_type type, struct bytes body)
{
	pthread_mutex_lock(&peer->lock);
	link_conn_control(peer->conn, type, 0, body);
	pthread_mutex_unlock(&peer->lock);
}

void peer_send_goaway(struct peer *peer, enum goaway_reason reason)
{
	pthread_mutex_lock(&peer->lock);
	link_conn_goaway(peer->conn, reason);
	pthread_mutex_unlock(&peer->lock);
}

static void send_challenge(struct peer *peer)
{
	const struct peers_options *options = &peer->peers->options;
	Weir__Link__V1__Challenge message = WEIR__LINK__V1__CHALLENGE__INIT;
	struct buf body = { 0 };
	message.major = LINK_MAJOR;
	message.minor = LINK_MINOR;
	message.router_name = pb_data(bytes_str(options->name));
	message.nonce = pb_data(bytes_make(peer->nonce, sizeof(peer->nonce)));
	message.key_required = options->keys->n > 0;
	uint8_t *at = buf_reserve(&body, weir__link__v1__challenge__get_packed_size(&message));
	body.len += weir__link__v1__challenge__pack(&message, at);
	peer_send(peer, LINK_CHALLENGE, buf_bytes(&body));
	buf_fini(&body);
}

// Where the stream comes from; 0 if it has no such thing.
static uint64_t address_of(nng_stream *stream)
{
	nng_sockaddr from = { 0 };
	uint64_t address = 0;
	if (nng_stream_get_addr(stream, NNG_OPT_REMADDR, &from) != 0) {
		return 0;
	}
	if (from.s_family == NNG_AF_INET) {
		address = from.s_in.sa_addr;
	} else if (from.s_family == NNG_AF_INET6) {
		memcpy(&address, from.s_in6.sa_addr, sizeof(address));
	}
	return address;
}

static bool is_unauthenticated(const struct peer *peer, const uint64_t *address)
{
	return peer->edge == NULL && (address == NULL || peer->address == *address);
}

// Whether as many as may be have come from the address and not proved themselves.
static bool has_its_share(const struct peers *peers, uint64_t address)
{
	const struct peer *peer;
	unsigned n = 0;
	LIST_FOREACH (peer, &peers->open, in_list) {
		n += is_unauthenticated(peer, &address);
	}
	return address != 0 && n >= PEERS_OF_ADDRESS;
}

// Closes the unauthenticated peer, of that address unless it is NULL, that has been quiet for
// longest. False if there is none.
static bool make_place(struct peers *peers, const uint64_t *address)
{
	struct peer *oldest = NULL;
	struct peer *peer;
	uint64_t now_ms = clock_mono_ms();
	LIST_FOREACH (peer, &peers->open, in_list) {
		if (is_unauthenticated(peer, address) && peer->hello.len == 0 &&
			now_ms - peer->opened_ms >= QUIET_MS) {
			oldest = peer; // the list begins with the newest
		}
	}
	if (oldest != NULL) {
		peer_close(oldest);
	}
	return oldest != NULL;
}

// `fd` is the stream's, or -1.
static void add_peer(struct peers *peers, nng_stream *stream, int fd)
{
	uint64_t address = address_of(stream);
	bool own = has_its_share(peers, address);
	if ((own || peers->n_unauthenticated >= UNAUTHENTICATED_MAX) &&
		!make_place(peers, own ? &address : NULL)) {
		nng_stream_free(stream);
		return;
	}
	// No such option on ipc; there is nothing to delay either.
	(void)nng_stream_set_bool(stream, NNG_OPT_TCP_NODELAY, true);
	struct peer *peer = xcalloc(1, sizeof(*peer));
	peer->peers = peers;
	peer->id = ++peers->last_id;
	peer->address = address;
	peer->opened_ms = clock_mono_ms();
	pthread_mutex_init(&peer->lock, NULL);
	random_fill(peer->nonce, sizeof(peer->nonce));
	peer->conn =
		link_conn_new(stream, fd, peers->loop, HELLO_MAX, &peer->lock, &conn_ops, peer);
	map_insert(&peers->by_id, &peer->node);
	LIST_INSERT_HEAD(&peers->open, peer, in_list);
	peers->n_unauthenticated++;
	link_conn_start(peer->conn);
	send_challenge(peer);
}

void peer_admit(struct peer *peer, struct edge_link *edge, struct bytes hello_ack)
{
	CHECK(peer->edge == NULL && !peer->closed);
	peer->edge = edge;
	peer->peers->n_unauthenticated--;
	link_conn_set_body_max(peer->conn, LINK_BODY_MAX);
	peer_send(peer, LINK_HELLO_ACK, hello_ack);
	atomic_store(&peer->draining, edge);
	edge_link_attach(edge, peer->conn, &peer->lock);
}

void peer_close(struct peer *peer)
{
	if (peer->closed) {
		return;
	}
	struct peers *peers = peer->peers;
	peer->closed = true;
	if (peer->edge != NULL) {
		pthread_mutex_lock(&peer->lock);
		atomic_store(&peer->draining, NULL);
		pthread_mutex_unlock(&peer->lock);
		edge_link_detach(peer->edge);
		peer->edge = NULL;
	} else {
		peers->n_unauthenticated--;
	}
	pthread_mutex_lock(&peer->lock);
	link_conn_close(peer->conn);
	pthread_mutex_unlock(&peer->lock);
	map_remove(&peers->by_id, &peer->node);
	LIST_REMOVE(peer, in_list);
	LIST_INSERT_HEAD(&peers->closed, peer, in_list);
}

static void free_peer(struct peer *peer)
{
	link_conn_free(peer->conn);
	pthread_mutex_destroy(&peer->lock);
	buf_fini(&peer->hello);
	free(peer);
}

// ---- the ingress

static struct peer *peer_by_id(const struct peers *peers, uint64_t id)
{
	struct map_node *node = map_find(&peers->by_id, bytes_make(&id, sizeof(id)));
	return node != NULL ? CONTAINER_OF(node, struct peer, node) : NULL;
}

static void on_event(struct peers *peers, const struct ingress_event *event)
{
	if (event->kind == INGRESS_ACCEPTED) {
		add_peer(peers, event->stream, event->fd);
		return;
	}
	struct peer *peer = peer_by_id(peers, event->peer);
	if (peer == NULL) {
		return;
	}
	if (event->kind == INGRESS_CLOSED) {
		peers->ops->on_hung_up(peers->arg, peer);
		peer_close(peer);
	} else {
		atomic_fetch_sub(&peer->ingress_bytes, LINK_HEAD_LEN + event->frame.body.len);
		peers->ops->on_frame(peers->arg, peer, &event->frame);
	}
}

void peers_receive(struct peers *peers)
{
	struct ingress_event event;
	ingress_take(peers->ingress);
	while (ingress_next(peers->ingress, &event)) {
		on_event(peers, &event);
	}
}

static void on_ingress(void *arg)
{
	peers_receive(arg);
}

// ---- accepting (NNG's threads)

static void on_accept_delay(void *arg)
{
	struct peers *peers = arg;
	if (nng_aio_result(peers->accept_delay) == 0) {
		nng_stream_listener_accept(peers->listener, peers->accept_aio);
	}
}

static void on_accept(void *arg)
{
	struct peers *peers = arg;
	int result = nng_aio_result(peers->accept_aio);
	if (result == 0) {
		struct ingress_event event = {
			.kind = INGRESS_ACCEPTED,
			.stream = nng_aio_get_output(peers->accept_aio, 0),
			.fd = -1,
		};
		if (peers->options.tls == NULL) {
			event.fd =
				link_socket_of(event.stream); // while its descriptor is the newest
		}
		ingress_put(peers->ingress, &event);
		nng_stream_listener_accept(peers->listener, peers->accept_aio);
	} else if (result != NNG_ECLOSED && result != NNG_ECANCELED) {
		// No descriptors or no memory: later, not in a spin.
		nng_sleep_aio(ACCEPT_RETRY_MS, peers->accept_delay);
	}
}

// ---- life

// The URL with the port that the system chose, if it was to choose one.
static char *bound_url(nng_stream_listener *listener, const char *url)
{
	int port;
	const char *colon = strrchr(url, ':');
	if (strncmp(url, "ipc", 3) == 0 ||
		nng_stream_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &port) != 0) {
		return xstrdup(url);
	}
	return xasprintf("%.*s:%d", (int)(colon - url), url, port);
}

static int listen_on(struct peers *peers)
{
	const struct peers_options *options = &peers->options;
	int result = nng_stream_listener_alloc(&peers->listener, options->url);
	if (result != 0) {
		return result;
	}
	(void)nng_stream_listener_set_bool(peers->listener, NNG_OPT_TCP_NODELAY, true);
	if (options->tls != NULL) {
		result = nng_stream_listener_set_ptr(peers->listener, NNG_OPT_TLS_CONFIG,
			options->tls);
	}
	if (strncmp(options->url, "ipc", 3) == 0) {
		result =
			nng_stream_listener_set_int(peers->listener, NNG_OPT_IPC_PERMISSIONS, 0600);
	}
	return result != 0 ? result : nng_stream_listener_listen(peers->listener);
}

struct peers *peers_new(struct loop *loop, const struct peers_options *options,
	const struct peer_ops *ops, void *arg, const char **why)
{
	struct peers *peers = xcalloc(1, sizeof(*peers));
	peers->options = *options;
	peers->ops = ops;
	peers->arg = arg;
	peers->loop = loop;
	map_init(&peers->by_id, peer_key);
	peers->ingress = ingress_new(loop, on_ingress, peers);
	peers->accept_aio = link_aio_new(on_accept, peers);
	peers->accept_delay = link_aio_new(on_accept_delay, peers);
	int result = listen_on(peers);
	if (result != 0) {
		*why = nng_strerror(result);
		peers_stop(peers);
		peers_free(peers);
		return NULL;
	}
	peers->url = bound_url(peers->listener, options->url);
	nng_stream_listener_accept(peers->listener, peers->accept_aio);
	return peers;
}

void peers_stop(struct peers *peers)
{
	if (peers->listener != NULL) {
		nng_stream_listener_close(peers->listener);
	}
	nng_aio_stop(peers->accept_delay);
	nng_aio_stop(peers->accept_aio);
	nng_aio_free(peers->accept_delay);
	nng_aio_free(peers->accept_aio);
	if (peers->listener != NULL) {
		nng_stream_listener_free(peers->listener);
	}
}

void peers_free(struct peers *peers)
{
	while (!LIST_EMPTY(&peers->open)) {
		peer_close(LIST_FIRST(&peers->open));
	}
	peers_reap(peers);
	ingress_free(peers->ingress);
	map_fini(&peers->by_id);
	free(peers->url);
	free(peers);
}

void peers_reap(struct peers *peers)
{
	struct peer *peer = LIST_FIRST(&peers->closed);
	LIST_INIT(&peers->closed);
	while (peer != NULL) {
		struct peer *next = LIST_NEXT(peer, in_list);
		free_peer(peer);
		peer = next;
	}
}

struct peer *peers_next(const struct peers *peers, struct peer *peer)
{
	return peer == NULL ? LIST_FIRST(&peers->open) : LIST_NEXT(peer, in_list);
}

const char *peers_url(const struct peers *peers)
{
	return peers->url;
}
