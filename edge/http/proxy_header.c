// "The PROXY protocol, versions 1 & 2" (HAProxy's proxy-protocol.txt), section 2.2, as a pure
// function of the bytes so far. Nothing is kept between calls: the length stands in the first 16
// bytes, so asking again with more costs nothing until the header is whole.
//
//     signature (12) | version, command | family, transport | length (2) | addresses | TLVs
//
// Strict wherever the specification demands or allows it, because what we misread would become the
// address that is logged, limited and shown: unknown versions, commands and families, datagrams,
// addresses cut short, TLVs that do not fill the rest exactly, a wrong or a second CRC32C. Lenient
// where it says so: LOCAL, UNSPEC and unix addresses mean "no address to tell", and of the first
// two the rest of the header is skipped unread, since nobody can say where its TLVs begin. TLVs
// other than the checksum are passed over; nobody here has a use for them.
//
// It tells how much to read next, so that the header alone is read and what follows, TLS perhaps,
// is left in the socket for whom it is meant.
//
// Version 1, a line of text, is recognised only to be named in the log: it carries no checksum and
// no LOCAL, and a second grammar in front of everything else is a second thing to get wrong.

#include "edge/http/proxy_header.h"

#include <string.h>

#include "common/crc32c.h"

enum {
	SIGNATURE_LEN = 12,
	FIXED_LEN = 16,
	VERSION = 2,
	COMMAND_LOCAL = 0,
	COMMAND_PROXY = 1,
	TLV_HEAD_LEN = 3,
	TLV_CRC32C = 0x03,
	CRC_LEN = 4,
};

// What the 14th byte may say. The source address comes first in the block of each family.
static const struct family {
	unsigned code;
	size_t addresses_len; // the specification's
	size_t ip_len; // 0: none that we could show
} families[] = {
	{ 0x00, 0, 0 }, // UNSPEC
	{ 0x11, 12, 4 }, // TCP over IPv4
	{ 0x21, 36, 16 }, // TCP over IPv6
	{ 0x31, 216, 0 }, // unix stream
};

static const uint8_t signature[SIGNATURE_LEN] = "\r\n\r\n\0\r\nQUIT\n";
static const char text_signature[] = "PROXY ";

static unsigned be16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static uint32_t be32(const uint8_t *at)
{
	return (uint32_t)be16(at) << 16 | be16(at + 2);
}

static bool agrees(struct bytes data, const void *with, size_t len)
{
	return memcmp(data.data, with, data.len < len ? data.len : len) == 0;
}

static enum proxy_header_result check_signature(struct bytes data)
{
	const size_t text_len = sizeof(text_signature) - 1;
	if (data.len == 0) {
		return PROXY_HEADER_MORE;
	}
	if (agrees(data, signature, SIGNATURE_LEN)) {
		return data.len < FIXED_LEN ? PROXY_HEADER_MORE : PROXY_HEADER_OK;
	}
	if (!agrees(data, text_signature, text_len)) {
		return PROXY_HEADER_NONE;
	}
	return data.len < text_len ? PROXY_HEADER_MORE : PROXY_HEADER_TEXT;
}

static const struct family *find_family(unsigned code)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		if (families[i].code == code) {
			return &families[i];
		}
	}
	return NULL;
}

// Of the whole header, with the four bytes at `crc_at` taken as zero.
static uint32_t checksum(struct bytes whole, size_t crc_at)
{
	static const uint8_t zero[CRC_LEN] = { 0 };
	uint32_t crc = crc32c(0, whole.data, crc_at);
	crc = crc32c(crc, zero, sizeof(zero));
	return crc32c(crc, whole.data + crc_at + CRC_LEN, whole.len - crc_at - CRC_LEN);
}

