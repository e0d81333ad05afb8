import type { ChartConfiguration } from 'chart.js';
import { chartConfig, THEMES } from './chart-config.js';
import type { ChartSpec } from './chart-spec.ts';

const WIDTH = 1000;
const HEIGHT = 420;
const FAMILY = 'system-ui, sans-serif';

/**
 * Draws charts into PNGs of 2000 x 840 pixels, light, through the same configuration as the page. Undefined where
 * chartjs-node-canvas is not there: a checkout has it, beside an installed package it is the user's to add, for its canvas
 * is compiled or fetched when it is installed.
 */
export async function pngRenderer(): Promise<((spec: ChartSpec) => Buffer) | undefined> {
  const { ChartJSNodeCanvas } = await import('chartjs-node-canvas').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ERR_MODULE_NOT_FOUND') return { ChartJSNodeCanvas: undefined };
    throw error;
  });
  if (ChartJSNodeCanvas === undefined) return undefined;
  const canvas = new ChartJSNodeCanvas({
    width: WIDTH,
    height: HEIGHT,
    backgroundColour: THEMES.light.surface,
  });
  return (spec) => {
    const config = chartConfig(spec, THEMES.light);
    const options = {
      ...config.options,
      // A page sizes its charts and says their title in its own words; a picture has to do both.
      responsive: false,
      devicePixelRatio: 2,
      layout: { padding: { top: 8, right: 16, bottom: 8, left: 8 } },
      plugins: {
        ...config.options?.plugins,
        title: {
          display: true,
          text: spec.title,
          align: 'start',
          color: THEMES.light.text,
          font: { size: 16, weight: 'bold', family: FAMILY },
        },
        subtitle: {
          display: true,
          text: spec.summary,
          align: 'start',
          color: THEMES.light.faint,
          font: { size: 12, family: FAMILY },
          padding: { bottom: 20 },
        },
      },
    };
    // The asynchronous call writes files in another way than @napi-rs/canvas does.
    return canvas.renderToBufferSync({ ...config, options } as ChartConfiguration, 'image/png');
  };
}
