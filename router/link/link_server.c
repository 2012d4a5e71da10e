// All decisions about edges are made here, on the routing thread. A peer (peer.h) becomes an edge's
// connection by its HELLO, for which it has OPEN_LIMIT_MS, and carries it until one of them ends.
//
// An edge is gone when nothing was received from it for `link-timeout`, when it says so, or when
// its other end closed the connection and its next incarnation says hello (edge_link.c tells that
// one from another edge of the same name). A closed connection alone means only that another may
// follow. Time in which this thread did not run, or was busy, does not count: a tick that comes
// late puts all silences off by as much, else a router that was stopped for a moment would wake up
// and declare its edges dead before reading what they sent.
//
// What an edge leaves in the tables when it is gone is taken out piece by piece (route_purge()), in
// whatever turns that takes; so is what the last session left, before the next one of the same edge
// begins: its HELLO waits for that. Rejected: routing the new session beside the rest of the old
// one. Its clients are the same, and would be counted twice meanwhile.

#include "router/link/link_server.h"

#include <endian.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/random.h"
#include "proto/link/link_conn.h"
#include "proto/link_items.h"
#include "router/link/backpressure.h"
#include "router/link/edge_hello.h"
#include "router/link/link_keys.h"
#include "router/link/peer.h"

enum {
	TICK_MS = 50,
	LATE_MS = 100, // since the last tick: we did not run, or were busy
	PING_EVERY_MS = 1000,
	OPEN_LIMIT_MS = 3000,
	SWEEP_EVERY_MS = 1000,
	SWEEP_MS = 2, // a tick, of forgetting rooms
	PURGE_MS = 2, // a turn, of taking lost edges out of the tables
	PURGE_STEPS = 64, // between two looks at the clock
};

struct link_server {
	struct link_server_options options;
	struct loop *loop;
	struct route *route;
	struct peers *peers;
	struct backpressure flow;
	struct loop_timer tick;
	struct loop_timer next_turn;
	struct loop_timer purge;
	uint64_t started_ms;
	uint64_t tick_ms;
	uint64_t sweep_ms;
	bool sweeping; // the last sweep was not whole
	LIST_HEAD(, edge_link) edges;
	bool holding; // edges are asked to send nothing new
	struct log_limit refusal_log;
};

static struct peer *peer_of(const struct link_server *server, const struct edge_link *edge)
{
	struct peer *peer = NULL;
	while ((peer = peers_next(server->peers, peer)) != NULL && peer->edge != edge) {
	}
	return peer;
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
		peer_close(peer);
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

// To every edge the names of all that are to come back to the next router: also of one between two
// sessions, and of one that this router awaits itself.
static void send_edges(struct link_server *server)
{
	struct bytes names[LINK_EDGES_MAX];
	const struct edge_link *edge;
	const char *missing;
	size_t n = 0;
	LIST_FOREACH (edge, &server->edges, in_server) {
		if (n < LINK_EDGES_MAX) {
			names[n++] = bytes_str(edge->name);
		}
	}
	for (size_t i = 0; (missing = settling_missing(&server->route->settling, i)) != NULL; i++) {
		if (n < LINK_EDGES_MAX && edge_by_name(server, bytes_str(missing)) == NULL) {
			names[n++] = bytes_str(missing);
		}
	}
	route_send_edges(server->route, names, n);
}

// The edge's clients leave; nothing of it is remembered.
static void purge_edge(struct link_server *server, struct edge_link *edge, const char *why)
{
	struct edge_link *other;
	log_info("edge_gone", LOG_STR("edge", edge->name), LOG_STR("reason", why));
	close_edge_peer(server, edge);
	end_session(server, edge);
	LIST_REMOVE(edge, in_server);
	send_edges(server);
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
		peer_send_goaway(peer, GOAWAY_LAGGED);
		peer_close(peer);
	}
}

static void flush_edge(struct link_server *server, struct edge_link *edge)
{
	edge->touched = false;
	if (!edge_link_flush(edge) && edge->conn != NULL) {
		cut_off(server, edge);
	}
}

