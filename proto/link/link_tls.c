// NNG can read the files itself, but does not look at who else can read the key; so they are read
// here and handed over as text, which NNG copies and mbedTLS parses.

#include "proto/link/link_tls.h"

#include <stdlib.h>
#include <string.h>

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

#include "common/fault.h"
#include "common/mem.h"
#include "common/secret_file.h"

enum {
	PEM_MAX = 1 << 20
};

static const char scheme[] = "tls+tcp://";

bool link_url_is_tls(const char *url)
{
	return strncmp(url, scheme, sizeof(scheme) - 1) == 0;
}

// The host of the URL, without port and brackets; owned.
static char *host_of(const char *url)
{
	const char *start = url + sizeof(scheme) - 1;
	const char *end = strrchr(start, ':');
	if (*start == '[') {
		start++;
		end = strchr(start, ']');
	}
	return end != NULL ? xstrndup(start, (size_t)(end - start)) : xstrdup(start);
}

typedef int read_fn(const char *path, size_t max, struct buf *out, const char **why);

// A PEM file as text; NULL and `*why` (owned) if it cannot be read.
static char *read_pem(const char *option, const char *path, read_fn *read, char **why)
{
	struct buf text = { 0 };
	const char *fault = "required for tls+tcp";
	if (path == NULL || path[0] == '\0' || read(path, PEM_MAX, &text, &fault) != 0) {
		*why = xasprintf("%s: %s", option, fault);
		return NULL;
	}
	char *pem = xstrndup(text.data, text.len);
	secret_file_free(&text);
	return pem;
}

static const char *set_up(struct nng_tls_config *config, enum link_role role, const char *cert,
	const char *key, const char *ca, const char *url)
{
	int result = nng_tls_config_own_cert(config, cert, key, NULL);
	if (result != 0) {
		return "link-tls-cert, link-tls-key: not a certificate and its key, PEM";
	}
	if (nng_tls_config_ca_chain(config, ca, NULL) != 0) {
		return "link-tls-ca: not a certificate, PEM";
	}
	if (role == LINK_ROLE_EDGE) {
		char *host = host_of(url);
		result = nng_tls_config_server_name(config, host);
		free(host);
	}
	if (result == 0) {
		result = nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_REQUIRED);
	}
	return result == 0 ? NULL : nng_strerror(result);
}

struct nng_tls_config *link_tls_new(enum link_role role, const struct link_tls_files *files,
	const char *url, struct fault *fault)
{
	struct nng_tls_config *config = NULL;
	char *why = NULL;
	char *cert = read_pem("link-tls-cert", files->cert, public_file_read, &why);
	char *ca = cert != NULL ? read_pem("link-tls-ca", files->ca, public_file_read, &why) : NULL;
	char *key =
		ca != NULL ? read_pem("link-tls-key", files->key, secret_file_read, &why) : NULL;
	if (key != NULL) {
		enum nng_tls_mode mode =
			role == LINK_ROLE_EDGE ? NNG_TLS_MODE_CLIENT : NNG_TLS_MODE_SERVER;
		if (nng_tls_config_alloc(&config, mode) != 0) {
			mem_exhausted(); // nothing else makes it fail
		}
		const char *wrong = set_up(config, role, cert, key, ca, url);
		if (wrong != NULL) {
			why = xstrdup(wrong);
			nng_tls_config_free(config);
			config = NULL;
		}
		explicit_bzero(key, strlen(key));
	}
	if (config == NULL) {
		*fault = (struct fault){ role == LINK_ROLE_EDGE ? "router" : "listen", why };
	}
	free(cert);
	free(ca);
	free(key);
	return config;
}

void link_tls_free(struct nng_tls_config *config)
{
	if (config != NULL) {
		nng_tls_config_free(config);
	}
}
