# SPDX-License-Identifier: Apache-2.0
"""POST /v1/embeddings, /v1/rerank and /v1/score: both encodings, company, limits, and what bad requests get."""
import base64
import json
import math
import os
import struct
import tempfile
import time

from bert import Bert, read_safetensors, write_safetensors
from server import STARTER, Server, in_parallel
from tap import fails, main, tenon, test, vectors

EMBEDDINGS, RERANK, SCORE = "/v1/embeddings", "/v1/rerank", "/v1/score"
TEXTS = ["A", "The quick brown fox jumps over the lazy dog.", "Привет, мир!", "Two words", "a " * 100]
server = judge = None


def embed(text, model="minilm", **more):
    return [d["embedding"] for d in server.post(EMBEDDINGS, model=model, input=text, **more)["data"]]


def bits(vector):
    return struct.pack("<%df" % len(vector), *vector)


def reference(model):
    with open(os.path.join(vectors("models", model), "reference.json")) as f:
        return json.load(f)["texts"]


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


# ---- answers ----


@test
def vectors_have_their_shape():
    a = server.post(EMBEDDINGS, model="minilm", input=TEXTS)
    assert a["object"] == "list" and a["model"] == "minilm", a
    assert [d["index"] for d in a["data"]] == list(range(len(TEXTS)))
    for d in a["data"]:
        assert d["object"] == "embedding" and len(d["embedding"]) == 64
        assert abs(sum(x * x for x in d["embedding"]) - 1) < 1e-5
    one = server.post(EMBEDDINGS, model="minilm", input="A")["usage"]
    assert one == {"prompt_tokens": 3, "total_tokens": 3}, one
    assert a["usage"]["prompt_tokens"] == a["usage"]["total_tokens"] > 100


@test
def both_encodings_are_the_same_bit_for_bit():
    for model in ("minilm", "gemma", "qwen"):
        floats = embed(TEXTS, model, encoding_format="float")
        texts = embed(TEXTS, model, encoding_format="base64")
        assert [bits(v) for v in floats] == [base64.b64decode(t, validate=True) for t in texts]


@test
def the_command_says_the_same():
    for model, path in (("minilm", "minilm"), ("gemma", "embeddinggemma"), ("qwen", "qwen3_embedding")):
        r = tenon("embed", vectors("models", path), "--json", "--compute", "f32", stdin=json.dumps(TEXTS).encode())
        assert r.returncode == 0, r.stderr
        assert [bits(v) for v in json.loads(r.stdout)] == [bits(v) for v in embed(TEXTS, model)]


@test
def texts_and_ids_in_any_shape():
    texts = reference("minilm")
    want = embed([t["text"] for t in texts])
    assert [bits(embed(t["text"])[0]) for t in texts] == [bits(v) for v in want]
    assert [bits(embed(t["ids"])[0]) for t in texts] == [bits(v) for v in want]
    assert [bits(v) for v in embed([t["ids"] for t in texts])] == [bits(v) for v in want]
    assert [bits(v) for v in embed([t["ids"] if i % 2 else t["text"] for i, t in enumerate(texts)])] == [
        bits(v) for v in want]


@test
def dimensions_cut_and_normalise_again():
    whole, cut = embed("Two words")[0], embed("Two words", dimensions=16)[0]
    assert len(cut) == 16 and abs(sum(x * x for x in cut) - 1) < 1e-5
    assert abs(cosine(whole[:16], cut) - 1) < 1e-6
    assert bits(embed("Two words", dimensions=64)[0]) == bits(whole)


@test
def the_same_alone_and_in_any_company():
    alone = {t: bits(embed(t)[0]) for t in TEXTS}

    def ask(i):
        texts = [TEXTS[(i * 7 + k) % len(TEXTS)] for k in range(1 + i * 5)]
        assert [bits(v) for v in embed(texts)] == [alone[t] for t in texts]

    in_parallel([lambda i=i: ask(i) for i in range(12)])


