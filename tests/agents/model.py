"""A model on loopback that wants shell commands run, one after the other: the protocols of OpenAI (chat completions and responses),
Anthropic (messages) and Google (generateContent), as far as coding agents need them. It keeps nothing: how far an agent has come it
sees by the results that the conversation holds."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# What agents call the tool that runs a command, in the order in which they are looked for.
SHELLS = ("exec_command", "shell_command", "run_shell_command", "run_commands", "execute_command", "local_shell", "shell", "bash", "Bash")


class Model:
    """What is answered. `commands` are run with the shell of whoever asks; `edit` is the answer to whom has none."""

    def __init__(self, commands, edit):
        self.commands, self.edit, self.asked = commands, edit, []

    def step(self, tools, results):
        """The call that comes next: the tool's name and its arguments, or None where all is done."""
        name = next((name for shell in SHELLS for name in tools if name == shell), None)
        if name is None or results >= len(self.commands):
            return None
        command = self.commands[results]
        wanted = tools[name].get("properties", {})
        required = tools[name].get("required", [])
        key = next((key for key in ("command", "cmd", "commands") if key in wanted), "command")
        kind = wanted.get(key, {}).get("type")
        value = (["bash", "-c", command] if key == "command" else [command]) if kind == "array" else command
        call = {key: value}
        for other in required:
            kind = wanted.get(other, {}).get("type")
            call.setdefault(other, {"boolean": False, "number": 120000, "integer": 120000}.get(kind, "Run a command"))
        return name, call


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer({"object": "list", "data": [{"id": "mock", "object": "model"}], "models": [{"name": "models/mock"}]})

    def do_POST(self):
        length = self.headers.get("Content-Length")
        body = self.rfile.read(int(length)) if length else self.chunked()
        try:
            asked = json.loads(body or b"{}")
        except ValueError:
            asked = {}
        path = self.path.split("?")[0]
        self.model.asked.append((path, asked))
        if path.endswith("/count_tokens") or path.endswith(":countTokens"):
            return self.answer({"input_tokens": 10, "totalTokens": 10})
        for end, speak in (("/messages", self.anthropic), ("/chat/completions", self.chat), ("/responses", self.respond)):
            if path.endswith(end):
                return speak(asked)
        if "enerateContent" in path:
            return self.google(asked, "stream" in path)
        self.answer({})

    def chunked(self):
        body = b""
        while size := int(self.rfile.readline().strip() or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def answer(self, value):
        self.send(json.dumps(value).encode(), "application/json")

    def stream(self, events):
        """Server-sent events, each a pair of its name, or None, and its data."""
        lines = [(f"event: {name}\n" if name else "") + f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n"
                 for name, data in events]
        self.send("".join(lines).encode(), "text/event-stream")

    def send(self, body, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def anthropic(self, asked):
        tools = {tool["name"]: tool.get("input_schema", {}) for tool in asked.get("tools", []) if "name" in tool}
        contents = [one.get("content") for one in asked.get("messages", [])]
        results = sum(part.get("type") == "tool_result" for content in contents if isinstance(content, list) for part in content)
        step = self.model.step(tools, results)
        if step:
            block, stop = {"type": "tool_use", "id": f"toolu_{results}", "name": step[0], "input": step[1]}, "tool_use"
        else:
            block, stop = {"type": "text", "text": self.model.edit}, "end_turn"
        usage = {"input_tokens": 10, "output_tokens": 10}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": asked.get("model", "mock"), "usage": usage}
        if not asked.get("stream"):
            return self.answer({**message, "content": [block], "stop_reason": stop, "stop_sequence": None})
        if step:
            start, delta = {**block, "input": {}}, {"type": "input_json_delta", "partial_json": json.dumps(step[1])}
        else:
            start, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": block["text"]}
        self.stream((event["type"], event) for event in (
            {"type": "message_start", "message": {**message, "content": [], "stop_reason": None, "stop_sequence": None}},
            {"type": "content_block_start", "index": 0, "content_block": start},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": usage},
            {"type": "message_stop"},
        ))

    def chat(self, asked):
        tools = {tool["function"]["name"]: tool["function"].get("parameters", {})
                 for tool in asked.get("tools") or [] if tool.get("type") == "function"}
        results = sum(one.get("role") == "tool" for one in asked.get("messages", []))
        step = self.model.step(tools, results)
        usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
        said = {"role": "assistant", "content": None if step else self.model.edit}
        if step:
            function = {"name": step[0], "arguments": json.dumps(step[1])}
            said["tool_calls"] = [{"index": 0, "id": f"call_{results}", "type": "function", "function": function}]
        stop = "tool_calls" if step else "stop"
        head = {"id": "chat_1", "created": 1, "model": "mock"}
        if not asked.get("stream"):
            choice = {"index": 0, "message": said, "finish_reason": stop}
            return self.answer({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
        chunk = {**head, "object": "chat.completion.chunk"}
        self.stream([
            (None, {**chunk, "choices": [{"index": 0, "delta": said, "finish_reason": None}]}),
            (None, {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": stop}], "usage": usage}),
            (None, "[DONE]"),
        ])

    def respond(self, asked):
        tools = {tool["name"]: tool.get("parameters", {}) for tool in asked.get("tools", []) if tool.get("type") == "function"}
        items = asked.get("input") if isinstance(asked.get("input"), list) else []
        results = sum(item.get("type") == "function_call_output" for item in items)
        step = self.model.step(tools, results)
        if step:
            item = {"type": "function_call", "id": f"fc_{results}", "call_id": f"call_{results}", "name": step[0],
                    "arguments": json.dumps(step[1]), "status": "completed"}
        else:
            item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                    "content": [{"type": "output_text", "text": self.model.edit, "annotations": []}]}
        usage = {"input_tokens": 10, "output_tokens": 10, "total_tokens": 20,
                 "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
        whole = {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "mock", "output": [item],
                 "usage": usage}
        if not asked.get("stream"):
            return self.answer(whole)
        self.stream((event["type"], event) for event in (
            {"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}},
            {"type": "response.output_item.added", "output_index": 0, "item": item},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": whole},
        ))

    def google(self, asked, streams):
        tools = {}
        for tool in asked.get("tools", []):
            for one in tool.get("functionDeclarations", []):
                tools[one["name"]] = one.get("parametersJsonSchema") or one.get("parameters") or {}
        parts = [part for content in asked.get("contents", []) for part in content.get("parts", [])]
        results = sum("functionResponse" in part for part in parts)
        step = self.model.step(tools, results)
        part = {"functionCall": {"name": step[0], "args": step[1]}} if step else {"text": self.model.edit}
        usage = {"promptTokenCount": 10, "candidatesTokenCount": 10, "totalTokenCount": 20}
        candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
        value = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "mock"}
        return self.stream([(None, value)]) if streams else self.answer(value)


def serve(model):
    """Starts it on a free port of loopback, in threads that end with this process."""
    import threading

    handler = type("Handler", (Handler,), {"model": model})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]
