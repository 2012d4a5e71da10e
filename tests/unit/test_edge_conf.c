#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "edge/state/edge_conf.h"
#include "proto/policy/rights.h"
#include "tests/unit/conf_args.h"
#include "tests/unit/temp.h"

static void has_the_documented_defaults(void **state)
{
	(void)state;
	struct edge_conf c;
	assert_loads(&edge_conf_spec, &c, ARGS("--jwt-key=HS256:/k"));
	assert_int_equal(c.listen.n, 1);
	assert_string_equal(c.listen.items[0], "0.0.0.0:8080");
	assert_string_equal(c.listen_tls, "");
	assert_string_equal(c.ops_listen, "127.0.0.1:9180");
	assert_int_equal(c.router.n, 1);
	assert_string_equal(c.router.items[0], "tcp://127.0.0.1:7070");
	assert_string_equal(c.link_key_file, "");
	assert_in_range(c.threads, 1, 64);
	assert_int_equal(c.auth, EDGE_AUTH_JWT);
	assert_false(c.insecure);
	assert_int_equal(c.jwt_leeway_ms, 30000);
	assert_int_equal(c.jwt_max_lifetime_ms, 0);
	assert_int_equal(c.default_rights.n, 1);
	assert_string_equal(c.default_rights.items[0], "join+publish+presence+history=*");
	assert_string_equal(c.admin_role, "admin");
	assert_string_equal(c.lobby, "lobby");
	assert_int_equal(c.lobby_publish, LOBBY_PUBLISH_ALL);
	assert_int_equal(c.allowed_origins.n, 0);
	assert_int_equal(c.message_types.n, 0);
	assert_int_equal(c.ephemeral_types.n, 1);
	assert_string_equal(c.ephemeral_types.items[0], "typing");
	assert_int_equal(c.max_message, 102400);
	assert_int_equal(c.max_connections, 0);
	assert_int_equal(c.max_rooms_per_connection, 100);
	assert_int_equal(c.rate_messages.per_s, 50);
	assert_int_equal(c.rate_messages.burst, 100);
	assert_int_equal(c.rate_admin.per_s, 1000);
	assert_int_equal(c.rate_admin.burst, 2000);
	assert_int_equal(c.rate_bytes.per_s, 256 << 10);
	assert_int_equal(c.rate_bytes.burst, 512 << 10);
	assert_int_equal(c.queue_limit, 1048576);
	assert_int_equal(c.slow_timeout_ms, 30000);
	assert_int_equal(c.heartbeat_interval_ms, 30000);
	assert_int_equal(c.heartbeat_timeout_ms, 35000);
	assert_int_equal(c.handshake_timeout_ms, 10000);
	assert_int_equal(c.publish_queue, 16777216);
	assert_int_equal(c.publish_timeout_ms, 10000);
	assert_int_equal(c.compression, EDGE_COMPRESSION_SHARED);
	assert_int_equal(c.compression_level, 3);
	assert_int_equal(c.compression_mem_level, 7);
	assert_int_equal(c.compression_threshold, 512);
	assert_int_equal(c.router_grace_ms, 30000);
	assert_int_equal(c.drain_timeout_ms, 20000);
	assert_int_equal(c.log_level, LOG_INFO);
	assert_int_equal(c.log_format, LOG_TEXT);
	edge_conf_fini(&c);
}

static void is_called_by_host_and_pid_unless_told(void **state)
{
	(void)state;
	struct edge_conf c;
	char pid[32];
	snprintf(pid, sizeof(pid), "-%ld", (long)getpid());
	assert_loads(&edge_conf_spec, &c, ARGS("--jwt-key=HS256:/k"));
	assert_non_null(strstr(c.name, pid));
	assert_in_range(strlen(c.name), 2, 64);
	edge_conf_fini(&c);
	assert_loads(&edge_conf_spec, &c,
		ARGS("--jwt-key=HS256:/k", "--name=edge-1", "--threads=3"));
	assert_string_equal(c.name, "edge-1");
	assert_int_equal(c.threads, 3);
	edge_conf_fini(&c);
}

