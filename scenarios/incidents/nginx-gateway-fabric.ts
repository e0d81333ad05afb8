import { finding, percent } from './finding.ts';
import type { Incident } from './incident.ts';

const RELOADS = 3;

export const nginxGatewayFabric: Incident = {
  id: 'nginx-gateway-fabric',
  reference: 'nginx/nginx-gateway-fabric#5524',
  saw: 'every change of endpoints reloads the open-source nginx, and with a worker_shutdown_timeout of 60 s each reload ends all WebSockets, pings or not',
  fix: 'none there; without that timeout nobody is cut, and old workers pile up',
  strategy: 'ingress-reload',
  before: {
    axes: {
      pods: '3',
      backoff: '10s',
      ingress: 'nginx-gateway-fabric',
      reloadBy: 'endpoint',
      workerShutdownTimeout: '60s',
      reloads: String(RELOADS),
      reloadEvery: '3m',
    },
    finds: ({ document: { disconnectsPerClient, clients } }) =>
      finding(
        `${percent(disconnectsPerClient[RELOADS] ?? 0, clients)} are dropped ${RELOADS} times by ${RELOADS} new pods, none of which took one away`,
        disconnectsPerClient[RELOADS] === clients,
      ),
  },
  after: {
    axes: { workerShutdownTimeout: 'never' },
    finds: ({ document: { dropped } }) => finding(`${dropped} are lost`, dropped === 0),
  },
};
