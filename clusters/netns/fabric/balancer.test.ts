import { expect, test } from 'vitest';
import type { Held } from '../../../harness/platforms/balancer-entry.ts';
import type { BalancerProgram } from '../../control-plane/balancer/balancer-program.ts';
import { maglev } from '../../control-plane/balancer/maglev.ts';
import { inFreshNamespace, reasonToSkip } from '../launcher/fresh-namespace.fixture.ts';
import { BalancerBox, balancerRules } from './balancer.ts';

const NODES = ['node-1', 'node-2', 'node-3'];
const numberOf = (node: string) => Number(node.slice('node-'.length));
const cannotLoad = reasonToSkip('nft list tables');

/** Backends, all healthy but those that get something else for their flows. */
const backends = (...held: readonly Held[]) =>
  held.map((kind, index) => ({
    name: NODES[index] ?? '',
    node: NODES[index] ?? '',
    healthy: kind === 'kept',
    held: kind,
  }));
const KEEPS_ALL = backends('kept', 'kept', 'kept');

const program = (changes: Partial<BalancerProgram> = {}): BalancerProgram => ({
  service: 'gateway',
  address: '172.18.255.200',
  port: 80,
  backends: KEEPS_ALL,
  table: maglev(NODES),
  hash: 'four-tuple',
  tracking: { idle: 60_000, unknown: 'moved', left: 'moved' },
  generation: 1,
  ...changes,
});
const only = (node: number) => ({
  backends: backends(...NODES.map((_, index): Held => (index === node ? 'kept' : 'moved'))),
  table: new Uint16Array(7).fill(node),
});
const rulesOf = (changes: Partial<BalancerProgram>, speed = 1) =>
  balancerRules([program(changes)], numberOf, speed);

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

test('a tracked flow stays on its node, is hashed anew or is reset, as the program says of its backend', () => {
  const staying = (changes: Partial<BalancerProgram>) =>
    /meta mark \{ (.*?) \} update/.exec(rulesOf(changes).ruleset)?.[1];
  expect(staying({})).toBe('1, 2, 3');
  expect(staying(only(1))).toBe('2');
  expect(staying({ backends: backends('moved', 'moved', 'moved') })).toBeUndefined();
  const resetting = { backends: backends('kept', 'reset', 'reset') };
  expect(staying(resetting)).toBe('1');
  expect(rulesOf(resetting).ruleset).toContain('meta mark { 2, 3 } counter reject with tcp reset');
  expect(rulesOf(only(1)).ruleset).not.toContain('reject');
});

test('what belongs to no entry, or to a backend that is gone, is reset where the program says so', () => {
  const tracking = { idle: 60_000, unknown: 'reset', left: 'moved' } as const;
  expect(rulesOf({ tracking }).ruleset).toContain('meta mark 0 counter reject with tcp reset');
  expect(rulesOf({ tracking: { ...tracking, left: 'reset' } }).ruleset).toContain(
    'meta mark != 0 counter reject with tcp reset',
  );
});

test('the idle time of the tracker passes as fast as model time, and may be none or never', () => {
  expect(rulesOf({}, 30).ruleset).toContain('timeout 2000ms');
  const idle = (value: number) => rulesOf({ tracking: { idle: value, unknown: 'moved', left: 'moved' } });
  expect(idle(0).trackers).toEqual([]);
  expect(idle(0).ruleset).not.toContain('tracker');
  expect(idle(Number.POSITIVE_INFINITY).ruleset).not.toMatch(/timeout \d/);
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

/** Two pods, of which the second's flows are reset. */
const toPods = program({
  backends: backends('kept', 'reset').map((backend, index) => ({
    ...backend,
    pod: { address: `10.244.${index + 1}.2`, port: 8080 },
  })),
  table: new Uint16Array([0]),
  tracking: { idle: 350_000, unknown: 'reset', left: 'moved' },
});

test('what goes to pods is rewritten both ways, keeps its pod by its conntrack entry, and is reset by that', () => {
  const { ruleset, trackers } = balancerRules([toPods], numberOf, 35);
  expect(trackers).toEqual([]);
  const [one, other] = [2 ** 24 + 0xf40102, 2 ** 24 + 0xf40202];
  expect(ruleset).toContain(
    `dnat ip to meta mark map { ${one} : 10.244.1.2 . 8080, ${other} : 10.244.2.2 . 8080 }`,
  );
  expect(ruleset).toContain(`ct mark { ${other} } counter reject with tcp reset`);
  expect(ruleset).toContain(`meta mark set ${one}\nct mark set meta mark\nct timeout set "idle_10"`);
  expect(ruleset).toContain('policy = { established : 10 };');
});

test('the kernel takes rules to pods beside others, again and again, and none of them when they go', async ({
  skip,
}) => {
  skip(cannotLoad !== undefined, cannotLoad);
  const other = program({ address: '172.18.255.201' });
  const both = inForce(await sayings([toPods, other], [other, toPods]));
  expect(both).toContain('masquerade');
  expect(inForce(await sayings([toPods], [other]))).not.toContain('masquerade');
});

test('the kernel takes resets, tables without tracking and entries that never expire', async ({ skip }) => {
  skip(cannotLoad !== undefined, cannotLoad);
  const resets = program({
    backends: backends('kept', 'reset', 'moved'),
    tracking: { idle: 350_000, unknown: 'reset', left: 'reset' },
  });
  const stateless = program({
    address: '172.18.255.201',
    tracking: { idle: 0, unknown: 'moved', left: 'moved' },
  });
  const never = program({
    address: '172.18.255.202',
    tracking: { idle: Number.POSITIVE_INFINITY, unknown: 'moved', left: 'moved' },
  });
  const rules = inForce(await sayings([resets, stateless, never]));
  expect(rules.match(/reject with tcp reset/g)).toHaveLength(3);
  expect(rules).toContain('tracker_172_18_255_202_80_1');
});
