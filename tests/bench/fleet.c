// A client is a connection, a room and a judge, and moves through few states: queued, joining,
// joined, and then leaving, away or gone. Every move is made in set_state(), which keeps the
// counts, so that "all have joined" is a comparison and not a walk.
//
// Connections are opened from the queue only, between turns of the wire: a few hundred at a time
// are under way at most, which is what listen backlogs bear, or as many a second as option
// connect-rate says. Who comes back after a close stands in the same queue, behind the delay that
// the close advised.
//
// All judging happens here as messages arrive: order and repeats by the client's judge, identity by
// the ledger, the sender's own order by what was placed last, and that a sender hears its message
// before its ack. What is only known at the end, the tail that never came, is settled in
// fleet_close().
//
// A client is in one room at most. That is all the modes need, and it makes the room of a message a
// comparison instead of a search.

#include "tests/bench/fleet.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/clock.h"
#include "common/http_head.h"
#include "common/mem.h"

enum {
	JOINING_MAX = 256, // connections under way at once
	TURN_MS_MAX = 100,
	CLOSE_TIMEOUT_MS = 3000,
	BACKOFF_MIN_MS = 200,
	BACKOFF_MAX_MS = 5000,
	QUEUED_MAX = 256 * 1024, // bytes: more has to wait for the socket
	OVERDUE_S = 5,
	SOURCE_PORTS = 25000, // connections to one address from one address
	DESCRIPTORS_SPARE = 64,
	NS_PER_MS = 1000000,
	NS_PER_S = 1000000000,
};

static const uint64_t overdue_ns = (uint64_t)OVERDUE_S * NS_PER_S;

static struct client *client_of(struct conn *c)
{
	return CONTAINER_OF(c, struct client, conn);
}

static struct room *room_of(const struct fleet *f, const struct client *client)
{
	return client->room != NO_ROOM ? &f->rooms[client->room] : NULL;
}

static bool is_churn(const struct fleet *f)
{
	return f->conf->mode == MODE_CHURN;
}

static bool is_measured(const struct fleet *f, uint64_t at_ns)
{
	return at_ns >= f->measure_from_ns && at_ns < f->measure_to_ns;
}

// States

static uint32_t *count_of(struct fleet *f, enum client_state state)
{
	switch (state) {
	case CLIENT_JOINING:
		return &f->n_joining;
	case CLIENT_JOINED:
		return &f->n_joined;
	case CLIENT_GONE:
		return &f->n_gone;
	default:
		return NULL;
	}
}

static void set_state(struct fleet *f, struct client *client, enum client_state state)
{
	uint32_t *from = count_of(f, client->state);
	uint32_t *to = count_of(f, state);
	if (from != NULL) {
		(*from)--;
	}
	if (to != NULL) {
		(*to)++;
	}
	client->state = state;
	wheel_cancel(&client->timer);
}

static void set_timer(struct fleet *f, struct client *client, uint64_t delay_ms)
{
	wheel_set(&f->wheel, &client->timer, f->now_ns / NS_PER_MS + delay_ms);
}

// Counted in its room from its first joining until it is gone for good.
static void set_member(struct fleet *f, struct client *client, bool member)
{
	struct room *room = room_of(f, client);
	if (room != NULL && client->member != member) {
		room->members += member ? 1 : -1U;
	}
	client->member = member;
}

static void set_absent(struct fleet *f, struct client *client, bool absent)
{
	struct room *room = room_of(f, client);
	if (room != NULL && client->absent != absent) {
		room->away += absent ? 1 : -1U;
	}
	client->absent = absent;
}

static void enqueue(struct fleet *f, struct client *client)
{
	set_state(f, client, CLIENT_QUEUED);
	STAILQ_INSERT_TAIL(&f->queue, client, queue_link);
}

static void go_away(struct fleet *f, struct client *client, uint64_t delay_ms)
{
	set_state(f, client, CLIENT_AWAY);
	set_timer(f, client, delay_ms);
}

