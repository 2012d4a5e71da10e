// HELLO, as far as it can be judged without knowing who is here: unpacked, its names and sizes
// within bounds, its default rights as a policy. Pure.
#pragma once

#include "common/bytes.h"
#include "common/check.h"
#include "link.pb-c.h"
#include "proto/policy/rights.h"

struct edge_hello {
	Weir__Link__V1__Hello *message; // owned
	struct rights_policy policy; // its lobby borrows from the message; owns its defaults
};

// `packed` is the signed body. False, with `hello` zeroed, for what no conforming edge sends, of
// whatever version it is.
MUST_CHECK bool edge_hello_unpack(struct edge_hello *hello, struct bytes packed);
void edge_hello_fini(struct edge_hello *hello);