@test
def documents_are_ranked():
    documents = ["Two words", {"text": "The quick brown fox jumps over the lazy dog."}, "Привет, мир!"]
    texts = [d["text"] if isinstance(d, dict) else d for d in documents]
    vectors_of = embed(["A fox"] + texts)
    want = [cosine(vectors_of[0], v) for v in vectors_of[1:]]
    a = server.post(RERANK, model="minilm", query="A fox", documents=documents, return_documents=True)
    scores = [r["relevance_score"] for r in a["results"]]
    assert scores == sorted(scores, reverse=True) and {r["index"] for r in a["results"]} == {0, 1, 2}
    for r in a["results"]:
        assert r["document"] == {"text": texts[r["index"]]} and abs(r["relevance_score"] - want[r["index"]]) < 1e-6
    assert a["model"] == "minilm" and a["usage"]["total_tokens"] > 10
    top = server.post(RERANK, model="minilm", query="A fox", documents=documents, top_n=1)["results"]
    assert top == [{"index": a["results"][0]["index"], "relevance_score": scores[0]}]
    s = server.post(SCORE, model="minilm", text_1="A fox", text_2=texts)
    assert [d["index"] for d in s["data"]] == [0, 1, 2] and all(d["object"] == "score" for d in s["data"])
    assert all(abs(d["score"] - w) < 1e-6 for d, w in zip(s["data"], want))
    pairs = server.post(SCORE, model="minilm", text_1=texts, text_2=texts)["data"]
    assert all(abs(d["score"] - 1) < 1e-6 for d in pairs)


# ---- cross-encoders ----