static void leave(struct fleet *f, struct client *client)
{
	set_state(f, client, CLIENT_LEAVING);
	set_timer(f, client, CLOSE_TIMEOUT_MS);
	conn_close(&f->wire, &client->conn, WS_CLOSE_NORMAL);
}

static void on_timer(struct wheel_entry *entry, void *arg)
{
	struct fleet *f = arg;
	struct client *client = CONTAINER_OF(entry, struct client, timer);
	if (client->state == CLIENT_AWAY) {
		enqueue(f, client);
	} else {
		conn_abort(&f->wire, &client->conn, bytes_str("timeout"));
	}
}

// Connecting

// One more address of 127.0.0.0/8 for every SOURCE_PORTS connections to an edge on it: ports are
// 16 bits. NULL while the first address suffices, or if it is not ours to choose.
static const struct net_addr *choose_source(const struct fleet *f, const struct client *client,
	const struct net_addr *to, struct net_addr *source)
{
	uint32_t block = client->index / (SOURCE_PORTS * (uint32_t)f->n_edges);
	if (block == 0 || to->sa.ss_family != AF_INET || !net_addr_is_loopback(to)) {
		return NULL;
	}
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK + block),
	};
	memcpy(&source->sa, &in, sizeof(in));
	source->len = sizeof(in);
	return source;
}

static void on_failure(struct fleet *f, struct client *client, const struct conn_end *end);

static void connect_client(struct fleet *f, struct client *client)
{
	const struct edge_address *edge = &f->edges[(client->index + client->session) % f->n_edges];
	struct net_addr source;
	struct buf token = { 0 };
	identity_append_token(&f->identity, client->index, &token);
	f->scratch.len = 0;
	f->protocol->target(&f->scratch, buf_bytes(&token));
	set_state(f, client, CLIENT_JOINING);
	set_timer(f, client, f->conf->timeout_ms);
	client->started_ns = f->now_ns;
	int error = conn_open(&f->wire, &client->conn, &edge->addr, edge->host,
		choose_source(f, client, &edge->addr, &source), buf_bytes(&f->scratch));
	buf_fini(&token);
	if (error != 0) {
		const struct conn_end end = {
			.ending = CONN_UNREACHED,
			.reason = bytes_str(strerrordesc_np(-error)),
		};
		on_failure(f, client, &end);
	}
}

static bool may_connect(const struct fleet *f)
{
	if (f->closing || STAILQ_EMPTY(&f->queue)) {
		return false;
	}
	uint64_t rate = f->conf->connect_rate;
	if (rate > 0 && f->n_started * NS_PER_S / rate > f->now_ns - f->connect_from_ns) {
		return false;
	}
	return is_churn(f) || f->n_joining < JOINING_MAX;
}

static void connect_some(struct fleet *f)
{
	for (unsigned n = 0; n < JOINING_MAX && may_connect(f); n++) {
		struct client *client = STAILQ_FIRST(&f->queue);
		STAILQ_REMOVE_HEAD(&f->queue, queue_link);
		f->n_started++;
		connect_client(f, client);
	}
	if (STAILQ_EMPTY(&f->queue)) {
		// A pause earns no burst.
		f->connect_from_ns = f->now_ns;
		f->n_started = 0;
	}
}

// Ending

static uint64_t delay_of(struct fleet *f, const struct client *client, const struct advice *advice)
{
	if (advice->has_delay) {
		return rng_between(&f->rng, advice->delay_min_ms, advice->delay_max_ms);
	}
	unsigned doublings = client->failures < 5 ? client->failures : 5;
	uint64_t cap = (uint64_t)BACKOFF_MIN_MS << doublings;
	return rng_between(&f->rng, 0, cap < BACKOFF_MAX_MS ? cap : BACKOFF_MAX_MS);
}

