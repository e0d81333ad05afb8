import type { ChartConfiguration } from 'chart.js';
import type { ChartSpec, Role } from '../charts/chart-spec.ts';

export interface Theme {
  readonly text: string;
  readonly faint: string;
  readonly grid: string;
  readonly surface: string;
  readonly roles: Readonly<Record<Role, string>>;
  readonly bands: Readonly<Record<'release' | 'cut-over' | 'rollback' | 'fault', string>>;
  /** Lines that have no role of their own. */
  readonly palette: readonly string[];
}

export const THEMES: { readonly light: Theme; readonly dark: Theme };
export function formatSeconds(seconds: number): string;
/** The Chart.js configuration of a chart; `small` leaves out titles and legend, for small multiples. */
export function chartConfig(spec: ChartSpec, theme: Theme, options?: { small?: boolean }): ChartConfiguration;
