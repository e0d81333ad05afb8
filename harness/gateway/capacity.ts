/** What one pod of the gateway can take; `Infinity` where nothing bounds it. */
export interface Capacity {
  /** Processors' worth of speed of its one event loop: `2` does in a second what costs two. */
  readonly processors: number;
  /** Handshakes a second that it lets in; it refuses the others with 503 before the upgrade. */
  readonly admission: number;
  /** Bytes that it may use, above which the kernel kills it. */
  readonly memory: number;
  /** Bytes that each connection takes, beside those of the process itself. */
  readonly connectionMemory: number;
}

/** What a gateway is that nothing bounds. */
export const UNLIMITED: Capacity = {
  processors: Number.POSITIVE_INFINITY,
  admission: Number.POSITIVE_INFINITY,
  memory: Number.POSITIVE_INFINITY,
  connectionMemory: 12_288,
};

/** Whether anything of it is bounded, so that there is something to count. */
export const isLimited = ({ processors, admission, memory }: Capacity): boolean =>
  [processors, admission, memory].some(Number.isFinite);

/** The names in the environment of what a pod can take; what is not there is not bounded. */
export const CAPACITY = {
  processors: 'POD_CPU',
  memory: 'POD_MEMORY',
  connectionMemory: 'CONNECTION_MEMORY',
  admission: 'ADMISSION',
} as const satisfies Record<keyof Capacity, string>;

/** What an environment says of what a pod can take. */
export function capacityOf(env: Readonly<Record<string, string | undefined>>): Capacity {
  const read = ([name, variable]: [string, string]) =>
    env[variable] === undefined ? [] : [[name, Number(env[variable])]];
  return { ...UNLIMITED, ...Object.fromEntries(Object.entries(CAPACITY).flatMap(read)) };
}

/** The environment that says so. */
export const capacityEnvironment = (
  capacity: {
    readonly [Name in keyof Capacity]?: Capacity[Name] | undefined;
  },
): { name: string; value: string }[] =>
  (Object.keys(CAPACITY) as (keyof Capacity)[]).flatMap((name) =>
    capacity[name] === undefined ? [] : [{ name: CAPACITY[name], value: String(capacity[name]) }],
  );

/** The header of clients that were there long before the run: whatever their handshake costs has been paid. */
export const SETTLED = 'x-onedrop-settled';