static void count_ending(struct fleet *f, const struct conn_end *end, struct bytes reason)
{
	endings_count(&f->endings, conn_ending_name(end->ending), end->code, reason);
}

// The client will not come back.
static void give_up(struct fleet *f, struct client *client)
{
	f->tally.failed += client->member || is_churn(f) ? 0 : 1;
	set_absent(f, client, false);
	set_member(f, client, false);
	set_state(f, client, CLIENT_GONE);
}

// The connection ended, and not by our doing.
static void on_failure(struct fleet *f, struct client *client, const struct conn_end *end)
{
	struct advice advice = { .reconnect = true, .reason = end->reason };
	if (end->ending == CONN_CLOSED) {
		f->protocol->read_close(end->code, end->reason, &advice);
	}
	count_ending(f, end, advice.reason);
	if (client->state == CLIENT_JOINED) {
		f->tally.closed++;
		set_absent(f, client, true);
		ledger_release_room(&f->ledger, client->room);
	}
	client->failures++;
	client->session++;
	if (is_churn(f)) {
		f->tally.failed++;
		go_away(f, client, WHEEL_TICK_MS);
	} else if (f->conf->reconnect && advice.reconnect && !f->closing) {
		go_away(f, client, delay_of(f, client, &advice));
	} else {
		give_up(f, client);
	}
}

static void on_left(struct fleet *f, struct client *client, const struct conn_end *end)
{
	if (end->ending != CONN_CLOSED && !f->closing) {
		count_ending(f, end, end->reason);
	}
	if (!is_churn(f) || f->closing) {
		set_state(f, client, CLIENT_GONE);
		return;
	}
	f->tally.cycles++;
	f->measured_cycles += is_measured(f, client->started_ns) ? 1 : 0;
	enqueue(f, client);
}

static void on_ended(void *arg, struct conn *c, const struct conn_end *end)
{
	struct fleet *f = arg;
	struct client *client = client_of(c);
	if (client->state == CLIENT_LEAVING) {
		on_left(f, client, end);
	} else {
		on_failure(f, client, end);
	}
}

// Joining

static struct position position_of(const struct client *client)
{
	return (struct position){
		.epoch = bytes_make(client->epoch, client->epoch_len),
		.seq = client->judge.last,
	};
}

static void on_opened(void *arg, struct conn *c)
{
	struct fleet *f = arg;
	struct client *client = client_of(c);
	const struct room *room = room_of(f, client);
	if (room != NULL) {
		f->scratch.len = 0;
		f->protocol->join(&f->scratch, room->name,
			is_churn(f) ? (struct position){ 0 } : position_of(client));
		conn_send(&f->wire, c, buf_bytes(&f->scratch));
	}
}

static void on_joined(struct fleet *f, struct client *client)
{
	if (is_measured(f, client->started_ns) || !is_churn(f)) {
		hist_add(&f->joining, f->wire.now_ns - client->started_ns);
	}
	f->tally.reconnected += client->member && !is_churn(f) ? 1 : 0;
	client->failures = 0;
	set_state(f, client, CLIENT_JOINED);
	set_member(f, client, true);
	set_absent(f, client, false);
	if (is_churn(f)) {
		leave(f, client);
	}
}

// The server closes; what remains is the end of the stream.
static void on_closing(void *arg, struct conn *c)
{
	set_timer(arg, client_of(c), CLOSE_TIMEOUT_MS);
}

// Judging

// The fingerprint of a message's epoch; mostly it is the one the client knows.
static uint64_t epoch_of(const struct client *client, struct bytes text)
{
	bool same = bytes_equal(text, bytes_make(client->epoch, client->epoch_len));
	return same && client->judge.epoch != 0 ? client->judge.epoch : judge_epoch(text);
}

static void keep_epoch(struct client *client, struct bytes text)
{
	client->epoch_len = (uint8_t)(text.len < EPOCH_MAX ? text.len : EPOCH_MAX);
	memcpy(client->epoch, text.data, client->epoch_len);
}

