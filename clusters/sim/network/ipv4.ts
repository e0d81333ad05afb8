/** An IPv4 address as a signed 32-bit integer, which V8 keeps and compares without a heap object. */
export type Address = number;

/** Reads dotted-quad text. @throws RangeError when it is no IPv4 address. */
export function parseAddress(text: string): Address {
  const parts = text.split('.');
  let address = 0;
  for (const part of parts) {
    const byte = Number(part);
    if (!/^\d{1,3}$/.test(part) || byte > 255) throw new RangeError(`'${text}' is not an IPv4 address`);
    address = (address << 8) | byte;
  }
  if (parts.length !== 4) throw new RangeError(`'${text}' is not an IPv4 address`);
  return address;
}

export const formatAddress = (address: Address) =>
  `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;

/** An address with a port as one number, for maps. */
export const endpointKey = (address: Address, port: number) => address * 65_536 + port;

/** A range of addresses: those whose bits under `mask` are `network`. */
export interface Network {
  readonly network: Address;
  readonly mask: number;
}

/** Reads `address/bits`, or a single address. @throws RangeError when it is neither. */
export function parseCidr(text: string): Network {
  const [address = '', bits = '32'] = text.split('/');
  const length = Number(bits);
  if (!/^\d+$/.test(bits) || length > 32) throw new RangeError(`'${text}' is not an address range`);
  const mask = length === 0 ? 0 : -1 << (32 - length);
  return { network: parseAddress(address) & mask, mask };
}

export const isWithin = (address: Address, networks: readonly Network[]) =>
  networks.some(({ network, mask }) => (address & mask) === network);
