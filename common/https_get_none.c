// Without libcurl: nothing is fetched, and options that would need it are refused at the start.

#include "common/https_get.h"
#include "common/mem.h"

void https_init(void)
{
}

bool https_is_built(void)
{
	return false;
}

int https_get(const struct https_request *request, struct buf *body, char **why)
{
	(void)request;
	(void)body;
	*why = xstrdup("this build has no libcurl");
	return -1;
}
