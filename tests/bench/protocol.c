// The list of protocols; a further one is a file and a row in each of the two arrays.

#include "tests/bench/protocol.h"

const char *const bench_protocol_names[] = { "weir", "nats", NULL };
const struct bench_protocol *const bench_protocols[] = { &protocol_weir, &protocol_nats };
