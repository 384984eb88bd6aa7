/* SPDX-License-Identifier: GPL-2.0-only */
#define KUNIT_STATIC_STUB_REDIRECT(...)
