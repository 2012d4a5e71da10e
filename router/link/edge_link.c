// `fresh` needs no lock and is where routing writes, so a message to many edges costs one copy each
// and no lock; the mutex is taken once a turn and edge. `tail` and the window are shared with the
// connection's write callback, which closes a BATCH with whatever waits the moment the last write
// is done: a busy link sends large batches, an idle one sends at once.
//
// An edge that does not read fills its window (1 MiB), then its tail. Past that it is cut off, and
// says in its next hello where its rooms stand: the loss is explicit, and no other edge waits.
//
// A process that died and was started again has to get its name back at once; of two living edges
// with the same name, one must not get it whenever the other's link is cut. A HELLO does not tell
// these two cases apart. So the holder of the name is asked: a PONG to a PING that was sent after
// the other's HELLO shows that both live. Rejected: remembering the boot ids that were refused (a
// restart that is quicker than the close of the old connection would be among them), and letting
// the HELLO wait for the answer (a dead edge gives none, so a time limit would decide after all).

#include "router/link/edge_link.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/mem.h"
#include "proto/link_items.h"

enum {
	KEEP_CAP = 256 << 10
};

struct edge_link *edge_link_new(struct bytes name, const uint8_t boot[LINK_BOOT_LEN])
{
	struct edge_link *link = xcalloc(1, sizeof(*link));
	CHECK(name.len <= LINK_NAME_MAX);
	memcpy(link->name, name.data, name.len);
	memcpy(link->boot, boot, LINK_BOOT_LEN);
	link_session_init(&link->session);
	link->since_ms = clock_wall_ms();
	return link;
}

void edge_link_free(struct edge_link *link)
{
	CHECK(link->conn == NULL);
	link_session_fini(&link->session);
	buf_fini(&link->fresh);
	buf_fini(&link->tail);
	buf_fini(&link->parked);
	free(link->version);
	free(link);
}

// ---- the name

static bool has_rival(const struct edge_link *link, uint64_t now_ms)
{
	return link->rival_ms != 0 && now_ms - link->rival_ms < EDGE_RIVAL_MS;
}

enum edge_claim edge_link_claim(const struct edge_link *link, const uint8_t boot[LINK_BOOT_LEN],
	uint64_t timeout_ms, uint64_t now_ms)
{
	if (memcmp(link->boot, boot, LINK_BOOT_LEN) == 0) {
		return EDGE_CLAIM_SAME;
	}
	bool dead = link->conn == NULL && link->hung_up && !has_rival(link, now_ms);
	bool silent = now_ms - link->heard_ms >= timeout_ms;
	return dead || silent ? EDGE_CLAIM_NEXT : EDGE_CLAIM_TAKEN;
}

void edge_link_ask(struct edge_link *link, uint64_t now_ms)
{
	if (link->conn != NULL) {
		link->asked_ns = clock_mono_ns();
		edge_link_ping(link, now_ms);
	} else if (has_rival(link, now_ms)) {
		link->rival_ms = now_ms; // still there, and this one cannot be asked
	}
}

bool edge_link_answered(struct edge_link *link, uint64_t sent_ns, uint64_t now_ms)
{
	if (link->asked_ns == 0 || sent_ns < link->asked_ns) {
		return false;
	}
	bool news = !has_rival(link, now_ms);
	link->asked_ns = 0;
	link->rival_ms = now_ms;
	return news;
}

// ---- what waits for the connection

static void drop_waiting(struct edge_link *link)
{
	buf_reset(&link->fresh, 0);
	buf_reset(&link->tail, 0);
	link->tail_at = 0;
}

bool edge_link_is_silent(const struct edge_link *link, uint64_t now_ms)
{
	// A byte may have come after the caller read its clock.
	uint64_t heard_ms = link->conn != NULL ? link_conn_last_rx_ms(link->conn) : 0;
	return link->conn == NULL || (now_ms > heard_ms && now_ms - heard_ms > EDGE_SILENT_MS);
}

void edge_link_begin(struct edge_link *link)
{
	drop_waiting(link);
	buf_reset(&link->parked, 0);
	link->parked_at = 0;
	link->n_parked = 0;
	link->blocked = false;
	link->blocked_by = NULL;
	link->sliced = false;
	link->lagged = false;
}

