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
  'fail-open-rehash': {
    title: 'balancer failed open',
    says: 'No backend passed its health check, so the balancer hashed established flows over all nodes; this one met a node that does not know it.',
  },
  'balancer-moved': {
    title: 'balancer moved the flow',
    says: 'The balancer sent an established flow to another node because the health or number of its backends changed.',
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
  'node-removed': {
    title: 'node was removed',
    says: 'The node that carried the connection left the cluster.',
  },
  'dataplane-cut': {
    title: "cut by the node's dataplane",
    says: "The balancer kept the flow where it was, but that node's Service rules no longer carry established connections to this pod.",
  },
  'hop-ended': {
    title: 'ended by a hop in between',
    says: 'A proxy between client and gateway (ingress, sidecar, connection holder) ended the connection.',
  },
  unattributed: {
    title: 'unattributed',
    says: 'The evidence in the log leads to no cause; nothing is guessed.',
  },
} as const satisfies Record<string, { title: string; says: string }>;

export type Cause = keyof typeof CAUSES;
