// SPDX-License-Identifier: Apache-2.0
// The official OpenAI client against tenon serve. TAP on stdout; TENON names the program, STARTER its model, EMBEDDER one
// for embeddings, SEER one that sees (a folder with eval.json: what it answers about the files in SCENES).
import { spawn } from 'node:child_process';
import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import OpenAI from 'openai';

const tests = [];
const test = (name, run) => tests.push({ name, run });

function startServer(path) {
  const args = ['serve', '-m', path, '--listen', '127.0.0.1:0'];
  const server = spawn(process.env.TENON, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.on('exit', (code) => reject(new Error(`the server ended with ${code}`)));
    server.stdout.on('data', (data) => resolve({ server, url: data.toString().trim() }));
  });
}

let client;
let embedder;
let seer;
const model = 'starter';
const user = (content) => [{ role: 'user', content }];

async function streamedChat(body) {
  let text = '';
  let finish = null;
  for await (const event of await client.chat.completions.create({ ...body, stream: true })) {
    text += event.choices[0]?.delta?.content ?? '';
    finish = event.choices[0]?.finish_reason ?? finish;
  }
  return { text, finish };
}

async function wholeChat(body) {
  const answer = await client.chat.completions.create(body);
  return { text: answer.choices[0].message.content, finish: answer.choices[0].finish_reason };
}

test('models are listed', async () => {
  const names = [];
  for await (const m of client.models.list()) names.push(m.id);
  assert.deepEqual(names, ['starter']);
  assert.equal((await client.models.retrieve('starter')).object, 'model');
});

test('a chat is answered, whole and streamed', async () => {
  const body = { model, messages: user('What is the capital of France?'), temperature: 0 };
  const whole = await wholeChat(body);
  assert.match(whole.text, /Paris/);
  assert.deepEqual(await streamedChat(body), whole);
});

test('the stream helper assembles the same answer', async () => {
  const body = { model, messages: user('what is 17 + 25?'), temperature: 0 };
  const runner = client.chat.completions.stream({ ...body, stream_options: { include_usage: true } });
  const final = await runner.finalChatCompletion();
  assert.match(final.choices[0].message.content, /42/);
  assert.ok(final.usage.completion_tokens > 0);
});

test('a completion is answered, whole and streamed', async () => {
  const body = { model, prompt: 'One day a', max_tokens: 10, temperature: 0 };
  const whole = await client.completions.create(body);
  let text = '';
  for await (const event of await client.completions.create({ ...body, stream: true })) text += event.choices[0]?.text ?? '';
  assert.equal(text, whole.choices[0].text);
});

// 17 requests at once, each with settings of its own; the seeded ones must say what they say alone.
test('answers in company equal solo answers, stop strings never leak', async () => {
  const requests = [];
  for (let i = 0; i < 15; i++) {
    requests.push({ model, messages: user(`tell me a story about a ${['cat', 'dog', 'fox', 'hen', 'pig'][i % 5]}`), seed: i,
      temperature: 0.4 + (i % 4) * 0.4, top_p: 1 - (i % 3) * 0.2, presence_penalty: (i % 3) * 0.4,
      frequency_penalty: (i % 2) * 0.3, max_tokens: 24 + i, stop: i % 2 ? ['.', ' the '] : undefined });
  }
  const alone = [];
  for (const r of requests) alone.push(await wholeChat(r));
  const completion = { model, prompt: 'One day a', max_tokens: 30, temperature: 1, seed: 99 };
  const completionAlone = (await client.completions.create(completion)).choices[0].text;
  const streamedCompletion = async () => {
    let text = '';
    for await (const event of await client.completions.create({ ...completion, stream: true })) text += event.choices[0].text;
    return text;
  };
  const [streamedText, chat, ...together] = await Promise.all([
    streamedCompletion(), streamedChat(requests[0]), ...requests.map((r, i) => (i % 2 ? streamedChat(r) : wholeChat(r)))]);
  assert.equal(streamedText, completionAlone);
  assert.deepEqual(chat, alone[0]);
  assert.deepEqual(together, alone);
  for (const [i, answer] of together.entries())
    if (requests[i].stop) for (const s of requests[i].stop) assert.ok(!answer.text.includes(s), answer.text);
  assert.ok(new Set(alone.map((a) => a.text)).size > 8);
});

test('log probabilities have the shape the client knows', async () => {
  const a = await client.chat.completions.create(
    { model, messages: user('hi'), max_tokens: 5, temperature: 0, logprobs: true, top_logprobs: 2 });
  for (const t of a.choices[0].logprobs.content) {
    assert.ok(t.logprob <= 0);
    assert.equal(t.top_logprobs.length, 2);
    assert.ok(Array.isArray(t.bytes));
  }
});

