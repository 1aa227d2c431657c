/* Files of certificates and keys: read whole from a file system, or kept in memory under a path, which a
 * library can be given also where no file system can be written. Knows nothing of what is in them. */
#pragma once
#include "base/buffer.h"
#include "base/error.h"

/** Appends a regular file's bytes, at most 16 MiB. 0; PA_ERR_MEMORY; PA_ERR_INVALID with a sentence that
 * begins with the path in quotes. The bytes of a file under 64 KiB are in `out` alone, which the caller may
 * wipe. */
PA_MUST_USE int pem_file_read(const char *path, struct buffer *out, struct error *err);

enum { PEM_FILE_PATH_SIZE = 64, PEM_DIGEST_SIZE = 32 };
/** SHA-256 of the bytes, to tell whether a file is still what it was. */
void pem_file_digest(struct slice bytes, unsigned char out[PEM_DIGEST_SIZE]);

/** A file of these bytes that is in no folder (a memfd, `name` is for people). Its descriptor, which the
 * caller closes; `path` leads to it as long as it is open, for this process alone, and where /proc is mounted
 * (which is not looked at here). -1 with errno. */
PA_MUST_USE int pem_file_keep(const char *name, struct slice bytes, char path[PEM_FILE_PATH_SIZE]);
