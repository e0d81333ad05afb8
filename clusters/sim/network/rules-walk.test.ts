import { describe, expect, it } from 'vitest';
import { HarnessError } from '../../../harness/errors.ts';
import { Random } from '../../../harness/statistics/random.ts';
import type { NftablesRules, Rule } from '../../control-plane/kube-proxy/rules.ts';
import { type BaseChain, compileRules } from './compiled-rules.ts';
import { formatAddress, parseAddress } from './ipv4.ts';
import type { Packet } from './packet.ts';
import { RulesWalk } from './rules-walk.ts';

const LOCAL = parseAddress('172.18.1.1');

const walk = () => {
  const made = new RulesWalk({ random: new Random(1), isLocal: (address) => address === LOCAL });
  made.states = RulesWalk.bits('NEW', false, false);
  return made;
};

const packet = (changes: Partial<Packet> = {}): Packet => ({
  source: parseAddress('100.64.0.1'),
  sourcePort: 40_000,
  destination: parseAddress('172.18.255.200'),
  destinationPort: 80,
  kind: 'syn',
  mark: 0,
  ...changes,
});

/** The verdict of these chains of the filter table for a forwarded packet. */
function verdict(chains: Record<string, Rule[]>, given: Packet = packet(), by: RulesWalk = walk()) {
  const filter = Object.entries(chains).map(([name, rules]) => ({ name, rules }));
  const [base] = compileRules({ mode: 'iptables', nat: [], filter }).forward;
  return by.run(base as BaseChain, given);
}

const drop: Rule = { target: { kind: 'drop' } };
const accept: Rule = { target: { kind: 'accept' } };

describe('walking rules', () => {
  it('comes back from a jump, but not from a goto', () => {
    expect(verdict({ FORWARD: [{ target: { kind: 'jump', chain: 'A' } }, drop], A: [] })).toBe('drop');
    expect(verdict({ FORWARD: [{ target: { kind: 'goto', chain: 'A' } }, drop], A: [] })).toBe('none');
    const nested = { FORWARD: [{ target: { kind: 'jump', chain: 'A' } } as Rule, drop], A: [], B: [] };
    expect(verdict({ ...nested, A: [{ target: { kind: 'goto', chain: 'B' } }, accept] })).toBe('drop');
  });

  it('leaves a chain at a return', () => {
    expect(
      verdict({
        FORWARD: [{ target: { kind: 'jump', chain: 'A' } }, drop],
        A: [{ target: { kind: 'return' } }, accept],
      }),
    ).toBe('drop');
  });

  it.each<[string, Rule, Partial<Packet>, boolean]>([
    ['a source', { source: { cidr: '100.64.0.0/10' }, ...drop }, {}, true],
    ['another source', { source: { cidr: '10.0.0.0/8' }, ...drop }, {}, false],
    ['not a source', { source: { cidr: '10.0.0.0/8', not: true }, ...drop }, {}, true],
    ['a destination', { destination: { cidr: '172.18.255.200/32' }, ...drop }, {}, true],
    ['not a destination', { destination: { cidr: '172.18.255.200', not: true }, ...drop }, {}, false],
    ['another port', { destinationPort: 81, ...drop }, {}, false],
    ['another protocol', { protocol: 'udp', ...drop }, {}, false],
    ['a state', { states: ['NEW'], ...drop }, {}, true],
    ['other states', { states: ['RELATED', 'ESTABLISHED'], ...drop }, {}, false],
    ['not these states', { states: ['RELATED', 'ESTABLISHED'], statesNot: true, ...drop }, {}, true],
    ['a mark', { mark: { value: 0x4000, mask: 0x4000 }, ...drop }, { mark: 0x4001 }, true],
    ['not a mark', { mark: { value: 0x4000, mask: 0x4000, not: true }, ...drop }, { mark: 0x4000 }, false],
    ['a local destination', { destinationLocal: true, ...drop }, { destination: LOCAL }, true],
    ['no local destination', { destinationLocal: true, ...drop }, {}, false],
    ['a local source', { sourceLocal: true, ...drop }, {}, false],
    ['no local source', { sourceNotLocal: true, ...drop }, {}, true],
    ['sources outside a list', { sourceNotIn: ['100.64.0.0/10'], ...drop }, {}, false],
  ])('matches %s as it says', (_what, rule, changes, matches) => {
    expect(verdict({ FORWARD: [rule] }, packet(changes))).toBe(matches ? 'drop' : 'none');
  });

  it('sets marks as --set-xmark and --or-mark do', () => {
    const mark = (value: number, mask: number, operation: 'xmark' | 'or', before: number) => {
      const given = packet({ mark: before });
      verdict({ FORWARD: [{ target: { kind: 'mark', value, mask, operation } }] }, given);
      return given.mark;
    };
    expect(mark(0x4000, 0x4000, 'or', 1)).toBe(0x4001);
    expect(mark(0x4000, 0, 'xmark', 0x4001)).toBe(1);
    expect(mark(0x8000, 0xffff, 'xmark', 0x4001)).toBe(0x8000);
  });

  it('takes a rule with a probability as often as it says', () => {
    const by = walk();
    const rule: Rule = { probability: '0.3333333333', ...drop };
    let taken = 0;
    for (let count = 0; count < 3000; count++)
      if (verdict({ FORWARD: [rule] }, packet(), by) === 'drop') taken++;
    expect(taken).toBeGreaterThan(900);
    expect(taken).toBeLessThan(1100);
  });

  it('remembers a client for as long as its affinity lasts', () => {
    const by = walk();
    const check: Rule = { recent: { name: 'SEP', check: 'rcheck', seconds: 10, reap: true }, ...drop };
    const set: Rule = { recent: { name: 'SEP', check: 'set' }, target: { kind: 'none' } };
    expect(verdict({ FORWARD: [check, set] }, packet(), by)).toBe('none');
    expect(verdict({ FORWARD: [check] }, packet(), by)).toBe('drop');
    expect(verdict({ FORWARD: [check] }, packet({ source: 1 }), by)).toBe('none');
    by.now = 10_001;
    expect(verdict({ FORWARD: [check] }, packet(), by)).toBe('none');
  });

  it('refuses rules that name a chain which is not there', () => {
    expect(() => verdict({ FORWARD: [{ target: { kind: 'jump', chain: 'NOWHERE' } }] })).toThrow(
      HarnessError,
    );
  });
});

