// Two kinds of object: a peer is a connection, an edge_link an edge. A peer begins as a stranger:
// it is sent a CHALLENGE, may say one HELLO of a few kilobytes, and has OPEN_LIMIT_MS for it. Then
// it carries an edge_link, until one of them ends. All decisions are made on the routing thread;
// NNG's callbacks only put what came into the ingress.
//
// An edge is gone when nothing was heard of it for `link-timeout`, when it says so, or when its
// other end closed the connection and its next incarnation says hello (edge_link.c tells that one
// from another edge of the same name). A closed connection alone means only that another may
// follow. Time in which this process did not run does not count: after a pause every edge has its
// silence forgiven once, else a router that was stopped for a moment would wake up and declare its
// edges dead before reading what they sent.
//
// What an edge leaves in the tables when it is gone is taken out piece by piece (route_purge()), in
// whatever turns that takes; so is what the last session left, before the next one of the same edge
// begins: its HELLO waits for that. Rejected: routing the new session beside the rest of the old
// one. Its clients are the same, and would be counted twice meanwhile.
//
// Peers are freed in two steps, close now and free at the end of the turn, because events of theirs
// may still lie in what was taken from the ingress; these find no peer by their number and are
// dropped.

#include "router/link/link_server.h"

#include <endian.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/random.h"
#include "proto/link/link_aio.h"
#include "proto/link/link_socket.h"
#include "router/link/backpressure.h"
#include "router/link/edge_hello.h"
#include "router/link/ingress.h"
#include "router/link/link_keys.h"

enum {
	TICK_MS = 50,
	PAUSE_MS = 1000, // a tick this late means that we did not run
	PING_EVERY_MS = 1000,
	OPEN_LIMIT_MS = 3000,
	HELLO_MAX = 64 << 10, // 256 default rights of 256 bytes do not fit; nobody has so many
	STRANGERS_MAX = 1024,
	STALLED_MS = 250, // an edge that acknowledges nothing for so long does not read
	ACCEPT_RETRY_MS = 20,
	// What one link may have lying in the ingress: its window, and control frames.
	INGRESS_MAX = LINK_WINDOW_BYTES + (64 << 10),
	SWEEP_EVERY_MS = 1000,
	PURGE_MS = 2, // a turn, of taking lost edges out of the tables
	PURGE_STEPS = 64, // between two looks at the clock
};

struct peer {
	struct map_node node;
	LIST_ENTRY(peer) in_server;
	uint64_t id;
	struct link_server *server;
	struct link_conn *conn;
	pthread_mutex_t lock;
	struct edge_link *edge; // NULL: a stranger
	bool closing;
	uint64_t opened_ms;
	struct buf hello; // waits until its edge's last session is out of the tables; mostly empty
	uint8_t nonce[LINK_NONCE_LEN];
	_Atomic(struct edge_link *) draining; // what on_drained() pumps
	_Atomic size_t ingress_bytes;
};

struct link_server {
	struct link_server_options options;
	struct loop *loop;
	struct route *route;
	struct backpressure flow;
	struct ingress *ingress;
	struct loop_timer tick;
	struct loop_timer purge;
	uint64_t started_ms;
	uint64_t tick_ms;
	uint64_t sweep_ms;
	nng_stream_listener *listener;
	nng_aio *accept_aio;
	nng_aio *accept_delay;
	char *url;
	struct map peers;
	LIST_HEAD(, peer) peer_list;
	LIST_HEAD(, peer) graves;
	LIST_HEAD(, edge_link) edges;
	uint64_t next_peer;
	unsigned n_strangers;
	bool holding; // edges are asked to send nothing new
	struct log_limit refusal_log;
};

static struct bytes peer_key(const struct map_node *node)
{
	const struct peer *peer = CONTAINER_OF(node, struct peer, node);
	return bytes_make(&peer->id, sizeof(peer->id));
}

// ---- connections

static void on_peer_frame(struct peer *peer, const struct link_frame *frame);

