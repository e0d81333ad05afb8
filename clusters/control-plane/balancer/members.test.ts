import type { V1EndpointSlice, V1Node, V1Service } from '@kubernetes/client-node';
import { expect, test } from 'vitest';
import type { Members } from '../../../harness/platforms/balancer-entry.ts';
import { membersOf } from './members.ts';

const node = (name: string, changes: { taint?: string; ready?: boolean } = {}): V1Node => ({
  metadata: { name },
  spec: changes.taint === undefined ? {} : { taints: [{ key: changes.taint, effect: 'NoSchedule' }] },
  status: { conditions: [{ type: 'Ready', status: changes.ready === false ? 'False' : 'True' }] },
});

/** Endpoints on n1 (ready), n2 (not ready), n3 (terminating, serving), n4 (terminating, not serving). */
const SLICE: V1EndpointSlice = {
  addressType: 'IPv4',
  ports: [{ name: 'ws', port: 8080 }],
  endpoints: [
    [true, true, false],
    [false, false, false],
    [false, true, true],
    [false, false, true],
  ].map(([ready, serving, terminating], index) => ({
    addresses: [`10.0.0.${index + 1}`],
    nodeName: `n${index + 1}`,
    conditions: { ready, serving, terminating } as { ready: boolean; serving: boolean; terminating: boolean },
  })),
};
const SERVICE: V1Service = { spec: { ports: [{ name: 'ws', port: 80 }] } };
const NODES = [
  node('n1'),
  node('n2'),
  node('n3'),
  node('n4'),
  node('doomed', { taint: 'ToBeDeletedByClusterAutoscaler' }),
  node('disrupted', { taint: 'karpenter.sh/disrupted' }),
  node('ill', { ready: false }),
];

const named = (rule: Members, slices = [SLICE], stableNodeSet = true) =>
  membersOf(rule, SERVICE, { port: 80, around: { nodes: NODES, slices, stableNodeSet } }).map(
    ({ name }) => name,
  );

test.each<[Members, string[]]>([
  ['nodes', ['n1', 'n2', 'n3', 'n4', 'disrupted', 'ill']],
  ['untainted-nodes', ['n1', 'n2', 'n3', 'n4', 'ill']],
  ['ready-nodes', ['n1', 'n2', 'n3', 'n4']],
  ['nodes-with-staying-endpoint', ['n1', 'n2']],
  ['nodes-with-serving-endpoint', ['n1', 'n3']],
  ['nodes-while-serving', NODES.map(({ metadata }) => metadata?.name ?? '')],
  ['pods', ['10.0.0.1:8080']],
])('members are, as %s: %j', (rule, expected) => {
  expect(named(rule)).toEqual(expected);
});

test('without a stable node set a node that is not ready is none', () => {
  expect(named('nodes', [SLICE], false)).not.toContain('ill');
});

test('without any endpoint those rules that ask for one name nobody', () => {
  for (const rule of [
    'nodes-with-staying-endpoint',
    'nodes-with-serving-endpoint',
    'nodes-while-serving',
    'pods',
  ] as const)
    expect(named(rule, []), rule).toEqual([]);
});
