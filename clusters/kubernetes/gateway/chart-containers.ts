import type { V1Container } from '@kubernetes/client-node';
import type { Config } from '../../../harness/contracts/config.ts';
import type { Version } from '../../../harness/contracts/workload.ts';
import { ownProbes, PLACE } from '../../../harness/workload/workload.ts';

type Port = NonNullable<V1Container['ports']>[number];

/**
 * A chart's containers, the gateway among them as a run needs it: found by its port named ws, else by `gateway.port`,
 * which is then named so; with the configuration's image and env, and with its probes where the chart has none.
 * A text where no container has that port.
 */
export function withGateway(
  containers: readonly V1Container[],
  gateway: Config['gateway'],
  version: Version,
): V1Container[] | string {
  const ports = containers.flatMap((container) =>
    (container.ports ?? []).map((port) => ({ container, port })),
  );
  const found =
    ports.find(({ port }) => port.name === 'ws') ??
    ports.find(({ port }) => port.containerPort === gateway.port);
  if (found !== undefined)
    return containers.map((one) =>
      one === found.container ? asGateway(one, found.port, gateway, version) : one,
    );
  const named = ports.map(
    ({ container, port }) =>
      `${port.containerPort}${port.name === undefined ? '' : ` ${port.name}`} of ${container.name}`,
  );
  return `its pods have no port named ws and none with gateway.port ${gateway.port}, but ${named.length === 0 ? 'name none at all' : named.join(', ')}`;
}

function asGateway(
  container: V1Container,
  port: Port,
  gateway: Config['gateway'],
  version: Version,
): V1Container {
  const { image } = gateway;
  const number = port.containerPort;
  const { readinessProbe, livenessProbe, startupProbe, lifecycle } = byNumber(container, port);
  const configured = ownProbes(gateway, number);
  return {
    ...container,
    ...(image === undefined ? {} : { image: typeof image === 'object' ? image[version] : image }),
    env: environment(container, gateway, version),
    ports: (container.ports ?? []).map((one) => (one === port ? { ...one, name: 'ws' } : one)),
    ...defined({
      readinessProbe: readinessProbe ?? configured.readinessProbe,
      livenessProbe: livenessProbe ?? configured.livenessProbe,
      startupProbe,
      lifecycle,
    }),
  };
}

/** The chart's own, the configuration's in place of it, and who and where it is where the chart does not say so. */
function environment(
  { env: own = [] }: V1Container,
  { env }: Config['gateway'],
  version: Version,
): NonNullable<V1Container['env']> {
  const kept = own.filter(({ name }) => env[name] === undefined);
  const said = Object.entries(env).map(([name, value]) => ({ name, value }));
  const has = (name: string) => [...kept, ...said].some((one) => one.name === name);
  return [
    ...kept,
    ...said,
    ...[{ name: 'VERSION', value: version }, ...PLACE].filter(({ name }) => !has(name)),
  ];
}

/** Probes and hooks may call the port by the name that it had in the chart. */
const byNumber = (container: V1Container, { name, containerPort }: Port): V1Container =>
  JSON.parse(
    JSON.stringify(container, (key, value) =>
      key === 'port' && value === name && name !== undefined ? containerPort : value,
    ),
  ) as V1Container;

const defined = <T extends object>(fields: T) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Name in keyof T]?: Exclude<T[Name], undefined>;
  };
