import fc from 'fast-check';
import { expect, test } from 'vitest';
import { runningProxy } from '../../control-plane/ingress/running-proxy.ts';
import { haproxyConf, placesOf, placing } from './haproxy-conf.ts';

const SETTINGS = {
  directory: '/run/h',
  address: '10.0.0.1',
  is: runningProxy({ INGRESS: 'haproxy-ingress' }),
  threads: 2,
  connections: 1000,
  speed: 60,
};
const endpoint = (last: number) => ({ address: `10.0.0.${last}`, port: 8080 });
const at = (last: number) => `10.0.0.${last}:8080`;

test('its own times are as much shorter as time runs faster', () => {
  const text = haproxyConf(
    {
      locations: [
        { host: undefined, path: '/', match: 'prefix', route: 'a', readTimeout: 3_600_000, tls: false },
      ],
      backends: [{ name: 'a', endpoints: [endpoint(1)], slots: 3 }],
    },
    SETTINGS,
  );
  expect(text).toContain('hard-stop-after 10000ms');
  expect(text).toContain('timeout tunnel 60000ms');
  expect(text).toMatch(/srv1 10\.0\.0\.1:8080\n {2}server srv2 127\.0\.0\.1:1023 disabled\n {2}server srv3/);
});

test('a time without an end is left out, or the longest that HAProxy takes', () => {
  const is = runningProxy({
    INGRESS: 'haproxy-ingress',
    WORKER_SHUTDOWN_TIMEOUT: 'never',
    IDLE_TIMEOUT: 'never',
  });
  const location = {
    host: undefined,
    path: '/',
    match: 'prefix',
    route: 'a',
    readTimeout: Number.POSITIVE_INFINITY,
    tls: false,
  } as const;
  const text = haproxyConf({ locations: [location], backends: [] }, { ...SETTINGS, is });
  expect(text).not.toContain('hard-stop-after');
  expect(text).toContain('timeout tunnel 2147483647ms');
});

test('a host with locations of its own goes by these, exact before the longest prefix, by path element', () => {
  const location = (host: string | undefined, path: string, match: 'exact' | 'prefix', route: string) => ({
    host,
    path,
    match,
    route,
    readTimeout: 1000,
    tls: false,
  });
  const text = haproxyConf(
    {
      locations: [
        location(undefined, '/', 'prefix', 'any'),
        location('a.example', '/', 'prefix', 'own'),
        location('a.example', '/chat', 'prefix', 'chat'),
        location('a.example', '/chat', 'exact', 'only'),
      ],
      backends: [],
    },
    SETTINGS,
  );
  const uses = [...text.matchAll(/use_backend (\S+) if (.*)/g)].map(
    ([, name, when]) => `${name} ${when?.trim()}`,
  );
  const own = '{ hdr(host) -i "a.example" }';
  expect(uses).toEqual([
    `only ${own} { path "/chat" }`,
    `chat ${own} { path "/chat" }`,
    `chat ${own} { path_beg "/chat/" }`,
    `own ${own} { path_beg "/" }`,
    `not-found ${own}`,
    'any { path_beg "/" }',
  ]);
});

test('endpoints keep their places, and new ones take free ones', () => {
  const places = placesOf({ name: 'a', endpoints: [endpoint(1), endpoint(2)], slots: 3 });
  const next = placing('a', places, [endpoint(2), endpoint(3)]);
  expect(next.places).toEqual([at(3), at(2), undefined]);
  expect(next.commands).toEqual([
    'set server a/srv1 addr 10.0.0.3 port 8080',
    'set server a/srv1 state ready',
  ]);
  expect(placing('a', next.places, []).commands).toContain('set server a/srv2 state maint');
  expect(() => placing('a', [], [endpoint(1)])).toThrow('no free slot for 10.0.0.1:8080');
});

test('whatever comes and goes within the slots, exactly the endpoints are served', () => {
  fc.assert(
    fc.property(fc.array(fc.uniqueArray(fc.nat(20), { maxLength: 6 })), (changes) => {
      let places = placesOf({ name: 'a', endpoints: [], slots: 6 });
      for (const lasts of changes) {
        places = [...placing('a', places, lasts.map(endpoint)).places];
        expect(places.filter((place) => place !== undefined).toSorted()).toEqual(lasts.map(at).toSorted());
      }
    }),
  );
});
