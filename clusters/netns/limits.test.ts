import { expect, test } from 'vitest';
import { defaultAxes } from '../../harness/contracts/axes.ts';
import { connectionLimit, dialProcesses, refusal } from './limits.ts';

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
    /one pod can hold.*--pods, or --clients 19000/,
  );
  expect(refusal(defaultAxes({ clients: 30_000, pods: 4 }), 19_000)).toBeUndefined();
});

test('proxy modes that this kernel cannot be given are refused with the reason', () => {
  expect(refusal(defaultAxes({ proxy: 'ipvs' }), 19_000)).toMatch(/ip_vs/);
  expect(refusal(defaultAxes({ proxy: 'cilium' }), 19_000)).toMatch(/eBPF/);
  expect(refusal(defaultAxes({ proxy: 'nftables' }), 19_000)).toBeUndefined();
});
