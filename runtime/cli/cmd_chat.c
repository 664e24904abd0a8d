/* SPDX-License-Identifier: Apache-2.0 */
/* A conversation at the terminal. Lines come from libedit with history where stdin is a terminal and libedit
 * is there, else from stdin as they are, so that it can be scripted. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef HAVE_LIBEDIT
#    include <histedit.h>
#endif

#include "base/file.h"
#include "cli/command.h"
#include "cli/converse.h"
#include "cli/output.h"

enum { MAX_LINE = 16 << 20, HISTORY_LINES = 1000 };

typedef struct terminal {
    bool editing;
    tn_buf line; /* of the last read, without its newline */
#ifdef HAVE_LIBEDIT
    EditLine *el;
    History *history;
    char *history_path; /* NULL: nowhere to keep it */
#endif
} terminal;

#ifdef HAVE_LIBEDIT
static char *prompt(EditLine *el) {
    static char text[] = "> ";
    (void)el;
    return text;
}

/* $XDG_STATE_HOME/tenon/history, else below $HOME; its folder must be there or be creatable. */
static char *history_path(void) {
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char *base = state && *state ? strdup(state) : home && *home ? tn_path_join(home, ".local/state") : NULL;
    char *dir = base ? tn_path_join(base, "tenon") : NULL;
    char *path = dir && tn_dir_make(dir) == 0 ? tn_path_join(dir, "history") : NULL;
    free(base);
    free(dir);
    return path;
}

static void open_editor(terminal *t) {
    HistEvent event;
    t->el = el_init("tenon", stdin, stdout, stderr);
    t->history = history_init();
    t->editing = t->el && t->history;
    if (!t->editing) return;
    history(t->history, &event, H_SETSIZE, HISTORY_LINES);
    history(t->history, &event, H_SETUNIQUE, 1);
    t->history_path = history_path();
    if (t->history_path) history(t->history, &event, H_LOAD, t->history_path);
    el_set(t->el, EL_PROMPT, prompt);
    el_set(t->el, EL_EDITOR, "emacs");
    el_set(t->el, EL_SIGNAL, 1);
    el_set(t->el, EL_HIST, history, t->history);
    el_source(t->el, NULL);
}

static void close_editor(terminal *t) {
    HistEvent event;
    if (t->history && t->history_path) history(t->history, &event, H_SAVE, t->history_path);
    if (t->history) history_end(t->history);
    if (t->el) el_end(t->el);
    free(t->history_path);
}

static int edit_line(terminal *t, bool *ret_more, tn_error *err) {
    HistEvent event;
    int n = 0;
    const char *line = el_gets(t->el, &n);
    *ret_more = line && n > 0;
    tn_buf_clear(&t->line);
    if (!*ret_more) return 0;
    if (n > 1) history(t->history, &event, H_ENTER, line);
    if (line[n - 1] == '\n') n--;
    int rc = tn_buf_add(&t->line, line, (size_t)n);
    return rc ? tn_fail(err, rc, "the line is too long") : 0;
}
#else
static void open_editor(terminal *t) {
    (void)t;
}
static void close_editor(terminal *t) {
    (void)t;
}
static int edit_line(terminal *t, bool *ret_more, tn_error *err) {
    return tn_input_line(stdin, "standard input", &t->line, ret_more, err);
}
#endif

static int read_line(terminal *t, bool *ret_more, tn_error *err) {
    if (t->editing) return edit_line(t, ret_more, err);
    return tn_input_line(stdin, "standard input", &t->line, ret_more, err);
}

/* ---- Commands
 * -------------------------------------------------------------------------------------------------- */

typedef struct session {
    tn_conversation c;
    tn_converse_args args;
    char *system; /* set by /system; owned */
    bool quit;
} session;

typedef int command_fn(session *s, const char *rest, tn_error *err);

static int reply(session *s, tn_error *err) {
    bool interrupted;
    int rc = tn_conversation_reply(&s->c, &interrupted, err);
    if (!rc) puts(interrupted ? "\n[interrupted]" : "");
    return rc ? rc : tn_output_flush(err);
}

static int cmd_clear(session *s, const char *rest, tn_error *err) {
    (void)rest;
    return tn_conversation_reset(&s->c, err);
}

static int cmd_system(session *s, const char *rest, tn_error *err) {
    char *text = *rest ? strdup(rest) : NULL;
    if (*rest && !text) return tn_fail(err, TN_ENOMEM, "out of memory");
    free(s->system);
    s->args.system = s->system = text;
    puts("The conversation starts anew.");
    return tn_conversation_reset(&s->c, err);
}

static int cmd_think(session *s, const char *rest, tn_error *err) {
    bool on = strcmp(rest, "on") == 0;
    if (!on && strcmp(rest, "off") != 0) return tn_fail(err, TN_EINVAL, "/think takes on or off");
    s->c.think_set = true;
    s->c.think = on;
    return 0;
}

static int cmd_retry(session *s, const char *rest, tn_error *err) {
    (void)rest;
    size_t n = json_array_size(s->c.messages);
    const json_t *last = n ? json_array_get(s->c.messages, n - 1) : NULL;
    const char *role = json_string_value(json_object_get(last, "role"));
    if (!role || strcmp(role, "assistant") != 0)
        return tn_fail(err, TN_EINVAL, "there is no reply to try again");
    tn_conversation_drop(&s->c);
    return reply(s, err);
}

