// What the fuzz programs share. Each is one function that libFuzzer, or replay.c in an ordinary
// build, calls with an input; an invariant that does not hold is a failed CHECK.
//
// Parsers that are fed in pieces take the sizes from the input: its first byte says how many size
// bytes follow (0-15), a size byte s means s + 1 bytes, and they are used in turn, over and over.
// No sizes means one byte at a time.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_chunks {
	struct bytes sizes;
	size_t next;
};

// Takes the first byte off `input`; 0 if there is none.
static inline uint8_t fuzz_take_byte(struct bytes *input)
{
	uint8_t byte = input->len > 0 ? input->data[0] : 0;
	*input = bytes_from(*input, 1);
	return byte;
}

// Takes the chunk sizes off `input`.
static inline struct fuzz_chunks fuzz_take_chunks(struct bytes *input)
{
	size_t n = fuzz_take_byte(input) % 16;
	n = n < input->len ? n : input->len;
	struct fuzz_chunks chunks = { .sizes = bytes_make(input->data, n) };
	*input = bytes_from(*input, n);
	return chunks;
}

// The size of the next chunk if `left` bytes are left: at least 1, at most `left`.
static inline size_t fuzz_next_chunk(struct fuzz_chunks *chunks, size_t left)
{
	size_t size = 1;
	if (chunks->sizes.len > 0) {
		size += chunks->sizes.data[chunks->next++ % chunks->sizes.len];
	}
	return size < left ? size : left;
}
