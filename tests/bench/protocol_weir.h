// What Weir's two codecs have in common for a load generator.
#pragma once

#include "tests/bench/protocol.h"

void weir_append_target(struct buf *out, struct bytes token);
void weir_read_close(unsigned code, struct bytes reason, struct advice *advice);
// Appends the sender's own fields without the braces, so padded that a publish in JSON has `size`
// bytes: what travels is the same in either codec.
void weir_append_own_fields(struct buf *out, const char *room, uint64_t number, size_t size);
