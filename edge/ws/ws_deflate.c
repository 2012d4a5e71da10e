// A message that is inflated is at the mercy of its sender, who needs a byte for a thousand of
// ours. So the limit is on what comes out and is looked at after each chunk: no more than limit and
// chunk is ever written, and text is judged in the same walk, so that a bad octet at the front is
// not followed by a hundred kilobytes of work. A second limit, on the ratio, is for operators who
// allow large messages; it has a floor, below which the work is too little to be worth a refusal.
//
// Messages come here whole. Inflating each frame as it arrives would tie the inflater to a
// connection until the message ends, or cost every connection 40 KiB of one; what waits packed is
// smaller than what would wait inflated, and it is limited just so.
//
// A message ends on a block boundary once the four bytes that its sender took off are put back
// (section 7.2.2), or with a block that is marked as the last: then a stream ends and another may
// begin (section 7.2.3.5). A message that ends elsewhere was cut, and is no message.
//
// zlib fails only for want of memory, which ends the program as everywhere, or because of the
// bytes. It knows nothing of frames, sockets or who it works for.

#include "edge/ws/ws_deflate.h"

#include <stdlib.h>

#define ZLIB_CONST
#include <zlib.h>

#include "common/buf.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "edge/ws/ws_frame.h"

enum {
	KEEP = 64 * 1024, // capacity that a buffer keeps between messages
	FLUSH_ROOM = 16, // for the empty block that ends a message
	// Of zlib's data_type after inflate(): between two blocks, and the bits of a byte not used
	// yet.
	BETWEEN_BLOCKS = 128,
	UNUSED_BITS = 31,
};

static const uint8_t tail[] = { 0x00, 0x00, 0xff, 0xff };

struct ws_inflater {
	z_stream z;
	struct buf out;
	struct utf8_state utf8;
	size_t packed_len; // of the whole message
	bool stream_ended; // exactly at the end of what was given
};

struct ws_deflater {
	z_stream z;
	struct buf out;
};

static void *allocate(void *opaque, uInt n, uInt size)
{
	(void)opaque;
	return xcalloc(n, size);
}

static void release(void *opaque, void *memory)
{
	(void)opaque;
	free(memory);
}

// ---- inflating

struct ws_inflater *ws_inflater_new(void)
{
	struct ws_inflater *inflater = xcalloc(1, sizeof(*inflater));
	inflater->z.zalloc = allocate;
	inflater->z.zfree = release;
	CHECK(inflateInit2(&inflater->z, -MAX_WBITS) == Z_OK);
	return inflater;
}

void ws_inflater_free(struct ws_inflater *inflater)
{
	if (inflater != NULL) {
		inflateEnd(&inflater->z);
		buf_fini(&inflater->out);
		free(inflater);
	}
}

// What is wrong with the message so far, of which `chunk` is new: a close code, or 0.
static unsigned judge(struct ws_inflater *inflater, const struct ws_inflate_limits *limits,
	struct bytes chunk)
{
	size_t len = inflater->out.len;
	if (limits->text && !utf8_feed(&inflater->utf8, chunk)) {
		return WS_CLOSE_BAD_UTF8;
	}
	if (limits->message_max > 0 && len > limits->message_max) {
		return WS_CLOSE_TOO_BIG;
	}
	bool steep = limits->ratio_max > 0 && len > WS_INFLATE_RATIO_FLOOR &&
		len / limits->ratio_max > inflater->packed_len;
	return steep ? WS_CLOSE_TOO_BIG : 0;
}

// One chunk of output. A close code, or 0.
static unsigned inflate_chunk(struct ws_inflater *inflater, const struct ws_inflate_limits *limits)
{
	z_stream *z = &inflater->z;
	uint8_t *at = buf_reserve(&inflater->out, WS_INFLATE_CHUNK);
	z->next_out = at;
	z->avail_out = WS_INFLATE_CHUNK;
	int result = inflate(z, Z_SYNC_FLUSH);
	if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
		return WS_CLOSE_BAD_UTF8; // RFC 6455 section 7.4.1: not what its type says
	}
	size_t got = WS_INFLATE_CHUNK - z->avail_out;
	inflater->out.len += got;
	if (result == Z_STREAM_END) {
		CHECK(inflateReset(z) == Z_OK);
		inflater->stream_ended = z->avail_in == 0;
	}
	return judge(inflater, limits, bytes_make(at, got));
}

