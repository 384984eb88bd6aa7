/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Read by sparse before each file. Debian's sparse 0.6.4 knows neither of
 * these, and after an error it is silent about the rest of the file; the
 * compiler checks them anyhow. A newer sparse is not hurt.
 */
#define __typeof_unqual__ __typeof__
#define _Static_assert(...)
