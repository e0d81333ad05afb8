import { AXES, type AxisName } from '../contracts/axes.ts';
import type { Event } from '../contracts/event.ts';

/** What a field holds: a kind of value, or one of these words. */
type Holds = 'string' | 'number' | 'boolean' | 'array' | 'object' | 'number or null' | readonly string[];
/** Fields by name; an optional one ends in `?`. */
type Fields = Readonly<Record<string, Holds>>;

const OUTCOMES = ['finished', 'interrupted', 'broken', 'failed'];
const SEAL = { lines: 'number', sum: 'string' } as const satisfies Fields;

/** What is in every line of a type, beside `at` in those that belong to a cell. */
const FIELDS: Readonly<Record<Event['type'], Fields>> = {
  run: {
    ...{ schema: 'number', seed: 'number', commit: 'string', versions: 'object' },
    ...{ 'cells?': 'array', 'openEnded?': 'boolean' },
  },
  cell: { cell: 'object' },
  skipped: { cell: 'object', why: 'string' },
  foretold: {
    ...{ cell: 'string', seed: 'number', clients: 'number', dropped: 'number' },
    ...{ droppedTwice: 'number', collateral: 'number', silent: 'number' },
  },
  step: {
    ...{ name: 'string', edge: ['begin', 'end'], phase: ['prepare', 'release', 'rollback', 'settle'] },
    ...{ 'cutOver?': 'boolean', 'fault?': 'boolean' },
  },
  open: { client: 'string', pod: 'string', version: 'string', 'node?': 'string', attempts: 'number' },
  refused: { client: 'string', attempt: 'number', why: 'string' },
  'gave-up': { client: 'string', attempts: 'number' },
  closed: {
    ...{ client: 'string', pod: 'string', version: 'string', ending: 'object', lastAnswer: 'number' },
    ...{ 'asked?': 'boolean', 'replaced?': 'boolean' },
  },
  rehomed: { client: 'string', pod: 'string', version: 'string', 'node?': 'string' },
  healed: { client: 'string', silent: 'number' },
  pod: {
    ...{ pod: 'string', version: 'string', node: 'string', ready: 'boolean', 'why?': 'string' },
    phase: ['pending', 'running', 'terminating', 'gone'],
  },
  endpoints: { service: 'string', endpoints: 'array' },
  proxy: { node: 'string', service: 'string', rules: 'string', localEndpoints: 'number' },
  balancer: { service: 'string', backends: 'array', failOpen: 'boolean', 'recreated?': 'boolean' },
  node: { node: 'string', change: ['added', 'removed', 'off', 'on'] },
  eviction: {
    ...{ pod: 'string', node: 'string', by: 'string', outcome: ['granted', 'refused', 'forced'] },
    'cutTo?': 'number',
  },
  autoscaler: { target: 'string', current: 'number', desired: 'number', why: 'string' },
  replicas: { owner: 'string', desired: 'number', ready: 'number' },
  fate: { client: 'string', verdict: 'string', node: 'string', 'before?': 'string', rule: 'string' },
  gateway: { pod: 'string', did: 'string', why: 'string', 'connections?': 'number' },
  load: {
    ...{ pod: 'string', over: 'number', offered: 'number', served: 'number', stale: 'number' },
    ...{ refused: 'number', dropped: 'number', queue: 'number', wait: 'number', busy: 'number' },
    lateProbes: 'number',
  },
  hop: { hop: 'string', did: 'string', 'connections?': 'number', 'kept?': 'boolean', 'since?': 'number' },
  evidence: { source: 'string', values: 'object' },
  harness: { lag: 'number', drift: 'number', 'part?': 'string' },
  'harness-died': { part: 'string', why: 'string' },
  note: { text: 'string', 'node?': 'object' },
  end: { outcome: OUTCOMES, 'why?': 'string', 'seal?': 'object' },
};

/** Lines that belong to no cell. The run's own `end` is one as well, and has no time for that. */
const UNTIMED: readonly string[] = ['run', 'cell', 'skipped', 'foretold'];

const CELL: Fields = {
  ...{ id: 'string', strategy: 'string', question: 'string', cluster: 'string', seed: 'number' },
  ...{ evidence: ['modelled', 'measured'], axes: 'object', facts: 'object', speed: 'number or null' },
  ...{
    'kind?': ['release', 'experiment', 'watch'],
    'sees?': ['cluster', 'sockets'],
    'requires?': 'array',
    'variant?': 'array',
    'says?': 'object',
  },
  ...{ 'rollsBack?': 'string', 'predicts?': 'string', 'title?': 'string' },
};

/** Axes that every log has had; those that came later were as their default is now. */
const FIRST_AXES: readonly AxisName[] = ['policy', 'nodes', 'pods', 'clients', 'backoff', 'heartbeat'];

