# SPDX-License-Identifier: Apache-2.0
"""tenon bench: what it prints. Speeds are never asserted, only that they are there and agree with each other."""
import json

from tap import fails, main, succeed, test, vectors

SHORT = ("-p", "16", "-n", "4", "--depth", "8", "--parallel", "1,2", "-r", "2")


def bench(*args, model=("models", "llama3")):
    return json.loads(succeed("bench", "-m", vectors(*model), "--json", *SHORT, *args))


@test
def one_line_of_figures():
    line = bench()
    for key in ("pp16", "tg4", "tg4_d8"):
        assert line[key] > 0
    assert set(line["batch"]) == {"1", "2"} and line["batch"]["2"] > 0
    assert "profile" not in line


# ---- where the time goes ----


def check_profile(profile, steps):
    kinds = {row["kind"]: row for row in profile["kinds"]}
    assert len(kinds) == len(profile["kinds"])
    assert "other" not in kinds, kinds
    assert profile["steps"] == steps
    total = sum(row["run_ms"] + row["wait_ms"] for row in profile["kinds"])
    assert abs(total - profile["step_ms"]) < 1e-3 + 1e-4 * len(kinds), (total, profile["step_ms"])
    assert kinds["attention"]["calls"] >= 1
    linear = [row for kind, row in kinds.items() if kind.startswith("linear ")]
    assert linear and all(row["gb_per_s"] > 0 and row["gops"] > 0 for row in linear)
    assert all(row["run_ms"] >= 0 and row["wait_ms"] > -1e-3 for row in profile["kinds"])


@test
def a_profile_adds_up():
    for model in (("models", "llama3"), ("gguf", "llama3_wide", "llama3_wide-Q4_K_M.gguf")):
        line = bench("--profile", model=model)
        assert set(line["profile"]) == {"pp16", "tg4", "tg4_d8", "batch 1", "batch 2"}
        check_profile(line["profile"]["pp16"], 2)
        for measurement in ("tg4", "tg4_d8"):
            check_profile(line["profile"][measurement], 8)
        check_profile(line["profile"]["batch 2"], 32)


@test
def a_profile_is_a_table():
    text = succeed("bench", "-m", vectors("models", "llama3"), *SHORT, "--profile").decode()
    for word in ("tg4: 8 steps of ", "KIND", "WAIT ms", "attention", "outside of the device"):
        assert word in text, word


@test
def a_device_that_keeps_no_times_says_so():
    fails(1, "--profile: the device reference does not time its steps; use --device cpu", "bench", "-m",
          vectors("models", "llama3"), "--device", "reference", "--profile")


if __name__ == "__main__":
    main()
