import { expect, test } from 'vitest';
import { type ConfigInput, readConfig } from '../contracts/config.ts';
import { clientProtocol } from './client-protocol.ts';

const protocol = (changes: Partial<ConfigInput> = {}) =>
  clientProtocol(
    readConfig(
      {
        gateway: { command: ['x'], port: 9000, path: '/socket', readyPath: '/' },
        version: { header: 'x-build' },
        ...changes,
      },
      'x',
    ),
  );

test("the gateway's own names of its versions become v1 and v2; any other is kept, to be found", () => {
  const { handshake } = protocol({ versions: { v1: '2.4.0', v2: '2.5.0' } });
  expect(handshake({ 'x-build': '2.4.0' })).toEqual({ version: 'v1' });
  expect(handshake({ 'x-build': '2.5.0' })).toEqual({ version: 'v2' });
  expect(handshake({ 'x-build': '9' })).toEqual({ version: '9' });
  expect(handshake({})).toEqual({});
});

test('version and pod may stand in different places', () => {
  const { handshake, message, tellsPod } = protocol({ pod: { message: '/pod' } });
  expect(tellsPod).toBe(true);
  expect(handshake({ 'x-build': 'v1' })).toEqual({ version: 'v1' });
  expect(message('{"pod":"gateway-1"}')).toEqual({ pod: 'gateway-1' });
});

test('a message that asks the client to reconnect is known by its value or an expression', () => {
  const byValue = protocol({ asks: { message: '/type', equals: 'bye' } });
  expect(byValue.message('{"type":"bye"}')).toBe('reconnect');
  expect(byValue.message('{"type":"hello"}')).toEqual({});
  const byExpression = protocol({ asks: { message: /^bye/ } });
  expect(byExpression.message('bye now')).toBe('reconnect');
  expect(byExpression.message('good bye')).toEqual({});
});

test("no header's value is left in a text, nor its token alone", () => {
  const { redact, headers } = protocol({
    clients: { headers: { authorization: 'Bearer abc.def', 'x-a': '1' } },
  });
  expect(headers.authorization).toBe('Bearer abc.def');
  expect(redact('got Bearer abc.def')).toBe('got [redacted]');
  expect(redact('token abc.def of 1')).toBe('token [redacted] of 1');
});
