// The checksum covers the header too: a flipped bit in a length or a seq must not be taken for a
// frame of another size or place. TCP's own checksum is 16 bits and ends at every middlebox.

#include "proto/link_frame.h"

#include <endian.h>
#include <errno.h>

#include "common/crc32c.h"

enum {
	CRC_AT = 24
};

static void put_u32(uint8_t *out, uint32_t value)
{
	value = htole32(value);
	memcpy(out, &value, sizeof(value));
}

static void put_u64(uint8_t *out, uint64_t value)
{
	value = htole64(value);
	memcpy(out, &value, sizeof(value));
}

static uint32_t get_u32(const uint8_t *in)
{
	uint32_t value;
	memcpy(&value, in, sizeof(value));
	return le32toh(value);
}

static uint64_t get_u64(const uint8_t *in)
{
	uint64_t value;
	memcpy(&value, in, sizeof(value));
	return le64toh(value);
}

void link_frame_head(uint8_t out[LINK_HEAD_LEN], enum link_frame_type type, uint64_t seq,
	uint64_t ack, struct bytes body, struct bytes rest)
{
	put_u32(out, (uint32_t)(body.len + rest.len));
	out[4] = (uint8_t)type;
	out[5] = 0;
	out[6] = 0;
	out[7] = 0;
	put_u64(out + 8, seq);
	put_u64(out + 16, ack);
	uint32_t crc = crc32c(0, out, CRC_AT);
	crc = crc32c(crc, body.data, body.len);
	crc = crc32c(crc, rest.data, rest.len);
	put_u32(out + CRC_AT, crc);
}

int link_frame_parse(struct bytes data, struct link_frame *frame, size_t *used)
{
	*used = 0;
	if (data.len < LINK_HEAD_LEN) {
		return 1;
	}
	uint32_t body_len = get_u32(data.data);
	uint8_t type = data.data[4];
	if (body_len > LINK_BODY_MAX || type < LINK_CHALLENGE || type >= LINK_TYPE_END ||
		data.data[5] != 0 || data.data[6] != 0 || data.data[7] != 0) {
		return -EPROTO;
	}
	*used = LINK_HEAD_LEN + (size_t)body_len;
	if (data.len < *used) {
		return 1;
	}
	struct bytes body = bytes_make(data.data + LINK_HEAD_LEN, body_len);
	uint32_t crc = crc32c(crc32c(0, data.data, CRC_AT), body.data, body.len);
	if (crc != get_u32(data.data + CRC_AT)) {
		return -EPROTO;
	}
	*frame = (struct link_frame){
		.type = (enum link_frame_type)type,
		.seq = get_u64(data.data + 8),
		.ack = get_u64(data.data + 16),
		.body = body,
	};
	return 0;
}