// No conforming edge sends this, so nothing it sent before is worth keeping.
static void malformed(struct link_server *server, struct edge_link *edge)
{
	struct peer *peer = peer_of(server, edge);
	log_error("edge_malformed", LOG_STR("edge", edge->name));
	edge->lagged = true;
	if (peer != NULL) {
		peer_send_goaway(peer, GOAWAY_PROTOCOL);
		peer_close(peer);
	}
}

// Something that it sent is not passed on; what else it sends is.
static void on_distrust(void *arg, const struct table_edge *table, enum distrust distrust)
{
	struct edge_link *edge = table->link;
	uint32_t suppressed;
	(void)arg;
	if (edge != NULL && log_limit_pass(&edge->distrust_log, clock_mono_ms(), &suppressed)) {
		log_warn("edge_distrusted", LOG_STR("edge", edge->name),
			LOG_STR("reason", distrust_name(distrust)),
			LOG_UINT("suppressed", suppressed));
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
	route_end_turn(server->route);
	LIST_FOREACH (edge, &server->edges, in_server) {
		edge_link_consume(edge);
		if (edge->touched) {
			flush_edge(server, edge);
		}
		edge_link_tell_ack(edge, false);
		if (backpressure_end_turn(edge)) {
			loop_timer_start(&server->next_turn, 0);
		}
	}
}

// There is nothing to do but what the end of the turn does.
static void on_next_turn(void *arg)
{
	(void)arg;
}

// ---- hello

static void refuse(struct link_server *server, struct peer *peer, enum goaway_reason reason,
	struct bytes name)
{
	uint32_t suppressed;
	if (log_limit_pass(&server->refusal_log, clock_mono_ms(), &suppressed)) {
		log_warn("edge_refused", LOG_STR("reason", goaway_reason_name(reason)),
			LOG_BYTES("edge", name), LOG_UINT("suppressed", suppressed));
	}
	peer_send_goaway(peer, reason);
	peer_close(peer);
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

// Appends the signed HELLO_ACK to `message`.
static void make_hello_ack(const struct link_server *server, const struct link_answer *answer,
	const struct link_nonces *nonces, struct bytes key, struct buf *message)
{
	Weir__Link__V1__HelloAck ack = WEIR__LINK__V1__HELLO_ACK__INIT;
	struct buf body = { 0 };
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
	ack.resend_ms = journal_is_on(&server->route->journal) ? RESEND_MAX_MS : 0;
	uint8_t *at = buf_reserve(&body, weir__link__v1__hello_ack__get_packed_size(&ack));
	body.len += weir__link__v1__hello_ack__pack(&ack, at);
	link_sign(message, LINK_ROLE_ROUTER, key, nonces, buf_bytes(&body));
	buf_fini(&body);
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
	edge->table->testifies = hello->testifies != 0 && hello->workers > 0;
	route_tell_revocations(server->route, edge->table);
	send_edges(server);
}

// The edges that the last router served, as this edge knows them.
static void await_edges(struct link_server *server, const Weir__Link__V1__Hello *hello)
{
	for (size_t i = 0; i < hello->n_edges; i++) {
		settling_await(&server->route->settling, pb_bytes(hello->edges[i]));
	}
}

static void send_hold(const struct link_server *server, struct peer *peer)
{
	const uint8_t holding = server->holding ? 1 : 0;
	peer->edge->held_at = 0;
	if (peer->edge->minor >= LINK_MINOR_HOLD) {
		peer_send(peer, LINK_HOLD, bytes_make(&holding, 1));
	}
}

// Makes way for the incarnation that says hello, if another one is known. False if that one keeps
// the name; the peer has been refused.
static bool yield_name(struct link_server *server, struct peer *peer, struct edge_link *edge,
	const Weir__Link__V1__Hello *hello)
{
	uint64_t now_ms = clock_mono_ms();
	enum edge_claim claim =
		edge_link_claim(edge, hello->boot.data, server->options.link_timeout_ms, now_ms);
	if (claim == EDGE_CLAIM_TAKEN) {
		refuse(server, peer, GOAWAY_DUPLICATE_NAME, pb_bytes(hello->name));
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

static uint64_t new_session_id(void)
{
	uint64_t id = 0;
	while (id == 0) {
		id = random_u64();
	}
	return id;
}

// The edge that a HELLO of its name is for, which has been made if it was not known; its last
// session is over if `*answer` resumes none. NULL if that is not out of the tables yet.
static struct edge_link *prepare_edge(struct link_server *server, const struct edge_hello *said,
	struct link_answer *answer)
{
	const Weir__Link__V1__Hello *hello = said->message;
	struct bytes name = pb_bytes(hello->name);
	struct edge_link *edge = edge_by_name(server, name);
	bool same = edge != NULL;
	if (!same && route_is_purging(server->route, name)) {
		return NULL;
	}
	if (!same) {
		edge = add_edge(server, hello);
	}
	close_edge_peer(server, edge); // superseded
	struct link_offer offer = offer_of(hello);
	bool resumable = same && !edge->lagged && edge->table != NULL;
	*answer = link_offer_decide(&edge->session, &offer, resumable, new_session_id());
	if (!answer->resumed) {
		end_session(server, edge);
		if (route_is_purging(server->route, name)) {
			return NULL;
		}
		await_edges(server, hello);
		begin_session(server, edge, hello, &said->policy);
	}
	return edge;
}

static void update_edge(struct edge_link *edge, const Weir__Link__V1__Hello *hello)
{
	edge->table->token_life_ms = hello->jwt_max_lifetime_ms;
	memcpy(edge->table->boot, edge->boot, sizeof(edge->table->boot));
	client_prefix(edge->boot, edge->table->prefix);
	edge->table->keeps_prefix = hello->ids_of_boot != 0;
	free(edge->version);
	edge->version = xstrndup(hello->version.data, hello->version.len);
	edge->heard_ms = clock_mono_ms();
	edge->minor = hello->minor;
}

// False if the peer has to wait: its edge's last session is not out of the tables yet.
static bool admit_edge(struct link_server *server, struct peer *peer, const struct edge_hello *said,
	const struct link_nonces *nonces, struct bytes key)
{
	struct edge_link *edge = edge_by_name(server, pb_bytes(said->message->name));
	struct link_answer answer;
	struct buf message = { 0 };
	if (edge != NULL && !yield_name(server, peer, edge, said->message)) {
		return true;
	}
	edge = prepare_edge(server, said, &answer);
	if (edge == NULL) {
		return false;
	}
	update_edge(edge, said->message);
	make_hello_ack(server, &answer, nonces, key, &message);
	peer_admit(peer, edge, buf_bytes(&message));
	buf_fini(&message);
	log_info("edge_up", LOG_STR("edge", edge->name),
		LOG_STR("session", answer.resumed ? "resumed" : "new"),
		LOG_STR("version", edge->version));
	if (server->holding) {
		send_hold(server, peer);
	}
	return true;
}

static void on_hello(struct link_server *server, struct peer *peer, struct bytes packed)
{
	struct link_nonces nonces;
	struct buf body = { 0 };
	size_t key_index;
	memcpy(nonces.router, peer->nonce, sizeof(peer->nonce));
	const struct link_keys *keys = server->options.keys;
	if (!link_verify(packed, LINK_ROLE_EDGE, keys->keys, keys->n, &nonces, &key_index, &body)) {
		refuse(server, peer, GOAWAY_BAD_KEY, bytes_make(NULL, 0));
		buf_fini(&body);
		return;
	}
	struct edge_hello hello;
	if (!edge_hello_unpack(&hello, buf_bytes(&body))) {
		refuse(server, peer, GOAWAY_PROTOCOL, bytes_make(NULL, 0));
	} else if (!link_version_fits(hello.message->major, hello.message->minor)) {
		refuse(server, peer, GOAWAY_VERSION, pb_bytes(hello.message->name));
	} else if (!link_keys_fit(keys, key_index, pb_bytes(hello.message->name))) {
		refuse(server, peer, GOAWAY_BAD_KEY, pb_bytes(hello.message->name));
	} else {
		struct bytes key = keys->n > 0 ? keys->keys[key_index] : bytes_make(NULL, 0);
		if (!admit_edge(server, peer, &hello, &nonces, key)) {
			buf_append_bytes(&peer->hello, packed);
			peer->opened_ms = clock_mono_ms();
		}
	}
	edge_hello_fini(&hello);
	buf_fini(&body);
}

static struct peer *waiting_peer(const struct link_server *server)
{
	struct peer *peer = NULL;
	while ((peer = peers_next(server->peers, peer)) != NULL && peer->hello.len == 0) {
	}
	return peer;
}

static void on_purge(void *arg)
{
	struct link_server *server = arg;
	struct peer *peer;
	while (purge(server) && (peer = waiting_peer(server)) != NULL) {
		struct buf hello = peer->hello;
		peer->hello = (struct buf){ 0 };
		on_hello(server, peer, buf_bytes(&hello));
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

static bool on_edge_frame(struct link_server *server, struct peer *peer,
	const struct link_frame *frame)
{
	struct edge_link *edge = peer->edge;
	if (frame->type != LINK_GOAWAY && !edge_link_acked(edge, frame->ack)) {
		return false;
	}
	switch (frame->type) {
	case LINK_BATCH:
		return on_batch(server, edge, frame);
	case LINK_PING:
		peer_send(peer, LINK_PONG, frame->body);
		return true;
	case LINK_PONG:
		on_pong(edge, frame->body);
		return true;
	case LINK_HELD:
		return on_held(server, edge, frame->body);
	case LINK_ACK:
		return true;
	case LINK_GOAWAY:
		purge_edge(server, edge, "left");
		return true;
	default:
		return false;
	}
}

static void on_frame(void *arg, struct peer *peer, const struct link_frame *frame)
{
	struct link_server *server = arg;
	if (peer->edge == NULL) {
		if (frame->type == LINK_HELLO && peer->hello.len == 0) {
			on_hello(server, peer, frame->body);
		} else {
			refuse(server, peer, GOAWAY_PROTOCOL, bytes_make(NULL, 0));
		}
		return;
	}
	peer->edge->heard_ms = link_conn_last_rx_ms(peer->conn);
	if (!on_edge_frame(server, peer, frame)) {
		malformed(server, peer->edge);
	}
}

static void on_hung_up(void *arg, struct peer *peer)
{
	(void)arg;
	if (peer->edge != NULL) {
		peer->edge->hung_up = true;
	}
}

static const struct peer_ops peer_ops = {
	.on_frame = on_frame,
	.on_hung_up = on_hung_up,
};

static void on_turn_end(void *arg)
{
	struct link_server *server = arg;
	flush_edges(server);
	peers_reap(server->peers);
}

// ---- time

static void watch_peers(struct link_server *server, uint64_t now_ms)
{
	struct peer *next;
	for (struct peer *peer = peers_next(server->peers, NULL); peer != NULL; peer = next) {
		next = peers_next(server->peers, peer);
		uint64_t since = peer->edge != NULL ? peer->edge->heard_ms : peer->opened_ms;
		uint64_t limit =
			peer->edge != NULL ? server->options.link_timeout_ms / 2 : OPEN_LIMIT_MS;
		if (now_ms > since && now_ms - since > limit) {
			peer_close(peer);
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

// `*since` is so much later, but not in the future.
static void put_off(uint64_t *since, uint64_t ms, uint64_t now_ms)
{
	if (*since < now_ms) {
		*since += ms < now_ms - *since ? ms : now_ms - *since;
	}
}

// For `ms` we have neither read nor written.
static void forgive_silence(struct link_server *server, uint64_t ms, uint64_t now_ms)
{
	struct edge_link *edge;
	struct peer *peer = NULL;
	LIST_FOREACH (edge, &server->edges, in_server) {
		put_off(&edge->heard_ms, ms, now_ms);
	}
	while ((peer = peers_next(server->peers, peer)) != NULL) {
		put_off(&peer->opened_ms, ms, now_ms);
	}
	put_off(&server->started_ms, ms, now_ms); // while edges of the last router are awaited
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
	send_edges(server);
}

// Forgets rooms for a while. True if there is more to do, at the next tick.
static bool sweep(struct link_server *server, uint64_t now_ms)
{
	uint64_t until_ns = clock_mono_ns() + (uint64_t)SWEEP_MS * 1000000;
	bool more = true;
	while (more && clock_mono_ns() < until_ns) {
		more = route_sweep(server->route, now_ms);
	}
	return more;
}

static void on_tick(void *arg)
{
	struct link_server *server = arg;
	uint64_t now_ms = clock_mono_ms();
	uint64_t late_ms = now_ms - server->tick_ms;
	if (late_ms > LATE_MS) {
		forgive_silence(server, late_ms - TICK_MS, now_ms);
	}
	server->tick_ms = now_ms;
	route_tell_time(server->route, clock_wall_ms());
	watch_peers(server, now_ms);
	watch_edges(server, now_ms);
	watch_settling(server, now_ms);
	bool is_due = now_ms - server->sweep_ms >= SWEEP_EVERY_MS;
	if (is_due || server->sweeping) {
		server->sweeping = sweep(server, now_ms);
	}
	if (is_due) {
		server->sweep_ms = now_ms;
		route_expire_revocations(server->route, clock_wall_ms());
		trim_edges(server);
	}
	loop_timer_start(&server->tick, TICK_MS);
}

// ---- life

struct link_server *link_server_new(struct loop *loop, const struct link_server_options *options,
	struct route *route, const char **why)
{
	const struct peers_options peers_options = {
		.url = options->url,
		.tls = options->tls,
		.name = options->name,
		.keys = options->keys,
	};
	struct link_server *server = xcalloc(1, sizeof(*server));
	server->peers = peers_new(loop, &peers_options, &peer_ops, server, why);
	if (server->peers == NULL) {
		free(server);
		return NULL;
	}
	server->options = *options;
	server->loop = loop;
	server->route = route;
	backpressure_init(&server->flow, route);
	route_on_distrust(route, on_distrust, server);
	server->started_ms = clock_mono_ms();
	server->tick_ms = server->started_ms;
	loop_at_turn_end(loop, on_turn_end, server);
	loop_timer_init(loop, &server->purge, on_purge, server);
	loop_timer_init(loop, &server->tick, on_tick, server);
	loop_timer_init(loop, &server->next_turn, on_next_turn, server);
	loop_timer_start(&server->tick, TICK_MS);
	return server;
}

void link_server_free(struct link_server *server)
{
	if (server == NULL) {
		return;
	}
	struct peer *peer = NULL;
	loop_timer_stop(&server->purge);
	loop_timer_stop(&server->tick);
	loop_timer_stop(&server->next_turn);
	peers_stop(server->peers);
	while ((peer = peers_next(server->peers, peer)) != NULL) {
		if (peer->edge != NULL) {
			peer_send_goaway(peer, GOAWAY_RESTARTING);
		}
	}
	poll(NULL, 0, TICK_MS); // for the GOAWAYs to leave
	peers_receive(server->peers); // streams accepted meanwhile
	struct edge_link *edge = LIST_FIRST(&server->edges);
	LIST_INIT(&server->edges);
	while (edge != NULL) {
		struct edge_link *next = LIST_NEXT(edge, in_server);
		close_edge_peer(server, edge);
		edge_link_free(edge);
		edge = next;
	}
	peers_free(server->peers);
	backpressure_fini(&server->flow);
	free(server);
}

void link_server_hold(struct link_server *server, bool holding)
{
	struct peer *peer = NULL;
	server->holding = holding;
	while ((peer = peers_next(server->peers, peer)) != NULL) {
		if (peer->edge != NULL) {
			send_hold(server, peer);
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
	return route_is_idle(server->route);
}

const char *link_server_url(const struct link_server *server)
{
	return peers_url(server->peers);
}

struct edge_link *link_server_next(struct link_server *server, struct edge_link *link)
{
	return link == NULL ? LIST_FIRST(&server->edges) : LIST_NEXT(link, in_server);
}

const struct histogram *link_server_route_seconds(const struct link_server *server)
{
	return &server->flow.route_seconds;
}
