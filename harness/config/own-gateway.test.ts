import { expect, test } from 'vitest';
import { type Axes, defaultAxes } from '../contracts/axes.ts';
import type { Provider } from '../contracts/cluster.ts';
import { type ConfigInput, readConfig } from '../contracts/config.ts';
import type { Requirement } from '../contracts/requirements.ts';
import type { Strategy } from '../contracts/scenario.ts';
import { drainsOwn, gatewayFact, ownAdminPath, refusesOwn } from './own-gateway.ts';

const own = (gateway: Partial<ConfigInput['gateway']> = {}, rest: Partial<ConfigInput> = {}) =>
  readConfig(
    {
      gateway: { command: ['node', 'server.js'], port: 9000, readyPath: '/', ...gateway },
      version: { header: 'x' },
      ...rest,
    },
    'x',
  );
const provider = (runs?: 'command' | 'image'): Provider => ({
  name: 'here',
  description: '',
  evidence: 'measured',
  offers: new Set(),
  refuses: () => undefined,
  preflight: async () => ({ usable: true, notes: [] }),
  open: () => Promise.reject(new Error('opens nothing')),
  sweep: async () => ({ removed: [], unseen: [] }),
  ...(runs === undefined ? {} : { runs }),
});
const strategy = (requires: readonly Requirement[], changes: Partial<Strategy> = {}): Strategy => ({
  name: 'some',
  question: '?',
  needs: [],
  requires: () => requires,
  release: async () => {},
  rollback: async () => {},
  ...changes,
});
const refuses = (
  requires: readonly Requirement[],
  {
    gateway = {},
    rest = {},
    runs = 'command',
    axes = {},
    needs = [],
  }: {
    gateway?: Partial<ConfigInput['gateway']>;
    rest?: Partial<ConfigInput>;
    runs?: 'command' | 'image' | undefined;
    axes?: Partial<Axes>;
    needs?: Strategy['needs'];
  } = {},
) => refusesOwn(own(gateway, rest), strategy(requires, { needs }), provider(runs), defaultAxes(axes));

const DRAINS = 'a gateway that drains on request';
const FAILS = 'a gateway that fails its readiness on request';

test('a strategy that talks to an admin port needs one, on every cluster', () => {
  expect(refuses([DRAINS])).toContain('no gateway.admin.drain');
  expect(refuses([FAILS])).toContain('no gateway.admin.failReadiness');
  expect(refusesOwn(own(), strategy([DRAINS]), provider(), defaultAxes())).toContain('gateway.admin.drain');
  const admin = { port: 9001, drain: '/go', failReadiness: '/off', restoreReadiness: '/on' };
  expect(refuses([DRAINS, FAILS], { gateway: { admin } })).toBeUndefined();
});

test('a request by message needs to be known by its message', () => {
  const asked: Requirement = 'clients that reconnect when a message asks them to';
  expect(refuses([asked])).toContain('(asks)');
  expect(refuses([asked], { rest: { asks: { message: /bye/ } } })).toBeUndefined();
});

test('what the built-in gateway does for a strategy, no other can', () => {
  expect(refuses(['a connection holder in the path'])).toContain('built-in');
  expect(refuses([], { needs: ['autoscaler'] })).toContain('built-in');
  expect(refuses([], { axes: { drain: 'paced' } })).toBe(
    'drain is for the built-in gateway; how yours ends its connections is its own affair',
  );
  // Where the modelled gateway stands for it, the axis says what it is like.
  expect(refusesOwn(own(), strategy([]), provider(), defaultAxes({ drain: 'paced' }))).toBeUndefined();
});

test('a cluster that runs commands needs one, and one that runs images needs an image or a chart', () => {
  expect(refuses([], { gateway: { command: undefined, image: 'i' } })).toContain('no gateway.command');
  expect(refuses([], { runs: 'image' })).toContain('neither gateway.image nor gateway.chart');
  expect(refuses([], { gateway: { image: 'i' }, runs: 'image' })).toBeUndefined();
  const chart = { command: undefined, chart: { name: './chart' } };
  expect(refuses([], { gateway: chart, runs: 'image' })).toBeUndefined();
  expect(refuses([], { gateway: chart })).toContain('no gateway.command');
});

test('the report names the chart and no value of it', () => {
  const config = own({
    command: undefined,
    image: { v1: 'g:1', v2: 'g:2' },
    chart: { name: 'shop/chat', version: '7.1.0', values: { password: 's3cret' } },
  });
  for (const runs of ['image', undefined] as const) {
    const fact = gatewayFact(config, provider(runs));
    expect(fact).toContain(': chart shop/chat 7.1.0 with image g:1 (v1), g:2 (v2), port 9000');
    expect(fact).not.toContain('s3cret');
  }
});

test("requests to the admin port are put in the gateway's own words", () => {
  const config = own({
    admin: {
      port: 9001,
      drain: '/go?within={seconds}&ms={millis}&how={how}',
      failReadiness: '/off',
      restoreReadiness: '/on',
    },
  });
  expect(ownAdminPath(config, '/drain?over=90000&how=message')).toBe('/go?within=90&ms=90000&how=message');
  expect(ownAdminPath(config, '/fail-readiness')).toBe('/off');
  expect(ownAdminPath(config, '/restore-readiness')).toBe('/on');
  expect(() => ownAdminPath(config, '/rehome?over=1')).toThrow('names nothing for /rehome');
  expect(drainsOwn(config, '/go?within=1')).toBe(true);
  expect(drainsOwn(config, '/off')).toBe(false);
});

test('the report names what runs, and no secret', () => {
  const config = own(
    { command: { v1: ['serve', '--token', 's3cret'], v2: ['serve2'] }, image: 'registry/gateway:1' },
    { clients: { headers: { authorization: 'Bearer s3cret' } } },
  );
  expect(gatewayFact(config, provider('command'))).toBe(
    'your own: command serve --token [redacted] (v1), serve2 (v2), port 9000, path /; clients send authorization (values not shown)',
  );
  expect(gatewayFact(config, provider('image'))).toContain('your own: image registry/gateway:1, port');
  expect(gatewayFact(config, provider())).toContain(
    'the modelled gateway stands for your own: command serve',
  );
});
