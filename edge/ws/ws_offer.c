// The offers of permessage-deflate are read strictly, because whatever is guessed here is found out
// only when a message cannot be inflated: a parameter that is unknown, comes twice, has a value where
// it takes none or a number in another form than 8 to 15 makes its offer one that nobody can keep to
// (RFC 7692 section 7.1). So does a value in quotes; the grammar allows them, no client sends them, and
// declining is always right. The next offer is looked at then, and without one the connection works
// uncompressed.
//
// Both directions are always without context takeover, whether the client asked or not (sections
// 7.1.1.1 and 7.1.1.2 let a server say so by itself). It is what lets one compressed message go to all
// members of a room, and an idle connection hold no state of zlib at all.
//
// client_max_window_bits is understood and never answered: it is a hint (section 7.1.2.2), and a
// worker's one inflater has the largest window anyway. server_max_window_bits is kept to where it can
// be; the answer may be a smaller window than was asked for, never a larger.

#include "edge/ws/ws_offer.h"

#include "common/ascii.h"
#include "common/check.h"

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
};

// 8 to 15 without a leading zero (RFC 7692 section 7.1.2); 0 for anything else.
static uint8_t window_bits(struct bytes text)
{
	if (text.len == 1 && (text.data[0] == '8' || text.data[0] == '9')) {
		return (uint8_t)(text.data[0] - '0');
	}
	if (text.len == 2 && text.data[0] == '1' && text.data[1] >= '0' && text.data[1] <= '5') {
		return (uint8_t)(10 + text.data[1] - '0');
	}
	return 0;
}

static bool take_parameter(struct offer *offer, struct bytes text)
{
	struct bytes name;
	struct bytes value;
	bool has_value = bytes_cut(text, '=', &name, &value);
	unsigned i = 0;
	while (i < ARRAY_LEN(parameters) && !http_token_equal(name, parameters[i].name)) {
		i++;
	}
	if (i == ARRAY_LEN(parameters) || (offer->seen >> i & 1) != 0) {
		return false;
	}
	offer->seen |= 1U << i;
	if (!has_value) {
		return parameters[i].value != VALUE_REQUIRED;
	}
	uint8_t bits = window_bits(value);
	if (i == SERVER_MAX_WINDOW_BITS) {
		offer->server_bits = bits;
	}
	return parameters[i].value != VALUE_NONE && bits > 0;
}

static bool take_offer(struct bytes text, struct offer *offer)
{
	struct bytes name;
	struct bytes parameter;
	bool more = bytes_cut(text, ';', &name, &text);
	if (!http_token_equal(ascii_trim(name, HTTP_BLANKS), "permessage-deflate")) {
		return false;
	}
	*offer = (struct offer){ 0 };
	while (more) {
		more = bytes_cut(text, ';', &parameter, &text);
		if (!take_parameter(offer, ascii_trim(parameter, HTTP_BLANKS))) {
			return false;
		}
	}
	return true;
}

static bool agree(const struct offer *offer, struct ws_offer_policy policy,
	struct ws_agreement *agreement)
{
	bool names_window = offer->server_bits > 0;
	if (names_window && offer->server_bits < policy.window_bits_min) {
		return false;
	}
	bool smaller = names_window && offer->server_bits < policy.window_bits_max;
	*agreement = (struct ws_agreement){
		.compressed = true,
		.names_window = names_window,
		.window_bits = smaller ? offer->server_bits : policy.window_bits_max,
	};
	return true;
}

// True if the list is inside a quoted string behind `text`, as it was (`inside`) before it.
static bool ends_inside_quotes(struct bytes text, bool inside)
{
	for (size_t i = 0; i < text.len; i++) {
		if (inside && text.data[i] == '\\') {
			i++;
		} else if (text.data[i] == '"') {
			inside = !inside;
		}
	}
	return inside;
}

struct ws_agreement ws_offer_choose(const struct http_head *head, struct ws_offer_policy policy)
{
	struct ws_agreement agreement = { 0 };
	struct http_list_cursor cursor = { 0 };
	struct bytes element;
	struct offer offer;
	bool inside = false; // what the list is cut at may be part of a string
	if (policy.window_bits_max == 0) {
		return agreement;
	}
	while (http_head_list_next(head, "sec-websocket-extensions", &cursor, &element)) {
		bool whole = !inside;
		inside = ends_inside_quotes(element, inside);
		if (whole && take_offer(element, &offer) && agree(&offer, policy, &agreement)) {
			break;
		}
	}
	return agreement;
}

void ws_offer_answer(struct buf *out, const struct ws_agreement *agreement)
{
	buf_append_str(out,
		"permessage-deflate; server_no_context_takeover; client_no_context_takeover");
	if (agreement->names_window) {
		buf_printf(out, "; server_max_window_bits=%u", agreement->window_bits);
	}
}
