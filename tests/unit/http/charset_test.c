/* What an answer's bytes are as text. */
#include "../edge.h"
#include "http/charset.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct text_case {
    const char *name, *content_type, *body;
    size_t len;
    const char *text;
};

/* Bytes and texts as Python has them: "東京".encode("shift_jis") and b"…".decode("gbk", "replace"), say. */
static const struct text_case CASES[] = {
    {"utf-8", "text/plain; charset=utf-8",
     "\x67\x72\xc3\xbc\xc3\x9f\x65\x20\x5a\x6f\xc3\xab\x20\xe6\x9d\xb1\xe4\xba\xac\x20\xf0\x9f\x9a\x80", 24,
     "\x67\x72\xc3\xbc\xc3\x9f\x65\x20\x5a\x6f\xc3\xab\x20\xe6\x9d\xb1\xe4\xba\xac\x20\xf0\x9f\x9a\x80"},
    {"utf-16", "text/plain; charset=utf-16",
     "\xff\xfe\x5a\x00\x6f\x00\xeb\x00\x20\x00\x71\x67\xac\x4e\x20\x00\x3d\xd8\x80\xde", 20,
     "\x5a\x6f\xc3\xab\x20\xe6\x9d\xb1\xe4\xba\xac\x20\xf0\x9f\x9a\x80"},
    {"utf-16-le", "text/plain; charset=utf-16le",
     "\x7b\x00\x22\x00\x61\x00\x22\x00\x3a\x00\x22\x00\x5a\x00\x6f\x00\xeb\x00\x20\x00\x3d\xd8\x80\xde\x22"
     "\x00\x7d\x00",
     28, "\x7b\x22\x61\x22\x3a\x22\x5a\x6f\xc3\xab\x20\xf0\x9f\x9a\x80\x22\x7d"},
    {"utf-16-be", "text/plain; charset=utf-16be",
     "\x00\x7b\x00\x22\x00\x61\x00\x22\x00\x3a\x00\x22\x00\x5a\x00\x6f\x00\xeb\x00\x20\xd8\x3d\xde\x80\x00"
     "\x22\x00\x7d",
     28, "\x7b\x22\x61\x22\x3a\x22\x5a\x6f\xc3\xab\x20\xf0\x9f\x9a\x80\x22\x7d"},
    {"utf-32", "text/plain; charset=utf-32",
     "\xff\xfe\x00\x00\x5a\x00\x00\x00\x6f\x00\x00\x00\xeb\x00\x00\x00\x20\x00\x00\x00\x80\xf6\x01\x00", 24,
     "\x5a\x6f\xc3\xab\x20\xf0\x9f\x9a\x80"},
    {"utf-32-le", "text/plain; charset=utf-32le",
     "\x7b\x00\x00\x00\x22\x00\x00\x00\x61\x00\x00\x00\x22\x00\x00\x00\x3a\x00\x00\x00\x22\x00\x00\x00\xeb"
     "\x00\x00\x00\x80\xf6\x01\x00\x22\x00\x00\x00\x7d\x00\x00\x00",
     40, "\x7b\x22\x61\x22\x3a\x22\xc3\xab\xf0\x9f\x9a\x80\x22\x7d"},
    {"utf-32-be", "text/plain; charset=utf-32be",
     "\x00\x00\x00\x7b\x00\x00\x00\x22\x00\x00\x00\x61\x00\x00\x00\x22\x00\x00\x00\x3a\x00\x00\x00\x22\x00"
     "\x00\x00\xeb\x00\x01\xf6\x80\x00\x00\x00\x22\x00\x00\x00\x7d",
     40, "\x7b\x22\x61\x22\x3a\x22\xc3\xab\xf0\x9f\x9a\x80\x22\x7d"},
    {"iso-8859-1", "text/plain; charset=iso-8859-1", "\x67\x72\xfc\xdf\x65\x20\xff", 7,
     "\x67\x72\xc3\xbc\xc3\x9f\x65\x20\xc3\xbf"},
    {"iso-8859-2", "text/plain; charset=iso-8859-2",
     "\x50\xf8\xed\x6c\x69\xb9\x20\xbe\x6c\x75\xbb\x6f\x75\xe8\x6b\xfd\x20\x6b\xf9\xf2", 20,
     "\x50\xc5\x99\xc3\xad\x6c\x69\xc5\xa1\x20\xc5\xbe\x6c\x75\xc5\xa5\x6f\x75\xc4\x8d\x6b\xc3\xbd\x20\x6b"
     "\xc5\xaf\xc5\x88"},
    {"iso-8859-9", "text/plain; charset=iso-8859-9", "\xdd\x73\x74\x61\x6e\x62\x75\x6c\x20\xf0\xfe\xfd", 12,
     "\xc4\xb0\x73\x74\x61\x6e\x62\x75\x6c\x20\xc4\x9f\xc5\x9f\xc4\xb1"},
    {"iso-8859-15", "text/plain; charset=iso-8859-15", "\x31\x30\x20\xa4\x20\xbd\x75\x76\x72\x65\x20\xa6", 12,
     "\x31\x30\x20\xe2\x82\xac\x20\xc5\x93\x75\x76\x72\x65\x20\xc5\xa0"},
    {"windows-1250", "text/plain; charset=windows-1250",
     "\x50\xf8\xed\x6c\x69\x9a\x20\x9e\x6c\x75\x9d\x6f\x75\xe8\x6b\xfd\x20\x84\x6b\xf9\xf2\x93\x20\x80", 24,
     "\x50\xc5\x99\xc3\xad\x6c\x69\xc5\xa1\x20\xc5\xbe\x6c\x75\xc5\xa5\x6f\x75\xc4\x8d\x6b\xc3\xbd\x20\xe2"
     "\x80\x9e\x6b\xc5\xaf\xc5\x88\xe2\x80\x9c\x20\xe2\x82\xac"},
    {"windows-1251", "text/plain; charset=windows-1251",
     "\xcf\xf0\xe8\xe2\xe5\xf2\x2c\x20\xec\xe8\xf0\x20\x96\x20\xb9", 15,
     "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82\x2c\x20\xd0\xbc\xd0\xb8\xd1\x80\x20\xe2\x80\x93\x20"
     "\xe2\x84\x96"},
    {"windows-1252", "text/plain; charset=windows-1252",
     "\x93\x73\x6d\x61\x72\x74\x94\x20\x96\x20\x31\x30\x20\x80", 14,
     "\xe2\x80\x9c\x73\x6d\x61\x72\x74\xe2\x80\x9d\x20\xe2\x80\x93\x20\x31\x30\x20\xe2\x82\xac"},
    {"shift_jis", "text/plain; charset=shift_jis",
     "\x93\x8c\x8b\x9e\x20\x83\x4a\x83\x5e\x83\x4a\x83\x69\x20\xb1\xb2\xb3\x20\x95\x5c\x8e\xa6\x20\x5c\x20"
     "\x81\x60",
     27,
     "\xe6\x9d\xb1\xe4\xba\xac\x20\xe3\x82\xab\xe3\x82\xbf\xe3\x82\xab\xe3\x83\x8a\x20\xef\xbd\xb1\xef\xbd"
     "\xb2\xef\xbd\xb3\x20\xe8\xa1\xa8\xe7\xa4\xba\x20\x5c\x20\xe3\x80\x9c"},
    {"euc_jp", "text/plain; charset=euc_jp",
     "\xc5\xec\xb5\xfe\x20\xa5\xab\xa5\xbf\xa5\xab\xa5\xca\x20\x8e\xb1\x8e\xb2\x8e\xb3", 20,
     "\xe6\x9d\xb1\xe4\xba\xac\x20\xe3\x82\xab\xe3\x82\xbf\xe3\x82\xab\xe3\x83\x8a\x20\xef\xbd\xb1\xef\xbd"
     "\xb2\xef\xbd\xb3"},
    {"gbk", "text/plain; charset=gbk", "\xd6\xd0\xce\xc4\x20\xbc\xf2\xcc\xe5", 9,
     "\xe4\xb8\xad\xe6\x96\x87\x20\xe7\xae\x80\xe4\xbd\x93"},
    {"big5", "text/plain; charset=big5", "\xa4\xa4\xa4\xe5\x20\xc1\x63\xc5\xe9\x20\xa5\x5c\xb3\x5c\xbb\x5c",
     16, "\xe4\xb8\xad\xe6\x96\x87\x20\xe7\xb9\x81\xe9\xab\x94\x20\xe5\x8a\x9f\xe8\xa8\xb1\xe8\x93\x8b"},
    {"euc_kr", "text/plain; charset=euc_kr", "\xc7\xd1\xb1\xb9\xbe\xee\x20\xb4\xeb\xc7\xd1\xb9\xce\xb1\xb9",
     15, "\xed\x95\x9c\xea\xb5\xad\xec\x96\xb4\x20\xeb\x8c\x80\xed\x95\x9c\xeb\xaf\xbc\xea\xb5\xad"},
    {"cp949 syllable", "text/plain; charset=euc-kr", "\x8c\x63\xb9\xe6\xb0\xa2\xc7\xcf", 8,
     "\xeb\x98\xa0\xeb\xb0\xa9\xea\xb0\x81\xed\x95\x98"},
    {"cp932 in shift_jis", "text/plain;charset=Shift_JIS", "\x87\x40\xee\xe0", 4, "\xe2\x91\xa0\xe9\xab\x99"},
    {"JIS X 0212", "text/plain;charset=EUC-JP", "\x8f\xb0\xa1", 3, "\xe4\xb8\x82"},
    {"quoted", "text/plain; charset=\"iso-8859-1\"", "\x67\x72\xfc\xdf\x65", 5,
     "\x67\x72\xc3\xbc\xc3\x9f\x65"},
    {"single quotes", "text/plain; charset='ISO-8859-1'", "\x67\x72\xfc\xdf\x65", 5,
     "\x67\x72\xc3\xbc\xc3\x9f\x65"},
    {"blanks", "text/plain ; foo=bar ;  Charset = Latin1 ", "\x67\x72\xfc\xdf\x65", 5,
     "\x67\x72\xc3\xbc\xc3\x9f\x65"},
    {"python name", "text/plain;charset=ISO_8859-1:1987", "\x67\x72\xfc\xdf\x65", 5,
     "\x67\x72\xc3\xbc\xc3\x9f\x65"},
    {"cp819", "application/json;CHARSET=CP819", "\x67\x72\xfc\xdf\x65", 5, "\x67\x72\xc3\xbc\xc3\x9f\x65"},
    {"the last counts", "text/plain; charset=utf-8; charset=latin-1", "\x67\x72\xfc\xdf\x65", 5,
     "\x67\x72\xc3\xbc\xc3\x9f\x65"},
    {"undeclared", "application/json", "\x67\x72\xfc\xdf\x65", 5, "\x67\x72\xc3\xbc\xc3\x9f\x65"},
    {"unknown", "text/plain; charset=klingon", "\x67\x72\xfc\xdf\x65", 5, "\x67\x72\xc3\xbc\xc3\x9f\x65"},
    {"empty", "text/plain; charset=", "\x67\x72\xfc\xdf\x65", 5, "\x67\x72\xc3\xbc\xc3\x9f\x65"},
    {"none", NULL, "\x67\x72\xfc\xdf\x65", 5, "\x67\x72\xc3\xbc\xc3\x9f\x65"},
    {"no type", "", "\x67\x72\xfc\xdf\x65", 5, "\x67\x72\xc3\xbc\xc3\x9f\x65"},
    {"long name",
     "text/plain; "
     "charset="
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
     "\x67\x72\xfc\xdf\x65", 5, "\x67\x72\xc3\xbc\xc3\x9f\x65"},
    {"ascii", "text/plain; charset=us-ascii", "\x67\x72\xfc\xdf\x65", 5, "\x67\x72\xc3\xbc\xc3\x9f\x65"},
    {"undeclared utf-8", "text/plain", "\x67\x72\xc3\xbc\xc3\x9f\x65", 7, "\x67\x72\xc3\xbc\xc3\x9f\x65"},
    {"unknown utf-8", "text/plain; charset=klingon", "\x67\x72\xc3\xbc\xc3\x9f\x65", 7,
     "\x67\x72\xc3\xbc\xc3\x9f\x65"},
    {"ascii utf-8", "text/plain; charset=us-ascii", "\x67\x72\xc3\xbc\xc3\x9f\x65", 7,
     "\x67\x72\xc3\xbc\xc3\x9f\x65"},
    {"utf8 alias", "text/plain; charset=utf8", "\x67\x72\xc3\xbc\xc3\x9f\x65", 7,
     "\x67\x72\xc3\xbc\xc3\x9f\x65"},
    {"UTF_8", "text/plain; charset=UTF_8", "\x67\x72\xc3\xbc\xc3\x9f\x65", 7, "\x67\x72\xc3\xbc\xc3\x9f\x65"},
    {"bom", "application/json", "\xef\xbb\xbf\x7b\x22\x6f\x6b\x22\x3a\x74\x72\x75\x65\x7d", 14,
     "\x7b\x22\x6f\x6b\x22\x3a\x74\x72\x75\x65\x7d"},
    {"bom alone", "application/json", "\xef\xbb\xbf", 3, ""},
    {"bom, declared", "application/json; charset=utf-8", "\xef\xbb\xbf\x7b\x7d", 5, "\x7b\x7d"},
    {"bom, declared otherwise", "text/plain; charset=iso-8859-1", "\xef\xbb\xbf\x67\x72\xc3\xbc\xc3\x9f\x65",
     10, "\x67\x72\xc3\xbc\xc3\x9f\x65"},
    {"bom of utf-16-le", "application/json",
     "\xff\xfe\x7b\x00\x22\x00\x61\x00\x22\x00\x3a\x00\x22\x00\xeb\x00\x3d\xd8\x80\xde\x22\x00\x7d\x00", 24,
     "\x7b\x22\x61\x22\x3a\x22\xc3\xab\xf0\x9f\x9a\x80\x22\x7d"},
    {"json in utf-16-le undeclared", "text/plain", "\x7b\x00\x22\x00\x61\x00\x22\x00\x3a\x00\x31\x00\x7d\x00",
     14, "\x7b\x22\x61\x22\x3a\x31\x7d"},
    {"bom of utf-16-be", "application/json",
     "\xfe\xff\x00\x7b\x00\x22\x00\x61\x00\x22\x00\x3a\x00\x22\x00\xeb\xd8\x3d\xde\x80\x00\x22\x00\x7d", 24,
     "\x7b\x22\x61\x22\x3a\x22\xc3\xab\xf0\x9f\x9a\x80\x22\x7d"},
    {"json in utf-16-be undeclared", "text/plain", "\x00\x7b\x00\x22\x00\x61\x00\x22\x00\x3a\x00\x31\x00\x7d",
     14, "\x7b\x22\x61\x22\x3a\x31\x7d"},
    {"bom of utf-32-le", "application/json",
     "\xff\xfe\x00\x00\x7b\x00\x00\x00\x22\x00\x00\x00\x61\x00\x00\x00\x22\x00\x00\x00\x3a\x00\x00\x00\x22"
     "\x00\x00\x00\xeb\x00\x00\x00\x80\xf6\x01\x00\x22\x00\x00\x00\x7d\x00\x00\x00",
     44, "\x7b\x22\x61\x22\x3a\x22\xc3\xab\xf0\x9f\x9a\x80\x22\x7d"},
    {"json in utf-32-le undeclared", "text/plain",
     "\x7b\x00\x00\x00\x22\x00\x00\x00\x61\x00\x00\x00\x22\x00\x00\x00\x3a\x00\x00\x00\x31\x00\x00\x00\x7d"
     "\x00\x00\x00",
     28, "\x7b\x22\x61\x22\x3a\x31\x7d"},
    {"bom of utf-32-be", "application/json",
     "\x00\x00\xfe\xff\x00\x00\x00\x7b\x00\x00\x00\x22\x00\x00\x00\x61\x00\x00\x00\x22\x00\x00\x00\x3a\x00"
     "\x00\x00\x22\x00\x00\x00\xeb\x00\x01\xf6\x80\x00\x00\x00\x22\x00\x00\x00\x7d",
     44, "\x7b\x22\x61\x22\x3a\x22\xc3\xab\xf0\x9f\x9a\x80\x22\x7d"},
    {"json in utf-32-be undeclared", "text/plain",
     "\x00\x00\x00\x7b\x00\x00\x00\x22\x00\x00\x00\x61\x00\x00\x00\x22\x00\x00\x00\x3a\x00\x00\x00\x31\x00"
     "\x00\x00\x7d",
     28, "\x7b\x22\x61\x22\x3a\x31\x7d"},
    {"order wrong", "text/plain; charset=utf-16le", "\xfe\xff\x00\x61\x00\x62", 6, "\x61\x62"},
    {"utf-16 unmarked BE", "text/plain; charset=utf-16", "\x00\x61\x00\x62", 4, "\x61\x62"},
    {"utf-16 unmarked LE", "text/plain; charset=utf-16", "\x61\x00\x62\x00", 4, "\x61\x62"},
    {"utf-8 bad", "text/plain; charset=utf-8", "\x61\xff\x62\xe6\x9d\x63\xf0\x9f\x9a\x64\xc3", 11,
     "\x61\xef\xbf\xbd\x62\xef\xbf\xbd\x63\xef\xbf\xbd\x64\xef\xbf\xbd"},
    {"utf-8 eda080", "text/plain; charset=utf-8", "\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"utf-8 f580", "text/plain; charset=utf-8", "\xf5\x80", 2, "\xef\xbf\xbd\xef\xbf\xbd"},
    {"utf-8 e08080", "text/plain; charset=utf-8", "\xe0\x80\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"utf-8 f4908080", "text/plain; charset=utf-8", "\xf4\x90\x80\x80", 4,
     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"utf-8 c0af", "text/plain; charset=utf-8", "\xc0\xaf", 2, "\xef\xbf\xbd\xef\xbf\xbd"},
    {"utf-16 lone high", "text/plain; charset=utf-16le", "\x3d\xd8\x61\x00", 4, "\xef\xbf\xbd\x61"},
    {"utf-16 lone low", "text/plain; charset=utf-16le", "\x80\xde\x61\x00", 4, "\xef\xbf\xbd\x61"},
    {"utf-16 odd", "text/plain; charset=utf-16le", "\x61\x00\x62", 3, "\x61\xef\xbf\xbd"},
    {"utf-16 cut pair", "text/plain; charset=utf-16le", "\x61\x00\x3d\xd8", 4, "\x61\xef\xbf\xbd"},
    {"utf-32 beyond", "text/plain; charset=utf-32be", "\x00\x11\x00\x00\x00\x00\x00\x61", 8,
     "\xef\xbf\xbd\x61"},
    {"utf-32le far beyond", "text/plain; charset=utf-32le", "\x61\x00\x00\x01\x61\x00\x00\x00", 8,
     "\xef\xbf\xbd\x61"},
    {"utf-32 odd", "text/plain; charset=utf-32be", "\x00\x00\x00\x61\x00\x00", 6, "\x61\xef\xbf\xbd"},
    {"cp1252 hole", "text/plain; charset=windows-1252", "\x61\x81\x62", 3, "\x61\xef\xbf\xbd\x62"},
    {"shift_jis 61812062", "text/plain; charset=shift_jis", "\x61\x81\x20\x62", 4,
     "\x61\xef\xbf\xbd\x20\x62"},
    {"shift_jis 6181", "text/plain; charset=shift_jis", "\x61\x81", 2, "\x61\xef\xbf\xbd"},
    {"shift_jis 85225c6e", "text/plain; charset=shift_jis", "\x85\x22\x5c\x6e", 4,
     "\xef\xbf\xbd\x22\x5c\x6e"},
    {"euc-jp 61a462", "text/plain; charset=euc-jp", "\x61\xa4\x62", 3, "\x61\xef\xbf\xbd\x62"},
    {"euc-jp 61a4", "text/plain; charset=euc-jp", "\x61\xa4", 2, "\x61\xef\xbf\xbd"},
    {"gbk 61812062", "text/plain; charset=gbk", "\x61\x81\x20\x62", 4, "\x61\xef\xbf\xbd\x20\x62"},
    {"gbk ff8061", "text/plain; charset=gbk", "\xff\x80\x61", 3, "\xef\xbf\xbd\xef\xbf\xbd\x61"},
    {"big5 61a420", "text/plain; charset=big5", "\x61\xa4\x20", 3, "\x61\xef\xbf\xbd\x20"},
    {"euc-kr b02061", "text/plain; charset=euc-kr", "\xb0\x20\x61", 3, "\xef\xbf\xbd\x20\x61"},
    {"euc-jp 8fb0a161", "text/plain; charset=euc-jp", "\x8f\xb0\xa1\x61", 4, "\xe4\xb8\x82\x61"},
    {"euc-jp 8fa0b061", "text/plain; charset=euc-jp", "\x8f\xa0\xb0\x61", 4,
     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\x61"},
    {"euc-jp 8fffb061", "text/plain; charset=euc-jp", "\x8f\xff\xb0\x61", 4,
     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\x61"},
    {"euc-jp 8fb0a061", "text/plain; charset=euc-jp", "\x8f\xb0\xa0\x61", 4,
     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\x61"},
    {"euc-jp 8fb0ff61", "text/plain; charset=euc-jp", "\x8f\xb0\xff\x61", 4,
     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\x61"},
    {"euc-jp 8fede361", "text/plain; charset=euc-jp", "\x8f\xed\xe3\x61", 4, "\xe9\xbe\xa5\x61"},
    {"euc-jp 8fa2af61", "text/plain; charset=euc-jp", "\x8f\xa2\xaf\x61", 4, "\xcb\x98\x61"},
    {"shift_jis 814081ac84beeaa461", "text/plain; charset=shift_jis", "\x81\x40\x81\xac\x84\xbe\xea\xa4\x61",
     9, "\xe3\x80\x80\xe3\x80\x93\xe2\x95\x82\xe7\x86\x99\x61"},
    {"shift_jis 8061", "text/plain; charset=shift_jis", "\x80\x61", 2, "\xef\xbf\xbd\x61"},
    {"shift_jis a1df61", "text/plain; charset=shift_jis", "\xa1\xdf\x61", 3, "\xef\xbd\xa1\xef\xbe\x9f\x61"},
    {"shift_jis fd61", "text/plain; charset=shift_jis", "\xfd\x61", 2, "\xef\xbf\xbd\x61"},
    {"gbk 8140fea061", "text/plain; charset=gbk", "\x81\x40\xfe\xa0\x61", 5,
     "\xe4\xb8\x82\xef\xbf\xbd\xe7\x87\xbc"},
    {"gbk 813f61", "text/plain; charset=gbk", "\x81\x3f\x61", 3, "\xef\xbf\xbd\x3f\x61"},
    {"gbk a1fe61", "text/plain; charset=gbk", "\xa1\xfe\x61", 3, "\xe3\x80\x93\x61"},
    {"gbk 81ff61", "text/plain; charset=gbk", "\x81\xff\x61", 3, "\xef\xbf\xbd\xef\xbf\xbd\x61"},
    {"big5 a140f9d561", "text/plain; charset=big5", "\xa1\x40\xf9\xd5\x61", 5,
     "\xe3\x80\x80\xe9\xbe\x98\x61"},
    {"big5 a13f61", "text/plain; charset=big5", "\xa1\x3f\x61", 3, "\xef\xbf\xbd\x3f\x61"},
    {"euc-kr a1a1fdfe61", "text/plain; charset=euc-kr", "\xa1\xa1\xfd\xfe\x61", 5,
     "\xe3\x80\x80\xe8\xa9\xb0\x61"},
    {"euc-kr a1a0a140c653fea161", "text/plain; charset=euc-kr", "\xa1\xa0\xa1\x40\xc6\x53\xfe\xa1\x61", 9,
     "\xec\xa4\x8e\xef\xbf\xbd\x40\xef\xbf\xbd\x53\xef\xbf\xbd\xec\xa3\x82"},
    {"euc-kr fefe61", "text/plain; charset=euc-kr", "\xfe\xfe\x61", 3, "\xef\xbf\xbd\xef\xbf\xbd\x61"},
    {"utf-32le ffd7000000d80000ffdf000000e00000ffff1000", "text/plain; charset=utf-32le",
     "\xff\xd7\x00\x00\x00\xd8\x00\x00\xff\xdf\x00\x00\x00\xe0\x00\x00\xff\xff\x10\x00", 20,
     "\xed\x9f\xbf\xef\xbf\xbd\xef\xbf\xbd\xee\x80\x80\xf4\x8f\xbf\xbf"},
    {"utf-16be d7ffe000d800dbffdc00dbffdfff", "text/plain; charset=utf-16be",
     "\xd7\xff\xe0\x00\xd8\x00\xdb\xff\xdc\x00\xdb\xff\xdf\xff", 14,
     "\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbd\xf4\x8f\xb0\x80\xf4\x8f\xbf\xbf"},
    {"utf-8 efbfbff0908080f48fbfbff08f80", "text/plain; charset=utf-8",
     "\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\xf0\x8f\x80", 14,
     "\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"utf-8 f09f9a61e28261e261f09f6180bf", "text/plain; charset=utf-8",
     "\xf0\x9f\x9a\x61\xe2\x82\x61\xe2\x61\xf0\x9f\x61\x80\xbf", 14,
     "\xef\xbf\xbd\x61\xef\xbf\xbd\x61\xef\xbf\xbd\x61\xef\xbf\xbd\x61\xef\xbf\xbd\xef\xbf\xbd"},
    {"utf-8 3132333435363738c280313233343536373839dfbf61", "text/plain; charset=utf-8",
     "\x31\x32\x33\x34\x35\x36\x37\x38\xc2\x80\x31\x32\x33\x34\x35\x36\x37\x38\x39\xdf\xbf\x61", 22,
     "\x31\x32\x33\x34\x35\x36\x37\x38\xc2\x80\x31\x32\x33\x34\x35\x36\x37\x38\x39\xdf\xbf\x61"},
    {"utf-8 31323334353637ff", "text/plain; charset=utf-8", "\x31\x32\x33\x34\x35\x36\x37\xff", 8,
     "\x31\x32\x33\x34\x35\x36\x37\xef\xbf\xbd"},
    {"euc-jp 8fa1", "text/plain; charset=euc-jp", "\x8f\xa1", 2, "\xef\xbf\xbd"},
};

static void every_declared_charset_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const struct text_case *one = &CASES[i];
        struct buffer storage = {0};
        char *copy = malloc(one->len); /* a read beyond it is found */
        memcpy(copy, one->body, one->len);
        struct slice text =
            body_text((struct slice){copy, one->len}, edge_of(one->content_type), false, &storage);
        if (!slice_equal_text(text, one->text))
            fail_msg("%s: '%.*s', expected '%s'", one->name, (int)text.len, text.ptr, one->text);
        free(copy);
        buffer_clear(&storage);
    }
}

static void an_empty_body_is_an_empty_text(void **state)
{
    (void)state;
    static const char *const types[] = {NULL, "text/plain", "text/plain; charset=utf-16",
                                        "text/plain; charset=gbk"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct buffer storage = {0};
        assert_int_equal(body_text((struct slice){NULL, 0}, edge_of(types[i]), false, &storage).len, 0);
        buffer_clear(&storage);
    }
}

static void what_is_utf_8_is_not_copied(void **state)
{
    (void)state;
    struct buffer storage = {0};
    struct slice body = SLICE_LITERAL("\xef\xbb\xbfZo\xc3\xab");
    struct slice text = body_text(body, edge_of("text/plain; charset=utf-8"), false, &storage);
    assert_ptr_equal(text.ptr, body.ptr + 3);
    assert_null(storage.ptr);
}

/** Else the whole of a long text would be taken for Latin-1, because its last character is not whole. */
static void a_character_that_a_cut_has_met_is_left_out(void **state)
{
    (void)state;
    static const struct text_case cases[] = {
        {"undeclared", NULL, "Zo\xc3\xab \xe6\x9d", 7, "Zo\xc3\xab "},
        {"declared", "a/b; charset=utf-8", "Zo\xc3\xab \xf0\x9f\x9a", 8, "Zo\xc3\xab "},
        {"with a bad byte before", "a/b; charset=utf-8", "Zo\xff\xc3", 4, "Zo\xef\xbf\xbd"},
        {"no part of a character", NULL, "Zo\xff", 3, "Zo\xc3\xbf"},
        {"utf-16", "a/b; charset=utf-16le", "a\0\x3d\xd8", 4, "a"},
        {"shift_jis", "a/b; charset=shift_jis", "a\x93", 2, "a"},
        {"euc-jp", "a/b; charset=euc-jp", "a\x8f\xb0", 3, "a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer storage = {0};
        struct slice text = body_text((struct slice){cases[i].body, cases[i].len},
                                      edge_of(cases[i].content_type), true, &storage);
        if (!slice_equal_text(text, cases[i].text))
            fail_msg("%s: '%.*s'", cases[i].name, (int)text.len, text.ptr);
        buffer_clear(&storage);
    }
}

/** Every byte and pair of every charset gives valid UTF-8, and ASCII is ASCII in each. */
static void whatever_comes_is_text(void **state)
{
    (void)state;
    static const char *const names[] = {"utf-8",        "utf-16le",   "utf-16be",     "utf-32",
                                        "iso-8859-1",   "iso-8859-2", "iso-8859-9",   "iso-8859-15",
                                        "shift_jis",    "euc-jp",     "windows-1250", "windows-1251",
                                        "windows-1252", "gbk",        "big5",         "euc-kr"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char type[64], all[3 * 65536];
        snprintf(type, sizeof type, "text/plain; charset=%s", names[i]);
        for (size_t pair = 0; pair < 65536; pair++) {
            all[3 * pair] = 'a';
            all[3 * pair + 1] = (char)(pair >> 8);
            all[3 * pair + 2] = (char)pair;
        }
        struct buffer storage = {0};
        struct slice text = body_text((struct slice){all, sizeof all}, edge_of(type), false, &storage);
        for (size_t at = 0, len; at < text.len; at += len)
            assert_int_not_equal(len = utf8_sequence(text.ptr + at, text.len - at), 0);
        buffer_clear(&storage);
        if (strncmp(names[i], "utf-", 4) == 0)
            continue;
        for (int c = 1; c < 0x80; c++) {
            char plain[2] = {(char)c, 'x'};
            struct slice same = body_text((struct slice){plain, 2}, edge_of(type), false, &storage);
            assert_memory_equal(same.ptr, plain, 2);
            buffer_clear(&storage);
        }
    }
}

static void header_lines_are_utf_8_else_latin_1(void **state)
{
    (void)state;
    struct buffer out = {0};
    header_text(SLICE_LITERAL("X-A: Zo\xc3\xab\r\n"), &out);
    header_text(SLICE_LITERAL("X-B: Zo\xeb\r\n"), &out);
    assert_string_equal(buffer_text(&out), "X-A: Zo\xc3\xab\r\nX-B: Zo\xc3\xab\r\n");
    buffer_clear(&out);
}

/* As b"…".decode("utf-8", "replace") has them in Python: at each edge of what may begin a character. */
static void each_part_of_a_bad_sequence_becomes_one_character(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"\xf4\x80\x80", "\xef\xbf\xbd"},
        {"\xf5\x80\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xc1\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xdf", "\xef\xbf\xbd"},
        {"\xdf\xbf", "\xdf\xbf"},
        {"\xe0\x9f\x41", "\xef\xbf\xbd\xef\xbf\xbd\x41"},
        {"\xe0\xa0\x41", "\xef\xbf\xbd\x41"},
        {"\xed\xa0\x41", "\xef\xbf\xbd\xef\xbf\xbd\x41"},
        {"\xed\x9f\x41", "\xef\xbf\xbd\x41"},
        {"\xed\x9f\xbf", "\xed\x9f\xbf"},
        {"\xee\x80", "\xef\xbf\xbd"},
        {"\xef\xbf", "\xef\xbf\xbd"},
        {"\xf0\x8f\x41", "\xef\xbf\xbd\xef\xbf\xbd\x41"},
        {"\xf0\x90\x41", "\xef\xbf\xbd\x41"},
        {"\xf0\x90\x80\x41", "\xef\xbf\xbd\x41"},
        {"\xf4\x8f\x41", "\xef\xbf\xbd\x41"},
        {"\xf4\x90\x41", "\xef\xbf\xbd\xef\xbf\xbd\x41"},
        {"\xf4\x8f\xbf", "\xef\xbf\xbd"},
        {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
        {"\xf1", "\xef\xbf\xbd"},
        {"\xf1\x80\x41", "\xef\xbf\xbd\x41"},
        {"\xf1\x80\x80\x41", "\xef\xbf\xbd\x41"},
        {"\xe1\x80\x41", "\xef\xbf\xbd\x41"},
        {"\xe1\x41", "\xef\xbf\xbd\x41"},
        {"\xc2\x41", "\xef\xbf\xbd\x41"},
        {"\x80", "\xef\xbf\xbd"},
        {"\xbf", "\xef\xbf\xbd"},
        {"\xc2\xbf", "\xc2\xbf"},
        {"\xf7", "\xef\xbf\xbd"},
        {"\xff", "\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer storage = {0};
        struct slice text =
            body_text(edge_of(cases[i][0]), SLICE_LITERAL("text/plain; charset=utf-8"), false, &storage);
        if (!slice_equal_text(text, cases[i][1]))
            fail_msg("%zu: '%.*s', expected '%s'", i, (int)text.len, text.ptr, cases[i][1]);
        buffer_clear(&storage);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_declared_charset_is_read),
        cmocka_unit_test(each_part_of_a_bad_sequence_becomes_one_character),
        cmocka_unit_test(an_empty_body_is_an_empty_text),
        cmocka_unit_test(what_is_utf_8_is_not_copied),
        cmocka_unit_test(a_character_that_a_cut_has_met_is_left_out),
        cmocka_unit_test(whatever_comes_is_text),
        cmocka_unit_test(header_lines_are_utf_8_else_latin_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
