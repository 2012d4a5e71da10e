// The options of weir-router.
#pragma once

#include <stdint.h>

#include "common/conf/conf.h"

#define ROUTER_STORE_FILE "file:" // what the name of a folder follows

enum router_store_fsync {
	ROUTER_FSYNC_NEVER,
	ROUTER_FSYNC_COMMIT,
};

enum router_beyond {
	ROUTER_BEYOND_REJECT, // who comes
	ROUTER_BEYOND_NEWEST_WINS, // the oldest goes
};

// One field an option, in the order of the table. Strings are never NULL. A limit of 0 is none, see
// conf_limit().
struct router_conf {
	char *listen; // never empty
	struct conf_list link_key_file; // "FILE", or "NAME=FILE" for one edge
	char *revocation_key_file; // empty: see link_keys_seal()
	struct conf_list edge_options; // see edge_rules.h
	char *link_tls_cert;
	char *link_tls_key;
	char *link_tls_ca;
	char *admin; // never empty
	char *ops_listen; // empty: none
	char *ui_listen;
	char *name;
	char *user;

	char *store;
	int store_fsync; // enum router_store_fsync
	char *store_password_file;
	uint64_t store_timeout_ms; // never 0
	uint64_t store_replicas;
	uint64_t history_messages;
	uint64_t history_bytes; // never 0
	uint64_t history_age_ms;
	uint64_t history_total;
	uint64_t dedup_total;

	uint64_t max_rooms;
	uint64_t max_members_per_room;
	struct conf_bound max_connections_per_user; // beyond it: enum router_beyond
	struct conf_rate rate_user;
	struct conf_rate rate_user_bytes;
	struct conf_rate rate_fanout;
	struct conf_rate rate_fanout_bytes;
	struct conf_rate rate_answers;
	struct conf_rate rate_rooms;
	uint64_t presence_events_max;
	uint64_t presence_linger_ms;
	struct conf_list room_options; // see room_rules.h
	struct conf_list room_slow_policy;
	uint64_t recorder_bytes;
	char *webhook_url; // empty: none
	struct conf_list webhook_key_file; // not empty with a URL
	struct conf_list webhook_events;
	struct conf_list webhook_rooms;
	uint64_t webhook_queue; // never 0
	uint64_t webhook_max_age_ms;
	char *webhook_ca;
	uint64_t link_timeout_ms; // never 0
	int log_level; // enum log_level
	int log_format; // enum log_format
};

extern const struct conf_spec router_conf_spec;

// Fills the zeroed `conf`; what is to be printed, an error included, has been.
struct conf_result router_conf_load(struct router_conf *conf, int argc, char **argv);
void router_conf_fini(struct router_conf *conf);
