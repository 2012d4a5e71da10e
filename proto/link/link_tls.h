// TLS for tls+tcp:// links, with certificates on both sides: each end shows its own and accepts the
// other's only if the given authority signed it. Done by NNG's engine (mbedTLS: TLS 1.2).
#pragma once

#include <stdbool.h>

#include "proto/link_hello.h"

struct fault;
struct nng_tls_config;

struct link_tls_files {
	const char *cert; // PEM chain
	const char *key; // PEM, under the rules of secret files
	const char *ca; // PEM
};

bool link_url_is_tls(const char *url);

// Loads and checks the files for one end of `url`; the edge also demands that the router's
// certificate names the URL's host. Owned, link_tls_free(). NULL with `fault` set to the option
// that has the URL; its text begins with the option that has the file.
struct nng_tls_config *link_tls_new(enum link_role role, const struct link_tls_files *files,
	const char *url, struct fault *fault);
void link_tls_free(struct nng_tls_config *config); // NULL is fine
