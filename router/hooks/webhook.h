// Webhooks: what happens in the router, posted to an HTTP endpoint of the application by the
// Standard Webhooks specification (its page is proto/webhooks.md). A thread of its own sends; the
// routing thread only copies each notice into a bounded queue, so a slow or dead endpoint costs
// memory up to that bound and nothing else.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/conf/conf.h"
#include "router/core/notices.h"
#include "router/hooks/hook_sign.h"

struct fault;
struct webhook;

struct webhook_options { // all borrowed until webhook_free()
	const char *url; // http or https
	const char *ca; // file with the authorities of the endpoint; empty: the system's
	const char *router; // its name
	const struct conf_list *events; // names
	const struct conf_list *rooms; // patterns
	uint64_t queue_bytes;
	uint64_t max_age_ms; // 0: any
};

extern const bool webhook_available; // false without libcurl

// For the table of options: NULL, or what is wrong with the value, a static text.
const char *webhook_check_url(const char *value);
const char *webhook_check_event(const char *value);
const char *webhook_check_pattern(const char *value);

// Takes over what `keys` holds. NULL and the fault if it cannot be.
struct webhook *webhook_new(const struct webhook_options *options, struct hook_keys *keys,
	struct fault *fault);
// Sends what waits, for a second at most and as long as each request is taken. Harmless for NULL.
void webhook_free(struct webhook *w);

// What tells it; borrowed.
struct notices webhook_notices(struct webhook *w);
// Other keys from now on, taken over. Begins again where the endpoint had said that it is gone.
void webhook_reload(struct webhook *w, struct hook_keys *keys);

// Appends its metrics.
void webhook_metrics(struct webhook *w, struct buf *out);
