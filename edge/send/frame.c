// A message is rendered once and sent to thousands: header and payload lie in one block that is
// never written again, and everybody who has it in a queue holds a reference. Workers share frames,
// hence the atomic count. The last reference may go on any thread.
//
// The alternative, libevent's evbuffer references, was rejected: they cost an allocation for each
// receiver, and the version at hand has had use-after-free faults there.
#include "edge/send/frame.h"

#include <stdlib.h>

#include "common/check.h"
#include "common/mem.h"

static struct frame *frame_make(const uint8_t *header, size_t header_len, struct bytes payload)
{
	size_t size;
	CHECK(!__builtin_add_overflow(sizeof(struct frame) + header_len, payload.len, &size));
	struct frame *f = xmalloc(size);
	atomic_init(&f->refs, 1);
	f->type = 0;
	f->epoch = 0;
	f->seq = 0;
	f->origin = NULL;
	atomic_init(&f->packed, NULL);
	f->len = header_len + payload.len;
	if (header_len > 0) {
		memcpy(f->data, header, header_len);
	}
	if (payload.len > 0) {
		memcpy(f->data + header_len, payload.data, payload.len);
	}
	return f;
}

struct frame *frame_new(enum ws_opcode opcode, struct bytes payload)
{
	uint8_t header[WS_SERVER_HEADER_MAX];
	size_t header_len = ws_header_encode(header, opcode, false, payload.len);
	return frame_make(header, header_len, payload);
}

struct frame *frame_new_packed(const struct frame *f, struct bytes payload)
{
	enum {
		BITS_OPCODE = 0x0f
	};
	uint8_t header[WS_SERVER_HEADER_MAX];
	enum ws_opcode opcode = (enum ws_opcode)(f->data[0] & BITS_OPCODE);
	size_t header_len = ws_header_encode(header, opcode, true, payload.len);
	struct frame *packed = frame_make(header, header_len, payload);
	packed->type = f->type;
	packed->epoch = f->epoch;
	packed->seq = f->seq;
	packed->origin = origin_ref(f->origin);
	return packed;
}

void frame_set_origin(struct frame *f, struct origin *origin)
{
	f->origin = origin;
}

struct bytes frame_payload(const struct frame *f)
{
	return bytes_from(bytes_make(f->data, f->len), ws_header_len(f->data));
}

struct frame *frame_new_raw(struct bytes data)
{
	return frame_make(NULL, 0, data);
}

struct frame *frame_ref(struct frame *f, uint32_t n)
{
	uint32_t before = atomic_fetch_add_explicit(&f->refs, n, memory_order_relaxed);
	CHECK(before > 0 && before <= UINT32_MAX - n);
	return f;
}

void frame_unref(struct frame *f)
{
	frame_unref_many(f, 1);
}

void frame_unref_many(struct frame *f, uint32_t n)
{
	if (f == NULL || n == 0) {
		return;
	}
	// Whatever other holders did with the frame happens before it is freed.
	uint32_t before = atomic_fetch_sub_explicit(&f->refs, n, memory_order_acq_rel);
	CHECK(before >= n);
	if (before == n) {
		struct frame *packed = atomic_load_explicit(&f->packed, memory_order_relaxed);
		if (packed != f) {
			frame_unref(packed);
		}
		origin_unref(f->origin);
		free(f);
	}
}
