import { expect, test } from 'vitest';
import { defaultAxes } from '../../harness/contracts/axes.ts';
import { connectionLimit, dialProcesses, lanes, refusal, tooFewDescriptors } from './limits.ts';

test('the hard limit of file descriptors is what counts, less what the harness itself needs', () => {
  const limits =
    'Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 20000                files\n';
  expect(connectionLimit(limits)).toBe(19_000);
  expect(connectionLimit(limits.replace('20000', 'unlimited'))).toBe(Number.POSITIVE_INFINITY);
});

test('one process holds the clients as long as it can, then several do', () => {
  expect(dialProcesses({ clients: 18_000 }, 19_000)).toBe(0);
  expect(dialProcesses({ clients: 30_000 }, 19_000)).toBe(2);
});

test('more clients than the pods could hold are refused before anything is paid for, with the way out', () => {
  expect(refusal(defaultAxes({ clients: 18_000 }), 19_000)).toBeUndefined();
  expect(refusal(defaultAxes({ clients: 30_000 }), 19_000)).toMatch(
    /one pod can hold.*--pods, --clients 19000 at most/,
  );
  expect(refusal(defaultAxes({ clients: 30_000, pods: 4 }), 19_000)).toBeUndefined();
});

test('proxy modes that this kernel cannot be given are refused with the reason', () => {
  expect(refusal(defaultAxes({ proxy: 'ipvs' }), 19_000)).toMatch(/ip_vs/);
  expect(refusal(defaultAxes({ proxy: 'cilium-1.16' }), 19_000)).toMatch(/eBPF/);
  expect(refusal(defaultAxes({ proxy: 'nftables' }), 19_000)).toBeUndefined();
  expect(refusal(defaultAxes({ proxy: 'nftables', kubernetes: '1.33' }), 19_000)).toMatch(/1\.34 or newer/);
});

test.each([256, 1000, 1010])('with %i file descriptors no cell can run, which is said in words', (hard) => {
  const limit = connectionLimit(
    `Max open files            ${hard}                 ${hard}                files`,
  );
  const words = refusal(defaultAxes({ clients: 1 }), limit);
  expect(words).toContain(`a process may open ${hard} files here (ulimit -Hn), and at least 1011 are needed`);
  expect(words).toContain('raise it where the shell is started');
  expect(words).not.toMatch(/-\d/);
  expect(tooFewDescriptors(limit)?.mend).toContain('ulimit -Hn 65536');
});

test('whatever the limit is, a refusal never asks for fewer than one client', () => {
  for (let limit = -1000; limit < 2000; limit += 7)
    for (const pods of [1, 2, 6]) {
      const words = refusal(defaultAxes({ clients: 100_000, pods }), limit);
      expect(words).toBeDefined();
      expect(words).not.toMatch(/--clients (-|0 )/);
    }
});

test('cells are played side by side as far as the cores go, and alone where one core is not enough for one', () => {
  const at = (cores: number, changes: Parameters<typeof defaultAxes>[0] = {}) =>
    lanes([defaultAxes(changes)], () => 36, cores);
  expect([1, 2, 4].map((cores) => at(cores))).toEqual([1, 2, 4]);
  expect(at(2, { clients: 9000 })).toBe(1);
  expect(at(9, { clients: 9000 })).toBe(2);
  expect(at(8, { handshakeCpu: 1 })).toBe(1);
});
