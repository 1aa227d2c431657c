/* A tree of literals and expressions, compiled and evaluated from its leaves up. Every problem and every
 * result has the path of its value in the file. */
#include "map/template.h"
#include "map/message.h"
#include <stdlib.h>
#include <string.h>

enum template_kind { TEMPLATE_LITERAL, TEMPLATE_EXPRESSION, TEMPLATE_OBJECT, TEMPLATE_ARRAY };

struct json_template {
    enum template_kind kind;
    /** Of TEMPLATE_LITERAL. */
    jv literal;
    /** Of TEMPLATE_EXPRESSION; borrowed. */
    struct expression *expression;
    /** Members or elements. */
    size_t count;
    /** Of TEMPLATE_OBJECT. */
    jv *keys;
    struct json_template **children;
};

void template_free(struct json_template *template)
{
    if (!template)
        return;
    if (template->kind == TEMPLATE_LITERAL)
        jv_free(template->literal);
    for (size_t i = 0; i < template->count; i++) {
        if (template->keys)
            jv_free(template->keys[i]);
        template_free(template->children[i]);
    }
    free(template->keys);
    free(template->children);
    free(template);
}

static void member_path(struct buffer *path, const char *where, jv key)
{
    buffer_appendf(path, "%s.", where);
    message_append_line(path, slice_of(jv_string_value(key)));
}

static void element_path(struct buffer *path, const char *where, size_t index)
{
    buffer_appendf(path, "%s[%zu]", where, index);
}

static struct json_template *reserve(enum template_kind kind, size_t count)
{
    struct json_template *template = calloc(1, sizeof *template);
    if (!template)
        return NULL;
    template->kind = kind;
    template->children = calloc(count + 1, sizeof(struct json_template *));
    template->keys = kind == TEMPLATE_OBJECT ? calloc(count + 1, sizeof(jv)) : NULL;
    if (template->children && (template->keys || kind != TEMPLATE_OBJECT))
        return template;
    template_free(template);
    return NULL;
}

/** Adds a child; NULL (it did not compile) is not added. */
static void add_child(struct json_template *template, jv key, struct json_template *child)
{
    if (!child) {
        jv_free(key);
        return;
    }
    if (template->keys)
        template->keys[template->count] = key;
    else
        jv_free(key);
    template->children[template->count++] = child;
}

static struct json_template *compile_object(struct expressions *expressions, jv json, const char *where,
                                            struct buffer *problems)
{
    size_t before = problems->len;
    struct json_template *template = reserve(TEMPLATE_OBJECT, (size_t)jv_object_length(jv_copy(json)));
    for (int at = jv_object_iter(json); template && jv_object_iter_valid(json, at);
         at = jv_object_iter_next(json, at)) {
        jv key = jv_object_iter_key(json, at);
        struct buffer path = {0};
        member_path(&path, where, key);
        add_child(
            template, key,
            template_compile(expressions, jv_object_iter_value(json, at), buffer_text(&path), problems));
        buffer_clear(&path);
    }
    jv_free(json);
    if (problems->len == before)
        return template;
    template_free(template);
    return NULL;
}

static struct json_template *compile_array(struct expressions *expressions, jv json, const char *where,
                                           struct buffer *problems)
{
    size_t before = problems->len, count = (size_t)jv_array_length(jv_copy(json));
    struct json_template *template = reserve(TEMPLATE_ARRAY, count);
    for (size_t i = 0; template && i < count; i++) {
        struct buffer path = {0};
        element_path(&path, where, i);
        add_child(
            template, jv_null(),
            template_compile(expressions, jv_array_get(jv_copy(json), (int)i), buffer_text(&path), problems));
        buffer_clear(&path);
    }
    jv_free(json);
    if (problems->len == before)
        return template;
    template_free(template);
    return NULL;
}

static struct json_template *compile_expression(struct expressions *expressions, jv json, const char *where,
                                                struct buffer *problems)
{
    struct buffer problem = {0};
    struct slice text = {jv_string_value(json), (size_t)jv_string_length_bytes(jv_copy(json))};
    struct json_template *template = reserve(TEMPLATE_EXPRESSION, 0);
    if (template)
        template->expression = expression_compile(expressions, text, &problem);
    if (!template || !template->expression) {
        buffer_appendf(problems, "%s: jq: %s\n", where, buffer_text(&problem));
        template_free(template);
        template = NULL;
    }
    buffer_clear(&problem);
    jv_free(json);
    return template;
}

struct json_template *template_compile(struct expressions *expressions, jv json, const char *where,
                                       struct buffer *problems)
{
    switch (jv_get_kind(json)) {
    case JV_KIND_STRING:
        return compile_expression(expressions, json, where, problems);
    case JV_KIND_OBJECT:
        return compile_object(expressions, json, where, problems);
    case JV_KIND_ARRAY:
        return compile_array(expressions, json, where, problems);
    default:
        break;
    }
    struct json_template *template = reserve(TEMPLATE_LITERAL, 0);
    if (template)
        template->literal = json;
    return template;
}

bool template_is_expression(const struct json_template *template, struct slice *out)
{
    if (template->kind != TEMPLATE_EXPRESSION)
        return false;
    *out = expression_text(template->expression);
    return true;
}

static jv evaluate_expression(const struct json_template *template, jv input, const char *where,
                              template_heard *heard, void *ctx)
{
    struct buffer problem = {0};
    jv result = expression_first(template->expression, jv_copy(input), &problem);
    heard(ctx, where, expression_text(template->expression), result, buffer_slice(&problem));
    buffer_clear(&problem);
    return result;
}

static jv evaluate_children(const struct json_template *template, jv input, const char *where,
                            template_heard *heard, void *ctx)
{
    jv out = template->keys ? jv_object() : jv_array();
    for (size_t i = 0; i < template->count; i++) {
        struct buffer path = {0};
        if (template->keys)
            member_path(&path, where, template->keys[i]);
        else
            element_path(&path, where, i);
        jv value = template_evaluate(template->children[i], input, buffer_text(&path), heard, ctx);
        out = template->keys ? jv_object_set(out, jv_copy(template->keys[i]), value)
                             : jv_array_append(out, value);
        buffer_clear(&path);
    }
    return out;
}

jv template_evaluate(const struct json_template *template, jv input, const char *where, template_heard *heard,
                     void *ctx)
{
    switch (template->kind) {
    case TEMPLATE_LITERAL:
        return jv_copy(template->literal);
    case TEMPLATE_EXPRESSION:
        return evaluate_expression(template, input, where, heard, ctx);
    default:
        return evaluate_children(template, input, where, heard, ctx);
    }
}