static void words_are_the_numbers_of_their_enums(void **state)
{
	(void)state;
	struct edge_conf c;
	assert_loads(&edge_conf_spec, &c,
		ARGS("--auth=none", "--listen=127.0.0.1:0", "--lobby-publish=none",
			"--log-level=debug", "--log-format=json"));
	assert_int_equal(c.auth, EDGE_AUTH_NONE);
	assert_int_equal(c.lobby_publish, LOBBY_PUBLISH_NONE);
	assert_int_equal(c.log_level, LOG_DEBUG);
	assert_int_equal(c.log_format, LOG_JSON);
	edge_conf_fini(&c);
	assert_loads(&edge_conf_spec, &c,
		ARGS("--jwt-key=HS256:/k", "--lobby-publish=admin", "--log-level=error"));
	assert_int_equal(c.lobby_publish, LOBBY_PUBLISH_ADMIN);
	assert_int_equal(c.log_level, LOG_ERROR);
	edge_conf_fini(&c);
}

static void refuses_values_of_the_wrong_form(void **state)
{
	(void)state;
	static const struct {
		const char *arg;
		const char *fault;
	} rows[] = {
		{ "--listen=8080",
			"listen: not an address (HOST:PORT; HOST an IPv4 address, "
			"[IPv6 address] or localhost)" },
		{ "--router=http://router:7070",
			"router: not a URL (tcp://HOST:PORT, tls+tcp://HOST:PORT or ipc:///PATH)" },
		{ "--router=tcp://127.0.0.1:0", "router: port 0 cannot be dialled" },
		{ "--router=", "router: empty value, an edge needs a router" },
		{ "--name=a b", "name: not a name (1-64 letters, digits and . _ - :)" },
		{ "--threads=0", "threads: \"0\" is too small, at least 1" },
		{ "--threads=65", "threads: \"65\" is too large, at most 64" },
		{ "--jwt-key=HS256", "jwt-key: not ALG:FILE or ALG:kid=FILE" },
		{ "--jwt-key=:/k", "jwt-key: not ALG:FILE or ALG:kid=FILE" },
		{ "--jwt-key=HS256:", "jwt-key: not ALG:FILE or ALG:kid=FILE" },
		{ "--jwt-key=HS256:a=", "jwt-key: not ALG:FILE or ALG:kid=FILE" },
		{ "--jwt-key=HS256:=/k", "jwt-key: not ALG:FILE or ALG:kid=FILE" },
		{ "--default-rights=fly=*",
			"default-rights: not RIGHT+RIGHT=PATTERN (RIGHT: join, "
			"publish, presence or history)" },
		{ "--allowed-origins=https://example.org/",
			"allowed-origins: not an origin (scheme://host or scheme://host:port, "
			"without a path)" },
		{ "--allowed-origins=example.org",
			"allowed-origins: not an origin (scheme://host or scheme://host:port, "
			"without a path)" },
		{ "--allowed-origins=https://example.org:443",
			"allowed-origins: can never match: browsers leave the default port of a "
			"scheme out" },
		{ "--max-message=0", "max-message: \"0\" is too small, at least 64" },
		{ "--max-message=524289", "max-message: \"524289\" is too large, at most 512KiB" },
		{ "--queue-limit=0", "queue-limit: \"0\" is too small, at least 1" },
		{ "--compression-level=10", "compression-level: \"10\" is too large, at most 9" },
		{ "--handshake-timeout=0",
			"handshake-timeout: \"0\" is too small, at least 100ms" },
		{ "--heartbeat-timeout=30s",
			"heartbeat-timeout: must be longer than heartbeat-interval" },
		{ "--trusted-proxies=10.0.0.0/33",
			"trusted-proxies: not a network (ADDRESS or ADDRESS/BITS, as 10.0.0.0/8 or "
			"fd00::/8)" },
		{ "--proxy-protocol",
			"proxy-protocol: needs trusted-proxies, else no client can connect" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char expected[256];
		snprintf(expected, sizeof(expected), "command line: %s", rows[i].fault);
		assert_fails(&edge_conf_spec, ARGS("--jwt-key=HS256:/k", rows[i].arg), expected);
	}
	char name[200] = "--lobby=";
	memset(name + strlen(name), 'r', 129);
	assert_fails(&edge_conf_spec, ARGS("--jwt-key=HS256:/k", name),
		"command line: lobby: longer than a room name may be (128 bytes)");
	snprintf(name, sizeof(name), "--message-types=%065d", 0);
	assert_fails(&edge_conf_spec, ARGS("--jwt-key=HS256:/k", name),
		"command line: message-types: longer than a type may be (64 bytes)");
}

static void takes_values_of_the_right_form(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"--listen=[::]:8080",
		"--listen=localhost:0",
		"--ops-listen=",
		"--router=tcp://router.example.org:7070",
		"--router=tcp://router_1:7070",
		"--router=tcp://[::1]:7070",
		"--router=ipc:///run/weir/link.sock",
		"--jwt-key=RS256:/k",
		"--jwt-key=HS256:kid=/k",
		"--default-rights=join=news-*",
		"--allowed-origins=null",
		"--allowed-origins=*",
		"--allowed-origins=http://localhost:*",
		"--allowed-origins=https://example.org:8443",
		"--lobby=",
		"--admin-role=",
		"--max-message=524288",
		"--max-rooms-per-connection=0",
		"--rate-messages=0",
		"--drain-timeout=0",
		"--compression=shared",
		"--demo=no",
		"--trusted-proxies=10.0.0.0/8",
		"--trusted-proxies=fd00::/8",
		"--proxy-protocol=no",
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct edge_conf c;
		assert_loads(&edge_conf_spec, &c, ARGS("--jwt-key=HS256:/k", rows[i]));
		edge_conf_fini(&c);
	}
}

