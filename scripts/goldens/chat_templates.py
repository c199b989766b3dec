"""Chat templates as Jinja renders them: templates with the constructs of the families' own, and every other supported construct.

    peers/bin/pip install jinja2
    peers/bin/python scripts/goldens/chat_templates.py >Tests/ChatTemplatesTests/Goldens/chat_templates.json

The environment is the one of transformers (sandboxed, trim_blocks, lstrip_blocks), without a clock and without tools. With folders of
.jinja files as arguments it renders those instead: for models whose templates we may not distribute.
"""
import json
import sys
from pathlib import Path

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

TEMPLATES = {
    "marked-turns": """{% for turn in messages %}{{ '<|im_start|>' ~ turn['role'] ~ '\\n' }}{{ turn['content'] + '<|im_end|>\\n' }}{% if loop.first and turn['role'] != 'system' %}{{ '(no instruction was given)
' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}""",
    "headed-turns": """{#- What the first line says depends on what the caller knows. -#}
{{- bos_token }}
{%- if extras is defined %}
    {%- set offered = extras %}
{%- elif not offered is defined %}
    {%- set offered = none %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set opening = messages[0]['content'] | trim %}
    {%- set rest = messages[1:] %}
{%- else %}
    {%- set opening = 'Day ' + ('unknown' if today is not defined else today('%d')) %}
    {%- set rest = messages %}
{%- endif %}
{{- '# ' + opening + '\\n' }}
{%- if offered is not none %}
    {%- for one in offered %}
        {{- one | tojson(indent=4) }}
    {%- endfor %}
{%- endif %}
{%- for turn in rest %}
    {%- if 'calls' in turn %}
        {%- if not turn.calls | length == 1 %}
            {{- raise_exception('Only a single call is understood.') }}
        {%- endif %}
    {%- elif not (turn.role == 'tool' or turn.role == 'function') %}
        {{- '## ' + turn['role'] + '\\n\\n' + turn['content'] | trim + '<end>' }}
    {%- elif turn.content is mapping or turn.content is iterable %}
        {{- turn.content | tojson }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '## assistant\\n\\n' }}
{%- endif %}
""",
    "last-question": """{%- set seen = namespace(open=true, place=0) %}
{%- for turn in messages[::-1] %}
    {%- if seen.open and turn.role == 'user' and not (turn.content.startswith('<note>') and turn.content.endswith('</note>')) %}
        {%- set seen.place = messages | length - loop.index %}
        {%- set seen.open = false %}
    {%- endif %}
{%- endfor %}
{%- for turn in messages %}
    {%- if turn.role == 'assistant' %}
        {%- set said = turn.content %}
        {%- set reason = turn.reason if turn.reason is defined and turn.reason is not none else '' %}
        {%- if reason == '' and '</think>' in said %}
            {%- set reason = said.split('</think>')[0].split('<think>')[-1].rstrip('\\n').lstrip('\\n') %}
            {%- set said = said.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {{- '<a>' + (('{' + reason.strip('\\n') + '} ') if loop.index0 > seen.place and (loop.last or reason) else '') + said + '</a>' }}
    {%- elif turn.role == 'user' or (turn.role == 'system' and loop.index0 == 0) %}
        {%- if loop.index0 == 0 or messages[loop.index0 - 1].role != 'user' %}
            {{- '<q>' }}
        {%- endif %}
        {{- turn.content + '</q>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<a>' + ('{} ' if enable_thinking is defined and enable_thinking is false else '') }}
{%- endif %}""",
    "strict-pairs": """{%- set first = messages[0] %}
{%- set turns = messages[1:] if first['role'] == 'system' else messages %}
{%- set questions = turns | selectattr('role', 'equalto', 'user') | list %}
{%- set count = namespace() %}
{%- set count.number = 0 %}
{%- for turn in turns %}
    {%- if turn.calls is defined and turn.calls is not none %}
        {{- raise_exception('Calls are not known here.') }}
    {%- endif %}
    {%- if (count.number % 2 == 0) != (turn['role'] == 'user') %}
        {{- raise_exception('A question, an answer, a question, and so on.') }}
    {%- endif %}
    {%- set count.number = count.number + 1 %}
{%- endfor %}
{{- bos_token }}
{%- for turn in turns %}
    {%- if turn['role'] == 'assistant' %}
        {{- ' ' + turn['content'] + eos_token }}
    {%- elif turn == questions[-1] and first['role'] == 'system' %}
        {{- '[Q] ' + first['content'] + '\\n\\n' + turn['content'] + '[/Q]' }}
    {%- else %}
        {{- '[Q] ' + turn['content'] + '[/Q]' }}
    {%- endif %}
{%- endfor %}
""",
    "loose-lines": """{% if add_generation_prompt is not defined %}
{% set add_generation_prompt = true %}
{% endif %}
{% set all = namespace(rules='', inside=false) %}
{%- for turn in messages %}
{%- if turn['role'] == 'system' %}
{% set all.rules = all.rules + turn['content'] %}
{%- endif %}
{%- endfor %}
{{bos_token}}
{{all.rules}}
{%- for turn in messages %}
{%- if turn['role'] == 'user' %}
{%- set all.inside = true -%}
{{'<\uff5cQ\uff5c>' + turn['content']}}
{%- elif turn['role'] == 'assistant' and turn['content'] is not none %}
{% set said = turn['content'] %}
{% if '</think>' in said %}
{% set said = said.split('</think>')[-1] %}
{% endif %}
{%- set all.inside = false -%}
{{'<\uff5cA\uff5c>' + said + '<\uff5cend\u2581\uff5c>'}}
{%- endif %}
{%- endfor -%}
{% if all.inside and add_generation_prompt %}
{{'<\uff5cA\uff5c><think>\\n'}}
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
    "marked-answers": """{% for turn in messages %}{% if turn.role == 'assistant' %}{{ '<a>
' }}{%- generation %}{% set said = turn.content -%}
    {{ said + '</a>' }}
{% endgeneration %}{{ said }}{{ '
' }}{% else %}{% generation -%} {{ '<q>' + turn.content + '</q>' }} {%- endgeneration %}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<a>' }}{% endif %}
{{ 1 < 2 < 3 }}{{ 1 < 3 < 2 }}{{ 2 == 2 == 2 }}{{ 3 > 2 != 2 }}{{ 1 == true }}{{ 'a' < 'b' <= 'b' }}{{ 'e\u0301' == '\u00e9' }}
{{ 'x' if false else 'y' if false else 'z' }}{{ not not 2 }}{{ - - 3 }}{{ -2 | string | length }}{{ range(2, 5) | join }}""",
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


class Generation(jinja2.ext.Extension):
    """The block that marks the assistant's words; transformers' own extension parses and renders it in the same way."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("written"), [], [], body).set_lineno(line)

    def written(self, caller):
        return caller()


class Refused(Exception):
    pass


def refuse(reason):
    raise Refused(reason)


def main():
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation])
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
