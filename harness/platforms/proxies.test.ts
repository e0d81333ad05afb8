import { expect, test } from 'vitest';
import { formatDuration } from '../time/duration.ts';
import { type IngressProxy, PROXIES, PROXY_NAMES, proxiesOf, proxyNamed } from './proxies.ts';

test.each(PROXY_NAMES)(
  '%s says which versions it stands for, and where each of its times is known from',
  (name) => {
    const proxy: IngressProxy = PROXIES[name];
    expect(proxy.versions).not.toBe('');
    for (const { says, source } of proxy.properties) expect([says, source]).not.toContain('');
    const said = proxy.properties.map(({ says }) => says).join('\n');
    const { reload, idle, termination } = proxy;
    const keeps = termination.keeps === 'reload' ? undefined : termination.keeps;
    for (const time of [reload.keeps, idle.after, termination.grace, keeps, termination.accepts]) {
      // As a report would write it, or in seconds.
      const words = time ? [formatDuration(time).replace(/(?<=\d)(?=[a-z])/, ' '), `${time / 1000} s`] : [];
      expect(time ? words.some((word) => said.includes(word)) : true, `${words}`).toBe(true);
    }
  },
);

test('each API has an implementation that stands for it where none is named', () => {
  expect(proxiesOf('ingress')[0]).toBe('ingress-nginx');
  expect(proxiesOf('gateway-api')[0]).toBe('nginx-gateway-fabric');
  expect(proxyNamed('toString')).toBeUndefined();
});
