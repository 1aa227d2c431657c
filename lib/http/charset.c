/* The charsets that answers may declare: those in use, by every name that Python's codecs, with which today's
 * agents read answers, and browsers know them by. */
#include "http/charset.h"
#include "http/charset_tables.h"
#include <ctype.h>
#include <string.h>

enum { NAME_MAX_BYTES = 64, BLOCK_BYTES = 512, REPLACEMENT = 0xfffd, ASCII_END = 0x80, ROW = 0xff - 0xa1 };

enum charset {
    UNDECLARED,
    UTF_8,
    /** In the order that it looks like. */
    UTF_16,
    UTF_16LE,
    UTF_16BE,
    UTF_32,
    UTF_32LE,
    UTF_32BE,
    LATIN_1,
    /** And the number of its table. */
    IN_TABLE
};

/* Names */

static const struct {
    unsigned charset;
    /** Letters and digits alone, in lower case, between blanks. */
    const char *names;
} NAMES[] = {
    {UTF_8, " utf8 u8 utf utf8sig cp65001 unicode11utf8 unicode20utf8 xunicode20utf8 csutf8 "},
    {UTF_16, " utf16 u16 csutf16 unicode csunicode ucs2 iso10646ucs2 "},
    {UTF_16LE, " utf16le unicodelittleunmarked csutf16le "},
    {UTF_16BE, " utf16be unicodebigunmarked unicodefffe csutf16be "},
    {UTF_32, " utf32 u32 csutf32 ucs4 iso10646ucs4 csucs4 "},
    {UTF_32LE, " utf32le csutf32le "},
    {UTF_32BE, " utf32be csutf32be "},
    {LATIN_1, " iso88591 88591 latin1 latin l1 cp819 ibm819 isoir100 iso885911987 csisolatin1 "},
    {IN_TABLE + TABLE_ISO_8859_2, " iso88592 latin2 l2 isoir101 iso885921987 csisolatin2 "},
    {IN_TABLE + TABLE_ISO_8859_9, " iso88599 latin5 l5 isoir148 iso885991989 csisolatin5 "},
    {IN_TABLE + TABLE_ISO_8859_15, " iso885915 latin9 l9 csisolatin9 csiso885915 "},
    {IN_TABLE + TABLE_WINDOWS_1250, " windows1250 cp1250 xcp1250 1250 cswindows1250 "},
    {IN_TABLE + TABLE_WINDOWS_1251, " windows1251 cp1251 xcp1251 1251 cswindows1251 "},
    {IN_TABLE + TABLE_WINDOWS_1252, " windows1252 cp1252 xcp1252 1252 cswindows1252 "},
    {IN_TABLE + TABLE_SHIFT_JIS, " shiftjis xshiftjis sjis ssjis xsjis mskanji csshiftjis windows31j "
                                 "cswindows31j cp932 ms932 mskanji 932 "},
    {IN_TABLE + TABLE_EUC_JP, " eucjp xeucjp ujis ujis8 cseucpkdfmtjapanese "},
    {IN_TABLE + TABLE_GBK, " gbk xgbk cp936 ms936 936 windows936 gb2312 gb231280 gb23121980 chinese csgb2312 "
                           "csiso58gb231280 isoir58 "
                           "euccn eucgb2312cn gb18030 gb180302000 csgbk csgb18030 "},
    {IN_TABLE + TABLE_BIG5, " big5 big5tw cnbig5 xxbig5 csbig5 big5eten cp950 ms950 950 big5hkscs hkscs "},
    {IN_TABLE + TABLE_EUC_KR, " euckr cseuckr korean ksc5601 ksc56011987 ksc56011989 ksx1001 isoir149 "
                              "csksc56011987 cp949 ms949 949 uhc "
                              "windows949 "},
};

