// OpenAI's official Node client against Tollway's gateway, with nothing changed but the base URL and the key.
//
// Called with the folder of its package, and with JSON: `part`, one of those at the end, `url` of the gateway and `keys`
// of its customers. The last line printed is JSON for the test that called.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, called] = process.argv.slice(2);
const OpenAI = createRequire(join(folder, "package.json"))("openai");
const { part, url, keys } = JSON.parse(called);
const TEXT = "tell me more [[prompt_tokens=1000 cached=400 cache_write=10 reasoning=7 audio=3 tokens=20]]";

const client = (key = "own", more = {}) => new OpenAI({ baseURL: `${url}/v1`, apiKey: keys[key] ?? key, ...more });
const said = (text) => [{ role: "user", content: text }];
const messages = said(TEXT);
const recording = () => OpenAI.toFile(Buffer.alloc(40_000), "a.mp3");
const ours = client();

async function all(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return pieces;
}

async function refused(error, call) {
  try {
    await call;
  } catch (caught) {
    assert.ok(caught instanceof error, `${caught} is no ${error.name}`);
    return caught;
  }
  assert.fail(`${error.name} did not come`);
}

async function chat() {
  const asked = { model: "small", messages };
  const answer = await ours.chat.completions.create({ ...asked, n: 2 });
  assert.deepEqual([answer.usage.prompt_tokens, answer.usage.completion_tokens], [1000, 54]);
  let chunks = await all(await ours.chat.completions.create({ ...asked, stream: true }));
  assert.equal(chunks.filter((chunk) => chunk.choices[0].delta.content).length, 20);
  assert.ok(chunks.every((chunk) => chunk.choices.length && !chunk.usage), "nobody asked for usage");
  const options = { stream: true, stream_options: { include_usage: true } };
  chunks = await all(await ours.chat.completions.create({ ...asked, ...options }));
  const last = chunks.pop();
  assert.deepEqual([last.usage.completion_tokens, last.choices], [27, []]);
  assert.ok(chunks.every((chunk) => chunk.choices.length && chunk.usage === null));
  const whole = await ours.chat.completions.stream(asked).finalChatCompletion();
  assert.equal(whole.choices[0].message.content.trim().split(" ").length, 20);
  // A call that the provider fails once is tried again by the client, and counts once.
  const again = { model: "small", messages: said("again [[status=500 times=1]]") };
  assert.ok((await ours.chat.completions.create(again)).choices);
  const many = Array.from({ length: 16 }, (_, number) => said(`number [[tokens=${number + 1}]]`));
  const calls = many.map((messages) => ours.chat.completions.create({ model: "small", messages }));
  const lengths = (await Promise.all(calls)).map((answer) => answer.usage.completion_tokens);
  assert.deepEqual(lengths, many.map((_, number) => number + 1));
}

async function completions() {
  const answer = await ours.completions.create({ model: "small", prompt: ["one", "two"], max_tokens: 3 });
  assert.deepEqual([answer.choices[1].finish_reason, answer.usage.completion_tokens], ["length", 6]);
  const chunks = await all(await ours.completions.create({ model: "small", prompt: TEXT, stream: true }));
  assert.equal(chunks.filter((chunk) => chunk.choices[0].text).length, 20);
}

async function responses() {
  const asked = { model: "large", input: TEXT };
  const answer = await ours.responses.create({ ...asked, instructions: "be kind" });
  assert.deepEqual([answer.usage.total_tokens, answer.output_text.trim().split(" ").length], [1027, 20]);
  const events = await all(await ours.responses.create({ ...asked, stream: true }));
  assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()]);
  assert.equal(events.at(-1).response.usage.output_tokens, 27);
  assert.equal((await ours.responses.stream(asked).finalResponse()).usage.output_tokens, 27);
}

async function embeddings() {
  const answer = await ours.embeddings.create({ model: "embed", input: ["one two", "three"] });
  assert.deepEqual([answer.usage.prompt_tokens, answer.data[1].embedding.length], [3, 1536]);
}

