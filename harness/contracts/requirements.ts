/** What it takes to meet a requirement, from what costs least to what the asker cannot do at all. */
export type Effort =
  /** Spare room in the cluster for as long as the release lasts. */
  | 'capacity'
  /** One more request that the gateway answers on its admin port. */
  | 'endpoint'
  /** Something new in the path to the gateway, which exists and has to be run and released as well. */
  | 'component'
  /** A gateway that is built otherwise: what holds the clients is no longer what is released. */
  | 'rebuild'
  /** Clients that behave otherwise than they do today. */
  | 'clients';

/** All that strategies require, in the words in which the report says it, and what that takes. */
const REQUIREMENTS = {
  'room for twice the pods': 'capacity',
  'a gateway that fails its readiness on request': 'endpoint',
  'a gateway that drains on request': 'endpoint',
  'a gateway that drains slowly on SIGTERM': 'endpoint',
  'an ingress controller in the path': 'component',
  'a service mesh in the path': 'component',
  'a second load balancer and clients that follow its DNS name': 'component',
  'a connection holder in the path': 'rebuild',
  'a gateway that resumes a client on another connection': 'rebuild',
  'a process in each pod that owns the sockets and outlives releases': 'rebuild',
  'clients that reconnect when a message asks them to': 'clients',
  'clients that open a second connection before they close the first': 'clients',
} as const satisfies Record<string, Effort>;

export type Requirement = keyof typeof REQUIREMENTS;

/** All efforts, the least first. */
export const EFFORTS: readonly Effort[] = ['capacity', 'endpoint', 'component', 'rebuild', 'clients'];

/** What it takes; `component` for what only a log of another version knows. */
export const effortOf = (requirement: string): Effort =>
  Object.hasOwn(REQUIREMENTS, requirement) ? REQUIREMENTS[requirement as Requirement] : 'component';
