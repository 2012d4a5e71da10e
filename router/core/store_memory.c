// A message is one allocation: a header and its texts, one after another. A log is a ring of
// pointers to them, so trimming and reading by seq are steps, not searches: messages are numbered
// without a hole, and the one numbered `first + i` lies i places behind the oldest.
//
// Logs that hold something form a list by their last message. Its front is what the budget of all
// rooms takes from first, and where messages lie that are too old in rooms nobody speaks in any
// more. A log that is taken from loses all it has: half a history cannot recover anybody who needs
// the other half, and rooms would be visited again and again for a message each.

#include <stdlib.h>

#include "common/mem.h"
#include "router/core/store.h"

enum {
	RING_MIN = 8,
	SWEEP_MAX = 4096, // logs a call
};

struct store_entry {
	uint64_t seq;
	int64_t timestamp_ms;
	uint64_t at_ms; // monotonic
	uint32_t body_len;
	uint16_t username_len;
	uint8_t type_len;
	uint8_t from_len;
	uint8_t user_len;
	uint8_t text[]; // type, from, user, username, body
};

void store_init(struct store *s, const struct store_limits *limits)
{
	*s = (struct store){ .limits = *limits, .min_age_ms = limits->age_ms };
	TAILQ_INIT(&s->logs);
}

void store_fini(struct store *s)
{
	CHECK(TAILQ_EMPTY(&s->logs));
}

static size_t text_len(const struct store_message *m)
{
	return m->type.len + m->from.len + m->user.len + m->username.len + m->body.len;
}

static size_t entry_size(const struct store_entry *e)
{
	return sizeof(*e) + e->type_len + e->from_len + e->user_len + e->username_len + e->body_len;
}

static uint8_t *put(uint8_t *at, struct bytes text)
{
	if (text.len > 0) {
		memcpy(at, text.data, text.len);
	}
	return at + text.len;
}

static struct store_entry *entry_new(const struct store_message *m, uint64_t now_ms)
{
	CHECK(m->type.len <= UINT8_MAX && m->from.len <= UINT8_MAX && m->user.len <= UINT8_MAX &&
		m->username.len <= UINT16_MAX && m->body.len <= UINT32_MAX);
	struct store_entry *e = xmalloc(sizeof(*e) + text_len(m));
	*e = (struct store_entry){
		.seq = m->seq,
		.timestamp_ms = m->timestamp_ms,
		.at_ms = now_ms,
		.body_len = (uint32_t)m->body.len,
		.username_len = (uint16_t)m->username.len,
		.type_len = (uint8_t)m->type.len,
		.from_len = (uint8_t)m->from.len,
		.user_len = (uint8_t)m->user.len,
	};
	uint8_t *at = put(e->text, m->type);
	at = put(at, m->from);
	at = put(at, m->user);
	at = put(at, m->username);
	put(at, m->body);
	return e;
}

// ---- the ring

static struct store_entry *entry_at(const struct store_log *log, uint32_t i)
{
	CHECK(log->ring != NULL);
	return log->ring[(log->head + i) & (log->cap - 1)];
}

static void ring_grow(struct store_log *log)
{
	uint32_t cap = log->cap > 0 ? 2 * log->cap : RING_MIN;
	struct store_entry **ring = xcalloc(cap, sizeof(ring[0]));
	for (uint32_t i = 0; i < log->n; i++) {
		ring[i] = entry_at(log, i);
	}
	free(log->ring);
	log->ring = ring;
	log->cap = cap;
	log->head = 0;
}

static const struct store_limits *limits_of(const struct store *s, const struct store_log *log)
{
	return log->limits != NULL ? log->limits : &s->limits;
}

static void unlist(struct store *s, struct store_log *log)
{
	if (s->sweep_at == log) {
		s->sweep_at = TAILQ_NEXT(log, in_store);
	}
	TAILQ_REMOVE(&s->logs, log, in_store);
}

