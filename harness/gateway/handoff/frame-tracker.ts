/**
 * Follows the frames that a client sends and remembers the bytes of a message that has not come to its end, so
 * that another process can read that message from its beginning (RFC 6455 5.2). It checks nothing: whoever
 * parses the frames for real does that.
 */
export class FrameTracker {
  private chunks: Buffer[] = [];
  private length = 0;
  /** Bytes that must be there before the next look is worth it. */
  private needed = 2;

  /** Takes the bytes in the order in which they came. */
  push(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.length += chunk.length;
    if (this.length < this.needed) return;
    const bytes = this.chunks.length === 1 ? chunk : Buffer.concat(this.chunks);
    let begin = 0;
    let offset = 0;
    for (;;) {
      const frame = frameAt(bytes, offset);
      if (frame.end > bytes.length) {
        this.needed = frame.end - begin;
        break;
      }
      offset = frame.end;
      // Control frames may stand between the fragments of a message; they do not end it.
      if (frame.control ? begin === offset - frame.size : frame.final) begin = offset;
    }
    this.chunks = begin === bytes.length ? [] : [bytes.subarray(begin)];
    this.length = bytes.length - begin;
  }

  /** The bytes since the last complete message; empty between messages. */
  unfinished(): Buffer {
    return Buffer.concat(this.chunks);
  }
}

interface Frame {
  /** Offset behind the frame, or behind the header where that is not complete. */
  readonly end: number;
  readonly size: number;
  readonly final: boolean;
  readonly control: boolean;
}

function frameAt(bytes: Buffer, offset: number): Frame {
  const first = bytes[offset] ?? 0;
  const second = bytes[offset + 1];
  const short = (second ?? 0) & 0x7f;
  const extended = short === 127 ? 8 : short === 126 ? 2 : 0;
  const header = 2 + extended + ((second ?? 0) & 0x80 ? 4 : 0);
  const known = second !== undefined && bytes.length >= offset + 2 + extended;
  const payload = !known
    ? 0
    : extended === 0
      ? short
      : extended === 2
        ? bytes.readUInt16BE(offset + 2)
        : Number(bytes.readBigUInt64BE(offset + 2));
  const size = header + payload;
  return { end: offset + size, size, final: (first & 0x80) !== 0, control: (first & 0x08) !== 0 };
}
