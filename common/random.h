// Random bytes for keys of hash tables, nonces and identities. Cryptographically strong; a process
// whose system has none to give is aborted, as nothing it makes would be safe.
#pragma once

#include <stddef.h>
#include <stdint.h>

void random_fill(void *out, size_t len);
uint64_t random_u64(void);
