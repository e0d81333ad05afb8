import { finding } from './finding.ts';
import type { Incident } from './incident.ts';

export const ldRelay: Incident = {
  id: 'ld-relay',
  reference: 'launchdarkly/ld-relay#92',
  saw: 'after a release connections are unequally spread over the pods, and stay so',
  fix: 'a greatest age of connections (maxClientConnectionTime), so that they are spread anew as time goes by',
  strategy: 'rolling-update',
  before: {
    axes: {
      pods: '12',
      nodes: '12',
      clients: '1800',
      backoff: '30s',
      backoffModel: 'exponential-full-jitter',
    },
    finds: ({ document: { shape } }) =>
      finding(
        shape === null
          ? 'no gateway is ready at the end'
          : `at the end the fullest pod holds ${shape.most}, ${(shape.most / shape.mean).toFixed(1)} times the mean, and ${shape.empty} of 12 hold nobody`,
        shape !== null && shape.most > 1.5 * shape.mean,
        shape !== null && shape.empty > 0,
      ),
  },
  after: {
    axes: { maxAge: '10m' },
    finds: ({ document: { shape, agedOut } }) =>
      finding(
        shape === null
          ? 'no gateway is ready at the end'
          : `with --max-age 10m the fullest pod holds ${shape.most}, ${(shape.most / shape.mean).toFixed(1)} times the mean, once every connection has been closed for its age`,
        agedOut > 0,
        shape !== null && shape.most < 1.3 * shape.mean,
        shape?.empty === 0,
      ),
  },
};
