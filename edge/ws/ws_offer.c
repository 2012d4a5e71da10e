// Two questions are kept apart. Whether a list of offers is one at all (RFC 6455 section 9.1): if
// it is not, the handshake fails, as the two ends would not agree on what was offered. And whether
// an offer can be kept to: permessage-deflate is read strictly, because whatever is guessed here is
// found out only when a message cannot be inflated. A parameter that is unknown, comes twice, has a
// value where it takes none or a number in another form than 8 to 15 makes its offer one that
// nobody can keep to (RFC 7692 section 7.1); it is declined, and the next one is looked at. Without
// one the connection works uncompressed.
//
// A value in quotes must be a token inside them. So what a list is cut at, be it a comma, a
// semicolon or the end of a field, makes a string that it cuts malformed anyway, and each piece can
// be read alone.
//
// Both directions are always without context takeover, whether the client asked or not (sections
// 7.1.1.1 and 7.1.1.2 let a server say so by itself). It is what lets one compressed message go to
// all members of a room, and an idle connection hold no state of zlib at all.
//
// client_max_window_bits is understood and never answered: it is a hint (section 7.1.2.2), and a
// worker's one inflater has the largest window anyway. server_max_window_bits is kept to where it
// can be; the answer may be a smaller window than was asked for, never a larger.

#include "edge/ws/ws_offer.h"

#include <string.h>

#include "common/ascii.h"
#include "common/check.h"

static const char field_name[] = "sec-websocket-extensions";

enum parameter {
	SERVER_NO_CONTEXT_TAKEOVER,
	CLIENT_NO_CONTEXT_TAKEOVER,
	SERVER_MAX_WINDOW_BITS,
	CLIENT_MAX_WINDOW_BITS,
};

enum value_rule {
	VALUE_NONE,
	VALUE_OPTIONAL,
	VALUE_REQUIRED,
};

static const struct {
	const char *name;
	enum value_rule value;
} parameters[] = {
	[SERVER_NO_CONTEXT_TAKEOVER] = { "server_no_context_takeover", VALUE_NONE },
	[CLIENT_NO_CONTEXT_TAKEOVER] = { "client_no_context_takeover", VALUE_NONE },
	[SERVER_MAX_WINDOW_BITS] = { "server_max_window_bits", VALUE_REQUIRED },
	[CLIENT_MAX_WINDOW_BITS] = { "client_max_window_bits", VALUE_OPTIONAL },
};

struct offer {
	unsigned seen; // parameters, as bits
	uint8_t server_bits; // 0: no limit asked for
	bool declined;
};

// A parameter's value; of a long one the text is not kept.
struct value {
	uint8_t text[3];
	size_t len;
};

// 8 to 15 without a leading zero (RFC 7692 section 7.1.2); 0 for anything else.
static uint8_t window_bits(const struct value *value)
{
	const uint8_t *text = value->text;
	if (value->len == 1 && (text[0] == '8' || text[0] == '9')) {
		return (uint8_t)(text[0] - '0');
	}
	if (value->len == 2 && text[0] == '1' && text[1] >= '0' && text[1] <= '5') {
		return (uint8_t)(10 + text[1] - '0');
	}
	return 0;
}

// The text in a quoted-string (RFC 9110 section 5.6.4), of which `value` keeps the beginning. False
// if it is none, or no token.
static bool unquote(struct bytes text, struct value *value)
{
	struct bytes rest = bytes_make(text.data + 1, text.len - 1);
	while (rest.len > 1) {
		rest = bytes_from(rest, rest.data[0] == '\\' ? 1 : 0);
		if (rest.len < 2 || !http_is_token(bytes_make(rest.data, 1))) {
			return false;
		}
		if (value->len < sizeof(value->text)) {
			value->text[value->len] = rest.data[0];
		}
		value->len++;
		rest = bytes_from(rest, 1);
	}
	return rest.len == 1 && rest.data[0] == '"' && value->len > 0;
}

static bool read_value(struct bytes text, struct value *value)
{
	*value = (struct value){ 0 };
	if (bytes_has_prefix(text, "\"")) {
		return unquote(text, value);
	}
	if (!http_is_token(text)) {
		return false;
	}
	value->len = text.len;
	memcpy(value->text, text.data, text.len < sizeof(value->text) ? text.len : 0);
	return true;
}

// False if the parameter is malformed. One that cannot be kept to declines the offer.
static bool take_parameter(struct offer *offer, struct bytes text)
{
	struct bytes name;
	struct bytes rest;
	struct value value = { 0 };
	bool has_value = bytes_cut(text, '=', &name, &rest);
	name = ascii_trim(name, HTTP_BLANKS);
	if (!http_is_token(name) ||
		(has_value && !read_value(ascii_trim(rest, HTTP_BLANKS), &value))) {
		return false;
	}
	unsigned i = 0;
	while (i < ARRAY_LEN(parameters) && !http_token_equal(name, parameters[i].name)) {
		i++;
	}
	if (i == ARRAY_LEN(parameters) || (offer->seen >> i & 1) != 0) {
		offer->declined = true;
		return true;
	}
	offer->seen |= 1U << i;
	uint8_t bits = window_bits(&value);
	if (i == SERVER_MAX_WINDOW_BITS) {
		offer->server_bits = bits;
	}
	offer->declined |= has_value ? parameters[i].value == VALUE_NONE || bits == 0
				     : parameters[i].value == VALUE_REQUIRED;
	return true;
}

// False if the offer is malformed.
static bool read_offer(struct bytes text, struct offer *offer)
{
	struct bytes name;
	struct bytes parameter;
	bool more = bytes_cut(text, ';', &name, &text);
	name = ascii_trim(name, HTTP_BLANKS);
	*offer = (struct offer){ .declined = !http_token_equal(name, "permessage-deflate") };
	bool well_formed = http_is_token(name);
	while (more && well_formed) {
		more = bytes_cut(text, ';', &parameter, &text);
		well_formed = take_parameter(offer, parameter);
	}
	return well_formed;
}

static void agree(const struct offer *offer, struct ws_offer_policy policy,
	struct ws_agreement *agreement)
{
	bool names_window = offer->server_bits > 0;
	if (names_window && offer->server_bits < policy.window_bits_min) {
		return;
	}
	bool smaller = names_window && offer->server_bits < policy.window_bits_max;
	*agreement = (struct ws_agreement){
		.compressed = true,
		.names_window = names_window,
		.window_bits = smaller ? offer->server_bits : policy.window_bits_max,
	};
}

bool ws_offer_choose(const struct http_head *head, struct ws_offer_policy policy,
	struct ws_agreement *agreement)
{
	struct http_list_cursor cursor = { 0 };
	struct bytes element;
	struct offer offer;
	bool well_formed = true;
	size_t n = 0;
	*agreement = (struct ws_agreement){ 0 };
	while (well_formed && http_head_list_next(head, field_name, &cursor, &element)) {
		well_formed = read_offer(element, &offer);
		if (!offer.declined && !agreement->compressed && policy.window_bits_max > 0) {
			agree(&offer, policy, agreement);
		}
		n++;
	}
	// A list has one element at least, of which something is said.
	if (!well_formed || (n == 0 && http_head_find(head, field_name, &element) > 0)) {
		*agreement = (struct ws_agreement){ 0 };
		return false;
	}
	return true;
}

void ws_offer_answer(struct buf *out, const struct ws_agreement *agreement)
{
	buf_append_str(out,
		"permessage-deflate; server_no_context_takeover; client_no_context_takeover");
	if (agreement->names_window) {
		buf_printf(out, "; server_max_window_bits=%u", agreement->window_bits);
	}
}
