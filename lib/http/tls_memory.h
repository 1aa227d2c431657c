/* Memory for new TLS connections when there is none.
 *
 * Since 3.2 OpenSSL makes the two record layers of a connection in SSL_set_connect_state(3) as well, which
 * cannot fail and does not look whether they were made; SSL_set0_rbio(3) then uses what is not there, and the
 * process ends. So they, and the BIO between them, are made from a small reserve where malloc has nothing.
 * All else in OpenSSL meets the failure, which it survives. */
#pragma once
#include <stdbool.h>

/** Is this an OpenSSL that needs the reserve? */
bool tls_memory_needed(void);
/** Keeps a reserve for the life of the process where it is needed: 320 KiB, for the beginning of ten
 * connections without any other memory; what is freed fills it again. Shared by all threads. Call it before
 * anything has used OpenSSL, libcurl or librdkafka. False: out of memory, or OpenSSL has allocated already.
 */
bool tls_memory_reserve(void);
