import { env } from 'node:process';
import { defineConfig } from 'onedrop/config';

const token = env.GATEWAY_TOKEN ?? 'example-token';

export default defineConfig({
  gateway: {
    // For clusters that run processes; for kind, gke and kubeconfig an image (or a chart, see README) stands beside it:
    // image: { v1: 'registry.example/gateway:2.4.0', v2: 'registry.example/gateway:2.5.0' },
    command: {
      v1: ['env', 'BUILD=2.4.0', 'node', 'gateway.main.ts'],
      v2: ['env', 'BUILD=2.5.0', 'node', 'gateway.main.ts'],
    },
    env: { TOKEN: token },
    port: 9000,
    path: '/socket',
    readyPath: '/healthz',
    admin: {
      port: 9001,
      failReadiness: '/unhealthy',
      restoreReadiness: '/healthy',
      drain: '/let-go?seconds={seconds}',
    },
    drainSignal: 'SIGUSR2',
  },
  // x-build: app/2.4.0
  version: { header: 'x-build', match: /^app\/(.+)$/ },
  versions: { v1: '2.4.0', v2: '2.5.0' },
  pod: { header: 'x-served-by' },
  clients: {
    backoff: '5m',
    heartbeat: '30s',
    subprotocols: ['chat.v2'],
    headers: { authorization: `Bearer ${token}` },
  },
});
