"""Conversations in chat templates as Jinja writes them out: templates in the manner of the families' own, and of everything that is read.

    peers/bin/pip install jinja2
    peers/bin/python scripts/goldens/chat_templates.py >Tests/TokenizationTests/Goldens/chat_templates.json

The environment is the one of transformers (sandboxed, trim_blocks, lstrip_blocks), without a clock and without tools. With folders of
.jinja files as arguments it renders those instead: for models whose templates are not ours to keep.
"""
import json
import sys
from pathlib import Path

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

TEMPLATES = {
    "chatml": """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
Be brief.<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}""",
    "llama3": """{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "1 Feb 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}

{#- The system message goes first, whether there is one or not. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
    {%- endfor %}
{%- endif %}
{{- "Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("One call at a time.") }}
        {%- endif %}
    {%- elif message.content is mapping or message.content is iterable %}
        {{- message.content | tojson }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
""",
    "qwen2": """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nBe of help.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
""",
    "qwen3": """{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(searching=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.searching and message.role == "user" and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.searching = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set content = message.content %}
        {%- set thought = '' %}
        {%- if message.reasoning_content is defined and message.reasoning_content is not none %}
            {%- set thought = message.reasoning_content %}
        {%- elif '</think>' in message.content %}
            {%- set content = message.content.split('</think>')[-1].lstrip('\\n') %}
            {%- set thought = message.content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last and (loop.last or (not loop.last and thought)) %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}""",
    "mistral": """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("Roles take turns: user, assistant, user ...") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if message == user_messages[-1] and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"] + eos_token}}
    {%- endif %}
{%- endfor %}
""",
    "deepseek": """{% if not add_generation_prompt is defined %}
{% set add_generation_prompt = false %}
{% endif %}
{% set ns = namespace(is_first=false, is_tool=false, system_prompt='') %}
{%- for message in messages %}
{%- if message['role'] == 'system' %}
{% set ns.system_prompt = message['content'] %}
{%- endif %}
{%- endfor %}
{{bos_token}}
{{ns.system_prompt}}
{%- for message in messages %}
{%- if message['role'] == 'user' %}
{%- set ns.is_tool = false -%}
{{'<\uff5cUser\uff5c>' + message['content']}}
{%- endif %}
{%- if message['role'] == 'assistant' and message['content'] is not none %}
{%- if ns.is_tool %}
{{'<outputs>' + message['content']}}
{%- set ns.is_tool = false -%}
{%- else %}
{% set content = message['content'] %}
{% if '</think>' in content %}
{% set content = content.split('</think>')[-1] %}
{% endif %}
{{'<\uff5cAssistant\uff5c>' + content + '<\uff5cend\u2581of\u2581sentence\uff5c>'}}
{%- endif %}
{%- endif %}
{%- endfor -%}
{% if ns.is_tool %}
{{'<outputs end>'}}
{% endif %}
{% if add_generation_prompt and not ns.is_tool %}
{{'<\uff5cAssistant\uff5c><think>\\n'}}
{% endif %}""",
    "spaces": """  {% set a = 1 %}
  text {# a comment #}
\t{# one on its line #}
{%- if a %}   kept {%+ if true %} x {% endif -%}
   {{- ' y ' -}}   z
{% endif %}
  {% for message in messages -%}
  [{{ message.role }}]
  {%- endfor +%}

end
""",
    "words": """{% for message in messages if message.role != 'assistant' %}{{ loop.index }}/{{ loop.length }}{{ '' if loop.last else ',' }}{% else %}nobody{% endfor %}
{{ messages | map_missing if false else 'ok' }} {{ (1 + 2 * 3 - 7 // 2) % 4 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 'a' ~ 1 ~ none ~ true }}
{{ [1, 2] + [3] | list == [1, 2, 3] }} {{ 'b' in 'abc' }} {{ 'd' not in 'abc' }} {{ 'x' is string and 3 is number and nothing is undefined }}
{{ missing | default('none given') }} {{ ['p', 'q'] | join('-') }} {{ ' t ' | trim | upper | length }} {{ 'abc'[::-1] }}{{ 'abc'[1:] }}{{ 'abc'[:-1] }}{{ 'abc'[-1] }}
{{ "it's \\"so\\" \\u00e9" }} {{ 'one' 'two' }} {{ 'a-b-c'.replace('-', '+') }} {% for k, v in messages[0].items() %}{{ k }};{% endfor %}
{{ messages[0].get('role') }} {{ messages | first == messages[0] }} {{ missing }}{{ 1 < 2 and not 2 <= 1 }} {% for i in range(3) %}{{ i }}{% endfor %}
{%- set x = 1 %}{% for i in [5] %}{% set x = i %}{{ x }}{% endfor %}{{ x }}""",
}

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"
CONVERSATIONS = [
    [(USER, "What is sepsis?")],
    [(USER, "  Hb 9.1 g/dL \n\n")],
    [(SYSTEM, " You extract problems.\n"), (USER, "Caf\u00e9 \u4e2d\u6587 <|im_end|>")],
    [(SYSTEM, "You extract problems."), (USER, "What is sepsis?"), (ASSISTANT, "ok"), (USER, "more 12")],
    [(USER, "a"), (ASSISTANT, "<think>\nwell\n</think>\n\nyes\n")],
    [(USER, "a"), (USER, "b")],
    [(ASSISTANT, "c")],
]


class Refused(Exception):
    pass


def refuse(reason):
    raise Refused(reason)


def main():
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = refuse
    environment.filters["map_missing"] = lambda value: value
    templates = dict(TEMPLATES)
    if len(sys.argv) > 1:
        templates = {path.stem: path.read_text() for folder in sys.argv[1:] for path in sorted(Path(folder).glob("*.jinja"))}
    out = []
    for name, source in templates.items():
        template = environment.from_string(source)
        cases = []
        for conversation in CONVERSATIONS:
            messages = [{"role": role, "content": content} for role, content in conversation]
            for opens in [True, False]:
                try:
                    text = template.render(messages=messages, add_generation_prompt=opens, enable_thinking=False, bos_token="<s>",
                                           eos_token="</s>")
                except Refused:
                    text = None
                cases.append({"messages": messages, "add_generation_prompt": opens, "text": text})
        out.append({"name": name, "template": source, "cases": cases})
    json.dump({"made_with": f"jinja2 {jinja2.__version__}", "templates": out}, sys.stdout, indent=1, sort_keys=True)
    print()


main()
