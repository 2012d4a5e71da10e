// What the options of webhooks may say.

#include <string.h>

#include "proto/policy/rights.h"
#include "router/hooks/webhook.h"

const char *webhook_check_url(const char *value)
{
	if (!webhook_available) {
		return "this program was built without libcurl";
	}
	const char *rest = strncmp(value, "http://", 7) == 0 ? value + 7
		: strncmp(value, "https://", 8) == 0         ? value + 8
							     : NULL;
	if (rest == NULL || rest[0] == '\0' || rest[0] == '/') {
		return "not an http:// or https:// URL";
	}
	bool has_user = memchr(rest, '@', strcspn(rest, "/?#")) != NULL;
	return has_user ? "names a user, and a secret has no place here" : NULL;
}

const char *webhook_check_event(const char *value)
{
	return notice_kind_find(bytes_str(value)) != NOTICE_KIND_COUNT ? NULL : "no such event";
}

const char *webhook_check_pattern(const char *value)
{
	struct rights *probe = rights_new();
	bool fine = rights_add(probe, 1, bytes_str(value));
	rights_unref(probe);
	return fine ? NULL : "not a pattern of rooms";
}
