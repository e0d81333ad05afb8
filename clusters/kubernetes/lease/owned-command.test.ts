import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { forgetLease, leaseFiles } from './lease.ts';
import { commandOwnedBy, endOrphans } from './owned-command.ts';

const lease = `test-owned-${process.pid}`;

test.skipIf(!existsSync('/proc/self/environ'))(
  'what a dead run has started is found by its mark, grandchildren included, and ended',
  async () => {
    const program = "require('node:child_process').spawnSync('sleep', ['60'])";
    const ending = expect(commandOwnedBy(lease)(process.execPath, ['--eval', program])).rejects.toThrow(
      /SIGKILL/,
    );
    let ended = 0;
    for (let look = 0; look < 100 && ended < 2; look++) {
      await pause(50);
      // The grandchild appears a moment after its parent.
      if (look > 10) ended += endOrphans(lease);
    }
    expect(ended).toBe(2);
    await ending;
    expect(endOrphans(lease)).toBe(0);
    forgetLease(lease);
  },
);

test("a command's temporary files lie beside its lease and are forgotten with it", async () => {
  const out = await commandOwnedBy(lease)(process.execPath, ['--print', 'os.tmpdir()']);
  expect(out.trim()).toBe(leaseFiles(lease));
  forgetLease(lease);
  expect(existsSync(out.trim())).toBe(false);
});
