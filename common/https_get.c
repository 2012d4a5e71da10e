// libcurl, held to what a key set needs: HTTPS with a checked certificate, one body of a bounded
// size, in a bounded time. A redirect may lead to HTTPS alone. Nothing of the environment counts
// (.netrc, and proxies only as the usual variables say).

#include "common/https_get.h"

#include <curl/curl.h>

#include "common/mem.h"

enum {
	REDIRECTS_MAX = 3,
	CONNECT_TIMEOUT_MS = 5000,
};

struct answer {
	const struct https_request *request;
	struct buf *body;
	size_t start;
	bool too_long;
};

void https_init(void)
{
	CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

bool https_is_built(void)
{
	return true;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct answer *a = arg;
	size_t len = size * n;
	if (a->body->len - a->start + len > a->request->max) {
		a->too_long = true;
		return 0;
	}
	buf_append(a->body, data, len);
	return len;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct https_request *request = ((const struct answer *)arg)->request;
	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return request->stop != NULL && atomic_load(request->stop);
}

static void prepare(CURL *curl, const struct https_request *request, struct answer *a)
{
	curl_easy_setopt(curl, CURLOPT_URL, request->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "weir/" WEIR_VERSION);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, a);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, a);
	if (request->ca_file != NULL && request->ca_file[0] != '\0') {
		curl_easy_setopt(curl, CURLOPT_CAINFO, request->ca_file);
		curl_easy_setopt(curl, CURLOPT_CAPATH, NULL); // no other authority
	}
}

int https_get(const struct https_request *request, struct buf *body, char **why)
{
	struct answer a = { .request = request, .body = body, .start = body->len };
	long status = 0;
	CURL *curl = curl_easy_init();
	if (curl == NULL) {
		*why = xstrdup("libcurl cannot be used");
		return -1;
	}
	prepare(curl, request, &a);
	CURLcode code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	*why = NULL;
	if (a.too_long) {
		*why = xstrdup("the answer is too long");
	} else if (code != CURLE_OK) {
		*why = xstrdup(curl_easy_strerror(code));
	} else if (status != 200) {
		*why = xasprintf("the answer has status %ld", status);
	}
	if (*why != NULL) {
		body->len = a.start;
		return -1;
	}
	return 0;
}