// The client asks for base64 by itself and decodes it, unless it is told otherwise.
test('embeddings in both encodings are the same bit for bit', async () => {
  const input = ['A', 'Two words', 'The quick brown fox jumps over the lazy dog.'];
  const whole = (await embedder.embeddings.create({ model: 'minilm', input })).data;
  const floats = (await embedder.embeddings.create({ model: 'minilm', input, encoding_format: 'float' })).data;
  const raw = (await embedder.embeddings.create({ model: 'minilm', input, encoding_format: 'base64' })).data;
  const bits = (v) => Buffer.from(new Float32Array(v).buffer).toString('base64');
  assert.deepEqual(whole.map((d) => d.index), [0, 1, 2]);
  for (let i = 0; i < input.length; i++) {
    assert.equal(floats[i].embedding.length, 64);
    assert.equal(bits(floats[i].embedding), raw[i].embedding);
    assert.equal(bits(whole[i].embedding), raw[i].embedding);
  }
  const one = await embedder.embeddings.create({ model: 'minilm', input: input[1], dimensions: 8, encoding_format: 'float' });
  assert.equal(one.data[0].embedding.length, 8);
  assert.equal(one.usage.prompt_tokens, one.usage.total_tokens);
  await assert.rejects(embedder.embeddings.create({ model: 'minilm', input: '' }),
    (e) => e instanceof OpenAI.BadRequestError && e.param === 'input');
});

test('questions about pictures are answered, whole and streamed', async () => {
  const part = (name) => ({ type: 'image_url', image_url: { detail: 'auto',
    url: `data:image/png;base64,${readFileSync(`${process.env.SCENES}/${name}`).toString('base64')}` } });
  const cases = JSON.parse(readFileSync(`${process.env.SEER}/eval.json`)).filter((c) => c.images && c.margin > 1);
  const chosen = [...cases.filter((c) => c.images.length === 1).slice(0, 5), ...cases.filter((c) => c.images.length > 1).slice(0, 2)];
  assert.ok(chosen.length >= 6);
  const bodies = chosen.map((c) => ({ model: 'starter-vision', temperature: 0, max_completion_tokens: 40,
    messages: user([...c.images.map(part), { type: 'text', text: c.question }]) }));
  const expected = chosen.map((c) => c.text);
  const answers = await Promise.all(bodies.map((b) => seer.chat.completions.create(b)));
  assert.deepEqual(answers.map((a) => a.choices[0].message.content), expected);
  const stream = seer.chat.completions.stream({ ...bodies[0], stream_options: { include_usage: true } });
  const final = await stream.finalChatCompletion();
  assert.equal(final.choices[0].message.content, expected[0]);
  assert.ok(final.usage.prompt_tokens_details.cached_tokens > 0);
  await assert.rejects(seer.chat.completions.create({ ...bodies[0],
    messages: user([{ type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } }]) }),
  (e) => e instanceof OpenAI.BadRequestError);
});

test('errors are the classes of the client', async () => {
  await assert.rejects(client.chat.completions.create({ model, messages: user('x'), temperature: 9 }),
    (e) => e instanceof OpenAI.BadRequestError && e.param === 'temperature');
  await assert.rejects(client.chat.completions.create({ model: 'quux', messages: user('x') }),
    (e) => e instanceof OpenAI.NotFoundError && e.code === 'model_not_found');
});

test('an aborted stream frees its place', async () => {
  const stream = await client.completions.create(
    { model, prompt: 'One', max_tokens: 1900, stream: true, ignore_eos: true, temperature: 1 });
  for await (const event of stream) {
    assert.ok(event.choices);
    break;
  }
  stream.controller.abort();
  const end = Date.now() + 10000;
  let jobs = 1;
  while (jobs && Date.now() < end) jobs = (await (await fetch(`${client.baseURL.replace('/v1', '')}/health`)).json()).requests;
  assert.equal(jobs, 0);
});

const servers = [];
async function serving(path) {
  const { server, url } = await startServer(path);
  servers.push(server);
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
}
client = await serving(process.env.STARTER);
embedder = await serving(process.env.EMBEDDER);
seer = await serving(process.env.SEER);
console.log(`1..${tests.length}`);
let failed = 0;
for (const [i, t] of tests.entries()) {
  try {
    await t.run();
    console.log(`ok ${i + 1} - ${t.name}`);
  } catch (e) {
    failed++;
    console.log(`not ok ${i + 1} - ${t.name}`);
    console.log(`# ${(e.stack ?? String(e)).replaceAll('\n', '\n# ')}`);
  }
}
for (const s of servers) {
  s.removeAllListeners('exit');
  s.kill('SIGTERM');
}
process.exit(failed ? 1 : 0);
