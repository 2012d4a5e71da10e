// A byte buffer rather than a linked list of records: no allocation a record, one copy of a room's
// name, and reading it is one walk over memory just written by another core. Two buffers go to and
// fro between writer and reader, so that both are warm and neither waits for the other's work.
//
// Invariant: the wake-up is posted exactly when the buffer stops being empty (or, where the reader
// itself puts, `unread` is set), and the reader takes everything, so none is lost and none is
// superfluous. A lock-free queue was not taken: the lock is
// held for one memcpy or one swap, a few times a millisecond at most.

#include "edge/uplink/inbox.h"

#include <string.h>

#include "common/check.h"

// A record as it lies in the buffer, followed by its texts and padding to RECORD_ALIGN.
struct stored {
	struct frame *frames[CODEC_COUNT];
	uint64_t epoch;
	uint64_t seq;
	uint64_t except;
	int64_t stamp_ms;
	uint32_t text_len;
	uint8_t user_len;
	uint8_t kind;
	uint8_t link;
	uint8_t audience;
};
enum {
	RECORD_ALIGN = 8
};

enum {
	INBOX_KEEP = 256 * 1024
}; // capacity a buffer may keep between two uses

static _Thread_local struct inbox *own; // of the thread that reads it

static size_t padded(size_t len)
{
	return (len + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
}

void inbox_record_append(struct buf *records, const struct inbox_record *record)
{
	CHECK(record->text.len <= UINT32_MAX && record->user.len <= UINT8_MAX);
	struct stored stored = {
		.epoch = record->epoch,
		.seq = record->seq,
		.except = record->except,
		.stamp_ms = record->stamp_ms,
		.text_len = (uint32_t)record->text.len,
		.user_len = (uint8_t)record->user.len,
		.kind = (uint8_t)record->kind,
		.link = record->link,
		.audience = record->audience,
	};
	memcpy(stored.frames, record->frames, sizeof(stored.frames));
	size_t texts = record->text.len + record->user.len;
	size_t pad = padded(texts) - texts;
	buf_reserve(records, sizeof(stored) + padded(texts));
	buf_append(records, &stored, sizeof(stored));
	buf_append_bytes(records, record->text);
	buf_append_bytes(records, record->user);
	buf_append(records, (const uint8_t[RECORD_ALIGN]){ 0 }, pad);
}

bool inbox_record_next(struct bytes *records, struct inbox_record *record)
{
	if (records->len == 0) {
		return false;
	}
	struct stored stored;
	CHECK(records->len >= sizeof(stored));
	memcpy(&stored, records->data, sizeof(stored));
	size_t texts = (size_t)stored.text_len + stored.user_len;
	CHECK(records->len - sizeof(stored) >= padded(texts));
	const uint8_t *text = records->data + sizeof(stored);
	*record = (struct inbox_record){
		.kind = (enum inbox_kind)stored.kind,
		.link = stored.link,
		.audience = stored.audience,
		.epoch = stored.epoch,
		.seq = stored.seq,
		.except = stored.except,
		.stamp_ms = stored.stamp_ms,
		.text = bytes_make(text, stored.text_len),
		.user = bytes_make(text + stored.text_len, stored.user_len),
	};
	memcpy(record->frames, stored.frames, sizeof(record->frames));
	*records = bytes_from(*records, sizeof(stored) + padded(texts));
	return true;
}

void inbox_record_drop(const struct inbox_record *record)
{
	for (unsigned i = 0; i < CODEC_COUNT; i++) {
		frame_unref(record->frames[i]);
	}
}

void inbox_records_drop(struct bytes records)
{
	struct inbox_record record;
	while (inbox_record_next(&records, &record)) {
		inbox_record_drop(&record);
	}
}

void inbox_init(struct inbox *inbox, struct loop *loop, loop_fn *fn, void *arg)
{
	*inbox = (struct inbox){ .wake = loop_wake_new(loop, fn, arg) };
	CHECK(pthread_mutex_init(&inbox->lock, NULL) == 0);
}

void inbox_fini(struct inbox *inbox)
{
	inbox_records_drop(buf_bytes(&inbox->records));
	buf_fini(&inbox->records);
	loop_wake_free(inbox->wake);
	pthread_mutex_destroy(&inbox->lock);
}

void inbox_own(struct inbox *inbox)
{
	own = inbox;
}

void inbox_put(struct inbox *inbox, struct buf *records)
{
	if (records->len == 0) {
		return;
	}
	pthread_mutex_lock(&inbox->lock);
	bool was_empty = inbox->records.len == 0;
	if (was_empty) {
		struct buf empty = inbox->records;
		inbox->records = *records;
		*records = empty;
	} else {
		buf_append_bytes(&inbox->records, buf_bytes(records));
	}
	pthread_mutex_unlock(&inbox->lock);
	buf_reset(records, INBOX_KEEP);
	if (was_empty && inbox == own) {
		inbox->unread = true;
	} else if (was_empty) {
		loop_wake_post(inbox->wake);
	}
}

void inbox_take(struct inbox *inbox, struct buf *into)
{
	CHECK(into->len == 0);
	buf_reset(into, INBOX_KEEP);
	pthread_mutex_lock(&inbox->lock);
	struct buf taken = inbox->records;
	inbox->records = *into;
	pthread_mutex_unlock(&inbox->lock);
	inbox->unread = false;
	*into = taken;
}
