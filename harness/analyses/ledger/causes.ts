/**
 * Why connections are lost, in small, documented words. Each names the first thing on the way between client and
 * gateway that stopped carrying the connection; how it showed (close frame, reset, silence) stands beside it.
 */
export const CAUSES = {
  'asked-to-leave': {
    title: 'asked to leave',
    says: 'The gateway was draining and asked the client to reconnect; the client left by itself.',
  },
  'gateway-closed': {
    title: 'closed by its gateway',
    says: 'The gateway was told to go (SIGTERM or drain) and closed the connection itself.',
  },
  'gateway-ended': {
    title: 'gateway process ended',
    says: 'The gateway process exited or was killed with the connection still open.',
  },
  'aged-out': {
    title: 'closed for its age',
    says: 'The connection had reached the age at which the gateway closes each (--max-age, as MAX_CONNECTION_AGE of gRPC), so that connections spread over the pods again. No release is needed for that.',
  },
  evicted: {
    title: 'evicted from its node',
    says: 'The node was being removed, and whoever removes it evicted the pod: the gateway was told to go and closed the connection, or ended with it open.',
  },
  'grace-cut': {
    title: 'killed when its grace was cut',
    says: 'The node was being removed by somebody who grants less than the grace period that the pod asks for: the gateway was killed when that was over, with the connection still open.',
  },
  overloaded: {
    title: 'its gateway was too busy to answer',
    says: 'The ping waited in the queue of the gateway, behind handshakes and other work, for longer than the client waits for an answer.',
  },
  'restarted-by-probe': {
    title: 'gateway restarted for a failed probe',
    says: 'The gateway was too busy to answer its livenessProbe, and its kubelet restarted it: all its connections ended.',
  },
  'out-of-memory': {
    title: 'gateway killed for memory',
    says: 'The gateway used more memory than its pod may, and the kernel killed it: all its connections ended at once.',
  },
  'fail-open-rehash': {
    title: 'balancer failed open',
    says: 'No backend passed its health check, so the balancer hashed established flows over all nodes; this one met a node that does not know it.',
  },
  'balancer-moved': {
    title: 'balancer moved the flow',
    says: 'The balancer sent an established flow to another node because the health or number of its backends changed.',
  },
  'balancer-reset': {
    title: 'reset by the balancer',
    says: 'The backend that carried the flow became unhealthy or left, and the balancer answered its next packet with a reset.',
  },
  'balancer-recreated': {
    title: 'balancer was recreated',
    says: 'The forwarding rule and its tracking table were deleted and made anew: packets found no rule for a while, and established flows were then hashed as if they were new.',
  },
  'no-backend': {
    title: 'balancer had no backend',
    says: 'The balancer had no backend left to send the flow to.',
  },
  'tracking-expired': {
    title: 'tracking entry expired',
    says: 'The flow was idle longer than the balancer remembers flows, so its next packet was hashed as if it were new.',
  },
  'balancer-idle': {
    title: 'idle for longer than the balancer allows',
    says: 'The flow was silent for longer than the balancer remembers flows, and this balancer answers what it does not know with a reset. No release is needed for that.',
  },
  'node-removed': {
    title: 'node was removed',
    says: 'The node that carried the connection left the cluster.',
  },
  'node-off': {
    title: 'machine without power',
    says: 'The machine of the pod, or of the node that carried the connection, was gone without a goodbye: nothing closes such a connection, and only silence tells.',
  },
  'dataplane-cut': {
    title: "cut by the node's dataplane",
    says: "The balancer kept the flow where it was, but that node's Service rules no longer carry established connections to this pod.",
  },
  'entry-expired': {
    title: 'entry on the node expired',
    says: "The connection was idle for longer than its node's dataplane remembers (IPVS: 15 minutes; Cilium: 6 hours up to 1.14, then 2 hours 13 minutes); the rules are there, but the next packet belonged to no known connection. No release is needed for that.",
  },
  'proxy-shutdown-timeout': {
    title: "proxy's worker shutdown time-out",
    says: 'The proxy had reloaded or was told to quit; what was left of before kept the connection for a time (ingress-nginx: worker-shutdown-timeout, HAProxy Ingress: timeout-stop) and then ended it.',
  },
  'proxy-idle': {
    title: "proxy's read time-out",
    says: 'The connection was silent for longer than the proxy tolerates (nginx: proxy-read-timeout, HAProxy: timeout tunnel, Envoy: stream_idle_timeout). No release is needed for that.',
  },
  'proxy-lifetime': {
    title: "proxy's lifetime limit",
    says: "The connection had reached the age at which the proxy ends each, silent or not (Google's L7 balancer: the backend service's time-out). No release is needed for that.",
  },
  'proxy-drained': {
    title: "proxy's drain was over",
    says: 'A listener of the proxy (Envoy) had changed; the connections on it were drained and then ended.',
  },
  'envoy-aborted': {
    title: 'Envoy aborted by its pilot-agent',
    says: 'The Envoy of a sidecar or mesh gateway got SIGTERM, and its pilot-agent aborted it when its time was over or nobody seemed to be left; the application behind it may have had far longer.',
  },
  'proxy-ended': {
    title: 'proxy process ended',
    says: 'The process of a proxy between client and gateway (ingress controller, connection holder) exited, was told to end or was killed, and the connection with it.',
  },
  'hop-ended': {
    title: 'ended by a hop in between',
    says: 'A proxy between client and gateway ended the connection, and does not say by what.',
  },
  'closed-by-peer': {
    title: 'closed from the other side',
    says: 'A close frame came: the gateway, or a proxy that speaks WebSocket, closed the connection itself. The cluster was not seen.',
  },
  'ended-by-peer': {
    title: 'ended from the other side',
    says: 'The TCP connection was closed without a close frame: a gateway process that exited without a goodbye, or a proxy that gave the connection up. The cluster was not seen.',
  },
  'reset-on-the-way': {
    title: 'reset on the way',
    says: 'A reset came: a process that was killed, or a node, proxy or balancer that does not know the connection. The cluster was not seen.',
  },
  'path-silent': {
    title: 'the path fell silent',
    says: 'Nothing answered any more and nothing said so: packets were dropped or went where nobody knows the connection. The cluster was not seen.',
  },
  unattributed: {
    title: 'unattributed',
    says: 'The evidence in the log leads to no cause; nothing is guessed.',
  },
} as const satisfies Record<string, { title: string; says: string }>;

export type Cause = keyof typeof CAUSES;

/** Causes that need no release: a connection idles too long at any time. */
export const IDLE_CAUSES: ReadonlySet<Cause> = new Set<Cause>([
  'aged-out',
  'entry-expired',
  'proxy-idle',
  'proxy-lifetime',
  'balancer-idle',
]);