async function audio() {
  const { transcriptions, translations, speech } = ours.audio;
  const heard = await transcriptions.create({ model: "listen", file: await recording(), prompt: "two words" });
  assert.deepEqual([heard.usage.type, heard.usage.input_tokens], ["tokens", 32]);
  const events = await all(await transcriptions.create({ model: "listen", file: await recording(), stream: true }));
  assert.deepEqual([events.length, events.at(-1).usage.output_tokens], [17, 16]);
  const asked = { model: "whisper-1", file: await recording() };
  assert.equal((await transcriptions.create({ ...asked, response_format: "verbose_json" })).usage.seconds, 3);
  assert.match(await transcriptions.create({ ...asked, response_format: "srt" }), /the of and/);
  assert.ok((await translations.create(asked)).text);
  const sound = await speech.create({ model: "speak", voice: "alloy", input: "hello [[tokens=5]]" });
  assert.equal(sound.headers.get("content-type"), "audio/mpeg");
  assert.equal((await sound.arrayBuffer()).byteLength, 5 * 417);
  const spoken = { model: "speak-events", voice: "alloy", input: "two words", stream_format: "sse" };
  const text = await (await speech.create(spoken)).text();
  assert.match(text, /speech.audio.done/);
}

async function images() {
  const asked = { model: "draw", prompt: "a cat please" };
  const answer = await ours.images.generate({ ...asked, n: 2 });
  assert.deepEqual([answer.data.length, answer.usage.output_tokens, answer.usage.input_tokens], [2, 32, 3]);
  const events = await all(await ours.images.generate({ ...asked, stream: true }));
  assert.deepEqual(events.map((event) => event.type), ["image_generation.completed"]);
}

async function models() {
  const listed = (await all(ours.models.list())).map((model) => model.id);
  for (const name of ["small", "large", "embed", "claude-small", "acme/tiny"]) assert.ok(listed.includes(name), name);
  assert.equal((await ours.models.retrieve("acme/tiny")).id, "acme/tiny");
  assert.equal((await refused(OpenAI.NotFoundError, ours.models.retrieve("other"))).code, "model_not_found");
}

async function headers() {
  const asked = { model: "small", messages: said("hi [[prompt_tokens=1000 tokens=20]]") };
  const raws = [];
  for (let round = 0; round < 2; round += 1) raws.push(await ours.chat.completions.create(asked).withResponse());
  const left = raws.map(({ response }) => Number(response.headers.get("x-ratelimit-remaining-requests")));
  assert.equal(left[0], left[1] + 1);
  const { response, data, request_id: id } = raws[1];
  // 1,000 at 0.10 and 20 at 0.40 dollars a million, and 5 % more.
  assert.equal(response.headers.get("tollway-cost"), "0.0001134");
  assert.match(response.headers.get("tollway-event"), /^evt_/);
  assert.deepEqual([data.usage.total_tokens, id], [1020, response.headers.get("x-request-id")]);
  // A stream tells its cost in a comment, which clients skip, before its end.
  const lines = (await (await ours.chat.completions.create({ ...asked, stream: true }).asResponse()).text()).trim();
  assert.match(lines, /: tollway event=evt_\w+ cost=0.0001134 counts=reported\n\ndata: \[DONE\]$/);
}

async function answers() {
  for (const part of [chat, completions, responses, embeddings, audio, images, models, headers]) await part();
}

const ask = (text, from = ours, more = {}) =>
  from.chat.completions.create({ model: "small", messages: said(text), ...more });

// On the plan `free` of the starter catalog: what a customer meets who has bought nothing.
async function freePlan() {
  const wrong = await refused(OpenAI.AuthenticationError, ask("hi", client("wrong")));
  assert.equal(wrong.code, "invalid_api_key");
  const outside = await refused(OpenAI.PermissionDeniedError, ask("hi", ours, { model: "large" }));
  assert.deepEqual(
    [outside.code, outside.param, outside.error.suggested_plan],
    ["model_not_allowed", "model", "pro"],
  );
  // Nothing of a quota comes back in the time that a client waits, so it does not try again.
  const spent = await refused(OpenAI.RateLimitError, ask("hi", client("spent")));
  assert.deepEqual([spent.code, spent.type, spent.error.limit], ["insufficient_quota", "insufficient_quota", 1000]);
  assert.equal(spent.headers.get("x-should-retry"), "false");
  const unknown = ask("hi", client("pro"), { model: "no-such-model" });
  assert.equal((await refused(OpenAI.NotFoundError, unknown)).code, "model_not_found");
}