static void drop_oldest(struct store *s, struct store_log *log)
{
	struct store_entry *e = entry_at(log, 0);
	size_t size = entry_size(e);
	log->head = (log->head + 1) & (log->cap - 1);
	log->n--;
	log->bytes -= size;
	s->bytes -= size;
	free(e);
	if (log->n == 0) {
		unlist(s, log);
		free(log->ring);
		log->ring = NULL;
		log->cap = 0;
	}
}

static uint64_t last_ms(const struct store_log *log)
{
	return entry_at(log, log->n - 1)->at_ms;
}

void store_forget(struct store *s, struct store_log *log)
{
	while (log->n > 0) {
		drop_oldest(s, log);
	}
}

void store_trim(struct store *s, struct store_log *log, uint64_t now_ms)
{
	uint64_t age_ms = limits_of(s, log)->age_ms;
	while (age_ms > 0 && log->n > 0 && now_ms - entry_at(log, 0)->at_ms > age_ms) {
		drop_oldest(s, log);
	}
}

// With one age for all, the first log that is young enough is followed by younger ones only. With
// several, what may be kept longer lies in between and is passed over, so a call has a bound and
// the next one goes on from there.
void store_sweep(struct store *s, uint64_t now_ms)
{
	struct store_log *log = s->sweep_at != NULL ? s->sweep_at : TAILQ_FIRST(&s->logs);
	for (unsigned n = 0; n < SWEEP_MAX && log != NULL; n++) {
		struct store_log *next = TAILQ_NEXT(log, in_store);
		if (s->min_age_ms == 0 || now_ms - last_ms(log) <= s->min_age_ms) {
			next = NULL;
		} else {
			store_trim(s, log, now_ms);
		}
		log = next;
	}
	s->sweep_at = log;
}

static void push(struct store *s, struct store_log *log, struct store_entry *e)
{
	if (log->n == log->cap) {
		ring_grow(log);
	}
	if (log->n > 0) {
		unlist(s, log);
	}
	TAILQ_INSERT_TAIL(&s->logs, log, in_store);
	log->ring[(log->head + log->n) & (log->cap - 1)] = e;
	log->n++;
	log->bytes += entry_size(e);
	s->bytes += entry_size(e);
}

void store_append(struct store *s, struct store_log *log, const struct store_message *message,
	uint64_t now_ms)
{
	const struct store_limits *limits = limits_of(s, log);
	uint64_t total = s->limits.total_bytes;
	size_t size = sizeof(struct store_entry) + text_len(message);
	bool kept = limits->messages > 0 && size <= limits->bytes && (total == 0 || size <= total);
	if (!kept || (log->n > 0 && entry_at(log, log->n - 1)->seq + 1 != message->seq)) {
		store_forget(s, log);
	}
	if (!kept) {
		return;
	}
	store_trim(s, log, now_ms);
	while (log->n > 0 && (log->n >= limits->messages || log->bytes + size > limits->bytes)) {
		drop_oldest(s, log);
	}
	push(s, log, entry_new(message, now_ms));
	while (total > 0 && s->bytes > total) {
		struct store_log *oldest = TAILQ_FIRST(&s->logs);
		if (oldest == log) {
			drop_oldest(s, log);
		} else {
			store_forget(s, oldest);
		}
	}
}

// ---- reading

uint64_t store_first(const struct store_log *log)
{
	return log->n > 0 ? entry_at(log, 0)->seq : 0;
}

bool store_read(const struct store_log *log, uint64_t seq, struct store_message *message)
{
	uint64_t first = store_first(log);
	if (first == 0 || seq < first || seq - first >= log->n) {
		return false;
	}
	const struct store_entry *e = entry_at(log, (uint32_t)(seq - first));
	const uint8_t *at = e->text;
	*message = (struct store_message){ .seq = e->seq, .timestamp_ms = e->timestamp_ms };
	message->type = bytes_make(at, e->type_len);
	at += e->type_len;
	message->from = bytes_make(at, e->from_len);
	at += e->from_len;
	message->user = bytes_make(at, e->user_len);
	at += e->user_len;
	message->username = bytes_make(at, e->username_len);
	at += e->username_len;
	message->body = bytes_make(at, e->body_len);
	return true;
}
