// A handle names a connection towards the router and in everything that may outlive it: worker
// index (8 bits), generation (24), slot (32). Never 0.
#pragma once

#include <stdint.h>

static inline uint64_t handle_make(unsigned worker, uint32_t generation, uint32_t slot)
{
	return (uint64_t)worker << 56 | (uint64_t)generation << 32 | slot;
}
static inline unsigned handle_worker(uint64_t handle)
{
	return (unsigned)(handle >> 56);
}
