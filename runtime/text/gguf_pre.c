/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <string.h>

#include "text/gguf_pre.h"

/* The expressions are those of the families' own tokenizer.json files. */
#define CONTRACTION         "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define NEWLINES_AND_SPACES "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define PUNCTUATION         "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
#define WORD                "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define GPT2                "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define LLAMA3              CONTRACTION "|" WORD "|\\p{N}{1,3}" PUNCTUATION NEWLINES_AND_SPACES
#define QWEN2               CONTRACTION "|" WORD "|\\p{N}" PUNCTUATION NEWLINES_AND_SPACES
#define QWEN35                                                                                               \
    CONTRACTION                                                                                              \
    "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*" NEWLINES_AND_SPACES
#define UPPER "\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}"
#define LOWER "\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}"
/* Words by case: capitals, then small letters; tail is what may follow the word. */
#define CASED(tail)                                                                                          \
    "[^\\r\\n\\p{L}\\p{N}]?[" UPPER "]*[" LOWER "]+" tail "|[^\\r\\n\\p{L}\\p{N}]?[" UPPER "]+[" LOWER       \
    "]*" tail
#define SLASHED           "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*"
#define GPT4O             CASED(CONTRACTION "?") "|\\p{N}{1,3}" SLASHED NEWLINES_AND_SPACES
#define TEKKEN            CASED("") "|\\p{N}" SLASHED NEWLINES_AND_SPACES
#define CJK               "[\\x{4e00}-\\x{9fa5}\\x{3040}-\\x{309f}\\x{30a0}-\\x{30ff}]+"
#define ASCII_PUNCTUATION "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
#define DEEPSEEK3                                                                                            \
    ASCII_PUNCTUATION                                                                                        \
    "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*" NEWLINES_AND_SPACES
#define BLOOM  " ?[^(\\s|.,!?\\x{2026}\\x{3002}\\x{ff0c}\\x{3001}\\x{964}\\x{6d4}\\x{60c})]+"
#define NO_HAN "&&[^\\p{Han}]]"
#define KIMI_K2                                                                                              \
    "[\\p{Han}]+|[^\\r\\n\\p{L}\\p{N}]?[" UPPER NO_HAN "*[" LOWER NO_HAN "+" CONTRACTION                     \
    "?|[^\\r\\n\\p{L}\\p{N}]?[" UPPER NO_HAN "+[" LOWER NO_HAN "*" CONTRACTION                               \
    "?|\\p{N}{1,3}" PUNCTUATION NEWLINES_AND_SPACES

