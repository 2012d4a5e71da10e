// Entries are compared as whole strings, but for the port `*`. Patterns of hosts were rejected:
// with them others have let "good.com.evil.com" in, and a list of names is as easily written. A
// port is different, since who runs a page on another port of a host runs something on that host.
//
// What a browser never sends refuses to start. An operator who writes "https://example.org/" would
// else learn from his users that nobody gets in.

#include "edge/http/origin.h"

#include <stdint.h>
#include <string.h>

#include "common/ascii.h"

static const char not_an_origin[] =
	"not an origin (scheme://host or scheme://host:port, without a path)";

static bool is_any_of(struct bytes text, bool (*good)(uint8_t c))
{
	for (size_t i = 0; i < text.len; i++) {
		if (!good(text.data[i])) {
			return false;
		}
	}
	return text.len > 0;
}

static bool is_scheme_char(uint8_t c)
{
	return ascii_is_alnum(c) || c == '+' || c == '-' || c == '.';
}

static bool is_host_char(uint8_t c)
{
	return ascii_is_alnum(c) || c == '-' || c == '.' || c == '_';
}

static bool is_ipv6_char(uint8_t c)
{
	return ascii_hex_value(c) >= 0 || c == ':' || c == '.';
}

static bool has_upper(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] >= 'A' && text.data[i] <= 'Z') {
			return true;
		}
	}
	return false;
}

static bool host_is_good(struct bytes host)
{
	bool literal = host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']';
	return literal ? is_any_of(bytes_make(host.data + 1, host.len - 2), is_ipv6_char)
		       : is_any_of(host, is_host_char);
}

static const char *check_port(struct bytes scheme, struct bytes port)
{
	if (bytes_equal_str(port, "*")) {
		return NULL;
	}
	uint64_t number;
	if (!is_any_of(port, ascii_is_digit) || port.data[0] == '0' || !ascii_uint(port, &number) ||
		number > UINT16_MAX) {
		return "not a port (1 to 65535, or * for any)";
	}
	bool is_default = (bytes_equal_str(scheme, "http") && number == 80) ||
		(bytes_equal_str(scheme, "https") && number == 443);
	return is_default ? "can never match: browsers leave the default port of a scheme out"
			  : NULL;
}

const char *origin_entry_check(const char *entry)
{
	if (strcmp(entry, "null") == 0 || strcmp(entry, "*") == 0) {
		return NULL;
	}
	const char *rest = strstr(entry, "://");
	if (rest == NULL) {
		return not_an_origin;
	}
	struct bytes scheme = bytes_make(entry, (size_t)(rest - entry));
	struct bytes host = bytes_str(rest + 3);
	const char *bracket = strchr(rest + 3, ']');
	const char *colon = strchr(bracket != NULL ? bracket : rest + 3, ':');
	if (colon != NULL) {
		host.len = (size_t)(colon - rest) - 3;
	}
	if (!is_any_of(scheme, is_scheme_char)) {
		return not_an_origin;
	}
	if (memchr(host.data, '*', host.len) != NULL) {
		return "only a port may be *, hosts are named one by one";
	}
	if (!host_is_good(host)) {
		return not_an_origin;
	}
	bool is_web = bytes_equal_str(scheme, "http") || bytes_equal_str(scheme, "https");
	if (has_upper(scheme) || (is_web && has_upper(host))) {
		return "can never match: browsers write scheme and host in lower case";
	}
	return colon == NULL ? NULL : check_port(scheme, bytes_str(colon + 1));
}

bool origin_entry_matches(const char *entry, struct bytes origin)
{
	size_t len = strlen(entry);
	if (len < 2 || strcmp(entry + len - 2, ":*") != 0) {
		return strcmp(entry, "*") == 0 || bytes_equal_str(origin, entry);
	}
	len -= 2;
	if (origin.len < len || memcmp(origin.data, entry, len) != 0) {
		return false;
	}
	struct bytes port = bytes_from(origin, len);
	return port.len == 0 ||
		(port.data[0] == ':' && port.len <= 6 &&
			is_any_of(bytes_from(port, 1), ascii_is_digit));
}