// With a catalog that refuses models it does not know.
async function refusals() {
  const unknown = await refused(OpenAI.NotFoundError, ask("hi", ours, { model: "other" }));
  assert.deepEqual([unknown.code, unknown.param], ["model_not_found", "model"]);
  const bad = await refused(OpenAI.BadRequestError, ask("hi", ours, { max_tokens: "many" }));
  assert.equal(bad.param, "max_tokens");
  // An address that is not there is told in the provider's form too.
  const absent = await refused(OpenAI.NotFoundError, ours.moderations.create({ input: "hi" }));
  assert.equal(absent.code, "no_such_route");
  // A key that may not call models, an account that is suspended.
  const limitedKey = await refused(OpenAI.PermissionDeniedError, ask("hi", client("reader")));
  assert.equal(limitedKey.code, "insufficient_scope");
  const suspended = await refused(OpenAI.PermissionDeniedError, ask("hi", client("suspended")));
  assert.equal(suspended.code, "account_suspended");
  // Twice a minute for each account; the third call is told when to come back.
  const hasty = client("hasty", { maxRetries: 0 });
  const embed = () => hasty.embeddings.create({ model: "embed", input: "hi" });
  await embed();
  await embed();
  const limited = await refused(OpenAI.RateLimitError, embed());
  assert.deepEqual([limited.code, limited.type], ["rate_limit_exceeded", "requests"]);
  // Two tries more, by the client's own rule.
  const failing = ours.responses.create({ model: "large", input: "[[status=500]]" });
  const failed = await refused(OpenAI.InternalServerError, failing);
  assert.deepEqual([failed.code, failed.status], ["upstream_error", 502]);
  const stream = await ask("[[fault=error after=0]]", client("own", { maxRetries: 0 }), { stream: true });
  assert.match((await refused(OpenAI.APIError, all(stream))).message, /server had an error/);
}

// Streams that break off in the middle: the client is told, as its API tells errors.
async function brokenStreams() {
  const pieces = [];
  const stream = await ask("[[tokens=40 fault=cut after=5]]", ours, { stream: true });
  const reading = (async () => {
    for await (const piece of stream) pieces.push(piece);
  })();
  assert.equal((await refused(OpenAI.APIError, reading)).code, "upstream_broke_off");
  assert.equal(pieces.filter((chunk) => chunk.choices[0].delta.content).length, 5);
  const asked = { model: "large", input: "[[tokens=40 fault=cut after=7]]", stream: true };
  const events = await all(await ours.responses.create(asked));
  assert.equal(events.filter((event) => event.type === "response.output_text.delta").length, 7);
  assert.deepEqual([events.at(-1).type, events.at(-1).code], ["error", "upstream_broke_off"]);
}

// What a client tells of its calls beside the prompt.
async function context() {
  const event = async (call) => (await call.asResponse()).headers.get("tollway-event");
  const told = { "Tollway-Conversation": "c-1", "Tollway-Agent": "writer", "Tollway-User": "ada" };
  const headed = { model: "small", messages, user: "user-42", metadata: { ticket: "7" } };
  const metadata = { conversation: "c-2", resource_id: "r-9" };
  const plain = { model: "small", input: "hi", safety_identifier: "user-43", metadata };
  const more = { "Tollway-Metadata": '{"ticket": 8}', "Tollway-End-User": "user-45" };
  const upload = { model: "listen", file: await recording() };
  // A backend with the platform's key names its customer.
  const platform = client("service", { defaultHeaders: { "Tollway-External-Id": "of-the-app" } });
  return {
    headed: await event(ours.chat.completions.create(headed, { headers: told })),
    plain: await event(ours.responses.create(plain)),
    upload: await event(ours.audio.transcriptions.create(upload, { headers: more })),
    other: await event(platform.embeddings.create({ model: "embed", input: "hi", user: "user-46" })),
  };
}

const parts = { answers, free_plan: freePlan, refusals, broken_streams: brokenStreams, context };
console.log(JSON.stringify((await parts[part]()) ?? null));
