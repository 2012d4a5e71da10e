// TLS for tls+tcp:// links, with certificates on both sides: each end shows its own and accepts the
// other's only if the given authority signed it. Done by NNG's engine (mbedTLS: TLS 1.2).
#pragma once

#include <stdbool.h>

#include "proto/link_hello.h"

struct nng_tls_config;

struct link_tls_files {
	const char *cert; // PEM chain
	const char *key; // PEM, under the rules of secret files
	const char *ca; // PEM
};

bool link_url_is_tls(const char *url);

// Loads and checks the files for one end of `url`; the edge also demands that the router's certificate
// names the URL's host. Owned, link_tls_free(). NULL and `*why` (owned, free(3)) naming the option and
// the fault.
struct nng_tls_config *link_tls_new(enum link_role role, const struct link_tls_files *files,
	const char *url, char **why);
void link_tls_free(struct nng_tls_config *config); // NULL is fine
