/** What somebody has seen happen to clients, and what to type after `npm run scenario --` to see it here, and why. */
export const SYMPTOMS: readonly { readonly seen: string; readonly words: string }[] = [
  {
    seen: "... by two thirds when a Service's selector changes",
    words: 'seventy-thirty --policy Cluster,Local',
  },
  {
    seen: '... at once when a selector changes, on Cilium',
    words: 'selector-flip --pods 3 --proxy iptables,cilium-1.16 --second-service no,yes',
  },
  {
    seen: '... twice in one release',
    words: 'rolling-update --pods 3 --max-surge 0 --max-unavailable 1 --backoff 10s',
  },
  {
    seen: '... all at once in a release',
    words: 'rolling-update --pods 4 --drain close-all,paced --grace 6m',
  },
  {
    seen: '... when pods are made unready',
    words: 'readiness-fail --pods 3 --proxy iptables,cilium-1.16,cilium-1.19',
  },
  {
    seen: '... some minutes after a selector or readiness changed',
    words: 'seventy-thirty --policy Local --balancer backend-service --heartbeat 90s',
  },
  {
    seen: '... when an Ingress is added, or the proxy is released',
    words: 'ingress-reload --pods 3 --reload-by ingress,proxy-rollout',
  },
  {
    seen: '... when a canary is promoted',
    words: 'ingress-canary --pods 3 --promote ingress,selector',
  },
  {
    seen: '... when a node is upgraded or leaves',
    words: 'node-churn --pods 2 --nodes 6 --policy Cluster,Local',
  },
  {
    seen: '... when a node with their pods is drained',
    words: 'node-drain --pods 3 --by kubectl,cluster-autoscaler,karpenter,gke-upgrade,eks,spot',
  },
  {
    seen: '... ten minutes into a drain, grace or not',
    words: 'node-drain --by cluster-autoscaler --grace 1h --drain paced --drain-over 1h',
  },
  { seen: '... and hang when a node dies', words: 'node-failure --pods 3 --policy Cluster,Local' },
  { seen: '... after 15 minutes of silence', words: 'node-churn --pods 2 --proxy ipvs --heartbeat 14m,20m' },
  {
    seen: '... when externalTrafficPolicy is changed',
    words: 'policy-change --pods 2 --policy Cluster,Local',
  },
  { seen: '... when a mesh or its sidecars are released', words: 'service-mesh --pods 3' },
  { seen: '... when the autoscaler acts during a release', words: 'hpa --hpa-metric cpu,connections-value' },
  {
    seen: '... and come back to the old version',
    words: 'blue-green --pods 3 --switch-by selector,balancer',
  },
  {
    seen: '... again and again as all of them come back at once',
    words: 'rolling-update --backoff 20s --pod-cpu 1 --handshake-cpu 5ms,20ms',
  },
  { seen: '... again when a release is rolled back', words: 'selector-flip --pods 3 --rollback-after 2m' },
];
