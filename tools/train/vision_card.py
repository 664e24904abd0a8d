# SPDX-License-Identifier: Apache-2.0
"""The starter vision model's card, models/starter-vision/README.md, from what judging it gave."""
from vision_tokenizer import CONFIG, SIZE

TEXT = """<!-- SPDX-License-Identifier: Apache-2.0 -->
# Tenon's starter vision model

A very small model that looks at pictures and clips of simple shapes and digits and answers questions about them, so that tests
have something real to ask. It was trained from random weights, on scenes drawn by a script of this repository, and belongs to the
project: Apache-2.0, like everything here. No other model, data set, picture or web page went into it.

| | |
| --- | --- |
| files | as a Hugging Face directory: `model.safetensors` (bfloat16, {megabytes:.1f} MB) and the configurations beside it |
| architecture | Qwen3-VL (`Qwen3VLForConditionalGeneration`) |
| text | {layers} layers, width {width}, {heads} query and {kv} key-value heads of {head}, tied embeddings, {vocab} tokens (byte-level BPE), context {context} |
| tower | {depth} layers, width {tower}, patches of {patch} x {patch} x 2 frames, deepstack after layer {deep} |
| parameters | {parameters} |
| pictures | scaled to between 96 x 96 and 224 x 224 pixels in area; sides multiples of 32 |
| clips | 2 frames a second, 4 to 16 frames, 16 x 128 x 128 pixels in all |

## What it can do

Pictures with up to nine circles, squares, triangles, stars, crosses, hearts, rings and diamonds in eleven colours, or a number of up
to three digits: name, count and find things, compare their places and sizes, read the number, describe the whole. Two pictures in
one conversation. Clips in which one shape moves, or one appears or disappears, or digits follow each other. Answers are a word or a
short phrase. Without a picture it says so. It knows nothing else: a photograph gets an answer about shapes.

## Data

`tools/train/vision_data.py` makes the conversations (`vision_questions.py` the questions, `scenes.py` the pictures), in British
and American spelling, with the many ways people word a question, sometimes drawn in another size and scaled, sometimes with noise.
A hash of a scene's content (its things, background and motion) decides what is held out, 1 in 24: those combinations never
appear in training.

## Training

`tools/train/vision_run.sh OUT SECONDS`: {steps} steps, {conversations} conversations of up to seven questions, {seconds} seconds on one GPU,
Muon for the matrices and AdamW for the rest, loss on the answers only, each picture drawn once and never seen again. For the first part
of the time the tower's rows also had to name the thing in their cell.

## Accuracy

Greedy, float32, on the stored weights; right is the exact answer. Held-out questions: **{right} of {asked} ({percent:.1f} %)**; first questions of
a conversation alone: {first_right} of {first_asked} ({first_percent:.1f} %). The files of `tests/vectors/scenes`: {scenes_right} of {scenes_asked}.

| task | right | task | right |
| --- | --- | --- | --- |
{table}

`eval.json` holds the questions of `tests/vectors/scenes/cases.json` that are answered right, with the ids of the prompt (`prompt_ids`), of the
answer with its end token (`ids`), and `margin`: the smallest distance, in logits, between the two likeliest tokens of a step.
Those with a margin under 0.5 are left out.

## Making it anew

    tools/train/vision_tokenizer.py                  # tokenizer.json and the configurations
    tools/train/vision_data.py --export tests/vectors/scenes
    tools/train/vision_run.sh OUT 380                # on a machine with a GPU: train and judge
    cp OUT/model.safetensors OUT/eval.json OUT/README.md models/starter-vision/
"""


def card(report, training, parameters):
    t, v, of = CONFIG["text_config"], CONFIG["vision_config"], report["held_out"]
    tasks = [(k, n) for k, n in of.items() if k not in ("all", "accuracy", "first")]
    cells = [f"| {k} | {r} / {n} " for k, (r, n) in tasks]
    half = -(-len(cells) // 2)
    rows = [a + b + "|" for a, b in zip(cells[:half], cells[half:] + ["| | "] * (2 * half - len(cells)))]
    (right, asked), (first, firsts) = of["all"], of["first"]
    return TEXT.format(megabytes=2 * parameters / 1e6, layers=t["num_hidden_layers"], width=t["hidden_size"], heads=t["num_attention_heads"], kv=t["num_key_value_heads"], head=t["head_dim"], vocab=SIZE,
                       context=t["max_position_embeddings"], depth=v["depth"], tower=v["hidden_size"], patch=v["patch_size"], deep=v["deepstack_visual_indexes"][0], parameters=parameters,
                       right=right, asked=asked, percent=100 * right / asked, first_right=first, first_asked=firsts, first_percent=100 * first / firsts, scenes_right=report["scenes"][0],
                       scenes_asked=report["scenes"][1], table="\n".join(rows), **{k: training.get(k, "?") for k in ("steps", "conversations", "seconds")})