// The TLVs are what is left of the header from `at` on.
static enum proxy_header_result check_tlvs(struct bytes whole, size_t at)
{
	bool has_crc = false;
	while (at < whole.len) {
		if (whole.len - at < TLV_HEAD_LEN) {
			return PROXY_HEADER_TLV;
		}
		unsigned type = whole.data[at];
		size_t len = be16(whole.data + at + 1);
		at += TLV_HEAD_LEN;
		if (len > whole.len - at) {
			return PROXY_HEADER_TLV;
		}
		if (type == TLV_CRC32C) {
			if (has_crc || len != CRC_LEN) {
				return PROXY_HEADER_TLV;
			}
			has_crc = true;
			if (be32(whole.data + at) != checksum(whole, at)) {
				return PROXY_HEADER_CHECKSUM;
			}
		}
		at += len;
	}
	return PROXY_HEADER_OK;
}

static struct net_ip source_of(const struct family *family, const uint8_t *addresses)
{
	struct net_ip ip;
	if (family->ip_len == 4) {
		return net_ip_v4(addresses);
	}
	memcpy(ip.bytes, addresses, sizeof(ip.bytes));
	return ip;
}

enum proxy_header_result proxy_header_parse(struct bytes data, struct proxy_header *header)
{
	enum proxy_header_result result = check_signature(data);
	if (result != PROXY_HEADER_OK) {
		return result;
	}
	unsigned command = data.data[12] & 0x0f;
	const struct family *family = find_family(data.data[13]);
	size_t len = be16(data.data + 14);
	if (data.data[12] >> 4 != VERSION) {
		return PROXY_HEADER_VERSION;
	}
	if (command != COMMAND_LOCAL && command != COMMAND_PROXY) {
		return PROXY_HEADER_COMMAND;
	}
	// Of a LOCAL one the family and all that follows are to be ignored.
	bool skip = command == COMMAND_LOCAL;
	if (!skip && family == NULL) {
		return PROXY_HEADER_FAMILY;
	}
	if (!skip && len < family->addresses_len) {
		return PROXY_HEADER_SHORT;
	}
	if (data.len < FIXED_LEN + len) {
		return PROXY_HEADER_MORE;
	}
	*header = (struct proxy_header){ .len = FIXED_LEN + len };
	// How long the addresses of UNSPEC are nobody knows, so nor where its TLVs begin.
	if (skip || family->addresses_len == 0) {
		return PROXY_HEADER_OK;
	}
	if (family->ip_len > 0) {
		header->has_source = true;
		header->source = source_of(family, data.data + FIXED_LEN);
	}
	return check_tlvs(bytes_make(data.data, header->len), FIXED_LEN + family->addresses_len);
}

size_t proxy_header_missing(struct bytes so_far)
{
	size_t whole = FIXED_LEN;
	if (so_far.len >= FIXED_LEN) {
		whole += be16(so_far.data + 14);
	}
	return whole > so_far.len ? whole - so_far.len : 0;
}

const char *proxy_header_text(enum proxy_header_result result)
{
	static const char *const texts[PROXY_HEADER_RESULT_COUNT] = {
		[PROXY_HEADER_OK] = "a PROXY header",
		[PROXY_HEADER_MORE] = "an incomplete PROXY header",
		[PROXY_HEADER_NONE] = "no PROXY header",
		[PROXY_HEADER_TEXT] = "a PROXY header of version 1, not 2",
		[PROXY_HEADER_VERSION] = "a PROXY header of an unknown version",
		[PROXY_HEADER_COMMAND] = "a PROXY header with an unknown command",
		[PROXY_HEADER_FAMILY] = "a PROXY header of an unknown kind of address",
		[PROXY_HEADER_SHORT] = "a PROXY header too short for its addresses",
		[PROXY_HEADER_TLV] = "a PROXY header with malformed TLVs",
		[PROXY_HEADER_CHECKSUM] = "a PROXY header with a wrong checksum",
	};
	CHECK(result < PROXY_HEADER_RESULT_COUNT);
	return texts[result];
}
