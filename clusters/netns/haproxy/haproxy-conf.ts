import type { Millis } from '../../../harness/time/duration.ts';
import type {
  IngressBackend,
  IngressConfig,
  IngressEndpoint,
  IngressLocation,
} from '../../control-plane/ingress/ingress.ts';
import type { ProxySettings } from '../pods/proxy-program.ts';

/** Where Debian puts it. */
export const HAPROXY = '/usr/sbin/haproxy';
/** The frontend that clients come to. */
export const FRONTEND = 'ingress';
/** The socket, in HAProxy's own directory, by which it is told of endpoints. */
export const ADMIN_SOCKET = 'admin.sock';
/** A server's place without an endpoint (hap dynupdate.go execDisableEndpoint). */
const EMPTY = '127.0.0.1:1023';
/** For a time that has no end: the longest that HAProxy takes, which is longer than any run. */
const LONGEST: Millis = 2 ** 31 - 1;

/** What of haproxy.cfg does not come from the cluster's objects. */
export interface HaproxySettings extends ProxySettings {
  readonly threads: number;
  readonly connections: number;
}

/**
 * haproxy.cfg, as haproxy-ingress sets it (hap rootfs/etc/templates/haproxy/haproxy.tmpl), with a place for each slot.
 * The time-outs of a handshake are those of real time, since the machine is no faster.
 */
export function haproxyConf(
  { locations, backends }: Pick<IngressConfig, 'locations' | 'backends'>,
  { directory, address, is, threads, connections, speed }: HaproxySettings,
): string {
  const time = (model: Millis) => `${Math.min(LONGEST, Math.max(1, Math.round(model / speed)))}ms`;
  // One time-out for all that go through its frontend, as its ConfigMap has it.
  const idle = Math.max(1, ...locations.map(({ readTimeout }) => readTimeout));
  return `global
  stats socket unix@${directory}/${ADMIN_SOCKET} level admin expose-fd listeners
  ${is.keeps === undefined ? '' : `hard-stop-after ${time(is.keeps)}`}
  no strict-limits
  maxconn ${connections}
  nbthread ${threads}
  log stdout format raw local0
defaults
  mode http
  log-format "onedrop ended %pid %ts"
  timeout connect 5s
  timeout client 50s
  timeout server 50s
  timeout tunnel ${time(locations.length === 0 ? LONGEST : idle)}
frontend ${FRONTEND}
  log global
  bind ${address}:${is.port}
${useBackends(locations).join('')}  default_backend not-found
frontend health
  bind ${address}:${is.healthPort}
  monitor-uri /healthz
backend not-found
  http-request deny deny_status 404
${backends.map(backendSection).join('')}`;
}

/** Of a host's own locations the exact before the longest prefix; what has none of its own goes by those of any host. */
function useBackends(locations: readonly IngressLocation[]): string[] {
  const rank = ({ match, path }: IngressLocation) => (match === 'exact' ? Number.MAX_VALUE : path.length);
  const sorted = locations.toSorted((one, other) => rank(other) - rank(one));
  const hosts = [...new Set(sorted.flatMap(({ host }) => host ?? []))].sort();
  const rules = (host: string | undefined, ofHost: string) =>
    sorted
      .filter((location) => location.host === host)
      .flatMap(({ path, match, route }) => {
        const use = `  use_backend ${route} if ${ofHost}`;
        if (match === 'exact') return [`${use} { path ${quoted(path)} }\n`];
        const stem = path.replace(/\/$/, '');
        return [
          ...(stem === '' ? [] : [`${use} { path ${quoted(stem)} }\n`]),
          `${use} { path_beg ${quoted(`${stem}/`)} }\n`,
        ];
      });
  return [
    ...hosts.flatMap((host) => {
      const ofHost = `{ hdr(host) -i ${quoted(host)} }`;
      return [...rules(host, ofHost), `  use_backend not-found if ${ofHost}\n`];
    }),
    ...rules(undefined, ''),
  ];
}

/** A backend's places, in order: endpoints first, then the free ones. */
export function placesOf({ endpoints, slots = endpoints.length }: IngressBackend): (string | undefined)[] {
  return Array.from({ length: slots }, (_, place) => addressOf(endpoints[place]));
}

const addressOf = (endpoint: IngressEndpoint | undefined): string | undefined =>
  endpoint === undefined ? undefined : `${endpoint.address}:${endpoint.port}`;

const backendSection = (backend: IngressBackend) => `backend ${backend.name}
  balance roundrobin
${placesOf(backend)
  .map((at, place) => `  server srv${place + 1} ${at ?? `${EMPTY} disabled`}\n`)
  .join('')}`;

/**
 * The commands that bring a backend's places from what they hold to these endpoints, and what they hold then: an
 * endpoint keeps its place, a new one takes a free one. @throws RangeError where there is none.
 */
export function placing(
  name: string,
  places: readonly (string | undefined)[],
  endpoints: readonly IngressEndpoint[],
): { readonly commands: readonly string[]; readonly places: readonly (string | undefined)[] } {
  const wanted = endpoints.map((endpoint) => addressOf(endpoint) as string);
  const after = places.map((at) => (at !== undefined && wanted.includes(at) ? at : undefined));
  for (const at of wanted.filter((one) => !after.includes(one))) {
    const free = after.indexOf(undefined);
    if (free < 0) throw new RangeError(`backend ${name} has no free slot for ${at}`);
    after[free] = at;
  }
  const commands = after.flatMap((at, place) => {
    if (at === places[place]) return [];
    const server = `set server ${name}/srv${place + 1}`;
    const [address, port] = (at ?? EMPTY).split(':');
    return at === undefined
      ? [`${server} state maint`, `${server} addr ${address} port ${port}`]
      : [`${server} addr ${address} port ${port}`, `${server} state ready`];
  });
  return { commands, places: after };
}

const quoted = (text: string) => `"${text.replaceAll(/["\\$]/g, '\\$&')}"`;
