import type { Platform } from './platform.ts';
import { inferred, read } from './properties.ts';

const ENVOY = [
  read(
    'Envoy drains for 5 s from SIGTERM on and is then ended, whatever the application behind it still has',
    'istio pkg/config/mesh/mesh.go terminationDrainDuration; pilot/cmd/pilot-agent',
  ),
  read(
    'with EXIT_ON_ZERO_ACTIVE_CONNECTIONS it waits for the last connection, at least 5 s',
    'istio pilot/cmd/pilot-agent/options MINIMUM_DRAIN_DURATION',
  ),
  read(
    'new weights of HTTP routes move no held connection; a TCP listener that changes is drained for 45 s',
    'istio pilot drainDuration; Envoy listener drain',
  ),
] as const;

/** How a mesh's proxies stand beside their applications, by the value of `--sidecars`. */
export const SIDECARS: Readonly<Record<'native' | 'classic', Platform>> = {
  native: {
    title: 'Istio sidecars, native',
    versions: 'Istio 1.27 and later by default, on Kubernetes 1.29 and later',
    properties: [
      ...ENVOY,
      read(
        'SIGTERM reaches the sidecar only after the application has ended',
        'istio manifests injection-template.yaml; KEP-753',
      ),
      inferred(
        'it is the default since 1.27',
        'istio releasenotes/notes/native-sidecar-default.yaml, July 2025',
      ),
    ],
  },
  classic: {
    title: 'Istio sidecars, beside the application',
    versions: 'Istio before 1.27, and later where native sidecars are switched off',
    properties: [
      ...ENVOY,
      read('SIGTERM reaches application and sidecar at the same time', 'k8s pkg/kubelet/kuberuntime'),
    ],
  },
};
