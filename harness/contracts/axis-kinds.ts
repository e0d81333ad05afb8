import { z } from 'zod';
import { formatDuration, type Millis, parseDuration } from '../time/duration.ts';

export const count = (least: number, most: number) => z.coerce.number().int().min(least).max(most);
export const duration = (least: string, most: string) =>
  z
    .union([z.string(), z.number()])
    .transform((text, context) => {
      try {
        return typeof text === 'number' ? text : parseDuration(text);
      } catch (error) {
        context.addIssue({ code: 'custom', message: (error as Error).message });
        return z.NEVER;
      }
    })
    .refine((value) => value >= parseDuration(least) && value <= parseDuration(most), {
      message: `must lie between ${least} and ${most}`,
    });

/** What a Deployment takes for maxSurge and maxUnavailable: an int32 or a percentage (k8s intstr.IntOrString). */
export const podCount = z
  .string()
  .regex(/^\d+%?$/, 'must be a count or a percentage')
  .refine((text) => Number.parseInt(text, 10) < 2 ** 31, 'must be at most 2147483647');
/** k8s pkg/apis/apps/validation IsNotMoreThan100Percent. */
export const notAll = (text: string) => !text.endsWith('%') || Number.parseInt(text, 10) <= 100;
export const ascends = (steps: string) =>
  steps.split('-').every((step, index, all) => index === 0 || Number(step) > Number(all[index - 1]));

/** A share, such as `10%` or `2.5%`. */
export const percentage = z.string().regex(/^\d+(\.\d+)?%$/, 'must be a percentage, such as 10%');

/** So many pods, or a share of them, in so long: `1/5m`, `10%/1m`. */
export const podsPerTime = (least: string, most: string) =>
  z.string().superRefine((text, context) => {
    const [, pods, time = ''] = /^([1-9]\d*)%?\/(.+)$/.exec(text) ?? [];
    if (pods === undefined)
      context.addIssue({ code: 'custom', message: 'must be N/TIME or N%/TIME, such as 1/5m' });
    else
      for (const issue of duration(least, most).safeParse(time).error?.issues ?? [])
        context.addIssue({ ...issue });
  });

/** What such a text says. */
export function ofPodsPerTime(text: string): { pods: number; isPercent: boolean; time: Millis } {
  const [pods = '', time = ''] = text.split('/');
  return { pods: Number.parseInt(pods, 10), isPercent: pods.endsWith('%'), time: parseDuration(time) };
}

/** A time, or two with - between them. */
export const durationRange = (least: string, most: string) =>
  z.string().superRefine((text, context) => {
    const parts = text.split('-');
    const times = parts.map((part) => duration(least, most).safeParse(part));
    for (const { error } of times) for (const issue of error?.issues ?? []) context.addIssue({ ...issue });
    const [from, to] = times.map(({ data }) => data);
    if (parts.length > 2) context.addIssue({ code: 'custom', message: 'must be TIME or TIME-TIME' });
    else if (from !== undefined && to !== undefined && to < from)
      context.addIssue({ code: 'custom', message: 'the first time must not be longer than the second' });
  });

/** What a range of times says: `5s-15s`, or one time for both. */
export function timeRange(text: string): { readonly least: Millis; readonly most: Millis } {
  const [least = 0, most = least] = text.split('-').map(parseDuration);
  return { least, most };
}

export interface Axis<Schema extends z.ZodType = z.ZodType> {
  /** Checks and converts one value as typed by the user. */
  readonly schema: Schema;
  /** The value when nothing is said, as the user would type it. */
  readonly fallback: string;
  /** One line for --help. */
  readonly help: string;
  /** What stands for the value in --help. */
  readonly value: string;
  /** A value as the user would type it. */
  readonly show: (value: z.output<Schema>) => string;
  /** The value when nothing is said and others decide it; undefined where they do not: `fallback`. */
  readonly follows?: (others: Readonly<Record<string, unknown>>) => z.input<Schema> | undefined;
}

export const axis = <Schema extends z.ZodType>(
  schema: Schema,
  fallback: string,
  value: string,
  help: string,
  follows?: Axis<Schema>['follows'],
): Axis<Schema> => ({
  schema,
  fallback,
  value,
  help,
  show: value === 'TIME' || value === 'TIME|never' ? showTime : value === 'N|each' ? showShared : String,
  ...(follows === undefined ? {} : { follows }),
});

/** A proxy's own time as it would be typed. */
export const ownTime = (time: number | undefined) => (time === undefined ? 'never' : time);

/** Something that nothing bounds unless one says so. */
export const limit = <Schema extends z.ZodType>(
  schema: Schema,
  value: string,
  help: string,
  show: (value: number) => string = String,
) => ({
  ...axis(
    z.union([z.literal('unlimited').transform(() => undefined), schema]),
    'unlimited',
    `${value}|unlimited`,
    help,
  ),
  show: (given: unknown) => (typeof given === 'number' ? show(given) : 'unlimited'),
});

/** Processors as Kubernetes writes them: `0.5` or `500m`. */
export const processors = z
  .string()
  .regex(/^\d+(\.\d+)?m?$/, 'must be a number of processors, such as 0.5 or 500m')
  .transform((text) => (text.endsWith('m') ? Number.parseFloat(text) / 1000 : Number(text)))
  .refine((value) => value >= 0.01 && value <= 1000, { message: 'must lie between 10m and 1000' });

const UNITS: Readonly<Record<string, number>> = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };

/** Bytes as Kubernetes writes them: `256Mi`. */
export const bytes = z
  .string()
  .regex(/^\d+(\.\d+)?(Ki|Mi|Gi)$/, 'must be a number with Ki, Mi or Gi')
  .transform((text) => Math.round(Number.parseFloat(text) * (UNITS[text.slice(-2)] as number)))
  .refine((value) => value >= 1024 && value <= 2 ** 42, { message: 'must lie between 1Ki and 4096Gi' });

export const showBytes = (value: number): string => {
  const [unit, size] = Object.entries(UNITS).findLast(([, each]) => value % each === 0) ?? ['', 1];
  return `${value / size}${unit}`;
};

export const showTime = (time: unknown) => (typeof time === 'number' ? formatDuration(time) : 'never');

const showShared = (shared: unknown) => String(shared ?? 'each');

/** A time, or `never`, which is undefined once read. */
export const timeOrNever = (least: string, most: string) =>
  z.union([z.literal('never').transform(() => undefined), duration(least, most)]);

export const choice = <const Values extends readonly [string, ...string[]]>(
  values: Values,
  fallback: Values[number],
  help: string,
  follows?: (others: Readonly<Record<string, unknown>>) => Values[number] | undefined,
) => axis(z.enum(values), fallback, values.join('|'), help, follows);
