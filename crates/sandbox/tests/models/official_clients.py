"""The providers' official clients against the stand-in, strict about every field that they know.

Called with the address of the stand-in. Prints `done` when everything held.
"""

import io
import sys

import anthropic
import openai

URL = sys.argv[1]
TEXT = "tell me more [[prompt_tokens=1000 cached=400 cache_write=10 reasoning=7 audio=3 tokens=20]]"
MESSAGES = [{"role": "user", "content": TEXT}]

ours = openai.OpenAI(base_url=f"{URL}/v1", api_key="any", max_retries=0, _strict_response_validation=True)
# For what OpenAI itself sends against its client's types: base64 vectors, and a finish reason that is null in a text
# completion's stream.
lenient = openai.OpenAI(base_url=f"{URL}/v1", api_key="any", max_retries=0)
theirs = anthropic.Anthropic(base_url=URL, api_key="any", max_retries=0, _strict_response_validation=True)


def chat():
    answer = ours.chat.completions.create(model="small", messages=MESSAGES, n=2)
    assert answer.usage.prompt_tokens == 1000 and answer.usage.completion_tokens == 54, answer.usage
    assert answer.usage.prompt_tokens_details.cached_tokens == 400
    assert answer.usage.completion_tokens_details.reasoning_tokens == 14
    assert len(answer.choices) == 2 and answer.choices[0].finish_reason == "stop"

    stream = ours.chat.completions.create(
        model="small", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert sum(1 for chunk in chunks for choice in chunk.choices if choice.delta.content) == 20
    assert chunks[-1].usage.completion_tokens == 27 and chunks[-1].choices == []
    with ours.chat.completions.stream(model="small", messages=MESSAGES) as stream:
        assert len(stream.get_final_completion().choices[0].message.content.split()) == 20


def completions():
    answer = ours.completions.create(model="small", prompt=["one", "two"], max_tokens=3)
    assert answer.choices[1].finish_reason == "length" and answer.usage.completion_tokens == 6
    stream = lenient.completions.create(model="small", prompt=TEXT, stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream).split()[:2] == ["the", "of"]


def responses():
    answer = ours.responses.create(model="small", input=TEXT, instructions="be kind")
    assert answer.usage.input_tokens_details.cached_tokens == 400 and answer.usage.total_tokens == 1027
    assert len(answer.output_text.split()) == 20
    answer = ours.responses.create(model="small", input=[{"role": "user", "content": "a b"}], max_output_tokens=4)
    assert answer.status == "incomplete" and answer.incomplete_details.reason == "max_output_tokens"
    assert answer.usage.input_tokens == 5, answer.usage

    events = list(ours.responses.create(model="small", input=TEXT, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert sum(event.type == "response.output_text.delta" for event in events) == 20
    assert events[-1].type == "response.completed" and events[-1].response.usage.output_tokens == 27
    with ours.responses.stream(model="small", input=TEXT) as stream:
        assert len(stream.get_final_response().output_text.split()) == 20
    events = list(ours.responses.create(model="small", input="[[fault=error after=2]]", stream=True))
    assert [event.type for event in events[-2:]] == ["error", "response.failed"]
    assert [event.sequence_number for event in events] == list(range(len(events)))


def embeddings():
    answer = lenient.embeddings.create(model="embed", input=["one two", "three"])
    assert answer.usage.prompt_tokens == 3 and len(answer.data[1].embedding) == 1536
    numbers = ours.embeddings.create(model="embed", input=["one two"], encoding_format="float", dimensions=8)
    assert abs(sum(number * number for number in numbers.data[0].embedding) - 1) < 1e-6


def audio():
    recording = ("a.mp3", io.BytesIO(bytes(40_000)))
    answer = ours.audio.transcriptions.create(model="listen", file=recording, prompt="two words")
    assert answer.usage.type == "tokens" and answer.usage.input_tokens == 32, answer.usage
    recording = ("a.mp3", io.BytesIO(bytes(40_000)))
    answer = ours.audio.transcriptions.create(model="whisper-1", file=recording, response_format="verbose_json")
    assert answer.duration == 2.5 and answer.usage.seconds == 3 and answer.segments[0].end == 2.5
    for form in ["text", "srt", "vtt"]:
        recording = ("a.mp3", io.BytesIO(bytes(40_000)))
        text = ours.audio.transcriptions.create(model="whisper-1", file=recording, response_format=form)
        assert "the of and" in text, text
    recording = ("a.mp3", io.BytesIO(bytes(40_000)))
    events = list(ours.audio.transcriptions.create(model="listen", file=recording, stream=True))
    assert len(events) == 17 and events[-1].usage.output_tokens == 16
    recording = ("a.mp3", io.BytesIO(bytes(40_000)))
    assert ours.audio.translations.create(model="whisper-1", file=recording).text
    recording = ("a.mp3", io.BytesIO(bytes(40_000)))
    assert ours.audio.translations.create(model="whisper-1", file=recording, response_format="verbose_json").duration
    sound = ours.audio.speech.create(model="speak", voice="alloy", input="hello [[tokens=5]]").read()
    assert len(sound) == 5 * 417 and sound[:2] == b"\xff\xfb"
    sound = ours.audio.speech.create(model="speak", voice="alloy", input="hello", response_format="wav").read()
    assert sound[:4] == b"RIFF" and len(sound) == 44 + 16 * 960


def images():
    answer = ours.images.generate(model="draw", prompt="a cat please", n=2)
    assert len(answer.data) == 2 and answer.usage.output_tokens == 32 and answer.usage.input_tokens == 3
    events = list(ours.images.generate(model="draw", prompt="a cat please", stream=True))
    assert [event.type for event in events] == ["image_generation.completed"]


def models():
    assert {"small", "large", "claude-small"} <= {model.id for model in ours.models.list()}
    assert ours.models.retrieve("any").id == "any"
    assert "claude-small" in {model.id for model in theirs.models.list()}


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
    assert sum(event.type == "content_block_delta" for event in events) == 20
    with theirs.messages.stream(**asked) as stream:
        final = stream.get_final_message()
    assert final.usage.output_tokens == 27 and len(final.content[0].text.split()) == 20
    assert theirs.messages.count_tokens(model="claude-small", messages=[{"role": "user", "content": "a b"}]).input_tokens == 5


def refused(client, error, call):
    try:
        call(client)
    except error as caught:
        return caught
    raise AssertionError(f"{error.__name__} did not come")


def errors():
    def ask(text, model="small"):
        return lambda client: client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}])

    def tell(text, model="claude-small", **more):
        message = [{"role": "user", "content": text}]
        return lambda client: client.messages.create(model=model, max_tokens=9, messages=message, **more)

    wrong = openai.OpenAI(base_url=f"{URL}/v1", api_key="wrong", max_retries=0)
    assert refused(wrong, openai.AuthenticationError, ask("hi")).code == "invalid_api_key"
    assert refused(ours, openai.NotFoundError, ask("hi", "no-such-model")).code == "model_not_found"
    limited = refused(ours, openai.RateLimitError, ask("[[status=429 retry_after=2]]"))
    assert limited.code == "rate_limit_exceeded" and limited.response.headers["retry-after"] == "2"
    assert "There is no directive" in refused(ours, openai.BadRequestError, ask("[[speed=9]]")).message
    refused(ours, openai.InternalServerError, ask("[[fault=error]]"))
    refused(ours, openai.APIConnectionError, ask("[[fault=refuse]]"))
    stream = ours.chat.completions.create(
        model="small", messages=[{"role": "user", "content": "[[fault=error after=3]]"}], stream=True
    )
    assert "server had an error" in refused(stream, openai.APIError, list).message

    wrong = anthropic.Anthropic(base_url=URL, api_key="wrong", max_retries=0)
    assert refused(wrong, anthropic.AuthenticationError, tell("hi")).body["error"]["type"] == "authentication_error"
    refused(theirs, anthropic.NotFoundError, tell("hi", "no-such-model"))
    refused(theirs, anthropic.RateLimitError, tell("[[status=429]]"))
    assert refused(theirs, anthropic.APIStatusError, tell("[[status=529]]")).status_code == 529
    stream = tell("[[fault=error after=3]]", stream=True)(theirs)
    assert "overloaded_error" in str(refused(stream, anthropic.APIStatusError, list))
    # With `times`, only the first call with this prompt fails, and a client that tries again is answered.
    patient = openai.OpenAI(base_url=f"{URL}/v1", api_key="any", max_retries=2)
    assert ask("try [[status=500 times=1]]")(patient).choices


for part in [chat, completions, responses, embeddings, audio, images, models, messages, errors]:
    part()
print("done")