/** Case, blanks, quotes and what stands between letters and digits make no difference. */
static unsigned charset_named(struct slice name)
{
    char plain[NAME_MAX_BYTES + 3] = " ";
    size_t len = 1;
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (len > NAME_MAX_BYTES || c >= ASCII_END)
            return UNDECLARED;
        if (isalnum(c))
            plain[len++] = (char)tolower(c);
    }
    if (len == 1)
        return UNDECLARED;
    plain[len++] = ' ';
    plain[len] = '\0';
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (strstr(NAMES[i].names, plain))
            return NAMES[i].charset;
    return UNDECLARED;
}

static struct slice before(struct slice *rest, char end)
{
    const char *found = rest->len > 0 ? memchr(rest->ptr, end, rest->len) : NULL;
    struct slice out = {rest->ptr, found ? (size_t)(found - rest->ptr) : rest->len};
    size_t used = out.len + (found ? 1 : 0);
    rest->ptr = rest->len > 0 ? rest->ptr + used : rest->ptr;
    rest->len -= used;
    return out;
}

/** The last charset that the Content-Type has, as Python's requests take it. */
static unsigned declared(struct slice content_type)
{
    unsigned charset = UNDECLARED;
    before(&content_type, ';');
    while (content_type.len > 0) {
        struct slice value = before(&content_type, ';');
        if (slice_equal_text_ignore_case(slice_trim(before(&value, '=')), "charset"))
            charset = charset_named(value);
    }
    return charset;
}

/* What the bytes themselves say */

static bool begins(struct slice body, const char *bytes, size_t len)
{
    return body.len >= len && memcmp(body.ptr, bytes, len) == 0;
}

/** Cuts the byte order mark off. UTF-16's for little endian followed by two zeros is UTF-32's, unless UTF-16
 * is what is declared. */
static unsigned marked(struct slice *body, unsigned said)
{
    static const struct {
        unsigned charset;
        const char *mark;
        size_t len;
    } marks[] = {{UTF_8, "\xef\xbb\xbf", 3},
                 {UTF_32LE, "\xff\xfe\0\0", 4},
                 {UTF_32BE, "\0\0\xfe\xff", 4},
                 {UTF_16LE, "\xff\xfe", 2},
                 {UTF_16BE, "\xfe\xff", 2}};
    bool is_utf_16 = said == UTF_16 || said == UTF_16LE || said == UTF_16BE;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (!begins(*body, marks[i].mark, marks[i].len) || (is_utf_16 && marks[i].charset == UTF_32LE))
            continue;
        body->ptr += marks[i].len;
        body->len -= marks[i].len;
        return marks[i].charset;
    }
    return UNDECLARED;
}

/** JSON begins with two characters of ASCII, or is one digit: where the zeros are says how wide they are (RFC
 * 4627, section 3). */
static unsigned by_zeros(struct slice body)
{
    static const struct {
        unsigned charset;
        /** 0: a zero. */
        const char *pattern;
    } patterns[] = {{UTF_32LE, "x000"}, {UTF_32BE, "000x"}, {UTF_16LE, "x0x0"}, {UTF_16BE, "0x0x"}};
    for (size_t i = 0; body.len >= 4 && i < sizeof patterns / sizeof *patterns; i++) {
        size_t same = 0;
        while (same < 4 && (body.ptr[same] == 0) == (patterns[i].pattern[same] == '0'))
            same++;
        if (same == 4)
            return patterns[i].charset;
    }
    return UNDECLARED;
}

/** How many bytes a sequence that is no character takes: those that might have begun one (Unicode,
 * section 3.9, "maximal subpart"). */
static size_t bad_sequence(const char *p, size_t n)
{
    unsigned char first = (unsigned char)p[0];
    size_t whole = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    char trial[4] = {p[0], n > 1 ? p[1] : '\0', '\x80', '\x80'};
    if (first < 0xc2 || first > 0xf4 || utf8_sequence(trial, whole) == 0)
        return 1;
    return whole == 4 && n > 2 && ((unsigned char)p[2] & 0xc0) == 0x80 ? 3 : 2;
}