static void note_room(struct room *room, uint64_t epoch, uint64_t seq)
{
	if (epoch == room->last_epoch && epoch != room->epoch) {
		return;
	}
	if (epoch != room->epoch) {
		room->last_epoch = room->epoch;
		room->epoch = epoch;
		room->last = 0;
	}
	room->last = seq > room->last ? seq : room->last;
}

// A publish of ours has its place in the room's order: at its first sighting it must lie behind
// what the same sender had published before.
static void place(struct fleet *f, struct publish *p, uint64_t epoch, uint64_t seq)
{
	bool news;
	if (!ledger_place(p, epoch, seq, &news)) {
		f->tally.duplicated++;
	}
	if (!news) {
		return;
	}
	struct client *sender = &f->clients[p->origin.publisher];
	bool later = p->number > sender->placed_number;
	if (epoch == sender->placed_epoch && later != (seq > sender->placed_seq)) {
		f->tally.out_of_order++;
	}
	if (later) {
		sender->placed_number = p->number;
		sender->placed_epoch = epoch;
		sender->placed_seq = seq;
	}
}

// Counts one message and returns the publish it is of, if it is one of ours.
static struct publish *take_delivery(struct fleet *f, struct client *client,
	const struct incoming *in)
{
	uint64_t epoch = epoch_of(client, in->epoch);
	f->tally.delivered++;
	if (epoch != client->judge.epoch) {
		keep_epoch(client, in->epoch);
	}
	if (!judge_delivery(&client->judge, &f->tally, epoch, in->seq)) {
		return NULL;
	}
	note_room(room_of(f, client), epoch, in->seq);
	struct publish *p = ledger_find(&f->ledger, in->number);
	if (p == NULL) {
		f->tally.foreign++;
		return NULL;
	}
	f->tally.stray += p->state == PUBLISH_REFUSED || p->origin.room != client->room ? 1 : 0;
	if (p->origin.publisher == client->index && p->state == PUBLISH_ACKED) {
		f->tally.out_of_order++; // a sender hears its message before the ack
	}
	place(f, p, epoch, in->seq);
	ledger_delivered(&f->ledger, p);
	return p;
}

// A delivery has just come; `p` is NULL if it is not known of what.
static void count_delivery(struct fleet *f, const struct publish *p)
{
	uint64_t now_ns = f->wire.now_ns;
	f->measured_deliveries += is_measured(f, now_ns) ? 1 : 0;
	if (p != NULL && is_measured(f, p->intended_ns)) {
		hist_add(&f->latency, now_ns - p->intended_ns);
	}
}

static void on_delivery(struct fleet *f, struct client *client, const struct incoming *in)
{
	count_delivery(f, take_delivery(f, client, in));
}

static void take_missed(struct fleet *f, struct client *client, struct bytes messages)
{
	struct incoming in;
	while (f->protocol->next_missed(&messages, &in)) {
		if (in.kind != INCOMING_DELIVERY) {
			f->tally.stray++;
			continue;
		}
		take_delivery(f, client, &in);
		f->tally.recovered++;
	}
}

// The answer to our join, or the news that the room starts over.
static void on_position(struct fleet *f, struct client *client, const struct incoming *in)
{
	uint64_t epoch = epoch_of(client, in->epoch);
	if (in->recovered && epoch == client->judge.epoch) {
		take_missed(f, client, in->messages);
		judge_recovered(&client->judge, &f->tally, in->seq);
	} else {
		if (is_churn(f)) {
			client->judge = (struct judge){ 0 };
		}
		judge_start(&client->judge, &f->tally, epoch, in->seq);
		keep_epoch(client, in->epoch);
	}
	note_room(room_of(f, client), epoch, in->seq);
	if (client->state == CLIENT_JOINING && in->has_id) {
		on_joined(f, client);
	}
}

