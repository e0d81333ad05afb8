import type { V1Node, V1Pod } from '@kubernetes/client-node';
import { expect, it } from 'vitest';
import { zoneOf } from '../addresses.ts';
import { schedule } from './scheduler.ts';

const node = (number: number, change: Partial<V1Node> = {}): V1Node => ({
  metadata: { name: `node-${number}`, labels: { 'topology.kubernetes.io/zone': zoneOf(number) } },
  status: { conditions: [{ type: 'Ready', status: 'True' }], allocatable: { pods: '110' } },
  ...change,
});
const pod = (owner: string, on?: number): V1Pod => ({
  metadata: { ownerReferences: [{ apiVersion: '', kind: '', name: owner, uid: owner, controller: true }] },
  spec: { containers: [], ...(on === undefined ? {} : { nodeName: `node-${on}` }) },
});

it('spreads the pods of one controller over nodes, then zones', () => {
  const nodes = [1, 2, 3, 4, 5, 6].map((number) => node(number));
  const placed: V1Pod[] = [];
  for (let count = 0; count < 6; count++)
    placed.push(pod('a', Number(schedule(pod('a'), nodes, placed)?.slice(5))));
  expect(placed.map(({ spec }) => spec?.nodeName)).toEqual([
    'node-1',
    'node-2',
    'node-3',
    'node-4',
    'node-5',
    'node-6',
  ]);
});

it('prefers the zone with the fewest pods among nodes that have equally many', () => {
  const nodes = [node(1), node(2), node(4)];
  expect(schedule(pod('a'), nodes, [pod('a', 1)])).toBe('node-2');
});

it('puts the first pod of a new version on a node that is emptier, not beside the old one', () => {
  expect(schedule(pod('v2'), [node(1), node(2)], [pod('v1', 1)])).toBe('node-2');
});

it('counts only pods of the same controller against spreading', () => {
  const nodes = [node(1), node(2)];
  expect(schedule(pod('v2'), nodes, [pod('v2', 2), pod('v1', 1), pod('v1', 1)])).toBe('node-1');
});

it('avoids nodes that are cordoned, not ready, full or not selected', () => {
  const full = node(3, {
    status: { conditions: [{ type: 'Ready', status: 'True' }], allocatable: { pods: '0' } },
  });
  const nodes = [node(1, { spec: { unschedulable: true } }), node(2, { status: {} }), full];
  expect(schedule(pod('a'), nodes, [])).toBeUndefined();
  expect(schedule(pod('a'), [...nodes, node(4)], [])).toBe('node-4');
  const picky = { ...pod('a'), spec: { containers: [], nodeSelector: { disk: 'ssd' } } };
  expect(schedule(picky, [node(4)], [])).toBeUndefined();
});

it('names nodes in their natural order', () => {
  expect(schedule(pod('a'), [node(10), node(4), node(1), node(7)].slice(0, 2), [])).toBe('node-4');
});
