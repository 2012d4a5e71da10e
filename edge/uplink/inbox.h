// What the link's thread has for one worker: records in order, in one locked byte buffer. Writers
// gather a batch first and hand it over in one go, so that a batch costs one lock and at most one
// wake-up a worker. The inbox has no limit of its own: the link's window bounds what is in it.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/loop.h"
#include "edge/codec/codec.h"
#include "edge/send/frame.h"

enum inbox_kind {
	INBOX_ITEM, // text: a packed item, for one client of this worker or a gap
	INBOX_DELIVERY, // a message of `room`, rendered in `frames`
	INBOX_MEMBER, // likewise; not for connections of `user`
	INBOX_BROADCAST, // `frames` for every connection
	INBOX_MARK, // end of BATCH `seq`
	INBOX_SESSION, // a new session, number `seq`
	INBOX_DRAIN, // `epoch` 1: send the clients away, `seq` a second; 0: no longer
};

struct inbox_record {
	enum inbox_kind kind;
	uint8_t link; // which router it came from
	uint8_t audience; // INBOX_DELIVERY: enum delivery_audience
	// By codec, one reference to each, the reader's to take over; NULL for a codec that nobody
	// on this edge spoke when it was rendered.
	struct frame *frames[CODEC_COUNT];
	uint64_t epoch;
	uint64_t seq;
	uint64_t except; // handle of a client that is not to get it; 0: none
	int64_t stamp_ms; // the router's
	struct bytes text; // INBOX_ITEM: the item; else the room. Borrowed
	struct bytes user;
};

// Appends a record (its text is copied) to what will be handed over by inbox_put(). Takes over the
// references to its frames.
void inbox_record_append(struct buf *records, const struct inbox_record *record);
// Takes the first record off `*records`; false at the end.
bool inbox_record_next(struct bytes *records, struct inbox_record *record);
// Gives back the references to a record's frames.
void inbox_record_drop(const struct inbox_record *record);
// Drops records that nobody will read, with their frames.
void inbox_records_drop(struct bytes records);

struct inbox {
	pthread_mutex_t lock;
	struct buf records; // guarded by `lock`
	bool unread; // put by the reader's own thread, which looks at the end of its turn
	struct loop_wake *wake;
};

// `fn` runs in the loop's thread soon after something was put into an empty inbox; it must take
// all.
void inbox_init(struct inbox *inbox, struct loop *loop, loop_fn *fn, void *arg);
void inbox_fini(struct inbox *inbox);
// The calling thread is the reader. Nobody wakes it for what it puts itself: it looks at `unread`
// at the end of each turn.
void inbox_own(struct inbox *inbox);
// From any thread: hands over all of `records` and empties it.
void inbox_put(struct inbox *inbox, struct buf *records);
// From the loop's thread: swaps what is there into `into`, which must be empty.
void inbox_take(struct inbox *inbox, struct buf *into);
