// One layout for all kinds of records, because a log is written far more often than it is read and
// the fields that a kind does not need cost a byte each. Rejected: protobuf, which has no checksum,
// and whose encoder is a third of a commit's cost; a layout a kind, which would be seven parsers.
//
// The checksum covers the length too: a flipped length is damage, not a jump into the middle of
// another record.

#include "router/core/store_record.h"

#include <endian.h>
#include <errno.h>

#include "common/crc32c.h"

enum {
	FRAME_LEN = 8, // length and checksum
};

static void put_u16(struct buf *out, uint16_t value)
{
	uint16_t le = htole16(value);
	buf_append(out, &le, sizeof(le));
}

static void put_u32(struct buf *out, uint32_t value)
{
	uint32_t le = htole32(value);
	buf_append(out, &le, sizeof(le));
}

static void put_u64(struct buf *out, uint64_t value)
{
	uint64_t le = htole64(value);
	buf_append(out, &le, sizeof(le));
}

static void put_short(struct buf *out, struct bytes text)
{
	CHECK(text.len <= UINT8_MAX);
	buf_append_byte(out, (uint8_t)text.len);
	buf_append_bytes(out, text);
}

// Writes the frame around what follows `at`, where FRAME_LEN bytes were left free for it.
static void close_frame(struct buf *out, size_t at)
{
	size_t len = out->len - at - FRAME_LEN;
	CHECK(len <= UINT32_MAX);
	uint32_t le = htole32((uint32_t)len);
	uint32_t crc = crc32c(0, &le, sizeof(le));
	crc = htole32(crc32c(crc, out->data + at + FRAME_LEN, len));
	memcpy(out->data + at, &le, sizeof(le));
	memcpy(out->data + at + sizeof(le), &crc, sizeof(crc));
}

static size_t open_frame(struct buf *out)
{
	size_t at = out->len;
	(void)buf_reserve(out, FRAME_LEN);
	out->len += FRAME_LEN;
	return at;
}

void store_turn_begin(struct buf *out, const struct store_slot_set *slots, size_t len)
{
	size_t at = open_frame(out);
	CHECK(len <= UINT32_MAX);
	put_u32(out, (uint32_t)len);
	for (uint32_t slot = 0; slot < STORE_SLOTS; slot++) {
		if (slots->bits[slot / 64] == 0) {
			slot += 63;
		} else if (store_slot_in(slots, slot)) {
			put_u16(out, (uint16_t)slot);
		}
	}
	close_frame(out, at);
}

void store_record_append(struct buf *out, const struct store_record *record)
{
	CHECK(record->username.len <= UINT16_MAX && record->body.len <= UINT32_MAX);
	size_t at = open_frame(out);
	buf_append_byte(out, (uint8_t)record->kind);
	put_u64(out, record->epoch);
	put_u64(out, record->seq);
	put_u64(out, (uint64_t)record->timestamp_ms);
	put_short(out, record->room);
	put_short(out, record->type);
	put_short(out, record->from);
	put_short(out, record->user);
	put_short(out, record->key);
	put_short(out, record->origin);
	put_u16(out, (uint16_t)record->username.len);
	buf_append_bytes(out, record->username);
	put_u32(out, (uint32_t)record->body.len);
	buf_append_bytes(out, record->body);
	close_frame(out, at);
}

// ---- reading

// Takes `len` bytes off the front; false if there are fewer.
static bool take(struct bytes *rest, size_t len, struct bytes *text)
{
	if (rest->len < len) {
		return false;
	}
	*text = bytes_make(rest->data, len);
	*rest = bytes_from(*rest, len);
	return true;
}

static bool take_u16(struct bytes *rest, uint16_t *value)
{
	struct bytes text;
	if (!take(rest, sizeof(*value), &text)) {
		return false;
	}
	memcpy(value, text.data, sizeof(*value));
	*value = le16toh(*value);
	return true;
}

static bool take_u32(struct bytes *rest, uint32_t *value)
{
	struct bytes text;
	if (!take(rest, sizeof(*value), &text)) {
		return false;
	}
	memcpy(value, text.data, sizeof(*value));
	*value = le32toh(*value);
	return true;
}

static bool take_u64(struct bytes *rest, uint64_t *value)
{
	struct bytes text;
	if (!take(rest, sizeof(*value), &text)) {
		return false;
	}
	memcpy(value, text.data, sizeof(*value));
	*value = le64toh(*value);
	return true;
}

static bool take_short(struct bytes *rest, struct bytes *text)
{
	struct bytes len;
	return take(rest, 1, &len) && take(rest, len.data[0], text);
}

// Takes what a frame holds; false if it is damaged.
static bool take_frame(struct bytes *rest, struct bytes *content)
{
	const uint8_t *length = rest->data;
	uint32_t len;
	uint32_t crc;
	if (!take_u32(rest, &len) || !take_u32(rest, &crc) || !take(rest, len, content)) {
		return false;
	}
	return crc32c(crc32c(0, length, sizeof(len)), content->data, len) == crc;
}

bool store_turn_open(struct bytes *turn, struct store_slot_set *slots)
{
	struct bytes head;
	uint16_t slot;
	uint32_t len;
	*slots = (struct store_slot_set){ 0 };
	if (!take_frame(turn, &head) || !take_u32(&head, &len)) {
		return false;
	}
	while (take_u16(&head, &slot)) {
		if (slot >= STORE_SLOTS) {
			return false;
		}
		store_slot_add(slots, slot);
	}
	return head.len == 0 && turn->len == len;
}

static bool parse(struct bytes in, struct store_record *record)
{
	struct bytes kind;
	uint64_t stamp;
	uint16_t username_len;
	uint32_t body_len;
	bool good = take(&in, 1, &kind) && take_u64(&in, &record->epoch) &&
		take_u64(&in, &record->seq) && take_u64(&in, &stamp) &&
		take_short(&in, &record->room) && take_short(&in, &record->type) &&
		take_short(&in, &record->from) && take_short(&in, &record->user) &&
		take_short(&in, &record->key) && take_short(&in, &record->origin) &&
		take_u16(&in, &username_len) && take(&in, username_len, &record->username) &&
		take_u32(&in, &body_len) && take(&in, body_len, &record->body) && in.len == 0;
	if (!good || kind.data[0] < STORE_RECORD_IMAGE || kind.data[0] > STORE_RECORD_FORGET) {
		return false;
	}
	record->kind = (enum store_record_kind)kind.data[0];
	record->timestamp_ms = (int64_t)stamp;
	return record->origin.len == 0 || record->origin.len == STORE_ORIGIN_LEN;
}

int store_record_next(struct bytes *rest, struct store_record *record)
{
	struct bytes content;
	if (rest->len == 0) {
		return 0;
	}
	*record = (struct store_record){ 0 };
	return take_frame(rest, &content) && parse(content, record) ? 1 : -EBADMSG;
}
