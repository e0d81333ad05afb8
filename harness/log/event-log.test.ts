import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { EventLog } from './event-log.ts';

function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'onedrop-log-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}
const note = (text: string) => ({ at: 1, type: 'note', text }) as const;

test('without a buffer every event is on disk before append returns', () => {
  const path = join(folder(), 'events.jsonl');
  const log = new EventLog(path);
  log.append(note('kept, even if the harness is killed now'));
  expect(readFileSync(path, 'utf8')).toBe(
    '{"at":1,"type":"note","text":"kept, even if the harness is killed now"}\n',
  );
  log[Symbol.dispose]();
});

test('a buffered log holds back no more than its buffer and writes the rest when it is closed', () => {
  const path = join(folder(), 'events.jsonl');
  {
    using log = new EventLog(path, 100);
    for (let index = 0; index < 10; index++) log.append(note(`event ${index}`));
    expect(readFileSync(path, 'utf8').split('\n').length - 1).toBeGreaterThan(5);
  }
  expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(11);
});

test('an existing log is never written over', () => {
  const path = join(folder(), 'events.jsonl');
  new EventLog(path)[Symbol.dispose]();
  expect(() => new EventLog(path)).toThrow(/EEXIST/);
});
