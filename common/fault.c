// Returning -1 lets a fault be set and reported in one statement, as refuse() does elsewhere.

#include "common/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"

int fault_set(struct fault *fault, const char *option, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fault->option = option != NULL ? option : fault->option;
	int len = vasprintf(&fault->what, format, args);
	va_end(args);
	if (len < 0) {
		mem_exhausted();
	}
	return -1;
}

void fault_fini(struct fault *fault)
{
	free(fault->what);
	*fault = (struct fault){ 0 };
}
