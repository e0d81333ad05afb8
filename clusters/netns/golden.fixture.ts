import type { V1EndpointSlice, V1Service } from '@kubernetes/client-node';

/** For tests: the API server's own Service, which stands in every dump beside the one that a case is about. */
export const kubernetesService: V1Service = {
  metadata: { name: 'kubernetes', namespace: 'default' },
  spec: {
    type: 'ClusterIP',
    clusterIP: '10.96.0.1',
    ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: 6443 }],
  },
};

export const kubernetesSlice: V1EndpointSlice = {
  addressType: 'IPv4',
  metadata: {
    name: 'kubernetes',
    namespace: 'default',
    labels: { 'kubernetes.io/service-name': 'kubernetes' },
  },
  ports: [{ name: 'https', port: 6443, protocol: 'TCP' }],
  endpoints: [{ addresses: ['172.18.0.1'], conditions: { ready: true } }],
};
