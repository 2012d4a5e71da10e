// weir-token: makes, shows and checks tokens.
//
// It is a thin hand on what the edge itself uses: `make` signs by jws_sign.c, `check` reads the
// edge's own configuration and asks auth.c, so its verdict cannot differ from the edge's, except
// that it knows of no revocation. `inspect` is for tokens one has no key for, and says that it
// believes nothing.
//
// A token is as good as a password while it lasts. It is read from a file or standard input, never
// from the command line, where every user of the machine could read it; no error repeats an
// argument in whose place somebody may have put one. What is printed of a token is JSON
// in ASCII, so that it cannot talk to the terminal.
//
// Exit codes: 0 done, 1 refused, 2 usage. An error is one line on standard error.
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/ascii.h"
#include "common/clock.h"
#include "common/conf/conf.h"
#include "common/conf/conf_value.h"
#include "common/fault.h"
#include "common/https_get.h"
#include "common/mem.h"
#include "common/secret_file.h"
#include "common/utf8.h"
#include "edge/auth/auth.h"
#include "edge/auth/jwks.h"
#include "edge/auth/jws.h"
#include "edge/auth/jws_key.h"
#include "edge/auth/jws_sign.h"
#include "edge/state/edge_conf.h"
#include "edge/state/settings.h"
#include "proto/link/crypto_mem.h"
#include "proto/names.h"

enum {
	DONE = 0,
	REFUSED = 1,
	USAGE = 2,
};

static const char help[] =
	"weir-token: make, inspect and check the tokens that clients of weir-edge present\n"
	"\n"
	"  weir-token make --key ALG:FILE --sub USER [--name NAME] [--role ROLE]... [--ttl "
	"DURATION]\n"
	"                  [--kid KID] [--claim NAME=JSON]...\n"
	"      prints a token signed with algorithm ALG and the key in FILE\n"
	"      --key ALG:FILE     or ALG:kid=FILE, or ALG:base64=FILE for a secret in base64;\n"
	"                         mode 0600, 0400, 0640 or 0440\n"
	"      --sub USER         user name\n"
	"      --name NAME        display name\n"
	"      --role ROLE        may be repeated\n"
	"      --ttl DURATION     lifetime, e.g. 90s, 10m, 2h, 30d (default: 1h)\n"
	"      --kid KID          key id for the header\n"
	"      --claim NAME=JSON  any other claim; overrides the options above\n"
	"\n"
	"  weir-token inspect (FILE|-)\n"
	"      prints the header and the claims of a token without verifying it\n"
	"\n"
	"  weir-token check --config FILE (FILE|-)\n"
	"      prints the identity that an edge with configuration FILE derives from the "
	"token,\n"
	"      or the claim and the reason for which it is refused; revocations are not checked\n"
	"\n"
	"A token is read from FILE, or from standard input for -. Exit codes: 0 done, 1 refused, 2 "
	"usage.\n";

