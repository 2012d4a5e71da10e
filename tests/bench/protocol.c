// The list of protocols; a further one is a number in the header, a file, and a row in each of the
// two arrays.

#include "tests/bench/protocol.h"

const char *const bench_protocol_names[] = { "weir", "nats", NULL };
const struct bench_protocol *const bench_protocols[] = {
	[BENCH_PROTOCOL_WEIR] = &protocol_weir,
	[BENCH_PROTOCOL_NATS] = &protocol_nats,
	[BENCH_PROTOCOL_WEIR_PROTO] = &protocol_weir_proto,
};
