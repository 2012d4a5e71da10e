// Where libcurl is missing: no webhook is ever made, so nothing else here is ever called.

#include "common/fault.h"
#include "router/hooks/webhook.h"

const bool webhook_available = false;

struct webhook *webhook_new(const struct webhook_options *options, struct hook_keys *keys,
	struct fault *fault)
{
	(void)keys;
	*fault = (struct fault){ 0 };
	(void)fault_set(fault, "webhook-url", "%s: this program was built without libcurl",
		options->url);
	return NULL;
}

void webhook_free(struct webhook *w)
{
	(void)w;
}

struct notices webhook_notices(struct webhook *w)
{
	(void)w;
	return (struct notices){ 0 };
}

void webhook_reload(struct webhook *w, struct hook_keys *keys)
{
	(void)w;
	(void)keys;
}

void webhook_metrics(struct webhook *w, struct buf *out)
{
	(void)w;
	(void)out;
}
