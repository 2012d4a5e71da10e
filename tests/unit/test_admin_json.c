#include "proto/admin_json.h"
#include "proto/link_items.h"
#include "tests/unit/test.h"

static void assert_text(const char *text, const char *expected)
{
	struct buf out = { 0 };
	admin_json_text(&out, pb_data(bytes_str(text)));
	assert_bytes_equal(buf_bytes(&out), expected);
	buf_fini(&out);
}

static void text_is_json_whatever_clients_call_themselves(void **state)
{
	(void)state;
	assert_text("", "\"\"");
	assert_text("a\"b\\", "\"a\\\"b\\\\\"");
	assert_text("\xc3\xa9", "\"\xc3\xa9\"");
	assert_text("a\xc3\xa9\xff\xc3z", "\"a\xc3\xa9??z\"");
	assert_text("\xff\"", "\"?\\\"\"");
}

static void a_row_has_all_fields_in_order(void **state)
{
	(void)state;
	enum {
		FIELDS = 6
	};
	const char *const names[FIELDS] = { "t", "n", "f", "j", "at", "none" };
	Weir__Admin__V1__Field fields[FIELDS];
	Weir__Admin__V1__Field *refs[FIELDS];
	for (size_t i = 0; i < FIELDS; i++) {
		weir__admin__v1__field__init(&fields[i]);
		fields[i].name = pb_data(bytes_str(names[i]));
		refs[i] = &fields[i];
	}
	fields[0].value_case = WEIR__ADMIN__V1__FIELD__VALUE_TEXT;
	fields[0].text = pb_data(bytes_str("x"));
	fields[1].value_case = WEIR__ADMIN__V1__FIELD__VALUE_NUMBER;
	fields[1].number = UINT64_MAX;
	fields[2].value_case = WEIR__ADMIN__V1__FIELD__VALUE_FLAG;
	fields[3].value_case = WEIR__ADMIN__V1__FIELD__VALUE_JSON;
	fields[3].json = pb_data(bytes_str("[1]"));
	fields[4].value_case = WEIR__ADMIN__V1__FIELD__VALUE_TIME;
	fields[4].time = -1;
	Weir__Admin__V1__Row row = WEIR__ADMIN__V1__ROW__INIT;
	row.n_fields = FIELDS;
	row.fields = refs;
	struct buf out = { 0 };
	admin_json_row(&out, &row);
	assert_bytes_equal(buf_bytes(&out),
		"{\"t\":\"x\",\"n\":18446744073709551615,\"f\":false,\"j\":[1],\"at\":-1,"
		"\"none\":null}");
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_json_whatever_clients_call_themselves),
		cmocka_unit_test(a_row_has_all_fields_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
