/** The files of harness/watch/ready, each against the schema or parser of whoever reads it. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadAllYaml } from '@kubernetes/client-node';
import { describe, expect, onTestFinished, test } from 'vitest';
import { VirtualClock } from '../../harness/time/virtual-clock.ts';
import { gate } from '../../harness/watch/doors/gate.ts';
import { WatchMetrics } from '../../harness/watch/doors/metrics.ts';
import { Standing } from '../../harness/watch/doors/standing.ts';

const READY = join(import.meta.dirname, '..', '..', 'harness', 'watch', 'ready');
const read = (name: string) => readFileSync(join(READY, name), 'utf8');
const yaml = (name: string) => loadAllYaml(read(name)) as Record<string, unknown>[];

/** What the first object of a file wants. */
const specOf = <Spec>(name: string): Spec => (yaml(name)[0] as { spec: Spec }).spec;

/** As much of a structural OpenAPI schema as custom resources have. */
interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-int-or-string'?: boolean;
}

/** What an API server would refuse of a value, and fields that it would drop. */
function faults(value: unknown, schema: Schema, path: string): string[] {
  if (schema['x-kubernetes-int-or-string'])
    return ['string', 'number'].includes(typeof value) ? [] : [`${path}: neither integer nor string`];
  if (schema.enum !== undefined && !schema.enum.includes(value))
    return [`${path}: ${String(value)} is not allowed`];
  if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(String(value)))
    return [`${path}: ${String(value)} does not match ${schema.pattern}`];
  if (Array.isArray(value))
    return schema.type === 'array'
      ? value.flatMap((one, index) => faults(one, schema.items ?? {}, `${path}[${index}]`))
      : [`${path}: is a list`];
  if (typeof value === 'object' && value !== null) {
    const { properties = {}, additionalProperties } = schema;
    const missing = (schema.required ?? [])
      .filter((name) => !(name in value))
      .map((name) => `${path}.${name}: missing`);
    const wrong = Object.entries(value).flatMap(([name, one]) => {
      const known =
        properties[name] ?? (typeof additionalProperties === 'object' ? additionalProperties : undefined);
      if (known !== undefined) return faults(one, known, `${path}.${name}`);
      const free = schema['x-kubernetes-preserve-unknown-fields'] || additionalProperties === true;
      return free || Object.keys(properties).length === 0 ? [] : [`${path}.${name}: no such field`];
    });
    return [...missing, ...wrong];
  }
  const kinds: Readonly<Record<string, string>> = {
    integer: 'number',
    number: 'number',
    string: 'string',
    boolean: 'boolean',
  };
  return schema.type === undefined || kinds[schema.type] === typeof value
    ? []
    : [`${path}: is no ${schema.type}`];
}

test.each([
  ['argo-analysis-template.yaml', 'AnalysisTemplate'],
  ['flagger-canary.yaml', 'Canary'],
  ['flagger-metric-template.yaml', 'MetricTemplate'],
])('%s is a %s as its controller takes it', (file, kind) => {
  const { schema } = JSON.parse(read(`schemas/${kind}.json`)) as { schema: Schema };
  const [object] = yaml(file);
  expect(object?.kind).toBe(kind);
  expect(faults({ ...object, metadata: {} }, schema, kind)).toEqual([]);
  expect(faults({ ...object, spec: { ...(object?.spec as object), nonsense: 1 } }, schema, kind)).not.toEqual(
    [],
  );
});

test('unknown is neither success nor failure for Argo, so that it is inconclusive', () => {
  const [metric] = specOf<{ metrics: Record<string, string>[] }>('argo-analysis-template.yaml').metrics;
  expect(metric).toMatchObject({
    successCondition: 'result.verdict == "pass"',
    failureCondition: 'result.verdict == "fail"',
    provider: { web: { jsonPath: '{$}' } },
  });
});

test("every webhook of Flagger's asks a gate that there is, of its type", () => {
  const { webhooks } = specOf<{ analysis: { webhooks: { type: string; url: string }[] } }>(
    'flagger-canary.yaml',
  ).analysis;
  expect(webhooks.map(({ type }) => type)).toEqual(
    expect.arrayContaining([
      'confirm-rollout',
      'pre-rollout',
      'rollout',
      'confirm-promotion',
      'rollback',
      'post-rollout',
    ]),
  );
  for (const { type, url } of webhooks) {
    const { pathname, port } = new URL(url);
    expect([pathname, port]).toEqual([`/gate/${type}`, '9400']);
    expect(gate(pathname, {}, new Standing(new VirtualClock()), undefined)).toBeDefined();
  }
});

describe('what is asked of Prometheus', () => {
  const { groups } = specOf<{ groups: { rules: { expr: string }[] }[] }>('prometheus-rule.yaml');
  const dashboard = JSON.parse(read('grafana-dashboard.json')) as {
    panels: { id: number; title: string; targets: { expr: string }[] }[];
  };
  const expressions = [
    ...groups.flatMap(({ rules }) => rules.map(({ expr }) => expr)),
    ...dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    specOf<{ query: string }>('flagger-metric-template.yaml').query,
  ];

  test('are metrics that a watch has', async () => {
    const metrics = new WatchMetrics(new Standing(new VirtualClock()));
    const known = (await metrics.registry.getMetricsAsJSON()).map(({ name }) => name);
    for (const expression of expressions) {
      const names = expression.match(/onedrop_\w+/g) ?? [];
      expect(names.length, expression).toBeGreaterThan(0);
      for (const name of names) expect(known).toContain(name.replace(/_(bucket|count|sum)$/, ''));
    }
  });

  test('are rules that promtool accepts, where it is installed', () => {
    const folder = mkdtempSync(join(tmpdir(), 'onedrop-rules-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, 'rules.json');
    const recorded = {
      name: 'all',
      rules: expressions.map((expr, index) => ({ record: `onedrop:rule${index}`, expr })),
    };
    writeFileSync(file, JSON.stringify({ groups: [...groups, recorded] }));
    try {
      execFileSync('promtool', ['--version'], { stdio: 'pipe' });
    } catch {
      process.stdout.write('ready.test.ts: promtool is not installed; what it checks is skipped\n');
      return;
    }
    execFileSync('promtool', ['check', 'rules', file], { stdio: 'pipe' });
  });

  test('and every panel of the dashboard has a place of its own', () => {
    const ids = dashboard.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

test('the Job runs as nobody, writes nowhere else, and is asked where it listens', () => {
  const [job, service] = yaml('job.yaml') as never as [
    {
      spec: {
        template: {
          spec: {
            securityContext: object;
            containers: { args: string[]; ports: object[]; securityContext: object }[];
          };
        };
      };
    },
    { spec: { ports: object[] } },
  ];
  const { securityContext, containers } = job.spec.template.spec;
  expect(securityContext).toMatchObject({ runAsNonRoot: true });
  expect(containers[0]).toMatchObject({
    securityContext: {
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
    },
    ports: [{ containerPort: 9400 }],
  });
  expect(containers[0]?.args).toContain('--listen=0.0.0.0:9400');
  expect(service.spec.ports).toMatchObject([{ port: 9400 }]);
});