static const tn_pre default_pre = {
    .regex = {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"},
};
static const tn_pre llama3 = {.regex = {LLAMA3}, .ignore_merges = true, .add_bos = true};
static const tn_pre llama3_plain = {.regex = {LLAMA3}};
static const tn_pre qwen2 = {.regex = {QWEN2}, .nfc = true};
static const tn_pre qwen2_plain = {.regex = {QWEN2}};
static const tn_pre qwen35 = {.regex = {QWEN35}, .nfc = true};
static const tn_pre gpt4o = {.regex = {GPT4O}};
static const tn_pre tekken = {.regex = {TEKKEN}, .ignore_merges = true, .add_bos = true};
static const tn_pre gpt2 = {.regex = {GPT2}};
static const tn_pre gpt2_nfc = {.regex = {GPT2}, .nfc = true};
static const tn_pre gpt2_sep = {.regex = {GPT2}, .add_sep = true};
static const tn_pre digits_first = {.regex = {"\\p{N}", GPT2}};
static const tn_pre digits_first_nfc = {.regex = {"\\p{N}", GPT2}, .nfc = true};
static const tn_pre deepseek_v3 = {.regex = {"\\p{N}{1,3}", CJK, DEEPSEEK3}};
static const tn_pre deepseek_llm = {
    .regex = {"[\\r\\n]", "\\s?[\\p{Lu}\\p{Ll}\\p{Lt}]+",
              "\\s?[!-/:-~\\x{ff01}-\\x{ff0f}\\x{ff1a}-\\x{ff5e}\\x{2018}-\\x{201f}\\x{3000}-\\x{3002}]+",
              "\\s+$", "[\\x{4e00}-\\x{9fa5}\\x{800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+", "\\p{N}+"},
};
static const tn_pre deepseek_coder = {
    .regex = {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+",
              "[\\x{4e00}-\\x{9fa5}\\x{800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+", "\\p{N}"},
};
static const tn_pre falcon = {.regex = {"[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]"}};
static const tn_pre bloom = {.regex = {BLOOM}};
static const tn_pre viking = {.regex = {BLOOM, "\\p{N}"}};
static const tn_pre chameleon = {
    .regex = {"<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\\t\\n]|    |  )", "\\p{N}",
              "[\\p{P}!-/:-@\\[-`{-~]", GPT2},
    .add_bos = true,
};
static const tn_pre kimi_k2 = {.regex = {KIMI_K2}};
static const tn_pre bailing = {
    .regex = {"'(?i:[sdmt]|ll|ve|re)|" WORD "|\\p{N}" PUNCTUATION "|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"},
};
static const tn_pre seed_coder = {
    .regex = {CONTRACTION "|" WORD "|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+" NEWLINES_AND_SPACES},
};
static const tn_pre exaone_moe = {
    .regex = {CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}"
                          "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"},
};
static const tn_pre minicpm5 = {
    .regex = {"\\p{N}{1,3}", CONTRACTION "|" WORD "|\\p{N}+" PUNCTUATION NEWLINES_AND_SPACES},
    .ignore_merges = true,
};
static const tn_pre ufakzeka = {.regex = {WORD "|\\p{N}" PUNCTUATION NEWLINES_AND_SPACES}};
static const tn_pre laguna = {.regex = {"[^\\n]+|[\\n]+", QWEN2}};
static const tn_pre jais2 = {
    .regex = {CONTRACTION
              "|" WORD "|\\p{N}{1,3}" PUNCTUATION
              "|\\s*[\\r\\n]+|\\s{512}(?!\\S)|\\s{256}(?!\\S)|\\s{128}(?!\\S)|\\s{64}(?!\\S)|\\s{32}(?!\\S)"
              "|\\s{16}(?!\\S)|\\s{8}(?!\\S)|\\s{4}(?!\\S)|\\s{1,2}(?!\\S)|\\s{1}"},
};
static const tn_pre granite_multi = {.regex = {GPT4O}, .ignore_merges = true};
static const tn_pre youtu = {
    .regex =
        {"[\\x{ac00}-\\x{d7a3}\\x{3131}-\\x{318e}]+|[\\x{ff01}\\x{2026}\\x{201c}\\x{201d}\\x{2018}\\x{2019}\\x{2014}"
         "\\x{ff1a}\\x{ff1b}\\x{ff0c}\\x{3001}-\\x{303f}\\x{fe30}-\\x{fe4f}]+|[\\x{3105}-\\x{312f}]+|" CJK,
         CASED(CONTRACTION "?") "|\\p{N}" SLASHED NEWLINES_AND_SPACES},
    .ignore_merges = true,
};
static const tn_pre spark = {
    .regex = {"\\p{N}{1,3}", CJK,
              ASCII_PUNCTUATION "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+|[\\r\\n]"
                                "|\\s+(?!\\S)|\\s+",
              "\\p{N}"},
};
static const tn_pre tiny_aya = {.regex = {"\\d{1,3}(?=(?:\\d{3})*\\b)", GPT4O}};
static const tn_pre gemma4 = {.add_bos = true, .characters = true};
static const tn_pre sarvam = {.characters = true};

