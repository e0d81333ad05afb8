import { z } from 'zod';
import { UsageError } from '../errors.ts';
import { AXES } from './axes.ts';

/**
 * Where something stands that a gateway says of itself, such as its version: in a header of its handshake response, or
 * in a message. A string names a field by its JSON pointer (RFC 6901, `/server/version`); of a regular expression the
 * first group counts, or the whole match where it has none.
 */
export type Reading =
  | { readonly header: string; readonly match?: RegExp | undefined }
  | { readonly message: string | RegExp };

const text = z.string().min(1, 'must not be empty');
const port = z
  .int('must be a port from 1 to 65535')
  .min(1, 'must be a port from 1 to 65535')
  .max(65_535, 'must be a port from 1 to 65535');
const path = z.string().regex(/^\/\S*$/, 'must begin with / and hold no space');
const words = z.array(text).min(1, 'must name a program');

/** The same for both versions, or one each. */
const perVersion = <Each extends z.ZodType>(each: Each, what: string) =>
  z.union([each, z.strictObject({ v1: each, v2: each })], {
    error: `must be ${what}, or { v1: ..., v2: ... } with one each`,
  });

const values = z.record(z.string(), z.json());
const valuesPerVersion = z.union(
  [
    z.strictObject({ v1: values, v2: values }),
    values
      .refine((both) => !('v1' in both || 'v2' in both))
      .transform((both): { v1: typeof both; v2: typeof both } => ({ v1: both, v2: both })),
  ],
  { error: "must be the chart's values, or { v1: values, v2: values } with some each" },
);

const jsonPointer = z
  .string()
  .regex(/^(\/([^~/]|~[01])*)+$/, 'must be a JSON pointer such as /server/version (RFC 6901)');
const expression = z.instanceof(RegExp, { error: 'must be a regular expression' });
const message = z.union([jsonPointer, expression], {
  error: 'must be a JSON pointer such as /server/version (RFC 6901), or a regular expression',
});
const reading: z.ZodType<Reading, Reading> = z.union(
  [z.strictObject({ header: text, match: expression.optional() }), z.strictObject({ message })],
  { error: 'must be { header: NAME, match?: /.../ } or { message: JSON pointer or /.../ }' },
);

/** A value of an axis, as typed on the command line. */
const axis = (name: 'backoff' | 'backoffModel' | 'heartbeat') =>
  z.string().superRefine((value, context) => {
    for (const issue of AXES[name].schema.safeParse(value).error?.issues ?? [])
      context.addIssue({ code: 'custom', message: issue.message });
  });

const headerName = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'must be the name of a header');
const headerValue = z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'must hold nothing that a header cannot');

/** Checks of several fields are made as well where one of them is wrong, so that all mistakes are told at once. */
const isObject = ({ value }: { value: unknown }) => typeof value === 'object' && value !== null;

