// The rows are in one place, so that the page that promises them can be compared with them
// (tests/wire_words.c). They do not know who refuses, nor the text that explains it, which depends
// on the request.

#include "edge/client/api_refusals.h"

#include "common/check.h"
#include "common/mem.h"

static const struct api_refusal_row rows[API_REFUSAL_COUNT] = {
	[API_BAD_REQUEST] = { 400, "bad_request" },
	[API_MISSING_TOKEN] = { 401, "missing_token" },
	[API_INVALID_TOKEN] = { 401, "invalid_token" },
	[API_REVOKED] = { 401, "revoked" },
	[API_NOT_FOUND] = { 404, "not_found" },
	[API_METHOD_NOT_ALLOWED] = { 405, "method_not_allowed" },
	[API_TIMEOUT] = { 408, "timeout" },
	[API_LENGTH_REQUIRED] = { 411, "length_required" },
	[API_TOO_BIG] = { 413, "too_big" },
	[API_TOO_MANY] = { 413, "limit" },
	[API_URI_TOO_LONG] = { 414, "bad_request" },
	[API_MEDIA_TYPE] = { 415, "unsupported_media_type" },
	[API_NO_BATCH] = { 422, "invalid_message" },
	[API_RATE_LIMITED] = { 429, "rate_limited" },
	[API_HEAD_TOO_LONG] = { 431, "bad_request" },
	[API_UNAVAILABLE] = { 503, "unavailable" },
	[API_VERSION] = { 505, "bad_request" },
};

const struct api_refusal_row *api_refusal_row(enum api_refusal refusal)
{
	CHECK(refusal < API_REFUSAL_COUNT);
	return &rows[refusal];
}

enum api_refusal api_refusal_of_status(int status)
{
	unsigned i = 0;
	while (i < API_REFUSAL_COUNT && rows[i].status != status) {
		i++;
	}
	CHECK(i < API_REFUSAL_COUNT);
	return (enum api_refusal)i;
}

int api_status_of(enum client_error error)
{
	static const int statuses[ERROR_COUNT] = {
		[ERROR_INVALID_MESSAGE] = 422,
		[ERROR_UNKNOWN_TYPE] = 422,
		[ERROR_BAD_ROOM] = 422,
		[ERROR_STARRED_ROOM] = 422,
		[ERROR_NOT_MEMBER] = 422,
		[ERROR_FORBIDDEN] = 403,
		[ERROR_LIMIT] = 429,
		[ERROR_RATE_LIMITED] = 429,
		[ERROR_UNAVAILABLE] = 503,
	};
	CHECK(error > ERROR_NONE && error < ERROR_COUNT);
	return statuses[error];
}