static void lock(const struct edge_link *link)
{
	if (link->conn_lock != NULL) {
		pthread_mutex_lock(link->conn_lock);
	}
}

static void unlock(const struct edge_link *link)
{
	if (link->conn_lock != NULL) {
		pthread_mutex_unlock(link->conn_lock);
	}
}

// (locked) Moves the tail into the window as far as it has room, as one or more BATCHes.
static void pump(struct edge_link *link)
{
	if (link->conn == NULL || link_conn_is_writing(link->conn)) {
		return;
	}
	struct bytes rest = bytes_from(buf_bytes(&link->tail), link->tail_at);
	for (;;) {
		struct bytes before = rest;
		struct bytes item;
		if (link_batch_next(&rest, &item) <= 0) {
			break;
		}
		struct bytes element = bytes_make(before.data, before.len - rest.len);
		if (!link_window_add(&link->session.window, element)) {
			break;
		}
		link->tail_at += element.len;
	}
	link_window_close(&link->session.window);
	if (link->tail_at == link->tail.len) {
		buf_reset(&link->tail, KEEP_CAP);
		link->tail_at = 0;
	} else if (link->tail_at > link->tail.len / 2) {
		buf_consume(&link->tail, link->tail_at);
		link->tail_at = 0;
	}
}

static void pump_and_kick(struct edge_link *link)
{
	if (link->conn != NULL) {
		pump(link);
		link_conn_kick(link->conn);
	}
}

void edge_link_attach(struct edge_link *link, struct link_conn *conn, pthread_mutex_t *conn_lock)
{
	CHECK(link->conn == NULL);
	pthread_mutex_lock(conn_lock);
	link->conn = conn;
	link->conn_lock = conn_lock;
	link->held_at = 0;
	link_conn_attach(conn, &link->session.window);
	pump_and_kick(link);
	pthread_mutex_unlock(conn_lock);
}

void edge_link_detach(struct edge_link *link)
{
	if (link->conn == NULL) {
		return;
	}
	pthread_mutex_t *conn_lock = link->conn_lock;
	pthread_mutex_lock(conn_lock);
	link_conn_attach(link->conn, NULL);
	link->conn = NULL;
	link->conn_lock = NULL;
	pthread_mutex_unlock(conn_lock);
}

// What waits, as of now; the write callback may have moved some on since the last flush.
static size_t count_waiting(struct edge_link *link)
{
	lock(link);
	link->waiting = link->tail.len - link->tail_at;
	unlock(link);
	return link->waiting;
}

void edge_link_append(struct edge_link *link, struct bytes element)
{
	size_t more = link->fresh.len + element.len;
	if (link->lagged) {
		return;
	}
	if (link->waiting + more > EDGE_TAIL_MAX && count_waiting(link) + more > EDGE_TAIL_MAX) {
		link->lagged = true;
		buf_reset(&link->fresh, 0);
		return;
	}
	buf_append_bytes(&link->fresh, element);
}

bool edge_link_flush(struct edge_link *link)
{
	link->busy = true;
	lock(link);
	if (link->tail.len == 0) {
		struct buf swap = link->tail;
		link->tail = link->fresh;
		link->fresh = swap;
	} else {
		buf_append_bytes(&link->tail, buf_bytes(&link->fresh));
	}
	buf_reset(&link->fresh, KEEP_CAP);
	if (link_window_inflight(&link->session.window) == 0) {
		link->progress_ms = clock_mono_ms(); // nothing to acknowledge until now
	}
	pump_and_kick(link);
	if (link->lagged) {
		drop_waiting(link);
	}
	link->waiting = link->tail.len - link->tail_at;
	unlock(link);
	return !link->lagged;
}

void edge_link_trim(struct edge_link *link)
{
	if (!link->busy && link->fresh.len == 0 && link->n_parked == 0) {
		lock(link);
		buf_reset(&link->fresh, 0);
		if (link->tail_at == link->tail.len) {
			buf_reset(&link->tail, 0);
			link->tail_at = 0;
		}
		link_window_trim(&link->session.window);
		unlock(link);
	}
	link->busy = false;
}

