import { existsSync } from 'node:fs';
import { HAPROXY } from './haproxy-conf.ts';

/** What keeps a real HAProxy from running on this machine, with the command that mends it; undefined when nothing does. */
export const haproxyMissing = (): string | undefined =>
  existsSync(HAPROXY) ? undefined : 'haproxy not found; apt-get install -y haproxy';