def make_cross_encoder(path, **config):
    """The fixture minilm with a head of one class; returns what judges it."""
    source = vectors("models", "minilm")
    os.mkdir(path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        os.symlink(os.path.join(source, name), os.path.join(path, name))
    tensors = read_safetensors(os.path.join(source, "model.safetensors"))
    n = tensors["pooler.dense.weight"][0][0]
    tensors["classifier.weight"] = ([1, n], [math.sin(i + 1) for i in range(n)])
    tensors["classifier.bias"] = ([1], [0.25])
    write_safetensors(os.path.join(path, "model.safetensors"),
                      {k if k.startswith("classifier") else "bert." + k: v for k, v in tensors.items()})
    with open(os.path.join(source, "config.json")) as f:
        base = json.load(f)
    with open(os.path.join(path, "config.json"), "w") as f:
        json.dump(dict(base, architectures=["BertForSequenceClassification"], **config), f)
    return Bert(tensors, base)


def ids_of(text):
    return json.loads(tenon("tokenize", vectors("models", "minilm"), stdin=text.encode()).stdout)


@test
def the_judge_is_right():
    for t in reference("minilm")[2:3]:
        rows = judge.rows(t["ids"], [0] * len(t["ids"]))
        mean = [sum(r[c] for r in rows) / len(rows) for c in range(len(rows[0]))]
        assert cosine(mean, embed(t["text"])[0]) > 1 - 1e-9


@test
def cross_encoders_score_pairs():
    query, documents = "A fox", ["Two words", "The quick fox jumps", "Привет"]
    want = []
    for d in documents:
        first, second = ids_of(query), ids_of(d)[1:]
        want.append(judge.score(first + second, [0] * len(first) + [1] * len(second)))
    got = [d["score"] for d in server.post(SCORE, model="cross_plain", text_1=query, text_2=documents)["data"]]
    assert max(abs(g - w) for g, w in zip(got, want)) < 1e-4, (got, want)
    a = server.post(RERANK, model="cross", query=query, documents=documents)
    best = sorted(range(3), key=lambda i: -want[i])
    assert [r["index"] for r in a["results"]] == best, a
    for r in a["results"]:
        assert abs(r["relevance_score"] - 1 / (1 + math.exp(-want[r["index"]]))) < 1e-5, (a, want)
    many = server.post(SCORE, model="cross_plain", text_1=query, text_2=documents * 50)["data"]
    assert [d["score"] for d in many] == got * 50
    own = server.post(SCORE, model="cross_plain", queries=[query] * 3, documents=documents)["data"]
    assert [d["score"] for d in own] == got


@test
def cross_encoders_make_no_vectors():
    server.refused(400, "model", "scores pairs", EMBEDDINGS, {"model": "cross", "input": "a"})
    server.refused(400, "documents[0]", "512", RERANK, {"model": "cross", "query": "a", "documents": ["word " * 2000]})
    server.post(RERANK, model="cross", query="a", documents=["word " * 2000], truncate=True)
    with tempfile.TemporaryDirectory() as tmp:
        make_cross_encoder(os.path.join(tmp, "c"))
        fails(1, "scores pairs", "embed", os.path.join(tmp, "c"), "--json", stdin=b'["a"]')
        make_cross_encoder(os.path.join(tmp, "d"), sbert_ce_default_activation_function="torch.nn.modules.activation.ReLU")
        fails(1, "ReLU", "embed", os.path.join(tmp, "d"), "--json", stdin=b'["a"]')


# ---- bad requests ----


@test
def wrong_fields_are_named():
    bad = lambda param, says, **body: server.refused(400, param, says, EMBEDDINGS, dict({"model": "minilm"}, **body))
    bad("input", "missing")
    bad("input", "array", input=5)
    bad("input", "at least 1", input=[])
    bad("input", "empty string", input="")
    bad("input[1]", "empty string", input=["a", ""])
    bad("input[1]", "string", input=["a", {"text": "b"}])
    bad("input[1]", "at least 1 token", input=[[1], []])
    bad("input", "outside the vocabulary", input=[1, 99999])
    bad("input[1]", "token id", input=[1, "a"])
    bad("encoding_format", "base64", input="a", encoding_format="int8")
    bad("dimensions", "65, this model's vectors have 64", input="a", dimensions=65)
    bad("dimensions", "whole number", input="a", dimensions=0)
    bad("prompt_name", "no prompt", input="a", prompt_name="query")
    bad("input", "2048", input=["a"] * 2049)
    server.refused(400, "documents", "missing", RERANK, {"model": "minilm", "query": "a"})
    server.refused(400, "query", "one", RERANK, {"model": "minilm", "query": ["a", "b"], "documents": ["c"]})
    server.refused(400, "text_2", "as many", SCORE, {"model": "minilm", "text_1": ["a", "b"], "text_2": ["c"]})


@test
def long_texts_are_refused_or_cut():
    long = "word " * 2000
    for text in (long, [5] * 600):
        e = server.refused(400, "input", "the model takes 512", EMBEDDINGS, {"model": "minilm", "input": text})
        assert e["code"] == "context_length_exceeded" and ("600" in e["message"] or "2002" in e["message"]), e
        a = server.post(EMBEDDINGS, model="minilm", input=text, truncate=True)
        assert a["usage"]["prompt_tokens"] == 512
    server.refused(400, "documents[1]", "512", RERANK, {"model": "minilm", "query": "a", "documents": ["b", long]})


@test
def thousands_of_texts_fit_and_do_not_hold_others_up():
    texts = ["text number %d" % i for i in range(2048)]
    took = {}

    def many():
        began = time.time()
        assert len(embed(texts)) == 2048
        took["many"] = time.time() - began

    def few():
        time.sleep(0.05)
        began = time.time()
        embed("A")
        server.post("/v1/chat/completions", model="starter", messages=[{"role": "user", "content": "hi"}], max_tokens=2)
        took["few"] = time.time() - began

    in_parallel([many, few])
    assert took["few"] < took["many"] or took["many"] < 0.5, took


@test
def the_wrong_kind_of_model_says_so():
    server.refused(400, "model", "no embeddings", EMBEDDINGS, {"model": "starter", "input": "a"})
    e = server.refused(400, "prompt", "makes embeddings", "/v1/completions", {"model": "minilm", "prompt": "a"})
    assert e["type"] == "invalid_request_error"
    server.refused(404, "model", "quux", EMBEDDINGS, {"model": "quux", "input": "a"})
    status, headers, _ = server.request("GET", EMBEDDINGS)
    assert status == 405 and headers.getheader("Allow") == "POST"


@test
def a_vanished_client_frees_its_place():
    for _ in range(5):
        s = server.send(EMBEDDINGS, {"model": "minilm", "input": ["word " * 100] * 2000})
        server.wait_for_jobs(1)
        s.close()
        server.wait_for_jobs(0)


# ---- the command ----


@test
def the_command_refuses_what_is_wrong():
    minilm = vectors("models", "minilm")
    fails(1, "JSON array", "embed", minilm, "--json", stdin=b'"text"')
    fails(1, "line 1", "embed", minilm, "--json", stdin=b"[")
    fails(1, "input 1 is no string", "embed", minilm, "--json", stdin=b'["a", 5]')
    fails(1, "input 0: the text is empty", "embed", minilm, "--json", stdin=b'[""]')
    fails(1, "512", "embed", minilm, "--json", stdin=json.dumps(["word " * 2000]).encode())
    fails(1, "no prompt \"query\" (it has none)", "embed", minilm, "--json", "--prompt", "query", stdin=b'["a"]')
    fails(1, "makes no embeddings", "embed", STARTER, "--json", stdin=b'["a"]')
    fails(1, "makes embeddings", "generate", minilm, "--ids", "1,2")
    r = tenon("embed", minilm, "--json", "--truncate", "--dimensions", "8", stdin=json.dumps(["word " * 2000]).encode())
    assert r.returncode == 0 and len(json.loads(r.stdout)[0]) == 8, r.stderr


@test
def prompts_stand_before_texts():
    source = vectors("models", "minilm")
    with tempfile.TemporaryDirectory() as tmp:
        for name in os.listdir(source):
            os.symlink(os.path.join(source, name), os.path.join(tmp, name))
        with open(os.path.join(tmp, "config_sentence_transformers.json"), "w") as f:
            json.dump({"prompts": {"query": "query: ", "none": ""}, "default_prompt_name": "query"}, f)
        ask = lambda *args, text: json.loads(tenon("embed", tmp, "--json", *args, stdin=json.dumps([text]).encode()).stdout)
        assert ask("--prompt", "query", text="fox") == ask(text="query: fox") != ask(text="fox")
        assert ask("--prompt", "none", text="fox") == ask(text="fox")
        fails(1, "it has query, none", "embed", tmp, "--json", "--prompt", "other", stdin=b'["a"]')


@test
def modules_that_we_do_not_know_are_named():
    source = vectors("models", "minilm")
    good = json.load(open(os.path.join(source, "modules.json")))

    def broken(modules, pooling=None):
        tmp = tempfile.mkdtemp()
        for name in os.listdir(source):
            if name not in ("modules.json", "1_Pooling"):
                os.symlink(os.path.join(source, name), os.path.join(tmp, name))
        with open(os.path.join(tmp, "modules.json"), "w") as f:
            json.dump(modules, f)
        os.mkdir(os.path.join(tmp, "1_Pooling"))
        with open(os.path.join(tmp, "1_Pooling", "config.json"), "w") as f:
            json.dump(pooling or {"pooling_mode_mean_tokens": True}, f)
        return tmp

    def refused(says, modules=good, pooling=None):
        fails(1, says, "embed", broken(modules, pooling), "--json", stdin=b'["a"]')

    change = lambda i, **what: [dict(m, **what) if k == i else m for k, m in enumerate(good)]
    refused("CNN", change(1, type="sentence_transformers.models.CNN"))
    refused("no folder below it", change(1, path="../1_Pooling"))
    refused("no folder below it", change(1, path="/etc"))
    refused("not a list", {"a": 1})
    refused("not a list", good * 20)
    refused("no type", [{}])
    refused("Transformer", good[1:])
    refused("max_tokens", pooling={"pooling_mode_max_tokens": True})
    refused("2 pooling modes", pooling={"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True})
    refused("0 pooling modes", pooling={"pooling_mode_mean_tokens": False})
    refused("weird", pooling={"pooling_mode": "weird"})
    refused("2_Dense", good[:2] + [{"type": "x.Dense", "path": "2_Dense"}])
    r = tenon("embed", broken(good, {"pooling_mode": "mean"}), "--json", stdin=b'["a"]')
    assert r.returncode == 0, r.stderr


def main_with_models():
    global server, judge
    with tempfile.TemporaryDirectory() as tmp:
        conf = os.path.join(tmp, "tenon.conf")
        models = [("minilm", vectors("models", "minilm")), ("gemma", vectors("models", "embeddinggemma")),
                  ("qwen", vectors("models", "qwen3_embedding")), ("starter", STARTER),
                  ("cross", os.path.join(tmp, "cross")), ("cross_plain", os.path.join(tmp, "plain"))]
        judge = make_cross_encoder(os.path.join(tmp, "cross"))
        make_cross_encoder(os.path.join(tmp, "plain"), sentence_transformers={"activation_fn": "torch.nn.modules.linear.Identity"})
        with open(conf, "w") as f:
            f.write('server {\n listen = "127.0.0.1:0"\n}\n' + "".join(
                'model %s {\n path = "%s"\n compute = "f32"\n}\n' % m for m in models))
        with Server(config=conf) as server:
            main()


main_with_models()