static bool on_frame(void *arg, struct link_conn *conn, const struct link_frame *frame)
{
	struct peer *peer = arg;
	if (link_conn_is_polled(conn)) { // on the routing thread
		if (!peer->closing) {
			on_peer_frame(peer, frame);
		}
		return !peer->closing;
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
	ingress_put(peer->server->ingress, &event);
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
	ingress_put(peer->server->ingress, &event);
}

static const struct link_conn_ops conn_ops = {
	.on_frame = on_frame,
	.on_drained = on_drained,
	.on_full = on_full,
	.on_closed = on_closed,
};

static void on_accept_delay(void *arg)
{
	struct link_server *server = arg;
	if (nng_aio_result(server->accept_delay) == 0) {
		nng_stream_listener_accept(server->listener, server->accept_aio);
	}
}

static void on_accept(void *arg)
{
	struct link_server *server = arg;
	int result = nng_aio_result(server->accept_aio);
	if (result == 0) {
		struct ingress_event event = {
			.kind = INGRESS_ACCEPTED,
			.stream = nng_aio_get_output(server->accept_aio, 0),
			.fd = -1,
		};
		if (server->options.tls == NULL) {
			event.fd =
				link_socket_of(event.stream); // while its descriptor is the newest
		}
		ingress_put(server->ingress, &event);
		nng_stream_listener_accept(server->listener, server->accept_aio);
	} else if (result != NNG_ECLOSED && result != NNG_ECANCELED) {
		// No descriptors or no memory: later, not in a spin.
		nng_sleep_aio(ACCEPT_RETRY_MS, server->accept_delay);
	}
}

// ---- peers

static void close_peer(struct peer *peer)
{
	if (peer->closing) {
		return;
	}
	struct link_server *server = peer->server;
	peer->closing = true;
	if (peer->edge != NULL) {
		pthread_mutex_lock(&peer->lock);
		atomic_store(&peer->draining, NULL);
		pthread_mutex_unlock(&peer->lock);
		edge_link_detach(peer->edge);
		peer->edge = NULL;
	} else {
		server->n_strangers--;
	}
	pthread_mutex_lock(&peer->lock);
	link_conn_close(peer->conn);
	pthread_mutex_unlock(&peer->lock);
	map_remove(&server->peers, &peer->node);
	LIST_REMOVE(peer, in_server);
	LIST_INSERT_HEAD(&server->graves, peer, in_server);
}

static void free_graves(struct link_server *server)
{
	struct peer *peer = LIST_FIRST(&server->graves);
	LIST_INIT(&server->graves);
	while (peer != NULL) {
		struct peer *next = LIST_NEXT(peer, in_server);
		link_conn_free(peer->conn);
		pthread_mutex_destroy(&peer->lock);
		buf_fini(&peer->hello);
		free(peer);
		peer = next;
	}
}

static void send_control(struct peer *peer, enum link_frame_type type, struct bytes body)
{
	pthread_mutex_lock(&peer->lock);
	link_conn_control(peer->conn, type, 0, body);
	pthread_mutex_unlock(&peer->lock);
}

// The last word to a peer; the caller closes it.
static void send_goaway(struct peer *peer, enum goaway_reason reason)
{
	pthread_mutex_lock(&peer->lock);
	link_conn_goaway(peer->conn, reason);
	pthread_mutex_unlock(&peer->lock);
}

static void challenge(struct peer *peer)
{
	const struct link_server *server = peer->server;
	Weir__Link__V1__Challenge message = WEIR__LINK__V1__CHALLENGE__INIT;
	struct buf body = { 0 };
	message.major = LINK_MAJOR;
	message.minor = LINK_MINOR;
	message.router_name = pb_data(bytes_str(server->options.name));
	message.nonce = pb_data(bytes_make(peer->nonce, sizeof(peer->nonce)));
	message.key_required = server->options.keys->n > 0;
	uint8_t *at = buf_reserve(&body, weir__link__v1__challenge__get_packed_size(&message));
	body.len += weir__link__v1__challenge__pack(&message, at);
	send_control(peer, LINK_CHALLENGE, buf_bytes(&body));
	buf_fini(&body);
}

// `fd` is the stream's, or -1.
static void on_accepted(struct link_server *server, nng_stream *stream, int fd)
{
	if (server->n_strangers >= STRANGERS_MAX) {
		nng_stream_free(stream);
		return;
	}
	// No such option on ipc; there is nothing to delay either.
	(void)nng_stream_set_bool(stream, NNG_OPT_TCP_NODELAY, true);
	struct peer *peer = xcalloc(1, sizeof(*peer));
	peer->server = server;
	peer->id = ++server->next_peer;
	peer->opened_ms = clock_mono_ms();
	pthread_mutex_init(&peer->lock, NULL);
	random_fill(peer->nonce, sizeof(peer->nonce));
	peer->conn =
		link_conn_new(stream, fd, server->loop, HELLO_MAX, &peer->lock, &conn_ops, peer);
	map_insert(&server->peers, &peer->node);
	LIST_INSERT_HEAD(&server->peer_list, peer, in_server);
	server->n_strangers++;
	link_conn_start(peer->conn);
	challenge(peer);
}

static struct peer *peer_of(const struct link_server *server, const struct edge_link *edge)
{
	struct peer *peer;
	LIST_FOREACH (peer, &server->peer_list, in_server) {
		if (peer->edge == edge) {
			return peer;
		}
	}
	return NULL;
}

// ---- edges

static struct edge_link *edge_by_name(const struct link_server *server, struct bytes name)
{
	struct edge_link *edge;
	LIST_FOREACH (edge, &server->edges, in_server) {
		if (bytes_equal_str(name, edge->name)) {
			return edge;
		}
	}
	return NULL;
}

static void close_edge_peer(struct link_server *server, struct edge_link *edge)
{
	struct peer *peer = peer_of(server, edge);
	if (peer != NULL) {
		close_peer(peer);
	}
}

// Lets clients of lost edges leave for a while. False if some are left, for later turns, so that
// other edges are served between.
static bool purge(struct link_server *server)
{
	uint64_t now_ms = clock_mono_ms();
	uint64_t until_ns = clock_mono_ns() + (uint64_t)PURGE_MS * 1000000;
	while (route_purge(server->route, PURGE_STEPS, now_ms)) {
		if (clock_mono_ns() >= until_ns) {
			loop_timer_start(&server->purge, 0);
			return false;
		}
	}
	return true;
}

// What the tables knew of the edge's session goes; it will tell anew.
static void end_session(struct link_server *server, struct edge_link *edge)
{
	if (edge->table != NULL) {
		route_tell_time(server->route, clock_wall_ms());
		route_edge_down(server->route, edge->table);
		edge->table = NULL;
		(void)purge(server);
	}
	edge_link_begin(edge);
}

// The edge's clients leave; nothing of it is remembered.
static void purge_edge(struct link_server *server, struct edge_link *edge, const char *why)
{
	struct edge_link *other;
	log_info("edge_gone", LOG_STR("edge", edge->name), LOG_STR("reason", why));
	close_edge_peer(server, edge);
	end_session(server, edge);
	route_send_edges(server->route);
	LIST_REMOVE(edge, in_server);
	LIST_FOREACH (other, &server->edges, in_server) {
		if (other->blocked_by == edge) {
			other->blocked_by = NULL; // released at the end of the turn
		}
	}
	edge_link_free(edge);
}

static void cut_off(struct link_server *server, struct edge_link *edge)
{
	log_warn("edge_lagged", LOG_STR("edge", edge->name));
	struct peer *peer = peer_of(server, edge);
	if (peer != NULL) {
		send_goaway(peer, GOAWAY_LAGGED);
		close_peer(peer);
	}
}

static void flush_edge(struct link_server *server, struct edge_link *edge)
{
	edge->touched = false;
	if (!edge_link_flush(edge) && edge->conn != NULL) {
		cut_off(server, edge);
	}
}

// No honest edge says this, so nothing it said before is worth keeping.
static void malformed(struct link_server *server, struct edge_link *edge)
{
	struct peer *peer = peer_of(server, edge);
	log_error("edge_malformed", LOG_STR("edge", edge->name));
	edge->lagged = true;
	if (peer != NULL) {
		send_goaway(peer, GOAWAY_PROTOCOL);
		close_peer(peer);
	}
}

static void flush_edges(struct link_server *server)
{
	struct edge_link *edge;
	uint64_t now_ms = clock_mono_ms();
	LIST_FOREACH (edge, &server->edges, in_server) {
		backpressure_replay(&server->flow, edge, now_ms);
	}
	LIST_FOREACH (edge, &server->edges, in_server) {
		if (!backpressure_release(&server->flow, edge, now_ms)) {
			malformed(server, edge);
		}
	}
	LIST_FOREACH (edge, &server->edges, in_server) {
		edge_link_consume(edge);
		if (edge->touched) {
			flush_edge(server, edge);
		}
		edge_link_tell_ack(edge, false);
	}
}

// ---- hello

static void refuse(struct peer *peer, enum goaway_reason reason, struct bytes name)
{
	uint32_t suppressed;
	if (log_limit_pass(&peer->server->refusal_log, clock_mono_ms(), &suppressed)) {
		log_warn("edge_refused", LOG_STR("reason", goaway_reason_name(reason)),
			LOG_BYTES("edge", name), LOG_UINT("suppressed", suppressed));
	}
	send_goaway(peer, reason);
	close_peer(peer);
}

static struct link_offer offer_of(const Weir__Link__V1__Hello *hello)
{
	return (struct link_offer){
		.session = hello->session,
		.down_next = hello->down_next,
		.up_oldest = hello->up_oldest,
		.up_next = hello->up_next,
		.window_bytes = hello->window_bytes,
	};
}

static void send_hello_ack(struct peer *peer, const struct link_answer *answer,
	const struct link_nonces *nonces, struct bytes key)
{
	const struct link_server *server = peer->server;
	Weir__Link__V1__HelloAck ack = WEIR__LINK__V1__HELLO_ACK__INIT;
	struct buf body = { 0 };
	struct buf message = { 0 };
	ack.major = LINK_MAJOR;
	ack.minor = LINK_MINOR;
	ack.router_name = pb_data(bytes_str(server->options.name));
	ack.session = answer->session;
	ack.resumed = answer->resumed;
	ack.up_next = answer->up_next;
	ack.down_next = answer->down_next;
	ack.window_bytes = (uint32_t)answer->window_bytes;
	ack.link_timeout_ms = (uint32_t)server->options.link_timeout_ms;
	ack.version = pb_data(bytes_str(WEIR_VERSION));
	uint8_t *at = buf_reserve(&body, weir__link__v1__hello_ack__get_packed_size(&ack));
	body.len += weir__link__v1__hello_ack__pack(&ack, at);
	link_sign(&message, LINK_ROLE_ROUTER, key, nonces, buf_bytes(&body));
	send_control(peer, LINK_HELLO_ACK, buf_bytes(&message));
	buf_fini(&body);
	buf_fini(&message);
}

static struct edge_link *add_edge(struct link_server *server, const Weir__Link__V1__Hello *hello)
{
	struct edge_link *edge = edge_link_new(pb_bytes(hello->name), hello->boot.data);
	LIST_INSERT_HEAD(&server->edges, edge, in_server);
	return edge;
}

static void begin_session(struct link_server *server, struct edge_link *edge,
	const Weir__Link__V1__Hello *hello, const struct rights_policy *policy)
{
	route_tell_time(server->route, clock_wall_ms());
	edge->table =
		route_edge_up(server->route, edge, pb_bytes(hello->name), policy, hello->workers);
	route_tell_revocations(server->route, edge->table);
	route_send_edges(server->route);
}

// The edges that the last router served, as this edge knows them.
static void await_edges(struct link_server *server, const Weir__Link__V1__Hello *hello)
{
	for (size_t i = 0; i < hello->n_edges; i++) {
		settling_await(&server->route->settling, pb_bytes(hello->edges[i]));
	}
}

static void tell_hold(struct peer *peer)
{
	const uint8_t holding = peer->server->holding ? 1 : 0;
	peer->edge->held_at = 0;
	if (peer->edge->minor >= LINK_MINOR_HOLD) {
		send_control(peer, LINK_HOLD, bytes_make(&holding, 1));
	}
}

// Makes way for the incarnation that says hello, if another one is known. False if that one keeps
// the name; the peer has been refused.
static bool yield_name(struct peer *peer, struct edge_link *edge,
	const Weir__Link__V1__Hello *hello)
{
	struct link_server *server = peer->server;
	uint64_t now_ms = clock_mono_ms();
	enum edge_claim claim =
		edge_link_claim(edge, hello->boot.data, server->options.link_timeout_ms, now_ms);
	if (claim == EDGE_CLAIM_TAKEN) {
		refuse(peer, GOAWAY_DUPLICATE_NAME, pb_bytes(hello->name));
		edge_link_ask(edge, now_ms);
		return false;
	}
	if (claim == EDGE_CLAIM_NEXT) {
		purge_edge(server, edge, "replaced");
	} else {
		edge->hung_up = false;
	}
	return true;
}

// False if the peer has to wait: its edge's last session is not out of the tables yet.
static bool welcome(struct peer *peer, const struct edge_hello *said,
	const struct link_nonces *nonces, struct bytes key)
{
	const Weir__Link__V1__Hello *hello = said->message;
	struct link_server *server = peer->server;
	struct bytes name = pb_bytes(hello->name);
	struct edge_link *edge = edge_by_name(server, name);
	if (edge != NULL && !yield_name(peer, edge, hello)) {
		return true;
	}
	edge = edge_by_name(server, name);
	bool same = edge != NULL;
	if (!same && route_is_purging(server->route, name)) {
		return false;
	}
	if (!same) {
		edge = add_edge(server, hello);
	}
	close_edge_peer(server, edge); // superseded
	uint64_t fresh_id = 0;
	while (fresh_id == 0) {
		fresh_id = random_u64();
	}
	struct link_offer offer = offer_of(hello);
	bool resumable = same && !edge->lagged && edge->table != NULL;
	struct link_answer answer = link_offer_decide(&edge->session, &offer, resumable, fresh_id);
	if (!answer.resumed) {
		end_session(server, edge);
		if (route_is_purging(server->route, name)) {
			return false;
		}
		begin_session(server, edge, hello, &said->policy);
		await_edges(server, hello);
	}
	edge->table->token_life_ms = hello->jwt_max_lifetime_ms;
	free(edge->version);
	edge->version = xstrndup(hello->version.data, hello->version.len);
	edge->heard_ms = clock_mono_ms();
	edge->minor = hello->minor;
	peer->edge = edge;
	server->n_strangers--;
	link_conn_set_body_max(peer->conn, LINK_BODY_MAX);
	send_hello_ack(peer, &answer, nonces, key);
	atomic_store(&peer->draining, edge);
	edge_link_attach(edge, peer->conn, &peer->lock);
	log_info("edge_up", LOG_STR("edge", edge->name),
		LOG_STR("session", answer.resumed ? "resumed" : "new"),
		LOG_STR("version", edge->version));
	if (server->holding) {
		tell_hold(peer);
	}
	return true;
}

static void on_hello(struct peer *peer, struct bytes packed)
{
	struct link_server *server = peer->server;
	struct link_nonces nonces;
	struct buf body = { 0 };
	size_t key_index;
	memcpy(nonces.router, peer->nonce, sizeof(peer->nonce));
	const struct link_keys *keys = server->options.keys;
	if (!link_verify(packed, LINK_ROLE_EDGE, keys->keys, keys->n, &nonces, &key_index, &body)) {
		refuse(peer, GOAWAY_BAD_KEY, bytes_make(NULL, 0));
		buf_fini(&body);
		return;
	}
	struct edge_hello hello;
	if (!edge_hello_unpack(&hello, buf_bytes(&body))) {
		refuse(peer, GOAWAY_PROTOCOL, bytes_make(NULL, 0));
	} else if (!link_version_fits(hello.message->major, hello.message->minor)) {
		refuse(peer, GOAWAY_VERSION, pb_bytes(hello.message->name));
	} else if (!link_keys_fit(keys, key_index, pb_bytes(hello.message->name))) {
		refuse(peer, GOAWAY_BAD_KEY, pb_bytes(hello.message->name));
	} else {
		struct bytes key = keys->n > 0 ? keys->keys[key_index] : bytes_make(NULL, 0);
		if (!welcome(peer, &hello, &nonces, key)) {
			buf_append_bytes(&peer->hello, packed);
			peer->opened_ms = clock_mono_ms();
		}
	}
	edge_hello_fini(&hello);
	buf_fini(&body);
}

static struct peer *waiting_peer(const struct link_server *server)
{
	struct peer *peer;
	LIST_FOREACH (peer, &server->peer_list, in_server) {
		if (peer->hello.len > 0) {
			return peer;
		}
	}
	return NULL;
}

static void on_purge(void *arg)
{
	struct link_server *server = arg;
	struct peer *peer;
	while (purge(server) && (peer = waiting_peer(server)) != NULL) {
		struct buf hello = peer->hello;
		peer->hello = (struct buf){ 0 };
		on_hello(peer, buf_bytes(&hello));
		buf_fini(&hello);
	}
}

// ---- frames of an edge

static bool on_batch(struct link_server *server, struct edge_link *edge,
	const struct link_frame *frame)
{
	pthread_mutex_lock(edge->conn_lock);
	int result = link_window_accept(&edge->session.window, frame->seq,
		LINK_HEAD_LEN + frame->body.len);
	pthread_mutex_unlock(edge->conn_lock);
	if (result != 0) {
		return result > 0; // a repeat is fine
	}
	return backpressure_route(&server->flow, edge, frame->body);
}

static void on_pong(struct edge_link *edge, struct bytes body)
{
	uint64_t sent_ns;
	if (body.len == sizeof(sent_ns)) {
		memcpy(&sent_ns, body.data, sizeof(sent_ns));
		edge->rtt_us = (clock_mono_ns() - sent_ns) / 1000;
		if (edge_link_answered(edge, sent_ns, clock_mono_ms())) {
			log_error("edge_name_shared", LOG_STR("edge", edge->name));
		}
	}
}

static bool on_held(const struct link_server *server, struct edge_link *edge, struct bytes body)
{
	uint64_t next;
	if (body.len != sizeof(next)) {
		return false;
	}
	memcpy(&next, body.data, sizeof(next));
	edge->held_at = server->holding ? le64toh(next) : 0; // else: an answer to what is over
	return true;
}

static bool on_edge_frame(struct peer *peer, const struct link_frame *frame)
{
	struct edge_link *edge = peer->edge;
	if (frame->type != LINK_GOAWAY && !edge_link_acked(edge, frame->ack)) {
		return false;
	}
	switch (frame->type) {
	case LINK_BATCH:
		return on_batch(peer->server, edge, frame);
	case LINK_PING:
		send_control(peer, LINK_PONG, frame->body);
		return true;
	case LINK_PONG:
		on_pong(edge, frame->body);
		return true;
	case LINK_HELD:
		return on_held(peer->server, edge, frame->body);
	case LINK_ACK:
		return true;
	case LINK_GOAWAY:
		purge_edge(peer->server, edge, "left");
		return true;
	default:
		return false;
	}
}

static void on_peer_frame(struct peer *peer, const struct link_frame *frame)
{
	if (peer->edge == NULL) {
		if (frame->type == LINK_HELLO && peer->hello.len == 0) {
			on_hello(peer, frame->body);
		} else {
			refuse(peer, GOAWAY_PROTOCOL, bytes_make(NULL, 0));
		}
		return;
	}
	peer->edge->heard_ms = link_conn_last_rx_ms(peer->conn);
	if (!on_edge_frame(peer, frame)) {
		malformed(peer->server, peer->edge);
	}
}

static void on_ingress(void *arg)
{
	struct link_server *server = arg;
	struct ingress_event event;
	ingress_take(server->ingress);
	while (ingress_next(server->ingress, &event)) {
		if (event.kind == INGRESS_ACCEPTED) {
			on_accepted(server, event.stream, event.fd);
			continue;
		}
		struct map_node *node =
			map_find(&server->peers, bytes_make(&event.peer, sizeof(event.peer)));
		if (node == NULL) {
			continue;
		}
		struct peer *peer = CONTAINER_OF(node, struct peer, node);
		if (event.kind == INGRESS_CLOSED) {
			if (peer->edge != NULL) {
				peer->edge->hung_up = true;
			}
			close_peer(peer);
		} else {
			atomic_fetch_sub(&peer->ingress_bytes,
				LINK_HEAD_LEN + event.frame.body.len);
			on_peer_frame(peer, &event.frame);
		}
	}
}

static void on_turn_end(void *arg)
{
	struct link_server *server = arg;
	flush_edges(server);
	free_graves(server);
}

// ---- time

static void watch_peers(struct link_server *server, uint64_t now_ms)
{
	struct peer *peer;
	struct peer *next;
	for (peer = LIST_FIRST(&server->peer_list); peer != NULL; peer = next) {
		next = LIST_NEXT(peer, in_server);
		uint64_t since = peer->edge != NULL ? peer->edge->heard_ms : peer->opened_ms;
		uint64_t limit =
			peer->edge != NULL ? server->options.link_timeout_ms / 2 : OPEN_LIMIT_MS;
		if (now_ms > since && now_ms - since > limit) {
			close_peer(peer);
		} else if (peer->edge != NULL && now_ms - peer->edge->ping_ms >= PING_EVERY_MS) {
			edge_link_ping(peer->edge, now_ms);
		}
	}
}

static void watch_edges(struct link_server *server, uint64_t now_ms)
{
	struct edge_link *edge;
	struct edge_link *next;
	for (edge = LIST_FIRST(&server->edges); edge != NULL; edge = next) {
		next = LIST_NEXT(edge, in_server);
		edge_link_tell_ack(edge, true);
		if (now_ms > edge->heard_ms &&
			now_ms - edge->heard_ms > server->options.link_timeout_ms) {
			purge_edge(server, edge, "silent");
		}
	}
}

static void forgive_silence(struct link_server *server, uint64_t now_ms)
{
	struct edge_link *edge;
	struct peer *peer;
	LIST_FOREACH (edge, &server->edges, in_server) {
		edge->heard_ms = now_ms;
	}
	LIST_FOREACH (peer, &server->peer_list, in_server) {
		peer->opened_ms = now_ms;
	}
	server->started_ms = now_ms; // matters only while edges of the last router are awaited
}

static void trim_edges(struct link_server *server)
{
	struct edge_link *edge;
	LIST_FOREACH (edge, &server->edges, in_server) {
		edge_link_trim(edge);
	}
}

// After the time in which the last router would have forgotten an edge that is silent, it is no
// longer waited for.
static void watch_settling(struct link_server *server, uint64_t now_ms)
{
	struct settling *settling = &server->route->settling;
	const char *name;
	if (settling->over || now_ms - server->started_ms < server->options.link_timeout_ms) {
		return;
	}
	for (size_t i = 0; (name = settling_missing(settling, i)) != NULL; i++) {
		log_warn("edge_missing", LOG_STR("edge", name));
	}
	settling_end(settling);
}

static void on_tick(void *arg)
{
	struct link_server *server = arg;
	uint64_t now_ms = clock_mono_ms();
	if (now_ms - server->tick_ms > PAUSE_MS) {
		forgive_silence(server, now_ms);
	}
	server->tick_ms = now_ms;
	route_tell_time(server->route, clock_wall_ms());
	watch_peers(server, now_ms);
	watch_edges(server, now_ms);
	watch_settling(server, now_ms);
	if (now_ms - server->sweep_ms >= SWEEP_EVERY_MS) {
		server->sweep_ms = now_ms;
		route_sweep(server->route, now_ms);
		route_expire_revocations(server->route, clock_wall_ms());
		trim_edges(server);
	}
	loop_timer_start(&server->tick, TICK_MS);
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

static int listen_on(struct link_server *server)
{
	int result = nng_stream_listener_alloc(&server->listener, server->options.url);
	if (result != 0) {
		return result;
	}
	(void)nng_stream_listener_set_bool(server->listener, NNG_OPT_TCP_NODELAY, true);
	if (server->options.tls != NULL) {
		result = nng_stream_listener_set_ptr(server->listener, NNG_OPT_TLS_CONFIG,
			server->options.tls);
	}
	if (strncmp(server->options.url, "ipc", 3) == 0) {
		result = nng_stream_listener_set_int(server->listener, NNG_OPT_IPC_PERMISSIONS,
			0600);
	}
	return result != 0 ? result : nng_stream_listener_listen(server->listener);
}

static void free_listener(struct link_server *server)
{
	if (server->listener != NULL) {
		nng_stream_listener_close(server->listener);
	}
	nng_aio_stop(server->accept_delay);
	nng_aio_stop(server->accept_aio);
	nng_aio_free(server->accept_delay);
	nng_aio_free(server->accept_aio);
	if (server->listener != NULL) {
		nng_stream_listener_free(server->listener);
	}
}

static void free_server(struct link_server *server)
{
	ingress_free(server->ingress);
	backpressure_fini(&server->flow);
	map_fini(&server->peers);
	free(server->url);
	free(server);
}

struct link_server *link_server_new(struct loop *loop, const struct link_server_options *options,
	struct route *route, const char **why)
{
	struct link_server *server = xcalloc(1, sizeof(*server));
	server->options = *options;
	server->loop = loop;
	server->route = route;
	backpressure_init(&server->flow, route);
	server->started_ms = clock_mono_ms();
	server->tick_ms = server->started_ms;
	map_init(&server->peers, peer_key);
	server->ingress = ingress_new(loop, on_ingress, server);
	server->accept_aio = link_aio_new(on_accept, server);
	server->accept_delay = link_aio_new(on_accept_delay, server);
	int result = listen_on(server);
	if (result != 0) {
		*why = nng_strerror(result);
		free_listener(server);
		free_server(server);
		return NULL;
	}
	server->url = bound_url(server->listener, options->url);
	loop_at_turn_end(loop, on_turn_end, server);
	loop_timer_init(loop, &server->purge, on_purge, server);
	loop_timer_init(loop, &server->tick, on_tick, server);
	loop_timer_start(&server->tick, TICK_MS);
	nng_stream_listener_accept(server->listener, server->accept_aio);
	return server;
}

void link_server_free(struct link_server *server)
{
	if (server == NULL) {
		return;
	}
	struct peer *peer;
	loop_timer_stop(&server->purge);
	loop_timer_stop(&server->tick);
	free_listener(server);
	LIST_FOREACH (peer, &server->peer_list, in_server) {
		if (peer->edge != NULL) {
			send_goaway(peer, GOAWAY_RESTARTING);
		}
	}
	poll(NULL, 0, TICK_MS); // for the last words to leave
	on_ingress(server); // streams accepted meanwhile
	struct edge_link *edge = LIST_FIRST(&server->edges);
	LIST_INIT(&server->edges);
	while (edge != NULL) {
		struct edge_link *next = LIST_NEXT(edge, in_server);
		close_edge_peer(server, edge);
		edge_link_free(edge);
		edge = next;
	}
	while (!LIST_EMPTY(&server->peer_list)) {
		close_peer(LIST_FIRST(&server->peer_list));
	}
	free_graves(server);
	free_server(server);
}

void link_server_hold(struct link_server *server, bool holding)
{
	struct peer *peer;
	server->holding = holding;
	LIST_FOREACH (peer, &server->peer_list, in_server) {
		if (peer->edge != NULL) {
			tell_hold(peer);
		}
	}
}

bool link_server_is_quiet(struct link_server *server)
{
	const struct edge_link *edge;
	LIST_FOREACH (edge, &server->edges, in_server) {
		if (edge->conn == NULL || !edge_link_is_quiet(edge)) {
			return false;
		}
	}
	return true;
}

const char *link_server_url(const struct link_server *server)
{
	return server->url;
}

struct edge_link *link_server_next(struct link_server *server, struct edge_link *link)
{
	return link == NULL ? LIST_FIRST(&server->edges) : LIST_NEXT(link, in_server);
}

const struct histogram *link_server_route_seconds(const struct link_server *server)
{
	return &server->flow.route_seconds;
}
