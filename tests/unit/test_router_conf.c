#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "proto/admin_path.h"
#include "router/router_conf.h"
#include "tests/unit/conf_args.h"
#include "tests/unit/temp.h"

// So that no test makes folders for the socket.
#define ADMIN "--admin=ipc:///run/weir/test.sock"

static void has_the_documented_defaults(void **state)
{
	(void)state;
	struct router_conf c;
	assert_loads(&router_conf_spec, &c, ARGS(ADMIN));
	assert_string_equal(c.listen, "tcp://127.0.0.1:7070");
	assert_int_equal(c.link_key_file.n, 0);
	assert_string_equal(c.ops_listen, "127.0.0.1:9170");
	assert_string_equal(c.ui_listen, "");
	assert_int_equal(strncmp(c.name, "router-", 7), 0);
	assert_string_equal(c.store, "memory");
	assert_int_equal(c.store_fsync, ROUTER_FSYNC_NEVER);
	assert_int_equal(c.history_messages, 100);
	assert_int_equal(c.history_bytes, 262144);
	assert_int_equal(c.history_age_ms, 300000);
	assert_int_equal(c.history_total, 268435456);
	assert_int_equal(c.dedup_total, 67108864);
	assert_int_equal(c.max_rooms, 1000000);
	assert_int_equal(c.max_members_per_room, 0);
	assert_int_equal(c.max_connections_per_user.n, 0);
	assert_int_equal(c.rate_user.per_s, 0);
	assert_int_equal(c.rate_user_bytes.per_s, 400 << 10);
	assert_int_equal(c.rate_user_bytes.burst, 640 << 10);
	assert_int_equal(c.rate_fanout_bytes.per_s, 64 << 20);
	assert_int_equal(c.rate_fanout_bytes.burst, 128 << 20);
	assert_int_equal(c.rate_answers.per_s, 4 << 20);
	assert_int_equal(c.rate_rooms.per_s, 20);
	assert_int_equal(c.rate_rooms.burst, 1000);
	assert_int_equal(c.rate_answers.burst, 16 << 20);
	assert_int_equal(c.rate_fanout.per_s, 1000000);
	assert_int_equal(c.rate_fanout.burst, 1000000);
	assert_int_equal(c.presence_events_max, 1000);
	assert_int_equal(c.presence_linger_ms, 0);
	assert_int_equal(c.room_options.n, 0);
	assert_int_equal(c.room_slow_policy.n, 0);
	assert_int_equal(c.link_timeout_ms, 6000);
	assert_int_equal(c.log_level, LOG_INFO);
	assert_int_equal(c.log_format, LOG_TEXT);
	router_conf_fini(&c);
}

static void knows_what_it_can_do_instead_of_running(void **state)
{
	(void)state;
	struct router_conf c = { 0 };
	struct buf error = { 0 };
	assert_int_equal(
		args_load(&router_conf_spec, &c, ARGS(ADMIN, "--store-check"), &error).action,
		CONF_OWN);
	router_conf_fini(&c);
	assert_fails(&router_conf_spec, ARGS(ADMIN, "--store-check=yes"),
		"command line: store-check: unknown option");
	buf_fini(&error);
}

