// The forms of addresses and URLs, and whether a user exists. Nothing is resolved or opened here:
// whether an address works shows when it is put to use; conf_fault() reports that.

#include "common/conf/conf_check.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/net.h"

static const char tcp[] = "tcp://";
static const char tls[] = "tls+tcp://";
static const char ipc[] = "ipc://";

enum {
	IPC_PATH_MAX = 107, // sockaddr_un.sun_path less its NUL
	HOST_NAME_LEN_MAX = 253, // RFC 1035 §2.3.4, as text
};

static const char *after(const char *value, const char *prefix)
{
	size_t len = strlen(prefix);
	return strncmp(value, prefix, len) == 0 ? value + len : NULL;
}

const char *conf_check_address(const char *value)
{
	struct net_addr addr;
	if (net_addr_parse(&addr, value) < 0) {
		return "not an address (HOST:PORT; HOST an IPv4 address, [IPv6 address] or "
		       "localhost)";
	}
	return NULL;
}

const char *conf_check_user(const char *value)
{
	return getpwnam(value) != NULL ? NULL : "no such user";
}

// "NAME:PORT"; addresses are net_addr_parse()'s.
static bool is_named_endpoint(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char digits[] = "0123456789";
	const char *colon = strchr(text, ':');
	size_t len = colon != NULL ? (size_t)(colon - text) : 0;
	if (len == 0 || len > HOST_NAME_LEN_MAX) {
		return false;
	}
	bool has_letter = false;
	for (const char *c = text; c < colon; c++) {
		has_letter |= strchr(letters, *c) != NULL;
		if (strchr(letters, *c) == NULL && strchr(digits, *c) == NULL &&
			strchr("._-", *c) == NULL) {
			return false;
		}
	}
	size_t n_digits = strspn(colon + 1, digits);
	return has_letter && n_digits > 0 && n_digits <= 5 && colon[1 + n_digits] == '\0' &&
		strtoul(colon + 1, NULL, 10) <= UINT16_MAX;
}

static bool is_endpoint(const char *text)
{
	struct net_addr addr;
	return net_addr_parse(&addr, text) == 0 || is_named_endpoint(text);
}

static bool has_port_zero(const char *text)
{
	return strtoul(strrchr(text, ':') + 1, NULL, 10) == 0;
}

const char *conf_check_ipc_url(const char *value)
{
	const char *path = after(value, ipc);
	if (path == NULL || path[0] != '/') {
		return "not a URL like ipc:///run/weir/router.sock";
	}
	return strlen(path) > IPC_PATH_MAX ? "path longer than 107 bytes" : NULL;
}

// HOST:PORT of a tcp or tls+tcp URL, or NULL.
static const char *endpoint_of(const char *value)
{
	const char *plain = after(value, tcp);
	return plain != NULL ? plain : after(value, tls);
}

static const char *check_url(const char *value, bool dial)
{
	if (after(value, ipc) != NULL) {
		return conf_check_ipc_url(value);
	}
	const char *endpoint = endpoint_of(value);
	if (endpoint == NULL || !is_endpoint(endpoint)) {
		return "not a URL (tcp://HOST:PORT, tls+tcp://HOST:PORT or ipc:///PATH)";
	}
	return dial && has_port_zero(endpoint) ? "port 0 cannot be dialled" : NULL;
}

const char *conf_check_dial_url(const char *value)
{
	return check_url(value, true);
}

const char *conf_check_listen_url(const char *value)
{
	return check_url(value, false);
}

bool conf_address_is_local(const char *value)
{
	struct net_addr addr;
	return net_addr_parse(&addr, value) == 0 && net_addr_is_loopback(&addr);
}

bool conf_url_is_local(const char *value)
{
	const char *endpoint = endpoint_of(value);
	return endpoint == NULL || conf_address_is_local(endpoint);
}
