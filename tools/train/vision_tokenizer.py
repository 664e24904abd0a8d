#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what stands beside the starter vision model's weights: tokenizer.json (1024 tokens, Qwen3-VL's special ones among
them), tokenizer_config.json, config.json and the preprocessors' configurations."""
import argparse
import json
import random
from collections import Counter
from pathlib import Path

import regex

import bpe
import vision_data

SIZE = 1024
ADDED = tuple((f"<|{name}|>", True) for name in ("endoftext", "im_start", "im_end", "object_ref_start", "object_ref_end", "box_start", "box_end", "quad_start", "quad_end",
                                                 "vision_start", "vision_end", "vision_pad", "image_pad", "video_pad"))
MODEL = Path(__file__).resolve().parents[2] / "models/starter-vision"
ID = {content: SIZE - len(ADDED) + i for i, (content, _) in enumerate(ADDED)}

CONFIG = {
    "architectures": ["Qwen3VLForConditionalGeneration"], "model_type": "qwen3_vl", "torch_dtype": "bfloat16", "tie_word_embeddings": True,
    "image_token_id": ID["<|image_pad|>"], "video_token_id": ID["<|video_pad|>"], "vision_start_token_id": ID["<|vision_start|>"], "vision_end_token_id": ID["<|vision_end|>"],
    "text_config": {
        "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": ID["<|endoftext|>"], "dtype": "bfloat16", "eos_token_id": ID["<|im_end|>"], "head_dim": 64, "hidden_act": "silu",
        "hidden_size": 192, "initializer_range": 0.02, "intermediate_size": 384, "max_position_embeddings": 2048, "model_type": "qwen3_vl_text", "num_attention_heads": 4,
        "num_hidden_layers": 5, "num_key_value_heads": 2, "rms_norm_eps": 1e-6, "rope_scaling": {"mrope_interleaved": True, "mrope_section": [12, 10, 10], "rope_type": "default"},
        "rope_theta": 10000, "tie_word_embeddings": True, "use_cache": True, "vocab_size": SIZE,
    },
    "vision_config": {
        "deepstack_visual_indexes": [2], "depth": 5, "hidden_act": "gelu_pytorch_tanh", "hidden_size": 128, "in_channels": 3, "initializer_range": 0.02, "intermediate_size": 384,
        "model_type": "qwen3_vl", "num_heads": 4, "num_position_embeddings": 256, "out_hidden_size": 192, "patch_size": vision_data.PATCH, "spatial_merge_size": vision_data.MERGE,
        "temporal_patch_size": vision_data.TEMPORAL,
    },
}
PIXELS = {"patch_size": vision_data.PATCH, "temporal_patch_size": vision_data.TEMPORAL, "merge_size": vision_data.MERGE, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
          "do_convert_rgb": True, "do_normalize": True, "do_rescale": True, "do_resize": True, "rescale_factor": 1 / 255, "resample": 3, "processor_class": "Qwen3VLProcessor"}


def size(pixels):
    return {"shortest_edge": pixels[0], "longest_edge": pixels[1]}


def others():
    """the files beside tokenizer.json and the weights"""
    decoder = {str(i): {"content": c, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": s} for (c, i), (_, s) in zip(ID.items(), ADDED)}
    return {
        "config.json": CONFIG,
        "preprocessor_config.json": {"size": size(vision_data.IMAGE_PIXELS), **PIXELS, "image_processor_type": "Qwen2VLImageProcessorFast"},
        "video_preprocessor_config.json": {"size": size(vision_data.VIDEO_PIXELS), **PIXELS, "video_processor_type": "Qwen3VLVideoProcessor", "fps": 2, "min_frames": 4, "max_frames": 16,
                                           "do_sample_frames": True},
        "generation_config.json": {"bos_token_id": ID["<|endoftext|>"], "pad_token_id": ID["<|endoftext|>"], "eos_token_id": [ID["<|im_end|>"], ID["<|endoftext|>"]], "do_sample": False,
                                   "max_new_tokens": 128},
        "tokenizer_config.json": {"add_bos_token": False, "add_prefix_space": False, "added_tokens_decoder": decoder, "bos_token": None, "clean_up_tokenization_spaces": False,
                                  "eos_token": "<|im_end|>", "errors": "replace", "model_max_length": 2048, "pad_token": "<|endoftext|>", "processor_class": "Qwen3VLProcessor",
                                  "split_special_tokens": False, "tokenizer_class": "Qwen2Tokenizer", "unk_token": None},
    }


def word_counts(n, seed):
    """of what users and the model say; the special tokens never take part"""
    rng, split, counts = random.Random(seed), regex.compile(bpe.SPLIT), Counter()
    while n:
        for talk in vision_data.talks(rng, rng.choice(vision_data.KINDS), 1, 1):
            for t in (talk, vision_data.text_talk(rng, False)):
                for text, _, _, _ in vision_data.segments(rng, t):
                    for piece in regex.split(r"<\|\w+\|>", text):
                        counts.update(split.findall(piece))
            n -= 1
    return counts


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--samples", type=int, default=12000)
    p.add_argument("--out", default=MODEL, type=Path)
    o = p.parse_args()
    o.out.mkdir(parents=True, exist_ok=True)
    needed = SIZE - 256 - len(ADDED)
    merges = bpe.train(word_counts(o.samples, "vision tokenizer"), needed)
    assert len({x + y for x, y in merges}) == needed, "duplicate merge results"
    (o.out / "tokenizer.json").write_text(json.dumps(bpe.tokenizer_json(merges, ADDED), ensure_ascii=False, indent=0) + "\n")
    for name, content in others().items():
        (o.out / name).write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
