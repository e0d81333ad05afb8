import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ScaledClock } from './scaled-clock.ts';

test('model time passes by itself, and waits end in the order in which they are due', async () => {
  const clock = new ScaledClock(1000);
  const order: string[] = [];
  clock.after(3000, () => order.push('third'));
  clock.after(1000, () => order.push('first'));
  clock.after(2000, () => order.push('second'));
  await clock.sleep(4000);
  expect(order).toEqual(['first', 'second', 'third']);
  expect(clock.now()).toBeGreaterThanOrEqual(4000);
});

test('what is disposed of never fires, and holds up nothing behind it', async () => {
  const clock = new ScaledClock(1000);
  const fired: string[] = [];
  const gone = clock.after(100, () => fired.push('gone'));
  const other = clock.after(200, () => fired.push('other'));
  clock.after(300, () => other[Symbol.dispose]());
  gone[Symbol.dispose]();
  await clock.sleep(500);
  expect(fired).toEqual(['other']);
});

test('a recurring call keeps its phase however late it is, until it is disposed of', async () => {
  const clock = new ScaledClock(1000);
  const times: number[] = [];
  const timer = clock.every(1000, 500, () => {
    times.push(clock.now());
    if (times.length === 3) timer[Symbol.dispose]();
  });
  await clock.sleep(6000);
  expect(times.map((time, index) => time >= 500 + index * 1000)).toEqual([true, true, true]);
});

test('a wait of nothing that asks for another does not keep the process from anything else', async () => {
  const clock = new ScaledClock();
  let turns = 0;
  let asks = true;
  const again = () => {
    turns++;
    if (asks) clock.after(0, again);
  };
  again();
  await new Promise((resolve) => setImmediate(resolve));
  await clock.sleep(2);
  expect(turns).toBeGreaterThan(1);
  asks = false;
});

test('a wait is interrupted as soon as its signal says so', async () => {
  const controller = new AbortController();
  const wait = new ScaledClock(1).sleep(1_000_000, controller.signal);
  controller.abort();
  await expect(wait).rejects.toThrow('interrupted');
});

test('a wait that was disposed of does not keep the process alive until it would have been due', () => {
  const program = `import { ScaledClock } from ${JSON.stringify(join(import.meta.dirname, 'scaled-clock.ts'))};
    const clock = new ScaledClock();
    const timer = clock.after(3_600_000, () => {});
    await clock.sleep(1);
    timer[Symbol.dispose]();`;
  execFileSync(process.execPath, ['--input-type=module', '--eval', program], { timeout: 30_000 });
});
