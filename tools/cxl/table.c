// SPDX-License-Identifier: GPL-2.0-only
/* Text in columns */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dcd.h"

/* Add a row: as many texts as there are columns, copied */
void table_row(struct table *table, ...)
{
	va_list args;
	unsigned int i;

	va_start(args, table);
	for (i = 0; i < table->columns; i++) {
		const char *text = va_arg(args, const char *);
		char **cell;

		table->cells = grow(table->cells, table->nr,
				    sizeof(*table->cells));
		cell = &table->cells[table->nr++];
		*cell = strdup(*text ? text : "-");
		if (!*cell) {
			error("out of memory");
			exit(1);
		}
	}
	va_end(args);
}

static int width(const struct table *table, unsigned int column)
{
	size_t i, widest = 0;

	for (i = column; i < table->nr; i += table->columns)
		if (strlen(table->cells[i]) > widest)
			widest = strlen(table->cells[i]);
	return widest;
}

/* Print and empty it; nothing if it has no row but its head */
void table_print(struct table *table)
{
	static bool again;
	int *widths = NULL;
	unsigned int i;
	size_t cell;

	for (i = 0; i < table->columns; i++) {
		widths = grow(widths, i, sizeof(*widths));
		widths[i] = width(table, i);
	}
	if (table->nr > table->columns && again)
		putchar('\n');
	for (cell = 0; cell < table->nr; cell++) {
		bool last = cell % table->columns == table->columns - 1;

		if (table->nr == table->columns)
			break;
		again = true;
		printf("%-*s%s", last ? 0 : widths[cell % table->columns],
		       table->cells[cell], last ? "\n" : "  ");
	}
	for (cell = 0; cell < table->nr; cell++)
		free(table->cells[cell]);
	free(table->cells);
	free(widths);
	memset(table, 0, sizeof(*table));
}
