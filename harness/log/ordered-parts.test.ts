import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Event } from '../contracts/event.ts';
import { OrderedParts } from './ordered-parts.ts';

const note = (at: number, text: string): Event => ({ at, type: 'note', text });

function parts() {
  const directory = mkdtempSync(join(tmpdir(), 'onedrop-parts-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const logged: Event[] = [];
  return { logged, directory, parts: new OrderedParts((event) => logged.push(event), directory) };
}

test('what is recorded at once is logged in the order in which parts were opened', () => {
  const { logged, directory, parts: ordered } = parts();
  const [first, second, third] = [ordered.open(), ordered.open(), ordered.open()];
  third.record(note(1, 'third'));
  second.record(note(1, 'second'));
  first.record(note(1, 'first'));
  expect(logged).toEqual([note(1, 'first')]);
  third.end();
  first.end();
  expect(logged).toEqual([note(1, 'first'), note(1, 'second')]);
  second.record(note(2, 'second, whose turn it is'));
  second.end();
  expect(logged.map((event) => 'at' in event && event.at)).toEqual([1, 1, 2, 1]);
  expect(logged.at(-1)).toEqual(note(1, 'third'));
  expect(readdirSync(directory)).toEqual([]);
});

test('what waits is in a file beside the log, longer than what is read at once, and in any script', () => {
  const { logged, directory, parts: ordered } = parts();
  const [first, second] = [ordered.open(), ordered.open()];
  const events = Array.from({ length: 3000 }, (_, at) => note(at, 'ж漢🙂'.repeat(10)));
  for (const event of events) second.record(event);
  const stored = readFileSync(join(directory, 'events-2.jsonl'), 'utf8').trimEnd().split('\n');
  expect(stored.map((line) => JSON.parse(line))).toEqual(events);
  first.end();
  expect(logged).toEqual(events);
});

test('at the end of a run that broke, nothing that waits is lost', () => {
  const { logged, parts: ordered } = parts();
  ordered.open();
  ordered.open().record(note(1, 'second'));
  ordered.open().record(note(1, 'third'));
  ordered.end();
  expect(logged).toEqual([note(1, 'second'), note(1, 'third')]);
});
