"""Parses gcloud command lines with gcloud's own parser and runs none: one JSON array of words a line on standard input,
one line of JSON on standard output for each, {"ok": true} or {"ok": false, "why": ...}. Needs no network and no login."""
import io
import json
import os
import sys

library = os.path.join(sys.argv[1], 'lib')
sys.path[:0] = [library, os.path.join(library, 'third_party')]
# gcloud keeps the stream that it finds when it is imported.
said = sys.stderr = io.StringIO()

from googlecloudsdk import gcloud_main  # noqa: E402

# Calliope keeps its parser to itself; executing is the only public way in, and that would leave the machine.
parser = gcloud_main.CreateCLI([])._CLI__parser


def answer(words):
    try:
        parser.parse_args(words)
        return {'ok': True}
    except (Exception, SystemExit) as error:  # pylint: disable=broad-except
        first = said.getvalue().split('Usage:')[0].strip()
        return {'ok': False, 'why': first or f'{type(error).__name__}: {error}'}


loaded = set()
for line in sys.stdin:
    words = json.loads(line)
    # A command is loaded when it is first parsed: once for all, here.
    if tuple(words[:3]) not in loaded:
        loaded.add(tuple(words[:3]))
        answer([*words[:3], '--no-such-flag'])
        said.seek(0)
        said.truncate()
    # A process each, as in life: some flags remember that they were given.
    child = os.fork()
    if child == 0:
        print(json.dumps(answer(words)), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