static void lets_strangers_in_only_on_purpose(void **state)
{
	(void)state;
	static const char fault[] = "none lets everybody in: listen on loopback addresses only, or "
				    "set insecure";
	char expected[160];
	struct edge_conf c;
	assert_fails(&edge_conf_spec, NO_ARGS,
		"command line: jwt-key: required with auth=jwt, or jwks-file or jwks-url");
	snprintf(expected, sizeof(expected), "command line: auth: %s", fault);
	assert_fails(&edge_conf_spec, ARGS("--auth=none"), expected);
	assert_fails(&edge_conf_spec,
		ARGS("--auth=none", "--listen=127.0.0.1:0", "--listen=10.0.0.1:0"), expected);
	assert_loads(&edge_conf_spec, &c, ARGS("--auth=none", "--insecure"));
	edge_conf_fini(&c);
	assert_loads(&edge_conf_spec, &c,
		ARGS("--auth=none", "--listen=127.0.0.1:0", "--listen=[::1]:0"));
	edge_conf_fini(&c);
	assert_loads(&edge_conf_spec, &c, ARGS("--auth=none", "--listen="));
	edge_conf_fini(&c);
}

static void wants_a_certificate_and_its_key_where_tls_is_listened_for(void **state)
{
	(void)state;
	struct edge_conf c;
	assert_fails(&edge_conf_spec, ARGS("--jwt-key=HS256:/k", "--listen-tls=127.0.0.1:8443"),
		"command line: tls-cert: required with listen-tls");
	assert_fails(&edge_conf_spec,
		ARGS("--jwt-key=HS256:/k", "--listen-tls=127.0.0.1:8443", "--tls-cert=/c"),
		"command line: tls-key: required with listen-tls");
	assert_loads(&edge_conf_spec, &c,
		ARGS("--jwt-key=HS256:/k", "--listen-tls=127.0.0.1:8443", "--tls-cert=/c",
			"--tls-key=/k"));
	assert_string_equal(c.listen_tls, "127.0.0.1:8443");
	edge_conf_fini(&c);
}

static void what_it_prints_it_reads_again(void **state)
{
	(void)state;
	struct edge_conf c;
	struct edge_conf again;
	char path[TEMP_PATH_MAX];
	temp_template(path, "test-edge-conf");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	FILE *out = fdopen(fd, "w");
	assert_non_null(out);
	assert_loads(&edge_conf_spec, &c,
		ARGS("--jwt-key=HS256:kid=/k", "--lobby=#general", "--router-grace=0"));
	conf_print(&edge_conf_spec, &c, out);
	fclose(out);
	assert_loads(&edge_conf_spec, &again, ARGS("--config", path));
	char *text[2] = { NULL, NULL };
	size_t len[2];
	const struct edge_conf *both[2] = { &c, &again };
	for (size_t i = 0; i < 2; i++) {
		out = open_memstream(&text[i], &len[i]);
		assert_non_null(out);
		conf_print(&edge_conf_spec, both[i], out);
		fclose(out);
	}
	assert_string_equal(text[0], text[1]);
	free(text[0]);
	free(text[1]);
	unlink(path);
	edge_conf_fini(&c);
	edge_conf_fini(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_the_documented_defaults),
		cmocka_unit_test(is_called_by_host_and_pid_unless_told),
		cmocka_unit_test(words_are_the_numbers_of_their_enums),
		cmocka_unit_test(refuses_values_of_the_wrong_form),
		cmocka_unit_test(takes_values_of_the_right_form),
		cmocka_unit_test(lets_strangers_in_only_on_purpose),
		cmocka_unit_test(wants_a_certificate_and_its_key_where_tls_is_listened_for),
		cmocka_unit_test(what_it_prints_it_reads_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