static unsigned inflate_piece(struct ws_inflater *inflater, const struct ws_inflate_limits *limits,
	struct bytes piece)
{
	z_stream *z = &inflater->z;
	unsigned code;
	z->next_in = piece.data;
	z->avail_in = (uInt)piece.len;
	inflater->stream_ended = false;
	do {
		code = inflate_chunk(inflater, limits);
	} while (code == 0 && (z->avail_in > 0 || z->avail_out == 0));
	return code;
}

static bool is_whole(const struct ws_inflater *inflater, bool text)
{
	int where = inflater->z.data_type;
	bool between = (where & BETWEEN_BLOCKS) != 0 && (where & UNUSED_BITS) == 0;
	return (inflater->stream_ended || between) && (!text || utf8_complete(&inflater->utf8));
}

unsigned ws_inflater_run(struct ws_inflater *inflater, struct bytes packed,
	const struct ws_inflate_limits *limits, struct bytes *message)
{
	CHECK(packed.len <= UINT32_MAX);
	CHECK(inflateReset(&inflater->z) == Z_OK);
	buf_reset(&inflater->out, KEEP);
	inflater->utf8 = (struct utf8_state){ 0 };
	inflater->packed_len = packed.len;
	unsigned code = inflate_piece(inflater, limits, packed);
	if (code == 0 && !inflater->stream_ended) {
		code = inflate_piece(inflater, limits, bytes_make(tail, sizeof(tail)));
	}
	if (code == 0 && !is_whole(inflater, limits->text)) {
		code = WS_CLOSE_BAD_UTF8;
	}
	*message = buf_bytes(&inflater->out);
	return code;
}

uint64_t ws_deflate_bound(uint64_t len)
{
	// What cannot be packed is stored, with five bytes a block (RFC 1951 section 3.2.4); a
	// sender that saves memory makes blocks of little more than a hundred bytes.
	enum {
		ENDS = 64,
	};
	return len + len / 8 + ENDS;
}

// ---- deflating

struct ws_deflater *ws_deflater_new(int level, int mem_level, int window_bits)
{
	struct ws_deflater *deflater = xcalloc(1, sizeof(*deflater));
	deflater->z.zalloc = allocate;
	deflater->z.zfree = release;
	CHECK(deflateInit2(&deflater->z, level, Z_DEFLATED, -window_bits, mem_level,
		      Z_DEFAULT_STRATEGY) == Z_OK);
	return deflater;
}

void ws_deflater_free(struct ws_deflater *deflater)
{
	if (deflater != NULL) {
		deflateEnd(&deflater->z);
		buf_fini(&deflater->out);
		free(deflater);
	}
}

struct bytes ws_deflater_run(struct ws_deflater *deflater, struct bytes message)
{
	z_stream *z = &deflater->z;
	CHECK(message.len <= UINT32_MAX / 2);
	CHECK(deflateReset(z) == Z_OK);
	buf_reset(&deflater->out, KEEP);
	size_t room = deflateBound(z, message.len) + FLUSH_ROOM;
	z->next_in = message.data;
	z->avail_in = (uInt)message.len;
	z->next_out = buf_reserve(&deflater->out, room);
	z->avail_out = (uInt)room;
	CHECK(deflate(z, Z_SYNC_FLUSH) == Z_OK && z->avail_in == 0 && z->avail_out > 0);
	size_t len = room - z->avail_out;
	CHECK(len > sizeof(tail) &&
		memcmp(deflater->out.data + len - sizeof(tail), tail, sizeof(tail)) == 0);
	return bytes_make(deflater->out.data, len - sizeof(tail));
}