void edge_link_on_drained(struct edge_link *link)
{
	pump(link);
}

bool edge_link_acked(struct edge_link *link, uint64_t ack)
{
	lock(link);
	uint64_t before = link->session.window.tx_acked;
	bool fine = link_window_acked(&link->session.window, ack) == 0;
	if (link->session.window.tx_acked > before) {
		link->progress_ms = clock_mono_ms();
		pump_and_kick(link);
	}
	link->waiting = link->tail.len - link->tail_at;
	unlock(link);
	return fine;
}

bool edge_link_is_behind(const struct edge_link *link, bool was, uint64_t now_ms)
{
	size_t limit = was ? EDGE_TAIL_MAX / 4 : EDGE_TAIL_MAX / 2;
	return !link->lagged && link->waiting + link->fresh.len > limit &&
		now_ms - link->progress_ms < EDGE_STALLED_MS;
}

bool edge_link_park(struct edge_link *link, struct bytes batch)
{
	uint32_t len = (uint32_t)batch.len;
	if (link->parked_at > link->parked.len / 2) {
		buf_consume(&link->parked, link->parked_at);
		link->parked_at = 0;
	}
	if (link->parked.len - link->parked_at > LINK_WINDOW_BYTES) {
		return false;
	}
	buf_append(&link->parked, &len, sizeof(len));
	buf_append_bytes(&link->parked, batch);
	link->n_parked++;
	return true;
}

bool edge_link_parked(const struct edge_link *link, struct bytes *batch)
{
	uint32_t len;
	if (link->n_parked == 0) {
		return false;
	}
	memcpy(&len, link->parked.data + link->parked_at, sizeof(len));
	*batch = bytes_make(link->parked.data + link->parked_at + sizeof(len), len);
	return true;
}

void edge_link_unpark(struct edge_link *link, size_t len)
{
	struct bytes batch;
	CHECK(edge_link_parked(link, &batch) && len <= batch.len);
	link->parked_at += len;
	if (len < batch.len) {
		uint32_t rest = (uint32_t)(batch.len - len);
		memcpy(link->parked.data + link->parked_at, &rest, sizeof(rest));
		return;
	}
	link->parked_at += sizeof(uint32_t);
	link->n_parked--;
	if (link->n_parked == 0) {
		buf_reset(&link->parked, 0);
		link->parked_at = 0;
	}
}

void edge_link_consume(struct edge_link *link)
{
	lock(link);
	struct link_window *w = &link->session.window;
	link_window_consumed(w, w->rx_next - link->n_parked);
	unlock(link);
}

void edge_link_tell_ack(struct edge_link *link, bool now)
{
	if (link->conn == NULL) {
		return;
	}
	bool urgent;
	lock(link);
	if (link_window_owes_ack(&link->session.window, &urgent) && (urgent || now)) {
		link_conn_control(link->conn, LINK_ACK, link_window_ack(&link->session.window),
			bytes_make(NULL, 0));
	}
	unlock(link);
}

void edge_link_ping(struct edge_link *link, uint64_t now_ms)
{
	uint64_t sent_ns = clock_mono_ns();
	lock(link);
	link->ping_ms = now_ms;
	link_conn_control(link->conn, LINK_PING, link_window_ack(&link->session.window),
		bytes_make(&sent_ns, sizeof(sent_ns)));
	unlock(link);
}

bool edge_link_is_quiet(const struct edge_link *link)
{
	return link->held_at > 0 && link->session.window.rx_next >= link->held_at &&
		link->n_parked == 0 && edge_link_queue_bytes(link) == 0 &&
		edge_link_inflight_bytes(link) == 0;
}

size_t edge_link_queue_bytes(const struct edge_link *link)
{
	lock(link);
	size_t bytes = link->fresh.len + link->tail.len - link->tail_at;
	unlock(link);
	return bytes;
}

uint64_t edge_link_inflight_bytes(const struct edge_link *link)
{
	lock(link);
	uint64_t bytes = link_window_inflight(&link->session.window);
	unlock(link);
	return bytes;
}
