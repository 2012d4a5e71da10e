#include "router/hooks/hook_text.h"

#include <inttypes.h>
#include <time.h>

#include "common/ascii.h"
#include "common/jscan.h"
#include "proto/names.h"

static void put_text(struct buf *out, const char *name, struct bytes value)
{
	if (value.len > 0) {
		buf_printf(out, ",\"%s\":", name);
		jscan_append_string(out, value);
	}
}

static void put_place(struct buf *out, uint64_t epoch, uint64_t seq)
{
	char text[EPOCH_TEXT_MAX];
	if (epoch != 0) {
		put_text(out, "epoch", bytes_make(text, epoch_format(epoch, text)));
		buf_printf(out, ",\"seq\":%" PRIu64, seq);
	}
}

// What the sender's own object holds, between its braces.
static struct bytes own_fields(struct bytes body)
{
	static const char spaces[] = " \t\r\n";
	struct bytes inner = bytes_make(body.data + 1, body.len - 2);
	while (inner.len > 0 && ascii_is_one_of(inner.data[0], spaces)) {
		inner = bytes_from(inner, 1);
	}
	return ascii_trim_end(inner, spaces);
}

// As a client of the JSON codec gets it.
static void put_message(struct buf *out, const struct notice *notice)
{
	const struct store_message *message = notice->message;
	struct bytes own = own_fields(message->body);
	buf_append_str(out, ",\"message\":{\"type\":");
	jscan_append_string(out, message->type);
	put_text(out, "room", notice->room);
	put_text(out, "from", message->from);
	put_text(out, "user", message->user);
	put_text(out, "username", message->username);
	put_place(out, notice->epoch, notice->seq);
	buf_printf(out, ",\"timestamp\":%" PRId64, message->timestamp_ms);
	if (own.len > 0) {
		buf_append_byte(out, ',');
		buf_append_bytes(out, own);
	}
	buf_append_byte(out, '}');
}

void hook_text_notice(struct buf *out, const struct notice *notice, int64_t wall_ms)
{
	buf_printf(out, ",\"type\":\"%s\",\"at\":%" PRId64, notice_kind_name(notice->kind),
		wall_ms);
	put_text(out, "room", notice->room);
	put_text(out, "client", notice->client);
	put_text(out, "user", notice->user);
	put_text(out, "edge", notice->edge);
	put_text(out, "reason", notice->reason);
	put_place(out, notice->epoch, notice->seq);
	if (notice->message != NULL) {
		put_message(out, notice);
	}
	buf_append_byte(out, '}');
}

void hook_text_begin(struct buf *out, const struct hook_batch *batch)
{
	char stamp[32]; // RFC 3339
	time_t s = (time_t)(batch->wall_ms / 1000);
	struct tm utc;
	gmtime_r(&s, &utc);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
	buf_printf(out, "{\"type\":\"weir.events\",\"timestamp\":\"%s.%03dZ\",\"data\":{", stamp,
		(int)(batch->wall_ms % 1000));
	buf_append_str(out, "\"router\":");
	jscan_append_string(out, bytes_str(batch->router));
	buf_printf(out, ",\"first\":%" PRIu64, batch->first);
	if (batch->dropped > 0) {
		buf_printf(out, ",\"dropped\":%" PRIu64, batch->dropped);
	}
	buf_append_str(out, ",\"events\":[");
}

void hook_text_add(struct buf *out, uint64_t number, struct bytes notice)
{
	buf_append_str(out, out->data[out->len - 1] == '[' ? "{" : ",{");
	buf_printf(out, "\"n\":%" PRIu64, number);
	buf_append_bytes(out, notice);
}

void hook_text_end(struct buf *out)
{
	buf_append_str(out, "]}}");
}
