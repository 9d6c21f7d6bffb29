/* struct crypt_data differs between C libraries (32 KiB in libxcrypt, 128 KiB in old glibc), so its size is asked of
 * the header and the caller only ever holds that many zeroed bytes. */
#define _GNU_SOURCE
#include <crypt.h>
#include <stddef.h>

size_t esauth_crypt_data_size(void)
{
    return sizeof(struct crypt_data);
}
