import { existsSync } from 'node:fs';
import { MODULES_PATH, NGINX, NGINX_MODULES } from './nginx-conf.ts';

/** Everything that a real nginx with Lua consists of on Debian and Ubuntu; the last comes with the one before. */
const PARTS: readonly (readonly [what: string, path: string])[] = [
  ['nginx', NGINX],
  ...NGINX_MODULES.map((module) => [`nginx's module ${module}`, `${MODULES_PATH}/${module}`] as const),
  ['lua-resty-core', '/usr/share/lua/5.1/ngx/balancer.lua'],
];

/** What keeps a real ingress from running on this machine, with the command that mends it; undefined when nothing does. */
export function nginxMissing(): string | undefined {
  const missing = PARTS.filter(([, path]) => !existsSync(path)).map(([what]) => what);
  if (missing.length === 0) return undefined;
  return `${missing.join(', ')} not found; apt-get install -y nginx-light libnginx-mod-http-lua`;
}
