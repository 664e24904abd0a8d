# What made the starter model; nothing of it is needed to build or to run.
train_files = README.md bpe.py chatml.py check.py encode.py evaluate.py export_gguf.py gguf.py judge.py model.py optimizer.py \
  prompts.py starter_data.py starter_run.sh stream.py train.py
train_tasks = __init__.py calling.py context.py facts.py jsons.py knowledge.py maths.py phrase.py stories.py talk.py words.py
EXTRA_DIST += $(addprefix %D%/train/,$(train_files)) $(addprefix %D%/train/tasks/,$(train_tasks))