static void on_ack(struct fleet *f, const struct client *client, const struct incoming *in)
{
	struct publish *p = ledger_find(&f->ledger, in->number);
	if (p == NULL || p->origin.publisher != client->index) {
		f->tally.stray++;
		return;
	}
	ledger_acked(&f->ledger, p);
	uint64_t epoch = epoch_of(client, in->epoch);
	note_room(room_of(f, client), epoch, in->seq);
	place(f, p, epoch, in->seq);
}

static void on_error(struct fleet *f, struct client *client, const struct incoming *in)
{
	if (client->state == CLIENT_JOINING) {
		conn_abort(&f->wire, &client->conn, in->code);
		return;
	}
	endings_count(&f->endings, in->outcome_unknown ? "unknown" : "refused", 0, in->code);
	struct publish *p = in->has_id ? ledger_find(&f->ledger, in->number) : NULL;
	if (p != NULL) {
		ledger_refused(&f->ledger, p, in->outcome_unknown);
	}
}

static bool is_of_room(const struct fleet *f, const struct client *client,
	const struct incoming *in)
{
	const struct room *room = room_of(f, client);
	return room != NULL && bytes_equal_str(in->room, room->name);
}

// Nothing has a place here, so nothing is known but what has come.
static void on_unsequenced(struct fleet *f, struct client *client, const struct incoming *in)
{
	if (in->kind == INCOMING_JOINED && client->state == CLIENT_JOINING) {
		on_joined(f, client);
		return;
	}
	struct publish *p =
		in->kind == INCOMING_DELIVERY ? ledger_find(&f->ledger, in->number) : NULL;
	if (p == NULL || p->origin.room != client->room || !is_of_room(f, client, in)) {
		f->tally.stray++;
		return;
	}
	f->tally.delivered++;
	ledger_delivered(&f->ledger, p);
	count_delivery(f, p);
}

static void on_room_message(struct fleet *f, struct client *client, const struct incoming *in)
{
	if (!f->protocol->sequenced) {
		on_unsequenced(f, client, in);
		return;
	}
	if (!is_of_room(f, client, in)) {
		f->tally.stray++;
		return;
	}
	switch (in->kind) {
	case INCOMING_DELIVERY:
		on_delivery(f, client, in);
		break;
	case INCOMING_JOINED:
		on_position(f, client, in);
		break;
	case INCOMING_GAP:
		judge_gap(&client->judge, &f->tally, in->from, in->to);
		break;
	default:
		on_ack(f, client, in);
		break;
	}
}

static void take_message(struct fleet *f, struct client *client, struct bytes message)
{
	if (client->state == CLIENT_LEAVING) {
		return;
	}
	struct incoming in;
	f->protocol->read(message, &in);
	switch (in.kind) {
	case INCOMING_OTHER:
		// Without a room, the first word of the server is the welcome.
		if (client->state == CLIENT_JOINING && client->room == NO_ROOM) {
			on_joined(f, client);
		}
		break;
	case INCOMING_BROKEN:
		f->tally.stray++;
		break;
	case INCOMING_ERROR:
		on_error(f, client, &in);
		break;
	default:
		on_room_message(f, client, &in);
		break;
	}
}

static void on_message(void *arg, struct conn *c, struct bytes message)
{
	struct fleet *f = arg;
	struct bytes one = message;
	if (f->protocol->take == NULL) {
		take_message(f, client_of(c), one);
		return;
	}
	while (c->state == CONN_OPEN && f->protocol->take(&message, &one)) {
		take_message(f, client_of(c), one);
	}
}

// Publishing

bool fleet_can_publish(const struct fleet *f, uint32_t client)
{
	const struct client *c = &f->clients[client];
	return c->state == CLIENT_JOINED && c->conn.state == CONN_OPEN &&
		conn_queued(&c->conn) < QUEUED_MAX;
}

uint32_t fleet_audience(const struct fleet *f, uint32_t client)
{
	return room_of(f, &f->clients[client])->members;
}