const Config = z.strictObject({
  gateway: z
    .strictObject({
      /** Program and arguments, for clusters that run processes: one for both versions (VERSION tells them apart), or one each. */
      command: perVersion(words, 'a list of program and arguments').optional(),
      /** Where the command runs, and where a chart's path begins; the folder of the configuration by default. */
      directory: text.optional(),
      /** For clusters that run containers. */
      image: perVersion(text, 'the name of an image').optional(),
      /**
       * The chart it is installed by elsewhere, for clusters that run containers: `helm template` renders it once a
       * version, as the releases gateway-v1 and gateway-v2, and the pods of its one Deployment are the gateway's. An
       * `image` beside it takes the place of the gateway's own in the chart.
       */
      chart: z
        .strictObject({
          /** A folder (from the configuration's, or `directory`), an archive, or what else helm knows: repo/name, oci://... */
          name: text.refine((name) => !name.startsWith('-'), { error: 'must not begin with -' }),
          /** Of a chart that helm fetches: one for both versions, or one each; the newest by default. */
          version: perVersion(text, 'a version of the chart').optional(),
          /** For both versions, or { v1: values, v2: values }; nothing else tells the chart which of them it renders. */
          values: valuesPerVersion.prefault({}),
        })
        .optional(),
      /** Added to VERSION (v1 or v2), PORT, ADMIN_PORT, POD_NAME, NODE_NAME and TIME_SCALE (model seconds a real one). */
      env: z.record(z.string(), z.string()).default({}),
      /** Where it takes WebSockets. */
      port,
      /** What clients ask for in their handshake. */
      path: path.default('/'),
      /** What its readinessProbe asks for, on `readyPort` (the admin port where there is one, else `port`). */
      readyPath: path,
      readyPort: port.optional(),
      /** What its livenessProbe asks for, on the same port; none by default. */
      livePath: path.optional(),
      /**
       * What it answers POSTs to, for strategies that tell a pod to fail readiness or to drain; those are skipped where
       * it answers none. In `drain` {seconds}, {millis} and {how} (close or message) are replaced.
       */
      admin: z
        .strictObject({
          port,
          failReadiness: path.optional(),
          restoreReadiness: path.optional(),
          drain: path.optional(),
        })
        .refine((admin) => (admin.failReadiness === undefined) === (admin.restoreReadiness === undefined), {
          error: 'failReadiness and restoreReadiness go together',
          when: isObject,
        })
        .optional(),
      /** The signal that asks it to end; for containers the image's STOPSIGNAL says so. */
      drainSignal: z
        .enum(['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'])
        .default('SIGTERM'),
    })
    .refine(({ command, image, chart }) => [command, image, chart].some((one) => one !== undefined), {
      error:
        'needs a command (for clusters that run processes), an image or a chart (for those that run containers)',
      when: isObject,
    }),
  /** How it says which version serves a connection. */
  version: reading,
  /** How it says which pod does; without, a pod is known only while it is the only one of its version. */
  pod: reading.optional(),
  /** What it calls the two versions. */
  versions: z
    .strictObject({ v1: text, v2: text })
    .refine(({ v1, v2 }) => v1 !== v2, { error: 'must differ, or nobody can tell them apart' })
    .default({ v1: 'v1', v2: 'v2' }),
  /** The message by which it asks a client to reconnect: one that the expression matches, or has this value there. */
  asks: z
    .union(
      [z.strictObject({ message: expression }), z.strictObject({ message: jsonPointer, equals: text })],
      {
        error: 'must be { message: /.../ } or { message: JSON pointer, equals: TEXT }',
      },
    )
    .optional(),
  /** What its clients are like. */
  clients: z
    .strictObject({
      backoff: axis('backoff').optional(),
      backoffModel: axis('backoffModel').optional(),
      heartbeat: axis('heartbeat').optional(),
      subprotocols: z.array(text).default([]),
      /** Sent with the handshake; their values are never logged or reported. */
      headers: z.record(headerName, headerValue).default({}),
    })
    .prefault({}),
});

/** Its JSON schema (2020-12); what JSON cannot say, such as a regular expression, is anything there. */
export function configSchema(): object {
  const { properties, ...schema } = z.toJSONSchema(Config, { io: 'input', unrepresentable: 'any' });
  return { title: 'onedrop.config', ...schema, properties: { $schema: { type: 'string' }, ...properties } };
}

/** The configuration as it is written. */
export type ConfigInput = z.input<typeof Config>;

/** The configuration as it is read: a gateway of the user's own, and its clients. */
export type Config = z.output<typeof Config>;

/** Gives a configuration its type while it is written: `export default defineConfig({ ... })`. */
export const defineConfig = (config: ConfigInput): ConfigInput => config;

/**
 * Checks a configuration; `name` stands before each mistake.
 * @throws UsageError naming every field that is wrong, and never a value: it could be a secret.
 */
export function readConfig(value: unknown, name: string): Config {
  const read = Config.safeParse(value);
  if (read.success) return read.data;
  throw new UsageError(
    read.error.issues.map(({ path: where, message: what }) =>
      [name, where.join('.'), what.endsWith('received undefined') ? 'is missing' : what]
        .filter((part) => part !== '')
        .join(': '),
    ),
  );
}
