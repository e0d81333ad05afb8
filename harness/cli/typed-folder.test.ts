import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { onedrop, scratch, small } from './cli.fixture.ts';

// npm runs a script in the package's folder and says in INIT_CWD where the command was typed.

test('--out, a run’s name and --config all follow the folder where the command was typed', async () => {
  const typed = scratch();
  const env = { ...process.env, INIT_CWD: typed };
  mkdirSync(join(typed, 'below'));
  const played = await onedrop(small('run'), { env });
  expect(played.code).toBe(0);
  expect(played.out).toMatch(/^run\/report\.html$/m);
  expect(existsSync(join(typed, 'run', 'report.html'))).toBe(true);

  const below = { ...process.env, INIT_CWD: join(typed, 'below') };
  const reported = await onedrop(['report', '../run', '--out', 'again', '--no-png'], { env: below });
  expect(reported).toMatchObject({ code: 0, out: expect.stringMatching(/^again\/report\.html$/m) as string });
  expect(existsSync(join(typed, 'below', 'again', 'report.html'))).toBe(true);
  expect((await onedrop(['analyze', 'run'], { env })).code).toBe(0);

  const compared = await onedrop(['compare', 'run', './run', '--out', 'compared'], { env });
  expect(compared.code).toBe(2);
  expect(existsSync(join(typed, 'compared', 'comparison.html'))).toBe(true);

  writeFileSync(join(typed, 'below', 'mine.ts'), 'export default { gateway: 7 };');
  const words = ['scenario', 'selector-flip', '--cluster', 'sim', '--dry-run', '--config'];
  const read = await onedrop([...words, 'below/mine.ts'], { env });
  expect(read).toMatchObject({ code: 64, err: expect.stringContaining('gateway') as string });
  expect((await onedrop([...words, 'mine.ts'], { env })).err).toMatch(/mine\.ts/);
});
