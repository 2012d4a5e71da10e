// The values of option allowed-origins: which pages may connect. An entry is `*` (any page), `null`
// (pages without an origin: files, sandboxed frames), an origin as browsers write it
// (scheme://host or scheme://host:port, RFC 6454 section 6.2), or one with the port `*`, which
// stands for any port and for none.
#pragma once

#include <stdbool.h>

#include "common/bytes.h"

// NULL, or why `entry` can never be what a browser sends: static text.
const char *origin_entry_check(const char *entry);
// Whether a page of `origin`, as the field Origin names it, is meant by the good entry.
bool origin_entry_matches(const char *entry, struct bytes origin);
