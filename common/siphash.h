// SipHash-2-4 (Aumasson, Bernstein 2012): a hash of short texts whose collisions nobody can choose
// who does not know the key.
#pragma once

#include <stddef.h>
#include <stdint.h>

uint64_t siphash24(const uint64_t key[2], const void *data, size_t len);