static int cmd_stats(session *s, const char *rest, tn_error *err) {
    const tn_conversation *c = &s->c;
    (void)rest;
    (void)err;
    printf("last prompt: %u tokens of %u, first token after %.2f s; reply: %u tokens, %.1f tokens/s\n",
           c->n_prompt, c->loaded.model->n_ctx, c->prefill_s, c->n_reply,
           c->decode_s > 0 && c->n_reply > 1 ? (c->n_reply - 1) / c->decode_s : 0);
    return 0;
}

static int cmd_quit(session *s, const char *rest, tn_error *err) {
    (void)rest;
    (void)err;
    s->quit = true;
    return 0;
}

static command_fn cmd_help;

static const struct {
    const char *name, *help;
    command_fn *run;
} commands[] = {
    {"/help", "this list", cmd_help},
    {"/clear", "forget the conversation", cmd_clear},
    {"/system TEXT", "set the system message (none: remove it) and start anew", cmd_system},
    {"/think on|off", "reason before answering, or not", cmd_think},
    {"/retry", "answer the last message again", cmd_retry},
    {"/stats", "tokens and speed of the last reply", cmd_stats},
    {"/quit", "leave (so does the end of input)", cmd_quit},
};

static int cmd_help(session *s, const char *rest, tn_error *err) {
    (void)s;
    (void)rest;
    (void)err;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        printf("  %-16s %s\n", commands[i].name, commands[i].help);
    puts("  \"\"\"              begins and ends a message of several lines");
    return 0;
}

static int run_command(session *s, const char *line, tn_error *err) {
    size_t len = strcspn(line, " ");
    const char *rest = line + len + strspn(line + len, " ");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcspn(commands[i].name, " ") == len && strncmp(commands[i].name, line, len) == 0)
            return commands[i].run(s, rest, err);
    return tn_fail(err, TN_EINVAL, "there is no command %.*s; /help lists them", (int)len, line);
}

/* ---- The loop
 * -------------------------------------------------------------------------------------------------- */

/* Lines up to the closing quotes, joined. */
static int read_block(terminal *t, tn_buf *message, tn_error *err) {
    bool more = true;
    int rc = tn_buf_adds(message, t->line.data + 3);
    while (!rc) {
        rc = read_line(t, &more, err);
        if (rc || !more) return rc;
        bool last = t->line.len >= 3 && strcmp(t->line.data + t->line.len - 3, "\"\"\"") == 0;
        if (message->len) tn_buf_addc(message, '\n');
        rc = tn_buf_add(message, t->line.data, t->line.len - (last ? 3 : 0));
        if (last) return rc;
    }
    return rc;
}

static int take_turn(session *s, terminal *t, tn_error *err) {
    tn_buf message;
    if (t->line.len == 0) return 0;
    if (t->line.data[0] == '/') return run_command(s, t->line.data, err);
    tn_buf_init(&message, MAX_LINE);
    int rc = strncmp(t->line.data, "\"\"\"", 3) == 0 ? read_block(t, &message, err)
                                                     : tn_buf_add(&message, t->line.data, t->line.len);
    if (!rc) rc = tn_conversation_ask(&s->c, message.data ? message.data : "", message.len, err);
    tn_buf_free(&message);
    if (rc) return rc;
    rc = reply(s, err);
    if (rc)
        tn_conversation_drop(&s->c); /* what could not be answered does not stand in the way of the next */
    return rc;
}

static bool goes_on(int rc) {
    return rc == TN_EINVAL || rc == TN_ELIMIT || rc == TN_ERAISED;
}

static int converse(session *s, terminal *t, tn_error *err) {
    bool more = true;
    while (!s->quit) {
        int rc = read_line(t, &more, err);
        if (rc || !more) return rc;
        rc = take_turn(s, t, err);
        if (rc && !goes_on(rc)) return rc;
        if (rc) fprintf(stderr, "tenon chat: %s\n", err->text);
        rc = tn_output_flush(err);
        if (rc) return rc;
    }
    return 0;
}

static int run(void *args, int n, char **operands, tn_error *err) {
    session s = {.args = *(tn_converse_args *)args};
    terminal t = {0};
    (void)n;
    (void)operands;
    int rc = tn_conversation_init(&s.c, &s.args, true, err);
    if (rc) return rc;
    tn_buf_init(&t.line, MAX_LINE);
    if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
        puts("/help lists the commands, Ctrl-C stops a reply, Ctrl-D leaves.");
        open_editor(&t);
    }
    rc = converse(&s, &t, err);
    close_editor(&t);
    tn_buf_free(&t.line);
    tn_conversation_fini(&s.c);
    free(s.system);
    return rc;
}

static void defaults(void *args) {
    tn_converse_defaults(args);
}

const tn_command tn_cmd_chat = {
    .name = "chat",
    .operands = "",
    .help = "converse with a model",
    .about = "Holds a conversation line by line; /help inside lists the commands.",
    .options = tn_converse_options,
    .min_operands = 0,
    .max_operands = 0,
    .args_size = sizeof(tn_converse_args),
    .defaults = defaults,
    .run = run,
};