// The one line of an error. Returns `code`.
__attribute__((format(printf, 2, 3))) static int complain(int code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fputs("error: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	return code;
}

// REFUSED if not all of standard output arrived.
static int flush_output(void)
{
	if (fflush(stdout) != 0 || ferror(stdout) != 0) {
		return complain(REFUSED, "standard output: %s", strerror(errno));
	}
	return DONE;
}

static int print_json(const json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	putchar('\n');
	return flush_output();
}

// What getopt_long() found wrong. Only the name of a long option is repeated, never a value.
static int complain_of_option(int found, char **argv)
{
	if (found == '?' && optopt != 0) {
		return complain(USAGE, "command line: no option has one letter, see --help");
	}
	const char *option = argv[optind - 1];
	const char *what = found == ':' ? "a value is missing" : "unknown, see --help";
	return complain(USAGE, "command line: %.*s: %s", (int)strcspn(option, "="), option, what);
}

// Reads the token from file `name` or standard input. The caller wipes it by secret_file_free().
static int read_token(const char *name, struct buf *token)
{
	FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
	if (file == NULL) {
		// The name may be a token given where a file is wanted.
		return complain(REFUSED, "the token's file: %s", strerror(errno));
	}
	size_t most = JWS_TOKEN_MAX + 64; // white space may follow
	token->len = fread(buf_reserve(token, most), 1, most, file);
	bool failed = ferror(file) != 0;
	if (file != stdin) {
		fclose(file);
	}
	if (failed) {
		return complain(REFUSED, "the token's file: cannot be read");
	}
	token->len = ascii_trim_end(buf_bytes(token), " \t\r\n").len;
	return DONE;
}

struct make_options {
	const char *key;
	const char *kid;
	const char *sub;
	const char *name;
	uint64_t ttl_ms;
	json_t *roles; // owned
	json_t *extra; // owned; claims by --claim
};

static bool add_role(struct make_options *make, const char *role)
{
	return json_array_append_new(make->roles, json_string(role)) == 0;
}

static bool add_claim(struct make_options *make, const char *text)
{
	const char *equals = strchr(text, '=');
	if (equals == NULL || equals == text) {
		return false;
	}
	char *name = xstrndup(text, (size_t)(equals - text));
	json_t *value = json_loads(equals + 1, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	bool added = json_object_set_new(make->extra, name, value) == 0;
	free(name);
	return added;
}

static bool set_ttl(struct make_options *make, const char *text)
{
	static const struct conf_option option = {
		.name = "ttl",
		.type = CONF_DURATION,
		.min = 1000,
		.max = UINT64_C(100) * 366 * 86400 * 1000,
	};
	struct buf why = { 0 };
	bool good = conf_value_set(&option, &make->ttl_ms, text, &why);
	buf_fini(&why);
	return good;
}

// Takes one option. NULL, or what is wrong with its value.
static const char *make_option(struct make_options *make, int option, const char *value)
{
	switch (option) {
	case 'k':
		make->key = value;
		return NULL;
	case 's':
		make->sub = value;
		return user_name_valid(bytes_str(value)) ? NULL : "--sub: not a user's name";
	case 'n':
		make->name = value;
		return utf8_printable(bytes_str(value)) ? NULL : "--name: not printable UTF-8";
	case 'r':
		return add_role(make, value) ? NULL : "--role: not UTF-8";
	case 't':
		return set_ttl(make, value) ? NULL : "--ttl: not a duration from 1s on";
	case 'i':
		make->kid = value;
		return utf8_printable(bytes_str(value)) ? NULL : "--kid: not printable UTF-8";
	default:
		return add_claim(make, value) ? NULL : "--claim: not of the form NAME=JSON";
	}
}

static int make_parse(struct make_options *make, int argc, char **argv)
{
	static const struct option options[] = {
		{ "key", required_argument, NULL, 'k' },
		{ "sub", required_argument, NULL, 's' },
		{ "name", required_argument, NULL, 'n' },
		{ "role", required_argument, NULL, 'r' },
		{ "ttl", required_argument, NULL, 't' },
		{ "kid", required_argument, NULL, 'i' },
		{ "claim", required_argument, NULL, 'c' },
		{ 0 },
	};
	int option;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (option == '?' || option == ':') {
			return complain_of_option(option, argv);
		}
		const char *wrong = make_option(make, option, optarg);
		if (wrong != NULL) {
			return complain(USAGE, "command line: %s", wrong);
		}
	}
	if (optind < argc || make->key == NULL || make->sub == NULL) {
		return complain(USAGE,
			"command line: make: wants --key and --sub and takes no files, "
			"see --help");
	}
	return DONE;
}

static json_t *make_claims(const struct make_options *make, int64_t now_s)
{
	json_t *claims = json_object();
	json_object_set_new(claims, "sub", json_string(make->sub));
	if (make->name != NULL) {
		json_object_set_new(claims, "username", json_string(make->name));
	}
	if (json_array_size(make->roles) > 0) {
		json_object_set(claims, "roles", make->roles);
	}
	json_object_set_new(claims, "iat", json_integer(now_s));
	json_object_set_new(claims, "exp", json_integer(now_s + (int64_t)(make->ttl_ms / 1000)));
	json_object_update(claims, make->extra);
	return claims;
}

static int make_print(const struct make_options *make)
{
	struct fault fault = { .option = "--key" };
	struct jws_key *key = jws_key_load_signing(make->key, &fault);
	if (key == NULL) {
		int code = complain(REFUSED, "command line: %s: %s", fault.option, fault.what);
		fault_fini(&fault);
		return code;
	}
	json_t *claims = make_claims(make, clock_wall_ms() / 1000);
	char *text = json_dumps(claims, JSON_COMPACT);
	char *token = text != NULL ? jws_sign(key, make->kid, text) : NULL;
	int code;
	if (token == NULL) {
		code = complain(REFUSED, "make: the token cannot be signed");
	} else if (strlen(token) > JWS_TOKEN_MAX) {
		code = complain(REFUSED, "make: the token is longer than %d bytes", JWS_TOKEN_MAX);
	} else {
		puts(token);
		code = flush_output();
	}
	free(token);
	free(text);
	json_decref(claims);
	jws_key_free(key);
	return code;
}

static int run_make(int argc, char **argv)
{
	struct make_options make = {
		.ttl_ms = 3600000,
		.roles = json_array(),
		.extra = json_object(),
	};
	int code = make_parse(&make, argc, argv);
	if (code == DONE) {
		code = make_print(&make);
	}
	json_decref(make.roles);
	json_decref(make.extra);
	return code;
}

static int run_inspect(int argc, char **argv)
{
	static const struct option options[] = { { 0 } };
	int option = getopt_long(argc, argv, ":", options, NULL);
	if (option != -1) {
		return complain_of_option(option, argv);
	}
	if (optind != argc - 1) {
		return complain(USAGE, "command line: inspect: wants one file or -, see --help");
	}
	struct buf text = { 0 };
	int code = read_token(argv[optind], &text);
	struct jws jws = { 0 };
	if (code == DONE && !jws_parse(&jws, buf_bytes(&text))) {
		code = complain(REFUSED, "token: malformed");
	}
	if (code == DONE) {
		json_t *shown = json_pack("{s:O,s:O}", "header", jws.header, "claims", jws.payload);
		code = print_json(shown);
		json_decref(shown);
		fputs("signature not checked\n", stderr);
	}
	jws_fini(&jws);
	secret_file_free(&text);
	return code;
}

// {"join":["room-*"],...}
static json_t *rights_json(const struct rights *rights)
{
	json_t *object = json_object();
	for (unsigned right = 1; right <= RIGHT_ALL; right <<= 1) {
		json_t *patterns = json_array();
		for (size_t i = 0; i < rights_count(rights); i++) {
			unsigned mask;
			struct bytes pattern = rights_at(rights, i, &mask);
			if ((mask & right) != 0) {
				json_array_append_new(patterns,
					json_stringn((const char *)pattern.data, pattern.len));
			}
		}
		json_object_set_new(object, right_name((enum right)right), patterns);
	}
	return object;
}

static json_t *identity_json(const struct identity *id, const struct rights *defaults)
{
	json_t *object = json_object();
	json_object_set_new(object, "user", json_string(id->user));
	if (id->username != NULL) {
		json_object_set_new(object, "username", json_string(id->username));
	}
	json_t *roles = json_array();
	for (size_t i = 0; i < id->n_roles; i++) {
		json_array_append_new(roles, json_string(id->roles[i]));
	}
	json_object_set_new(object, "roles", roles);
	json_object_set_new(object, "admin", json_boolean(id->admin));
	bool own = id->rights != NULL;
	json_object_set_new(object, "rights", rights_json(own ? id->rights : defaults));
	json_object_set_new(object, "rightsFrom", json_string(own ? "token" : "default-rights"));
	json_object_set_new(object, "expires", json_integer(id->expires_s));
	if (id->jti != NULL) {
		json_object_set_new(object, "jti", json_string(id->jti));
	}
	return object;
}

static bool fetch_jwks(const struct edge_conf *conf, struct buf *jwks)
{
	const struct https_request request = {
		.url = conf->jwks_url,
		.ca_file = conf->jwks_ca,
		.timeout_ms = 10000,
		.max = JWKS_FILE_MAX,
	};
	char *why;
	https_init();
	if (https_get(&request, jwks, &why) == 0) {
		return true;
	}
	complain(REFUSED, "jwks-url: %s", why);
	free(why);
	return false;
}

static struct auth *auth_of_edge(const struct edge_conf *conf, const struct conf_result *result)
{
	struct fault fault = { 0 };
	struct buf jwks = { 0 };
	if (conf->jwks_url[0] != '\0' && !fetch_jwks(conf, &jwks)) {
		return NULL;
	}
	struct auth *auth = settings_load_auth(conf, buf_bytes(&jwks), &fault);
	buf_fini(&jwks);
	if (auth == NULL) {
		struct buf line = { 0 };
		conf_fault(&edge_conf_spec, result, fault.option, fault.what, &line);
		fprintf(stderr, "%.*s\n", (int)line.len, (const char *)line.data);
		buf_fini(&line);
		fault_fini(&fault);
	}
	return auth;
}

static int check_print(const struct edge_conf *conf, const struct auth *auth, struct bytes token)
{
	struct identity id;
	const char *claim;
	enum auth_result result = auth_verify(auth, token, clock_wall_ms(), &id, &claim);
	if (result != AUTH_OK) {
		const char *of = claim != NULL ? claim : "token";
		return complain(REFUSED, "%s: %s (%s)", of, auth_result_text(result),
			auth_result_cause(result));
	}
	struct rights *defaults = rights_new();
	for (size_t i = 0; i < conf->default_rights.n; i++) {
		CHECK(rights_add_option(defaults, conf->default_rights.items[i]));
	}
	json_t *shown = identity_json(&id, defaults);
	int code = print_json(shown);
	json_decref(shown);
	rights_unref(defaults);
	identity_fini(&id);
	return code;
}

static int check_with(const struct edge_conf *conf, const struct conf_result *result,
	const char *token_file)
{
	if (conf->auth != EDGE_AUTH_JWT) {
		return complain(REFUSED, "configuration: auth is none, every token is ignored");
	}
	struct auth *auth = auth_of_edge(conf, result);
	if (auth == NULL) {
		return REFUSED;
	}
	struct buf token = { 0 };
	int code = read_token(token_file, &token);
	if (code == DONE) {
		code = check_print(conf, auth, buf_bytes(&token));
	}
	secret_file_free(&token);
	auth_free(auth);
	return code;
}

static int run_check(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ 0 },
	};
	char *config = NULL;
	int option;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (option == '?' || option == ':') {
			return complain_of_option(option, argv);
		}
		config = optarg;
	}
	if (config == NULL || optind != argc - 1) {
		return complain(USAGE,
			"command line: check: wants --config and one file or -, see --help");
	}
	char program[] = "weir-edge";
	char flag[] = "--config";
	char *edge_argv[] = { program, flag, config, NULL };
	struct edge_conf conf = { 0 };
	struct conf_result result = edge_conf_load(&conf, 3, edge_argv);
	if (result.action != CONF_RUN) {
		return REFUSED;
	}
	int code = check_with(&conf, &result, argv[optind]);
	edge_conf_fini(&conf);
	return code;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "make", run_make },
	{ "inspect", run_inspect },
	{ "check", run_check },
};

static bool asks_for(int argc, char **argv, const char *option)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], option) == 0) {
			return true;
		}
	}
	return false;
}

int main(int argc, char **argv)
{
	if (asks_for(argc, argv, "--help") || (argc > 1 && strcmp(argv[1], "help") == 0)) {
		fputs(help, stdout);
		return flush_output();
	}
	if (asks_for(argc, argv, "--version")) {
		puts("weir-token " WEIR_VERSION);
		return flush_output();
	}
	crypto_mem_init();
	json_set_alloc_funcs(xmalloc, free); // libjwt 1.10 trips over a text that it could not get
	jws_seed();
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(commands); i++) {
		if (strcmp(argv[1], commands[i].name) == 0) {
			return commands[i].run(argc - 1, argv + 1);
		}
	}
	return complain(USAGE, "command line: wants make, inspect or check, see --help");
}
