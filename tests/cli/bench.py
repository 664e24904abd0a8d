# SPDX-License-Identifier: Apache-2.0
"""tenon bench: what it prints. Speeds are never asserted, only that they are there and agree with each other."""
import json
import os
import tempfile
import time

from tap import fails, main, succeed, tenon, test, vectors

SHORT = ("-p", "16", "-n", "4", "--depth", "8", "--parallel", "1,2", "-r", "2")
CASES = {"pp16", "tg4", "tg4_d8", "batch 1", "batch 2"}
TINY = ("models", "llama3")
WIDE = ("gguf", "llama3_wide", "llama3_wide-Q4_K_M.gguf")


def bench(*args, model=TINY):
    return json.loads(succeed("bench", "-m", vectors(*model), "--json", *SHORT, *args))


@test
def one_line_of_figures():
    line = bench("--no-limits")
    for key in ("pp16", "tg4", "tg4_d8"):
        assert line[key] > 0
    assert set(line["batch"]) == {"1", "2"} and line["batch"]["2"] > 0
    assert not {"profile", "limits", "shares", "compare"} & set(line)


@test
def several_prompts_and_none():
    args = ("bench", "-m", vectors(*TINY), "--json", "--no-limits", "-n", "0", "-r", "1")
    line = json.loads(succeed(*args, "-p", "8,24", "--parallel", "0"))
    assert line["pp8"] > 0 and line["pp24"] > 0 and line["batch"] == {}
    line = json.loads(succeed(*args, "-p", "0", "--parallel", "64"))
    assert not any(key.startswith("pp") for key in line) and line["batch"]["64"] > 0


# ---- limits ----


@test
def limits_and_shares_agree():
    for model in (TINY, WIDE):
        line = bench(model=model)
        limits, shares = line["limits"], line["shares"]
        assert limits["int8_gops"] > 0 and limits["f32_gops"] > 0
        read = limits["read_gb_per_s"]
        assert 0 < read["least"] <= read["median"] <= read["most"]
        assert read["n"] == 4 * 2 * 2  # cases that decode, repetitions, before and after
        assert set(shares) == CASES
        for name, share in shares.items():
            # Every operation is done at the rate of one limit or another.
            least, most = sorted((limits["int8_gops"], limits["f32_gops"]))
            assert share["gops"] > 0
            assert share["gops"] / most * 0.99 - 1e-4 <= share["compute"] <= share["gops"] / least * 1.01 + 1e-4, share
            if name == "pp16":
                assert "read" not in share and "steady" not in share
                continue
            assert share["of"] == 2 and 0 <= share["steady"] <= 2 and share["read_gb_per_s"] > 0
            assert ("read" in share) == (share["steady"] > 0)
            if share["steady"] == 2:
                low, high = (share["read_gb_per_s"] / read[key] for key in ("most", "least"))
                assert low * 0.5 <= share["read"] <= high * 2, (share, read)
        # The same weights are read for one sequence and for two, twice as often used.
        one, two = (shares["batch %d" % n]["gops"] / line["batch"][str(n)] for n in (1, 2))
        assert abs(one - two) < 0.02 * one + 1e-5, (one, two)


@test
def limits_are_a_table():
    text = succeed("bench", "-m", vectors(*WIDE), *SHORT).decode()
    for word in ("limits of these threads and kernels: int8 ", "reading memory ", "OF LIMIT", " of 2\n", "batch 2"):
        assert word in text, word


@test
def a_device_without_limits_leaves_them_out():
    line = bench("--device", "reference")
    assert line["pp16"] > 0 and "limits" not in line and "shares" not in line


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
    for model in (TINY, WIDE):
        line = bench("--profile", "--no-limits", model=model)
        assert set(line["profile"]) == CASES
        check_profile(line["profile"]["pp16"], 2)
        for measurement in ("tg4", "tg4_d8"):
            check_profile(line["profile"][measurement], 8)
        check_profile(line["profile"]["batch 2"], 32)


@test
def a_profile_is_a_table():
    text = succeed("bench", "-m", vectors(*TINY), *SHORT, "--profile", "--no-limits").decode()
    for word in ("tg4: 8 steps of ", "KIND", "WAIT ms", "attention", "outside of the device"):
        assert word in text, word


@test
def a_device_that_keeps_no_times_says_so():
    fails(1, "--profile: the device reference does not time its steps; use --device cpu", "bench", "-m", vectors(*TINY),
          "--device", "reference", "--profile")


# ---- another program ----

FIGURES = '{"pp16": 1000.5, "tg4": 10, "batch": {"1": 4, "7": 1}, "model": "theirs"}'


