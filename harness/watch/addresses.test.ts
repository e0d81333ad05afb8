import { expect, test } from 'vitest';
import { VirtualClock } from '../time/virtual-clock.ts';
import { Addresses } from './addresses.ts';

test('a name is asked for again once a TTL; what it stands for is used in turn, and stays while nobody answers', async () => {
  const clock = new VirtualClock();
  const answers: (readonly string[] | Error)[] = [
    ['192.0.2.1', '2001:db8::1'],
    ['2001:db8::1', '192.0.2.1'],
    new Error('SERVFAIL'),
    [],
    ['192.0.2.2'],
  ];
  const told: string[] = [];
  const resolve = async () => {
    const answer = answers.shift() ?? [];
    if (answer instanceof Error) throw answer;
    return answer;
  };
  await clock.run(async () => {
    using addresses = await Addresses.of({
      host: 'x.test',
      resolve,
      clock,
      ttl: 1000,
      changed: (text) => told.push(text),
    });
    const three = () => [addresses.next(), addresses.next(), addresses.next()];
    expect(three()).toEqual(['192.0.2.1', '2001:db8::1', '192.0.2.1']);
    await clock.sleep(3500);
    expect(addresses.all).toEqual(['192.0.2.1', '2001:db8::1']);
    expect(told).toEqual([]);
    await clock.sleep(1000);
    expect(three()).toEqual(['192.0.2.2', '192.0.2.2', '192.0.2.2']);
    expect(told).toEqual(['x.test is 192.0.2.2 now (192.0.2.1, 2001:db8::1 before)']);
  });
});
