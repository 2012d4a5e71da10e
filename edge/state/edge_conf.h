// The options of weir-edge.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/conf/conf.h"

enum edge_auth {
	EDGE_AUTH_JWT,
	EDGE_AUTH_NONE,
};

enum edge_compression {
	EDGE_COMPRESSION_OFF,
	EDGE_COMPRESSION_SHARED,
};

// One field an option, in the order of the table. Strings are never NULL. A limit of 0 is none, see
// conf_limit(); those that may not be 0 are marked.
struct edge_conf {
	struct conf_list listen;
	char *listen_tls;
	char *tls_cert;
	char *tls_key;
	char *tls_client_ca;
	char *tls_ticket_key_file;
	char *ops_listen; // empty: none
	struct conf_list router;
	char *link_key_file;
	char *link_tls_cert;
	char *link_tls_key;
	char *link_tls_ca;
	char *name; // never empty
	uint64_t threads; // never 0
	char *user;

	int auth; // enum edge_auth
	bool insecure;
	struct conf_list jwt_key;
	char *jwks_file;
	char *jwks_url;
	char *jwks_ca;
	uint64_t jwks_refresh_ms; // never 0
	char *jwt_issuer;
	char *jwt_audience;
	char *jwt_user_claim; // empty: sub, else userId
	char *jwt_username_claim;
	char *jwt_roles_claim; // empty: roles, an array
	char *jwt_rights_claim;
	uint64_t jwt_leeway_ms;
	uint64_t jwt_max_lifetime_ms;
	struct conf_list default_rights;
	char *admin_role;
	char *lobby;
	int lobby_publish; // enum lobby_publish
	struct conf_list allowed_origins;
	struct conf_list message_types;
	struct conf_list ephemeral_types;

	uint64_t max_message; // never 0
	uint64_t max_connections; // 0: as many as descriptors allow
	uint64_t max_connections_per_ip;
	struct conf_rate accept_rate;
	uint64_t max_rooms_per_connection;
	struct conf_rate api_rate;
	struct conf_rate rate_messages;
	struct conf_rate rate_admin;
	struct conf_rate rate_bytes;
	uint64_t queue_limit; // never 0
	uint64_t queue_total;
	uint64_t slow_timeout_ms; // never 0, nor are the next three
	uint64_t heartbeat_interval_ms;
	uint64_t heartbeat_timeout_ms; // more than heartbeat_interval_ms
	uint64_t handshake_timeout_ms;
	uint64_t publish_queue; // never 0
	uint64_t publish_timeout_ms; // never 0

	int compression; // enum edge_compression
	uint64_t compression_level;
	uint64_t compression_mem_level;
	uint64_t compression_threshold;
	struct conf_list trusted_proxies;
	bool proxy_protocol;
	uint64_t router_grace_ms;
	uint64_t drain_timeout_ms;
	uint64_t recorder_bytes;
	bool demo;
	int log_level; // enum log_level
	bool log_connections;
	int log_format; // enum log_format
};

extern const struct conf_spec edge_conf_spec;

// Fills the zeroed `conf`; what is to be printed, an error included, has been.
struct conf_result edge_conf_load(struct edge_conf *conf, int argc, char **argv);
void edge_conf_fini(struct edge_conf *conf);