void fleet_publish(struct fleet *f, uint32_t client, uint64_t intended_ns)
{
	struct client *c = &f->clients[client];
	struct room *room = room_of(f, c);
	const struct origin origin = {
		.room = c->room,
		.publisher = client,
		.session = c->session,
	};
	struct publish *p = ledger_add(&f->ledger, intended_ns, origin, room->members,
		room->members - room->away);
	f->scratch.len = 0;
	f->protocol->publish(&f->scratch, room->name, p->number, f->conf->size);
	conn_send(&f->wire, &c->conn, buf_bytes(&f->scratch));
	if (!f->protocol->sequenced) {
		ledger_acked(&f->ledger, p); // nobody will
	}
}

// Life

static const struct conn_events conn_events = {
	.opened = on_opened,
	.message = on_message,
	.closing = on_closing,
	.ended = on_ended,
};

static int fail(const char *option, const char *value, const char *why)
{
	fprintf(stderr, "error: %s: %s: %s\n", option, value, why);
	return -1;
}

static int resolve(struct edge_address *edge, const char *text)
{
	struct bytes host;
	uint16_t port;
	CHECK(http_authority_split(bytes_str(text), &host, &port));
	if (host.len > 2 && host.data[0] == '[') {
		host = bytes_make(host.data + 1, host.len - 2);
	}
	char *name = xstrndup(host.data, host.len);
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	int error = getaddrinfo(name, NULL, &hints, &found);
	free(name);
	if (error != 0) {
		return fail("edge", text, gai_strerror(error));
	}
	edge->host = text;
	memcpy(&edge->addr.sa, found->ai_addr, found->ai_addrlen);
	edge->addr.len = found->ai_addrlen;
	net_addr_set_port(&edge->addr, port);
	freeaddrinfo(found);
	return 0;
}

static int resolve_edges(struct fleet *f)
{
	f->n_edges = f->conf->edges.n;
	f->edges = xcalloc(f->n_edges, sizeof(f->edges[0]));
	for (size_t i = 0; i < f->n_edges; i++) {
		if (resolve(&f->edges[i], f->conf->edges.items[i]) != 0) {
			return -1;
		}
	}
	return 0;
}

static int raise_descriptors(uint64_t clients)
{
	struct rlimit limit;
	rlim_t need = clients + DESCRIPTORS_SPARE;
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	if (limit.rlim_cur >= need) {
		return 0;
	}
	limit.rlim_cur = need;
	limit.rlim_max = limit.rlim_max > need ? limit.rlim_max : need;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
		char need_text[64];
		snprintf(need_text, sizeof(need_text), "%llu open files are not allowed",
			(unsigned long long)need);
		return fail("clients", need_text, strerrordesc_np(errno));
	}
	return 0;
}

static void make_rooms(struct fleet *f)
{
	f->rooms = xcalloc(f->conf->rooms + 1, sizeof(f->rooms[0]));
	for (uint64_t i = 0; i < f->conf->rooms; i++) {
		f->rooms[i].name = xasprintf("%s-%llu", f->conf->prefix, (unsigned long long)i);
	}
}

// Members of a room stand side by side, so that a room spreads over the edges.
static void make_clients(struct fleet *f)
{
	f->clients = xcalloc(f->conf->clients, sizeof(f->clients[0]));
	for (uint32_t i = 0; i < f->conf->clients; i++) {
		struct client *client = &f->clients[i];
		client->index = i;
		client->room =
			f->conf->members > 0 ? i / (uint32_t)f->conf->members : (uint32_t)NO_ROOM;
		enqueue(f, client);
	}
}

