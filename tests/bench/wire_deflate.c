// Written without the server's inflater, as the rest of this client is: what they agreed on
// wrongly, neither would notice. The window is of 15 bits, since a server may use all of what it
// was not asked to do without.

#include "tests/bench/wire_deflate.h"

#include <errno.h>
#include <stdlib.h>

#include <zlib.h>

#include "common/buf.h"
#include "common/mem.h"

enum {
	WINDOW_BITS = -15, // raw
	STEP = 4096,
};

struct wire_inflater {
	z_stream stream;
	struct buf out;
};

struct wire_inflater *wire_inflater_new(void)
{
	struct wire_inflater *inflater = xcalloc(1, sizeof(*inflater));
	CHECK(inflateInit2(&inflater->stream, WINDOW_BITS) == Z_OK);
	return inflater;
}

void wire_inflater_free(struct wire_inflater *inflater)
{
	if (inflater != NULL) {
		inflateEnd(&inflater->stream);
		buf_fini(&inflater->out);
		free(inflater);
	}
}

static int inflate_part(struct wire_inflater *inflater, struct bytes packed, size_t max)
{
	z_stream *stream = &inflater->stream;
	stream->next_in = (Bytef *)packed.data;
	stream->avail_in = (uInt)packed.len;
	do {
		stream->next_out = buf_reserve(&inflater->out, STEP);
		stream->avail_out = STEP;
		int result = inflate(stream, Z_SYNC_FLUSH);
		inflater->out.len += STEP - stream->avail_out;
		if ((result != Z_OK && result != Z_BUF_ERROR) || inflater->out.len > max) {
			return -EBADMSG;
		}
	} while (stream->avail_out == 0);
	return stream->avail_in == 0 ? 0 : -EBADMSG;
}

int wire_inflate(struct wire_inflater *inflater, struct bytes packed, size_t max,
	struct bytes *message)
{
	// What a sender takes off the end of a message (RFC 7692 section 7.2.1).
	static const uint8_t tail[4] = { 0x00, 0x00, 0xff, 0xff };
	CHECK(inflateReset(&inflater->stream) == Z_OK);
	inflater->out.len = 0;
	if (inflate_part(inflater, packed, max) != 0 ||
		inflate_part(inflater, bytes_make(tail, sizeof(tail)), max) != 0) {
		return -EBADMSG;
	}
	*message = buf_bytes(&inflater->out);
	return 0;
}
