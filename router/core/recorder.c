// A record is a head of fixed size, the places, and the texts behind each other. Edges are numbers,
// since a message may name hundreds; their names lie in a table that only grows when an edge comes
// whose name was never heard, up to a bound.
//
// One record a message holds all edges, rather than one for each of them: that is what keeps the
// cost of routing where it was, and a question about a message finds all of it at once.

#include "router/core/recorder.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "router/core/room_table.h"

struct head {
	int64_t at_ms;
	uint64_t epoch;
	uint64_t seq;
	uint64_t from;
	uint32_t edge;
	uint32_t count;
	uint8_t kind;
	uint8_t reason;
	uint8_t no_echo;
	uint8_t n_edges;
	uint8_t room_len;
	uint8_t user_len;
	uint8_t client_len;
	uint8_t detail_len;
};

void recorder_init(struct recorder *rec, size_t bytes)
{
	*rec = (struct recorder){ 0 };
	record_ring_init(&rec->ring, bytes);
	rec->edge_names = xcalloc(RECORDER_EDGES_MAX, sizeof(char *));
}

void recorder_fini(struct recorder *rec)
{
	record_ring_fini(&rec->ring);
	for (uint32_t i = 0; i < rec->n_edges; i++) {
		free(rec->edge_names[i]);
	}
	free(rec->edge_names);
	*rec = (struct recorder){ 0 };
}

// ---- edges

uint32_t recorder_edge(struct recorder *rec, struct bytes name)
{
	for (uint32_t i = 0; i < rec->n_edges; i++) {
		if (bytes_equal_str(name, rec->edge_names[i])) {
			return i + 1;
		}
	}
	if (rec->n_edges == RECORDER_EDGES_MAX) {
		return RECORDER_EDGES_MAX + 1;
	}
	rec->edge_names[rec->n_edges++] = xstrndup((const char *)name.data, name.len);
	return rec->n_edges;
}

const char *recorder_edge_name(const struct recorder *rec, uint32_t number)
{
	return number > 0 && number <= rec->n_edges ? rec->edge_names[number - 1] : "?";
}

// ---- in

// How much of a text that is too long is kept: up to the beginning of a character (in UTF-8 it goes
// on with 10xxxxxx).
static size_t cut_len(const uint8_t *text)
{
	size_t len = RECORD_TEXT_MAX;
	while (len > 0 && (text[len] & 0xc0) == 0x80) {
		len--;
	}
	return len;
}

static uint8_t text_len(struct bytes text)
{
	return (uint8_t)(text.len <= RECORD_TEXT_MAX ? text.len : cut_len(text.data));
}

static uint8_t *put(uint8_t *at, struct bytes text, uint8_t len)
{
	if (text.data != NULL) {
		memcpy(at, text.data, len);
	}
	return at + len;
}

// A record with the lengths of its texts, which are put behind it, and behind the places for which
// it leaves room; all else is zero. NULL if nothing is kept.
static struct head *begin(struct recorder *rec, enum record_kind kind, uint8_t n_edges,
	const struct bytes texts[4])
{
	struct head lens = { .kind = (uint8_t)kind, .at_ms = rec->wall_ms, .n_edges = n_edges };
	lens.room_len = text_len(texts[0]);
	lens.user_len = text_len(texts[1]);
	lens.client_len = text_len(texts[2]);
	lens.detail_len = text_len(texts[3]);
	size_t places = n_edges * sizeof(struct record_place);
	size_t len = (size_t)lens.room_len + lens.user_len + lens.client_len + lens.detail_len;
	struct head *head = record_ring_add(&rec->ring, sizeof(*head) + places + len);
	if (head == NULL) {
		return NULL;
	}
	*head = lens;
	uint8_t *at = (uint8_t *)(head + 1) + places;
	at = put(at, texts[0], lens.room_len);
	at = put(at, texts[1], lens.user_len);
	at = put(at, texts[2], lens.client_len);
	put(at, texts[3], lens.detail_len);
	return head;
}

void recorder_add(struct recorder *rec, const struct record *record)
{
	const struct bytes texts[] = { record->room, record->user, record->client, record->detail };
	struct head *head = begin(rec, (enum record_kind)record->kind, 0, texts);
	if (head != NULL) {
		head->reason = record->reason;
		head->edge = record->edge;
		head->count = record->count;
		head->epoch = record->epoch;
		head->seq = record->seq;
		head->from = record->from;
	}
}

