import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FrameTracker } from './frame-tracker.ts';

interface Frame {
  readonly opcode: number;
  readonly final: boolean;
  readonly payload: number;
  readonly masked: boolean;
}

function encode({ opcode, final, payload, masked }: Frame): Buffer {
  const length =
    payload < 126
      ? [payload]
      : payload < 65_536
        ? [126, payload >> 8, payload & 0xff]
        : [127, 0, 0, 0, 0, payload >>> 24, (payload >> 16) & 0xff, (payload >> 8) & 0xff, payload & 0xff];
  length[0] = (length[0] as number) | (masked ? 0x80 : 0);
  const head = [opcode | (final ? 0x80 : 0), ...length, ...(masked ? [1, 2, 3, 4] : [])];
  return Buffer.concat([Buffer.from(head), Buffer.alloc(payload, 0xff)]);
}

const masked = fc.boolean();
const payload = fc.oneof(fc.integer({ min: 0, max: 200 }), fc.constantFrom(125, 126, 65_535, 65_536));
const ping = fc.record({
  opcode: fc.constantFrom(9, 10),
  final: fc.constant(true),
  payload: fc.integer({ min: 0, max: 125 }),
  masked,
});
/** A message in fragments, with a ping or pong before some of them. */
const message = fc
  .tuple(fc.array(fc.tuple(payload, fc.option(ping)), { minLength: 1, maxLength: 4 }), masked)
  .map(([fragments, mask]) =>
    fragments.flatMap(([size, before], index): Frame[] => [
      ...(index > 0 && before !== null ? [before] : []),
      {
        opcode: index === 0 ? 1 : 0,
        final: index === fragments.length - 1,
        payload: size,
        masked: mask,
      },
    ]),
  );
const conversation = fc.array(
  fc.oneof(
    message,
    ping.map((frame) => [frame]),
  ),
  { maxLength: 6 },
);

it('remembers exactly the bytes since the last complete message, however the bytes are cut into chunks', () => {
  fc.assert(
    fc.property(
      conversation,
      fc.nat(),
      fc.array(fc.integer({ min: 1, max: 40_000 })),
      (messages, cut, sizes) => {
        const encoded = messages.map((frames) => Buffer.concat(frames.map(encode)));
        const bytes = Buffer.concat(encoded);
        const received = bytes.subarray(0, cut % (bytes.length + 1));
        const tracker = new FrameTracker();
        for (let offset = 0, chunk = 0; offset < received.length; chunk++) {
          const size = sizes[chunk % Math.max(1, sizes.length)] ?? received.length;
          tracker.push(received.subarray(offset, offset + size));
          offset += size;
        }
        let complete = 0;
        for (const { length } of encoded) {
          if (complete + length > received.length) break;
          complete += length;
        }
        expect(tracker.unfinished().equals(received.subarray(complete))).toBe(true);
      },
    ),
  );
});
