/* What the bytes of charsets stand for, made at build time (cmake/charset_tables.py). Bytes below 0x80 are
 * ASCII in each. A code of 0: nothing. Only charset.c uses it. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum charset_table_name {
    TABLE_ISO_8859_2,
    TABLE_ISO_8859_9,
    TABLE_ISO_8859_15,
    TABLE_WINDOWS_1250,
    TABLE_WINDOWS_1251,
    TABLE_WINDOWS_1252,
    TABLE_SHIFT_JIS,
    TABLE_EUC_JP,
    TABLE_GBK,
    TABLE_BIG5,
    TABLE_EUC_KR,
    CHARSET_TABLES
};

struct charset_table {
    /** Of 0x80 to 0xff. */
    const uint16_t *singles;
    /** Rows from lead_first to lead_last, each from trail_first to trail_last; NULL: none. */
    const uint16_t *pairs;
    /** Of 0x8f and two bytes from 0xa1 to 0xfe each; NULL: none. */
    const uint16_t *triples;
    unsigned char lead_first, lead_last, trail_first, trail_last;
};

extern const struct charset_table charset_tables[CHARSET_TABLES];