static const struct {
    const char *name;
    const tn_pre *pre;
} table[] = {
    /* of several names for one entry the first is the one that new files get */
    {"default", &default_pre},
    {"llama-bpe", &llama3},
    {"llama3", &llama3},
    {"llama-v3", &llama3},
    {"falcon3", &llama3},
    {"falcon-h1", &llama3},
    {"pixtral", &llama3},
    {"midm-2.0", &llama3},
    {"lfm2", &llama3},
    {"jina-v5-nano", &llama3},
    {"dbrx", &llama3_plain},
    {"smaug-bpe", &llama3_plain},
    {"glm4", &llama3_plain},
    {"chatglm-bpe", &llama3_plain},
    {"qwen2", &qwen2},
    {"f2llmv2", &qwen2},
    {"megrez", &qwen2},
    {"deepseek-r1-qwen", &qwen2_plain},
    {"kormo", &qwen2_plain},
    {"stablelm2", &qwen2_plain},
    {"hunyuan", &qwen2_plain},
    {"solar-open", &qwen2_plain},
    {"grok-2", &qwen2_plain},
    {"qwen35", &qwen35},
    {"gpt-4o", &gpt4o},
    {"llama4", &gpt4o},
    {"kanana2", &gpt4o},
    {"talkie", &gpt4o},
    {"minimax-m2", &gpt4o},
    {"granite-embed-multi-97m", &granite_multi},
    {"tekken", &tekken},
    {"deepseek-llm", &deepseek_llm},
    {"deepseek-coder", &deepseek_coder},
    {"deepseek-v3", &deepseek_v3},
    {"hunyuan-dense", &deepseek_v3},
    {"joyai-llm", &deepseek_v3},
    {"hy_v4", &deepseek_v3},
    {"gpt-2", &gpt2},
    {"phi-2", &gpt2},
    {"jina-es", &gpt2},
    {"jina-de", &gpt2},
    {"jina-v2-es", &gpt2},
    {"jina-v2-de", &gpt2},
    {"gigachat", &gpt2},
    {"a.x-4.0", &gpt2},
    {"mellum", &gpt2},
    {"jais", &gpt2},
    {"trillion", &gpt2},
    {"granite-docling", &gpt2},
    {"exaone4", &gpt2},
    {"mpt", &gpt2_nfc},
    {"olmo", &gpt2_nfc},
    {"modern-bert", &gpt2_nfc},
    {"jina-v1-en", &gpt2_sep},
    {"jina-v2-code", &gpt2_sep},
    {"roberta-bpe", &gpt2_sep},
    {"starcoder", &digits_first},
    {"refact", &digits_first},
    {"smollm", &digits_first},
    {"codeshell", &digits_first},
    {"exaone", &digits_first},
    {"minerva-7b", &digits_first},
    {"mellum2", &digits_first},
    {"command-r", &digits_first_nfc},
    {"falcon", &falcon},
    {"bloom", &bloom},
    {"poro-chat", &bloom},
    {"gpt3-finnish", &bloom},
    {"viking", &viking},
    {"chameleon", &chameleon},
    {"kimi-k2", &kimi_k2},
    {"bailingmoe", &bailing},
    {"bailingmoe2", &bailing},
    {"llada-moe", &bailing},
    {"seed-coder", &seed_coder},
    {"exaone-moe", &exaone_moe},
    {"minicpm5", &minicpm5},
    {"ufakzeka", &ufakzeka},
    {"laguna", &laguna},
    {"jais-2", &jais2},
    {"youtu", &youtu},
    {"spark2_5", &spark},
    {"tiny_aya", &tiny_aya},
    {"cohere2moe", &tiny_aya},
    {"gemma4", &gemma4},
    {"granite-embed-multi-311m", &gemma4},
    {"sarvam-moe", &sarvam},
};

const tn_pre *tn__pre_find(const char *name, size_t len) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0) return table[i].pre;
    return NULL;
}

const char *tn__pre_at(size_t i, const tn_pre **ret) {
    if (i >= sizeof table / sizeof *table) return NULL;
    *ret = table[i].pre;
    return table[i].name;
}