static void refuses_values_of_the_wrong_form(void **state)
{
	(void)state;
	static const char no_policy[] = "room-slow-policy: not PATTERN=disconnect, "
					"PATTERN=drop-oldest or PATTERN=conflate";
	static const char no_link_key[] = "link-key-file: not FILE or NAME=FILE";
	static const char no_key[] = "link-key-file: required where listen is not a loopback "
				     "address";
	static const struct {
		const char *arg;
		const char *fault;
	} rows[] = {
		{ "--listen=127.0.0.1:7070",
			"listen: not a URL (tcp://HOST:PORT, tls+tcp://HOST:PORT or ipc:///PATH)" },
		{ "--listen=", "listen: empty value" },
		{ "--listen=tcp://0.0.0.0:7070", no_key },
		{ "--listen=tcp://router:7070", no_key },
		{ "--listen=tcp://[::]:7070", no_key },
		{ "--admin=tcp://127.0.0.1:1",
			"admin: not a URL like ipc:///run/weir/router.sock" },
		{ "--admin=ipc://router.sock",
			"admin: not a URL like ipc:///run/weir/router.sock" },
		{ "--link-key-file==/k", no_link_key },
		{ "--link-key-file=edge-1=", no_link_key },
		{ "--link-key-file=edge 1=/k", no_link_key },
		{ "--ui-listen=0.0.0.0:80", "ui-listen: not a loopback address" },
		{ "--store=redis", "store: neither memory, file:DIR nor redis://HOST" },
		{ "--store=redis://:x@h",
			"store: a password in it is seen by all: put it into "
			"store-password-file" },
		{ "--store=redis://h/x",
			"store: what follows the host is not the number of a database" },
		{ "--store=rediss://h",
			"store: TLS to a Redis is not available: use a unix socket, or a tunnel" },
		{ "--store=redis+unix://h", "store: not redis+unix://[USER@]/PATH[?db=N]" },
		{ "--store=file:", "store: neither memory, file:DIR nor redis://HOST" },
		{ "--store=", "store: empty value" },
		{ "--history-bytes=102399",
			"history-bytes: too small, at least 100KiB, which is "
			"the default of max-message" },
		{ "--max-connections-per-user=5",
			"max-connections-per-user: \"5\" is not 0, N reject or N newest-wins" },
		{ "--room-slow-policy=news", no_policy },
		{ "--room-slow-policy==conflate", no_policy },
		{ "--room-slow-policy=news=ignore", no_policy },
		{ "--edge-options=east admin=no",
			"edge-options: names an edge without a key of its own in link-key-file" },
		{ "--edge-options=* admin=maybe", "edge-options: admin is yes or no" },
		{ "--room-options=news", "room-options: not PATTERN key=value ..." },
		{ "--room-options=news slow=never",
			"room-options: slow is not disconnect, drop-oldest or conflate" },
		{ "--link-timeout=100ms", "link-timeout: \"100ms\" is too small, at least 200ms" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char expected[256];
		snprintf(expected, sizeof(expected), "command line: %s", rows[i].fault);
		assert_fails(&router_conf_spec, ARGS(ADMIN, rows[i].arg), expected);
	}
	char admin[200] = "--admin=ipc:///";
	memset(admin + strlen(admin), 'a', 107);
	assert_fails(&router_conf_spec, ARGS(admin),
		"command line: admin: path longer than 107 bytes");
}

static void takes_values_of_the_right_form(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"--listen=tcp://localhost:0",
		"--listen=ipc:///run/weir/link.sock",
		"--link-key-file=/k",
		"--link-key-file=edge-1=/k",
		"--name=r1",
		"--history-bytes=100KiB",
		"--rate-fanout=0",
		"--rate-fanout=5000/s burst 9000",
		"--link-timeout=200ms",
		"--room-options=news-* slow=drop-oldest max-members=9",
		"--room-slow-policy=news-*=drop-oldest",
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct router_conf c;
		assert_loads(&router_conf_spec, &c, ARGS(ADMIN, rows[i]));
		router_conf_fini(&c);
	}
	struct router_conf c;
	assert_loads(&router_conf_spec, &c,
		ARGS(ADMIN, "--listen=tcp://0.0.0.0:7070", "--link-key-file=/k"));
	router_conf_fini(&c);
}

static void the_admin_socket_is_where_only_we_can_be(void **state)
{
	(void)state;
	if (access("/run/weir", F_OK) == 0) {
		skip(); // a service of this machine has its own
	}
	char root[TEMP_PATH_MAX];
	char folder[TEMP_PATH_MAX + 8];
	char expected[TEMP_PATH_MAX + 32];
	const char *why;
	struct stat st;
	temp_template(root, "test-admin");
	assert_non_null(mkdtemp(root));
	assert_int_equal(setenv("XDG_RUNTIME_DIR", root, 1), 0);
	snprintf(folder, sizeof(folder), "%s/weir", root);
	snprintf(expected, sizeof(expected), "ipc://%s/router.sock", folder);

	// Once made, once found.
	for (int i = 0; i < 2; i++) {
		char *url = router_admin_default(&why);
		assert_string_equal(url, expected);
		free(url);
		assert_int_equal(stat(folder, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0700);
	}

	struct router_conf c;
	assert_loads(&router_conf_spec, &c, NO_ARGS);
	assert_string_equal(c.admin, expected);
	router_conf_fini(&c);

	// Not one that others can enter, nor a link to one of ours.
	assert_int_equal(chmod(folder, 0750), 0);
	char *url = router_admin_default(&why);
	assert_string_not_equal(url != NULL ? url : "", expected);
	free(url);
	assert_int_equal(chmod(folder, 0700), 0);
	char moved[TEMP_PATH_MAX + 8];
	snprintf(moved, sizeof(moved), "%s/moved", root);
	assert_int_equal(rename(folder, moved), 0);
	assert_int_equal(symlink(moved, folder), 0);
	url = router_admin_default(&why);
	assert_string_not_equal(url != NULL ? url : "", expected);
	free(url);
	unlink(folder);
	rmdir(moved);
	rmdir(root);
	unsetenv("XDG_RUNTIME_DIR");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_the_documented_defaults),
		cmocka_unit_test(knows_what_it_can_do_instead_of_running),
		cmocka_unit_test(refuses_values_of_the_wrong_form),
		cmocka_unit_test(takes_values_of_the_right_form),
		cmocka_unit_test(the_admin_socket_is_where_only_we_can_be),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
