// CRC-32C (Castagnoli; RFC 3720 appendix B.4), by the processor's instruction where there is one.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Continues `crc` (0 to begin) over `data`; the result is the finished checksum so far.
uint32_t crc32c(uint32_t crc, const void *data, size_t len);
// The same without the instruction; for tests and for processors without it.
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len);
