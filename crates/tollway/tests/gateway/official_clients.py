"""The providers' official clients against Tollway's gateway, with nothing changed but the base URL and the key.

Called with JSON: `part`, one of those at the end, `url` of the gateway and `keys` of its customers. The last line
printed is JSON for the test that called.
"""

import asyncio
import io
import json
import sys

import anthropic
import openai

CALLED = json.loads(sys.argv[1])
URL, KEYS = CALLED["url"], CALLED["keys"]
TEXT = "tell me more [[prompt_tokens=1000 cached=400 cache_write=10 reasoning=7 audio=3 tokens=20]]"
MESSAGES = [{"role": "user", "content": TEXT}]


def openai_client(key="own", kind=openai.OpenAI, **more):
    return kind(base_url=f"{URL}/v1", api_key=KEYS.get(key, key), **more)


def anthropic_client(key="own", kind=anthropic.Anthropic, **more):
    return kind(base_url=URL, api_key=KEYS.get(key, key), **more)


# Strict about every field that they know. OpenAI itself is not: its vectors come as base64, and finish reasons in a text
# completion's stream are null.
ours = openai_client(_strict_response_validation=True)
lenient = openai_client()
theirs = anthropic_client(_strict_response_validation=True)


def said(text):
    return [{"role": "user", "content": text}]


def recording():
    return ("a.mp3", io.BytesIO(bytes(40_000)))


def chat():
    answer = ours.chat.completions.create(model="small", messages=MESSAGES, n=2)
    assert answer.usage.prompt_tokens == 1000 and answer.usage.completion_tokens == 54, answer.usage
    assert answer.usage.prompt_tokens_details.cached_tokens == 400
    assert len(answer.choices) == 2 and answer.choices[0].finish_reason == "stop"

    chunks = list(ours.chat.completions.create(model="small", messages=MESSAGES, stream=True))
    assert sum(1 for chunk in chunks for choice in chunk.choices if choice.delta.content) == 20
    assert all(chunk.choices and chunk.usage is None for chunk in chunks), "nobody asked for usage"
    asked = {"include_usage": True}
    chunks = list(ours.chat.completions.create(model="small", messages=MESSAGES, stream=True, stream_options=asked))
    assert chunks[-1].usage.completion_tokens == 27 and chunks[-1].choices == []
    assert all(chunk.choices and chunk.usage is None for chunk in chunks[:-1])
    asked = {"include_usage": False}
    chunks = list(ours.chat.completions.create(model="small", messages=MESSAGES, stream=True, stream_options=asked))
    assert all(chunk.choices for chunk in chunks)
    with ours.chat.completions.stream(model="small", messages=MESSAGES) as stream:
        assert len(stream.get_final_completion().choices[0].message.content.split()) == 20
    # A call that the provider fails once is tried again by the client, and counts once.
    assert ours.chat.completions.create(model="small", messages=said("again [[status=500 times=1]]")).choices


