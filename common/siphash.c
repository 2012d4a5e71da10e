// SipHash as its paper has it ("SipHash: a fast short-input PRF", section 2): two rounds a word,
// four at the end. Words are little-endian on every machine, so that the paper's vectors hold.

#include "common/siphash.h"

#include <endian.h>
#include <string.h>

struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate_left(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotate_left(s->v1, 13) ^ s->v0;
	s->v3 = rotate_left(s->v3, 16) ^ s->v2;
	s->v0 = rotate_left(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = rotate_left(s->v1, 17) ^ s->v2;
	s->v3 = rotate_left(s->v3, 21) ^ s->v0;
	s->v2 = rotate_left(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	sip_round(s);
	s->v0 ^= word;
}

uint64_t siphash24(const uint64_t key[2], const void *data, size_t len)
{
	const uint8_t *at = data;
	struct sip s = {
		.v0 = key[0] ^ 0x736f6d6570736575U,
		.v1 = key[1] ^ 0x646f72616e646f6dU,
		.v2 = key[0] ^ 0x6c7967656e657261U,
		.v3 = key[1] ^ 0x7465646279746573U,
	};
	size_t left = len;
	for (; left >= sizeof(uint64_t); left -= sizeof(uint64_t), at += sizeof(uint64_t)) {
		uint64_t word;
		memcpy(&word, at, sizeof(word));
		sip_word(&s, le64toh(word));
	}
	uint64_t last = (uint64_t)len << 56;
	for (size_t i = 0; i < left; i++) {
		last |= (uint64_t)at[i] << (8 * i);
	}
	sip_word(&s, last);
	s.v2 ^= 0xff;
	for (int i = 0; i < 4; i++) {
		sip_round(&s);
	}
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
