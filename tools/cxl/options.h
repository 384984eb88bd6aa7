/* SPDX-License-Identifier: GPL-2.0-only */
/* Options of the command line; a list is a text of their ids */
#ifndef _TOOLS_CXL_OPTIONS_H
#define _TOOLS_CXL_OPTIONS_H

#include <getopt.h>

#define MAX_OPTIONS	16

struct params;

void print_options(const char *list);
void fill_getopt(const char *list, char *letters, struct option *longs);
int take_option(struct params *params, const char *list, int letter);

#endif