/** Bytes of ASCII from here on, eight at a time: most answers are nothing else. */
static size_t ascii_bytes(const char *p, size_t n)
{
    static const uint64_t high_bits = 0x8080808080808080U;
    size_t at = 0;
    for (uint64_t eight; n - at >= sizeof eight; at += sizeof eight) {
        memcpy(&eight, p + at, sizeof eight);
        if (eight & high_bits)
            break;
    }
    return at;
}

/** Bytes of valid UTF-8 at the beginning. */
static size_t valid_bytes(struct slice body)
{
    size_t at = body.len > 0 ? ascii_bytes(body.ptr, body.len) : 0, len;
    while (at < body.len && (len = utf8_sequence(body.ptr + at, body.len - at)) > 0) {
        at += len;
        if (len > 1)
            at += ascii_bytes(body.ptr + at, body.len - at);
    }
    return at;
}

/** All is UTF-8, except a last character that is cut. */
static bool is_cut_within(struct slice body, size_t valid)
{
    size_t left = body.len - valid;
    unsigned char first = left > 0 ? (unsigned char)body.ptr[valid] : 0;
    return first >= 0xc2 && first <= 0xf4 && left < 4 && bad_sequence(body.ptr + valid, left) == left;
}

static unsigned choose(struct slice *body, struct slice content_type, bool is_cut)
{
    unsigned said = declared(content_type), charset = marked(body, said);
    if (charset != UNDECLARED || said != UNDECLARED)
        return charset != UNDECLARED ? charset : said;
    charset = by_zeros(*body);
    if (charset != UNDECLARED)
        return charset;
    size_t valid = valid_bytes(*body);
    return valid == body->len || (is_cut && is_cut_within(*body, valid)) ? UTF_8 : LATIN_1;
}

/* Characters */

struct text {
    struct buffer *out;
    char block[BLOCK_BYTES];
    size_t len;
};

static void flush(struct text *text)
{
    buffer_append(text->out, text->block, text->len);
    text->len = 0;
}

static void put(struct text *text, uint32_t code)
{
    if (text->len + 4 > sizeof text->block)
        flush(text);
    text->len += utf8_encode(code, text->block + text->len);
}

/** Each of these reads one character at `p`, of `n` bytes (at least one), and says how many bytes it takes;
 * 0: it is cut by the end. */
typedef size_t read_character(unsigned charset, const unsigned char *p, size_t n, uint32_t *code);