def completions():
    answer = ours.completions.create(model="small", prompt=["one", "two"], max_tokens=3)
    assert answer.choices[1].finish_reason == "length" and answer.usage.completion_tokens == 6
    chunks = list(lenient.completions.create(model="small", prompt=TEXT, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks).split()[:2] == ["the", "of"]
    assert all(chunk.choices for chunk in chunks)
    asked = {"include_usage": True}
    chunks = list(lenient.completions.create(model="small", prompt=TEXT, stream=True, stream_options=asked))
    assert chunks[-1].usage.completion_tokens == 27 and chunks[-1].choices == []


def responses():
    answer = ours.responses.create(model="large", input=TEXT, instructions="be kind")
    assert answer.usage.input_tokens_details.cached_tokens == 400 and answer.usage.total_tokens == 1027
    answer = ours.responses.create(model="large", input=said("a b"), max_output_tokens=4)
    assert answer.status == "incomplete" and answer.usage.input_tokens == 5, answer
    events = list(ours.responses.create(model="large", input=TEXT, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].type == "response.completed" and events[-1].response.usage.output_tokens == 27
    with ours.responses.stream(model="large", input=TEXT) as stream:
        assert len(stream.get_final_response().output_text.split()) == 20


def embeddings():
    answer = lenient.embeddings.create(model="embed", input=["one two", "three"])
    assert answer.usage.prompt_tokens == 3 and len(answer.data[1].embedding) == 1536
    numbers = ours.embeddings.create(model="embed", input=["one two"], encoding_format="float", dimensions=8)
    assert abs(sum(number * number for number in numbers.data[0].embedding) - 1) < 1e-6


def transcriptions():
    answer = ours.audio.transcriptions.create(model="listen", file=recording(), prompt="two words")
    assert answer.usage.type == "tokens" and answer.usage.input_tokens == 32, answer.usage
    events = list(ours.audio.transcriptions.create(model="listen", file=recording(), stream=True))
    assert len(events) == 17 and events[-1].usage.output_tokens == 16
    answer = ours.audio.transcriptions.create(model="whisper-1", file=recording(), response_format="verbose_json")
    assert answer.duration == 2.5 and answer.usage.seconds == 3
    for form in ["text", "srt", "vtt"]:
        text = ours.audio.transcriptions.create(model="whisper-1", file=recording(), response_format=form)
        assert "the of and" in text, text


def translations():
    assert ours.audio.translations.create(model="whisper-1", file=recording()).text
    answer = ours.audio.translations.create(model="whisper-1", file=recording(), response_format="verbose_json")
    assert answer.duration == 2.5


def speech():
    sound = ours.audio.speech.create(model="speak", voice="alloy", input="hello [[tokens=5]]").read()
    assert len(sound) == 5 * 417 and sound[:2] == b"\xff\xfb"
    asked = {"model": "speak", "voice": "alloy", "input": "hello", "response_format": "wav"}
    with ours.audio.speech.with_streaming_response.create(**asked) as response:
        assert response.headers["content-type"] == "audio/wav"
        sound = b"".join(response.iter_bytes())
    assert sound[:4] == b"RIFF" and len(sound) == 44 + 16 * 960
    asked = {"model": "speak-events", "voice": "alloy", "input": "two words", "stream_format": "sse"}
    with ours.audio.speech.with_streaming_response.create(**asked) as response:
        told = [json.loads(line[6:]) for line in response.iter_lines() if line.startswith("data: ")]
    assert len(told) == 17 and told[-1]["usage"]["input_tokens"] == 2, told[-1]


def images():
    answer = ours.images.generate(model="draw", prompt="a cat please", n=2)
    assert len(answer.data) == 2 and answer.usage.output_tokens == 32 and answer.usage.input_tokens == 3
    events = list(ours.images.generate(model="draw", prompt="a cat please", stream=True))
    assert [event.type for event in events] == ["image_generation.completed"]


def models():
    expected = {"small", "large", "embed", "listen", "whisper-1", "speak", "speak-events", "draw", "claude-small"}
    assert {model.id for model in ours.models.list()} == expected | {"acme/tiny"}
    assert ours.models.retrieve("small").id == "small"
    assert ours.models.retrieve("acme/tiny").owned_by == "stand-in"
    assert refused(ours, openai.NotFoundError, lambda client: client.models.retrieve("other")).code == "model_not_found"
    assert expected < {model.id for model in theirs.models.list()}
    assert theirs.models.retrieve("claude-small").id == "claude-small"
    refused(theirs, anthropic.NotFoundError, lambda client: client.models.retrieve("other"))


def messages():
    asked = {"model": "claude-small", "max_tokens": 100, "messages": MESSAGES, "system": "be kind"}
    answer = theirs.messages.create(**asked)
    usage = answer.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (590, 400, 10)
    assert usage.output_tokens == 27 and answer.stop_reason == "end_turn"
    answer = theirs.messages.create(**{**asked, "max_tokens": 9})
    assert answer.stop_reason == "max_tokens" and answer.usage.output_tokens == 9
    events = list(theirs.messages.create(**asked, stream=True))
    assert events[0].message.usage.input_tokens == 590 and events[-2].usage.output_tokens == 27
    with theirs.messages.stream(**asked) as stream:
        final = stream.get_final_message()
    assert final.usage.output_tokens == 27 and len(final.content[0].text.split()) == 20
    # The key goes as a bearer token too.
    bearer = anthropic.Anthropic(base_url=URL, auth_token=KEYS["own"], api_key=None)
    assert bearer.messages.create(**asked).usage.output_tokens == 27


def asynchronous():
    async def all_at_once():
        client, other = openai_client(kind=openai.AsyncOpenAI), anthropic_client(kind=anthropic.AsyncAnthropic)

        async def plain(number):
            asked = said(f"number {number} [[tokens={number}]]")
            answer = await client.chat.completions.create(model="small", messages=asked)
            assert answer.usage.completion_tokens == number

        async def streamed():
            stream = await client.chat.completions.create(model="small", messages=MESSAGES, stream=True)
            assert len([chunk async for chunk in stream if chunk.choices[0].delta.content]) == 20

        async def message():
            async with other.messages.stream(model="claude-small", max_tokens=50, messages=MESSAGES) as stream:
                assert (await stream.get_final_message()).usage.output_tokens == 27

        await asyncio.gather(*(plain(number) for number in range(1, 17)), streamed(), streamed(), message())

    asyncio.run(all_at_once())


def headers():
    asked = {"model": "small", "messages": said("hi [[prompt_tokens=1000 tokens=20]]")}
    first = ours.chat.completions.with_raw_response.create(**asked)
    second = ours.chat.completions.with_raw_response.create(**asked)
    left = [int(raw.headers["x-ratelimit-remaining-requests"]) for raw in [first, second]]
    assert left[0] == left[1] + 1 and int(second.headers["x-ratelimit-limit-requests"]) == 10_000, left
    left = [int(raw.headers["x-ratelimit-remaining-tokens"]) for raw in [first, second]]
    assert left[0] == left[1] + 1_020, left
    # 1,000 at 0.10 and 20 at 0.40 dollars a million, and 5 % more.
    assert second.headers["tollway-cost"] == "0.0001134" and second.headers["tollway-counts"] == "reported"
    assert second.headers["tollway-event"].startswith("evt_")
    assert first.headers["tollway-event"] != second.headers["tollway-event"]
    assert second.parse().usage.total_tokens == 1020 and second.parse()._request_id == second.headers["x-request-id"]
    assert "openai-organization" not in second.headers, "the operator's own account is nobody's business"
    # A stream tells its cost in a comment, which clients skip, before its end.
    with ours.chat.completions.with_streaming_response.create(**asked, stream=True) as response:
        assert int(response.headers["x-ratelimit-remaining-requests"]) == int(left_of(second)) - 1
        lines = [line for line in response.iter_lines() if line]
    assert lines[-1] == "data: [DONE]" and lines[-2].startswith(": tollway event=evt_"), lines[-2:]
    assert "cost=0.0001134 counts=reported" in lines[-2], lines[-2]
    raw = theirs.messages.with_raw_response.create(model="claude-small", max_tokens=9, messages=said("hi"))
    assert raw.headers["tollway-event"].startswith("evt_") and raw.headers["tollway-counts"] == "reported"


def left_of(raw):
    return raw.headers["x-ratelimit-remaining-requests"]


def answers():
    parts = [chat, completions, responses, embeddings, transcriptions, translations, speech, images, models, messages]
    for part in [*parts, asynchronous, headers]:
        part()


def refused(client, error, call):
    try:
        call(client)
    except error as caught:
        return caught
    raise AssertionError(f"{error.__name__} did not come")


def ask(text, model="small", **more):
    return lambda client: client.chat.completions.create(model=model, messages=said(text), **more)


def tell(text, model="claude-small", **more):
    return lambda client: client.messages.create(model=model, messages=said(text), **{"max_tokens": 9, **more})


def kind_of(error):
    return error.body["error"]["type"]


def free_plan():
    """On the plan `free` of the starter catalog: what a customer meets who has bought nothing."""
    wrong = refused(openai_client("wrong"), openai.AuthenticationError, ask("hi"))
    assert (wrong.code, wrong.type) == ("invalid_api_key", "invalid_request_error")
    wrong = refused(anthropic_client("wrong"), anthropic.AuthenticationError, tell("hi"))
    assert kind_of(wrong) == "authentication_error" and wrong.body["request_id"] == wrong.request_id

    outside = refused(openai_client(), openai.PermissionDeniedError, ask("hi", "large"))
    assert (outside.code, outside.param, outside.body["suggested_plan"]) == ("model_not_allowed", "model", "pro")
    assert outside.response.headers["x-upgrade-url"] == outside.body["upgrade_url"]
    outside = refused(anthropic_client(), anthropic.PermissionDeniedError, tell("hi", "claude-opus-5-5"))
    assert kind_of(outside) == "permission_error" and outside.body["error"]["code"] == "model_not_allowed"
    listed = {model.id for model in openai_client().models.list()}
    assert "small" in listed and "large" not in listed, listed

    # Nothing of a quota comes back in the time that a client waits, so it does not try again.
    spent = refused(openai_client("spent"), openai.RateLimitError, ask("hi"))
    assert (spent.code, spent.type, spent.body["meter"]) == ("insufficient_quota", "insufficient_quota", "requests")
    assert (spent.body["limit"], spent.body["remaining"], spent.body["suggested_plan"]) == (1000, 0, "pro")
    assert spent.response.headers["x-should-retry"] == "false" and "retry-after" in spent.response.headers
    spent = refused(anthropic_client("spent"), anthropic.RateLimitError, tell("hi", "claude-haiku-4-5"))
    assert kind_of(spent) == "rate_limit_error" and spent.body["error"]["code"] == "insufficient_quota"

    # On a plan with every model, and with a price for those that the catalog does not name, the provider says so.
    unknown = refused(openai_client("pro"), openai.NotFoundError, ask("hi", "no-such-model"))
    assert unknown.code == "model_not_found"
    refused(anthropic_client("pro"), anthropic.NotFoundError, tell("hi", "no-such-model"))


def refusals():
    """With a catalog that refuses models it does not know."""
    unknown = refused(ours, openai.NotFoundError, ask("hi", "other"))
    assert (unknown.code, unknown.param) == ("model_not_found", "model") and "`other`" in unknown.message
    unknown = refused(theirs, anthropic.NotFoundError, tell("hi", "other"))
    assert kind_of(unknown) == "not_found_error"

    bad = refused(ours, openai.BadRequestError, ask("hi", max_tokens="many"))
    assert bad.param == "max_tokens" and "`max_tokens`" in bad.message, bad
    bad = refused(ours, openai.BadRequestError, ask("hi", extra_headers={"Tollway-Metadata": "[]"}))
    assert bad.param == "tollway-metadata", bad
    bad = refused(ours, openai.BadRequestError, lambda client: client.chat.completions.create(model=None, messages=MESSAGES))
    assert bad.param == "model", bad
    bad = refused(theirs, anthropic.BadRequestError, tell("hi", max_tokens=-1))
    assert kind_of(bad) == "invalid_request_error" and bad.body["error"]["param"] == "max_tokens"
    # What the provider objects to is told as it says it.
    assert "There is no directive" in refused(ours, openai.BadRequestError, ask("[[speed=9]]")).message

    # An address that is not there is told in the provider's form too.
    absent = refused(ours, openai.NotFoundError, lambda client: client.moderations.create(input="hi"))
    assert absent.code == "no_such_route" and "/docs" in absent.message, absent
    absent = refused(theirs, anthropic.NotFoundError, lambda client: client.messages.count_tokens(model="small", messages=MESSAGES))
    assert kind_of(absent) == "not_found_error" and absent.request_id
    wrong = refused(ours, openai.APIStatusError, lambda client: client.chat.completions.list())
    assert (wrong.status_code, wrong.code, wrong.response.headers["allow"]) == (405, "method_not_allowed", "POST")

    # A key that may not call models, an account that is suspended, a service key that names no account.
    limited = refused(openai_client("reader"), openai.PermissionDeniedError, ask("hi"))
    assert limited.code == "insufficient_scope" and "models:call" in limited.message
    suspended = refused(openai_client("suspended"), openai.PermissionDeniedError, ask("hi"))
    assert suspended.code == "account_suspended", suspended
    unnamed = refused(openai_client("service"), openai.BadRequestError, ask("hi"))
    assert unnamed.code == "account_not_named" and "Tollway-External-Id" in unnamed.message, unnamed

    # Twice a minute for each account; the third call is told when to come back.
    hasty = openai_client("hasty", max_retries=0)
    for _ in range(2):
        hasty.embeddings.create(model="embed", input="hi")
    limited = refused(hasty, openai.RateLimitError, lambda client: client.embeddings.create(model="embed", input="hi"))
    assert (limited.code, limited.type) == ("rate_limit_exceeded", "requests")
    assert limited.response.headers["x-should-retry"] == "true"
    assert 1 <= int(limited.response.headers["retry-after"]) <= 60
    limited = refused(anthropic_client("hasty", max_retries=0), anthropic.RateLimitError, tell("hi"))
    assert kind_of(limited) == "rate_limit_error"

    # Two tries more, by the client's own rule.
    failed = refused(ours, openai.InternalServerError, lambda client: client.responses.create(model="large", input="[[status=500]]"))
    assert failed.code == "upstream_error" and failed.status_code == 502
    failed = refused(anthropic_client(max_retries=0), anthropic.InternalServerError, tell("[[status=529]]"))
    assert kind_of(failed) == "api_error"
    broken = openai_client(max_retries=0)
    failed = refused(broken, openai.InternalServerError, ask("[[fault=refuse]]"))
    assert failed.code == "upstream_unreachable"
    # The provider's limits and the operator's key are no customer's affair.
    failed = refused(broken, openai.InternalServerError, ask("[[status=429 retry_after=7]]"))
    assert (failed.code, failed.response.headers["retry-after"]) == ("upstream_rate_limited", "7")
    failed = refused(broken, openai.InternalServerError, ask("[[status=401]]"))
    assert failed.code == "upstream_unauthorized", failed
    # A stream that fails before its first word costs nothing; the client raises what the event says.
    stream = ask("[[fault=error after=0]]", stream=True)(broken)
    assert "server had an error" in refused(stream, openai.APIError, list).message


def received(stream):
    """What came of a stream before its error, and the error."""
    pieces = []
    try:
        for piece in stream:
            pieces.append(piece)
    except (openai.APIError, anthropic.APIError) as error:
        return pieces, error
    raise AssertionError("the stream ended well")


def broken_streams():
    """Streams that break off in the middle: the client is told, as its API tells errors."""
    # First, when counting takes longest: at the provider's own error the client hangs up before it is charged.
    chunks, error = received(ask("[[tokens=40 fault=error after=6]]", stream=True)(ours))
    assert sum(1 for chunk in chunks if chunk.choices[0].delta.content) == 6 and "server had an error" in error.message
    chunks, error = received(ask("[[tokens=40 fault=cut after=5]]", stream=True)(ours))
    assert sum(1 for chunk in chunks if chunk.choices[0].delta.content) == 5
    assert error.code == "upstream_broke_off" and "broke off" in error.message, error
    events = list(ours.responses.create(model="large", input="[[tokens=40 fault=cut after=7]]", stream=True))
    assert sum(event.type == "response.output_text.delta" for event in events) == 7
    assert (events[-1].type, events[-1].code) == ("error", "upstream_broke_off"), events[-1]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    events, error = received(tell("[[tokens=40 fault=cut after=8]]", max_tokens=50, stream=True)(theirs))
    assert sum(event.type == "content_block_delta" for event in events) == 8 and "broke off" in str(error), error


def context():
    """What a client tells of its calls beside the prompt."""
    told = {"Tollway-Conversation": "c-1", "Tollway-Agent": "writer", "Tollway-User": "ada"}
    headed = ours.chat.completions.with_raw_response.create(
        model="small", messages=MESSAGES, user="user-42", metadata={"ticket": "7"}, extra_headers=told
    )
    plain = ours.responses.with_raw_response.create(
        model="small", input="hi", safety_identifier="user-43", metadata={"conversation": "c-2", "resource_id": "r-9"}
    )
    more = {"Tollway-Metadata": '{"ticket": 8}', "Tollway-End-User": "user-45"}
    message = theirs.messages.with_raw_response.create(
        model="claude-small", max_tokens=9, messages=said("hi"), metadata={"user_id": "user-44"}
    )
    upload = ours.audio.transcriptions.with_raw_response.create(model="listen", file=recording(), extra_headers=more)
    # A backend with the platform's key names its customer.
    platform = openai_client("service", default_headers={"Tollway-External-Id": "of-the-app"})
    other = platform.embeddings.with_raw_response.create(model="embed", input="hi", user="user-46")
    raws = {"headed": headed, "plain": plain, "message": message, "upload": upload, "other": other}
    return {name: raw.headers["tollway-event"] for name, raw in raws.items()}


PARTS = {"answers": answers, "free_plan": free_plan, "refusals": refusals, "broken_streams": broken_streams, "context": context}
print(json.dumps(PARTS[CALLED["part"]]()))
