import { expect, test } from 'vitest';
import type { BalancerProgram } from '../../control-plane/balancer/balancer-program.ts';
import { maglev } from '../../control-plane/balancer/maglev.ts';
import { inFreshNamespace, reasonToSkip } from '../launcher/fresh-namespace.fixture.ts';
import { BalancerBox, balancerRules } from './balancer.ts';

const NODES = ['node-1', 'node-2', 'node-3'];
const numberOf = (node: string) => Number(node.slice('node-'.length));
const cannotLoad = reasonToSkip('nft list tables');

const program = (changes: Partial<BalancerProgram> = {}): BalancerProgram => ({
  service: 'gateway',
  address: '172.18.255.200',
  port: 80,
  nodes: NODES,
  healthy: [true, true, true],
  table: maglev(NODES),
  hash: 'four-tuple',
  tracking: { idle: 60_000, keep: 'while-healthy' },
  generation: 1,
  ...changes,
});
const only = (node: number) => ({
  healthy: NODES.map((_, index) => index === node),
  table: new Uint16Array(7).fill(node),
});

/** Everything a box says to nft for these sets of programs, one after the other. */
async function sayings(...sets: BalancerProgram[][]): Promise<string[]> {
  const said: string[] = [];
  const box = new BalancerBox(numberOf, 30, async (_args, input = '') => {
    said.push(input);
    return '';
  });
  for (const programs of sets) await box.program(programs);
  return said;
}

/** What is in force once a fresh kernel has been told all this. */
const inForce = (said: readonly string[]) =>
  inFreshNamespace(
    `${said.map((text) => `nft -f - <<'END'\n${text}END\n`).join('')}nft --terse list table ip balancer`,
  );

test('a tracked flow stays on its node while that is healthy, or always, as the program says', () => {
  const staying = (changes: Partial<BalancerProgram>) =>
    /meta mark \{ (.*?) \} update/.exec(balancerRules([program(changes)], numberOf, 1).ruleset)?.[1];
  expect(staying({})).toBe('1, 2, 3');
  expect(staying(only(1))).toBe('2');
  expect(staying({ ...only(1), tracking: { idle: 60_000, keep: 'always' } })).toBe('1, 2, 3');
  expect(staying({ healthy: [false, false, false] })).toBeUndefined();
});

test('the idle time of the tracker passes as fast as model time', () => {
  expect(balancerRules([program()], numberOf, 30).ruleset).toContain('timeout 2000ms');
});

test('a table of one node needs no lookup, and none at all drops', () => {
  const one = balancerRules([program(only(2))], numberOf, 1);
  expect(one.tables.size).toBe(0);
  expect(one.ruleset).toContain('meta mark set 3');
  expect(balancerRules([program({ table: new Uint16Array(0) })], numberOf, 1).ruleset).toContain(
    'counter drop',
  );
});

test('a lookup table is filled before anything refers to it, and only once', async () => {
  const said = await sayings([program()], [program(only(0))], [program()]);
  const fills = said.filter((text) => text.startsWith('add element'));
  expect(fills.join('').match(/\d+ : [123]\b/g)).toHaveLength(maglev(NODES).length);
  expect(said.findLastIndex((text) => text.startsWith('add element'))).toBeLessThan(
    said.findIndex((text) => text.includes('flush table')),
  );
});

test('the kernel takes it all, and a recreated forwarding rule forgets its flows', async ({ skip }) => {
  skip(cannotLoad !== undefined, cannotLoad);
  const other = program({ service: 'other', address: '172.18.255.201', hash: 'source-address' });
  const first = inForce(await sayings([program(), other]));
  expect(first).toContain('tracker_172_18_255_200_80_1');
  expect(first).toContain('jhash ip saddr mod');
  const later = inForce(await sayings([program(), other], [program(only(1))], [program({ generation: 2 })]));
  expect(later).toContain('tracker_172_18_255_200_80_2');
  expect(later).not.toContain('tracker_172_18_255_200_80_1');
  expect(later).not.toContain('172.18.255.201');
});