static size_t read_utf_8(unsigned charset, const unsigned char *p, size_t n, uint32_t *code)
{
    static const unsigned char leads[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    const char *bytes = (const char *)p;
    size_t len = utf8_sequence(bytes, n);
    (void)charset;
    if (len == 0) {
        bool cut = is_cut_within((struct slice){bytes, n}, 0);
        *code = REPLACEMENT;
        return cut ? 0 : bad_sequence(bytes, n);
    }
    *code = p[0] & leads[len];
    for (size_t i = 1; i < len; i++)
        *code = *code << 6 | (p[i] & 0x3f);
    return len;
}

static uint32_t unit(unsigned charset, const unsigned char *p)
{
    return charset == UTF_16LE ? (uint32_t)p[1] << 8 | p[0] : (uint32_t)p[0] << 8 | p[1];
}

static size_t read_utf_16(unsigned charset, const unsigned char *p, size_t n, uint32_t *code)
{
    if (n < 2)
        return 0;
    *code = unit(charset, p);
    if (*code < 0xd800 || *code > 0xdfff)
        return 2;
    if (*code < 0xdc00 && n < 4)
        return 0;
    uint32_t low = *code < 0xdc00 ? unit(charset, p + 2) : 0;
    if (low < 0xdc00 || low > 0xdfff) {
        *code = REPLACEMENT;
        return 2;
    }
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return 4;
}

static size_t read_utf_32(unsigned charset, const unsigned char *p, size_t n, uint32_t *code)
{
    if (n < 4)
        return 0;
    *code = charset == UTF_32LE ? (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0]
                                : (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    if (*code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff))
        *code = REPLACEMENT;
    return 4;
}

static size_t read_latin_1(unsigned charset, const unsigned char *p, size_t n, uint32_t *code)
{
    (void)charset;
    (void)n;
    *code = *p;
    return 1;
}

static uint32_t pair_code(const struct charset_table *table, unsigned lead, unsigned trail)
{
    unsigned row = table->trail_last - table->trail_first + 1U;
    if (lead < table->lead_first || lead > table->lead_last || trail < table->trail_first ||
        trail > table->trail_last)
        return 0;
    return table->pairs[(lead - table->lead_first) * row + trail - table->trail_first];
}

static uint32_t triple_code(const struct charset_table *table, const unsigned char *p)
{
    bool within = p[1] >= 0xa1 && p[1] <= 0xfe && p[2] >= 0xa1 && p[2] <= 0xfe;
    return within ? table->triples[(p[1] - 0xa1) * ROW + p[2] - 0xa1] : 0;
}

/** A pair that is no character is one byte of rubbish, so that what comes behind it is read. */
static size_t read_in_table(unsigned charset, const unsigned char *p, size_t n, uint32_t *code)
{
    const struct charset_table *table = &charset_tables[charset - IN_TABLE];
    size_t len = 1;
    *code = *p < ASCII_END ? *p : table->singles[*p - ASCII_END];
    if (*code || *p == 0)
        return 1;
    if (table->triples && *p == 0x8f) {
        if (n < 3)
            return 0;
        *code = triple_code(table, p);
        len = 3;
    } else if (table->pairs && *p >= table->lead_first && *p <= table->lead_last) {
        if (n < 2)
            return 0;
        *code = pair_code(table, p[0], p[1]);
        len = 2;
    }
    if (*code)
        return len;
    *code = REPLACEMENT;
    return 1;
}

static read_character *reader_of(unsigned charset)
{
    static read_character *const readers[IN_TABLE] = {
        [UTF_8] = read_utf_8,     [UTF_16LE] = read_utf_16, [UTF_16BE] = read_utf_16,
        [UTF_32LE] = read_utf_32, [UTF_32BE] = read_utf_32, [LATIN_1] = read_latin_1};
    return charset < IN_TABLE ? readers[charset] : read_in_table;
}

static void decode_all(unsigned charset, struct slice body, bool is_cut, struct buffer *out)
{
    read_character *read = reader_of(charset);
    struct text text = {.out = out};
    const unsigned char *p = (const unsigned char *)body.ptr, *end = p + body.len;
    while (p < end) {
        uint32_t code = REPLACEMENT;
        size_t len = read(charset, p, (size_t)(end - p), &code);
        if (len == 0 && !is_cut)
            put(&text, REPLACEMENT);
        if (len == 0)
            break;
        put(&text, code);
        p += len;
    }
    flush(&text);
}

/** UTF-16 and UTF-32 without a word on their order: big endian where the first character has zeros before it.
 */
static unsigned ordered(unsigned charset, struct slice body)
{
    bool big = body.len > 0 && *body.ptr == 0;
    if (charset == UTF_16)
        return big ? UTF_16BE : UTF_16LE;
    if (charset == UTF_32)
        return big ? UTF_32BE : UTF_32LE;
    return charset;
}

struct slice body_text(struct slice body, struct slice content_type, bool is_cut, struct buffer *storage)
{
    unsigned charset = choose(&body, content_type, is_cut);
    if (charset == UTF_8) {
        size_t valid = valid_bytes(body);
        if (valid == body.len || (is_cut && is_cut_within(body, valid)))
            return (struct slice){body.ptr, valid};
    }
    decode_all(ordered(charset, body), body, is_cut, storage);
    return buffer_slice(storage);
}

void header_text(struct slice line, struct buffer *out)
{
    if (valid_bytes(line) == line.len)
        buffer_append_slice(out, line);
    else
        decode_all(LATIN_1, line, false, out);
}
