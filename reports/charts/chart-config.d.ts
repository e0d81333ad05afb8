import type { ChartConfiguration } from 'chart.js';
import type { ChartSpec, Role } from './chart-spec.ts';

export interface Theme {
  readonly text: string;
  readonly faint: string;
  readonly grid: string;
  readonly surface: string;
  readonly roles: Readonly<Record<Role, string>>;
  readonly bands: Readonly<Record<'release' | 'cut-over' | 'rollback' | 'fault', string>>;
  /** The same, opaque, for a rim above areas. */
  readonly rims: Theme['bands'];
  /** Lines that have no role of their own. */
  readonly palette: readonly string[];
}

export const THEMES: { readonly light: Theme; readonly dark: Theme };
/** Round values between `first` and `last` (seconds), at most `most` of them, 0 among them. */
export function roundTicks(first: number, last: number, most: number): number[];
export function formatSeconds(seconds: number): string;
/** The Chart.js configuration of a chart; `small` leaves out titles and legend, for small multiples. */
export function chartConfig(spec: ChartSpec, theme: Theme, options?: { small?: boolean }): ChartConfiguration;