void recorder_add_message(struct recorder *rec, const struct record_message *message)
{
	const struct table_room *room = message->room;
	const struct table_client *from = message->from;
	const struct bytes texts[] = {
		room_name(room),
		from != NULL ? user_name(from->user) : bytes_make(NULL, 0),
		from != NULL ? bytes_str(from->id) : bytes_make(NULL, 0),
		message->trace,
	};
	uint32_t n = room->n_edges < RECORD_PLACES_MAX ? room->n_edges : RECORD_PLACES_MAX;
	struct head *head = begin(rec, RECORD_PUBLISHED, (uint8_t)n, texts);
	if (head == NULL) {
		return;
	}
	head->no_echo = message->no_echo;
	head->edge = from != NULL ? from->edge->number : 0;
	head->count = message->reached;
	head->epoch = room->epoch;
	head->seq = room->seq;
	struct record_place *places = (struct record_place *)(void *)(head + 1);
	for (uint32_t i = 0; i < n; i++) {
		const struct room_edge *re = &room->edges[i];
		places[i] = (struct record_place){
			.edge = re->edge->number,
			.n_members = re->n_members & (UINT32_MAX >> 1),
			.is_later = re->replay_from != 0,
		};
	}
}

struct record record_of_client(enum record_kind kind, const struct table_client *client)
{
	return (struct record){
		.kind = (uint8_t)kind,
		.edge = client->edge->number,
		.user = user_name(client->user),
		.client = bytes_str(client->id),
	};
}

struct record record_of_room(enum record_kind kind, const struct table_client *client,
	const struct table_room *room)
{
	struct record record = record_of_client(kind, client);
	record.room = room_name(room);
	record.epoch = room->epoch;
	record.seq = room->seq;
	return record;
}

// ---- out

static struct bytes take(const uint8_t **at, uint8_t len)
{
	struct bytes text = bytes_make(*at, len);
	*at += len;
	return text;
}

bool recorder_older(const struct recorder *rec, struct record_cursor *cursor, struct record *record)
{
	struct bytes bytes;
	if (!record_ring_older(&rec->ring, cursor, &bytes)) {
		return false;
	}
	const struct head *head = (const struct head *)(const void *)bytes.data;
	const uint8_t *at = bytes.data + sizeof(*head);
	*record = (struct record){
		.kind = head->kind,
		.reason = head->reason,
		.no_echo = head->no_echo != 0,
		.n_edges = head->n_edges,
		.edge = head->edge,
		.count = head->count,
		.at_ms = head->at_ms,
		.epoch = head->epoch,
		.seq = head->seq,
		.from = head->from,
		.places = (const struct record_place *)(const void *)at,
		.number = cursor->number,
	};
	at += head->n_edges * sizeof(struct record_place);
	record->room = take(&at, head->room_len);
	record->user = take(&at, head->user_len);
	record->client = take(&at, head->client_len);
	record->detail = take(&at, head->detail_len);
	return true;
}

int64_t recorder_oldest_ms(const struct recorder *rec)
{
	const struct record_ring *ring = &rec->ring;
	if (ring->first == ring->next) {
		return 0;
	}
	return ((const struct head *)(const void *)record_ring_oldest(ring).data)->at_ms;
}

// ---- words

const char *record_kind_name(enum record_kind kind)
{
	static const char *const names[RECORD_KIND_COUNT] = {
		[RECORD_PUBLISHED] = "published",
		[RECORD_JOINED] = "joined",
		[RECORD_REJOINED] = "rejoined",
		[RECORD_LEFT] = "left",
		[RECORD_REFUSED] = "refused",
		[RECORD_KICKED] = "kicked",
		[RECORD_REVOKED] = "revoked",
		[RECORD_GAP] = "gap",
		[RECORD_REPLAYED] = "replayed",
		[RECORD_CONNECTED] = "connected",
		[RECORD_DISCONNECTED] = "disconnected",
		[RECORD_EDGE_UP] = "edge_up",
		[RECORD_EDGE_DOWN] = "edge_down",
		[RECORD_DRAINING] = "draining",
	};
	CHECK(kind < RECORD_KIND_COUNT);
	return names[kind];
}

const char *record_cause_name(enum record_cause cause)
{
	static const char *const names[CAUSE_COUNT] = {
		[CAUSE_ASKED] = "asked",
		[CAUSE_FORBIDDEN] = "forbidden",
		[CAUSE_CLOSED] = "closed",
		[CAUSE_EDGE_LOST] = "edge_lost",
	};
	CHECK(cause < CAUSE_COUNT);
	return names[cause];
}