describe('walking nftables', () => {
  const rules = (changes: Partial<NftablesRules> = {}): NftablesRules => ({
    mode: 'nftables',
    chains: [
      {
        name: 'late',
        hook: { type: 'filter', hook: 'forward', priority: 'filter' },
        rules: [accept],
      },
      {
        name: 'early',
        hook: { type: 'filter', hook: 'forward', priority: 'dstnat-10' },
        rules: [{ target: { kind: 'map', map: 'endpoints', key: 'service' } }],
      },
      { name: 'reject-chain', rules: [{ target: { kind: 'reject' } }] },
      { name: 'one', rules: [{ target: { kind: 'dnat', address: '10.244.1.2', port: 8080 } }] },
    ],
    maps: [
      {
        name: 'endpoints',
        key: 'service',
        elements: [
          {
            address: '172.18.255.200',
            protocol: 'tcp',
            port: 80,
            comment: 'default/gateway:ws',
            target: { kind: 'goto', chain: 'reject-chain' },
          },
        ],
      },
    ],
    ...changes,
  });

  it('orders base chains by their priority', () => {
    const { forward } = compileRules(rules());
    expect(forward.map(({ priority }) => priority)).toEqual([-110, 0]);
  });

  it('looks services up in verdict maps, and says which element decided', () => {
    const by = walk();
    const [base] = compileRules(rules()).forward;
    expect(by.run(base as BaseChain, packet())).toBe('reject');
    expect(by.decided).toContain(
      'vmap @endpoints { 172.18.255.200 . tcp . 80 comment "default/gateway:ws" }',
    );
    expect(by.run(base as BaseChain, packet({ destinationPort: 81 }))).toBe('none');
  });

  it('chooses one of several endpoints', () => {
    const by = walk();
    const given = rules();
    const choosing = rules({
      chains: [
        ...given.chains,
        {
          name: 'services',
          hook: { type: 'nat', hook: 'prerouting', priority: 'dstnat' },
          rules: [{ target: { kind: 'choose', chains: ['one'] } }],
        },
      ],
    });
    const [base] = compileRules(choosing).prerouting;
    const sent = packet();
    expect(by.run(base as BaseChain, sent)).toBe('accept');
    expect(`${formatAddress(sent.destination)}:${sent.destinationPort}`).toBe('10.244.1.2:8080');
  });
});
