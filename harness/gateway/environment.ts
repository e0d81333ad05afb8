import { type BootRange, bootRange } from './boot.ts';
import { CAPACITY, capacityOf } from './capacity.ts';
import type { Drain, GatewayOptions } from './gateway.ts';
import { processTime } from './process-clock.ts';

/** The settings of a gateway's process, as far as they come from its environment. */
export type GatewaySettings = Omit<GatewayOptions, 'log' | 'exit'> & { readonly boot: BootRange };

/** What an environment says, and every mistake found in it, as `NAME=value: what it must be`. */
export interface ReadEnvironment<Settings> {
  readonly settings: Settings;
  readonly mistakes: readonly string[];
}

/** Reads numbers and choices from an environment and gathers what is wrong with them. */
export class EnvironmentReader {
  readonly mistakes: string[] = [];
  private readonly env: NodeJS.ProcessEnv;

  constructor(env: NodeJS.ProcessEnv) {
    this.env = env;
  }

  number(name: string, fallback: number, least: number): number {
    const value = Number(this.env[name] ?? fallback);
    if (!(value >= least && Number.isFinite(value)))
      this.mistakes.push(`${name}=${this.env[name]}: a number from ${least}`);
    return value;
  }

  range(name: string, fallback: string): BootRange {
    const text = this.env[name] ?? fallback;
    const range = bootRange(text);
    if (range === undefined)
      this.mistakes.push(`${name}=${text}: a number from 0, or two with - between them`);
    return range ?? { least: 0, most: 0 };
  }

  choice<Value extends string>(name: string, fallback: Value, values: readonly Value[]): Value {
    const value = (this.env[name] ?? fallback) as Value;
    if (!values.includes(value)) this.mistakes.push(`${name}=${value}: one of ${values.join(', ')}`);
    return value;
  }
}

/**
 * Reads the gateway's environment: VERSION, PORT (8080), ADMIN_PORT (8081), DRAIN (abrupt, close-all, paced or
 * ignore), DRAIN_OVER (model milliseconds), BOOT_TIME (0; model milliseconds from its start until it listens, or
 * least-most), HANDSHAKE_CPU and MESSAGE_CPU (0; processor milliseconds, which no TIME_SCALE changes), POD_CPU
 * (processors), POD_MEMORY and CONNECTION_MEMORY (bytes), ADMISSION (handshakes a second), MAX_AGE (model milliseconds;
 * without it no connection is too old), POD_NAME, NODE_NAME, TIME_SCALE (model milliseconds a real one, 1).
 */
export function gatewayEnvironment(env: NodeJS.ProcessEnv): ReadEnvironment<GatewaySettings> {
  const read = new EnvironmentReader(env);
  const speed = read.number('TIME_SCALE', 1, Number.MIN_VALUE);
  for (const name of Object.values(CAPACITY)) read.number(name, 1, Number.MIN_VALUE);
  return {
    mistakes: read.mistakes,
    settings: {
      version: env.VERSION ?? 'v1',
      pod: env.POD_NAME ?? env.HOSTNAME ?? 'gateway',
      node: env.NODE_NAME,
      port: read.number('PORT', 8080, 0),
      adminPort: read.number('ADMIN_PORT', 8081, 0),
      drain: read.choice<Drain>('DRAIN', 'close-all', ['abrupt', 'close-all', 'paced', 'ignore']),
      drainOver: read.number('DRAIN_OVER', 300_000, 0),
      handshakeCpu: read.number('HANDSHAKE_CPU', 0, 0),
      messageCpu: read.number('MESSAGE_CPU', 0, 0),
      boot: read.range('BOOT_TIME', '0'),
      capacity: capacityOf(env),
      ...(env.MAX_AGE === undefined ? {} : { maxAge: read.number('MAX_AGE', 0, 1) }),
      // 30 s of model time as `ws` has it, but never less than a busy machine may need.
      closeTimeout: Math.max(1000, 30_000 / speed),
      ...processTime(speed),
    },
  };
}
