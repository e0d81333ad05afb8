import type { Millis } from '../../../harness/time/duration.ts';
import type { IngressConfig, IngressLocation } from '../../control-plane/ingress/ingress.ts';
import type { ProxySettings } from '../pods/proxy-program.ts';

/** Debian's names of what nginx loads; both come with the package libnginx-mod-http-lua. */
export const NGINX_MODULES = ['ndk_http_module.so', 'ngx_http_lua_module.so'] as const;
/** Debian's nginx -V: --sbin-path and --modules-path. */
export const NGINX = '/usr/sbin/nginx';
export const MODULES_PATH = '/usr/lib/nginx/modules';

/** What of nginx.conf does not come from the cluster's objects. */
export interface NginxSettings extends ProxySettings {
  readonly workers: number;
  /** Connections a worker may hold, both sides of each counted. */
  readonly workerConnections: number;
  /** Where balancer.lua is. */
  readonly luaDirectory: string;
  /** Workers are not to become another user: they run as root of a user namespace that has no other. */
  readonly root: boolean;
}

/** For a time that has no end: longer than any run. */
const NEVER = '365d';

/** The socket, in nginx's own directory, on which the controller configures it. */
export const CONFIGURATION_SOCKET = 'configuration.sock';

/** nginx.conf, after ingress-nginx's template (ing rootfs/etc/nginx/template/nginx.tmpl), with paths relative to its prefix. */
export function nginxConf(locations: readonly IngressLocation[], settings: NginxSettings): string {
  const time = (model: Millis) =>
    Number.isFinite(model) ? `${Math.max(1, Math.round(model / settings.speed))}ms` : NEVER;
  const { port, healthPort, keeps, proxy } = settings.is;
  const hosts = [...new Set(['', ...locations.map(({ host }) => host ?? '')])];
  const server = (host: string) => {
    const own = locations.filter((location) => (location.host ?? '') === host);
    const { address } = settings;
    return `  server {
    listen ${address}:${port}${host === '' ? ' default_server reuseport backlog=65535' : ''};
    server_name ${host === '' ? '_' : quoted(host)};
${own.map((location) => locationBlocks(location, time)).join('')}${
  own.some(({ path }) => path === '/') ? '' : '    location / { return 404; }\n'
}  }
`;
  };
  return `${NGINX_MODULES.map((module) => `load_module ${MODULES_PATH}/${module};\n`).join('')}daemon off;
pid nginx.pid;
error_log stderr info;
${settings.root ? 'user root root;\n' : ''}worker_processes ${settings.workers};
${keeps === undefined ? '' : `worker_shutdown_timeout ${time(keeps)};\n`}events {
  worker_connections ${settings.workerConnections};
  multi_accept on;
}
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  lua_package_path ${quoted(`${settings.luaDirectory}/?.lua;;`)};
  lua_shared_dict configuration 8m;
  lua_shared_dict connections 1m;
  client_body_buffer_size 4m;
  client_max_body_size 4m;
  server_names_hash_bucket_size 128;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  init_by_lua_block { balancer = require("balancer") }
  init_worker_by_lua_block { balancer.init_worker(${Math.max(0.001, proxy.sync.pickUp / settings.speed / 1000)}) }
  upstream upstream_balancer {
    server 0.0.0.1;
    balancer_by_lua_block { balancer.balance() }
  }
${hosts.map(server).join('')}  server {
    listen unix:${settings.directory}/${CONFIGURATION_SOCKET};
    location = /configuration/backends { content_by_lua_block { balancer.configuration() } }
    location = /connections { content_by_lua_block { balancer.connections() } }
  }
  server {
    listen ${settings.address}:${healthPort};
    location = /healthz { content_by_lua_block { balancer.healthz() } }
  }
}
`;
}

function locationBlocks(location: IngressLocation, time: (model: Millis) => string): string {
  const { path, match, route, readTimeout } = location;
  const body = `{
      set $route ${quoted(route)};
      rewrite_by_lua_block { balancer.rewrite() }
      log_by_lua_block { balancer.log() }
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_connect_timeout 5s;
      proxy_read_timeout ${time(readTimeout)};
      proxy_send_timeout ${time(readTimeout)};
      proxy_buffering off;
      proxy_next_upstream error timeout;
      proxy_next_upstream_tries 3;
      proxy_pass http://upstream_balancer;
    }
`;
  const block = (modifier: string) => `    location ${modifier}${body}`;
  if (match === 'exact') return block(`= ${quoted(path)} `);
  if (path === '/') return block('/ ');
  // By path element, as the API has it: /foo and /foo/bar, not /foobar.
  const stem = path.replace(/\/$/, '');
  return block(`= ${quoted(stem)} `) + block(`${quoted(`${stem}/`)} `);
}

/** What the workers' Lua is posted: see balancer.lua. */
export function backendsText({ backends, routes }: Pick<IngressConfig, 'backends' | 'routes'>): string {
  const lines = [
    ...backends.map(({ name, endpoints }) => [
      'backend',
      name,
      ...endpoints.map(({ address, port }) => `${address}:${port}`),
    ]),
    ...routes.map(({ name, choices }) => [
      'route',
      name,
      ...choices.flatMap(({ backend, weight }) => [backend, String(weight)]),
    ]),
  ];
  return lines.map((words) => `${words.join('\t')}\n`).join('');
}

const quoted = (text: string) => `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