int fleet_init(struct fleet *f, const struct bench_conf *conf)
{
	f->conf = conf;
	f->protocol = bench_protocols[conf->protocol];
	f->rng.state = conf->seed;
	f->wire.epoll = -1;
	f->wire.timer = -1;
	STAILQ_INIT(&f->queue);
	if (resolve_edges(f) != 0 || identity_init(&f->identity, conf) != 0 ||
		raise_descriptors(conf->clients) != 0) {
		return -1;
	}
	int error = wire_init(&f->wire, &conn_events, f, &f->rng, conf->tls, conf->deflate);
	if (error != 0) {
		return fail("clients", "epoll", strerrordesc_np(-error));
	}
	f->wire.subprotocol = f->protocol->subprotocol;
	f->wire.binary = f->protocol->binary;
	f->now_ns = clock_mono_ns();
	f->connect_from_ns = f->now_ns;
	wheel_init(&f->wheel, f->now_ns / NS_PER_MS);
	ledger_init(&f->ledger, conf->seed, &f->tally);
	make_rooms(f);
	make_clients(f);
	return 0;
}

void fleet_fini(struct fleet *f)
{
	for (uint64_t i = 0; f->clients != NULL && i < f->conf->clients; i++) {
		CHECK(f->clients[i].conn.state == CONN_NONE);
	}
	for (uint64_t i = 0; f->rooms != NULL && i < f->conf->rooms; i++) {
		free(f->rooms[i].name);
	}
	free(f->rooms);
	free(f->clients);
	free(f->edges);
	identity_fini(&f->identity);
	buf_fini(&f->scratch);
	ledger_fini(&f->ledger);
	wire_fini(&f->wire);
}

void fleet_turn(struct fleet *f, uint64_t wake_ns)
{
	f->now_ns = clock_mono_ns();
	wheel_advance(&f->wheel, f->now_ns / NS_PER_MS, on_timer, f);
	ledger_expire(&f->ledger, f->now_ns > overdue_ns ? f->now_ns - overdue_ns : 0);
	connect_some(f);
	bool at_once = !STAILQ_EMPTY(&f->queue) && may_connect(f);
	wire_wake_at(&f->wire, wake_ns);
	wire_turn(&f->wire, at_once ? 0 : TURN_MS_MAX);
}

bool fleet_is_settled(const struct fleet *f)
{
	return f->n_joined + f->n_gone == f->conf->clients;
}

static uint32_t session_of(void *arg, uint32_t publisher)
{
	const struct fleet *f = arg;
	return f->clients[publisher].session;
}

// What a member never got, by what its room has reached. It was lost if the member was there to the
// end; and if it was not, unless coming back was agreed upon.
static void settle_tail(struct fleet *f, const struct client *client)
{
	const struct room *room = room_of(f, client);
	if (room == NULL || is_churn(f)) {
		return;
	}
	uint64_t missing = judge_tail(&client->judge, room->epoch, room->last);
	if (client->state == CLIENT_JOINED || !f->conf->reconnect) {
		f->tally.lost += missing;
	} else {
		f->tally.announced += missing;
	}
}

static void stop_client(struct fleet *f, struct client *client)
{
	if (client->state == CLIENT_QUEUED || client->state == CLIENT_AWAY) {
		give_up(f, client);
	} else if (client->state == CLIENT_JOINING) {
		give_up(f, client);
		set_state(f, client, CLIENT_LEAVING);
		conn_abort(&f->wire, &client->conn, bytes_str("stopped"));
	} else if (client->state == CLIENT_JOINED) {
		leave(f, client);
	}
}

void fleet_close(struct fleet *f)
{
	f->closing = true;
	f->tally.lost += f->protocol->sequenced ? 0 : f->ledger.outstanding;
	ledger_close(&f->ledger, session_of, f);
	for (uint64_t i = 0; i < f->conf->clients; i++) {
		settle_tail(f, &f->clients[i]);
	}
	STAILQ_INIT(&f->queue);
	for (uint64_t i = 0; i < f->conf->clients; i++) {
		stop_client(f, &f->clients[i]);
	}
	while (f->n_gone < f->conf->clients) {
		fleet_turn(f, 0);
	}
}