def middle(values):
    values = sorted(values)
    return (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2


def near(a, b):
    return abs(a - b) <= 1e-4 + 1e-3 * abs(b)


@test
def a_comparison_adds_up():
    with tempfile.TemporaryDirectory() as tmp:
        # Another speed each time: 1, 10, 100.
        count = os.path.join(tmp, "count")
        command = ("printf 0 >> %s; echo a word before; echo '{' >&2; echo \"{\\\"tg4\\\": 1$(tail -c +2 %s), "
                   "\\\"batch\\\": {\\\"2\\\": 3.5}}\"; echo") % (count, count)
        done = bench("--compare", command, "--pairs", "3")["compare"]
        assert os.path.getsize(count) == 3
    assert done["command"] == command and done["pairs"] == 3 and done["reps"] == 2 and done["timeout_s"] == 1800
    assert set(done["not_compared"]) == CASES - {"tg4", "batch 2"}
    assert set(done["results"]) == {"tg4", "batch 2"}
    assert [theirs for _, theirs in done["results"]["tg4"]["pairs"]] == [1, 10, 100]
    for result in done["results"].values():
        ours, theirs = zip(*result["pairs"])
        ratios = [a / b for a, b in result["pairs"]]
        assert min(ours) > 0 and near(result["ours"], middle(ours)) and near(result["theirs"], middle(theirs))
        assert near(result["ratio"], result["ours"] / result["theirs"])
        pair = result["pair_ratio"]
        assert near(pair["median"], middle(ratios)) and near(pair["least"], min(ratios)) and near(pair["most"], max(ratios))


@test
def a_comparison_is_a_table():
    text = succeed("bench", "-m", vectors(*TINY), *SHORT, "--compare", "echo '%s'" % FIGURES, "--pairs", "2").decode()
    for word in ("2 pairs", "OURS", "THEIRS", "MEDIAN", "1000.50", "tg4_d8             the command does not measure it"):
        assert word in text, text


def refuses(status, says, command, *args):
    fails(status, says, "bench", "-m", vectors(*TINY), *SHORT, "--pairs", "2", "--compare", command, *args)


@test
def a_command_that_fails_is_quoted():
    refuses(3, "failed with status 7; its standard error ends with: one two", "echo '%s'; printf 'one\ntwo\n' >&2; exit 7" % FIGURES)
    refuses(3, "failed with status 127", "no-such-program-at-all")
    refuses(3, "ended by signal 9", "kill -9 $$")
    refuses(3, "ends with: (nothing)", "exit 1")


@test
def output_that_is_no_json_is_quoted():
    refuses(1, "not an object of JSON, as tenon bench --json prints: hello", "echo '%s'; echo hello" % FIGURES)
    refuses(1, "prints: (nothing)", "true")
    refuses(1, "prints: [1]", "echo '[1]'")


@test
def figures_that_cannot_be_are_named():
    refuses(1, 'none of our figures (such as "pp16")', "echo '{\"pp512\": 3}'")
    refuses(1, 'pair 1: the command\'s "tg4" is no number above 0', "echo '{\"tg4\": -1}'")
    with tempfile.TemporaryDirectory() as tmp:
        once = "if mkdir %s/x 2>/dev/null; then echo '%s'; else echo '{\"pp16\": 1}'; fi" % (tmp, FIGURES)
        refuses(1, 'pair 2: the command\'s "tg4" is no number above 0', once)


@test
def a_command_that_hangs_is_ended():
    with tempfile.TemporaryDirectory() as tmp:
        alive = os.path.join(tmp, "alive")
        start = time.monotonic()
        refuses(3, "was ended after 1 s; --compare-timeout allows more; its standard error ends with: waiting",
                "echo waiting >&2; (sleep 4; touch %s) & sleep 100" % alive, "--compare-timeout", "1")
        assert time.monotonic() - start < 60
        time.sleep(max(0, start + 6 - time.monotonic()))
        assert not os.path.exists(alive), "what the command had started went on"


@test
def what_a_command_leaves_behind_is_not_waited_for():
    start = time.monotonic()
    succeed("bench", "-m", vectors(*TINY), *SHORT, "--pairs", "2", "--compare", "sleep 100 & echo '%s'" % FIGURES)
    assert time.monotonic() - start < 90


@test
def much_output_is_no_problem():
    command = "dd if=/dev/zero bs=65536 count=64 2>/dev/null | tr '\\0' x; echo; echo '%s'" % FIGURES
    line = bench("--compare", command, "--pairs", "1")
    assert line["compare"]["results"]["tg4"]["theirs"] == 10


@test
def options_that_exclude_each_other():
    fails(2, "--compare goes with neither --profile nor --gaps", "bench", "-m", vectors(*TINY), "--compare", "true",
          "--profile")
    assert tenon("bench", "--compare", "true", "--pairs", "0").returncode == 2
    fails(1, "leave nothing to measure", "bench", "-m", vectors(*TINY), "-p", "0", "-n", "0", "--parallel", "0", "--compare",
          "true")


if __name__ == "__main__":
    main()