const shown = (value: unknown) => {
  const text = value === undefined ? 'missing' : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function holds(value: unknown, wanted: Holds): boolean {
  switch (wanted) {
    case 'array':
      return Array.isArray(value);
    case 'object':
      return isObject(value);
    case 'number':
      return typeof value === 'number';
    case 'number or null':
      return value === null || typeof value === 'number';
    case 'string':
    case 'boolean':
      return typeof value === wanted;
    default:
      return typeof value === 'string' && wanted.includes(value);
  }
}

const compiled = new Map<Fields, readonly (readonly [name: string, optional: boolean, wanted: Holds])[]>();

/** The first field that does not hold what it should, in words. */
function wrongField(object: Record<string, unknown>, fields: Fields, before = ''): string | undefined {
  let list = compiled.get(fields);
  if (list === undefined) {
    list = Object.entries(fields).map(([name, wanted]) => [
      name.replace('?', ''),
      name.endsWith('?'),
      wanted,
    ]);
    compiled.set(fields, list);
  }
  for (const [name, optional, wanted] of list) {
    const value = object[name];
    if ((optional && value === undefined) || holds(value, wanted)) continue;
    const what = typeof wanted === 'string' ? wanted : wanted.join(', ');
    return `${before}${name} is ${shown(value)} (allowed: ${what})`;
  }
  return undefined;
}

function wrongAxes(axes: Record<string, unknown>): string | undefined {
  for (const [name, { schema, fallback }] of Object.entries(AXES)) {
    const value = axes[name];
    if (value === undefined && !FIRST_AXES.includes(name as AxisName)) continue;
    // What is nothing by default (rollbackAfter, limits) is a number.
    const wanted = typeof (schema.parse(fallback) ?? 0) === 'number' ? 'number' : 'string';
    if (!holds(value, wanted)) return `cell.axes.${name} is ${shown(value)} (allowed: ${wanted})`;
  }
  return undefined;
}

function wrongCell(cell: Record<string, unknown>): string | undefined {
  const lists = (['requires', 'variant'] as const).find(
    (name) => Array.isArray(cell[name]) && !cell[name].every((one) => typeof one === 'string'),
  );
  return (
    wrongField(cell, CELL, 'cell.') ??
    wrongAxes(cell.axes as Record<string, unknown>) ??
    (lists === undefined ? undefined : `cell.${lists} is ${shown(cell[lists])} (allowed: strings)`)
  );
}

/** What objects and lists within a line hold. */
const WITHIN: Readonly<Record<string, Fields>> = {
  ending: {
    ...{ how: ['close', 'fin', 'reset', 'refused', 'silence'], 'code?': 'number' },
    ...{ 'reason?': 'string', 'why?': 'string' },
  },
  seal: SEAL,
  endpoints: {
    ...{ pod: 'string', node: 'string', ready: 'boolean', serving: 'boolean', terminating: 'boolean' },
  },
  backends: { node: 'string', healthy: 'boolean' },
};

function wrongWithin(event: Record<string, unknown>): string | undefined {
  for (const [name, fields] of Object.entries(WITHIN)) {
    const value = event[name];
    if (typeof value !== 'object' || value === null) continue;
    for (const one of Array.isArray(value) ? value : [value]) {
      const wrong = isObject(one) ? wrongField(one, fields, `${name}.`) : `${name} holds ${shown(one)}`;
      if (wrong !== undefined) return wrong;
    }
  }
  return undefined;
}

/** What is wrong with a line of a log, with field, value and what is allowed; undefined where it is an event. */
export function wrongEvent(value: unknown): string | undefined {
  if (!isObject(value)) return `is ${shown(value)}, not an event`;
  const { type } = value;
  if (typeof type !== 'string' || !Object.hasOwn(FIELDS, type))
    return `type is ${shown(type)}, which is no event of this program`;
  const timed = !UNTIMED.includes(type);
  if (timed && !(type === 'end' && !('at' in value)) && typeof value.at !== 'number')
    return `at is ${shown(value.at)} (allowed: number)`;
  if (!timed && 'at' in value) return `at is ${shown(value.at)}, but ${type} belongs to no cell`;
  const wrong = wrongField(value, FIELDS[type as Event['type']]);
  if (wrong !== undefined) return wrong;
  if (type === 'cell' || type === 'skipped') return wrongCell(value.cell as Record<string, unknown>);
  if (type === 'run' && Array.isArray(value.cells) && !value.cells.every((id) => typeof id === 'string'))
    return `cells is ${shown(value.cells)} (allowed: ids of cells)`;
  return wrongWithin(value);
}
